// SPDX-License-Identifier: MIT
/*
 * What the two halves of blkfront share: blkfront.c (states, discovery; xenbus thread) and
 * blkfront_ring.c (requests and answers).
 */
#pragma once

#include "pvguest/block.h"
#include "pvguest/ring.h"
#include <xen/io/blkif.h>

#include "pvguest/event.h"
#include "pvguest/thread.h"
#include "pvguest/xenbus_device.h"

#define BLKFRONT_SLOTS 32U

/* A page that stays granted. */
struct blkfront_page {
    void *page;
    grant_ref_t grant;
    struct blkfront_page *next;
};

/* A request on the ring; its number is the request's id there. */
struct blkfront_slot {
    struct block_request *request; /* NULL: free */
    struct blkfront_page *pages[BLOCK_SEGMENTS_MAX];
    uint32_t page_count;
    uint32_t grant_count;
    grant_ref_t grants[BLOCK_SEGMENTS_MAX];
    struct blkif_request_segment *indirect; /* a granted page, or NULL without indirect requests */
    grant_ref_t indirect_grant;
};

struct blkfront {
    struct block_device block;
    struct xenbus_device *device;
    unsigned int id;
    bool registered;
    bool flush; /* the back end takes flushes */
    /* of the connection */
    bool connected; /* the ring is there */
    bool broken;    /* it is not to be believed any more */
    bool closing;   /* the xenbus thread has been told so */
    struct blkif_front_ring ring;
    grant_ref_t ring_grant;
    evtchn_port_t port;
    struct blkfront_slot slots[BLKFRONT_SLOTS];
    /* pages that stay granted */
    bool persistent;
    struct blkfront_page *pool; /* free ones */
    struct blkfront_page *pool_pages;
    unsigned int pool_used; /* of pool_pages */
    unsigned int pool_limit;
    struct blkfront *next;
};

/* Woken when a device has changed its state or a ring is found to be broken. */
extern struct wait_queue blkfront_queue;

/* Makes ring, grants and event channel; sets block.max_segments. 0 or -XEN_E*. */
int blkfront_ring_open(struct blkfront *front);
/* Fails what is in flight and ends what the back end holds; its mappings keep pages alive until it
 * lets go. */
void blkfront_ring_close(struct blkfront *front);
/* submit of struct block_device. */
int blkfront_ring_submit(struct block_device *block, struct block_request *request);
