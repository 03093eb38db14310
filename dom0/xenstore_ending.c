// SPDX-License-Identifier: MIT
/*
 * The end of a transaction: looks for conflicts, and makes its changes in the store.
 *
 * That is one step for everybody else, so it must be short: each place that the transaction has come by is looked up
 * below the place above it, in the trees of the start, of now and of afterwards, once each; the trees are merged
 * (xenstore_merge) and not the changes made again. Watches are told, and what is left is freed, in turns.
 */
#include "dom0/xenstore_transaction.h"

static struct xenstore_node *child_find(const struct xenstore_node *node,
                                        const struct xenstore_place *place)
{
    return node ? (struct xenstore_node *)(uintptr_t)xenstore_child_find(node, place->name,
                                                                         place->length)
                : NULL;
}

static void place_look(struct xenstore_place *place, const struct xenstore_transaction *transaction)
{
    const struct xenstore_place *parent = place->parent;

    if (!parent) {
        place->then = transaction->base.root;
        place->now = transaction->connection->store->tree.root;
        return;
    }
    place->then = child_find(parent->then, place);
    place->now = parent->now == parent->then ? place->then : child_find(parent->now, place);
}

static bool place_conflicts(const struct xenstore_place *place)
{
    return place->depends && place->then != place->now &&
           (place->deep || !place->then || !place->now ||
            place->then->generation != place->now->generation);
}

static bool conflicts(struct xenstore_transaction *transaction)
{
    struct xenstore *store = transaction->connection->store;

    /* A domain is gone to which it may have given rights. */
    if (transaction->doomed || (transaction->perms && store->released > transaction->started)) {
        return true;
    }
    for (struct xenstore_place *place = transaction->places; place; place = place->next) {
        store->books.work++;
        place_look(place, transaction);
        if (place_conflicts(place)) {
            return true;
        }
    }
    return false;
}

/* Counts in the new nodes on all changed paths, and out those whose place they have taken. */
static void places_enter(struct xenstore_transaction *transaction)
{
    struct xenstore *store = transaction->connection->store;

    for (struct xenstore_place *place = transaction->places; place; place = place->next) {
        const struct xenstore_place *parent = place->parent;
        if (!parent) {
            place->after = store->tree.root;
        } else {
            place->after = parent->after == parent->now ? place->now
                                                        : child_find(parent->after, place);
        }
        if (place->after && !place->after->live) {
            xenstore_node_enter(store, place->after, place->now);
        }
        store->books.work++;
    }
}

/* Who may be told of a change is seen in the tree where its node is. */
static void record_settle(struct xenstore_record *record)
{
    const bool removal = record->change.kind == XENSTORE_CHANGE_REMOVE;
    const struct xenstore_place *place = record->place;
    const struct xenstore_place *parent = place->parent ? place->parent : place;

    record->node = xenstore_node_get(removal ? place->now : place->after);
    record->parent = xenstore_node_get(removal ? parent->now : parent->after);
    record->place = NULL;
}

int xenstore_transaction_commit(struct xenstore_transaction *transaction)
{
    struct xenstore_connection *connection = transaction->connection;
    struct xenstore *store = connection->store;
    struct xenstore_tree before = store->tree, next;
    int rc = conflicts(transaction) ? -XEN_EAGAIN : 0;

    if (rc || !transaction->records) {
        return rc;
    }
    rc = xenstore_commit_check(connection, transaction->records, &transaction->growth);
    if (rc) {
        return rc;
    }
    next = xenstore_tree_copy(&store->tree);
    rc = xenstore_tree_merge(&next, &transaction->base, &transaction->tree, ++store->generation);
    if (rc) {
        xenstore_tree_free(&next);
        return rc;
    }
    store->tree = next;
    places_enter(transaction);
    for (struct xenstore_record *r = transaction->records; r; r = r->next) {
        record_settle(r);
    }
    xenstore_commit_queue(connection, transaction->records);
    transaction->records = NULL; /* the connection's now, and counted there */
    transaction->records_tail = &transaction->records;
    xenstore_tree_free(&before);
    return 0;
}
