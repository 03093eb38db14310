// SPDX-License-Identifier: MIT
// The frame table: owners and references.
//
// Life of a frame. Free (0 references) -> allocated: 1 reference, which came with the allocation and
// belongs to the owner (FRAME_ALLOCATED) or to the hypervisor (owner NULL). Every entry of a page
// table that maps it, every root, pin, grant in use and every copy under way holds a reference of its
// own. The last one that goes frees the frame, whoever drops it: then no entry names the frame, its
// type has no uses, and its stamp says which CPUs may still have translations to it.
//
// Rules.
//  - References change by compare-and-exchange. A get succeeds only on a frame that has references
//    already, and counts only after the owner has been compared with it held: an owner changes only
//    while nobody but the changer holds a reference.
//  - A get beyond FRAME_REFS_LIMIT is refused. A put below zero is our own fault: BUG.
//  - The frames inside a block of the hypervisor's own have no references, so nobody gets one.
//  - The first frame that a domain owns takes a reference to the domain's structure, the last one that
//    goes drops it. Frames of the hypervisor that it shares with a domain hold none: they are taken
//    back when the structure goes, and what is still mapped then belongs to nobody until the last
//    mapping has gone.
// Locks: frame_put may take LOCK_DOMAIN of the owner and LOCK_ALLOC; call it with neither those nor any
// lock behind LOCK_DOMAIN held. Lists of a domain are guarded by LOCK_DOMAIN.
#include "hypervisor/frame.h"

#include "hypervisor/domain.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/tlb.h"

bool frame_chunk_present[FRAME_CHUNKS];
uint64_t frame_max_mfn;

void frame_table_add(uint64_t first, uint64_t end)
{
    const uint64_t chunk_frames = 1ull << FRAME_CHUNK_SHIFT;

    end = MIN(end, (uint64_t)HV_MAX_MFN);
    if (first >= end)
        return;
    for (uint64_t chunk = first >> FRAME_CHUNK_SHIFT; chunk <= (end - 1) >> FRAME_CHUNK_SHIFT;
         chunk++) {
        if (frame_chunk_present[chunk])
            continue;
        paging_map_fresh((uint64_t)&FRAME_TABLE[chunk << FRAME_CHUNK_SHIFT],
                         chunk_frames * sizeof(struct frame));
        frame_chunk_present[chunk] = true;
    }
    for (uint64_t mfn = first; mfn < end; mfn++)
        FRAME_TABLE[mfn].count = FRAME_RAM | 1;
    frame_max_mfn = MAX(frame_max_mfn, end - 1);
}

// --- lists

void page_list_add(struct page_list *list, struct frame *f)
{
    uint32_t number = (uint32_t)frame_to_mfn(f).v;

    f->prev = list->last;
    f->next = 0;
    if (list->last)
        FRAME_TABLE[list->last].next = number;
    else
        list->first = number;
    list->last = number;
    list->count++;
}

void page_list_remove(struct page_list *list, struct frame *f)
{
    if (f->prev)
        FRAME_TABLE[f->prev].next = f->next;
    else
        list->first = f->next;
    if (f->next)
        FRAME_TABLE[f->next].prev = f->prev;
    else
        list->last = f->prev;
    f->next = f->prev = 0;
    list->count--;
}

// --- references

enum refusal frame_get_refused(struct frame *f, bool taken)
{
    if (!taken)
        return frame_refs(f) ? REFUSE_FRAME_OVERFLOW : REFUSE_FRAME_NOT_OWNED;
    frame_put(f);
    return REFUSE_FRAME_NOT_OWNED;
}

// The last reference has gone: take the frame from its owner's list and give it back.
void frame_free(struct frame *f, uint32_t count_before)
{
    struct domain *d = f->owner;

    BUG_ON((count_before & FRAME_REFS) == 0);
    BUG_ON((__atomic_load_n(&f->type, __ATOMIC_RELAXED) & TYPE_COUNT) != 0);
    BUG_ON(f->count & (FRAME_ALLOCATED | FRAME_SHARED));
    // A page of the hypervisor's own that has had no type was never mapped by a guest, and what its last owner mapped
    // was flushed when it was allocated: without a new stamp nobody is interrupted for it again.
    if (d || __atomic_load_n(&f->type, __ATOMIC_RELAXED))
        f->stamp = tlb_stamp_now();
    if (!d) {
        page_alloc_give_back(f, f->next);
        return;
    }
    spin_lock(&d->lock);
    page_list_remove(&d->pages, f);
    bool was_last = --d->tot_pages == 0;
    spin_unlock(&d->lock);
    f->owner = NULL;
    page_alloc_give_back(f, 0);
    if (was_last)
        domain_put(d);
}

bool frame_release(struct frame *f)
{
    if (!(__atomic_fetch_and(&f->count, ~FRAME_ALLOCATED, __ATOMIC_ACQ_REL) & FRAME_ALLOCATED))
        return false;
    frame_put(f);
    return true;
}

// --- frames that the hypervisor shares with a guest

void frame_share_with_guest(struct frame *f, struct domain *d, bool readonly)
{
    BUG_ON(f->owner || frame_refs(f) == 0);
    f->type = TYPE_WORD(readonly ? PAGE_TYPE_NONE : PAGE_TYPE_WRITABLE) | TYPE_VALIDATED | 1;
    __atomic_fetch_or(&f->count, FRAME_SHARED, __ATOMIC_RELAXED);
    spin_lock(&d->lock);
    page_list_add(&d->xen_pages, f);
    __atomic_store_n(&f->owner, d, __ATOMIC_RELEASE);
    spin_unlock(&d->lock);
}

void frame_unshare(struct frame *f)
{
    struct domain *d = f->owner;

    BUG_ON(!(f->count & FRAME_SHARED));
    spin_lock(&d->lock);
    page_list_remove(&d->xen_pages, f);
    __atomic_store_n(&f->owner, NULL, __ATOMIC_RELEASE);
    spin_unlock(&d->lock);
    __atomic_fetch_and(&f->count, ~FRAME_SHARED, __ATOMIC_RELAXED);
    frame_put_type(f, NULL);
    frame_put(f);
}
