// SPDX-License-Identifier: MIT
/*
 * One connection of netback to a front end: two rings, one or two event channels, a thread.
 */
#pragma once

#include "dom0/netback_rate.h"
#include "pvguest/event.h"
#include "pvguest/grant.h"
#include "pvguest/net.h"

struct netback_ring;

struct netback_ring_options {
    struct net_device *net; /* what the guest sends is delivered here */
    domid_t domid;
    grant_ref_t tx_grant, rx_grant;
    evtchn_port_t tx_port, rx_port; /* the front end's; one for both, or two */
    bool can_sg;                    /* the front end takes packets in several pages */
    bool can_csum, can_csum_six;    /* and blank checksums, of IPv4 and IPv6 */
    bool can_wait;                  /* it sends an event when it has posted pages */
    bool multicast_control;         /* it wants the groups alone that it asks for */
    struct netback_rate *rate;      /* of what the guest sends; outlives the connection */
    /* The front end broke the rules: nothing more is served. Called once, from a thread. */
    void (*broken)(void *context);
    void *context;
};

/* Maps the rings and starts the thread. 0 or -XEN_E*. */
int netback_ring_open(const struct netback_ring_options *options, struct netback_ring **ring);
/* Stops the thread and lets go of everything of the front end's. */
void netback_ring_close(struct netback_ring *ring);

/* net_device.transmit for `ring`: towards the guest. Takes the packet. */
int netback_ring_send(struct netback_ring *ring, struct net_packet *packet);

/* Pages of packets that may wait for all front ends together. */
void netback_rx_budget(size_t pages);
