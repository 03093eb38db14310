// SPDX-License-Identifier: MIT
/*
 * Transactions: optimistic, with conflicts found node by node.
 *
 * A transaction holds two references to the tree as it was at the start: `base`, which stays, and
 * `tree`, which the client reads and changes. It remembers the paths that its outcome depends on.
 * The commit compares these in `base` and in the store's present tree; where one differs, the
 * client gets EAGAIN. Otherwise its recorded changes are committed: others see all or none.
 *
 * What the two trees keep alive of former states is nobody's own; it is bounded for all domains
 * together. Above the bound the oldest transactions are doomed: they let go of their trees, and their
 * clients, who see the store itself from then on, get EAGAIN in the end.
 */
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"

#define ACCESS_HASH 64U

struct access {
    struct access *next;
    bool deep;
    char path[];
};

struct xenstore_transaction {
    struct xenstore_transaction *next;          /* same connection */
    struct xenstore_transaction *newer, **link; /* of all unprivileged clients, by age */
    struct xenstore_connection *connection;
    uint32_t id;
    bool doomed;
    bool perms; /* it gives rights */
    unsigned int change_count, level_count;
    size_t size;      /* bytes of the transaction, its accesses and records */
    uint64_t started; /* generation */
    int node_delta;
    struct xenstore_tree base, tree;
    struct access *accesses[ACCESS_HASH];
    struct xenstore_record *records, **records_tail;
};

/* Makes it the newest. */
static void age_link(struct xenstore_transaction *transaction)
{
    struct xenstore *store = transaction->connection->store;

    if (!transaction->connection->privileged) {
        transaction->link = store->newest;
        *store->newest = transaction;
        store->newest = &transaction->newer;
    }
}

static void age_unlink(struct xenstore_transaction *transaction)
{
    if (transaction->link) {
        *transaction->link = transaction->newer;
        if (transaction->newer) {
            transaction->newer->link = transaction->link;
        } else {
            transaction->connection->store->newest = transaction->link;
        }
        transaction->newer = NULL;
        transaction->link = NULL;
    }
}

int xenstore_transaction_start(struct xenstore_connection *connection, uint32_t *id)
{
    const size_t size = xenstore_block(sizeof(struct xenstore_transaction));
    struct xenstore_transaction *transaction;

    if (!connection->privileged && connection->transaction_count >= XENSTORE_TRANSACTIONS_MAX) {
        return -XEN_ENOSPC;
    }
    transaction = xenstore_memory_check(connection, size) ? NULL : calloc(1, sizeof(*transaction));
    if (!transaction) {
        return -XEN_ENOMEM;
    }
    do {
        transaction->id = ++connection->transaction_last;
    } while (transaction->id == 0 || xenstore_transaction_find(connection, transaction->id));
    transaction->connection = connection;
    transaction->started = connection->store->generation;
    transaction->base = xenstore_tree_copy(&connection->store->tree);
    transaction->tree = xenstore_tree_copy(&connection->store->tree);
    transaction->records_tail = &transaction->records;
    transaction->next = connection->transactions;
    connection->transactions = transaction;
    connection->transaction_count++;
    connection->memory += transaction->size = size;
    age_link(transaction);
    *id = transaction->id;
    return 0;
}

struct xenstore_transaction *xenstore_transaction_find(struct xenstore_connection *connection,
                                                       uint32_t id)
{
    struct xenstore_transaction *transaction = connection->transactions;

    while (transaction && transaction->id != id) {
        transaction = transaction->next;
    }
    return transaction;
}

struct xenstore_tree *xenstore_transaction_tree(struct xenstore_transaction *transaction)
{
    return &transaction->tree;
}

int xenstore_transaction_node_delta(const struct xenstore_transaction *transaction)
{
    return transaction->node_delta;
}

void xenstore_transaction_node_count(struct xenstore_transaction *transaction, int change)
{
    transaction->node_delta += change;
}

bool xenstore_transaction_doomed(const struct xenstore_transaction *transaction)
{
    return transaction->doomed;
}

/* Reserves `bytes` of what the client may have remembered. */
static int room_take(struct xenstore_transaction *transaction, size_t bytes)
{
    int rc = xenstore_memory_check(transaction->connection, bytes);

    if (!transaction->connection->privileged &&
        transaction->size + bytes > XENSTORE_TRANSACTION_SIZE_MAX) {
        return -XEN_ENOSPC;
    }
    if (rc == 0) {
        transaction->size += bytes;
        transaction->connection->memory += bytes;
    }
    return rc;
}

int xenstore_transaction_access(struct xenstore_transaction *transaction, const char *path,
                                bool deep)
{
    const uint32_t hash = xenstore_hash_text(transaction->connection->store, path);
    const size_t size = sizeof(struct access) + strlen(path) + 1;
    struct access **slot = &transaction->accesses[hash % ACCESS_HASH];
    struct access *access;

    for (; *slot; slot = &(*slot)->next) {
        if (strcmp((*slot)->path, path) == 0) {
            (*slot)->deep |= deep;
            return 0;
        }
    }
    if (transaction->doomed) {
        return 0;
    }
    access = malloc(size);
    int rc = access ? room_take(transaction, xenstore_block(size)) : -XEN_ENOMEM;
    if (rc) {
        free(access);
        return rc;
    }
    access->deep = deep;
    access->next = NULL;
    strcpy(access->path, path);
    *slot = access;
    return 0;
}

int xenstore_transaction_record(struct xenstore_transaction *transaction,
                                struct xenstore_record *record, unsigned int made)
{
    const unsigned int levels = (1 + xenstore_path_depth(record->change.path)) * (1 + made);

    if (!transaction->connection->privileged &&
        (transaction->change_count >= XENSTORE_TRANSACTION_CHANGES_MAX ||
         transaction->level_count + levels > XENSTORE_TRANSACTION_LEVELS_MAX)) {
        return -XEN_ENOSPC;
    }
    int rc = room_take(transaction, record->size);
    if (rc == 0) {
        transaction->change_count++;
        transaction->level_count += levels;
        transaction->perms |= record->change.kind == XENSTORE_CHANGE_PERMS;
        *transaction->records_tail = record;
        transaction->records_tail = &record->next;
    }
    return rc;
}

static bool access_conflicts(const struct xenstore_transaction *transaction,
                             const struct access *access)
{
    const struct xenstore_tree *now = &transaction->connection->store->tree;
    const struct xenstore_node *then = xenstore_tree_find(&transaction->base, access->path);
    const struct xenstore_node *node = xenstore_tree_find(now, access->path);

    return then != node && (access->deep || !then || !node || then->generation != node->generation);
}

static bool conflicts(const struct xenstore_transaction *transaction)
{
    struct xenstore *store = transaction->connection->store;

    /* A domain is gone to which it may have given rights. */
    if (transaction->doomed || (transaction->perms && store->released > transaction->started)) {
        return true;
    }
    for (unsigned int i = 0; i < ACCESS_HASH && store->tree.root != transaction->base.root; i++) {
        for (const struct access *access = transaction->accesses[i]; access;
             access = access->next) {
            store->books.work++;
            if (access_conflicts(transaction, access)) {
                return true;
            }
        }
    }
    return false;
}

/* Lets go of all that it remembers and holds. */
static void transaction_empty(struct xenstore_transaction *transaction)
{
    struct xenstore *store = transaction->connection->store;
    const size_t rest = xenstore_block(sizeof(*transaction));

    age_unlink(transaction);
    transaction->connection->memory -= transaction->size - rest;
    transaction->size = rest;
    for (unsigned int i = 0; i < ACCESS_HASH; i++) {
        while (transaction->accesses[i]) {
            struct access *access = transaction->accesses[i];
            transaction->accesses[i] = access->next;
            free(access);
        }
    }
    while (transaction->records) {
        struct xenstore_record *record = transaction->records;
        transaction->records = record->next;
        xenstore_record_free(store, record);
    }
    transaction->records_tail = &transaction->records;
    if (!transaction->doomed) {
        xenstore_tree_free(&transaction->tree);
        xenstore_tree_free(&transaction->base);
    }
}

static void transaction_free(struct xenstore_transaction *transaction)
{
    struct xenstore_connection *connection = transaction->connection;
    struct xenstore_transaction **slot = &connection->transactions;

    while (*slot != transaction) {
        slot = &(*slot)->next;
    }
    *slot = transaction->next;
    connection->transaction_count--;
    transaction_empty(transaction);
    connection->memory -= transaction->size;
    free(transaction);
}

int xenstore_transaction_end(struct xenstore_transaction *transaction, bool commit)
{
    int rc = commit && conflicts(transaction) ? -XEN_EAGAIN : 0;

    if (commit && rc == 0 && transaction->records) {
        rc = xenstore_commit(transaction->connection, transaction->records);
        if (rc == 0) {
            transaction->records = NULL; /* the connection's now, and counted there */
        }
    }
    transaction_free(transaction);
    return rc;
}

void xenstore_transactions_trim(struct xenstore *store)
{
    /* What is dead already will be free soon: only the rest can be let go of. */
    while (store->books.held - store->live > XENSTORE_STATES_MAX && store->oldest &&
           !store->books.dead) {
        struct xenstore_transaction *transaction = store->oldest;
        transaction_empty(transaction);
        transaction->doomed = true;
    }
}

void xenstore_transaction_reset(struct xenstore_connection *connection)
{
    while (connection->transactions) {
        xenstore_transaction_end(connection->transactions, false);
    }
}
