// SPDX-License-Identifier: MIT
// Moving a vcpu_info. See vcpu_info.h. An event that arrives while it moves may set its bits in the
// old place: so after the move everything is marked pending and the guest looks for itself.
#include "hypervisor/domain.h"
#include "hypervisor/version.h"

enum refusal vcpu_info_map(struct vcpu *v, mfn_t mfn, unsigned offset)
{
    struct frame *f = frame_from_mfn(mfn);

    if (ABI_VCPU_INFO_ERRORS && ((mfn.v << PAGE_SHIFT) + offset) >> PAGE_SHIFT != mfn.v)
        return REFUSE_BAD_ARGUMENT;
    if (ABI_VCPU_INFO_ERRORS && mfn_is_valid(v->info_mfn))
        return REFUSE_BUSY;
    if (offset > PAGE_SIZE - sizeof(struct vcpu_info) || offset % sizeof(uint64_t))
        return REFUSE_VCPU_INFO_OFFSET;
    if (mfn_is_valid(v->info_mfn))
        return REFUSE_INFO_REGISTERED;
    enum refusal r = frame_get_writable(f, v->domain);
    if (r == REFUSE_TYPE_CONFLICT && ABI_VCPU_INFO_ERRORS)
        return REFUSE_INFO_NOT_WRITABLE;
    if (r != REFUSE_NONE)
        return r;
    // Not under the lock: taking and dropping references, which may need it themselves.
    spin_lock(&v->domain->lock);
    bool is_first = !mfn_is_valid(v->info_mfn);
    if (is_first) {
        struct vcpu_info *to = (struct vcpu_info *)((char *)mfn_to_virt(mfn) + offset);
        *to = *v->info;
        v->info_mfn = mfn;
        __atomic_store_n(&v->info, to, __ATOMIC_RELEASE);
    }
    spin_unlock(&v->domain->lock);
    if (!is_first) {
        frame_put_writable(f);
        return ABI_VCPU_INFO_ERRORS ? REFUSE_BUSY : REFUSE_INFO_REGISTERED;
    }
    event_notify_vcpu_info_moved(v);
    return REFUSE_NONE;
}

void vcpu_info_unmap(struct vcpu *v)
{
    if (!mfn_is_valid(v->info_mfn))
        return;
    struct frame *f = frame_from_mfn(v->info_mfn);
    v->info = (struct vcpu_info *)&v->domain->shared_info->vcpu_info[v->id];
    v->info_mfn = MFN_INVALID;
    frame_put_writable(f);
}
