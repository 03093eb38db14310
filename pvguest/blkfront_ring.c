// SPDX-License-Identifier: MIT
/*
 * The data path of blkfront: one ring page, up to 32 requests in flight, indirect requests where
 * the back end offers them. Data goes through pages that stay granted and mapped, at the price of a
 * copy, if the back end can keep them mapped (feature-persistent); else each page is granted for
 * its request.
 *
 * Ring and slots are touched by submit and by the event handler with upcalls masked; opening and
 * closing happen in the xenbus thread. Answers are hostile input: ids are checked against slots in
 * use, and a ring whose indices are nonsense closes the device. Memory of a request whose grants
 * the back end will not let go stays granted; its request fails.
 */
#include "pvguest/blkfront_ring.h"

#include <stdlib.h>
#include <string.h>

#include "pvguest/errno.h"
#include "pvguest/grant.h"
#include "pvguest/memory.h"

#define POOL_MIN BLOCK_SEGMENTS_MAX /* pages that stay granted: for one request at least */
#define POOL_SHARE 8U               /* of the free memory, at most this part */

struct wait_queue blkfront_queue;

/* Requests ---------------------------------------------------------------------------------------- */
static void slot_release(struct blkfront *front, struct blkfront_slot *slot)
{
    for (uint32_t i = 0; i < slot->grant_count; i++) {
        if (!grant_end(slot->grants[i])) {
            grant_end_later(slot->grants[i], NULL);
            slot->request->status = -XEN_EIO;
        }
    }
    slot->grant_count = 0;
    for (uint32_t i = 0; i < slot->page_count; i++) {
        slot->pages[i]->next = front->pool;
        front->pool = slot->pages[i];
    }
    slot->page_count = 0;
}

/* Copies between the request's memory and the pages that the back end sees. */
static void slot_copy(const struct blkfront_slot *slot, bool to_pool)
{
    for (uint32_t i = 0; i < slot->page_count; i++) {
        const struct block_segment *segment = &slot->request->segments[i];
        char *shared = (char *)slot->pages[i]->page + (segment->maddr & ~PAGE_MASK);
        memcpy(to_pool ? shared : segment->address, to_pool ? segment->address : shared,
               segment->length);
    }
}

static void slot_complete(struct blkfront *front, struct blkfront_slot *slot, int status)
{
    struct block_request *request = slot->request;
    request->status = status;
    if (status == 0 && request->operation == BLOCK_READ) {
        slot_copy(slot, false);
    }
    slot_release(front, slot);
    slot->request = NULL;
    request->done(request);
}

/* A free page of the pool, made if there is none and the limit allows it. */
static struct blkfront_page *pool_take(struct blkfront *front)
{
    struct blkfront_page *taken = front->pool;
    if (taken != NULL) {
        front->pool = taken->next;
        return taken;
    }
    if (front->pool_used == front->pool_limit) {
        return NULL;
    }
    taken = &front->pool_pages[front->pool_used];
    taken->page = page_alloc(0);
    if (taken->page == NULL) {
        return NULL;
    }
    int grant = grant_access(front->device->peer_domid, virt_to_mfn(taken->page), false);
    if (grant < 0) {
        page_free(taken->page, 0);
        return NULL;
    }
    taken->grant = (grant_ref_t)grant;
    front->pool_used++;
    return taken;
}

/* The reference by which the back end reaches segment `index`, or -XEN_EAGAIN. */
static int segment_grant(struct blkfront *front, struct blkfront_slot *slot, uint32_t index)
{
    const struct block_request *request = slot->request;
    if (front->persistent) {
        struct blkfront_page *page = pool_take(front);
        if (page == NULL) {
            return -XEN_EAGAIN;
        }
        slot->pages[slot->page_count++] = page;
        return (int)page->grant;
    }
    int grant = grant_access(front->device->peer_domid,
                             request->segments[index].maddr >> PAGE_SHIFT,
                             request->operation == BLOCK_WRITE);
    if (grant < 0) {
        return -XEN_EAGAIN;
    }
    slot->grants[slot->grant_count++] = (grant_ref_t)grant;
    return grant;
}

/* Grants the request's pages and fills the segments. */
static int segments_fill(struct blkfront *front, struct blkfront_slot *slot,
                         struct blkif_request_segment *segments)
{
    const struct block_request *request = slot->request;
    for (uint32_t i = 0; i < request->segment_count; i++) {
        const struct block_segment *from = &request->segments[i];
        uint32_t first = (uint32_t)(from->maddr & ~PAGE_MASK) / BLOCK_SECTOR_SIZE;
        int grant = segment_grant(front, slot, i);
        if (grant < 0) {
            return grant;
        }
        segments[i] = (struct blkif_request_segment){
            .gref = (grant_ref_t)grant,
            .first_sect = (uint8_t)first,
            .last_sect = (uint8_t)(first + from->length / BLOCK_SECTOR_SIZE - 1)};
    }
    if (request->operation == BLOCK_WRITE) {
        slot_copy(slot, true);
    }
    return 0;
}

static const uint8_t operations[] = {[BLOCK_READ] = BLKIF_OP_READ,
                                     [BLOCK_WRITE] = BLKIF_OP_WRITE,
                                     [BLOCK_FLUSH] = BLKIF_OP_FLUSH_DISKCACHE};

static int entry_fill(struct blkfront *front, struct blkfront_slot *slot,
                      struct blkif_request *entry)
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

static struct blkfront_slot *slot_find_free(struct blkfront *front)
{
    for (unsigned int i = 0; i < BLKFRONT_SLOTS; i++) {
        if (front->slots[i].request == NULL) {
            return &front->slots[i];
        }
    }
    return NULL;
}

/* Upcalls are masked. */
static int request_push(struct blkfront *front, struct block_request *request)
{
    struct blkfront_slot *slot = slot_find_free(front);
    if (slot == NULL || RING_FULL(&front->ring)) {
        return -XEN_EAGAIN;
    }
    slot->request = request;
    int error = entry_fill(front, slot, RING_GET_REQUEST(&front->ring, front->ring.req_prod_pvt));
    if (error != 0) {
        slot_release(front, slot);
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

int blkfront_ring_submit(struct block_device *block, struct block_request *request)
{
    struct blkfront *front = block->driver;
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
static bool answers_take(struct blkfront *front)
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
        if (answer.id >= BLKFRONT_SLOTS || front->slots[answer.id].request == NULL) {
            return false;
        }
        slot_complete(front, &front->slots[answer.id], status_error(answer.status));
    }
    return true;
}

static void front_event(evtchn_port_t port, void *arg)
{
    (void)port;
    struct blkfront *front = arg;
    int more;
    do {
        if (front->broken || !answers_take(front)) {
            /* No answer is believed any more; the requests fail when the device is closed. */
            front->broken = true;
            event_mask(front->port);
            wake_up(&blkfront_queue);
            return;
        }
        RING_FINAL_CHECK_FOR_RESPONSES(&front->ring, more);
    } while (more);
}

/* Opening and closing ------------------------------------------------------------------------------ */
static int ring_alloc(struct blkfront *front)
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
static int indirect_alloc(struct blkfront *front)
{
    for (unsigned int i = 0; i < BLKFRONT_SLOTS; i++) {
        struct blkfront_slot *slot = &front->slots[i];
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

/* Pages that stay granted, if the back end keeps them mapped and there is memory for enough. */
static void pool_setup(struct blkfront *front)
{
    size_t limit = page_free_count() / POOL_SHARE;
    size_t full = BLKFRONT_SLOTS * BLOCK_SEGMENTS_MAX;
    limit = limit < full ? limit : full;
    front->persistent = false;
    if (limit < POOL_MIN ||
        xenbus_read_number_or(front->device->peer, "feature-persistent", 0) == 0) {
        return;
    }
    front->pool_pages = calloc(limit, sizeof(*front->pool_pages));
    front->pool_limit = front->pool_pages != NULL ? (unsigned int)limit : 0;
    struct blkfront_page *pages = NULL;
    struct blkfront_page *page = NULL;
    unsigned int count = 0;
    while (count < POOL_MIN && (page = pool_take(front)) != NULL) {
        page->next = pages;
        pages = page;
        count++;
    }
    front->pool = pages;
    front->persistent = count == POOL_MIN;
}

int blkfront_ring_open(struct blkfront *front)
{
    int error = ring_alloc(front);
    if (error != 0) {
        return error;
    }
    front->block.max_segments = BLKIF_MAX_SEGMENTS_PER_REQUEST;
    uint64_t indirect = xenbus_read_number_or(front->device->peer, "feature-max-indirect-segments",
                                              0);
    if (indirect > BLKIF_MAX_SEGMENTS_PER_REQUEST && indirect_alloc(front) == 0) {
        front->block.max_segments = indirect < BLOCK_SEGMENTS_MAX ? (unsigned int)indirect
                                                                  : BLOCK_SEGMENTS_MAX;
    }
    pool_setup(front);
    return 0;
}

void blkfront_ring_close(struct blkfront *front)
{
    if (!front->connected) {
        return;
    }
    unsigned long saved = event_save();
    front->connected = false;
    front->block.gone = true;
    event_unbind(front->port);
    for (unsigned int i = 0; i < BLKFRONT_SLOTS; i++) {
        struct blkfront_slot *slot = &front->slots[i];
        if (slot->request != NULL) {
            slot_complete(front, slot, -XEN_EIO);
        }
        if (slot->indirect != NULL) {
            grant_end_later(slot->indirect_grant, slot->indirect);
            slot->indirect = NULL;
        }
    }
    grant_end_later(front->ring_grant, front->ring.sring);
    for (unsigned int i = 0; i < front->pool_used; i++) {
        grant_end_later(front->pool_pages[i].grant, front->pool_pages[i].page);
    }
    front->pool = NULL;
    front->pool_used = 0;
    event_restore(saved);
    free(front->pool_pages);
    front->pool_pages = NULL;
}
