// SPDX-License-Identifier: MIT
/*
 * The list of block devices, the checks that all drivers share, and synchronous access. A
 * synchronous transfer is cut into requests of at most the device's segments, one at a time; where it does not
 * begin or end with a sector of the medium, that sector goes through a page of its own.
 */
#include <string.h>
#include "pvguest/block.h"
#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "pvguest/thread.h"

static struct block_device *devices;
static struct wait_queue request_done; /* any synchronous request */

int block_register(struct block_device *device)
{
    if (block_find(device->name) != NULL) {
        return -XEN_EEXIST;
    }
    struct block_device **link = &devices;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    device->next = NULL;
    *link = device;
    return 0;
}

void block_unregister(struct block_device *device)
{
    for (struct block_device **link = &devices; *link != NULL; link = &(*link)->next) {
        if (*link == device) {
            *link = device->next;
            return;
        }
    }
}

struct block_device *block_find(const char *name)
{
    for (struct block_device *device = devices; device != NULL; device = device->next) {
        if (strcmp(device->name, name) == 0) {
            return device;
        }
    }
    return NULL;
}

struct block_device *block_iterate(struct block_device *previous)
{
    return previous == NULL ? devices : previous->next;
}

/* Segments -------------------------------------------------------------------------------------- */

void block_segment_set(struct block_segment *segment, void *address, uint32_t length)
{
    *segment = (struct block_segment){address, virt_to_maddr(address), length};
}

static int segments_check(const struct block_device *device, const struct block_request *request,
                          uint64_t *length)
{
    if (request->segment_count == 0 || request->segment_count > device->max_segments ||
        request->segment_count > BLOCK_SEGMENTS_MAX) {
        return -XEN_EINVAL;
    }
    *length = 0;
    for (uint32_t i = 0; i < request->segment_count; i++) {
        const struct block_segment *segment = &request->segments[i];
        uint64_t offset = segment->maddr & ~PAGE_MASK;
        if (segment->length == 0 || segment->length % BLOCK_SECTOR_SIZE != 0 ||
            offset % BLOCK_SECTOR_SIZE != 0 || offset + segment->length > PAGE_SIZE) {
            return -XEN_EINVAL;
        }
        *length += segment->length;
    }
    return *length % device->sector_size == 0 ? 0 : -XEN_EINVAL;
}

int block_check(const struct block_device *device, const struct block_request *request)
{
    uint64_t length;

    if (device->gone) {
        return -XEN_ENODEV;
    }
    if (request->operation == BLOCK_FLUSH) {
        return request->segment_count == 0 ? 0 : -XEN_EINVAL;
    }
    if (request->operation == BLOCK_WRITE && device->readonly) {
        return -XEN_EROFS;
    }
    int rc = segments_check(device, request, &length);
    if (rc != 0) {
        return rc;
    }
    uint64_t sectors = length / BLOCK_SECTOR_SIZE;
    return request->sector <= device->sectors && sectors <= device->sectors - request->sector
               ? 0
               : -XEN_EINVAL;
}

/* Synchronous access ---------------------------------------------------------------------------- */

struct sync_request {
    struct block_request request;
    bool done;
};

static void sync_done(struct block_request *request)
{
    struct sync_request *sync = request->context;
    sync->done = true;
    wake_up(&request_done);
}

/* A full queue has requests under way; without an event from our own we look again after a while. */
static int sync_run(struct block_device *device, struct sync_request *sync)
{
    int rc;

    sync->done = false;
    sync->request.done = sync_done;
    sync->request.context = sync;
    while ((rc = device->submit(device, &sync->request)) == -XEN_EAGAIN) {
        thread_sleep(100 * 1000);
    }
    if (rc != 0) {
        return rc;
    }
    wait_event(&request_done, *(volatile bool *)&sync->done);
    return sync->request.status;
}

/* Fills segments from the buffer; gives the bytes taken. */
static size_t sync_fill(const struct block_device *device, struct block_request *request,
                        char *buffer, size_t length)
{
    uint32_t max = device->max_segments < BLOCK_SEGMENTS_MAX ? device->max_segments
                                                             : BLOCK_SEGMENTS_MAX;
    size_t taken = 0;

    request->segment_count = 0;
    while (taken < length && request->segment_count < max) {
        size_t piece = PAGE_SIZE - ((uint64_t)(buffer + taken) & ~PAGE_MASK);
        piece = piece < length - taken ? piece : length - taken;
        block_segment_set(&request->segments[request->segment_count++], buffer + taken,
                          (uint32_t)piece);
        taken += piece;
    }
    return taken;
}

/* Takes `excess` bytes off the end of the request. */
static void sync_trim(struct block_request *request, size_t excess)
{
    while (excess) {
        struct block_segment *last = &request->segments[request->segment_count - 1];
        uint32_t n = excess < last->length ? (uint32_t)excess : last->length;
        last->length -= n;
        excess -= n;
        request->segment_count -= last->length == 0;
    }
}

/* Whole sectors of the medium to or from the buffer itself, as many as one request has room for: *count is
 * set to what was transferred, 0 if the buffer lies so that not even one fits. */
static int transfer_whole(struct block_device *device, enum block_operation operation,
                          uint64_t sector, char *buffer, size_t *count)
{
    struct sync_request sync = {
        .request = {.operation = operation, .sector = sector}
    };
    size_t taken = sync_fill(device, &sync.request, buffer, *count * BLOCK_SECTOR_SIZE);

    sync_trim(&sync.request, taken % device->sector_size);
    *count = (taken - taken % device->sector_size) / BLOCK_SECTOR_SIZE;
    return *count ? sync_run(device, &sync) : 0;
}

/* Part of one sector of the medium: the whole of it is read, and for a write changed and written back. */
static int transfer_part(struct block_device *device, enum block_operation operation,
                         uint64_t sector, char *buffer, size_t count)
{
    static struct mutex one_at_a_time; /* nobody else changes the sector between read and write */
    size_t unit = device->sector_size / BLOCK_SECTOR_SIZE, whole = unit,
           offset = sector % unit * BLOCK_SECTOR_SIZE;
    char *bounce = page_alloc_dirty(0);

    if (bounce == NULL) {
        return -XEN_ENOMEM;
    }
    if (operation == BLOCK_WRITE) {
        mutex_lock(&one_at_a_time);
    }
    int rc = transfer_whole(device, BLOCK_READ, sector - sector % unit, bounce, &whole);
    if (rc == 0 && operation == BLOCK_READ) {
        memcpy(buffer, bounce + offset, count * BLOCK_SECTOR_SIZE);
    } else if (rc == 0) {
        memcpy(bounce + offset, buffer, count * BLOCK_SECTOR_SIZE);
        rc = transfer_whole(device, BLOCK_WRITE, sector - sector % unit, bounce, &whole);
    }
    if (operation == BLOCK_WRITE) {
        mutex_unlock(&one_at_a_time);
    }
    page_free(bounce, 0);
    return rc;
}

static int transfer(struct block_device *device, enum block_operation operation, uint64_t sector,
                    char *buffer, size_t count)
{
    size_t unit = device->sector_size / BLOCK_SECTOR_SIZE;

    if ((uint64_t)buffer % BLOCK_SECTOR_SIZE != 0 || sector > device->sectors ||
        count > device->sectors - sector) {
        return -XEN_EINVAL;
    }
    while (count > 0) {
        size_t n = sector % unit == 0 ? count - count % unit : 0;
        int rc = n ? transfer_whole(device, operation, sector, buffer, &n) : 0;
        if (rc == 0 && n == 0) {
            n = unit - sector % unit;
            n = n < count ? n : count;
            rc = transfer_part(device, operation, sector, buffer, n);
        }
        if (rc != 0) {
            return rc;
        }
        sector += n;
        buffer += n * BLOCK_SECTOR_SIZE;
        count -= n;
    }
    return 0;
}

int block_read(struct block_device *device, uint64_t sector, void *buffer, size_t count)
{
    return transfer(device, BLOCK_READ, sector, buffer, count);
}

int block_write(struct block_device *device, uint64_t sector, const void *buffer, size_t count)
{
    return transfer(device, BLOCK_WRITE, sector, (char *)(uintptr_t)buffer, count);
}

int block_flush(struct block_device *device)
{
    struct sync_request sync = {.request.operation = BLOCK_FLUSH};
    int rc = sync_run(device, &sync);
    return rc == -XEN_EOPNOTSUPP ? 0 : rc; /* nothing is cached */
}
