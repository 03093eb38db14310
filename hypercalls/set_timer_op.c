// SPDX-License-Identifier: MIT
// set_timer_op: the one-shot timer of the calling vcpu, in absolute system time.
#include "hypercalls/call.h"

#define FAR_FUTURE (1ull << 50) // 13 days from now
#define INSTEAD_OF_NEVER (100 * NS_PER_MS)

long hypercall_set_timer_op(struct hypercall *c)
{
    uint64_t deadline = c->arg[0], now = time_now();

    // Guests that think in ticks pass huge or negative values when they mean "never". Like Xen, give
    // them a tick soon, so that a wrapped value cannot put a vcpu to sleep for good.
    if ((int64_t)deadline < 0 || (deadline > now && deadline - now >= FAR_FUTURE))
        deadline = now + INSTEAD_OF_NEVER;
    vcpu_timer_set_oneshot(c->vcpu, deadline, now);
    return 0;
}
