// SPDX-License-Identifier: MIT
/*
 * xenstored: the store that toolstack, back ends and guests share.
 *
 * Parts: xenstore_tree (nodes), xenstore_access (permissions, quotas, changes), xenstore_watch,
 * xenstore_transaction, xenstore_request (the wire protocol's requests), xenstore_ring (a domU's
 * page) and xenstore_service (grants, event channels, threads). All but the last build on a host.
 *
 * A connection is one client. Requests go in whole by xenstore_request; replies and watch events
 * come out of the connection's queue. A domain's connection is hostile: what it owns (nodes,
 * watches, transactions, queued output) is bounded, and one that breaks the protocol is closed.
 * dom0's connections are in-process, privileged and not bounded.
 *
 * Errors inside are -XEN_E*; on the wire they are names. Nothing here blocks; there are no locks
 * (threads are cooperative).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/errno.h>
#include <xen/io/xs_wire.h>

#include "dom0/xenstore_tree.h"

/* Quotas of a domain. */
#define XENSTORE_NODES_MAX 1000U
#define XENSTORE_WATCHES_MAX 128U
#define XENSTORE_TRANSACTIONS_MAX 10U
#define XENSTORE_NODE_SIZE_MAX 2048U
#define XENSTORE_PERMS_MAX 5U
#define XENSTORE_TRANSACTION_SIZE_MAX (64U << 10) /* bytes of paths and values that one remembers */
#define XENSTORE_OUTPUT_MAX (256U << 10)          /* bytes of replies and events that wait */
/* All of the above together, in bytes. An open transaction counts with all that the domain owns: it may
 * keep a former state of that alive. */
#define XENSTORE_MEMORY_MAX (2U << 20)
#define XENSTORE_NODE_COST 128U /* of a node, besides its value */
/* For every client: keeps recursion shallow. */
#define XENSTORE_DEPTH_MAX 64U

#define XENSTORE_HASH 256U

struct xenstore_message {
    struct xenstore_message *next;
    struct xsd_sockmsg header;
    uint32_t sent; /* bytes of header and payload that have left (rings) */
    char payload[];
};

struct xenstore_watch {
    struct xenstore_watch *next_hash; /* same bucket */
    struct xenstore_watch *next;      /* same connection */
    struct xenstore_connection *connection;
    uint32_t hash; /* of path */
    int depth;     /* levels below path that count; -1: all */
    size_t size;   /* in memory */
    uint32_t skip; /* characters of "/local/domain/N/" that a relative watch does not see */
    char *token;
    char path[];
};

struct xenstore_transaction;

struct xenstore_connection {
    struct xenstore *store;
    struct xenstore_connection *next;
    uint16_t domid;
    uint16_t target; /* domain whose rights it has too (SET_TARGET); own domid: none */
    bool privileged;
    bool broken; /* has broken the protocol or a bound: no more service */
    uint32_t watch_count;
    uint32_t transaction_count;
    uint32_t transaction_last;
    struct xenstore_watch *watches;
    struct xenstore_transaction *transactions;
    struct xenstore_message *output, **output_tail;
    size_t output_size;
    size_t memory; /* of watches and transactions */
    /* Called when output has been queued; may be NULL. */
    void (*notify)(struct xenstore_connection *connection);
    void *context; /* the transport's */
};

/* What the store knows about a domain: introduced, or owner of nodes. */
struct xenstore_domain {
    struct xenstore_domain *next;
    uint16_t domid;
    bool introduced;
    uint32_t nodes;
    size_t bytes; /* of their values */
};

struct xenstore {
    struct xenstore_tree tree;
    uint64_t generation;
    struct xenstore_connection *connections;
    struct xenstore_watch *watches[XENSTORE_HASH];
    struct xenstore_domain *domains[XENSTORE_HASH];
    /* Rights to the special watches: nobody's but dom0's, and one domain's that XS_SET_PERMS named. */
    struct xenstore_perm special[2][2];
    /* INTRODUCE and RELEASE of a domain, from the protocol: map the ring, or let it go. 0 or
     * -XEN_E*. NULL: refused with -XEN_ENOSYS. */
    int (*introduce)(struct xenstore *store, uint16_t domid, uint64_t gfn, uint32_t port);
    int (*release)(struct xenstore *store, uint16_t domid);
};

int xenstore_init(struct xenstore *store);
/* Closes every connection and frees everything. */
void xenstore_destroy(struct xenstore *store);

/* NULL when out of memory. Domain 0's connections are privileged. */
struct xenstore_connection *xenstore_connect(struct xenstore *store, uint16_t domid);
/* Ends its watches and transactions; the caller's pointer is void afterwards. */
void xenstore_disconnect(struct xenstore_connection *connection);

/* One request; the header's length is at most XENSTORE_PAYLOAD_MAX. The reply is queued. */
void xenstore_request(struct xenstore_connection *connection, const struct xsd_sockmsg *header,
                      const char *payload);
/* The oldest message, for the caller to free(); NULL if none waits. */
struct xenstore_message *xenstore_output_take(struct xenstore_connection *connection);

/* Marks a domain known, fires @introduceDomain. Again: nothing happens. */
int xenstore_domain_introduce(struct xenstore *store, uint16_t domid);
/* Fires @releaseDomain; a domain that is `gone` loses its nodes and its place. */
void xenstore_domain_release(struct xenstore *store, uint16_t domid, bool gone);
bool xenstore_domain_introduced(const struct xenstore *store, uint16_t domid);
/* NULL: none, or (create) out of memory. */
struct xenstore_domain *xenstore_domain_find(struct xenstore *store, uint16_t domid, bool create);

/* What the values and nodes of a connection's domain take. */
size_t xenstore_domain_memory(const struct xenstore_connection *connection);
/* May a client have `bytes` more of memory? -XEN_ENOMEM: that is above its domain's quota. */
int xenstore_memory_check(const struct xenstore_connection *connection, size_t bytes);

/* Words of the wire for an error: "ENOENT"; "EINVAL" for what the protocol has no word for. */
const char *xenstore_error_name(int error);

/* --- for the parts of the store --- */

/* Queues a message for the client. */
void xenstore_send(struct xenstore_connection *connection, const struct xsd_sockmsg *header,
                   const void *payload, size_t length);

/* xenstore_access: what clients may do to nodes; `transaction` is NULL outside of one. */
unsigned int xenstore_rights(const struct xenstore_connection *connection,
                             const struct xenstore_perm *perms, size_t count);
int xenstore_node_get(struct xenstore_connection *connection,
                      struct xenstore_transaction *transaction, const char *path,
                      unsigned int rights, const struct xenstore_node **node);
int xenstore_node_write(struct xenstore_connection *connection,
                        struct xenstore_transaction *transaction, const char *path,
                        const void *data, size_t length);
int xenstore_node_make(struct xenstore_connection *connection,
                       struct xenstore_transaction *transaction, const char *path);
int xenstore_node_remove(struct xenstore_connection *connection,
                         struct xenstore_transaction *transaction, const char *path);
int xenstore_node_set_perms(struct xenstore_connection *connection,
                            struct xenstore_transaction *transaction, const char *path,
                            const struct xenstore_perm *perms, size_t count);
/* Removes what a dead domain owns. */
void xenstore_domain_purge(struct xenstore *store, uint16_t domid);

/* xenstore_watch */
int xenstore_watch_add(struct xenstore_connection *connection, const char *path, uint32_t skip,
                       const char *token, int depth);
int xenstore_watch_remove(struct xenstore_connection *connection, const char *path,
                          const char *token);
void xenstore_watch_reset(struct xenstore_connection *connection);
/* Tells the watches of a path and of all above it that `path` has changed. `node` is its node,
 * `parent` the one above it (either may be NULL): only who may read one of them is told. */
void xenstore_watch_fire(struct xenstore *store, const char *path, const struct xenstore_node *node,
                         const struct xenstore_node *parent);
/* As fire, for watches of exactly this path (nodes below a removed one). */
void xenstore_watch_fire_exact(struct xenstore *store, const char *path,
                               const struct xenstore_node *node);
/* "@introduceDomain" (which == 0) or "@releaseDomain" (1). */
void xenstore_watch_fire_special(struct xenstore *store, unsigned int which, uint16_t domid);

/* xenstore_transaction */
int xenstore_transaction_start(struct xenstore_connection *connection, uint32_t *id);
/* Commits or drops; -XEN_EAGAIN on a conflict (dropped). */
int xenstore_transaction_end(struct xenstore_transaction *transaction, bool commit);
struct xenstore_transaction *xenstore_transaction_find(struct xenstore_connection *connection,
                                                       uint32_t id);
void xenstore_transaction_reset(struct xenstore_connection *connection);
struct xenstore_tree *xenstore_transaction_tree(struct xenstore_transaction *transaction);
/* Nodes that it has created less those that it has removed, of the client's own. */
int xenstore_transaction_node_delta(const struct xenstore_transaction *transaction);
void xenstore_transaction_node_count(struct xenstore_transaction *transaction, int change);
/* Remembers that the outcome depends on a path (deep: and on all below it). -XEN_ENOSPC. */
int xenstore_transaction_access(struct xenstore_transaction *transaction, const char *path,
                                bool deep);

enum xenstore_change_kind { XENSTORE_CHANGE_WRITE, XENSTORE_CHANGE_REMOVE, XENSTORE_CHANGE_PERMS };
struct xenstore_change {
    enum xenstore_change_kind kind;
    const char *path;
    const void *data; /* a value, or struct xenstore_perm[] */
    size_t size;      /* bytes, or permissions */
    /* WRITE: keep the value of a node that exists (mkdir). */
    bool keep;
};
/* Remembers a change for the commit. */
int xenstore_transaction_record(struct xenstore_transaction *transaction,
                                const struct xenstore_change *change);
/* Makes a change that was checked, in the store itself: counts nodes, fires watches. */
int xenstore_change_apply(struct xenstore_connection *connection,
                          const struct xenstore_change *change);
