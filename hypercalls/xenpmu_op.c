// SPDX-License-Identifier: MIT
// xenpmu_op (xen/pmu.h): performance counters for guests. Not offered, with the answer of a Xen that was
// started without them, so that kernels do not take it for a fault.
#include "hypercalls/call.h"

long hypercall_xenpmu_op(struct hypercall *c)
{
    c->subop = (uint32_t)c->arg[0];
    return refuse(c, REFUSE_NOT_OFFERED, 0);
}
