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
 * Freeing goes in steps too: a node that nobody holds any more goes on a list, from which
 * xenstore_tree_reap takes as much as its caller allows; so dropping a large tree costs nothing at
 * once. The books know the bytes that all nodes hold, as the allocator counts them.
 *
 * Paths are canonical and absolute ("/", "/a/b"): callers check them with xenstore_path_valid. No
 * function looks at permissions; that is xenstore_access's part. Nothing here blocks or locks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>

#define XENSTORE_DEPTH_MAX 64U /* levels of nodes, for every client: keeps a walk's stack short */

/* A permission bit set is XENSTORE_READ | XENSTORE_WRITE. */
#define XENSTORE_READ 0x1U
#define XENSTORE_WRITE 0x2U

struct xenstore_perm {
    uint16_t domid;
    uint8_t rights;
};

struct xenstore_node {
    uint32_t refs;
    uint32_t length; /* of data */
    uint8_t *data;   /* not terminated */
    union {
        uint64_t generation;             /* changes with data, permissions and set of children */
        struct xenstore_node *dead_next; /* of one that waits to be freed */
    };
    bool live; /* counted for its owner: it stands in the store itself (xenstore_commit) */
    uint16_t name_length;
    struct xenstore_perm *perms; /* [0]: owner and everybody else's rights */
    uint32_t perm_count;
    uint32_t child_count;
    uint32_t child_room;
    struct xenstore_node **children; /* sorted by name */
    char name[];
};

/* Shared by all trees that were copied from each other. */
struct xenstore_books {
    size_t held;   /* bytes of all nodes, whichever tree they are in */
    uint64_t work; /* steps ever taken: a node, a watch or some hundred bytes looked at */
    struct xenstore_node *dead;
};

struct xenstore_tree {
    struct xenstore_node *root;
    struct xenstore_books *books;
};

/* What an allocation of so many bytes takes from the heap, in glibc as in newlib. */
size_t xenstore_block(size_t bytes);
/* What a node takes, without its children. */
size_t xenstore_node_size(const struct xenstore_node *node);

/* A tree of one node that belongs to domain 0. -XEN_ENOMEM. */
int xenstore_tree_init(struct xenstore_tree *tree, struct xenstore_books *books);
struct xenstore_tree xenstore_tree_copy(const struct xenstore_tree *tree);
void xenstore_tree_free(struct xenstore_tree *tree);
/* Frees what nobody holds any more, until books->work reaches `limit`. True: nothing is left. */
bool xenstore_tree_reap(struct xenstore_books *books, uint64_t limit);

struct xenstore_node *xenstore_node_get(const struct xenstore_node *node); /* NULL: NULL */
void xenstore_node_put(struct xenstore_books *books, struct xenstore_node *node);
/* A copy without children, with room for so many. NULL: out of memory. */
struct xenstore_node *xenstore_node_copy(struct xenstore_books *books,
                                         const struct xenstore_node *node, uint32_t room);
/* Before 0, equal, or after it: the order of a node's name and the `length` characters at `name`. */
int xenstore_name_compare(const struct xenstore_node *node, const char *name, size_t length);

/* NULL if there is none. */
const struct xenstore_node *xenstore_tree_find(const struct xenstore_tree *tree, const char *path);
/* The child of this name (`length` characters); NULL if there is none. */
const struct xenstore_node *xenstore_child_find(const struct xenstore_node *node, const char *name,
                                                size_t length);
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
/* One node below an existing parent. -XEN_ENOENT: no parent; -XEN_EEXIST. */
int xenstore_tree_create(struct xenstore_tree *tree, const char *path, const void *data,
                         size_t length, const struct xenstore_perm *perms, size_t count,
                         uint64_t generation);
/* The node and all below it. -XEN_ENOENT; -XEN_EINVAL for the root. */
int xenstore_tree_remove(struct xenstore_tree *tree, const char *path, uint64_t generation);

/* xenstore_merge: makes in `now` what has changed from `base` to `mine`. All three were copied from each other; what
 * has changed on both sides differs in other nodes, but for sets of children from which `mine` has only removed.
 * -XEN_ENOMEM; -XEN_EAGAIN: that is not so. `now` is what it was then. */
int xenstore_tree_merge(struct xenstore_tree *now, const struct xenstore_tree *base,
                        const struct xenstore_tree *mine, uint64_t generation);

/* A walk over a node and all below it, parents first, that can rest at each step. The caller
 * holds the node that it started from. */
struct xenstore_walk {
    unsigned int depth; /* open levels; 0: at the end */
    struct xenstore_walk_level {
        struct xenstore_node *node;
        uint32_t next;   /* child that comes next */
        uint32_t length; /* of the node's path */
    } levels[XENSTORE_DEPTH_MAX + 2];
    char path[XENSTORE_ABS_PATH_MAX + 1]; /* of the node that was given last */
};
void xenstore_walk_start(struct xenstore_walk *walk, struct xenstore_node *node, const char *path);
/* The next node; the first is the start itself. NULL at the end. */
struct xenstore_node *xenstore_walk_next(struct xenstore_walk *walk);
/* Leaves out what is below the node that was given last. */
void xenstore_walk_skip(struct xenstore_walk *walk);

/* Absolute, no empty or trailing components, letters of the protocol only, length in bounds. */
bool xenstore_path_valid(const char *path);
unsigned int xenstore_path_depth(const char *path);
/* True if `child` is `parent` or below it; *levels (may be NULL) says how far. */
bool xenstore_path_below(const char *parent, const char *child, unsigned int *levels);
