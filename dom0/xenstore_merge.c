// SPDX-License-Identifier: MIT
/*
 * Three trees become one: what a transaction has changed since its start, and what others have changed.
 *
 * Where one side has changed nothing, the other side's node is taken with all below it. So the cost is that of the
 * folders that both have changed, each once, however many changes there were and however deep they stand.
 */
#include <stdlib.h>
#include <xen/errno.h>

#include "dom0/xenstore_tree.h"

#define CHILDREN_PER_STEP 16U

/* The three nodes of one name; NULL: there is none. */
struct trio {
    struct xenstore_node *base, *mine, *now;
};

/* A folder that both have changed, or something below it. */
struct level {
    struct trio folder;
    uint32_t at[3]; /* children that come next */
    struct xenstore_node *result;
};

struct merge {
    struct xenstore_books *books;
    uint64_t generation; /* of folders whose children have changed on both sides */
    unsigned int depth;  /* open levels */
    struct level levels[XENSTORE_DEPTH_MAX + 2];
};

/* The next child, or NULL. */
static struct xenstore_node *child_at(const struct xenstore_node *node, uint32_t index)
{
    return index < node->child_count ? node->children[index] : NULL;
}

static void first_choose(const struct xenstore_node **first, const struct xenstore_node *node)
{
    if (node && node != *first &&
        (!*first || xenstore_name_compare(node, (*first)->name, (*first)->name_length) < 0)) {
        *first = node;
    }
}

static bool name_same(const struct xenstore_node *node, const struct xenstore_node *first)
{
    return node == first ||
           (node && xenstore_name_compare(node, first->name, first->name_length) == 0);
}

/* The children of the first name that comes next in one of the three folders, which are passed. */
static struct trio children_next(const struct trio *folder, uint32_t at[3])
{
    struct trio next = {child_at(folder->base, at[0]), child_at(folder->mine, at[1]),
                        child_at(folder->now, at[2])};
    const struct xenstore_node *first = next.base;

    first_choose(&first, next.mine);
    first_choose(&first, next.now);
    next.base = first && name_same(next.base, first) ? next.base : NULL;
    next.mine = first && name_same(next.mine, first) ? next.mine : NULL;
    next.now = first && name_same(next.now, first) ? next.now : NULL;
    at[0] += next.base != NULL;
    at[1] += next.mine != NULL;
    at[2] += next.now != NULL;
    return next;
}

/* Its own value and permissions can be changed on one side only. */
static int level_open(struct merge *merge, const struct trio *folder)
{
    struct level *level = &merge->levels[merge->depth];
    struct xenstore_node *own;

    if (!folder->base || !folder->mine || !folder->now || merge->depth > XENSTORE_DEPTH_MAX + 1) {
        return -XEN_EAGAIN;
    }
    own = folder->now->generation == folder->base->generation ? folder->mine : folder->now;
    *level = (struct level){.folder = *folder};
    level->result = xenstore_node_copy(merge->books, own, own->child_count);
    if (!level->result) {
        return -XEN_ENOMEM;
    }
    if (own == folder->now && folder->mine->generation != folder->base->generation) {
        level->result->generation = merge->generation;
    }
    merge->depth++;
    return 0;
}

/* The merged node is a child of the innermost open folder. */
static int child_add(struct merge *merge, struct xenstore_node *child)
{
    struct xenstore_node *folder = merge->levels[merge->depth - 1].result;

    if (child && folder->child_count == folder->child_room) {
        xenstore_node_put(merge->books, child);
        return -XEN_EAGAIN;
    }
    if (child) {
        folder->children[folder->child_count++] = child;
    }
    return 0;
}

/* True: one side has changed nothing; *result is what the other has, held. */
static bool trio_is_plain(const struct trio *trio, struct xenstore_node **result)
{
    if (trio->mine == trio->base || trio->now == trio->base) {
        *result = xenstore_node_get(trio->mine == trio->base ? trio->now : trio->mine);
        return true;
    }
    return false;
}

/* One child, or the end of a folder. *result: the whole tree's root, at its end. */
static int merge_step(struct merge *merge, struct xenstore_node **result)
{
    struct level *level = &merge->levels[merge->depth - 1];
    const struct trio child = children_next(&level->folder, level->at);
    struct xenstore_node *node;

    if (!child.base && !child.mine && !child.now) {
        merge->books->work += 1 + (level->at[0] + level->at[1] + level->at[2]) / CHILDREN_PER_STEP;
        if (--merge->depth == 0) {
            *result = level->result;
            return 0;
        }
        return child_add(merge, level->result);
    }
    return trio_is_plain(&child, &node) ? child_add(merge, node) : level_open(merge, &child);
}

static int folders_merge(struct merge *merge, const struct trio *roots,
                         struct xenstore_node **result)
{
    int rc = level_open(merge, roots);

    while (rc == 0 && merge->depth > 0) {
        rc = merge_step(merge, result);
    }
    while (merge->depth > 0) {
        xenstore_node_put(merge->books, merge->levels[--merge->depth].result);
    }
    return rc;
}

int xenstore_tree_merge(struct xenstore_tree *now, const struct xenstore_tree *base,
                        const struct xenstore_tree *mine, uint64_t generation)
{
    const struct trio roots = {base->root, mine->root, now->root};
    struct xenstore_node *result = NULL;
    int rc = 0;

    if (!trio_is_plain(&roots, &result)) {
        struct merge *merge = malloc(sizeof(*merge)); /* much for a thread's stack */
        if (!merge) {
            return -XEN_ENOMEM;
        }
        merge->books = now->books;
        merge->generation = generation;
        merge->depth = 0;
        rc = folders_merge(merge, &roots, &result);
        free(merge);
    }
    if (rc == 0) {
        xenstore_node_put(now->books, now->root);
        now->root = result;
    }
    return rc;
}
