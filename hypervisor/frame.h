// SPDX-License-Identifier: MIT
// The frame table: for each frame of RAM an owner, references, a type with a count, and list links.
// Life of a frame, rules of references: frame.c. Types: page_type.h. Allocation: page_alloc.h.
#pragma once

#include "hypervisor/paging.h"
#include "hypervisor/refusal.h"

struct domain;

struct frame {
    uint32_t count;       // atomic: FRAME_* flags and references
    uint32_t stamp;       // flush clock when its last writable or table use ended (tlb.h)
    uint64_t type;        // atomic: page_type.h; order of the block while free
    struct domain *owner; // NULL: the hypervisor, or nobody
    uint32_t next, prev;  // links of a page_list
};
_Static_assert(sizeof(struct frame) == 32, "the frame table costs 1/128 of memory");

#define FRAME_RAM 0x80000000u       // the frame exists
#define FRAME_FREE 0x40000000u      // first frame of a free block
#define FRAME_ALLOCATED 0x20000000u // its owner holds the reference that came with the allocation
#define FRAME_SHARED 0x10000000u    // of the hypervisor, shared with its owner; not in tot_pages
#define FRAME_DIRTY 0x08000000u     // must be cleared before the next use
#define FRAME_FOREIGN 0x04000000u   // somebody else has mapped it for writing (tlb.c)
#define FRAME_REFS 0x03ffffffu
#define FRAME_REFS_LIMIT 0x02000000u // a get beyond it is refused

#ifndef FRAME_TABLE_BASE // host tests have their own
#define FRAME_TABLE_BASE FRAME_TABLE_START
#endif
#define FRAME_TABLE ((struct frame *)FRAME_TABLE_BASE)

// The frame table exists in chunks: 2 MiB of it for 256 MiB of memory that contains RAM.
#define FRAME_CHUNK_SHIFT 16
#define FRAME_CHUNKS (HV_MAX_MFN >> FRAME_CHUNK_SHIFT)
extern bool frame_chunk_present[FRAME_CHUNKS];
extern uint64_t frame_max_mfn; // highest frame of RAM that the table describes

// NULL for frame numbers that are not RAM: device memory, holes, numbers out of range.
static inline struct frame *frame_from_mfn(mfn_t mfn)
{
    if (mfn.v >= HV_MAX_MFN || !frame_chunk_present[mfn.v >> FRAME_CHUNK_SHIFT])
        return NULL;
    struct frame *f = &FRAME_TABLE[mfn.v];
    return __atomic_load_n(&f->count, __ATOMIC_RELAXED) & FRAME_RAM ? f : NULL;
}

static inline mfn_t frame_to_mfn(const struct frame *f)
{
    return MFN((uint64_t)(f - FRAME_TABLE));
}

static inline void *frame_to_virt(const struct frame *f)
{
    return mfn_to_virt(frame_to_mfn(f));
}

// Make the table describe the frames [first, end) as RAM that belongs to the hypervisor. Boot only;
// for memory in use before the allocator exists, too.
void frame_table_add(uint64_t first, uint64_t end);

// A reference to a frame that has some, but fewer than `limit`, whoever owns it.
static inline bool frame_get_below(struct frame *f, uint32_t limit)
{
    uint32_t old = __atomic_load_n(&f->count, __ATOMIC_RELAXED);

    do {
        if ((old & FRAME_REFS) - 1 >= limit - 1) // none, or the limit
            return false;
    } while (!__atomic_compare_exchange_n(&f->count, &old, old + 1, true, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED));
    return true;
}

static inline bool frame_get_live(struct frame *f)
{
    return frame_get_below(f, FRAME_REFS_LIMIT);
}

// For those who take a frame apart: the limit for guests does not stop them.
static inline bool frame_hold_live(struct frame *f)
{
    return frame_get_below(f, FRAME_REFS);
}

// Why frame_get() refuses an existing frame; drops what it took when the owner was another one.
enum refusal frame_get_refused(struct frame *f, bool taken);

// Take a reference to a frame that `d` owns. FRAME_NOT_OWNED, FRAME_OVERFLOW.
static inline enum refusal frame_get(struct frame *f, const struct domain *d)
{
    bool taken = frame_get_live(f);

    if (__builtin_expect(taken && __atomic_load_n(&f->owner, __ATOMIC_RELAXED) == d && d, 1))
        return REFUSE_NONE;
    return frame_get_refused(f, taken);
}

// The same for the page-type machine's own bookkeeping, which may pass the limit; never fails.
static inline void frame_hold(struct frame *f)
{
    __atomic_fetch_add(&f->count, 1, __ATOMIC_ACQ_REL);
}

// Drop a reference; the last one frees the frame.
void frame_free(struct frame *f, uint32_t count_before); // for frame_put() only
static inline void frame_put(struct frame *f)
{
    uint32_t old = __atomic_fetch_sub(&f->count, 1, __ATOMIC_ACQ_REL);

    if (__builtin_expect((old & FRAME_REFS) <= 1, 0))
        frame_free(f, old);
}

// A domain that is not its owner is about to have a level-1 entry for writing, for which there is a WRITABLE
// use already.
static inline void frame_note_foreign(struct frame *f)
{
    if (!(__atomic_load_n(&f->count, __ATOMIC_RELAXED) & FRAME_FOREIGN))
        __atomic_fetch_or(&f->count, FRAME_FOREIGN, __ATOMIC_SEQ_CST);
}

static inline uint32_t frame_refs(const struct frame *f)
{
    return __atomic_load_n(&f->count, __ATOMIC_RELAXED) & FRAME_REFS;
}

// Make an allocated frame of the hypervisor mappable by `d`: writable, or by read-only entries only.
// It can never become a table or a descriptor page. The hypervisor keeps the reference that came with
// the allocation and `d` cannot drop it. frame_unshare() ends it, at the latest when the domain's
// structure goes: nobody can get the frame any more, and it is freed with its last reference.
void frame_share_with_guest(struct frame *f, struct domain *d, bool readonly);
void frame_unshare(struct frame *f);

// Ends the allocation of a frame by its owner (decrease_reservation, death): drops the reference that
// came with it, once; false if that was done before.
bool frame_release(struct frame *f);

// --- lists; the caller holds the lock of what the list belongs to
void page_list_add(struct page_list *list, struct frame *f);
void page_list_remove(struct page_list *list, struct frame *f);

static inline struct frame *page_list_first(const struct page_list *list)
{
    return list->first ? &FRAME_TABLE[list->first] : NULL;
}

static inline struct frame *page_list_next(const struct frame *f)
{
    return f->next ? &FRAME_TABLE[f->next] : NULL;
}
