// SPDX-License-Identifier: MIT
// How long hypercalls keep their CPU, for tests: the most cycles between the entry of a call, its looks
// for pending work, and its return. Under QEMU's -icount a cycle is an instruction. Only in builds with TIMED=1.
// CPUs note what they find without a lock: the figures are exact on one CPU, which is where cycles count
// instructions.
#include "hypercalls/call.h"
#include "hypercalls/paravane_tests.h"

static struct {
    const struct hypercall *call; // running, NULL: none
    uint64_t since;
} running[HV_MAX_CPUS];

static struct {
    uint64_t cycles;
    uint32_t subop;
} longest[CALL_NUMBERS];

void longest_call_check(void)
{
    const struct hypercall *c = running[this_cpu_id()].call;
    uint64_t now = rdtsc(), cycles = now - running[this_cpu_id()].since;

    if (c && c->number < CALL_NUMBERS && cycles > longest[c->number].cycles) {
        longest[c->number].cycles = cycles;
        longest[c->number].subop = c->subop;
    }
    running[this_cpu_id()].since = now;
}

const struct hypercall *longest_call_enter(const struct hypercall *c)
{
    const struct hypercall *outer = running[this_cpu_id()].call;

    if (!outer)
        running[this_cpu_id()].since = rdtsc();
    running[this_cpu_id()].call = c;
    return outer;
}

void longest_call_leave(const struct hypercall *outer)
{
    longest_call_check();
    running[this_cpu_id()].call = outer;
}

long paravane_op_longest_call(struct hypercall *c, void *argument)
{
    struct paravane_longest_call *op = argument;
    unsigned call = op->call < CALL_NUMBERS ? op->call : 0;

    op->cycles = longest[call].cycles;
    op->subop = longest[call].subop;
    return op->call == call ? 0 : refuse(c, REFUSE_NO_HYPERCALL, 1);
}
