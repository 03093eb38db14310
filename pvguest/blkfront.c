// SPDX-License-Identifier: MIT
/*
 * blkfront: one ring page, up to 32 requests in flight, indirect requests where the back end offers
 * them, grants for the life of a request.
 *
 * Each ring entry has a slot here; its number is the request's id on the ring. Ring and slots are
 * touched by submit and by the event handler with upcalls masked; connecting and closing happen in
 * the xenbus thread. Answers are hostile input: ids are checked against slots in use, and a ring
 * whose indices are nonsense closes the device. Memory of a request whose grants the back end will
 * not let go stays granted; its request fails.
 *
 * A struct front is kept when its device goes away, because others may still point to its block
 * device; it is used again for the same device number.
 */
#include "pvguest/blkfront.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pvguest/ring.h"
#include <xen/io/blkif.h>
#include <xen/io/protocols.h>

#include "pvguest/block.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/grant.h"
#include "pvguest/memory.h"
#include "pvguest/thread.h"
#include "pvguest/xenbus_device.h"

#define SLOTS 32U
#define SECTORS_MAX (1ULL << 52)

struct slot {
    struct block_request *request; /* NULL: free */
    uint32_t grant_count;
    grant_ref_t grants[BLOCK_SEGMENTS_MAX];
    struct blkif_request_segment *indirect; /* a granted page, or NULL without indirect requests */
    grant_ref_t indirect_grant;
};

struct front {
    struct block_device block;
    struct xenbus_device *device;
    unsigned int id;
    bool connected; /* the ring is there */
    bool registered;
    bool flush;
    bool broken;  /* the ring is not to be believed */
    bool closing; /* the xenbus thread has been told so */
    struct blkif_front_ring ring;
    grant_ref_t ring_grant;
    evtchn_port_t port;
    struct slot slots[SLOTS];
    struct front *next;
};

static struct front *fronts;
static struct wait_queue state_queue;

/* Requests ---------------------------------------------------------------------------------------- */
static void slot_release(struct slot *slot)
{
    for (uint32_t i = 0; i < slot->grant_count; i++) {
        if (!grant_end(slot->grants[i])) {
            grant_end_later(slot->grants[i], NULL);
            slot->request->status = -XEN_EIO;
        }
    }
    slot->grant_count = 0;
}

static void slot_complete(struct slot *slot, int status)
{
    struct block_request *request = slot->request;
    request->status = status;
    slot_release(slot);
    slot->request = NULL;
    request->done(request);
}

/* Grants the request's pages and fills the segments. */
static int segments_fill(struct front *front, struct slot *slot,
                         struct blkif_request_segment *segments)
{
    struct block_request *request = slot->request;
    for (uint32_t i = 0; i < request->segment_count; i++) {
        const struct block_segment *from = &request->segments[i];
        uint32_t first = (uint32_t)(from->maddr & ~PAGE_MASK) / BLOCK_SECTOR_SIZE;
        int grant = grant_access(front->device->peer_domid, from->maddr >> PAGE_SHIFT,
                                 request->operation == BLOCK_WRITE);
        if (grant < 0) {
            return -XEN_EAGAIN;
        }
        slot->grants[slot->grant_count++] = (grant_ref_t)grant;
        segments[i] = (struct blkif_request_segment){
            .gref = (grant_ref_t)grant,
            .first_sect = (uint8_t)first,
            .last_sect = (uint8_t)(first + from->length / BLOCK_SECTOR_SIZE - 1)};
    }
    return 0;
}

static const uint8_t operations[] = {[BLOCK_READ] = BLKIF_OP_READ,
                                     [BLOCK_WRITE] = BLKIF_OP_WRITE,
                                     [BLOCK_FLUSH] = BLKIF_OP_FLUSH_DISKCACHE};

static int entry_fill(struct front *front, struct slot *slot, struct blkif_request *entry)
{
    struct block_request *request = slot->request;
    uint64_t id = (uint64_t)(slot - front->slots);
    memset(entry, 0, sizeof(*entry));
    if (request->segment_count <= BLKIF_MAX_SEGMENTS_PER_REQUEST) {
        entry->operation = operations[request->operation];
        entry->nr_segments = (uint8_t)request->segment_count;
        entry->handle = (blkif_vdev_t)front->id;
        entry->id = id;
        entry->sector_number = request->sector;
        return segments_fill(front, slot, entry->seg);
    }
    struct blkif_request_indirect *indirect = (struct blkif_request_indirect *)entry;
    indirect->operation = BLKIF_OP_INDIRECT;
    indirect->indirect_op = operations[request->operation];
    indirect->nr_segments = (uint16_t)request->segment_count;
    indirect->handle = (blkif_vdev_t)front->id;
    indirect->id = id;
    indirect->sector_number = request->sector;
    indirect->indirect_grefs[0] = slot->indirect_grant;
    return segments_fill(front, slot, slot->indirect);
}

static struct slot *slot_find_free(struct front *front)
{
    for (unsigned int i = 0; i < SLOTS; i++) {
        if (front->slots[i].request == NULL) {
            return &front->slots[i];
        }
    }
    return NULL;
}

/* Upcalls are masked. */
static int request_push(struct front *front, struct block_request *request)
{
    struct slot *slot = slot_find_free(front);
    if (slot == NULL || RING_FULL(&front->ring)) {
        return -XEN_EAGAIN;
    }
    slot->request = request;
    int error = entry_fill(front, slot, RING_GET_REQUEST(&front->ring, front->ring.req_prod_pvt));
    if (error != 0) {
        slot_release(slot);
        slot->request = NULL;
        return error;
    }
    front->ring.req_prod_pvt++;
    int notify;
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&front->ring, notify);
    if (notify) {
        event_send(front->port);
    }
    return 0;
}

static int front_submit(struct block_device *block, struct block_request *request)
{
    struct front *front = block->driver;
    int error = block_check(block, request);
    if (error != 0) {
        return error;
    }
    if (request->operation == BLOCK_FLUSH && !front->flush) {
        return -XEN_EOPNOTSUPP;
    }
    unsigned long saved = event_save();
    error = front->connected && !front->broken ? request_push(front, request) : -XEN_ENODEV;
    event_restore(saved);
    return error;
}

/* Answers ----------------------------------------------------------------------------------------- */
static int status_error(int16_t status)
{
    return status == BLKIF_RSP_OKAY         ? 0
           : status == BLKIF_RSP_EOPNOTSUPP ? -XEN_EOPNOTSUPP
                                            : -XEN_EIO;
}

/* Takes answers off the ring; false if they make no sense. */
static bool answers_take(struct front *front)
{
    struct blkif_front_ring *ring = &front->ring;
    RING_IDX producer = __atomic_load_n(&ring->sring->rsp_prod, __ATOMIC_ACQUIRE);
    if (producer - ring->rsp_cons > ring->req_prod_pvt - ring->rsp_cons) {
        return false; /* more answers than requests */
    }
    while (ring->rsp_cons != producer) {
        struct blkif_response answer;
        RING_COPY_RESPONSE(ring, ring->rsp_cons, &answer);
        ring->rsp_cons++;
        if (answer.id >= SLOTS || front->slots[answer.id].request == NULL) {
            return false;
        }
        slot_complete(&front->slots[answer.id], status_error(answer.status));
    }
    return true;
}

static void front_event(evtchn_port_t port, void *arg)
{
    (void)port;
    struct front *front = arg;
    int more;
    do {
        if (front->broken || !answers_take(front)) {
            /* No answer is believed any more; the requests fail when the device is closed. */
            front->broken = true;
            event_mask(front->port);
            wake_up(&state_queue);
            return;
        }
        RING_FINAL_CHECK_FOR_RESPONSES(&front->ring, more);
    } while (more);
}

/* Connecting and closing: xenbus thread --------------------------------------------------------- */
/* Ends what the back end holds; its mappings keep pages alive until it lets go. */
static void front_disconnect(struct front *front)
{
    if (!front->connected) {
        return;
    }
    unsigned long saved = event_save();
    front->connected = false;
    front->block.gone = true;
    event_unbind(front->port);
    for (unsigned int i = 0; i < SLOTS; i++) {
        struct slot *slot = &front->slots[i];
        if (slot->request != NULL) {
            slot_complete(slot, -XEN_EIO);
        }
        if (slot->indirect != NULL) {
            grant_end_later(slot->indirect_grant, slot->indirect);
            slot->indirect = NULL;
        }
    }
    grant_end_later(front->ring_grant, front->ring.sring);
    event_restore(saved);
    if (front->registered) {
        block_unregister(&front->block);
        front->registered = false;
    }
}

static int ring_alloc(struct front *front)
{
    domid_t peer = front->device->peer_domid;
    struct blkif_sring *sring = page_alloc(0);
    if (sring == NULL) {
        return -XEN_ENOMEM;
    }
    XEN_FRONT_RING_INIT(&front->ring, sring, PAGE_SIZE);
    int grant = grant_access(peer, virt_to_mfn(sring), false);
    if (grant < 0) {
        page_free(sring, 0);
        return grant;
    }
    int port = event_alloc_unbound(peer, front_event, front);
    if (port < 0) {
        grant_end_later((grant_ref_t)grant, sring);
        return port;
    }
    front->ring_grant = (grant_ref_t)grant;
    front->port = (evtchn_port_t)port;
    front->broken = false;
    front->closing = false;
    front->connected = true;
    return 0;
}

/* A page for each slot that holds the segments of an indirect request. */
static int indirect_alloc(struct front *front)
{
    for (unsigned int i = 0; i < SLOTS; i++) {
        struct slot *slot = &front->slots[i];
        slot->indirect = page_alloc(0);
        if (slot->indirect == NULL) {
            return -XEN_ENOMEM;
        }
        int grant = grant_access(front->device->peer_domid, virt_to_mfn(slot->indirect), true);
        if (grant < 0) {
            page_free(slot->indirect, 0);
            slot->indirect = NULL;
            return grant;
        }
        slot->indirect_grant = (grant_ref_t)grant;
    }
    return 0;
}

static int ring_publish(struct front *front)
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
        int end = xenbus_transaction_end(tx, error != 0);
        error = error != 0 ? error : end;
    } while (error == -XEN_EAGAIN);
    return error;
}

/* The back end waits for us: ring, grants, event channel. */
static void front_initialise(struct front *front)
{
    struct xenbus_device *device = front->device;
    int error = ring_alloc(front);
    front->block.max_segments = BLKIF_MAX_SEGMENTS_PER_REQUEST;
    uint64_t indirect = xenbus_read_number_or(device->peer, "feature-max-indirect-segments", 0);
    if (error == 0 && indirect > BLKIF_MAX_SEGMENTS_PER_REQUEST && indirect_alloc(front) == 0) {
        front->block.max_segments = indirect < BLOCK_SEGMENTS_MAX ? (unsigned int)indirect
                                                                  : BLOCK_SEGMENTS_MAX;
    }
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
static void front_connect(struct front *front)
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
        block->submit = front_submit;
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
    struct front *front = device->context;
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
    wake_up(&state_queue);
}

static int front_probe(struct xenbus_device *device)
{
    struct front *front = fronts;
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
    struct front *front = device->context;
    front_disconnect(front);
    front->device = NULL;
    wake_up(&state_queue);
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

static struct front *front_find_broken(void)
{
    struct front *front = fronts;
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
        wait_event(&state_queue, front_find_broken() != NULL);
        struct front *front = front_find_broken();
        front->closing = true;
        xenbus_device_poke(front->device);
    }
}

/* True when no disk of the store's list is still on its way. */
static bool all_settled(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned int id = (unsigned int)strtoul(names[i], NULL, 10);
        struct front *front = fronts;
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
    if (!wait_event_timeout(&state_queue, all_settled(names, count), wait_ns)) {
        console_printf("blkfront: not all disks came up in time\n");
    }
    free(names);
    return 0;
}
