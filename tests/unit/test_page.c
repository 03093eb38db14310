// SPDX-License-Identifier: MIT
// pvguest's page allocator on simulated memory: RAM in two places, mapped step by step, frames that
// are contiguous here and there. Random sequences against a map of who owns which page.
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/memory_private.h"
#include "pvguest/trap.h"
#include "tests/report.h"

#include <CUnit/CUnit.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES 4096U
#define INITIAL 1024U /* mapped at the first place */
#define FIRST_FREE 77U
#define STEP 512U
#define BLOCKS 200U
#define ROUNDS 60000U

static char *low, *high; // the two places
static uint64_t mapped_end;
static uint64_t frames[PAGES];
static unsigned int exchanges;

uint64_t *memory_p2m = frames;

size_t memory_page_count(void)
{
    return PAGES;
}

size_t memory_unmapped_count(void)
{
    return PAGES - mapped_end;
}

void *pfn_to_virt(uint64_t pfn)
{
    return (pfn < INITIAL ? low : high) + (pfn << PAGE_SHIFT);
}

uint64_t virt_to_pfn(const void *address)
{
    uint64_t a = (uint64_t)address;
    if (a >= (uint64_t)low && a < (uint64_t)low + INITIAL * PAGE_SIZE) {
        return (a - (uint64_t)low) >> PAGE_SHIFT;
    }
    uint64_t pfn = (a - (uint64_t)high) >> PAGE_SHIFT;
    return pfn >= INITIAL && pfn < mapped_end ? pfn : INVALID_MFN;
}

void memory_initial_range(uint64_t *first_free, uint64_t *end)
{
    *first_free = FIRST_FREE;
    *end = INITIAL;
}

// As the real one: a few pages become tables, a step of RAM becomes free.
bool memory_grow(void)
{
    static bool growing;
    uint64_t start = mapped_end;
    if (growing || start >= PAGES) {
        return false;
    }
    growing = true;
    CU_ASSERT_PTR_NOT_NULL(page_alloc_dirty(0));
    mapped_end = start + STEP < PAGES ? start + STEP : PAGES;
    page_add_range(start, mapped_end);
    growing = false;
    return true;
}

void memory_clear_at(void *address, size_t n)
{
    memset(address, 0xee, n << PAGE_SHIFT);
}

int memory_map_at(void *address, const uint64_t *mfns, size_t n, domid_t owner, uint64_t flags,
                  int *status)
{
    (void)address, (void)mfns, (void)n, (void)owner, (void)flags, (void)status;
    return 0;
}

uint64_t memory_flags(unsigned int prot)
{
    return prot;
}

int priv_frames_make_contiguous(uint64_t *mfns, uint64_t first_pfn, unsigned int order,
                                uint64_t *first)
{
    static uint64_t next = 1000000;
    (void)mfns;
    CU_ASSERT_EQUAL(first_pfn % (1UL << order), 0);
    exchanges++;
    *first = next;
    next += 1UL << order;
    return 0;
}

unsigned long event_save(void)
{
    return 0;
}

void event_restore(unsigned long saved)
{
    (void)saved;
}

_Noreturn void trap_panic(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    abort();
}

static uint32_t random_next(void)
{
    static uint32_t state = 7;
    state = state * 1664525U + 1013904223U;
    return state >> 8;
}

static struct block {
    char *pages;
    unsigned int order;
} blocks[BLOCKS];
static uint8_t owned[PAGES];

// The first place is lower and apart: a block must never span both.
static void memory_make(void)
{
    char *area = aligned_alloc(4UL << 20, 64UL << 20);
    low = area;
    high = area + (32UL << 20);
    mapped_end = INITIAL;
    for (uint64_t pfn = 0; pfn < PAGES; pfn++) {
        frames[pfn] = pfn % 64 == 5 ? 500000 + pfn : pfn; // runs of 63
    }
    page_start();
}

static void block_check_new(const struct block *block)
{
    uint64_t pfn = virt_to_pfn(block->pages), n = 1UL << block->order;
    CU_ASSERT_FATAL(pfn != INVALID_MFN && pfn >= FIRST_FREE + 1 && pfn + n <= mapped_end);
    CU_ASSERT_FATAL(pfn + n <= INITIAL || pfn >= INITIAL);
    CU_ASSERT_FATAL((uint64_t)block->pages % (PAGE_SIZE << block->order) == 0);
    for (uint64_t i = 0; i < n; i++) {
        CU_ASSERT_FATAL(owned[pfn + i] == 0);
        owned[pfn + i] = 1;
    }
    memset(block->pages, 0x77, n << PAGE_SHIFT);
}

static void block_release(struct block *block)
{
    uint64_t pfn = virt_to_pfn(block->pages), n = 1UL << block->order;
    CU_ASSERT_EQUAL(block->pages[0], 0x77);
    CU_ASSERT_EQUAL(block->pages[(n << PAGE_SHIFT) - 1], 0x77);
    memset(&owned[pfn], 0, n);
    page_free(block->pages, block->order);
    block->pages = NULL;
}

static void random_sequences(void)
{
    size_t before = page_free_count();
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct block *block = &blocks[random_next() % BLOCKS];
        if (block->pages != NULL) {
            block_release(block);
            continue;
        }
        block->order = random_next() % 8 < 6 ? random_next() % 3 : random_next() % 7;
        block->pages = page_alloc_dirty(block->order);
        if (block->pages != NULL) {
            block_check_new(block);
        }
    }
    for (uint32_t i = 0; i < BLOCKS; i++) {
        if (blocks[i].pages != NULL) {
            block_release(&blocks[i]);
        }
    }
    CU_ASSERT(before - page_free_count() <= (PAGES - INITIAL) / STEP);
}

// When everything is free again, the blocks have merged: most of RAM comes in the largest blocks.
static void merges_completely(void)
{
    void *large[PAGES >> PAGE_ORDER_MAX];
    unsigned int count = 0;
    while (count < PAGES >> PAGE_ORDER_MAX &&
           (large[count] = page_alloc_dirty(PAGE_ORDER_MAX)) != NULL) {
        count++;
    }
    CU_ASSERT_EQUAL(count, (PAGES - INITIAL) >> PAGE_ORDER_MAX);
    while (count > 0) {
        page_free(large[--count], PAGE_ORDER_MAX);
    }
    CU_ASSERT_PTR_NULL(page_alloc_dirty(PAGE_ORDER_MAX + 1));
    page_free(NULL, 3);
}

static void contiguous_runs(void)
{
    for (unsigned int order = 0; order <= 8; order++) {
        char *pages = page_alloc_contiguous(order);
        CU_ASSERT_PTR_NOT_NULL_FATAL(pages);
        uint64_t pfn = virt_to_pfn(pages);
        for (uint64_t i = 0; i < 1UL << order; i++) {
            CU_ASSERT_EQUAL(frames[pfn + i], frames[pfn] + i);
            CU_ASSERT_EQUAL(pages[i << PAGE_SHIFT], 0);
        }
        CU_ASSERT_EQUAL(exchanges, order <= 5 ? 0 : order - 5); // longer than any run
        page_free(pages, order);
    }
}

static void gives_out_all_pages(void)
{
    size_t count = page_free_count();
    char *list = NULL, *page;
    while ((page = page_alloc(0)) != NULL) {
        CU_ASSERT_EQUAL(page[100], 0);
        *(char **)page = list;
        list = page;
        count--;
    }
    CU_ASSERT_EQUAL(count, 0);
    CU_ASSERT_EQUAL(page_free_count(), 0);
    while (list != NULL) {
        page = list;
        list = *(char **)list;
        page_free(page, 0);
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(random_sequences),
    REPORT_CASE(contiguous_runs),
    REPORT_CASE(merges_completely),
    REPORT_CASE(gives_out_all_pages),
};

int main(void)
{
    memory_make();
    return report_run("page", cases, sizeof(cases) / sizeof(cases[0]));
}
