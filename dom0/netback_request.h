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

#define NETBACK_SLOTS_MAX XEN_NETIF_NR_SLOTS_MIN /* of a packet that is sent */
#define NETBACK_SLOTS_READ 21U /* up to here answered as an error, as by Linux; beyond: fatal */
#define NETBACK_EXTRAS_MAX (XEN_NETIF_EXTRA_TYPE_MAX - 1U) /* each type once */

enum netback_verdict {
    NETBACK_GO,
    NETBACK_PARTIAL,   /* the last entries are still to come: nothing was taken */
    NETBACK_DROP,      /* answered as an error: this packet alone is bad */
    NETBACK_MULTICAST, /* no packet: `multicast` says what to do with the list */
    NETBACK_NONSENSE   /* `why` says it: the card has to be closed */
};

/* One packet: its entries, and how many bytes of each belong to it. */
struct netback_request {
    struct netif_tx_request entries[NETBACK_SLOTS_READ];
    uint32_t lengths[NETBACK_SLOTS_READ]; /* 0..4096, within the entry's page; together `total` */
    unsigned int count;                   /* of entries */
    unsigned int extra_count; /* slots after the first entry that hold extra information */
    uint32_t total;
    struct netif_extra_info gso;       /* type 0: none */
    struct netif_extra_info multicast; /* type 0: none */
    const char *why;
};

/* Takes the next packet off the ring, of which the front end has filled entries up to `producer`. */
enum netback_verdict netback_request_take(struct netif_tx_back_ring *ring, RING_IDX producer,
                                          struct netback_request *out);
