// SPDX-License-Identifier: MIT
// The page allocator: alignment, splitting and merging, limits on addresses, clean pages, and a long
// random sequence against a map of which frame belongs to which block.
#include "hypervisor/page_alloc.h"
#include "hypervisor/string.h"
#include "tests/report.h"
#include "tests/unit/host/memory.h"
#include <CUnit/CUnit.h>

#define FIRST 3u
#define END 3500u
#define ALL (END - FIRST)

static bool page_is_clear(const void *page)
{
    static const uint8_t zero[PAGE_SIZE];
    return memcmp(page, zero, PAGE_SIZE) == 0;
}

static void counts(void)
{
    CU_ASSERT_EQUAL(frames_free_count(), ALL);
    void *p = page_alloc(4);
    CU_ASSERT_EQUAL(frames_free_count(), ALL - 16);
    CU_ASSERT_EQUAL(virt_to_mfn(p).v % 16, 0);
    page_free(p, 4);
    CU_ASSERT_EQUAL(frames_free_count(), ALL);
    CU_ASSERT_PTR_NULL(page_alloc(PAGE_ORDER_MAX));
    CU_ASSERT_PTR_NULL(page_alloc(PAGE_ORDER_MAX + 1));
}

static void pages_are_clear(void)
{
    for (unsigned round = 0; round < 3; round++) {
        uint8_t *p = page_alloc(3);
        for (unsigned i = 0; i < 8; i++)
            CU_ASSERT(page_is_clear(p + i * PAGE_SIZE));
        memset(p, 0xa5, 8 * PAGE_SIZE);
        page_free(p, 3);
    }
}

static void splitting(void)
{
    struct frame *f = page_alloc_frames(5, 64);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    page_split(f, 5, 3);
    for (unsigned i = 0; i < 32; i += 8) {
        CU_ASSERT_EQUAL(frame_refs(&f[i]), 1);
        CU_ASSERT_EQUAL(frame_refs(&f[i + 1]), 0);
        page_free_frames(&f[i], 3);
        CU_ASSERT_EQUAL(frames_free_count(), ALL - 24 + i);
    }
    f = page_alloc_frames(2, 64);
    page_split(f, 2, 2);
    page_free_frames(f, 2);
    CU_ASSERT_EQUAL(frames_free_count(), ALL);
}

// Everything as single pages, then everything back: large blocks exist again.
static void merging(void)
{
    static void *page[ALL];
    void *large = page_alloc(10);
    CU_ASSERT_PTR_NOT_NULL(large);
    page_free(large, 10);
    for (unsigned i = 0; i < ALL; i++)
        CU_ASSERT_PTR_NOT_NULL_FATAL(page[i] = page_alloc(0));
    CU_ASSERT_PTR_NULL(page_alloc(0));
    for (unsigned i = 0; i < ALL; i++)
        page_free(page[(i * 1009ull) % ALL], 0);
    CU_ASSERT_EQUAL(frames_free_count(), ALL);
    large = page_alloc(10);
    CU_ASSERT_PTR_NOT_NULL(large);
    page_free(large, 10);
}

static void address_limits(void)
{
    for (unsigned bits = 13; bits < 24; bits++) {
        struct frame *f = page_alloc_frames(0, bits);
        if (!f) {
            CU_ASSERT(1ull << bits <= (uint64_t)FIRST << PAGE_SHIFT);
            continue;
        }
        CU_ASSERT(frame_to_mfn(f).v < 1ull << (bits - PAGE_SHIFT));
        page_free_frames(f, 0);
    }
    CU_ASSERT_PTR_NULL(page_alloc_frames(0, 12));
    CU_ASSERT_PTR_NULL(page_alloc_frames(0, 1));
    CU_ASSERT_EQUAL(frames_free_count(), ALL);
}

static void claimed_frames(void)
{
    CU_ASSERT(!page_alloc_claim((int64_t)ALL + 1));
    CU_ASSERT(page_alloc_claim(ALL));
    CU_ASSERT(!page_alloc_claim(1));
    CU_ASSERT(page_alloc_claim(-(int64_t)ALL));
    CU_ASSERT_EQUAL(page_alloc_claimed(), 0);
}

#define BLOCKS 200
static void random_sequence(void)
{
    static uint8_t used[HOST_FRAMES];
    static struct {
        uint8_t *pages;
        unsigned order;
    } block[BLOCKS];
    uint64_t total = 0;

    for (unsigned step = 0; step < 30000; step++) {
        unsigned i = (unsigned)(host_random() % BLOCKS);
        if (block[i].pages) {
            uint64_t first = virt_to_mfn(block[i].pages).v;
            memset(&used[first], 0, 1ul << block[i].order);
            memset(block[i].pages, 0x5a, PAGE_SIZE);
            page_free(block[i].pages, block[i].order);
            block[i].pages = NULL;
            total -= 1ull << block[i].order;
        } else {
            block[i].order = (unsigned)(host_random() % 7);
            block[i].pages = page_alloc(block[i].order);
            if (!block[i].pages)
                continue;
            uint64_t first = virt_to_mfn(block[i].pages).v, frames = 1ull << block[i].order;
            CU_ASSERT_FATAL(first % frames == 0 && first >= FIRST && first + frames <= END);
            CU_ASSERT_FATAL(page_is_clear(block[i].pages + (frames - 1) * PAGE_SIZE));
            for (uint64_t j = 0; j < frames; j++)
                CU_ASSERT_FATAL(used[first + j]++ == 0);
            total += frames;
        }
        CU_ASSERT_EQUAL_FATAL(frames_free_count(), ALL - total);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        page_free(block[i].pages, block[i].order);
    CU_ASSERT_EQUAL(frames_free_count(), ALL);
}

int main(void)
{
    static const struct report_case cases[] = {
        REPORT_CASE(counts),          REPORT_CASE(pages_are_clear), REPORT_CASE(merging),
        REPORT_CASE(splitting),       REPORT_CASE(address_limits),  REPORT_CASE(claimed_frames),
        REPORT_CASE(random_sequence),
    };
    host_memory_init(FIRST, END);
    return report_run("page_alloc", cases, sizeof(cases) / sizeof(cases[0]));
}
