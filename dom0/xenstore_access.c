// SPDX-License-Identifier: MIT
/*
 * What a client may do to nodes: permissions, quotas, and the changes themselves.
 *
 * Every change goes the same way, in a transaction or not: check rights and quotas against the
 * tree that the client sees, then change that tree. In a transaction the change is also recorded;
 * the commit repeats the records on the store's tree through xenstore_change_apply, which counts
 * nodes by owner and fires watches.
 */
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"

static struct xenstore_tree *tree_of(struct xenstore_connection *connection,
                                     struct xenstore_transaction *transaction)
{
    return transaction ? xenstore_transaction_tree(transaction) : &connection->store->tree;
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
int xenstore_node_get(struct xenstore_connection *connection,
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

static unsigned int path_depth(const char *path)
{
    unsigned int depth = 0;

    for (; *path; path++) {
        depth += *path == '/';
    }
    return depth;
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
    nodes += transaction ? xenstore_transaction_node_delta(transaction) : 0;
    return nodes > (long)XENSTORE_NODES_MAX
               ? -XEN_ENOSPC
               : xenstore_memory_check(connection, wanted * XENSTORE_NODE_COST + length);
}

/* Creates the missing nodes of a path in a tree; the new ones inherit the nearest ancestor's
 * permissions, but belong to their creator unless he is privileged. Adds their number to *made. */
static int nodes_create(struct xenstore_connection *connection, struct xenstore_tree *tree,
                        const char *path, unsigned int *made)
{
    char part[XENSTORE_ABS_PATH_MAX + 1];
    struct xenstore_perm *perms;
    size_t length, size = strlen(path);
    const struct xenstore_node *nearest = xenstore_tree_nearest(tree, path, &length);
    uint32_t count = nearest->perm_count;
    int rc = 0;

    if (length == size) {
        return 0;
    }
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
        rc = xenstore_tree_create(tree, part, perms, count, ++connection->store->generation);
        *made += rc == 0;
        part[at] = path[at];
    }
    free(perms);
    return rc;
}

/* Changes one tree; *made: nodes created. */
static int change_tree(struct xenstore_connection *connection, struct xenstore_tree *tree,
                       const struct xenstore_change *change, unsigned int *made)
{
    uint64_t generation = ++connection->store->generation;
    int rc;

    switch (change->kind) {
    case XENSTORE_CHANGE_WRITE:
        if (change->keep && xenstore_tree_find(tree, change->path)) {
            return 0;
        }
        rc = nodes_create(connection, tree, change->path, made);
        return rc ? rc
                  : xenstore_tree_write(tree, change->path, change->data, change->size, generation);
    case XENSTORE_CHANGE_REMOVE:
        return xenstore_tree_remove(tree, change->path, generation);
    case XENSTORE_CHANGE_PERMS:
        return xenstore_tree_set_perms(tree, change->path, change->data, change->size, generation);
    }
    return -XEN_EINVAL;
}

static void owner_count(struct xenstore *store, uint16_t domid, int nodes, long bytes)
{
    struct xenstore_domain *domain;

    if (domid == 0) {
        return;
    }
    domain = xenstore_domain_find(store, domid, nodes > 0 || bytes > 0);
    if (domain) {
        domain->nodes = (uint32_t)((int)domain->nodes + nodes);
        domain->bytes = (size_t)((long)domain->bytes + bytes);
    }
}

struct removal {
    struct xenstore *store;
    const char *top;
};

static void node_removed(void *context, const char *path, const struct xenstore_node *node)
{
    struct removal *removal = context;

    owner_count(removal->store, node->perms[0].domid, -1, -(long)node->length);
    if (strcmp(path, removal->top) != 0) {
        xenstore_watch_fire_exact(removal->store, path, node);
    }
}

static const struct xenstore_node *parent_find(const struct xenstore_tree *tree, const char *path)
{
    char parent[XENSTORE_ABS_PATH_MAX + 1];
    size_t length = (size_t)(strrchr(path, '/') - path);

    memcpy(parent, path, length ? length : 1);
    parent[length ? length : 1] = '\0';
    return xenstore_tree_find(tree, parent);
}

/* The old tree is held during the change, so that watches of removed nodes can be checked against
 * the permissions that these had. */
int xenstore_change_apply(struct xenstore_connection *connection,
                          const struct xenstore_change *change)
{
    struct xenstore *store = connection->store;
    struct removal removal = {store, change->path};
    const struct xenstore_node *node = xenstore_tree_find(&store->tree, change->path);
    struct xenstore_tree before = {NULL};
    long old_length = node ? (long)node->length : 0;
    unsigned int made = 0;
    int rc;

    if (change->kind == XENSTORE_CHANGE_WRITE && change->keep && node) {
        return 0;
    }
    if (change->kind == XENSTORE_CHANGE_REMOVE) {
        before = xenstore_tree_copy(&store->tree);
    } else if (change->kind == XENSTORE_CHANGE_PERMS && node) {
        const struct xenstore_perm *perms = change->data;
        owner_count(store, node->perms[0].domid, -1, -(long)node->length);
        owner_count(store, perms[0].domid, 1, node->length);
    }
    rc = change_tree(connection, &store->tree, change, &made);
    if (made > 0 && !connection->privileged) {
        owner_count(store, connection->domid, (int)made, 0);
    } else if (made > 0) {
        node = parent_find(&store->tree, change->path);
        owner_count(store, node ? node->perms[0].domid : 0, (int)made, 0);
    }
    if (rc == 0 && change->kind == XENSTORE_CHANGE_WRITE) {
        node = xenstore_tree_find(&store->tree, change->path);
        owner_count(store, node->perms[0].domid, 0, (long)node->length - old_length);
    }
    if (rc == 0 && before.root) {
        xenstore_tree_walk(&before, change->path, node_removed, &removal);
        xenstore_watch_fire(store, change->path, xenstore_tree_find(&before, change->path),
                            parent_find(&before, change->path));
    } else if (rc == 0) {
        xenstore_watch_fire(store, change->path, xenstore_tree_find(&store->tree, change->path),
                            parent_find(&store->tree, change->path));
    }
    if (before.root) {
        xenstore_tree_free(&before);
    }
    return rc;
}

/* Makes a change that has been allowed, where the client will see it. */
static int change_make(struct xenstore_connection *connection,
                       struct xenstore_transaction *transaction,
                       const struct xenstore_change *change)
{
    unsigned int made = 0;
    int rc;

    if (!transaction) {
        return xenstore_change_apply(connection, change);
    }
    rc = xenstore_transaction_record(transaction, change);
    if (rc == 0) {
        rc = change_tree(connection, xenstore_transaction_tree(transaction), change, &made);
        xenstore_transaction_node_count(transaction, (int)made);
    }
    return rc;
}

/* Rights and quotas for writing to a path, which need not exist. */
static int write_check(struct xenstore_connection *connection,
                       struct xenstore_transaction *transaction, const char *path, size_t length)
{
    const struct xenstore_node *node;
    size_t exists;
    int rc = xenstore_node_get(connection, transaction, path, XENSTORE_WRITE, &node);

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
    if (path_depth(path) > XENSTORE_DEPTH_MAX) {
        return -XEN_ENOSPC;
    }
    xenstore_tree_nearest(tree_of(connection, transaction), path, &exists);
    rc = quota_check(connection, transaction, path_depth(path + (exists == 1 ? 0 : exists)),
                     length);
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
    const struct xenstore_change change = {XENSTORE_CHANGE_WRITE, path, data, length, false};
    int rc = write_check(connection, transaction, path, length);

    return rc ? rc : change_make(connection, transaction, &change);
}

int xenstore_node_make(struct xenstore_connection *connection,
                       struct xenstore_transaction *transaction, const char *path)
{
    const struct xenstore_change change = {XENSTORE_CHANGE_WRITE, path, NULL, 0, true};
    int rc = write_check(connection, transaction, path, 0);

    return rc ? rc : change_make(connection, transaction, &change);
}

int xenstore_node_remove(struct xenstore_connection *connection,
                         struct xenstore_transaction *transaction, const char *path)
{
    const struct xenstore_change change = {XENSTORE_CHANGE_REMOVE, path, NULL, 0, false};
    const struct xenstore_node *node;
    int rc = xenstore_node_get(connection, transaction, path, XENSTORE_WRITE, &node);

    if (rc == -XEN_ENOENT) {
        /* Gone already is fine if there is a place where it could be. */
        return parent_find(tree_of(connection, transaction), path) ? 0 : -XEN_ENOENT;
    }
    if (rc == 0 && strcmp(path, "/") == 0) {
        rc = -XEN_EINVAL;
    }
    if (rc == 0 && transaction) {
        rc = xenstore_transaction_access(transaction, path, true);
    }
    return rc ? rc : change_make(connection, transaction, &change);
}

int xenstore_node_set_perms(struct xenstore_connection *connection,
                            struct xenstore_transaction *transaction, const char *path,
                            const struct xenstore_perm *perms, size_t count)
{
    const struct xenstore_change change = {XENSTORE_CHANGE_PERMS, path, perms, count, false};
    const struct xenstore_node *node;
    int rc = xenstore_node_get(connection, transaction, path, XENSTORE_WRITE, &node);

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
    }
    return change_make(connection, transaction, &change);
}

struct purge {
    uint16_t domid;
    char path[XENSTORE_ABS_PATH_MAX + 1];
};

static void purge_look(void *context, const char *path, const struct xenstore_node *node)
{
    struct purge *purge = context;

    if (!purge->path[0] && node->perms[0].domid == purge->domid) {
        strcpy(purge->path, path);
    }
}

void xenstore_domain_purge(struct xenstore *store, uint16_t domid)
{
    struct xenstore_domain *domain = xenstore_domain_find(store, domid, false);
    struct xenstore_connection *connection = xenstore_connect(store, 0);
    struct purge *purge = malloc(sizeof(*purge));

    while (connection && purge && domain && domain->nodes > 0) {
        purge->domid = domid;
        purge->path[0] = '\0';
        xenstore_tree_walk(&store->tree, "/", purge_look, purge);
        if (!purge->path[0] || xenstore_node_remove(connection, NULL, purge->path)) {
            break;
        }
    }
    free(purge);
    if (connection) {
        xenstore_disconnect(connection);
    }
}
