// SPDX-License-Identifier: MIT
// Runstates: how long each vcpu has been running, runnable, blocked and offline, and how many vcpus
// of a domain compete for CPUs.
#include "hypervisor/domain.h"

static bool competes(int state)
{
    return state == RUNSTATE_running || state == RUNSTATE_runnable;
}

// The caller holds the lock of the vcpu's queue.
void sched_runstate_set(struct vcpu *v, int state, uint64_t now)
{
    struct vcpu_runstate_info *r = &v->runstate;

    // Two CPUs may have read their clocks in the other order than they took the lock.
    if (now > r->state_entry_time) {
        r->time[r->state] += now - r->state_entry_time;
        r->state_entry_time = now;
    }
    if (competes(r->state) != competes(state))
        __atomic_fetch_add(&v->domain->sched.active, competes(state) ? 1 : -1, __ATOMIC_RELAXED);
    r->state = state;
}
