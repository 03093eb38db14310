// SPDX-License-Identifier: MIT
/*
 * The store's tree of nodes: a persistent (copy-on-write) tree.
 *
 * A tree is one reference to a root node. Copying a tree takes a reference, so a transaction's view
 * costs nothing until it changes something; a change copies the nodes between the root and the
 * place of the change, but only where someone else holds them too. So two trees that were copied
 * from each other share every node that neither has changed, and equal pointers mean an unchanged
 * subtree: that is how conflicts of transactions are found.
 *
 * Paths are canonical and absolute ("/", "/a/b"): callers check them with xenstore_path_valid. No
 * function looks at permissions; that is xenstore_access's part. Nothing here blocks or locks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A permission bit set is XENSTORE_READ | XENSTORE_WRITE. */
#define XENSTORE_READ 0x1U
#define XENSTORE_WRITE 0x2U

struct xenstore_perm {
    uint16_t domid;
    uint8_t rights;
};

struct xenstore_node {
    uint32_t refs;
    uint32_t length;             /* of data */
    uint8_t *data;               /* not terminated */
    uint64_t generation;         /* changes with data, permissions and the set of children */
    struct xenstore_perm *perms; /* [0]: owner and everybody else's rights */
    uint32_t perm_count;
    uint32_t child_count;
    uint32_t child_room;
    struct xenstore_node **children; /* sorted by name */
    char name[];
};

struct xenstore_tree {
    struct xenstore_node *root;
};

/* A tree of one node that belongs to domain 0. -XEN_ENOMEM. */
int xenstore_tree_init(struct xenstore_tree *tree);
struct xenstore_tree xenstore_tree_copy(const struct xenstore_tree *tree);
void xenstore_tree_free(struct xenstore_tree *tree);

/* NULL if there is none. */
const struct xenstore_node *xenstore_tree_find(const struct xenstore_tree *tree, const char *path);
/* The nearest existing ancestor; the node itself if it exists. *length: characters of its path. */
const struct xenstore_node *xenstore_tree_nearest(const struct xenstore_tree *tree,
                                                  const char *path, size_t *length);

/* Each gives the changed nodes `generation`; 0, -XEN_ENOMEM or what is named. A failed call may
 * have copied nodes but has changed no content. */
int xenstore_tree_write(struct xenstore_tree *tree, const char *path, const void *data,
                        size_t length, uint64_t generation); /* -XEN_ENOENT */
int xenstore_tree_set_perms(struct xenstore_tree *tree, const char *path,
                            const struct xenstore_perm *perms, size_t count,
                            uint64_t generation); /* -XEN_ENOENT */
/* One empty node below an existing parent. -XEN_ENOENT: no parent; -XEN_EEXIST. */
int xenstore_tree_create(struct xenstore_tree *tree, const char *path,
                         const struct xenstore_perm *perms, size_t count, uint64_t generation);
/* The node and all below it. -XEN_ENOENT; -XEN_EINVAL for the root. */
int xenstore_tree_remove(struct xenstore_tree *tree, const char *path, uint64_t generation);

/* Calls fn for a node and all below it, parents first, with each one's path. */
typedef void xenstore_visit(void *context, const char *path, const struct xenstore_node *node);
void xenstore_tree_walk(const struct xenstore_tree *tree, const char *path, xenstore_visit *fn,
                        void *context);

/* Absolute, no empty or trailing components, letters of the protocol only, length in bounds. */
bool xenstore_path_valid(const char *path);
/* True if `child` is `parent` or below it; *levels (may be NULL) says how far. */
bool xenstore_path_below(const char *parent, const char *child, unsigned int *levels);
