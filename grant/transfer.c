// SPDX-License-Identifier: MIT
// Transfer: a frame changes its owner, into a slot that the new owner has offered.
//
// Order: the frame is taken out of its owner's hands; room is reserved and the slot is committed; then
// it is assigned, and the slot completed. As on Xen the frame is given up by the first step whatever
// comes later: a transfer that is refused afterwards loses it.
#include "hypervisor/domain.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/tlb.h"

#define COMMIT_RETRIES 5

// Commit the slot for a frame of domain `from`. The lock of the table is held.
static enum refusal slot_commit(grant_entry_v1_t *slot, domid_t from)
{
    uint32_t *word = (uint32_t *)slot; // flags below, domid above
    uint32_t seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; i < COMMIT_RETRIES; i++) {
        if ((uint16_t)seen != GTF_accept_transfer)
            return REFUSE_GRANT_NO_SLOT;
        if ((domid_t)(seen >> 16) != from)
            return REFUSE_GRANT_OTHER_DOMAIN;
        if (__atomic_compare_exchange_n(word, &seen, seen | GTF_transfer_committed, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
            return REFUSE_NONE;
    }
    return REFUSE_GRANT_UNSTABLE;
}

// Room in the reservation of `to`, and its slot.
static enum refusal accept(struct domain *to, domid_t from, grant_ref_t ref,
                           grant_entry_v1_t **slot)
{
    enum refusal r = domain_reserve(to, 1);
    if (r != REFUSE_NONE)
        return REFUSE_GRANT_NO_ROOM;
    spin_lock(&to->grants.lock);
    *slot = grant_shared_entry(to, ref);
    r = *slot ? slot_commit(*slot, from) : REFUSE_GRANT_NO_SLOT;
    spin_unlock(&to->grants.lock);
    if (r != REFUSE_NONE)
        domain_unreserve(to, 1);
    return r;
}

static void assign(struct domain *to, struct frame *f)
{
    // Nobody can reach the frame: after this not by old translations either.
    tlb_filter(tlb_stamp_now(), TLB_ANY_DOMAIN);
    __atomic_store_n(&f->owner, NULL, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&f->count, 1, __ATOMIC_SEQ_CST); // as it comes from the allocator
    domain_assign_frames(to, f, 0);
}

enum refusal grant_transfer(struct domain *d, const struct gnttab_transfer *op)
{
    grant_entry_v1_t *slot;
    mfn_t mfn = MFN(op->mfn);

    if (domain_steal_frame(d, mfn) != REFUSE_NONE)
        return REFUSE_GRANT_BAD_PAGE;
    domain_unreserve(d, 1);
    m2p_set(mfn, ~0ull); // the new owner gives it a pseudo-physical number himself
    struct domain *to = domain_get_by_id(op->domid);
    enum refusal r = to ? accept(to, d->id, op->ref, &slot) : REFUSE_GRANT_NO_DOMAIN;
    if (r == REFUSE_NONE) {
        assign(to, frame_from_mfn(mfn));
        __atomic_store_n(&slot->frame, (uint32_t)mfn.v, __ATOMIC_RELEASE);
        // Pairs with the new owner, who reads the frame number once he sees this.
        __atomic_fetch_or(&slot->flags, GTF_transfer_completed, __ATOMIC_SEQ_CST);
    } else {
        domain_free_stolen(mfn);
    }
    if (to)
        domain_put(to);
    return r;
}
