// SPDX-License-Identifier: MIT
/*
 * Which port of a bridge an Ethernet address lives behind.
 *
 * An address has one entry. Entries lie in the share of the port that sent them, and a port whose share
 * is full takes the oldest of its own: what a port sends never costs another port an entry. An entry
 * that is alive, or that the configuration has pinned, stays where it is whoever claims its address.
 * The hash is keyed with a number that is not known outside.
 */
#pragma once

#include "pvguest/net.h"

#define STATION_BUCKETS 1024U /* a power of 2 */

struct station {
    uint8_t mac[NET_ADDRESS_LENGTH];
    bool pinned;
    struct station_share *share; /* NULL: not in the table */
    uint64_t seen;
    struct station *next; /* in its bucket */
};

/* What one port has in the table. */
struct station_share {
    struct net_device *device;
    struct station own; /* the pinned one */
    struct station *learnt;
    unsigned int size, oldest; /* of `learnt` */
};

struct station_table {
    uint64_t key[2];
    struct station *buckets[STATION_BUCKETS];
};

enum station_verdict {
    STATION_OK,
    STATION_ELSEWHERE, /* alive at another port: nothing was changed */
    STATION_FORGED     /* pinned at another port */
};

void station_table_init(struct station_table *table);
/* Room for `size` learnt addresses; false: no memory. */
bool station_share_init(struct station_share *share, struct net_device *device, unsigned int size);
/* Forgets all of the port's. */
void station_share_clear(struct station_table *table, struct station_share *share);

/* The port has sent a frame with this source, which is no group address. */
enum station_verdict station_learn(struct station_table *table, struct station_share *share,
                                   const uint8_t *mac);
/* Ties an address to the port for good. -XEN_EEXIST: it is another port's. */
int station_pin(struct station_table *table, struct station_share *share, const uint8_t *mac);
/* NULL: not known. */
struct net_device *station_find(const struct station_table *table, const uint8_t *mac);
