// SPDX-License-Identifier: MIT
/* The inside of a transaction, for xenstore_transaction (its life) and xenstore_ending (its end). */
#pragma once

#include "dom0/xenstore.h"

#define XENSTORE_PLACES_HASH 128U

/* A path that a transaction has come by: one of a tree of places, in which each knows what is above it. */
struct xenstore_place {
    struct xenstore_place *next; /* made later: what is above a place comes before it */
    struct xenstore_place *next_hash;
    struct xenstore_place *parent; /* NULL: the root */
    /* The nodes there, found at the end: at the start, before the end and after it. NULL: none. */
    struct xenstore_node *then, *now, *after;
    uint32_t hash; /* of the whole path */
    uint16_t length;
    bool depends; /* the outcome depends on it */
    bool deep;    /* and on all that is below */
    char name[];
};

struct xenstore_transaction {
    struct xenstore_transaction *next;          /* same connection */
    struct xenstore_transaction *newer, **link; /* of all unprivileged clients, by age */
    struct xenstore_connection *connection;
    uint32_t id;
    bool doomed;
    bool perms; /* it gives rights */
    unsigned int change_count;
    struct xenstore_growth growth;
    size_t size;      /* bytes of the transaction, its places and records */
    uint64_t started; /* generation */
    struct xenstore_tree base, tree;
    struct xenstore_place *places, **places_tail;
    struct xenstore_place *place_hash[XENSTORE_PLACES_HASH];
    struct xenstore_record *records, **records_tail;
};

/* Makes the changes in the store, all or none; its records are the connection's then. -XEN_EAGAIN: others have
 * changed what it depends on; -XEN_ENOMEM, -XEN_ENOSPC. */
int xenstore_transaction_commit(struct xenstore_transaction *transaction);
