// SPDX-License-Identifier: MIT
// The page allocator: buddy lists by order, in two zones (below and above 4 GiB).
//
// Owns: frames without references, their list links; in the first frame of a free block the flag
// FRAME_FREE and the order (in `type`); in the first frame of a block of the hypervisor the order (in
// `next`), so that whoever drops the last reference can free it.
// Invariants: a free block of order n is aligned to 2^n frames and lies in one zone; two free buddies
// of one order do not exist side by side; frames inside a free block have no flags but RAM and DIRTY.
// Clearing: a frame that comes back is DIRTY, as all memory is at boot; it is cleared when it is given
// out again, outside the lock, after tlb_filter() has made sure that nobody can still write to it.
// Locks: LOCK_ALLOC. Flushes and clears happen without it.
// Not here: limits and counts of domains (domain_memory.c).
#include "hypervisor/page_alloc.h"

#include "hypervisor/lock.h"
#include "hypervisor/panic.h"
#include "hypervisor/string.h"
#include "hypervisor/tlb.h"

#define ZONES 2
#define ZONE_LOW 0
#define SCAN_MAX 1000
#define LOW_ZONE_BITS 32
#define LOW_ZONE_FRAMES (1ull << (LOW_ZONE_BITS - PAGE_SHIFT))

static struct spinlock alloc_lock = SPINLOCK_INIT(LOCK_ALLOC);
static struct page_list free_blocks[ZONES][PAGE_ORDER_MAX + 1];
static uint64_t free_frames, claimed_frames;

static unsigned zone_of(uint64_t mfn)
{
    return mfn < LOW_ZONE_FRAMES ? ZONE_LOW : ZONE_LOW + 1;
}

static uint64_t number_of(const struct frame *f)
{
    return frame_to_mfn(f).v;
}

static void block_insert(struct frame *f, unsigned order)
{
    f->count |= FRAME_FREE;
    f->type = order;
    page_list_add(&free_blocks[zone_of(number_of(f))][order], f);
}

static void block_remove(struct frame *f)
{
    page_list_remove(&free_blocks[zone_of(number_of(f))][f->type], f);
    f->count &= ~FRAME_FREE;
    f->type = 0;
}

// The buddy of a block if it is a free block of the same order, else NULL.
static struct frame *buddy_find(const struct frame *f, unsigned order)
{
    struct frame *buddy = frame_from_mfn(MFN(number_of(f) ^ 1ull << order));
    return buddy && buddy->count & FRAME_FREE && buddy->type == order ? buddy : NULL;
}

static void block_free_locked(struct frame *f, unsigned order)
{
    free_frames += 1ull << order;
    for (; order < PAGE_ORDER_MAX; order++) {
        struct frame *buddy = buddy_find(f, order);
        if (!buddy)
            break;
        block_remove(buddy);
        if (buddy < f)
            f = buddy;
    }
    block_insert(f, order);
}

void page_alloc_give_back(struct frame *f, unsigned order)
{
    for (uint64_t i = 0; i < 1ull << order; i++) {
        BUG_ON(f[i].count & (FRAME_REFS | FRAME_FREE));
        f[i].count = FRAME_RAM | FRAME_DIRTY;
        f[i].type = 0;
        f[i].next = f[i].prev = 0;
    }
    spin_lock(&alloc_lock);
    block_free_locked(f, order);
    spin_unlock(&alloc_lock);
}

void frames_add_range(uint64_t start, uint64_t end)
{
    uint64_t mfn = (start + PAGE_SIZE - 1) >> PAGE_SHIFT;
    uint64_t last = MIN(end >> PAGE_SHIFT, (uint64_t)HV_MAX_MFN);

    mfn = MAX(mfn, 1ull); // number 0 ends lists
    while (mfn < last) {
        unsigned order = (unsigned)__builtin_ctzll(mfn);
        order = MIN(order, (unsigned)PAGE_ORDER_MAX);
        while (mfn + (1ull << order) > last)
            order--;
        struct frame *f = frame_from_mfn(MFN(mfn));
        BUG_ON(!f);
        for (uint64_t i = 0; i < 1ull << order; i++)
            f[i].count = FRAME_RAM;
        page_alloc_give_back(f, order);
        mfn += 1ull << order;
    }
}

// A free block of at least `order` in the zone, below `limit` frames; NULL if there is none, or none
// among the first few of a list (a guest's odd limit must not keep the lock for long).
static struct frame *block_find(unsigned zone, unsigned order, uint64_t limit, unsigned *found)
{
    if (zone != ZONE_LOW && limit <= LOW_ZONE_FRAMES)
        return NULL;
    for (*found = order; *found <= PAGE_ORDER_MAX; ++*found) {
        struct frame *f = page_list_first(&free_blocks[zone][*found]);
        for (unsigned tries = SCAN_MAX; f && number_of(f) + (1ull << order) > limit; tries--)
            f = tries ? page_list_next(f) : NULL;
        if (f)
            return f;
    }
    return NULL;
}

static struct frame *block_take(unsigned order, unsigned address_bits)
{
    uint64_t limit = address_bits >= 64           ? UINT64_MAX
                     : address_bits <= PAGE_SHIFT ? 0
                                                  : 1ull << (address_bits - PAGE_SHIFT);
    struct frame *f = NULL;
    unsigned size = 0;

    spin_lock(&alloc_lock);
    for (unsigned zone = ZONES; zone-- > 0 && !f;)
        f = block_find(zone, order, limit, &size);
    if (f) {
        block_remove(f);
        while (size > order) {
            size--;
            block_insert(f + (1ull << size), size);
        }
        free_frames -= 1ull << order;
    }
    spin_unlock(&alloc_lock);
    return f;
}

static struct frame *frames_take(unsigned order, unsigned address_bits, bool clear)
{
    struct frame *f = order <= PAGE_ORDER_MAX ? block_take(order, address_bits) : NULL;
    uint32_t stamp = 0;

    if (!f)
        return NULL;
    // A CPU is stale for one of the frames iff it is stale for the greatest of their stamps.
    for (uint64_t i = 0; i < 1ull << order; i++)
        stamp = MAX(stamp, f[i].stamp);
    tlb_filter(stamp, TLB_ANY_DOMAIN);
    for (uint64_t i = 0; i < 1ull << order; i++) {
        if (clear && f[i].count & FRAME_DIRTY)
            memset(frame_to_virt(&f[i]), 0, PAGE_SIZE);
        f[i].owner = NULL;
        f[i].next = f[i].prev = 0;
        __atomic_store_n(&f[i].count, FRAME_RAM | (i == 0 ? 1u : 0u), __ATOMIC_RELEASE);
    }
    f->next = order;
    return f;
}

struct frame *page_alloc_frames(unsigned order, unsigned address_bits)
{
    return frames_take(order, address_bits, true);
}

void page_split(struct frame *first, unsigned order, unsigned into)
{
    for (uint64_t i = 1ull << into; i < 1ull << order; i += 1ull << into)
        __atomic_fetch_add(&first[i].count, 1, __ATOMIC_RELEASE);
}

struct frame *page_alloc_uncleared(unsigned order)
{
    return frames_take(order, 64, false);
}

void *page_alloc(unsigned order)
{
    struct frame *f = page_alloc_frames(order, 64);
    return f ? frame_to_virt(f) : NULL;
}

void page_free_frames(struct frame *first, unsigned order)
{
    BUG_ON(first->owner);
    first->next = order; // its links may have been used meanwhile
    frame_put(first);
}

void page_free(void *pages, unsigned order)
{
    if (!pages)
        return;
    struct frame *f = frame_from_mfn(virt_to_mfn(pages));
    BUG_ON(!f || f->owner || f->next != order);
    frame_put(f);
}

uint64_t frames_free_count(void)
{
    return __atomic_load_n(&free_frames, __ATOMIC_RELAXED);
}

bool page_alloc_claim(int64_t change)
{
    spin_lock(&alloc_lock);
    bool fits = change <= 0 || claimed_frames + (uint64_t)change <= free_frames;
    if (fits)
        claimed_frames += (uint64_t)change;
    spin_unlock(&alloc_lock);
    return fits;
}

uint64_t page_alloc_claimed(void)
{
    return __atomic_load_n(&claimed_frames, __ATOMIC_RELAXED);
}
