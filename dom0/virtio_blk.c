// SPDX-License-Identifier: MIT
/*
 * virtio-blk driver (virtio 1.1, section 5.2): one queue, many requests in flight, completions from
 * the MSI-X handler.
 *
 * A request is a chain of header (read by the device), data, and one status byte. Headers and
 * status bytes live in slots of pages that never move; a slot is taken for the life of a request.
 * Queue and slot list are touched with upcalls masked only. A disk is never freed once it has been
 * registered: others may hold its block device.
 */
#include "dom0/virtio_blk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/pci.h"
#include "dom0/virtio.h"
#include "pvguest/block.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/memory.h"
#include "pvguest/thread.h"

#define FEATURE_SEG_MAX (1ULL << 2)
#define FEATURE_READONLY (1ULL << 5)
#define FEATURE_BLOCK_SIZE (1ULL << 6)
#define FEATURE_FLUSH (1ULL << 9)

#define CONFIG_CAPACITY 0U /* of 512 bytes */
#define CONFIG_SEG_MAX 12U
#define CONFIG_BLOCK_SIZE 20U

#define REQUEST_IN 0U
#define REQUEST_OUT 1U
#define REQUEST_FLUSH 4U
#define STATUS_OK 0U
#define STATUS_UNSUPPORTED 2U

#define CHAIN_MAX (BLOCK_SEGMENTS_MAX + 2)

struct slot {
    struct { /* as the device reads it */
        uint32_t type;
        uint32_t reserved;
        uint64_t sector;
    } header;
    uint8_t status;
    uint64_t maddr; /* of this slot */
    struct block_request *request;
    struct slot *next;
} __attribute__((aligned(64))); /* so that none crosses a page */

struct disk {
    struct block_device block;
    struct virtio_device virtio;
    struct virtio_queue queue;
    struct slot *slots;
    struct slot *free_slots;
    bool flush;
    bool closed; /* after it broke the rules */
    struct disk *next;
};

static struct disk *disks;
static struct wait_queue broken_queue;

#define SLOTS_ORDER 2 /* pages for VIRTIO_QUEUE_SIZE_MAX slots */
_Static_assert(VIRTIO_QUEUE_SIZE_MAX * sizeof(struct slot) <= PAGE_SIZE << SLOTS_ORDER,
               "a slot for every descriptor");

static int slots_alloc(struct disk *disk)
{
    disk->slots = page_alloc(SLOTS_ORDER);
    if (disk->slots == NULL) {
        return -XEN_ENOMEM;
    }
    for (unsigned int i = 0; i < disk->queue.size; i++) {
        struct slot *slot = &disk->slots[i];
        slot->maddr = virt_to_maddr(slot);
        slot->next = disk->free_slots;
        disk->free_slots = slot;
    }
    return 0;
}

/* Puts the request's chain into the queue; upcalls are masked. */
static int chain_add(struct disk *disk, struct slot *slot, const struct block_request *request)
{
    struct virtio_buffer buffers[CHAIN_MAX];
    unsigned int count = 0;
    buffers[count++] = (struct virtio_buffer){slot->maddr + offsetof(struct slot, header),
                                              sizeof(slot->header)};
    for (unsigned int i = 0; i < request->segment_count; i++) {
        const struct block_segment *segment = &request->segments[i];
        buffers[count++] = (struct virtio_buffer){segment->maddr, segment->length};
    }
    buffers[count++] = (struct virtio_buffer){slot->maddr + offsetof(struct slot, status), 1};
    unsigned int in = request->operation == BLOCK_READ ? request->segment_count + 1 : 1;
    return virtio_queue_add(&disk->queue, buffers, count - in, in, slot);
}

static int disk_submit(struct block_device *block, struct block_request *request)
{
    struct disk *disk = block->driver;
    static const uint32_t types[] = {
        [BLOCK_READ] = REQUEST_IN, [BLOCK_WRITE] = REQUEST_OUT, [BLOCK_FLUSH] = REQUEST_FLUSH};
    int error = block_check(block, request);
    if (error != 0) {
        return error;
    }
    if (request->operation == BLOCK_FLUSH && !disk->flush) {
        return -XEN_EOPNOTSUPP;
    }
    unsigned long saved = event_save();
    struct slot *slot = disk->free_slots;
    if (disk->virtio.broken) {
        error = -XEN_ENODEV;
    } else if (slot == NULL) {
        error = -XEN_EAGAIN;
    } else {
        slot->header.type = types[request->operation];
        slot->header.sector = request->sector;
        slot->status = 0xff;
        slot->request = request;
        error = chain_add(disk, slot, request) == 0 ? 0 : -XEN_EAGAIN;
    }
    if (error == 0) {
        disk->free_slots = slot->next;
        virtio_queue_kick(&disk->queue);
    }
    event_restore(saved);
    return error;
}

static int status_error(uint8_t status)
{
    return status == STATUS_OK ? 0 : status == STATUS_UNSUPPORTED ? -XEN_EOPNOTSUPP : -XEN_EIO;
}

static void disk_interrupt(evtchn_port_t port, void *arg)
{
    (void)port;
    struct disk *disk = arg;
    struct slot *slot;
    do {
        virtio_queue_interrupt_disable(&disk->queue);
        while ((slot = virtio_queue_get(&disk->queue, NULL)) != NULL) {
            struct block_request *request = slot->request;
            slot->request = NULL;
            request->status = status_error(*(volatile uint8_t *)&slot->status);
            slot->next = disk->free_slots;
            disk->free_slots = slot;
            request->done(request);
        }
        if (disk->virtio.broken) {
            disk->block.gone = true;
            wake_up(&broken_queue);
            return;
        }
    } while (virtio_queue_interrupt_enable(&disk->queue));
}

static struct disk *disk_find_broken(void)
{
    struct disk *disk = disks;
    while (disk != NULL && (!disk->virtio.broken || disk->closed)) {
        disk = disk->next;
    }
    return disk;
}

/* A device that has broken the rules is reset; then it has no use for the memory of its requests,
 * and they can fail. */
static void broken_loop(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event(&broken_queue, disk_find_broken() != NULL);
        struct disk *disk = disk_find_broken();
        disk->closed = true;
        block_unregister(&disk->block);
        unsigned int size = disk->queue.size;
        if (virtio_close(&disk->virtio) != 0) {
            continue;
        }
        for (unsigned int i = 0; i < size; i++) {
            struct block_request *request = disk->slots[i].request;
            disk->slots[i].request = NULL;
            if (request != NULL) {
                unsigned long saved = event_save(); /* as from the handler */
                request->status = -XEN_EIO;
                request->done(request);
                event_restore(saved);
            }
        }
    }
}

static void geometry_read(struct disk *disk)
{
    const struct virtio_device *virtio = &disk->virtio;
    struct block_device *block = &disk->block;
    block->sectors = virtio_config_read64(virtio, CONFIG_CAPACITY);
    block->sector_size = BLOCK_SECTOR_SIZE;
    if ((virtio->features & FEATURE_BLOCK_SIZE) != 0) {
        uint32_t size = virtio_config_read32(virtio, CONFIG_BLOCK_SIZE);
        if (size >= BLOCK_SECTOR_SIZE && size <= PAGE_SIZE && (size & (size - 1)) == 0) {
            block->sector_size = size;
        }
    }
    block->max_segments = BLOCK_SEGMENTS_MAX;
    if ((virtio->features & FEATURE_SEG_MAX) != 0) {
        uint32_t limit = virtio_config_read32(virtio, CONFIG_SEG_MAX);
        if (limit != 0 && limit < block->max_segments) {
            block->max_segments = limit;
        }
    }
    if (disk->queue.indirect_max == 0 && disk->queue.size < block->max_segments + 2U) {
        block->max_segments = disk->queue.size > 2 ? disk->queue.size - 2U : 0;
    }
    block->readonly = (virtio->features & FEATURE_READONLY) != 0;
    disk->flush = (virtio->features & FEATURE_FLUSH) != 0;
}

static int queue_setup(struct disk *disk)
{
    int error = virtio_queue_init(&disk->virtio, &disk->queue, 0, VIRTIO_QUEUE_SIZE_MAX);
    if (error == 0) {
        error = virtio_queue_use_indirect(&disk->queue, CHAIN_MAX);
    }
    if (error == 0) {
        error = virtio_queue_attach(&disk->queue, disk_interrupt, disk);
    }
    if (error == 0) {
        error = slots_alloc(disk);
    }
    return error;
}

static int disk_open(struct disk *disk, struct pci_device *pci)
{
    int error = virtio_open(&disk->virtio, pci);
    if (error != 0) {
        return error;
    }
    error = virtio_negotiate(&disk->virtio,
                             FEATURE_SEG_MAX | FEATURE_READONLY | FEATURE_BLOCK_SIZE |
                                 FEATURE_FLUSH | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX,
                             0);
    if (error == 0) {
        error = queue_setup(disk);
    }
    if (error == 0) {
        geometry_read(disk);
        disk->block.submit = disk_submit;
        disk->block.driver = disk;
        error = block_register(&disk->block);
    }
    if (error != 0) {
        virtio_close(&disk->virtio);
        page_free(disk->slots, SLOTS_ORDER);
        return error;
    }
    virtio_start(&disk->virtio);
    return 0;
}

int virtio_blk_init(void)
{
    int count = 0;
    if (thread_create("virtio-blk", broken_loop, NULL) == NULL) {
        return 0;
    }
    for (struct pci_device *pci = pci_iterate(NULL); pci != NULL; pci = pci_iterate(pci)) {
        if (virtio_type(pci) != VIRTIO_TYPE_BLOCK || pci->claimed != NULL) {
            continue;
        }
        struct disk *disk = calloc(1, sizeof(*disk));
        if (disk == NULL) {
            return count;
        }
        snprintf(disk->block.name, sizeof(disk->block.name), "vdisk%d", count);
        int error = disk_open(disk, pci);
        if (error != 0) {
            console_printf("virtio-blk: %s: %s\n", pci_name(pci), errno_name(error));
            free(disk);
            continue;
        }
        pci->claimed = "virtio-blk";
        disk->next = disks;
        disks = disk;
        count++;
        console_printf("%s: virtio-blk at %s, %lu MiB%s\n", disk->block.name, pci_name(pci),
                       disk->block.sectors / 2048, disk->block.readonly ? ", read-only" : "");
    }
    return count;
}
