// SPDX-License-Identifier: MIT
// What the running case has provoked: the set of (call, sub-operation, refusal) in Paravane's reason
// records. The ring keeps the last 32 records of a domain, so dom0's is read at each expectation and a peer's
// when it has done its part; records that a loop has pushed out before are not seen. On Xen there are none, and nothing is printed.
//
// tests/conformance.py compares the lines "WHY suite/case call sub-operation REFUSAL" with the documented
// errors.
#include <stdio.h>
#include <string.h>

#include "tests/guest/guest.h"

#define RECORDS_AT_ONCE 32
#define PROVOKED_MAX 192
#define ERRORS_END 4096

static struct paravane_refusal provoked[PROVOKED_MAX];
static unsigned int provoked_count;
static uint64_t fresh;    // records that no error has been put down to
static bool are_recorded; // this is Paravane

// Cases expect things while the FPU is switched off too.
#define WITHOUT_FPU __attribute__((target("general-regs-only")))

static WITHOUT_FPU bool is_known(const struct paravane_refusal *r)
{
    for (unsigned int i = 0; i < provoked_count; i++)
        if (provoked[i].call == r->call && provoked[i].subop == r->subop &&
            strcmp(provoked[i].name, r->name) == 0)
            return true;
    return false;
}

WITHOUT_FPU void provoked_collect_from(domid_t domid, uint64_t *next)
{
    static struct paravane_refusal records[RECORDS_AT_ONCE];
    static bool busy; // another vcpu is at it and sees the same records
    struct paravane_refusals op = {
        .domid = domid, .count = RECORDS_AT_ONCE, .next = *next, .buffer = (uint64_t)records};

    if (__atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE))
        return;
    if (hypercall_paravane_op(PARAVANE_refusals, &op) == 0) {
        are_recorded = true;
        if (op.next != *next)
            fresh = op.next - *next;
        *next = op.next;
        for (unsigned int i = 0; i < op.count; i++)
            if (provoked_count < PROVOKED_MAX && !is_known(&records[i]))
                provoked[provoked_count++] = records[i];
    }
    __atomic_store_n(&busy, false, __ATOMIC_RELEASE);
}

WITHOUT_FPU void provoked_collect(void)
{
    static uint64_t next;

    provoked_collect_from(DOMID_SELF, &next);
}

void provoked_print(const char *suite, const char *name)
{
    provoked_collect();
    fresh = 0;
    for (unsigned int i = 0; i < provoked_count; i++)
        printf("WHY %s/%s %s %u %s\n", suite, name, provoked[i].call_name, provoked[i].subop,
               provoked[i].name);
    provoked_count = 0;
}

WITHOUT_FPU bool provoked_excuses(long result)
{
    if (result >= 0 || result <= -ERRORS_END || !are_recorded)
        return true;
    return fresh && fresh--;
}
