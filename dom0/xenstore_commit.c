// SPDX-License-Identifier: MIT
/*
 * Changes to the store itself: of one request, or some of the store's own, all or none of them. (Those of a
 * transaction: xenstore_ending.)
 *
 * They are made in a copy of the tree, which shares what does not change; only when all of them
 * are there does the copy become the store. Then the nodes on the changed paths are counted: a node
 * that is counted for its owner is `live`. What was removed is counted out by xenstore_fire, which
 * walks there anyway.
 */
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"

struct xenstore_record *xenstore_record_alloc(const struct xenstore_change *change)
{
    const size_t bytes = change->kind == XENSTORE_CHANGE_PERMS
                             ? change->size * sizeof(struct xenstore_perm)
                             : change->size;
    const size_t path_size = strlen(change->path) + 1;
    struct xenstore_record *record = malloc(sizeof(*record) + bytes + path_size);

    if (!record) {
        return NULL;
    }
    *record = (struct xenstore_record){.change = *change};
    record->size = xenstore_block(sizeof(*record) + bytes + path_size);
    record->change.data = record->bytes;
    record->change.path = record->bytes + bytes;
    if (bytes > 0) {
        memcpy(record->bytes, change->data, bytes);
    }
    memcpy(record->bytes + bytes, change->path, path_size);
    return record;
}

void xenstore_record_free(struct xenstore *store, struct xenstore_record *record)
{
    xenstore_node_put(&store->books, record->node);
    xenstore_node_put(&store->books, record->parent);
    free(record);
}

/* Counts a live node in or out. */
static void node_count(struct xenstore *store, const struct xenstore_node *node, bool in)
{
    const uint16_t owner = node->perms[0].domid;
    struct xenstore_domain *domain = owner ? xenstore_domain_find(store, owner, false) : NULL;
    const size_t size = xenstore_node_size(node);

    store->live += in ? size : -size;
    if (domain) {
        domain->nodes += in ? 1U : -1U;
        domain->bytes += in ? size : -size;
    }
}

void xenstore_node_leave(struct xenstore *store, struct xenstore_node *node)
{
    if (node->live) {
        node->live = false;
        node_count(store, node, false);
    }
}

void xenstore_node_enter(struct xenstore *store, struct xenstore_node *node,
                         struct xenstore_node *old)
{
    if (old) {
        xenstore_node_leave(store, old);
    }
    node->live = true;
    node_count(store, node, true);
}

static struct xenstore_node *child_find(const struct xenstore_node *node, const char *name,
                                        size_t length)
{
    return node ? (struct xenstore_node *)(uintptr_t)xenstore_child_find(node, name, length) : NULL;
}

/* The ends of a path in a tree; NULL where there is no such node. The root is its own parent. */
struct ends {
    struct xenstore_node *parent, *node;
};

static void ends_go_on(struct ends *ends, const char *name, size_t length)
{
    ends->parent = ends->node;
    ends->node = child_find(ends->node, name, length);
}

/* Counts in the new nodes on a path, and out those whose place they have taken; finds both its ends. */
static void path_enter(struct xenstore *store, const char *path, struct ends *new, struct ends *old)
{
    for (;;) {
        if (new->node && !new->node->live) {
            xenstore_node_enter(store, new->node, old->node);
        }
        path += *path == '/';
        size_t length = 0;
        while (path[length] && path[length] != '/') {
            length++;
        }
        if (length == 0) {
            return;
        }
        ends_go_on(new, path, length);
        ends_go_on(old, path, length);
        path += length;
        store->books.work++;
    }
}

/* The books must have a place for whoever will own something. -XEN_ENOMEM. */
static int owners_prepare(struct xenstore_connection *connection,
                          const struct xenstore_record *records)
{
    struct xenstore *store = connection->store;

    if (!connection->privileged && !xenstore_domain_find(store, connection->domid, true)) {
        return -XEN_ENOMEM;
    }
    for (const struct xenstore_record *r = records; r; r = r->next) {
        if (r->change.kind == XENSTORE_CHANGE_PERMS) {
            const struct xenstore_perm *perms = r->change.data;
            if (perms[0].domid != 0 && !xenstore_domain_find(store, perms[0].domid, true)) {
                return -XEN_ENOMEM;
            }
        }
    }
    return 0;
}

/* The quotas, once more: each transaction alone may have been below them. */
static int quota_check(const struct xenstore_connection *connection, unsigned int made,
                       size_t bytes)
{
    const struct xenstore_domain *domain;

    if (connection->privileged || made == 0) {
        return connection->privileged ? 0 : xenstore_memory_check(connection, bytes);
    }
    domain = xenstore_domain_find(connection->store, connection->domid, false);
    return domain->nodes + made > XENSTORE_NODES_MAX
               ? -XEN_ENOSPC
               : xenstore_memory_check(connection, made * XENSTORE_NODE_COST + bytes);
}

int xenstore_commit_check(struct xenstore_connection *connection,
                          const struct xenstore_record *records,
                          const struct xenstore_growth *growth)
{
    int rc = owners_prepare(connection, records);

    return rc ? rc : quota_check(connection, growth->nodes, growth->bytes);
}

/* Makes all changes in `next`; checks quotas. */
static int changes_make(struct xenstore_connection *connection, struct xenstore_record *records,
                        struct xenstore_tree *next)
{
    struct xenstore_growth growth = {0};
    int rc = 0;

    for (struct xenstore_record *r = records; r && rc == 0; r = r->next) {
        rc = xenstore_change_tree(connection, next, &r->change, &growth);
    }
    return rc ? rc : quota_check(connection, growth.nodes, growth.bytes);
}

/* Who may be told of a change is seen in the tree where its node is. */
static void record_settle(struct xenstore *store, struct xenstore_record *record,
                          const struct xenstore_tree *before)
{
    struct ends new = {store->tree.root, store->tree.root}, old = {before->root, before->root};

    path_enter(store, record->change.path, &new, &old);
    const struct ends *seen = record->change.kind == XENSTORE_CHANGE_REMOVE ? &old : &new;
    record->node = xenstore_node_get(seen->node);
    record->parent = xenstore_node_get(seen->parent);
}

void xenstore_commit_queue(struct xenstore_connection *connection, struct xenstore_record *records)
{
    *connection->firing.tail = records;
    for (struct xenstore_record *r = records; r; r = r->next) {
        connection->firing.tail = &r->next;
        if (!connection->privileged) {
            connection->memory += r->size;
        }
    }
}

int xenstore_commit(struct xenstore_connection *connection, struct xenstore_record *records)
{
    struct xenstore *store = connection->store;
    struct xenstore_tree before = store->tree, next = xenstore_tree_copy(&store->tree);
    int rc = owners_prepare(connection, records);

    rc = rc ? rc : changes_make(connection, records, &next);
    if (rc) {
        xenstore_tree_free(&next);
        return rc;
    }
    store->tree = next;
    for (struct xenstore_record *r = records; r; r = r->next) {
        record_settle(store, r, &before);
    }
    xenstore_commit_queue(connection, records);
    xenstore_tree_free(&before);
    return 0;
}
