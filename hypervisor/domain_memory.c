// SPDX-License-Identifier: MIT
// The memory of one domain: allocation within its reservation, roots, and the way back at its death.
//
// Counts. tot_pages counts the frames on d->pages and those that are about to come there
// (domain_reserve); while it is not 0 it holds a reference to the domain's structure. claimed is the
// part of the global claims that is set aside for the domain.
// Locks: LOCK_DOMAIN for the lists and counts; not held while anything is allocated, freed or flushed.
//
// Destruction (memory_relinquish) walks d->pages once a level, from L4 down to L1, and takes the pins
// away, then once more to take the allocations away and tables that were left half validated. When
// it stops it keeps a reference to the frame it stands on, so that the frame stays on the list. What
// remains on the list afterwards is held by other domains' mappings and goes with them.
#include "hypervisor/domain_memory.h"

#include "hypervisor/descriptors.h"
#include "hypervisor/domain.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/tlb.h"

// --- allocation

enum refusal domain_reserve(struct domain *d, uint64_t frames)
{
    enum refusal r = REFUSE_NONE;

    spin_lock(&d->lock);
    if (d->is_dying)
        r = REFUSE_DOMAIN_DYING;
    else if (frames > d->max_pages || d->tot_pages > d->max_pages - frames)
        r = REFUSE_RESERVATION_FULL;
    else if (frames_free_count() < frames + page_alloc_claimed() - d->claimed)
        r = REFUSE_NO_MEMORY;
    else {
        if (d->tot_pages == 0)
            BUG_ON(!domain_get(d));
        d->tot_pages += frames;
    }
    spin_unlock(&d->lock);
    return r;
}

void domain_unreserve(struct domain *d, uint64_t frames)
{
    spin_lock(&d->lock);
    BUG_ON(d->tot_pages < frames);
    d->tot_pages -= frames;
    bool last = d->tot_pages == 0;
    spin_unlock(&d->lock);
    if (last)
        domain_put(d);
}

// What came to a dying domain. The reference that was taken for us keeps the frame ours meanwhile: the
// destruction may be releasing it as well.
static void release_late(struct frame *f)
{
    frame_release(f);
    frame_put(f);
}

void domain_assign_frames(struct domain *d, struct frame *first, unsigned order)
{
    const uint64_t frames = 1ull << order;

    for (uint64_t i = 0; i < frames; i++)
        first[i].type = TYPE_WORD(PAGE_TYPE_NONE);
    spin_lock(&d->lock);
    const bool is_late = d->is_dying; // then the destruction may have gone past
    for (uint64_t i = 0; i < frames; i++) {
        page_list_add(&d->pages, &first[i]);
        __atomic_store_n(&first[i].owner, d, __ATOMIC_RELEASE);
        // The first frame has its reference from the allocation, and maybe those of others who are
        // about to find out that they may not have it.
        __atomic_fetch_add(&first[i].count, FRAME_ALLOCATED + (i ? 1u : 0u) + is_late,
                           __ATOMIC_RELEASE);
    }
    uint64_t claimed = MIN(d->claimed, frames);
    d->claimed -= claimed;
    spin_unlock(&d->lock);
    if (claimed)
        page_alloc_claim(-(int64_t)claimed);
    for (uint64_t i = 0; is_late && i < frames; i++)
        release_late(&first[i]);
}

void m2p_set_block(mfn_t first, unsigned order, uint64_t pfn)
{
    for (uint64_t i = 0; i < 1ull << order; i++)
        m2p_set(MFN(first.v + i), pfn == M2P_NONE ? M2P_NONE : pfn + i);
}

enum refusal domain_alloc_frames(struct domain *d, unsigned order, unsigned address_bits,
                                 uint64_t pfn, struct frame **first)
{
    if (order > PAGE_ORDER_MAX)
        return REFUSE_ORDER_TOO_BIG;
    enum refusal r = domain_reserve(d, 1ull << order);
    if (r)
        return r;
    struct frame *f = page_alloc_frames(order, address_bits);
    if (!f) {
        domain_unreserve(d, 1ull << order);
        return REFUSE_NO_MEMORY;
    }
    m2p_set_block(frame_to_mfn(f), order, pfn); // before anybody can give the frames away again
    domain_assign_frames(d, f, order);
    *first = f;
    return REFUSE_NONE;
}

enum refusal domain_claim(struct domain *d, uint64_t pages)
{
    enum refusal r = REFUSE_NONE;

    spin_lock(&d->lock);
    if (pages && (d->is_dying || d->claimed || pages < d->tot_pages || pages > d->max_pages))
        r = REFUSE_BAD_ARGUMENT;
    else {
        uint64_t claimed = pages ? pages - d->tot_pages : 0;
        if (page_alloc_claim((int64_t)claimed - (int64_t)d->claimed))
            d->claimed = claimed;
        else
            r = REFUSE_NO_MEMORY;
    }
    spin_unlock(&d->lock);
    return r;
}

enum refusal domain_free_frame(struct domain *d, mfn_t mfn)
{
    struct frame *f = frame_from_mfn(mfn);
    if (!f)
        return REFUSE_FRAME_NOT_RAM;
    enum refusal r = frame_get(f, d);
    if (r)
        return r;
    if (!frame_release(f) && f->count & FRAME_SHARED)
        r = REFUSE_FRAME_NOT_OWNED; // the hypervisor's; a frame given back before may be again, as on Xen
    frame_put(f);
    return r;
}

// --- exchange

enum refusal domain_steal_frame(struct domain *d, mfn_t mfn)
{
    struct frame *f = frame_from_mfn(mfn);
    if (!f)
        return REFUSE_FRAME_NOT_RAM;
    enum refusal r = frame_get(f, d);
    if (r)
        return r;
    // Every use has a reference: with the owner's and ours alone there are none, type or other.
    uint32_t foreign = __atomic_load_n(&f->count, __ATOMIC_RELAXED) & FRAME_FOREIGN;
    uint32_t expected = FRAME_RAM | FRAME_ALLOCATED | foreign | 2;
    if (!__atomic_compare_exchange_n(&f->count, &expected, FRAME_RAM | foreign, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        frame_put(f);
        return expected & FRAME_ALLOCATED ? REFUSE_FRAME_IN_USE : REFUSE_FRAME_NOT_OWNED;
    }
    BUG_ON(f->type & TYPE_COUNT);
    spin_lock(&d->lock);
    page_list_remove(&d->pages, f);
    spin_unlock(&d->lock);
    return REFUSE_NONE;
}

void domain_unsteal_frame(struct domain *d, mfn_t mfn)
{
    struct frame *f = frame_from_mfn(mfn);

    spin_lock(&d->lock);
    page_list_add(&d->pages, f);
    const bool is_late = d->is_dying;
    __atomic_fetch_add(&f->count, FRAME_ALLOCATED + 1u + is_late, __ATOMIC_RELEASE);
    spin_unlock(&d->lock);
    if (is_late)
        release_late(f);
}

void domain_free_stolen(mfn_t mfn)
{
    struct frame *f = frame_from_mfn(mfn);

    f->stamp = tlb_stamp_now();
    f->owner = NULL;
    page_alloc_give_back(f, 0);
}

// --- roots

#define ROOT_BUDGET 4096 // entries that may be looked at for a new root in one call

void vcpu_load_root(struct vcpu *v)
{
    mfn_t root = v->in_kernel ? v->root_kernel : v->root_user;

    if (v->domain->is_idle || !mfn_is_valid(root))
        root = maddr_to_mfn(idle_l4_maddr());
    tlb_load_root(mfn_to_maddr(root), v->domain->id);
}

static void root_release(mfn_t mfn, struct type_work *w)
{
    if (mfn_is_valid(mfn))
        frame_put_and_type(frame_from_mfn(mfn), w);
}

// The machine-to-phys table: a root made under m2p_strict has it until it becomes one of user mode,
// another one from when it becomes one of the kernel.
static void root_show_m2p(const struct vcpu *v, mfn_t mfn, bool user)
{
    if (domain_assisted(v->domain, VMASST_TYPE_m2p_strict) == user)
        paging_copy_slots(mfn_to_virt(mfn), !user);
}

enum refusal vcpu_set_root(struct vcpu *v, mfn_t mfn, bool user)
{
    mfn_t *root = user ? &v->root_user : &v->root_kernel, old = *root;

    if (type_work_begin(&v->type_work, ROOT_BUDGET))
        return REFUSE_CONTINUE;
    if (mfn_is_valid(mfn)) {
        struct frame *f = frame_from_mfn(mfn);
        enum refusal r = frame_get_and_type(f, v->domain, PAGE_TYPE_L4, &v->type_work);
        if (r)
            return r;
        if (mfn.v != old.v)
            root_show_m2p(v, mfn, user);
    } else if (!user) {
        return REFUSE_ROOT_BAD;
    }
    *root = mfn;
    if (!user && mfn.v != old.v)
        ldt_unmap(v); // its linear address means something else now
    if (v == current_vcpu() && v->in_kernel == !user)
        vcpu_load_root(v);
    root_release(old, &v->type_work);
    return REFUSE_NONE;
}

void vcpu_drop_roots(struct vcpu *v, struct type_work *w)
{
    mfn_t kernel = v->root_kernel, user = v->root_user;

    v->root_kernel = MFN_INVALID;
    root_release(kernel, w);
    if (type_work_is_pending(w))
        return; // a second tree would have to be taken down at once
    v->root_user = MFN_INVALID;
    root_release(user, w);
}

// --- translations

struct cpumask domain_running_cpus(const struct domain *d)
{
    struct cpumask mask = {0};

    __atomic_thread_fence(
        __ATOMIC_SEQ_CST); // who starts to run later loads a root, after our changes
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        const struct vcpu *v = d->vcpu[i];
        if (v && __atomic_load_n(&v->sched.is_running, __ATOMIC_ACQUIRE))
            cpumask_add(&mask, v->sched.cpu);
    }
    return mask;
}

void domain_flush_tlb(const struct domain *d)
{
    tlb_flush_mask(domain_running_cpus(d));
}

// --- destruction

#define KILL_FRAME_COST 4 // of giving back a frame, in entries of a table

// The frame behind `f` on the list (NULL: the first one), with a reference; drops the one on `f`.
static struct frame *list_step(struct domain *d, struct frame *f)
{
    spin_lock(&d->lock);
    struct frame *next = f ? page_list_next(f) : page_list_first(&d->pages);
    while (next &&
           !frame_hold_live(next)) // has lost its last reference, is about to leave the list
        next = page_list_next(next);
    spin_unlock(&d->lock);
    if (f)
        frame_put(f);
    return next;
}

static void kill_frame(struct domain *d, struct frame *f, unsigned level, struct type_work *w)
{
    uint64_t word = __atomic_load_n(&f->type, __ATOMIC_RELAXED);

    if (level > 0) {
        if (word & TYPE_PINNED && page_type_of(word) == level)
            page_type_unpin_held(f, w);
        return;
    }
    if (word & TYPE_PARTIAL)
        page_type_abandon(f, w);
    frame_release(f);
}

// One walk over the list; REFUSE_CONTINUE when the budget is used up.
static enum refusal kill_walk(struct domain *d, unsigned level)
{
    struct memory_kill *k = &d->memory_kill;
    struct frame *f = k->cursor ? &FRAME_TABLE[k->cursor] : list_step(d, NULL);

    k->cursor = 0;
    while (f) {
        if (k->work.budget <= 0 || type_work_is_pending(&k->work)) {
            k->cursor = (uint32_t)frame_to_mfn(f).v;
            return REFUSE_CONTINUE;
        }
        k->work.budget -= level ? 1 : KILL_FRAME_COST;
        kill_frame(d, f, level, &k->work);
        f = list_step(d, f);
    }
    return type_work_is_pending(&k->work) ? REFUSE_CONTINUE : REFUSE_NONE;
}

static enum refusal kill_vcpus(struct domain *d, int64_t budget)
{
    struct type_work *w = &d->memory_kill.work;

    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = d->vcpu[i];
        if (!v)
            continue;
        if (type_work_begin(&v->type_work, budget))
            return REFUSE_CONTINUE;
        vcpu_drop_roots(v, w);
        if (type_work_is_pending(w))
            return REFUSE_CONTINUE;
    }
    return REFUSE_NONE;
}

enum refusal memory_relinquish(struct domain *d, int64_t budget)
{
    struct memory_kill *k = &d->memory_kill;

    if (type_work_begin(&k->work, budget))
        return REFUSE_CONTINUE;
    for (; k->stage <= PAGE_TYPE_L4 + 1; k->stage++) {
        enum refusal r = k->stage == 0 ? kill_vcpus(d, budget)
                                       : kill_walk(d, PAGE_TYPE_L4 + 1 - k->stage);
        if (r)
            return r;
    }
    page_free(d->memory_map.entries, 0);
    d->memory_map = (struct memory_map){0};
    return domain_claim(d, 0);
}
