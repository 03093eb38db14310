// SPDX-License-Identifier: MIT
// What the hostile fuzzer asks of the hypervisor, by paravane_op.
#include "tests/fuzz/hostile.h"

#include <stdio.h>

#include "hypercalls/paravane_tests.h"

#define HYPERCALLS 96U
#define LONG_CYCLES 50000UL // worth a line

uint64_t verdict_refusals(void)
{
    struct paravane_refusals op = {.domid = DOMID_SELF, .next = UINT64_MAX};

    hypercall_paravane_op(PARAVANE_refusals, &op);
    return op.next;
}

static void print_longest(void)
{
    for (unsigned int call = 0; call < HYPERCALLS; call++) {
        struct paravane_longest_call op = {.call = call};
        if (hypercall_paravane_op(PARAVANE_longest_call, &op) == 0 && op.cycles >= LONG_CYCLES)
            printf("HOSTILE longest %u(%u) %lu\n", call, op.subop, op.cycles);
    }
}

bool verdict_print(void)
{
    struct paravane_check_frames check = {0};
    long result;

    do
        result = hypercall_paravane_op(PARAVANE_check_frames, &check);
    while (result == -XEN_EAGAIN);
    print_longest();
    printf("HOSTILE frames %lu, bad %lu (%ld)\n", check.checked, check.bad, result);
    if (check.bad)
        printf("HOSTILE mfn %#lx count %#lx type %#lx, tables hold %lu references %lu uses\n",
               check.mfn, check.count, check.type, check.table_references, check.table_uses);
    return result == 0 && check.bad == 0 && check.checked != 0;
}
