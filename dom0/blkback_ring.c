// SPDX-License-Identifier: MIT
/*
 * The data path of blkback. One thread for each connection takes requests off the ring, maps their
 * grants, hands them to the disk, and after completion unmaps and answers. The disk's completion
 * (event context) only moves a request to the list `done` and wakes the thread; so the ring and the
 * mappings belong to the thread alone and only that list needs upcalls masked.
 *
 * The ring page is hostile: each entry is copied once before it is looked at, the producer index is
 * checked, and entries are decoded by blkback_request.c. A guest that dies stays a zombie until the
 * last of its pages that a disk still uses has been unmapped here.
 */
#include "dom0/blkback_ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/blkback_budget.h"
#include "dom0/blkback_cache.h"
#include "dom0/blkback_request.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/event_late.h"
#include "pvguest/memory.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define ENTRIES __CONST_RING_SIZE(blkif, PAGE_SIZE)
#define RETRY_NS NSEC_PER_MSEC
#define COMPLAINTS_MAX 8U /* then a front end's bad grants are not worth a line any more */
#define CLOSE_TIMEOUT_NS (5 * NSEC_PER_SEC)

/* A request in flight. Its pages are mapped at its own piece of reserved addresses. */
struct io {
    struct blkback_ring *ring;
    struct blkback_request request;
    struct block_request block;
    struct grant_mapping mappings[BLKBACK_SEGMENTS_MAX];
    uint32_t mapped; /* of them in use */
    char *window;
    struct io *next;
};

struct blkback_ring {
    struct blkback_ring_options options;
    struct blkif_back_ring ring;
    struct grant_mapping ring_mapping;
    struct event_late event;
    struct wait_queue queue;
    bool signalled; /* by the front end's event */
    bool stopping;  /* no more requests are taken */
    bool broken;
    bool complained;
    bool abandoned; /* the thread frees the ring */
    bool finished;  /* the thread is through */
    unsigned int in_flight;
    struct io *free;
    struct io *done;     /* completed by the disk: event context */
    struct io *deferred; /* mapped, but the disk's queue was full */
    char *windows;
    struct blkback_account *account;        /* of the front end's domain */
    struct blkback_cache *cache;            /* NULL: the front end does not use pages again */
    struct blkif_request_segment *segments; /* scratch page for indirect requests */
    struct io ios[ENTRIES];
};

static void ring_event(evtchn_port_t port, void *arg)
{
    (void)port;
    struct blkback_ring *ring = arg;
    ring->signalled = true;
    wake_up(&ring->queue);
}

/* Answers ---------------------------------------------------------------------------------------- */
static void answer(struct blkback_ring *ring, const struct blkback_request *request, int status)
{
    struct blkif_response *response = RING_GET_RESPONSE(&ring->ring, ring->ring.rsp_prod_pvt);
    memset(response, 0, sizeof(*response));
    response->id = request->id;
    response->operation = request->operation;
    response->status = status == 0                 ? BLKIF_RSP_OKAY
                       : status == -XEN_EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP
                                                   : BLKIF_RSP_ERROR;
    ring->ring.rsp_prod_pvt++;
}

static void answers_push(struct blkback_ring *ring)
{
    int notify;
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring->ring, notify);
    if (notify) {
        event_send(ring->event.port);
    }
}

static void io_finish(struct io *io, int status)
{
    struct blkback_ring *ring = io->ring;
    grant_unmap_at(io->mappings, io->mapped);
    blkback_handles_give(ring->account, BLKBACK_HANDLES_MOVING, io->mapped);
    answer(ring, &io->request, status);
    io->next = ring->free;
    ring->free = io;
    ring->in_flight--;
}

static void ring_break(struct blkback_ring *ring, const char *why)
{
    if (!ring->broken) {
        ring->broken = true;
        console_printf("%s: %s; closed\n", ring->options.name, why);
        ring->options.broken(ring->options.context);
    }
}

/* Requests --------------------------------------------------------------------------------------- */
static void io_done(struct block_request *block)
{
    struct io *io = block->context;
    struct blkback_ring *ring = io->ring;
    io->next = ring->done;
    ring->done = io;
    wake_up(&ring->queue);
}

/* Maps the request's pages; where[i] tells where. Those in the cache stay mapped; others are
 * io->mapped of the request's own and go when it ends. */
static int io_map(struct io *io, const struct grant_mapping **where)
{
    const struct blkback_request *request = &io->request;
    struct blkback_ring *ring = io->ring;
    grant_ref_t grants[BLKBACK_SEGMENTS_MAX];
    for (uint32_t i = 0; i < request->segment_count; i++) {
        grants[i] = request->segments[i].grant;
        where[i] = &io->mappings[i];
    }
    io->mapped = 0;
    if (ring->cache != NULL) {
        int error = blkback_cache_map(ring->cache, grants, request->segment_count, where);
        if (error != -XEN_ENOSPC) {
            return error;
        }
    }
    int error = grant_map_at(io->window, ring->options.domid, grants, request->segment_count,
                             request->write, io->mappings);
    if (error == 0) {
        io->mapped = request->segment_count;
        blkback_handles_take(ring->account, BLKBACK_HANDLES_MOVING, io->mapped);
    }
    return error;
}

/* Maps what the request names and describes it for the disk. */
static int io_prepare(struct io *io)
{
    const struct blkback_request *request = &io->request;
    const struct grant_mapping *where[BLKBACK_SEGMENTS_MAX];
    struct block_request *block = &io->block;
    block->operation = request->flush ? BLOCK_FLUSH : request->write ? BLOCK_WRITE : BLOCK_READ;
    block->sector = request->sector;
    block->segment_count = request->segment_count;
    block->done = io_done;
    block->context = io;
    int error = io_map(io, where);
    if (error != 0) {
        return error;
    }
    for (uint32_t i = 0; i < request->segment_count; i++) {
        const struct blkback_segment *segment = &request->segments[i];
        block->segments[i] = (struct block_segment){
            .address = (char *)where[i]->address + segment->offset,
            .maddr = (where[i]->maddr & PAGE_MASK) + segment->offset,
            .length = segment->length};
    }
    return 0;
}

/* Hands it to the disk; a full disk is tried again later. */
static void io_submit(struct io *io)
{
    struct block_device *disk = io->ring->options.disk;
    int error = disk->submit(disk, &io->block);
    if (error == -XEN_EAGAIN) {
        io->next = io->ring->deferred;
        io->ring->deferred = io;
    } else if (error != 0) {
        io_finish(io, error);
    }
}

/* Copies the segments of an indirect request out of the front end's page. */
static int segments_fetch(struct blkback_ring *ring, const struct blkback_request *request)
{
    struct gnttab_copy copy = {
        .source = {.u.ref = request->indirect,            .domid = ring->options.domid, .offset = 0},
        .dest = {.u.gmfn = virt_to_mfn(ring->segments), .domid = DOMID_SELF,          .offset = 0},
        .len = (uint16_t)(request->segment_count * sizeof(struct blkif_request_segment)),
        .flags = GNTCOPY_source_gref
    };
    int error = grant_copy(&copy, 1);
    return error != 0 ? error : copy.status == GNTST_okay ? 0 : -XEN_EINVAL;
}

/* Answers a request whose grants are no good: an error of that request alone, and what happens
 * when a guest is killed. */
static void grant_refuse(struct blkback_ring *ring, const struct blkback_request *request,
                         int error)
{
    if (!ring->complained && *ring->options.complaints < COMPLAINTS_MAX) {
        console_printf("%s: grant of a request: %s\n", ring->options.name, errno_name(error));
        ring->complained = true;
        (*ring->options.complaints)++;
    }
    answer(ring, request, error);
}

/* One ring entry, already a private copy. */
static void entry_serve(struct blkback_ring *ring, const struct blkif_request *entry)
{
    struct io *io = ring->free;
    struct blkback_request *request = &io->request;
    enum blkback_verdict verdict = blkback_decode(entry, ring->options.disk->sectors, request);
    if (verdict == BLKBACK_INDIRECT) {
        int error = segments_fetch(ring, request);
        if (error != 0) {
            grant_refuse(ring, request, error);
            return;
        }
        verdict = blkback_segments(ring->segments, ring->options.disk->sectors, request);
    }
    if (verdict == BLKBACK_NONSENSE) {
        ring_break(ring, request->why);
        return;
    }
    if (verdict == BLKBACK_UNSUPPORTED) {
        answer(ring, request, -XEN_EOPNOTSUPP);
        return;
    }
    if (request->write && ring->options.readonly) {
        answer(ring, request, -XEN_EROFS);
        return;
    }
    int error = io_prepare(io);
    if (error != 0) {
        grant_refuse(ring, request, error);
        return;
    }
    ring->free = io->next;
    ring->in_flight++;
    io_submit(io);
}

/* Another request may be taken: there is a place for it and its pages, and each connection has at least
 * one in flight. What does not fit waits on the ring until one of these ends. */
static bool may_take(const struct blkback_ring *ring)
{
    return ring->free != NULL &&
           (ring->in_flight == 0 ||
            blkback_handles_free(ring->account, BLKBACK_HANDLES_MOVING, BLKBACK_SEGMENTS_MAX));
}

/* Takes what is on the ring now. The front end can keep us busy but not in here: it has at most
 * one ring's worth, less what is in flight. */
static void entries_take(struct blkback_ring *ring)
{
    struct blkif_back_ring *back = &ring->ring;
    RING_IDX producer = __atomic_load_n(&back->sring->req_prod, __ATOMIC_ACQUIRE);
    if (RING_REQUEST_PROD_OVERFLOW(back, producer)) {
        ring_break(ring, "producer index of the ring out of range");
        return;
    }
    while (back->req_cons != producer && !ring->broken && may_take(ring)) {
        struct blkif_request entry;
        RING_COPY_REQUEST(back, back->req_cons, &entry);
        back->req_cons++;
        entry_serve(ring, &entry);
    }
}

/* A front end that has broken the rules gets no answer to its events either. */
static void entries_answer_for(struct blkback_ring *ring)
{
    RING_IDX before = ring->ring.req_cons;
    entries_take(ring);
    if (!ring->broken) {
        event_eoi(&ring->event, ring->ring.req_cons == before);
    }
}

static void done_finish(struct blkback_ring *ring)
{
    unsigned long saved = event_save();
    struct io *io = ring->done;
    ring->done = NULL;
    event_restore(saved);
    while (io != NULL) {
        struct io *next = io->next;
        io_finish(io, io->block.status);
        io = next;
    }
}

static void deferred_submit(struct blkback_ring *ring)
{
    struct io *io = ring->deferred;
    ring->deferred = NULL;
    while (io != NULL) {
        struct io *next = io->next;
        io_submit(io);
        io = next;
    }
}

/* The thread -------------------------------------------------------------------------------------- */
static void ring_free(struct blkback_ring *ring)
{
    event_late_unbind(&ring->event);
    grant_unmap(&ring->ring_mapping, 1);
    if (ring->windows != NULL) {
        memory_release(ring->windows, ENTRIES * BLKBACK_SEGMENTS_MAX);
    }
    blkback_cache_destroy(ring->cache);
    blkback_account_put(ring->account);
    page_free(ring->segments, 0);
    free(ring);
}

/* Something to do besides waiting for the disk? Asks the front end for an event if not. */
static bool work_waits(struct blkback_ring *ring)
{
    int more = 0;
    if (!ring->stopping && !ring->broken && may_take(ring)) {
        RING_FINAL_CHECK_FOR_REQUESTS(&ring->ring, more);
    }
    return more || ring->signalled || ring->done != NULL ||
           (ring->stopping && ring->in_flight == 0);
}

static void ring_serve(void *arg)
{
    struct blkback_ring *ring = arg;
    while (!ring->stopping || ring->in_flight != 0) {
        if (ring->deferred != NULL) {
            (void)wait_event_timeout(&ring->queue, work_waits(ring), RETRY_NS);
        } else {
            wait_event(&ring->queue, work_waits(ring));
        }
        ring->signalled = false;
        done_finish(ring);
        deferred_submit(ring);
        if (!ring->stopping && !ring->broken) {
            entries_answer_for(ring);
        }
        answers_push(ring);
        thread_yield(); /* a busy front end must not keep other threads waiting */
    }
    ring->finished = true;
    if (ring->abandoned) {
        ring_free(ring);
    } else {
        wake_up(&ring->queue);
    }
}

static int ring_setup(struct blkback_ring *ring)
{
    const struct blkback_ring_options *options = &ring->options;
    int error = grant_map(options->domid, &options->ring_grant, 1, false, &ring->ring_mapping);
    if (error != 0) {
        ring->ring_mapping.address = NULL;
        return error;
    }
    BACK_RING_INIT(&ring->ring, (struct blkif_sring *)ring->ring_mapping.address, PAGE_SIZE);
    ring->account = blkback_account_get(options->domid);
    if (ring->account == NULL) {
        return -XEN_ENOMEM;
    }
    ring->segments = page_alloc(0);
    ring->windows = memory_reserve(ENTRIES * BLKBACK_SEGMENTS_MAX);
    if (options->persistent) {
        ring->cache = blkback_cache_create(options->domid,
                                           ring->account); /* without one it works too */
    }
    if (ring->segments == NULL || ring->windows == NULL) {
        return -XEN_ENOMEM;
    }
    for (unsigned int i = 0; i < ENTRIES; i++) {
        struct io *io = &ring->ios[i];
        io->ring = ring;
        io->window = ring->windows + i * BLKBACK_SEGMENTS_MAX * PAGE_SIZE;
        io->next = ring->free;
        ring->free = io;
    }
    int port = event_late_bind(&ring->event, options->domid, options->remote_port, ring_event,
                               ring);
    if (port < 0) {
        return port;
    }
    ring->signalled = true; /* there may be requests from before */
    return thread_create("blkback", ring_serve, ring) != NULL ? 0 : -XEN_ENOMEM;
}

int blkback_ring_open(const struct blkback_ring_options *options, struct blkback_ring **result)
{
    struct blkback_ring *ring = calloc(1, sizeof(*ring));
    if (ring == NULL) {
        return -XEN_ENOMEM;
    }
    ring->options = *options;
    int error = ring_setup(ring);
    if (error != 0) {
        ring_free(ring);
        return error;
    }
    *result = ring;
    return 0;
}

void blkback_ring_close(struct blkback_ring *ring)
{
    ring->stopping = true;
    ring->signalled = true;
    wake_up(&ring->queue);
    if (wait_event_timeout(&ring->queue, ring->finished, CLOSE_TIMEOUT_NS)) {
        ring_free(ring);
        return;
    }
    console_printf("%s: disk does not answer, closing goes on without it\n", ring->options.name);
    ring->options.name = "blkback";
    ring->complained = true; /* the counter is the device's, which may go */
    ring->abandoned = true;
}
