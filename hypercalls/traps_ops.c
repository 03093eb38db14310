// SPDX-License-Identifier: MIT
// Hypercalls about exceptions, kernel stack and FPU: set_trap_table, stack_switch, fpu_taskswitch.
#include "hypercalls/call.h"
#include "hypervisor/traps.h"

#define ENTRIES_PER_LOOK 32 // entries between two looks at what else is to be done

// A list of handlers, ended by one with address 0. Entries before a bad one stay in force. A null
// pointer clears the table.
long hypercall_set_trap_table(struct hypercall *c)
{
    struct trap_info *table = c->vcpu->traps.table, t;

    if (c->arg[0] == 0) {
        memset(table, 0, sizeof(c->vcpu->traps.table));
        return 0;
    }
    for (unsigned i = 0;; i++, c->arg[0] += sizeof(t)) {
        if (i >= ENTRIES_PER_LOOK && call_should_yield())
            return CALL_CONTINUE;
        if (!guest_read(&t, c->arg[0], sizeof(t)))
            return refuse(c, REFUSE_BAD_POINTER, 0);
        if (t.address == 0)
            return 0;
        if (!is_canonical(t.address))
            return refuse(c, REFUSE_TRAP_ENTRY_BAD, i);
        table[t.vector] = t;
    }
}

long hypercall_stack_switch(struct hypercall *c)
{
    c->vcpu->traps.kernel_ss = c->arg[0];
    c->vcpu->traps.kernel_sp = c->arg[1];
    return 0;
}

long hypercall_fpu_taskswitch(struct hypercall *c)
{
    if (c->arg[0]) {
        c->vcpu->traps.cr0 |= CR0_TS;
        write_cr0(read_cr0() | CR0_TS);
    } else {
        c->vcpu->traps.cr0 &= ~(uint64_t)CR0_TS;
        clts();
    }
    return 0;
}

// --- debug registers. get_debugreg returns the value itself, so that a refusal cannot be told from a value near
// 2^64: the ABI's own flaw.

long hypercall_set_debugreg(struct hypercall *c)
{
    return refuse(c, debugreg_set(c->vcpu, (uint32_t)c->arg[0], c->arg[1]), 0);
}

long hypercall_get_debugreg(struct hypercall *c)
{
    uint64_t value;
    enum refusal r = debugreg_get(c->vcpu, (uint32_t)c->arg[0], &value);

    return r == REFUSE_NONE ? (long)value : refuse(c, r, 0);
}
