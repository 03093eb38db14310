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

enum stage { STOP, EVENTS, INTERRUPTS, MAPPINGS, GRANTS, VCPUS, MEMORY, BURIAL, GONE };

static enum refusal stage_run(struct domain *d)
{
    switch ((enum stage)d->kill_stage) {
    case STOP:
        spin_lock(&d->lock);
        d->is_dying = true;
        spin_unlock(&d->lock);
        domain_pause(d); // for good
        return REFUSE_NONE;
    case EVENTS:
        return event_domain_close(d, BUDGET);
    case INTERRUPTS:
        irq_unmap_all(d);
        return REFUSE_NONE;
    case MAPPINGS:
        return grant_release_mappings(d, BUDGET);
    case GRANTS: // those that others still use keep their frames, and so the domain, until that ends
        grant_revoke(d);
        return REFUSE_NONE;
    case VCPUS:
        for (unsigned i = 0; i < d->max_vcpus; i++) {
            vcpu_timers_stop(d->vcpu[i]);
            vcpu_traps_drop_descriptors(d->vcpu[i]);
            vcpu_info_unmap(d->vcpu[i]);
        }
        return REFUSE_NONE;
    case MEMORY:
        return memory_relinquish(d, MEMORY_BUDGET);
    default:
        domain_put(d); // the list's; reaping takes it off the list
        return REFUSE_NONE;
    }
}

enum refusal domain_kill(struct domain *d)
{
    while (d->kill_stage < GONE) {
        enum refusal r = stage_run(d);
        if (r != REFUSE_NONE)
            return r;
        // What goes on is looked up anew, and after the last stage there is nobody to be found.
        if (++d->kill_stage != GONE && softirq_is_pending())
            return REFUSE_CONTINUE;
        if (d->kill_stage == GONE)
            domain_send_global_virq(VIRQ_DOM_EXC); // again when the last frame is back
    }
    return REFUSE_NONE;
}
