// SPDX-License-Identifier: MIT
/* What blkback believes of ring entries: good requests, and everything that a bad front end can
 * write into one. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/blkback_budget.h"
#include "dom0/blkback_cache.h"
#include "dom0/blkback_request.h"
#include "pvguest/memory.h"
#include "tests/report.h"

#define SECTORS 1000U

static struct blkif_request entry;
static struct blkback_request request;

static void entry_set(uint8_t operation, uint8_t segments, uint64_t sector)
{
    memset(&entry, 0, sizeof(entry));
    entry.operation = operation;
    entry.nr_segments = segments;
    entry.id = 0x1234;
    entry.sector_number = sector;
    for (unsigned int i = 0; i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++) {
        entry.seg[i] = (struct blkif_request_segment){.gref = 100 + i, .last_sect = 7};
    }
}

static enum blkback_verdict decode(void)
{
    return blkback_decode(&entry, SECTORS, &request);
}

static void good_requests(void)
{
    entry_set(BLKIF_OP_WRITE, 11, SECTORS - 88);
    CU_ASSERT_EQUAL(decode(), BLKBACK_GO);
    CU_ASSERT_TRUE(request.write);
    CU_ASSERT_FALSE(request.flush);
    CU_ASSERT_EQUAL(request.id, 0x1234);
    CU_ASSERT_EQUAL(request.segment_count, 11);
    CU_ASSERT_EQUAL(request.segments[10].grant, 110);
    CU_ASSERT_EQUAL(request.segments[10].length, 4096);

    entry_set(BLKIF_OP_READ, 1, 0);
    entry.seg[0].first_sect = 3;
    entry.seg[0].last_sect = 4;
    CU_ASSERT_EQUAL(decode(), BLKBACK_GO);
    CU_ASSERT_FALSE(request.write);
    CU_ASSERT_EQUAL(request.segments[0].offset, 1536);
    CU_ASSERT_EQUAL(request.segments[0].length, 1024);

    entry_set(BLKIF_OP_FLUSH_DISKCACHE, 0, 0);
    CU_ASSERT_EQUAL(decode(), BLKBACK_GO);
    CU_ASSERT_TRUE(request.flush);
}

static void bad_segments(void)
{
    entry_set(BLKIF_OP_READ, 0, 0);
    CU_ASSERT_EQUAL(decode(), BLKBACK_NONSENSE);
    entry_set(BLKIF_OP_READ, 12, 0);
    CU_ASSERT_EQUAL(decode(), BLKBACK_NONSENSE);
    entry_set(BLKIF_OP_READ, 2, 0);
    entry.seg[1].first_sect = 5;
    entry.seg[1].last_sect = 4;
    CU_ASSERT_EQUAL(decode(), BLKBACK_NONSENSE);
    entry_set(BLKIF_OP_READ, 2, 0);
    entry.seg[1].last_sect = 8;
    CU_ASSERT_EQUAL(decode(), BLKBACK_NONSENSE);
    CU_ASSERT_PTR_NOT_NULL(request.why);
}

static void bad_sectors(void)
{
    const uint64_t sectors[] = {SECTORS - 7, SECTORS, SECTORS + 1, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
        entry_set(BLKIF_OP_WRITE, 1, sectors[i]);
        CU_ASSERT_EQUAL(decode(), BLKBACK_NONSENSE);
    }
    entry_set(BLKIF_OP_WRITE, 1, SECTORS - 8);
    CU_ASSERT_EQUAL(decode(), BLKBACK_GO);
}

static void other_operations(void)
{
    entry_set(BLKIF_OP_WRITE_BARRIER, 1, 0);
    CU_ASSERT_EQUAL(decode(), BLKBACK_UNSUPPORTED);
    entry_set(BLKIF_OP_DISCARD, 0, 0);
    CU_ASSERT_EQUAL(decode(), BLKBACK_UNSUPPORTED);
    entry_set(BLKIF_OP_FLUSH_DISKCACHE, 1, 0);
    CU_ASSERT_EQUAL(decode(), BLKBACK_UNSUPPORTED);
    entry_set(200, 1, 0);
    CU_ASSERT_EQUAL(decode(), BLKBACK_UNSUPPORTED);
    CU_ASSERT_EQUAL(request.operation, 200);
    CU_ASSERT_EQUAL(request.id, 0x1234);
}

static void indirect(void)
{
    struct blkif_request_segment segments[BLKBACK_SEGMENTS_MAX];
    struct blkif_request_indirect wanted = {.operation = BLKIF_OP_INDIRECT,
                                            .indirect_op = BLKIF_OP_WRITE,
                                            .nr_segments = BLKBACK_SEGMENTS_MAX,
                                            .id = 7,
                                            .sector_number = 5,
                                            .indirect_grefs = {42}};
    for (unsigned int i = 0; i < BLKBACK_SEGMENTS_MAX; i++) {
        segments[i] = (struct blkif_request_segment){.gref = i, .first_sect = 1, .last_sect = 6};
    }
    memcpy(&entry, &wanted, sizeof(wanted));
    CU_ASSERT_EQUAL(decode(), BLKBACK_INDIRECT);
    CU_ASSERT_EQUAL(request.indirect, 42);
    CU_ASSERT_EQUAL(request.id, 7);
    CU_ASSERT_TRUE(request.write);
    CU_ASSERT_EQUAL(blkback_segments(segments, SECTORS, &request), BLKBACK_GO);
    CU_ASSERT_EQUAL(request.segments[31].grant, 31);
    CU_ASSERT_EQUAL(blkback_segments(segments, 5 + 32 * 6 - 1, &request), BLKBACK_NONSENSE);

    wanted.nr_segments = BLKBACK_SEGMENTS_MAX + 1;
    memcpy(&entry, &wanted, sizeof(wanted));
    CU_ASSERT_EQUAL(decode(), BLKBACK_NONSENSE);
    wanted.nr_segments = 0;
    memcpy(&entry, &wanted, sizeof(wanted));
    CU_ASSERT_EQUAL(decode(), BLKBACK_NONSENSE);
    wanted.nr_segments = 1;
    wanted.indirect_op = BLKIF_OP_INDIRECT;
    memcpy(&entry, &wanted, sizeof(wanted));
    CU_ASSERT_EQUAL(decode(), BLKBACK_NONSENSE);
}

/* Whatever is accepted stays within the disk and within its pages. */
static void random_entries(void)
{
    srand(2);
    for (unsigned int round = 0; round < 200000; round++) {
        uint64_t total = 0;
        uint8_t *bytes = (uint8_t *)&entry;
        entry_set((uint8_t)(rand() % 4), (uint8_t)(rand() % 13), (uint64_t)rand() % 1100);
        for (unsigned int i = 0; i < 3; i++) {
            bytes[(size_t)rand() % sizeof(entry)] = (uint8_t)(rand() % 10);
        }
        if (decode() != BLKBACK_GO || request.flush) {
            continue;
        }
        CU_ASSERT_TRUE_FATAL(request.segment_count >= 1 &&
                             request.segment_count <= BLKIF_MAX_SEGMENTS_PER_REQUEST);
        for (uint32_t i = 0; i < request.segment_count; i++) {
            const struct blkback_segment *segment = &request.segments[i];
            CU_ASSERT_TRUE(segment->length >= 512 && segment->offset + segment->length <= 4096);
            total += segment->length / 512;
        }
        CU_ASSERT_TRUE(request.sector + total <= SECTORS);
    }
}

/* Grants: how many are mapped is all that counts. */
static unsigned int mapped;

void *memory_reserve(size_t pages)
{
    return (void *)(pages * PAGE_SIZE);
}

void memory_release(void *address, size_t pages)
{
    CU_ASSERT_EQUAL((size_t)address, pages * PAGE_SIZE);
}

int grant_map_at(void *address, domid_t domid, const grant_ref_t *refs, size_t n, bool readonly,
                 struct grant_mapping *out)
{
    (void)domid, (void)refs, (void)readonly;
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct grant_mapping){.address = (char *)address + i * PAGE_SIZE};
    }
    mapped += (unsigned int)n;
    return 0;
}

void grant_unmap_at(struct grant_mapping *mappings, size_t n)
{
    (void)mappings;
    mapped -= (unsigned int)n;
}

/* 64 disks whose front end promises to use the same pages again, and never does. */
static void domain_keeps_pages(void)
{
    struct blkback_account *account = blkback_account_get(7), *other = blkback_account_get(8);
    struct blkback_cache *caches[64], *of_other = blkback_cache_create(8, other);
    const struct grant_mapping *where[BLKBACK_SEGMENTS_MAX];
    grant_ref_t refs[BLKBACK_SEGMENTS_MAX], next = 8;
    unsigned int refused = 0;

    for (unsigned int disk = 0; disk < 64; disk++) {
        CU_ASSERT_PTR_EQUAL(blkback_account_get(7), account);
        caches[disk] = blkback_cache_create(7, account);
        for (unsigned int turn = 0; turn < 40; turn++) {
            for (unsigned int i = 0; i < BLKBACK_SEGMENTS_MAX; i++) {
                refs[i] = next++;
            }
            refused += blkback_cache_map(caches[disk], refs, BLKBACK_SEGMENTS_MAX, where) != 0;
        }
    }
    CU_ASSERT_EQUAL(mapped, BLKBACK_DOMAIN_HANDLES);
    CU_ASSERT_EQUAL(refused, 64 * 40 - BLKBACK_DOMAIN_HANDLES / BLKBACK_SEGMENTS_MAX);
    CU_ASSERT_TRUE(blkback_handles_free(account, BLKBACK_HANDLES_MOVING, 32)); /* still works */
    CU_ASSERT_EQUAL(blkback_cache_map(of_other, refs, BLKBACK_SEGMENTS_MAX, where), 0);
    CU_ASSERT_EQUAL(blkback_cache_map(of_other, refs, BLKBACK_SEGMENTS_MAX, where), 0);
    CU_ASSERT_EQUAL(mapped, BLKBACK_DOMAIN_HANDLES + BLKBACK_SEGMENTS_MAX); /* kept */
    for (unsigned int disk = 0; disk < 64; disk++) {
        blkback_cache_destroy(caches[disk]);
        blkback_account_put(account);
    }
    CU_ASSERT_TRUE(blkback_handles_free(account, BLKBACK_HANDLES_KEPT, BLKBACK_DOMAIN_HANDLES));
    blkback_cache_destroy(of_other);
    blkback_account_put(other);
    blkback_account_put(account);
    CU_ASSERT_EQUAL(mapped, 0);
}

static void all_domains_together(void)
{
    struct blkback_account *accounts[100];
    unsigned int taken = 0;

    for (unsigned int i = 0; i < 100; i++) {
        accounts[i] = blkback_account_get((domid_t)(i + 1));
        while (blkback_handles_free(accounts[i], BLKBACK_HANDLES_MOVING, 32)) {
            blkback_handles_take(accounts[i], BLKBACK_HANDLES_MOVING, 32);
            taken += 32;
        }
    }
    CU_ASSERT_EQUAL(taken, BLKBACK_ALL_HANDLES);
    blkback_handles_give(accounts[0], BLKBACK_HANDLES_MOVING, BLKBACK_DOMAIN_HANDLES);
    CU_ASSERT_TRUE(blkback_handles_free(accounts[99], BLKBACK_HANDLES_MOVING, 32));
    for (unsigned int i = 0; i < 100; i++) {
        unsigned int held = i >= 1 && i < 32 ? BLKBACK_DOMAIN_HANDLES : 0;
        blkback_handles_give(accounts[i], BLKBACK_HANDLES_MOVING, held);
        blkback_account_put(accounts[i]);
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(good_requests),      REPORT_CASE(bad_segments),
    REPORT_CASE(bad_sectors),        REPORT_CASE(other_operations),
    REPORT_CASE(indirect),           REPORT_CASE(random_entries),
    REPORT_CASE(domain_keeps_pages), REPORT_CASE(all_domains_together),
};

int main(void)
{
    return report_run("blkback", cases, sizeof(cases) / sizeof(cases[0]));
}
