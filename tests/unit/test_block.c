// SPDX-License-Identifier: MIT
// Synchronous access to disks with sectors of 512 to 4096 bytes: every alignment, against a plain copy.
#include "pvguest/block.h"
#include "pvguest/memory.h"
#include "pvguest/thread.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>

#define SECTORS 512U
#define BYTES (SECTORS * BLOCK_SECTOR_SIZE)

static uint8_t medium[BYTES], copy[BYTES];
static uint8_t buffer[BYTES + PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned int requests, pages_live;
static bool no_memory;
static int fail_at; // this request from now fails, 0: none

// What block.c needs of the kernel. The disk below completes at once, so nobody waits.
bool wait_block(struct wait_entry *entry, uint64_t deadline)
{
    abort();
}
void wait_prepare(struct wait_queue *queue, struct wait_entry *entry)
{
}
void wait_finish(struct wait_queue *queue, struct wait_entry *entry)
{
}
void wake_up(struct wait_queue *queue)
{
}
void thread_sleep(uint64_t ns)
{
}
void mutex_lock(struct mutex *mutex)
{
}
void mutex_unlock(struct mutex *mutex)
{
}
uint64_t virt_to_maddr(const void *address)
{
    return (uint64_t)address;
}

void *page_alloc_dirty(unsigned int order)
{
    pages_live += !no_memory;
    return no_memory ? NULL : aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
}

void page_free(void *pages, unsigned int order)
{
    pages_live--;
    free(pages);
}

static int submit(struct block_device *device, struct block_request *request)
{
    int rc = block_check(device, request);
    uint64_t at = request->sector * BLOCK_SECTOR_SIZE;

    requests++;
    if (rc != 0)
        return rc;
    if (request->sector % (device->sector_size / BLOCK_SECTOR_SIZE) != 0)
        return -XEN_EINVAL; // what a disk says to that
    request->status = fail_at && --fail_at == 0 ? -XEN_EIO : 0;
    for (uint32_t i = 0; i < request->segment_count && request->status == 0; i++) {
        struct block_segment *s = &request->segments[i];
        if (request->operation == BLOCK_READ)
            memcpy(s->address, medium + at, s->length);
        else
            memcpy(medium + at, s->address, s->length);
        at += s->length;
    }
    request->done(request);
    return 0;
}

static struct block_device disk = {.name = "disk", .sectors = SECTORS, .submit = submit};

static void fill(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)rand();
}

static void every_alignment(void)
{
    for (unsigned int size = 512; size <= 4096; size *= 2) {
        for (unsigned int segments = 1; segments <= BLOCK_SEGMENTS_MAX; segments *= 32) {
            disk.sector_size = size;
            disk.max_segments = segments;
            fill(medium, BYTES);
            memcpy(copy, medium, BYTES);
            for (unsigned int round = 0; round < 400; round++) {
                size_t sector = (size_t)rand() % SECTORS,
                       count = (size_t)rand() % 70 % (SECTORS - sector);
                uint8_t *at = buffer + (size_t)rand() % 8 * BLOCK_SECTOR_SIZE;
                fill(at, count * BLOCK_SECTOR_SIZE);
                if (rand() % 2) {
                    CU_ASSERT_EQUAL_FATAL(block_write(&disk, sector, at, count), 0);
                    memcpy(copy + sector * BLOCK_SECTOR_SIZE, at, count * BLOCK_SECTOR_SIZE);
                    CU_ASSERT_EQUAL_FATAL(memcmp(copy, medium, BYTES), 0);
                } else {
                    CU_ASSERT_EQUAL_FATAL(block_read(&disk, sector, at, count), 0);
                    CU_ASSERT_EQUAL_FATAL(
                        memcmp(copy + sector * BLOCK_SECTOR_SIZE, at, count * BLOCK_SECTOR_SIZE),
                        0);
                }
            }
        }
    }
    CU_ASSERT_EQUAL(pages_live, 0);
}

// Aligned access takes no detour: 32 pages a request.
static void whole_sectors(void)
{
    disk.sector_size = 4096;
    disk.max_segments = BLOCK_SEGMENTS_MAX;
    requests = 0;
    CU_ASSERT_EQUAL(block_read(&disk, 0, buffer, SECTORS), 0);
    CU_ASSERT_EQUAL(requests, BYTES / (32 * PAGE_SIZE));
}

static void beyond_the_end(void)
{
    disk.sector_size = 4096;
    requests = 0;
    CU_ASSERT_EQUAL(block_read(&disk, SECTORS, buffer, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(block_write(&disk, SECTORS - 1, buffer, 2), -XEN_EINVAL);
    CU_ASSERT_EQUAL(block_read(&disk, UINT64_MAX, buffer, 2), -XEN_EINVAL);
    CU_ASSERT_EQUAL(block_read(&disk, 0, buffer + 1, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(requests, 0);
    CU_ASSERT_EQUAL(block_read(&disk, SECTORS - 1, buffer, 1), 0);
}

static void failures(void)
{
    disk.sector_size = 4096;
    for (int at = 1; at <= 4; at++) { // read and write of the head, the middle, read of the tail
        fail_at = at;
        CU_ASSERT_EQUAL(block_write(&disk, 3, buffer, 16), -XEN_EIO);
    }
    fail_at = 0;
    no_memory = true;
    CU_ASSERT_EQUAL(block_read(&disk, 1, buffer, 1), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(block_read(&disk, 0, buffer, 8), 0);
    no_memory = false;
    CU_ASSERT_EQUAL(pages_live, 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(every_alignment),
    REPORT_CASE(whole_sectors),
    REPORT_CASE(beyond_the_end),
    REPORT_CASE(failures),
};

int main(void)
{
    return report_run("block", cases, sizeof(cases) / sizeof(cases[0]));
}
