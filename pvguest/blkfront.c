// SPDX-License-Identifier: MIT
/*
 * Virtual disks as xenbus sees them: discovery, the states of both ends (the diagram is in
 * xen/io/blkif.h), names. Runs in the xenbus thread; the data path is in blkfront_ring.c.
 *
 * A struct blkfront is kept when its device goes away, because others may still point to its block
 * device; it is used again for the same device number.
 */
#include "pvguest/blkfront.h"

#include <stdio.h>
#include <stdlib.h>

#include "pvguest/blkfront_ring.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include <xen/io/protocols.h>

#define SECTORS_MAX (1ULL << 52)

static struct blkfront *fronts;

/* Connecting and closing --------------------------------------------------------------------------- */
static void front_disconnect(struct blkfront *front)
{
    blkfront_ring_close(front);
    if (front->registered) {
        block_unregister(&front->block);
        front->registered = false;
    }
}

static int ring_publish(struct blkfront *front)
{
    const char *node = front->device->node;
    uint32_t tx;
    int error;
    do {
        error = xenbus_transaction_start(&tx);
        if (error != 0) {
            return error;
        }
        error = xenbus_printf(tx, node, "ring-ref", "%u", front->ring_grant);
        if (error == 0) {
            error = xenbus_printf(tx, node, "event-channel", "%u", front->port);
        }
        if (error == 0) {
            error = xenbus_printf(tx, node, "protocol", "%s", XEN_IO_PROTO_ABI_X86_64);
        }
        if (error == 0) {
            error = xenbus_printf(tx, node, "feature-persistent", "%d", front->persistent);
        }
        int end = xenbus_transaction_end(tx, error != 0);
        error = error != 0 ? error : end;
    } while (error == -XEN_EAGAIN);
    return error;
}

/* The back end waits for us: ring, grants, event channel. */
static void front_initialise(struct blkfront *front)
{
    struct xenbus_device *device = front->device;
    int error = blkfront_ring_open(front);
    if (error == 0) {
        error = ring_publish(front);
    }
    if (error != 0) {
        xenbus_device_fail(device, error, "cannot set up the ring");
        front_disconnect(front);
        return;
    }
    (void)xenbus_device_set_state(device, XenbusStateInitialised);
}

/* The back end has connected: what kind of disk is it? */
static void front_connect(struct blkfront *front)
{
    struct xenbus_device *device = front->device;
    struct block_device *block = &front->block;
    uint64_t sectors;
    int error = xenbus_read_number(XENBUS_NO_TRANSACTION, device->peer, "sectors", &sectors);
    uint64_t size = xenbus_read_number_or(device->peer, "sector-size", BLOCK_SECTOR_SIZE);
    uint64_t info = xenbus_read_number_or(device->peer, "info", 0);
    if (error == 0 && (sectors == 0 || sectors > SECTORS_MAX || size < BLOCK_SECTOR_SIZE ||
                       size > PAGE_SIZE || (size & (size - 1)) != 0)) {
        error = -XEN_EINVAL;
    }
    if (error == 0) {
        block->sectors = sectors; /* of 512 bytes whatever sector-size says, as is the custom */
        block->sector_size = (unsigned int)size;
        block->readonly = (info & VDISK_READONLY) != 0;
        block->cdrom = (info & VDISK_CDROM) != 0;
        block->gone = false;
        block->submit = blkfront_ring_submit;
        block->driver = front;
        front->flush = xenbus_read_number_or(device->peer, "feature-flush-cache", 0) != 0;
        error = block_register(block);
    }
    if (error != 0) {
        xenbus_device_fail(device, error, "cannot use the disk");
        front_disconnect(front);
        return;
    }
    front->registered = true;
    (void)xenbus_device_set_state(device, XenbusStateConnected);
}

static void front_peer_changed(struct xenbus_device *device)
{
    struct blkfront *front = device->context;
    if (front->connected && front->broken) {
        front_disconnect(front);
        xenbus_device_fail(device, -XEN_EIO, "nonsense on the ring, disk closed");
        return;
    }
    switch (device->peer_state) {
    case XenbusStateInitWait:
    case XenbusStateInitialised:
        if (device->state == XenbusStateClosed && xenbus_device_reopen(device) != 0) {
            break;
        }
        if (device->state == XenbusStateInitialising) {
            front_initialise(front);
        }
        break;
    case XenbusStateConnected:
        if (device->state == XenbusStateInitialising) {
            front_initialise(front);
        }
        if (device->state == XenbusStateInitialised) {
            front_connect(front);
        }
        break;
    case XenbusStateClosing:
    case XenbusStateClosed:
    case XenbusStateUnknown:
        front_disconnect(front);
        (void)xenbus_device_set_state(device, XenbusStateClosed);
        break;
    default:
        break;
    }
    wake_up(&blkfront_queue);
}

static int front_probe(struct xenbus_device *device)
{
    struct blkfront *front = fronts;
    while (front != NULL && front->id != device->id) {
        front = front->next;
    }
    if (front == NULL) {
        front = calloc(1, sizeof(*front));
        if (front == NULL) {
            return -XEN_ENOMEM;
        }
        front->id = device->id;
        front->next = fronts;
        fronts = front;
    }
    blkfront_device_name(device->id, front->block.name, sizeof(front->block.name));
    front->device = device;
    device->context = front;
    /* What an earlier kernel left behind is not ours to go on with. */
    return xenbus_device_set_state(device, XenbusStateInitialising);
}

static void front_remove(struct xenbus_device *device)
{
    struct blkfront *front = device->context;
    front_disconnect(front);
    front->device = NULL;
    wake_up(&blkfront_queue);
}

/* Start ------------------------------------------------------------------------------------------- */
void blkfront_device_name(unsigned int number, char *name, size_t size)
{
    const char *prefix = "xvd";
    unsigned int disk;
    unsigned int partition;
    if ((number >> 28) == 1) { /* extended: 2^28 | disk << 8 | partition */
        disk = (number >> 8) & 0xfffff;
        partition = number & 0xff;
    } else {
        unsigned int major = number >> 8;
        bool ide = major == 3 || major == 22;
        prefix = major == 8 ? "sd" : ide ? "hd" : "xvd";
        unsigned int bits = ide ? 6 : 4;
        disk = ((number & 0xff) >> bits) + (major == 22 ? 2 : 0);
        partition = number & ((1U << bits) - 1);
    }
    char letters[8];
    size_t at = sizeof(letters) - 1;
    letters[at] = '\0';
    for (unsigned int rest = disk + 1; rest != 0; rest = (rest - 1) / 26) {
        letters[--at] = (char)('a' + (rest - 1) % 26);
    }
    if (partition != 0) {
        snprintf(name, size, "%s%s%u", prefix, letters + at, partition);
    } else {
        snprintf(name, size, "%s%s", prefix, letters + at);
    }
}

static struct blkfront *front_find_broken(void)
{
    struct blkfront *front = fronts;
    while (front != NULL && !(front->connected && front->broken && !front->closing)) {
        front = front->next;
    }
    return front;
}

/* A ring that broke is found in the event handler and closed in the xenbus thread; between the two
 * stands this thread, because handlers cannot queue work there. */
static void close_loop(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event(&blkfront_queue, front_find_broken() != NULL);
        struct blkfront *front = front_find_broken();
        front->closing = true;
        xenbus_device_poke(front->device);
    }
}

/* True when no disk of the store's list is still on its way. */
static bool all_settled(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned int id = (unsigned int)strtoul(names[i], NULL, 10);
        struct blkfront *front = fronts;
        while (front != NULL && front->id != id) {
            front = front->next;
        }
        if (front == NULL ||
            (front->device != NULL && front->device->state < XenbusStateConnected)) {
            return false;
        }
    }
    return true;
}

static int driver_start(void)
{
    static struct xenbus_driver driver = {.type = "vbd",
                                          .probe = front_probe,
                                          .peer_changed = front_peer_changed,
                                          .remove = front_remove};
    static bool started;
    if (started) {
        return 0;
    }
    if (thread_create("blkfront", close_loop, NULL) == NULL) {
        return -XEN_ENOMEM;
    }
    started = true;
    return xenbus_driver_register(&driver);
}

int blkfront_init(uint64_t wait_ns)
{
    char **names;
    size_t count;
    int error = driver_start();
    if (error != 0) {
        return error;
    }
    error = xenbus_directory(XENBUS_NO_TRANSACTION, "device/vbd", &names, &count);
    if (error != 0) {
        return error == -XEN_ENOENT ? 0 : error;
    }
    if (!wait_event_timeout(&blkfront_queue, all_settled(names, count), wait_ns)) {
        console_printf("blkfront: not all disks came up in time\n");
    }
    free(names);
    return 0;
}
