// SPDX-License-Identifier: MIT
// vm_assist: switches for a whole domain. Which of them change anything: architectural_iopl (traps),
// runstate_update_flag (vcpu areas), m2p_strict (roots). The others ask for what a 64-bit guest has in any
// case, and are accepted as Xen accepts them.
#include "hypercalls/call.h"

long hypercall_vm_assist(struct hypercall *c)
{
    uint32_t command = (uint32_t)c->arg[0], type = (uint32_t)c->arg[1];

    c->subop = command;
    if (type >= 64 || !(VM_ASSISTS_KNOWN >> type & 1))
        return refuse(c, REFUSE_ASSIST_UNKNOWN, 1);
    switch (command) {
    case VMASST_CMD_enable:
        __atomic_fetch_or(&c->domain->vm_assist, 1ull << type, __ATOMIC_RELAXED);
        return 0;
    case VMASST_CMD_disable:
        __atomic_fetch_and(&c->domain->vm_assist, ~(1ull << type), __ATOMIC_RELAXED);
        return 0;
    default:
        return refuse(c, REFUSE_NO_SUBOP, 0);
    }
}
