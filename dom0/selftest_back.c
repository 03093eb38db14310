// SPDX-License-Identifier: MIT
/*
 * A hand-made back end of this domain, below its own nodes so that blkback does not see it. It
 * maps the front end's ring, lets one request be submitted, and then does what the case asks.
 */
#include "dom0/selftest_back.h"

#include <string.h>

#include "dom0/selftest_device.h"
#include "pvguest/block.h"
#include "pvguest/event.h"
#include "pvguest/grant.h"
#include "pvguest/memory.h"
#include "pvguest/ring.h"
#include <xen/io/blkif.h>

#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/xenbus.h"

#define BACK "/local/domain/0/selftest/back/51744"
#define FRONT "/local/domain/0/device/vbd/51744"
#define DISK "xvdc"
#define SECTORS 1000U

struct back {
    struct grant_mapping mapping;
    struct blkif_sring *sring;
    evtchn_port_t port;
    struct block_request request;
    void *page;
    bool done;
    struct wait_queue queue;
};

static int node_write(const char *dir, const char *node, const char *value)
{
    return xenbus_printf(XENBUS_NO_TRANSACTION, dir, node, "%s", value);
}

/* Offers the disk until the front end has set up its ring. */
static bool offer(const char *persistent)
{
    (void)node_write(BACK, "feature-persistent", persistent);
    (void)node_write(BACK, "feature-max-indirect-segments", "4000000000");
    (void)node_write(BACK, "state", "2");
    (void)node_write(FRONT, "state", "1");
    (void)node_write(FRONT, "backend-id", "0");
    return node_write(FRONT, "backend", BACK) == 0 &&
           selftest_state_reached(FRONT, XenbusStateInitialised);
}

static bool ring_map(struct back *back)
{
    grant_ref_t grant = (grant_ref_t)xenbus_read_number_or(FRONT, "ring-ref", 0);
    evtchn_port_t remote = (evtchn_port_t)xenbus_read_number_or(FRONT, "event-channel", 0);
    if (grant_map(0, &grant, 1, false, &back->mapping) != 0) {
        return false;
    }
    back->sring = back->mapping.address;
    int port = event_bind_interdomain(0, remote, NULL, NULL);
    back->port = port > 0 ? (evtchn_port_t)port : 0;
    return port > 0;
}

static void request_done(struct block_request *request)
{
    struct back *back = request->context;
    back->done = true;
    wake_up(&back->queue);
}

/* Connects and has one read on the ring. */
static const char *connect(struct back *back, const char *persistent)
{
    memset(back, 0, sizeof(*back));
    if (!offer(persistent) || !ring_map(back)) {
        return "front end does not come";
    }
    (void)xenbus_printf(XENBUS_NO_TRANSACTION, BACK, "sectors", "%u", SECTORS);
    (void)node_write(BACK, "state", "4");
    if (!selftest_state_reached(FRONT, XenbusStateConnected)) {
        return "front end does not connect";
    }
    struct block_device *disk = block_find(DISK);
    back->page = page_alloc(0);
    if (disk == NULL || disk->sectors != SECTORS || back->page == NULL) {
        return "no disk";
    }
    back->request = (struct block_request){
        .operation = BLOCK_READ, .segment_count = 1, .done = request_done, .context = back};
    block_segment_set(&back->request.segments[0], back->page, BLOCK_SECTOR_SIZE);
    if (disk->submit(disk, &back->request) != 0 || back->sring->req_prod != 1) {
        return "no request on the ring";
    }
    return NULL;
}

static void disconnect(struct back *back)
{
    (void)xenbus_rm(XENBUS_NO_TRANSACTION, BACK);
    (void)xenbus_rm(XENBUS_NO_TRANSACTION, FRONT);
    thread_sleep(20 * NSEC_PER_MSEC);
    if (back->port != 0) {
        event_unbind(back->port);
    }
    grant_unmap(&back->mapping, 1);
    page_free(back->page, 0);
}

/* The front end has failed the request and given the disk up. */
static const char *given_up(struct back *back)
{
    if (!wait_event_timeout(&back->queue, back->done, SELFTEST_PATIENCE_NS)) {
        return "request never ends";
    }
    if (back->request.status >= 0) {
        return "request has succeeded";
    }
    thread_sleep(20 * NSEC_PER_MSEC);
    return block_find(DISK) == NULL ? NULL : "disk still there";
}

/* Answers that nobody asked for. */
const char *selftest_back_answers(void)
{
    struct back back;
    const char *why = connect(&back, "0");
    if (why == NULL) {
        __atomic_store_n(&back.sring->rsp_prod, 0x7fffffffU, __ATOMIC_RELEASE);
        event_send(back.port);
        why = given_up(&back);
    }
    if (why == NULL && !selftest_state_reached(FRONT, XenbusStateClosing)) {
        why = "front end goes on";
    }
    disconnect(&back);
    return why;
}

/* An answer to a request that was not made. */
const char *selftest_back_unknown_answer(void)
{
    struct back back;
    const char *why = connect(&back, "1");
    if (why == NULL) {
        struct blkif_response *response = &back.sring->ring[0].rsp;
        response->id = 31;
        response->status = BLKIF_RSP_OKAY;
        __atomic_store_n(&back.sring->rsp_prod, 1, __ATOMIC_RELEASE);
        event_send(back.port);
        why = given_up(&back);
    }
    disconnect(&back);
    return why;
}

/* A back end that is taken away in the middle, its mapping still there. */
const char *selftest_back_vanishes(void)
{
    struct back back;
    const char *why = connect(&back, "1");
    if (why == NULL) {
        (void)xenbus_rm(XENBUS_NO_TRANSACTION, BACK);
        why = given_up(&back);
    }
    disconnect(&back);
    return why;
}

/* Disks of impossible sizes. */
const char *selftest_back_properties(void)
{
    static const char *const values[][2] = {
        {"0",                    "512" },
        {"18446744073709551615", "512" },
        {"-5",                   "512" },
        {"1000",                 "513" },
        {"1000",                 "0"   },
        {"1000",                 "8192"}
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct back back = {0};
        bool refused = offer("1") && ring_map(&back) &&
                       node_write(BACK, "sectors", values[i][0]) == 0 &&
                       node_write(BACK, "sector-size", values[i][1]) == 0 &&
                       node_write(BACK, "state", "4") == 0 &&
                       selftest_state_reached(FRONT, XenbusStateClosing) &&
                       block_find(DISK) == NULL;
        disconnect(&back);
        if (!refused) {
            return values[i][0];
        }
    }
    return NULL;
}
