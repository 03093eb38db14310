// SPDX-License-Identifier: MIT
// Registered areas of vcpus. See vcpu_areas.h.
//
// A vcpu_info page is held as a writable frame of the guest, so it can never become a table or a
// descriptor page; the guest may unmap it or free it, the frame stays until it is given back.
#include "hypervisor/vcpu_areas.h"
#include "event/event.h"
#include "hypervisor/domain.h"
#include "hypervisor/guestcopy.h"
#include "hypervisor/page_type.h"
#include "hypervisor/string.h"
#include "hypervisor/time.h"
#include "hypervisor/vcpu_time.h"

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
        bool with_flag = v->domain->vm_assist >> VMASST_TYPE_runstate_update_flag & 1;
        runstate_write(v->runstate_area, &r, with_flag);
    }
    if (v->time_area) {
        struct vcpu_time_info t = v->info->time;
        time_write(v->time_area, &t);
    }
}

enum refusal vcpu_info_register(struct vcpu *v, uint64_t mfn, unsigned offset)
{
    struct domain *d = v->domain;

    if (offset > PAGE_SIZE - sizeof(struct vcpu_info) || offset % sizeof(uint64_t))
        return REFUSE_VCPU_INFO_OFFSET;
    if (mfn_is_valid(v->info_mfn))
        return REFUSE_VCPU_INFO_TWICE;
    struct frame *f = frame_from_mfn(MFN(mfn));
    enum refusal r = f ? frame_get_writable(f, d) : REFUSE_VCPU_INFO_FRAME;
    if (r != REFUSE_NONE)
        return REFUSE_VCPU_INFO_FRAME;

    struct vcpu_info *to = (struct vcpu_info *)((char *)frame_to_virt(f) + offset);
    memcpy(to, v->info, sizeof(*to));
    v->info_mfn = MFN(mfn);
    __atomic_store_n(&v->info, to, __ATOMIC_SEQ_CST);
    event_notify_vcpu_info_moved(v);
    return REFUSE_NONE;
}

void vcpu_info_unregister(struct vcpu *v)
{
    if (!mfn_is_valid(v->info_mfn))
        return;
    struct frame *f = frame_from_mfn(v->info_mfn);
    __atomic_store_n(&v->info, (struct vcpu_info *)&v->domain->shared_info->vcpu_info[v->id],
                     __ATOMIC_SEQ_CST);
    v->info_mfn = MFN_INVALID;
    frame_put_writable(f);
}
