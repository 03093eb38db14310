// SPDX-License-Identifier: MIT
/*
 * The data path of netfront, and what it shares with connecting and closing (netfront.c).
 */
#pragma once

#include "pvguest/event.h"
#include "pvguest/grant.h"
#include "pvguest/memory.h"
#include "pvguest/net.h"
#include "pvguest/ring.h"
#include "pvguest/thread.h"
#include <xen/io/netif.h>

#define TX_SLOTS __CONST_RING_SIZE(netif_tx, PAGE_SIZE)
#define RX_SLOTS __CONST_RING_SIZE(netif_rx, PAGE_SIZE)

struct netfront_tx_slot {
    bool in_use;
    grant_ref_t grant;
    struct net_packet *packet; /* freed when all its entries are back */
    uint16_t next_free;
};

struct netfront_rx_slot {
    void *page; /* NULL: not posted */
    grant_ref_t grant;
};

struct netfront {
    struct net_device net;
    struct xenbus_device *device;
    unsigned int id;
    bool connected, registered, broken, running;
    volatile bool work; /* set by the event handler */
    struct wait_queue wait;
    evtchn_port_t tx_port, rx_port; /* one and the same, or split */
    struct netif_tx_front_ring tx;
    struct netif_rx_front_ring rx;
    grant_ref_t tx_grant, rx_grant;
    struct netfront_tx_slot tx_slots[TX_SLOTS];
    struct netfront_rx_slot rx_slots[RX_SLOTS];
    uint16_t tx_free; /* first free slot, TX_SLOTS: none */
    unsigned int tx_free_count, rx_target;
    struct net_packet *partial; /* receive: a packet whose last fragment has not come yet */
    bool partial_bad;
    struct netfront *next;
};

/* Posts receive pages up to rx_target. */
void netfront_rx_refill(struct netfront *front);

/* net_device.transmit. */
int netfront_transmit(struct net_device *net, struct net_packet *packet);

/* The event handler, and the thread that it wakes; the thread ends when the card is disconnected or
 * broken, and then clears `running` and wakes `netfront_state_queue`. */
void netfront_event(evtchn_port_t port, void *arg);
void netfront_thread(void *arg);
extern struct wait_queue netfront_state_queue;

/* Gives back what waits on the rings; the thread has ended. */
void netfront_slots_release(struct netfront *front);
