// SPDX-License-Identifier: MIT
/*
 * The page allocator: a binary buddy system over the pages of RAM that are mapped.
 *
 * One byte a page says "free block of this order starts here" or not; free blocks are linked
 * through their own first bytes. When fewer than RESERVE pages would remain, more RAM is mapped
 * first (memory_grow), which itself needs up to RESERVE pages for tables; when all is mapped, the
 * reserve may be used up. All state changes with upcalls masked.
 */
#include <string.h>
#include "pvguest/event.h"
#include "pvguest/memory_private.h"
#include "pvguest/trap.h"

#define ORDERS (PAGE_ORDER_MAX + 1U)
#define NOT_FREE 0xffU
#define RESERVE 16U
#define CONTIGUOUS_TRIES 8U

struct free_block {
    struct free_block *next;
    struct free_block **link; /* what points to us */
};

static struct free_block *free_lists[ORDERS];
static uint8_t *states; /* of each pfn: order of the free block that starts there, or NOT_FREE */
static size_t free_pages;

static void block_insert(uint64_t pfn, unsigned int order)
{
    struct free_block *block = pfn_to_virt(pfn);
    block->next = free_lists[order];
    block->link = &free_lists[order];
    if (block->next != NULL) {
        block->next->link = &block->next;
    }
    free_lists[order] = block;
    states[pfn] = (uint8_t)order;
}

static void block_remove(struct free_block *block)
{
    *block->link = block->next;
    if (block->next != NULL) {
        block->next->link = block->link;
    }
    states[virt_to_pfn(block)] = NOT_FREE;
}

/* Blocks never span the border between the two places where RAM is mapped. */
static bool buddies_may_merge(uint64_t pfn, uint64_t buddy, unsigned int order)
{
    uint64_t first = pfn < buddy ? pfn : buddy, last = pfn < buddy ? buddy : pfn;
    return (uint64_t)pfn_to_virt(last) - (uint64_t)pfn_to_virt(first) == PAGE_SIZE << order;
}

static void block_free(uint64_t pfn, unsigned int order)
{
    free_pages += 1UL << order;
    while (order < PAGE_ORDER_MAX) {
        uint64_t buddy = pfn ^ (1UL << order);
        if (buddy >= memory_page_count() || states[buddy] != order ||
            !buddies_may_merge(pfn, buddy, order)) {
            break;
        }
        block_remove(pfn_to_virt(buddy));
        pfn &= ~(1UL << order);
        order++;
    }
    block_insert(pfn, order);
}

static struct free_block *block_take(unsigned int order)
{
    for (unsigned int o = order; o < ORDERS; o++) {
        struct free_block *block = free_lists[o];
        if (block == NULL) {
            continue;
        }
        block_remove(block);
        while (o > order) {
            o--;
            block_insert(virt_to_pfn(block) + (1UL << o), o);
        }
        free_pages -= 1UL << order;
        return block;
    }
    return NULL;
}

void page_add_range(uint64_t pfn, uint64_t end)
{
    unsigned long saved = event_save();
    while (pfn < end) {
        unsigned int order = 0;
        while (order < PAGE_ORDER_MAX && (pfn & (1UL << order)) == 0 &&
               pfn + (2UL << order) <= end) {
            order++;
        }
        /* A page whose frame was given away is not mapped. */
        if (memory_p2m[pfn] == INVALID_MFN) {
            order = 0;
        } else {
            block_free(pfn, order);
        }
        pfn += 1UL << order;
    }
    event_restore(saved);
}

void page_start(void)
{
    uint64_t first, end;
    size_t length = memory_page_count();

    memory_initial_range(&first, &end);
    states = pfn_to_virt(first);
    first += (length + PAGE_SIZE - 1) >> PAGE_SHIFT;
    ASSERT(first < end);
    memset(states, NOT_FREE, length);
    page_add_range(first, end);
}

void *page_alloc_dirty(unsigned int order)
{
    if (order > PAGE_ORDER_MAX) {
        return NULL;
    }
    unsigned long saved = event_save();
    if (free_pages < (1UL << order) + RESERVE) {
        memory_grow();
    }
    void *block = block_take(order);
    while (block == NULL && memory_grow()) {
        block = block_take(order);
    }
    event_restore(saved);
    return block;
}

void *page_alloc(unsigned int order)
{
    void *pages = page_alloc_dirty(order);
    if (pages != NULL) {
        memset(pages, 0, PAGE_SIZE << order);
    }
    return pages;
}

void page_free(void *pages, unsigned int order)
{
    if (pages == NULL) {
        return;
    }
    uint64_t pfn = virt_to_pfn(pages);
    ASSERT(pfn != INVALID_MFN && order <= PAGE_ORDER_MAX && states[pfn] == NOT_FREE &&
           ((uint64_t)pages & ((PAGE_SIZE << order) - 1)) == 0);
    unsigned long saved = event_save();
    block_free(pfn, order);
    event_restore(saved);
}

size_t page_free_count(void)
{
    return free_pages + memory_unmapped_count();
}

/* Contiguous machine memory ---------------------------------------------------------------------- */

static bool is_contiguous(const void *pages, unsigned int order)
{
    const uint64_t *frames = &memory_p2m[virt_to_pfn(pages)];
    for (size_t i = 1; i < 1UL << order; i++) {
        if (frames[i] != frames[0] + i) {
            return false;
        }
    }
    return true;
}

/* Gives the block's frames back for a contiguous run. The pages are unmapped meanwhile. */
static bool make_contiguous(void *pages, unsigned int order)
{
    uint64_t pfn = virt_to_pfn(pages), first;
    size_t n = 1UL << order;

    memory_clear_at(pages, n);
    int rc = priv_frames_make_contiguous(&memory_p2m[pfn], pfn, order, &first);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        memory_p2m[pfn + i] = first + i;
    }
    ASSERT(memory_map_at(pages, &memory_p2m[pfn], n, DOMID_SELF,
                         memory_flags(MEMORY_READ | MEMORY_WRITE), NULL) == 0);
    return rc == 0;
}

/* RAM mostly comes in large runs: looks at a few blocks before it asks for an exchange. */
void *page_alloc_contiguous(unsigned int order)
{
    void *tried[CONTIGUOUS_TRIES];
    unsigned int count = 0;
    void *found = NULL;

    while (found == NULL && count < CONTIGUOUS_TRIES) {
        void *pages = page_alloc_dirty(order);
        if (pages == NULL) {
            break;
        }
        if (is_contiguous(pages, order)) {
            found = pages;
        } else {
            tried[count++] = pages;
        }
    }
    if (found == NULL && count > 0 && make_contiguous(tried[count - 1], order)) {
        found = tried[--count];
    }
    while (count > 0) {
        page_free(tried[--count], order);
    }
    if (found != NULL) {
        memset(found, 0, PAGE_SIZE << order);
    }
    return found;
}
