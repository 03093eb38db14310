// SPDX-License-Identifier: MIT
/*
 * What a front end asks to be sent, taken off its ring and checked: no side effects but the ring's
 * own consumer index, so the host tests run it as it is. Every entry is copied once and looked at
 * only then. Protocol: xen/io/netif.h.
 */
#pragma once

#include "pvguest/net.h"
#include "pvguest/ring.h"
#include <xen/io/netif.h>

enum netback_verdict {
    NETBACK_GO,
    NETBACK_PARTIAL, /* the last entries are still to come: nothing was taken */
    NETBACK_DROP,    /* well formed and answered as an error: no Ethernet frame */
    NETBACK_NONSENSE /* `why` says it: the card has to be closed */
};

/* One packet: its entries, and how many bytes of each belong to it. */
struct netback_request {
    struct netif_tx_request entries[NET_FRAGMENTS_MAX];
    uint32_t
        lengths[NET_FRAGMENTS_MAX]; /* 1..4096, within the entry's page; their sum is `total` */
    unsigned int count;
    uint32_t total;
    const char *why;
};

/* Takes the next packet off the ring, of which the front end has filled entries up to `producer`. */
enum netback_verdict netback_request_take(struct netif_tx_back_ring *ring, RING_IDX producer,
                                          struct netback_request *out);
