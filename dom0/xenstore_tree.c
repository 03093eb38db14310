// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>
#include <xen/io/xs_wire.h>

#include "dom0/xenstore_tree.h"

static struct xenstore_node *node_alloc(const char *name, size_t length)
{
    struct xenstore_node *node = calloc(1, sizeof(*node) + length + 1);
    if (node) {
        node->refs = 1;
        memcpy(node->name, name, length);
    }
    return node;
}

/* Depth is bounded by the longest path, so recursion is too. */
static void node_put(struct xenstore_node *node)
{
    if (!node || --node->refs > 0) {
        return;
    }
    for (uint32_t i = 0; i < node->child_count; i++) {
        node_put(node->children[i]);
    }
    free(node->children);
    free(node->perms);
    free(node->data);
    free(node);
}

static bool data_set(struct xenstore_node *node, const void *data, size_t length)
{
    uint8_t *copy = NULL;

    if (length > 0) {
        copy = malloc(length);
        if (!copy) {
            return false;
        }
        memcpy(copy, data, length);
    }
    free(node->data);
    node->data = copy;
    node->length = (uint32_t)length;
    return true;
}

static bool perms_set(struct xenstore_node *node, const struct xenstore_perm *perms, size_t count)
{
    struct xenstore_perm *copy = malloc(count * sizeof(*copy));

    if (!copy) {
        return false;
    }
    memcpy(copy, perms, count * sizeof(*copy));
    free(node->perms);
    node->perms = copy;
    node->perm_count = (uint32_t)count;
    return true;
}

static struct xenstore_node *node_clone(const struct xenstore_node *node)
{
    struct xenstore_node *clone = node_alloc(node->name, strlen(node->name));

    if (!clone) {
        return NULL;
    }
    clone->generation = node->generation;
    if (node->child_count > 0) {
        clone->children = malloc(node->child_count * sizeof(*clone->children));
        if (!clone->children) {
            node_put(clone);
            return NULL;
        }
        for (uint32_t i = 0; i < node->child_count; i++) {
            clone->children[i] = node->children[i];
            clone->children[i]->refs++;
        }
        clone->child_count = clone->child_room = node->child_count;
    }
    if (!data_set(clone, node->data, node->length) ||
        !perms_set(clone, node->perms, node->perm_count)) {
        node_put(clone);
        return NULL;
    }
    return clone;
}

/* Makes *slot a node that nobody else holds. NULL when out of memory, *slot unchanged. */
static struct xenstore_node *node_own(struct xenstore_node **slot)
{
    struct xenstore_node *node = *slot;

    if (node->refs > 1) {
        struct xenstore_node *clone = node_clone(node);
        if (!clone) {
            return NULL;
        }
        node_put(node);
        *slot = clone;
    }
    return *slot;
}

/* Compares a child's name with the `length` characters at `name`. */
static int name_compare(const struct xenstore_node *node, const char *name, size_t length)
{
    int order = strncmp(node->name, name, length);
    return order ? order : (node->name[length] ? 1 : 0);
}

/* Index of the child, or of the place where it belongs. */
static uint32_t child_index(const struct xenstore_node *node, const char *name, size_t length,
                            bool *found)
{
    uint32_t low = 0, high = node->child_count;

    *found = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = name_compare(node->children[middle], name, length);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The next component of a path: starts after the slashes at *path, which then stands at its end. */
static const char *component_next(const char **path, size_t *length)
{
    const char *start = *path;

    while (*start == '/') {
        start++;
    }
    *length = strcspn(start, "/");
    *path = start + *length;
    return start;
}

int xenstore_tree_init(struct xenstore_tree *tree)
{
    const struct xenstore_perm owner = {0, 0};

    tree->root = node_alloc("", 0);
    if (!tree->root || !perms_set(tree->root, &owner, 1)) {
        xenstore_tree_free(tree);
        return -XEN_ENOMEM;
    }
    return 0;
}

struct xenstore_tree xenstore_tree_copy(const struct xenstore_tree *tree)
{
    tree->root->refs++;
    return *tree;
}

void xenstore_tree_free(struct xenstore_tree *tree)
{
    node_put(tree->root);
    tree->root = NULL;
}

const struct xenstore_node *xenstore_tree_nearest(const struct xenstore_tree *tree,
                                                  const char *path, size_t *length)
{
    const struct xenstore_node *node = tree->root;
    const char *at = path;

    *length = 1;
    for (;;) {
        size_t size;
        bool found;
        const char *name = component_next(&at, &size);
        if (size == 0) {
            return node;
        }
        uint32_t i = child_index(node, name, size, &found);
        if (!found) {
            return node;
        }
        node = node->children[i];
        *length = (size_t)(at - path);
    }
}

const struct xenstore_node *xenstore_tree_find(const struct xenstore_tree *tree, const char *path)
{
    size_t length;
    const struct xenstore_node *node = xenstore_tree_nearest(tree, path, &length);

    return length == strlen(path) ? node : NULL;
}

/* Owns every node on the way to the first `size` characters of the path. */
static int node_open(struct xenstore_tree *tree, const char *path, size_t size,
                     struct xenstore_node **result)
{
    struct xenstore_node *node = node_own(&tree->root);
    const char *at = path;

    while (node) {
        size_t length;
        bool found;
        const char *name = component_next(&at, &length);
        if (length == 0 || at > path + size) {
            *result = node;
            return 0;
        }
        uint32_t i = child_index(node, name, length, &found);
        if (!found) {
            return -XEN_ENOENT;
        }
        node = node_own(&node->children[i]);
    }
    return -XEN_ENOMEM;
}

int xenstore_tree_write(struct xenstore_tree *tree, const char *path, const void *data,
                        size_t length, uint64_t generation)
{
    struct xenstore_node *node;
    int rc = node_open(tree, path, strlen(path), &node);

    if (rc == 0 && !data_set(node, data, length)) {
        rc = -XEN_ENOMEM;
    }
    if (rc == 0) {
        node->generation = generation;
    }
    return rc;
}

int xenstore_tree_set_perms(struct xenstore_tree *tree, const char *path,
                            const struct xenstore_perm *perms, size_t count, uint64_t generation)
{
    struct xenstore_node *node;
    int rc = node_open(tree, path, strlen(path), &node);

    if (rc == 0 && !perms_set(node, perms, count)) {
        rc = -XEN_ENOMEM;
    }
    if (rc == 0) {
        node->generation = generation;
    }
    return rc;
}

static bool child_insert(struct xenstore_node *parent, uint32_t index, struct xenstore_node *child)
{
    if (parent->child_count == parent->child_room) {
        uint32_t room = parent->child_room ? parent->child_room * 2 : 4;
        struct xenstore_node **grown = realloc(parent->children, room * sizeof(*grown));
        if (!grown) {
            return false;
        }
        parent->children = grown;
        parent->child_room = room;
    }
    memmove(&parent->children[index + 1], &parent->children[index],
            (parent->child_count - index) * sizeof(child));
    parent->children[index] = child;
    parent->child_count++;
    return true;
}

/* Opens the parent of a path; *name is the last component. */
static int parent_open(struct xenstore_tree *tree, const char *path, struct xenstore_node **parent,
                       const char **name)
{
    *name = strrchr(path, '/') + 1;
    return **name ? node_open(tree, path, (size_t)(*name - path) - 1, parent) : -XEN_EINVAL;
}

int xenstore_tree_create(struct xenstore_tree *tree, const char *path,
                         const struct xenstore_perm *perms, size_t count, uint64_t generation)
{
    struct xenstore_node *parent, *child;
    const char *name;
    bool found;
    int rc = parent_open(tree, path, &parent, &name);

    if (rc) {
        return rc == -XEN_EINVAL ? -XEN_EEXIST : rc;
    }
    uint32_t i = child_index(parent, name, strlen(name), &found);
    if (found) {
        return -XEN_EEXIST;
    }
    child = node_alloc(name, strlen(name));
    if (!child || !perms_set(child, perms, count) || !child_insert(parent, i, child)) {
        node_put(child);
        return -XEN_ENOMEM;
    }
    child->generation = parent->generation = generation;
    return 0;
}

int xenstore_tree_remove(struct xenstore_tree *tree, const char *path, uint64_t generation)
{
    struct xenstore_node *parent;
    const char *name;
    bool found;
    int rc = parent_open(tree, path, &parent, &name);

    if (rc) {
        return rc;
    }
    uint32_t i = child_index(parent, name, strlen(name), &found);
    if (!found) {
        return -XEN_ENOENT;
    }
    node_put(parent->children[i]);
    parent->child_count--;
    memmove(&parent->children[i], &parent->children[i + 1],
            (parent->child_count - i) * sizeof(*parent->children));
    parent->generation = generation;
    return 0;
}

/* `path` is a buffer of XENSTORE_ABS_PATH_MAX + 1 characters that holds the node's path. */
static void node_walk(const struct xenstore_node *node, char *path, size_t length,
                      xenstore_visit *fn, void *context)
{
    fn(context, path, node);
    for (uint32_t i = 0; i < node->child_count; i++) {
        size_t size = strlen(node->children[i]->name);
        size_t at = length > 1 ? length : 0;
        if (at + 1 + size > XENSTORE_ABS_PATH_MAX) {
            continue; /* cannot have been created */
        }
        path[at] = '/';
        memcpy(path + at + 1, node->children[i]->name, size + 1);
        node_walk(node->children[i], path, at + 1 + size, fn, context);
        path[length] = '\0';
    }
}

void xenstore_tree_walk(const struct xenstore_tree *tree, const char *path, xenstore_visit *fn,
                        void *context)
{
    const struct xenstore_node *node = xenstore_tree_find(tree, path);
    char buffer[XENSTORE_ABS_PATH_MAX + 1];

    if (node) {
        strcpy(buffer, path);
        node_walk(node, buffer, strlen(path), fn, context);
    }
}

bool xenstore_path_valid(const char *path)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789-/_@";
    size_t length = strlen(path);

    return path[0] == '/' && length <= XENSTORE_ABS_PATH_MAX && strspn(path, letters) == length &&
           !strstr(path, "//") && (length == 1 || path[length - 1] != '/');
}

bool xenstore_path_below(const char *parent, const char *child, unsigned int *levels)
{
    size_t length = strlen(parent);
    unsigned int count = 0;

    if (length == 1 && parent[0] == '/') {
        length = 0;
    }
    if (strncmp(parent, child, length) != 0 || (child[length] && child[length] != '/')) {
        return false;
    }
    if (levels) {
        for (const char *p = child + length; *p; p++) {
            count += *p == '/' && p[1];
        }
        *levels = count;
    }
    return true;
}
