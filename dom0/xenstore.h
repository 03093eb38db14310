// SPDX-License-Identifier: MIT
/*
 * xenstored: the store that toolstack, back ends and guests share.
 *
 * Parts: xenstore_tree (nodes), xenstore_access (rights and quotas), xenstore_commit (changes to the
 * store), xenstore_watch and xenstore_fire (who is told of them), xenstore_transaction, xenstore_ending and
 * xenstore_merge (transactions, their ends, and how trees become one),
 * xenstore_release (what a dead domain leaves), xenstore_request (the wire protocol's requests),
 * xenstore_ring (a domU's page) and xenstore_service (grants, event channels, threads). All but the
 * last build on a host.
 *
 * A connection is one client. Requests go in whole by xenstore_request; replies and watch events
 * come out of the connection's queues. A domain's connection is hostile: what it owns (nodes,
 * watches, transactions, queued output) is bounded, and one that breaks the protocol is closed.
 * dom0's connections are in-process, privileged and bounded only in their events.
 *
 * Work is counted in steps (books.work). A request does what its client waits for and then at most
 * XENSTORE_TURN steps of what follows from it: telling watches, counting and freeing what was removed.
 * The rest stays with the connection; xenstore_work goes on with it, a turn for each connection,
 * and a ring is not served while its connection has such work.
 *
 * Memory: a client's own nodes, watches, transactions and output are counted as the allocator
 * does, and bounded together. States of nodes that only open transactions hold are bounded for all
 * clients together: above that bound the oldest transactions let go of theirs and end with EAGAIN.
 * When dom0 has no memory, a request fails as a whole with ENOMEM, and an event waits.
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
#define XENSTORE_TRANSACTION_CHANGES_MAX 1024U     /* of one transaction */
#define XENSTORE_TRANSACTION_SIZE_MAX (256U << 10) /* bytes that one remembers */
#define XENSTORE_OUTPUT_MAX (256U << 10)           /* bytes of replies and events that wait */
#define XENSTORE_MEMORY_MAX (2U << 20)             /* all that a domain owns */
#define XENSTORE_NODE_COST 128U                    /* about, of a node that is to be made */
/* Bytes of nodes outside of the store: former states and changes of open transactions, of all domains. */
#define XENSTORE_STATES_MAX (8U << 20)
/* Waiting events of a client in dom0; above, an event names its watch's own path. */
#define XENSTORE_EVENTS_MAX 4096U

#define XENSTORE_TURN 256U /* steps of work before others have their turn */
#define XENSTORE_HASH 1024U
#define XENSTORE_EVENT_HASH 128U

struct xenstore_message {
    struct xenstore_message *next;
    struct xenstore_message *next_hash; /* events: same bucket, later */
    uint64_t watch;                     /* events: whose */
    uint32_t hash;
    struct xsd_sockmsg header;
    char payload[];
};

struct xenstore_watch {
    struct xenstore_watch *next_hash;       /* same bucket */
    struct xenstore_watch *next, **link;    /* same connection */
    struct xenstore_connection *connection; /* NULL: removed, but held */
    uint64_t id;                            /* never used again */
    uint32_t hash;                          /* of path */
    uint32_t holds;                         /* by what rests here (xenstore_fire) */
    int depth;                              /* levels below path that count; -1: all */
    uint32_t skip; /* characters of "/local/domain/N/" that a relative watch does not see */
    char *token;
    char path[];
};

enum xenstore_change_kind { XENSTORE_CHANGE_WRITE, XENSTORE_CHANGE_REMOVE, XENSTORE_CHANGE_PERMS };
struct xenstore_change {
    enum xenstore_change_kind kind;
    bool keep; /* WRITE: the value of a node that exists (mkdir) */
    const char *path;
    const void *data; /* a value, or struct xenstore_perm[] */
    size_t size;      /* bytes, or permissions */
};

/* A change from the request to the last watch that is told of it. */
struct xenstore_record {
    struct xenstore_record *next;
    struct xenstore_change change;
    struct xenstore_place *place; /* in a transaction */
    /* Once made: whose permissions say who is told; held. `node` of a removal: what was removed. */
    struct xenstore_node *node, *parent;
    size_t size;  /* in memory */
    char bytes[]; /* data, then path */
};

/* Changes whose watches are not all told yet, and how far that has come. */
struct xenstore_firing {
    struct xenstore_record *head, **tail;
    uint32_t level;               /* characters of the path that come next */
    struct xenstore_watch *watch; /* the next one there; held; NULL: the first */
    struct xenstore_walk *walk;   /* below a removed node */
    struct xenstore_node *below;  /* where the walk is */
};

struct xenstore_transaction;

struct xenstore_connection {
    struct xenstore *store;
    struct xenstore_connection *next;
    uint16_t domid;
    uint16_t target; /* domain whose rights it has too (SET_TARGET); own domid: none */
    bool privileged;
    bool broken; /* has broken the protocol or a bound: no more service */
    bool shed;   /* and has lost all that it had */
    uint32_t watch_count;
    uint32_t transaction_count;
    uint32_t transaction_last;
    struct xenstore_watch *watches;
    struct xenstore_transaction *transactions;
    struct xenstore_message *replies, **replies_tail;
    struct xenstore_message *events, **events_tail;
    struct xenstore_message *event_hash[XENSTORE_EVENT_HASH];
    struct xenstore_message *spare; /* for a short reply: there is always memory to say ENOMEM */
    uint32_t reply_count, event_count;
    size_t output_size;
    size_t memory; /* of watches, transactions and changes that are not told yet */
    struct xenstore_firing firing;
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
    size_t bytes; /* that these hold */
    /* It is gone, and a walk over the tree as it was then takes away what it owned and was allowed. */
    bool purging;
    struct xenstore_tree purge_tree;
    struct xenstore_walk *purge_walk;
    struct xenstore_node *purge_node;
    struct xenstore_record *purge_batch; /* changes that are to be made together */
    unsigned int purge_count;
};

struct xenstore {
    struct xenstore_tree tree;
    struct xenstore_books books;
    size_t live; /* of books.held: the nodes of `tree` */
    uint64_t generation;
    uint64_t watch_last; /* id */
    uint64_t released;   /* generation at which a domain was gone last */
    uint64_t limit;      /* of books.work in this turn */
    uint32_t seed;       /* of the hashes: outsiders cannot make watches meet in a bucket */
    unsigned int purges; /* domains whose purge is not over */
    bool shedding;       /* a connection has broken and still has something */
    struct xenstore_connection *connections;
    struct xenstore_connection
        *self; /* its own: for purges, and for changes of closed connections */
    struct xenstore_transaction *oldest, **newest; /* of unprivileged clients */
    /* What transactions have remembered that have ended; waits to be freed. */
    struct xenstore_place *dead_places;
    struct xenstore_record *dead_records;
    struct xenstore_watch *watches[XENSTORE_HASH];
    struct xenstore_domain *domains[XENSTORE_HASH];
    /* Rights to the special watches: nobody's but dom0's, and one domain's that XS_SET_PERMS named. */
    struct xenstore_perm special[2][2];
    /* INTRODUCE and RELEASE of a domain, from the protocol: map the ring, or let it go. 0 or
     * -XEN_E*. NULL: refused with -XEN_ENOSYS. */
    int (*introduce)(struct xenstore *store, uint16_t domid, uint64_t gfn, uint32_t port);
    int (*release)(struct xenstore *store, uint16_t domid);
    /* Lets others, who call xenstore_work, go on for a moment. NULL: there are none. */
    void (*pause)(struct xenstore *store);
};

int xenstore_init(struct xenstore *store);
/* Closes every connection and frees everything. */
void xenstore_destroy(struct xenstore *store);

/* NULL when out of memory. Domain 0's connections are privileged. */
struct xenstore_connection *xenstore_connect(struct xenstore *store, uint16_t domid);
/* Ends its watches and transactions; the caller's pointer is void afterwards. */
void xenstore_disconnect(struct xenstore_connection *connection);

/* One request; the header's length is at most XENSTORE_PAYLOAD_MAX. The reply is queued, and 0
 * returned. -XEN_ENOMEM: not even a reply can be made; nothing was done, and it can be tried again. */
int xenstore_request(struct xenstore_connection *connection, const struct xsd_sockmsg *header,
                     const char *payload);
/* Goes on with what requests have left over, a turn for each connection. True: there is more. */
bool xenstore_work(struct xenstore *store);
/* The connection has such work: no more requests until it is done. */
bool xenstore_busy(const struct xenstore_connection *connection);
/* For clients in dom0, before a request: waits until the connection is not busy. */
void xenstore_settle(struct xenstore_connection *connection);
/* The next message, replies first, for the caller to free(); NULL if none waits. */
struct xenstore_message *xenstore_output_take(struct xenstore_connection *connection);
struct xenstore_message *xenstore_reply_take(struct xenstore_connection *connection);
struct xenstore_message *xenstore_event_take(struct xenstore_connection *connection);
/* No more service for a client that breaks a rule. */
void xenstore_break(struct xenstore_connection *connection);

/* Marks a domain known, fires @introduceDomain. Again: nothing happens. */
int xenstore_domain_introduce(struct xenstore *store, uint16_t domid);
/* Fires @releaseDomain; a domain that is `gone` loses its nodes, its place, and the rights that others
 * have given to its number. The walk for that goes on in xenstore_work. */
void xenstore_domain_release(struct xenstore *store, uint16_t domid, bool gone);
bool xenstore_domain_introduced(const struct xenstore *store, uint16_t domid);
/* NULL: none, or (create) out of memory. */
struct xenstore_domain *xenstore_domain_find(struct xenstore *store, uint16_t domid, bool create);

/* What the nodes of a connection's domain take. */
size_t xenstore_domain_memory(const struct xenstore_connection *connection);
/* May a client have `bytes` more of memory? -XEN_ENOMEM: that is above its domain's quota. */
int xenstore_memory_check(const struct xenstore_connection *connection, size_t bytes);

/* Words of the wire for an error: "ENOENT"; "EINVAL" for what the protocol has no word for. */
const char *xenstore_error_name(int error);

/* --- for the parts of the store --- */

/* Queues a reply. -XEN_ENOMEM; not for replies of at most XENSTORE_SPARE bytes. */
#define XENSTORE_SPARE 16U
int xenstore_reply(struct xenstore_connection *connection, const struct xsd_sockmsg *header,
                   const void *payload, size_t length);
/* Queues an event for a watch, unless an equal one waits: path without the watch's skip. False: out of
 * memory. */
bool xenstore_event(struct xenstore_watch *watch, const char *path);
/* Takes from broken connections what they had: no pointer into that may be kept over it. */
void xenstore_connections_shed(struct xenstore *store);
/* Frees what nobody needs any more, until books.work reaches `limit`. True: nothing is left. */
bool xenstore_reap(struct xenstore *store, uint64_t limit);
/* A new turn: so much work may be done from here. */
void xenstore_turn(struct xenstore *store);
bool xenstore_turn_over(const struct xenstore *store);
uint32_t xenstore_hash_start(const struct xenstore *store);
uint32_t xenstore_hash_step(uint32_t hash, char c);
uint32_t xenstore_hash_text(const struct xenstore *store, const char *text);

/* xenstore_access: what clients may do to nodes; `transaction` is NULL outside of one. */
unsigned int xenstore_rights(const struct xenstore_connection *connection,
                             const struct xenstore_perm *perms, size_t count);
int xenstore_node_look(struct xenstore_connection *connection,
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
                            struct xenstore_perm *perms, size_t count);
/* Makes the change in a tree, and adds to *growth. -XEN_ENOMEM, -XEN_ENOENT. */
struct xenstore_growth {
    unsigned int nodes; /* created */
    size_t bytes;       /* by which values grow at most */
};
int xenstore_change_tree(struct xenstore_connection *connection, struct xenstore_tree *tree,
                         const struct xenstore_change *change, struct xenstore_growth *growth);
/* The parent's node; NULL if there is none. */
const struct xenstore_node *xenstore_parent_find(const struct xenstore_tree *tree,
                                                 const char *path);

/* xenstore_commit */
/* A copy of the change. NULL: out of memory. Counted for nobody. */
struct xenstore_record *xenstore_record_alloc(const struct xenstore_change *change);
void xenstore_record_free(struct xenstore *store, struct xenstore_record *record);
/* Makes changes that were checked in the store, all or none, and has watches told of them. The records
 * are the connection's then. -XEN_ENOMEM, -XEN_ENOENT; a quota: -XEN_ENOSPC; they are the caller's. */
int xenstore_commit(struct xenstore_connection *connection, struct xenstore_record *records);
/* The parts of that, for the end of a transaction. May the store grow so much, and is there place in the books for
 * all owners? -XEN_ENOSPC, -XEN_ENOMEM. */
int xenstore_commit_check(struct xenstore_connection *connection,
                          const struct xenstore_record *records,
                          const struct xenstore_growth *growth);
/* Has watches told of changes that were made. */
void xenstore_commit_queue(struct xenstore_connection *connection, struct xenstore_record *records);
/* A node stands in the store now, where `old` was (NULL: none). */
void xenstore_node_enter(struct xenstore *store, struct xenstore_node *node,
                         struct xenstore_node *old);
/* A node is no more in the store. */
void xenstore_node_leave(struct xenstore *store, struct xenstore_node *node);

/* xenstore_fire */
/* Tells watches of a connection's changes until the turn is over. True: nothing is left. */
bool xenstore_fire(struct xenstore_connection *connection);
/* Somebody else's changes from here on. */
void xenstore_fire_hand_over(struct xenstore_connection *from, struct xenstore_connection *to);

/* xenstore_release: goes on with purges until the turn is over. True: nothing is left. */
bool xenstore_purge(struct xenstore *store);

/* xenstore_watch */
/* *watch: the new one. */
int xenstore_watch_add(struct xenstore_connection *connection, const char *path, uint32_t skip,
                       const char *token, struct xenstore_watch **watch);
int xenstore_watch_remove(struct xenstore_connection *connection, const char *path,
                          const char *token);
void xenstore_watch_reset(struct xenstore_connection *connection);
/* Lets go of a watch where something rested. */
void xenstore_watch_put(struct xenstore *store, struct xenstore_watch *watch);
bool xenstore_watch_sees(const struct xenstore_watch *watch, const struct xenstore_node *node,
                         const struct xenstore_node *parent);
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
/* Nodes that it has created, gone since or not. */
unsigned int xenstore_transaction_made(const struct xenstore_transaction *transaction);
/* Remembers that the outcome depends on a path (deep: and on all below it). -XEN_ENOSPC. */
int xenstore_transaction_access(struct xenstore_transaction *transaction, const char *path,
                                bool deep);

/* Remembers a change that was made in its tree, which has grown by it. The record is the transaction's then. -XEN_ENOSPC, -XEN_ENOMEM. */
int xenstore_transaction_record(struct xenstore_transaction *transaction,
                                struct xenstore_record *record,
                                const struct xenstore_growth *growth);
/* Its outcome is EAGAIN already: it holds no state, and its client sees the store. */
bool xenstore_transaction_doomed(const struct xenstore_transaction *transaction);
/* Frees what ended transactions have remembered, until books.work reaches `limit`. True: nothing is left. */
bool xenstore_transactions_reap(struct xenstore *store, uint64_t limit);
/* Takes their states from the oldest transactions while all together hold too much. */
void xenstore_transactions_trim(struct xenstore *store);
