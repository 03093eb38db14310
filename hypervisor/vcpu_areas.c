// SPDX-License-Identifier: MIT
// Registered areas of vcpus. See vcpu_areas.h.
#include "hypervisor/domain.h"
#include "hypervisor/guestcopy.h"

// With the update flag: entry time first with the flag, then the rest, then the entry time again.
static void runstate_write(uint64_t area, struct vcpu_runstate_info *r, bool with_flag)
{
    uint64_t entry_time_at = area + offsetof(struct vcpu_runstate_info, state_entry_time);
    uint64_t entry_time = r->state_entry_time;

    if (with_flag) {
        r->state_entry_time |= XEN_RUNSTATE_UPDATE;
        if (!guest_write(entry_time_at, &r->state_entry_time, sizeof(entry_time)))
            return;
        __atomic_thread_fence(__ATOMIC_RELEASE); // the guest's reader looks at the flag first
    }
    if (!guest_write(area, r, sizeof(*r)) || !with_flag)
        return;
    __atomic_thread_fence(__ATOMIC_RELEASE); // and last
    guest_write(entry_time_at, &entry_time, sizeof(entry_time));
}

static void time_write(uint64_t area, const struct vcpu_time_info *t)
{
    uint32_t odd = t->version | 1;
    struct vcpu_time_info copy = *t;

    copy.version = odd;
    if (!guest_write(area, &odd, sizeof(odd)))
        return;
    __atomic_thread_fence(__ATOMIC_RELEASE); // an odd version: the reader tries again
    guest_write(area, &copy, sizeof(copy));
    __atomic_thread_fence(__ATOMIC_RELEASE);
    odd++;
    guest_write(area, &odd, sizeof(odd));
}

void runstate_update_guest(struct vcpu *v)
{
    if (v->runstate_area) {
        struct vcpu_runstate_info r;
        sched_runstate_get(v, &r, time_now());
        bool with_flag = domain_assisted(v->domain, VMASST_TYPE_runstate_update_flag);
        runstate_write(v->runstate_area, &r, with_flag);
    }
    if (v->time_area) {
        struct vcpu_time_info t = v->info->time;
        time_write(v->time_area, &t);
    }
}
