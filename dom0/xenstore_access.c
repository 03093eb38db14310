// SPDX-License-Identifier: MIT
/*
 * What a client may do to nodes: permissions, quotas, and the changes themselves.
 *
 * Every change goes the same way, in a transaction or not: check rights and quotas against the
 * tree that the client sees. Outside of a transaction it is then committed alone. In one, it is made
 * in the transaction's tree and recorded, and the end of the transaction commits all its records.
 */
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"

static struct xenstore_tree *tree_of(struct xenstore_connection *connection,
                                     struct xenstore_transaction *transaction)
{
    return transaction && !xenstore_transaction_doomed(transaction)
               ? xenstore_transaction_tree(transaction)
               : &connection->store->tree;
}

unsigned int xenstore_rights(const struct xenstore_connection *connection,
                             const struct xenstore_perm *perms, size_t count)
{
    if (connection->privileged || perms[0].domid == connection->domid ||
        perms[0].domid == connection->target) {
        return XENSTORE_READ | XENSTORE_WRITE;
    }
    for (size_t i = 1; i < count; i++) {
        if (perms[i].domid == connection->domid || perms[i].domid == connection->target) {
            return perms[i].rights;
        }
    }
    return perms[0].rights;
}

static unsigned int node_rights(const struct xenstore_connection *connection,
                                const struct xenstore_node *node)
{
    return xenstore_rights(connection, node->perms, node->perm_count);
}

/* Who may not see a node's nearest ancestor is not told whether the node exists. */
int xenstore_node_look(struct xenstore_connection *connection,
                       struct xenstore_transaction *transaction, const char *path,
                       unsigned int rights, const struct xenstore_node **node)
{
    size_t length;
    const struct xenstore_node *nearest;

    if (transaction) {
        int rc = xenstore_transaction_access(transaction, path, false);
        if (rc) {
            return rc;
        }
    }
    nearest = xenstore_tree_nearest(tree_of(connection, transaction), path, &length);
    if ((node_rights(connection, nearest) & rights) != rights) {
        return -XEN_EACCES;
    }
    if (length != strlen(path)) {
        return -XEN_ENOENT;
    }
    *node = nearest;
    return 0;
}

/* Room for so many more nodes, and for a value that is so much longer. */
static int quota_check(struct xenstore_connection *connection,
                       struct xenstore_transaction *transaction, unsigned int wanted, size_t length)
{
    struct xenstore_domain *domain;
    long nodes = wanted;

    if (connection->privileged) {
        return 0;
    }
    domain = xenstore_domain_find(connection->store, connection->domid, false);
    nodes += domain ? (long)domain->nodes : 0;
    nodes += transaction ? (long)xenstore_transaction_made(transaction) : 0;
    return nodes > (long)XENSTORE_NODES_MAX
               ? -XEN_ENOSPC
               : xenstore_memory_check(connection, wanted * XENSTORE_NODE_COST + length);
}

/* Creates the nodes of a path behind its first `length` characters, which name `nearest`; the new ones inherit
 * its permissions, but belong to their creator unless he is privileged. The last has the value. Adds their
 * number to *made. */
static int nodes_create(struct xenstore_connection *connection, struct xenstore_tree *tree,
                        const struct xenstore_change *change, const struct xenstore_node *nearest,
                        size_t length, unsigned int *made)
{
    const char *path = change->path;
    char part[XENSTORE_ABS_PATH_MAX + 1];
    struct xenstore_perm *perms;
    size_t size = strlen(path);
    uint32_t count = nearest->perm_count;
    int rc = 0;

    perms = malloc(count * sizeof(*perms));
    if (!perms) {
        return -XEN_ENOMEM;
    }
    memcpy(perms, nearest->perms, count * sizeof(*perms));
    if (!connection->privileged) {
        perms[0].domid = connection->domid;
    }
    memcpy(part, path, size + 1);
    for (size_t at = length == 1 ? 0 : length; at < size && rc == 0;) {
        at += 1 + strcspn(path + at + 1, "/");
        part[at] = '\0';
        rc = xenstore_tree_create(tree, part, change->data, at == size ? change->size : 0, perms,
                                  count, ++connection->store->generation);
        *made += rc == 0;
        part[at] = path[at];
    }
    free(perms);
    return rc;
}

static int write_tree(struct xenstore_connection *connection, struct xenstore_tree *tree,
                      const struct xenstore_change *change, uint64_t generation,
                      struct xenstore_growth *growth)
{
    size_t length;
    const struct xenstore_node *nearest = xenstore_tree_nearest(tree, change->path, &length);
    const bool exists = change->path[length] == '\0';
    const size_t old = exists ? nearest->length : 0;

    if (change->keep && exists) {
        return 0;
    }
    growth->bytes += change->size > old ? change->size - old : 0;
    return exists ? xenstore_tree_write(tree, change->path, change->data, change->size, generation)
                  : nodes_create(connection, tree, change, nearest, length, &growth->nodes);
}

int xenstore_change_tree(struct xenstore_connection *connection, struct xenstore_tree *tree,
                         const struct xenstore_change *change, struct xenstore_growth *growth)
{
    uint64_t generation = ++connection->store->generation;

    switch (change->kind) {
    case XENSTORE_CHANGE_WRITE:
        return write_tree(connection, tree, change, generation, growth);
    case XENSTORE_CHANGE_REMOVE:
        return xenstore_tree_remove(tree, change->path, generation);
    case XENSTORE_CHANGE_PERMS:
        return xenstore_tree_set_perms(tree, change->path, change->data, change->size, generation);
    }
    return -XEN_EINVAL;
}

const struct xenstore_node *xenstore_parent_find(const struct xenstore_tree *tree, const char *path)
{
    char parent[XENSTORE_ABS_PATH_MAX + 1];
    size_t length = (size_t)(strrchr(path, '/') - path);

    memcpy(parent, path, length ? length : 1);
    parent[length ? length : 1] = '\0';
    return xenstore_tree_find(tree, parent);
}

/* In the transaction's own tree, all or nothing; then in its memory. */
static int change_remember(struct xenstore_connection *connection,
                           struct xenstore_transaction *transaction, struct xenstore_record *record)
{
    struct xenstore_tree *tree = xenstore_transaction_tree(transaction);
    struct xenstore_tree before = xenstore_tree_copy(tree);
    struct xenstore_growth growth = {0};
    int rc = xenstore_change_tree(connection, tree, &record->change, &growth);

    rc = rc ? rc : xenstore_transaction_record(transaction, record, &growth);
    if (rc) {
        xenstore_tree_free(tree);
        *tree = before;
        return rc;
    }
    xenstore_tree_free(&before);
    return 0;
}

/* Makes a change that has been allowed, where the client will see it. */
static int change_make(struct xenstore_connection *connection,
                       struct xenstore_transaction *transaction,
                       const struct xenstore_change *change)
{
    struct xenstore_record *record;
    int rc;

    if (transaction && xenstore_transaction_doomed(transaction)) {
        return 0; /* its end says that nothing of it was done */
    }
    if (change->kind == XENSTORE_CHANGE_WRITE && change->keep &&
        xenstore_tree_find(tree_of(connection, transaction), change->path)) {
        return 0;
    }
    record = xenstore_record_alloc(change);
    if (!record) {
        return -XEN_ENOMEM;
    }
    rc = transaction ? change_remember(connection, transaction, record)
                     : xenstore_commit(connection, record);
    if (rc) {
        xenstore_record_free(connection->store, record);
    }
    return rc;
}

/* Rights and quotas for writing to a path, which need not exist. */
static int write_check(struct xenstore_connection *connection,
                       struct xenstore_transaction *transaction, const char *path, size_t length)
{
    const struct xenstore_node *node;
    size_t exists;
    int rc = xenstore_node_look(connection, transaction, path, XENSTORE_WRITE, &node);

    if (rc != 0 && rc != -XEN_ENOENT) {
        return rc;
    }
    if (!connection->privileged && length > XENSTORE_NODE_SIZE_MAX) {
        return -XEN_ENOSPC;
    }
    if (rc == 0) {
        return quota_check(connection, transaction, 0,
                           length > node->length ? length - node->length : 0);
    }
    if (xenstore_path_depth(path) > XENSTORE_DEPTH_MAX) {
        return -XEN_ENOSPC;
    }
    xenstore_tree_nearest(tree_of(connection, transaction), path, &exists);
    rc = quota_check(connection, transaction,
                     xenstore_path_depth(path + (exists == 1 ? 0 : exists)), length);
    if (rc == 0 && transaction) {
        /* The nearest ancestor's list of children changes. */
        char parent[XENSTORE_ABS_PATH_MAX + 1];
        memcpy(parent, path, exists);
        parent[exists] = '\0';
        rc = xenstore_transaction_access(transaction, parent, false);
    }
    return rc;
}

int xenstore_node_write(struct xenstore_connection *connection,
                        struct xenstore_transaction *transaction, const char *path,
                        const void *data, size_t length)
{
    const struct xenstore_change change = {
        .kind = XENSTORE_CHANGE_WRITE, .path = path, .data = data, .size = length};
    int rc = write_check(connection, transaction, path, length);

    return rc ? rc : change_make(connection, transaction, &change);
}

int xenstore_node_make(struct xenstore_connection *connection,
                       struct xenstore_transaction *transaction, const char *path)
{
    const struct xenstore_change change = {
        .kind = XENSTORE_CHANGE_WRITE, .keep = true, .path = path};
    int rc = write_check(connection, transaction, path, 0);

    return rc ? rc : change_make(connection, transaction, &change);
}

int xenstore_node_remove(struct xenstore_connection *connection,
                         struct xenstore_transaction *transaction, const char *path)
{
    const struct xenstore_change change = {.kind = XENSTORE_CHANGE_REMOVE, .path = path};
    const struct xenstore_node *node;
    int rc = xenstore_node_look(connection, transaction, path, XENSTORE_WRITE, &node);

    if (rc == -XEN_ENOENT) {
        /* Gone already is fine if there is a place where it could be. */
        return xenstore_parent_find(tree_of(connection, transaction), path) ? 0 : -XEN_ENOENT;
    }
    if (rc == 0 && strcmp(path, "/") == 0) {
        rc = -XEN_EINVAL;
    }
    if (rc == 0 && transaction) {
        rc = xenstore_transaction_access(transaction, path, true);
    }
    return rc ? rc : change_make(connection, transaction, &change);
}

/* Leaves out whom the store does not know: a right must not wait for a domain that is to come. */
static size_t perms_of_known(const struct xenstore *store, struct xenstore_perm *perms,
                             size_t count)
{
    size_t kept = 1;

    for (size_t i = 1; i < count; i++) {
        if (xenstore_domain_introduced(store, perms[i].domid)) {
            perms[kept++] = perms[i];
        }
    }
    return kept;
}

int xenstore_node_set_perms(struct xenstore_connection *connection,
                            struct xenstore_transaction *transaction, const char *path,
                            struct xenstore_perm *perms, size_t count)
{
    struct xenstore_change change = {
        .kind = XENSTORE_CHANGE_PERMS, .path = path, .data = perms, .size = count};
    const struct xenstore_node *node;
    int rc = xenstore_node_look(connection, transaction, path, XENSTORE_WRITE, &node);

    if (rc) {
        return rc;
    }
    if (!connection->privileged) {
        /* Only an owner sets permissions, and nobody gives nodes away. */
        if (node->perms[0].domid != connection->domid &&
            node->perms[0].domid != connection->target) {
            return -XEN_EACCES;
        }
        if (node->perms[0].domid != perms[0].domid) {
            return -XEN_EPERM;
        }
        if (count > XENSTORE_PERMS_MAX) {
            return -XEN_ENOSPC;
        }
        change.size = perms_of_known(connection->store, perms, count);
    }
    return change_make(connection, transaction, &change);
}
