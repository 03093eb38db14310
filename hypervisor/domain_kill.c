// SPDX-License-Identifier: MIT
// Death of a domain, in stages; each can be left and entered again.
//
// Order (docs: CORE, "Preemption and death"): stop creations and execution, close events, release
// what it mapped, revoke what it granted, drop roots and descriptor tables, unpin and give up the
// memory, then wait for the last foreign reference. Every stage leaves d->kill_stage at the next one
// only when nothing is left for it to do.
#include "hypervisor/domain.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/irq.h"

#define BUDGET 64          // ports, handles
#define MEMORY_BUDGET 2048 // page-table entries, frames

static enum refusal stop(struct domain *d)
{
    spin_lock(&d->lock);
    d->is_dying = true;
    spin_unlock(&d->lock);
    domain_pause(d); // for good
    return REFUSE_NONE;
}

static enum refusal close_events(struct domain *d)
{
    return event_domain_close(d, BUDGET);
}

static enum refusal release_interrupts(struct domain *d)
{
    irq_unmap_all(d);
    return REFUSE_NONE;
}

static enum refusal release_mappings(struct domain *d)
{
    return grant_release_mappings(d, BUDGET);
}

// Grants that others still use keep their frames, and so the domain, until those end their use.
static enum refusal revoke_grants(struct domain *d)
{
    grant_revoke(d);
    return REFUSE_NONE;
}

static enum refusal drop_vcpu_frames(struct domain *d)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = d->vcpu[i];
        vcpu_timers_stop(v);
        vcpu_traps_drop_descriptors(v);
        vcpu_info_unmap(v);
    }
    return REFUSE_NONE;
}

static enum refusal give_up_memory(struct domain *d)
{
    return memory_relinquish(d, MEMORY_BUDGET);
}

static enum refusal bury(struct domain *d)
{
    domain_put(d); // the list's; reaping takes it off the list
    return REFUSE_NONE;
}

static enum refusal (*const stages[])(struct domain *d) = {
    stop,          close_events,     release_interrupts, release_mappings,
    revoke_grants, drop_vcpu_frames, give_up_memory,     bury,
};

enum refusal domain_kill(struct domain *d)
{
    while (d->kill_stage < ARRAY_SIZE(stages)) {
        enum refusal r = stages[d->kill_stage](d);
        if (r != REFUSE_NONE)
            return r;
        d->kill_stage++;
        if (softirq_is_pending())
            return REFUSE_CONTINUE;
    }
    return REFUSE_NONE;
}
