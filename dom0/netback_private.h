// SPDX-License-Identifier: MIT
/*
 * What the files of netback's data path share: netback_ring.c (connection and thread), netback_tx.c
 * (from the guest), netback_rx.c (towards it).
 */
#pragma once

#include "dom0/netback_request.h"
#include "dom0/netback_ring.h"
#include "pvguest/event_late.h"
#include "pvguest/thread.h"

#define NETBACK_BATCH 64U         /* copies in one hypercall */
#define NETBACK_MULTICAST_MAX 64U /* addresses that a front end may ask for */

/* A packet of the guest on its way through a batch. */
struct netback_packet {
    struct netback_request request;
    unsigned int first_copy, copy_count; /* in the batch */
    struct net_packet *packet;           /* NULL: none, or dropped */
    int16_t status;                      /* of the answer */
};

struct netback_ring {
    struct netback_ring_options options;
    struct netif_tx_back_ring tx;
    struct netif_rx_back_ring rx;
    struct grant_mapping tx_mapping, rx_mapping;
    struct event_late events[2]; /* the second may be unused: one for both directions */
    evtchn_port_t tx_port, rx_port;
    struct wait_queue wait;
    volatile bool work; /* set by the event handler and by send */
    bool stopping, running, broken;
    struct net_packet *queue, **queue_end; /* towards the guest */
    unsigned int queued_pages;
    struct netback_ring *next; /* of those that share the budget */
    uint8_t multicast[NETBACK_MULTICAST_MAX][NET_ADDRESS_LENGTH];
    unsigned int multicast_count;
    uint64_t tx_held; /* 0, or when the rate lets the next packet of the guest pass */

    /* one batch */
    struct gnttab_copy copies[NETBACK_BATCH];
    unsigned int copy_count;
    struct netback_packet packets[NETBACK_BATCH / 2];
    RING_IDX tx_seen;          /* the producer index that the last look was for */
    RING_IDX tx_most, rx_most; /* the furthest producer indices ever seen */
};

/* Nothing more is served, and the front end's card is closed. */
void netback_ring_break(struct netback_ring *ring, const char *why);
/* Does the batch's copies. */
void netback_copies_run(struct netback_ring *ring);

/* One batch of packets of the guest; true when there may be more. */
bool netback_tx_run(struct netback_ring *ring);

/* One batch towards the guest; true when there may be more to do at once. */
bool netback_rx_run(struct netback_ring *ring);
/* The front end has posted enough for the next packet. */
bool netback_rx_ready(struct netback_ring *ring);
/* From here to the detaching the ring has a share of the memory for packets that wait. */
void netback_rx_attach(struct netback_ring *ring);
void netback_rx_detach(struct netback_ring *ring);
/* Drops all that waits. */
void netback_rx_drop(struct netback_ring *ring);
