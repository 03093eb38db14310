// SPDX-License-Identifier: MIT
// Registered areas of vcpus (domain.h).
#include "hypervisor/domain.h"
#include "hypervisor/guestcopy.h"

// With the update flag: entry time first with the flag, then the rest, then the entry time again.
static bool runstate_write(uint64_t area, struct vcpu_runstate_info *r, bool with_flag)
{
    uint64_t entry_time_at = area + offsetof(struct vcpu_runstate_info, state_entry_time);
    uint64_t entry_time = r->state_entry_time;

    if (with_flag) {
        r->state_entry_time |= XEN_RUNSTATE_UPDATE;
        if (!guest_write(entry_time_at, &r->state_entry_time, sizeof(entry_time)))
            return false;
        __atomic_thread_fence(__ATOMIC_RELEASE); // the guest's reader looks at the flag first
    }
    bool done = guest_write(area, r, sizeof(*r));
    if (!with_flag)
        return done;
    __atomic_thread_fence(__ATOMIC_RELEASE); // and last
    return guest_write(entry_time_at, &entry_time, sizeof(entry_time)) && done;
}

bool time_area_write(const struct vcpu *v)
{
    struct vcpu_time_info t = v->info->time;
    uint32_t odd = t.version | 1;

    t.version = odd;
    if (!guest_write(v->time_area, &odd, sizeof(odd)))
        return false;
    __atomic_thread_fence(__ATOMIC_RELEASE); // an odd version: the reader tries again
    guest_write(v->time_area, &t, sizeof(t));
    __atomic_thread_fence(__ATOMIC_RELEASE);
    odd++;
    return guest_write(v->time_area, &odd, sizeof(odd));
}

void runstate_update_guest(struct vcpu *v)
{
    struct vcpu_runstate_info r;

    if (!v->runstate_area)
        return;
    sched_runstate_get(v, &r, 0); // as it was when the state began
    bool flag = domain_assisted(v->domain, VMASST_TYPE_runstate_update_flag);
    v->areas_late |= !runstate_write(v->runstate_area, &r, flag) && !v->in_kernel;
}

void vcpu_areas_update(struct vcpu *v)
{
    v->areas_late = false;
    runstate_update_guest(v);
    if (v->time_area)
        v->areas_late |= !time_area_write(v) && !v->in_kernel;
}
