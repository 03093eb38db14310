// SPDX-License-Identifier: MIT
/*
 * Transactions: optimistic, with conflicts found node by node.
 *
 * A transaction holds two references to the tree as it was at the start: `base`, which stays, and
 * `tree`, which the client reads and changes. It remembers the paths that its outcome depends on.
 * The commit compares these in `base` and in the store's present tree; where one differs, the
 * client gets EAGAIN. Otherwise its recorded changes are repeated on the store's tree, one after
 * another and with nothing in between, so that others see all of them or none.
 */
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"

struct access {
    struct access *next;
    bool deep;
    char path[];
};

struct record {
    struct record *next;
    struct xenstore_change change;
    char bytes[]; /* data, then path */
};

struct xenstore_transaction {
    struct xenstore_transaction *next;
    struct xenstore_connection *connection;
    uint32_t id;
    size_t size;      /* bytes of accesses and records */
    size_t base_size; /* counted for the old state that `base` may keep alive */
    int node_delta;
    struct xenstore_tree base, tree;
    struct access *accesses;
    struct record *records, **records_tail;
};

int xenstore_transaction_start(struct xenstore_connection *connection, uint32_t *id)
{
    struct xenstore_transaction *transaction;
    size_t base_size = sizeof(*transaction) + xenstore_domain_memory(connection);

    if (!connection->privileged && connection->transaction_count >= XENSTORE_TRANSACTIONS_MAX) {
        return -XEN_ENOSPC;
    }
    transaction = xenstore_memory_check(connection, base_size) ? NULL
                                                               : calloc(1, sizeof(*transaction));
    if (!transaction) {
        return -XEN_ENOMEM;
    }
    do {
        transaction->id = ++connection->transaction_last;
    } while (transaction->id == 0 || xenstore_transaction_find(connection, transaction->id));
    transaction->connection = connection;
    transaction->base = xenstore_tree_copy(&connection->store->tree);
    transaction->tree = xenstore_tree_copy(&connection->store->tree);
    transaction->records_tail = &transaction->records;
    transaction->next = connection->transactions;
    connection->transactions = transaction;
    connection->transaction_count++;
    connection->memory += transaction->base_size = base_size;
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

/* Reserves `bytes` of what the client may have remembered. */
static int room_take(struct xenstore_transaction *transaction, size_t bytes)
{
    if (!transaction->connection->privileged &&
        transaction->size + bytes > XENSTORE_TRANSACTION_SIZE_MAX) {
        return -XEN_ENOSPC;
    }
    int rc = xenstore_memory_check(transaction->connection, bytes);
    if (rc == 0) {
        transaction->size += bytes;
        transaction->connection->memory += bytes;
    }
    return rc;
}

int xenstore_transaction_access(struct xenstore_transaction *transaction, const char *path,
                                bool deep)
{
    struct access *access;

    for (access = transaction->accesses; access; access = access->next) {
        if (strcmp(access->path, path) == 0) {
            access->deep |= deep;
            return 0;
        }
    }
    int rc = room_take(transaction, sizeof(*access) + strlen(path) + 1);
    if (rc) {
        return rc;
    }
    access = malloc(sizeof(*access) + strlen(path) + 1);
    if (!access) {
        return -XEN_ENOMEM;
    }
    access->deep = deep;
    strcpy(access->path, path);
    access->next = transaction->accesses;
    transaction->accesses = access;
    return 0;
}

int xenstore_transaction_record(struct xenstore_transaction *transaction,
                                const struct xenstore_change *change)
{
    size_t bytes = change->kind == XENSTORE_CHANGE_PERMS
                       ? change->size * sizeof(struct xenstore_perm)
                       : change->size;
    struct record *record;

    int rc = room_take(transaction, sizeof(*record) + bytes + strlen(change->path) + 1);
    if (rc) {
        return rc;
    }
    record = malloc(sizeof(*record) + bytes + strlen(change->path) + 1);
    if (!record) {
        return -XEN_ENOMEM;
    }
    record->next = NULL;
    record->change = *change;
    record->change.data = record->bytes;
    record->change.path = record->bytes + bytes;
    if (bytes > 0) {
        memcpy(record->bytes, change->data, bytes);
    }
    strcpy(record->bytes + bytes, change->path);
    *transaction->records_tail = record;
    transaction->records_tail = &record->next;
    return 0;
}

static bool conflicts(const struct xenstore_transaction *transaction)
{
    const struct xenstore_tree *now = &transaction->connection->store->tree;

    if (now->root == transaction->base.root) {
        return false;
    }
    for (const struct access *access = transaction->accesses; access; access = access->next) {
        const struct xenstore_node *then = xenstore_tree_find(&transaction->base, access->path);
        const struct xenstore_node *node = xenstore_tree_find(now, access->path);
        if (then != node &&
            (access->deep || !then || !node || then->generation != node->generation)) {
            return true;
        }
    }
    return false;
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
    connection->memory -= transaction->size + transaction->base_size;
    while (transaction->accesses) {
        struct access *access = transaction->accesses;
        transaction->accesses = access->next;
        free(access);
    }
    while (transaction->records) {
        struct record *record = transaction->records;
        transaction->records = record->next;
        free(record);
    }
    xenstore_tree_free(&transaction->tree);
    xenstore_tree_free(&transaction->base);
    free(transaction);
}

int xenstore_transaction_end(struct xenstore_transaction *transaction, bool commit)
{
    int rc = 0;

    if (commit && conflicts(transaction)) {
        rc = -XEN_EAGAIN;
    } else if (commit) {
        for (struct record *r = transaction->records; r && rc == 0; r = r->next) {
            rc = xenstore_change_apply(transaction->connection, &r->change);
        }
    }
    transaction_free(transaction);
    return rc;
}

void xenstore_transaction_reset(struct xenstore_connection *connection)
{
    while (connection->transactions) {
        xenstore_transaction_end(connection->transactions, false);
    }
}
