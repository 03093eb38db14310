// SPDX-License-Identifier: MIT
/*
 * Writes a pattern to a disk, reads it back, compares, and says how fast it went.
 *
 * Command line: disk=NAME (default: the first disk that can be written), mib=N (how much; default:
 * all of the disk), seed=N, "verify" (only reads and compares what an earlier run wrote), "loop"
 * (goes on until it is stopped). The last line is "disk-check: ok" or "disk-check: FAILED".
 */
#include <stdio.h>
#include <stdlib.h>
#include "pvguest/blkfront.h"
#include "pvguest/block.h"
#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "pvguest/start.h"
#include "pvguest/time.h"

#define CHUNK_ORDER 6 /* 256 KiB */
#define CHUNK_SIZE (PAGE_SIZE << CHUNK_ORDER)
#define CHUNK_SECTORS (CHUNK_SIZE / BLOCK_SECTOR_SIZE)
#define SECTORS_PER_MIB 2048U
#define WAIT_NS (10 * NSEC_PER_SEC)

struct check {
    struct block_device *disk;
    uint64_t sectors;
    uint64_t seed;
    uint64_t *buffer;
};

/* Word `index` of the disk; known to whoever verifies the image on the host: the seed plus the
 * number of the word, times the golden ratio, in 64 bits. */
static uint64_t pattern(const struct check *check, uint64_t index)
{
    return (check->seed + index) * 0x9e3779b97f4a7c15ULL;
}

static size_t chunk_sectors(const struct check *check, uint64_t sector)
{
    uint64_t left = check->sectors - sector;
    return left < CHUNK_SECTORS ? (size_t)left : CHUNK_SECTORS;
}

static int fill(const struct check *check)
{
    for (uint64_t sector = 0; sector < check->sectors; sector += CHUNK_SECTORS) {
        size_t count = chunk_sectors(check, sector);
        size_t words = count * BLOCK_SECTOR_SIZE / sizeof(uint64_t);
        uint64_t first = sector * (BLOCK_SECTOR_SIZE / sizeof(uint64_t));
        for (size_t i = 0; i < words; i++) {
            check->buffer[i] = pattern(check, first + i);
        }
        int error = block_write(check->disk, sector, check->buffer, count);
        if (error != 0) {
            printf("write at sector %lu: %s\n", sector, errno_name(error));
            return error;
        }
    }
    int error = block_flush(check->disk);
    if (error != 0 && error != -XEN_EOPNOTSUPP) {
        printf("flush: %s\n", errno_name(error));
        return error;
    }
    return 0;
}

static int verify(const struct check *check)
{
    for (uint64_t sector = 0; sector < check->sectors; sector += CHUNK_SECTORS) {
        size_t count = chunk_sectors(check, sector);
        size_t words = count * BLOCK_SECTOR_SIZE / sizeof(uint64_t);
        uint64_t first = sector * (BLOCK_SECTOR_SIZE / sizeof(uint64_t));
        int error = block_read(check->disk, sector, check->buffer, count);
        if (error != 0) {
            printf("read at sector %lu: %s\n", sector, errno_name(error));
            return error;
        }
        for (size_t i = 0; i < words; i++) {
            if (check->buffer[i] != pattern(check, first + i)) {
                printf("sector %lu holds something else than was written\n",
                       sector + i * sizeof(uint64_t) / BLOCK_SECTOR_SIZE);
                return -XEN_EIO;
            }
        }
    }
    return 0;
}

/* Runs one of the two and prints its speed. */
static int timed(const struct check *check, const char *what, int (*step)(const struct check *))
{
    uint64_t start = time_now();
    int error = step(check);
    uint64_t used = time_now() - start;
    if (error == 0) {
        uint64_t kib = check->sectors / 2;
        printf("%s %lu KiB in %llu ms: %llu KiB/s\n", what, kib, used / NSEC_PER_MSEC,
               kib * NSEC_PER_SEC / (used + 1));
    }
    return error;
}

static struct block_device *disk_find(void)
{
    const char *name = start_option("disk");
    if (name != NULL) {
        return block_find(name);
    }
    struct block_device *disk = block_iterate(NULL);
    while (disk != NULL && disk->readonly && start_option("verify") == NULL) {
        disk = block_iterate(disk);
    }
    return disk;
}

static uint64_t option_number(const char *name, uint64_t otherwise)
{
    const char *text = start_option(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static int check_setup(struct check *check)
{
    int error = blkfront_init(WAIT_NS);
    if (error != 0) {
        printf("no disks: %s\n", errno_name(error));
        return error;
    }
    check->disk = disk_find();
    if (check->disk == NULL) {
        printf("no disk to check\n");
        return -XEN_ENODEV;
    }
    uint64_t limit = option_number("mib", UINT64_MAX / SECTORS_PER_MIB) * SECTORS_PER_MIB;
    check->sectors = check->disk->sectors < limit ? check->disk->sectors : limit;
    check->seed = option_number("seed", 1);
    check->buffer = page_alloc_dirty(CHUNK_ORDER);
    printf("%s: %lu sectors, checking %lu\n", check->disk->name, check->disk->sectors,
           check->sectors);
    return check->buffer != NULL ? 0 : -XEN_ENOMEM;
}

int main(void)
{
    struct check check;
    int error = check_setup(&check);
    do {
        if (error == 0 && start_option("verify") == NULL) {
            error = timed(&check, "wrote", fill);
        }
        if (error == 0) {
            error = timed(&check, "read", verify);
        }
    } while (error == 0 && start_option("loop") != NULL);
    printf("disk-check: %s\n", error == 0 ? "ok" : "FAILED");
    return error == 0 ? 0 : 1;
}
