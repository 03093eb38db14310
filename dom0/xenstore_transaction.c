// SPDX-License-Identifier: MIT
/*
 * Transactions: optimistic, with conflicts found node by node.
 *
 * A transaction holds two references to the tree as it was at the start: `base`, which stays, and
 * `tree`, which the client reads and changes. It remembers the paths that its outcome depends on.
 * The commit (xenstore_ending) compares these in `base` and in the store's present tree; where one
 * differs, the client gets EAGAIN. Otherwise its changes are committed: others see all or none.
 *
 * What the two trees keep alive of former states is nobody's own; it is bounded for all domains
 * together. Above the bound the oldest transactions are doomed: they let go of their trees, and their
 * clients, who see the store itself from then on, get EAGAIN in the end.
 *
 * What a transaction remembers can be much, so it is freed in turns, after the transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore_transaction.h"

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
    transaction->places_tail = &transaction->places;
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

unsigned int xenstore_transaction_made(const struct xenstore_transaction *transaction)
{
    return transaction->growth.nodes;
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

/* The place of this name below another; NULL: none yet. */
static struct xenstore_place *place_find(const struct xenstore_transaction *transaction,
                                         const struct xenstore_place *parent, const char *name,
                                         size_t length, uint32_t hash)
{
    struct xenstore_place *place = transaction->place_hash[hash % XENSTORE_PLACES_HASH];

    while (place && (place->hash != hash || place->parent != parent || place->length != length ||
                     memcmp(place->name, name, length) != 0)) {
        place = place->next_hash;
    }
    return place;
}

static int place_make(struct xenstore_transaction *transaction, struct xenstore_place *parent,
                      const char *name, size_t length, uint32_t hash, struct xenstore_place **made)
{
    const size_t size = sizeof(struct xenstore_place) + length;
    struct xenstore_place **bucket = &transaction->place_hash[hash % XENSTORE_PLACES_HASH];
    struct xenstore_place *place = calloc(1, size);
    int rc = place ? room_take(transaction, xenstore_block(size)) : -XEN_ENOMEM;

    if (rc) {
        free(place);
        return rc;
    }
    place->parent = parent;
    place->hash = hash;
    place->length = (uint16_t)length;
    memcpy(place->name, name, length);
    place->next_hash = *bucket;
    *bucket = place;
    *transaction->places_tail = place;
    transaction->places_tail = &place->next;
    transaction->connection->store->books.work++;
    *made = place;
    return 0;
}

/* The place of a path and all above it, which are made if they are not there. */
static int place_get(struct xenstore_transaction *transaction, const char *path,
                     struct xenstore_place **result)
{
    uint32_t hash = xenstore_hash_start(transaction->connection->store);
    struct xenstore_place *place = NULL;
    const char *name = path;
    size_t length = 0; /* the root has no name */
    int rc = 0;

    do {
        struct xenstore_place *next = place_find(transaction, place, name, length, hash);
        if (!next) {
            rc = place_make(transaction, place, name, length, hash, &next);
        }
        place = next;
        name += length;
        name += *name == '/';
        length = strcspn(name, "/");
        for (size_t i = 0; i < length; i++) {
            hash = xenstore_hash_step(hash, name[i]);
        }
        hash = xenstore_hash_step(hash, '/');
    } while (rc == 0 && length > 0);
    *result = place;
    return rc;
}

int xenstore_transaction_access(struct xenstore_transaction *transaction, const char *path,
                                bool deep)
{
    struct xenstore_place *place;

    if (transaction->doomed) {
        return 0;
    }
    int rc = place_get(transaction, path, &place);
    if (rc == 0) {
        place->depends = true;
        place->deep |= deep;
    }
    return rc;
}

int xenstore_transaction_record(struct xenstore_transaction *transaction,
                                struct xenstore_record *record,
                                const struct xenstore_growth *growth)
{
    if (!transaction->connection->privileged &&
        transaction->change_count >= XENSTORE_TRANSACTION_CHANGES_MAX) {
        return -XEN_ENOSPC;
    }
    int rc = place_get(transaction, record->change.path, &record->place);
    rc = rc ? rc : room_take(transaction, record->size);
    if (rc == 0) {
        transaction->change_count++;
        transaction->growth.nodes += growth->nodes;
        transaction->growth.bytes += growth->bytes;
        transaction->perms |= record->change.kind == XENSTORE_CHANGE_PERMS;
        *transaction->records_tail = record;
        transaction->records_tail = &record->next;
    }
    return rc;
}

/* Lets go of all that it remembers and holds; xenstore_transactions_reap frees it. */
static void transaction_empty(struct xenstore_transaction *transaction)
{
    struct xenstore *store = transaction->connection->store;
    const size_t rest = xenstore_block(sizeof(*transaction));

    age_unlink(transaction);
    transaction->connection->memory -= transaction->size - rest;
    transaction->size = rest;
    *transaction->places_tail = store->dead_places;
    store->dead_places = transaction->places;
    transaction->places = NULL;
    transaction->places_tail = &transaction->places;
    memset(transaction->place_hash, 0, sizeof(transaction->place_hash));
    *transaction->records_tail = store->dead_records;
    store->dead_records = transaction->records;
    transaction->records = NULL;
    transaction->records_tail = &transaction->records;
    if (!transaction->doomed) {
        xenstore_tree_free(&transaction->tree);
        xenstore_tree_free(&transaction->base);
    }
}

bool xenstore_transactions_reap(struct xenstore *store, uint64_t limit)
{
    for (; store->dead_places && store->books.work < limit; store->books.work++) {
        struct xenstore_place *place = store->dead_places;
        store->dead_places = place->next;
        free(place);
    }
    for (; store->dead_records && store->books.work < limit; store->books.work++) {
        struct xenstore_record *record = store->dead_records;
        store->dead_records = record->next;
        xenstore_record_free(store, record);
    }
    return !store->dead_places && !store->dead_records;
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
    int rc = commit ? xenstore_transaction_commit(transaction) : 0;

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
