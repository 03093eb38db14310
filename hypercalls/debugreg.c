// SPDX-License-Identifier: MIT
// set_debugreg and get_debugreg. The latter returns the value itself, so that a refusal cannot be told
// from a value near 2^64: the ABI's own flaw.
#include "hypervisor/traps.h"
#include "hypercalls/call.h"

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
