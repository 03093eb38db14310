// SPDX-License-Identifier: MIT
/*
 * One connection of blkback to a front end: ring, event channel, requests in flight, and the thread
 * that serves them.
 */
#pragma once

#include "pvguest/block.h"
#include "pvguest/event.h"
#include "pvguest/grant.h"

struct blkback_ring;

struct blkback_ring_options {
    struct block_device *disk;
    bool readonly;
    bool persistent; /* the front end uses the same grants again and again */
    domid_t domid;
    grant_ref_t ring_grant;
    evtchn_port_t remote_port;
    const char *name;         /* for messages; must outlive the ring */
    unsigned int *complaints; /* about grants so far, over all connections of the device */
    /* The front end broke the rules: nothing more is served. Called once, from a thread. */
    void (*broken)(void *context);
    void *context;
};

/* Maps the ring and starts the thread. 0 or -XEN_E*. */
int blkback_ring_open(const struct blkback_ring_options *options, struct blkback_ring **ring);
/*
 * Takes no more requests, waits for those in flight, and lets go of everything of the front end's.
 * A disk that does not answer in time is not waited for: the ring is then closed by its thread when
 * the answers come.
 */
void blkback_ring_close(struct blkback_ring *ring);
