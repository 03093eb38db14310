// SPDX-License-Identifier: MIT
/*
 * Block devices: what blkfront, virtio-blk and RAM disks offer, and what blkback and file systems
 * use. A request is submitted from a thread and completes by its callback, from a thread or an
 * event handler. The unit of addresses is always 512 bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_SECTOR_SIZE 512U
#define BLOCK_SEGMENTS_MAX 32U

enum block_operation { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };

/* A piece of one page: never crosses a page boundary; offset and length multiples of 512. */
struct block_segment {
    void *address;  /* mapped address of the first byte */
    uint64_t maddr; /* machine address of the same byte (own or granted frame) */
    uint32_t length;
};

struct block_request {
    enum block_operation operation;
    uint32_t segment_count; /* 1..BLOCK_SEGMENTS_MAX; 0 for BLOCK_FLUSH */
    uint64_t sector;
    struct block_segment segments[BLOCK_SEGMENTS_MAX];
    /* Called exactly once if submit returned 0; must not block; may submit again or free. */
    void (*done)(struct block_request *request);
    void *context;              /* the submitter's */
    int status;                 /* set before done: 0 or -XEN_E* */
    struct block_request *next; /* the driver's, while submitted */
    uint64_t driver_data;       /* the driver's, while submitted */
};

struct block_device {
    char name[16];             /* unique: "xvda", "vda" */
    uint64_t sectors;          /* of 512 bytes */
    unsigned int sector_size;  /* of the medium: smallest unit of a request */
    unsigned int max_segments; /* <= BLOCK_SEGMENTS_MAX */
    bool readonly;
    bool cdrom;
    bool gone; /* set when the device has been closed: submit fails with -XEN_ENODEV */
    /*
     * 0: accepted, done will be called. -XEN_EAGAIN: queue full, try again after any completion.
     * -XEN_EINVAL: out of range or malformed. -XEN_EROFS, -XEN_ENODEV, -XEN_EOPNOTSUPP (flush).
     */
    int (*submit)(struct block_device *device, struct block_request *request);
    void *driver; /* the driver's */
    struct block_device *next;
};

/* The struct is the driver's and lives until block_unregister. -XEN_EEXIST: name in use. */
int block_register(struct block_device *device);
void block_unregister(struct block_device *device);
struct block_device *block_find(const char *name);
/* First with NULL, then the one after; NULL at the end. */
struct block_device *block_iterate(struct block_device *previous);

/* Checks range, segments and write permission as every driver has to: 0 or -XEN_E*. */
int block_check(const struct block_device *device, const struct block_request *request);
/* Fills a segment for `length` bytes at an address of own RAM. */
void block_segment_set(struct block_segment *segment, void *address, uint32_t length);

/* Synchronous, from a thread; any buffer aligned to 512, any sector and count, whatever the medium's sectors are.
 * 0 or -XEN_E*. */
int block_read(struct block_device *device, uint64_t sector, void *buffer, size_t count);
int block_write(struct block_device *device, uint64_t sector, const void *buffer, size_t count);
int block_flush(struct block_device *device);
