// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>

#include "dom0/xenstore_tree.h"

#define CHILDREN_PER_STEP 16U /* whose references are counted up or down */

size_t xenstore_block(size_t bytes)
{
    const size_t size = (bytes + 8 + 15) & ~(size_t)15;

    return bytes == 0 ? 0 : size < 32 ? 32 : size;
}

size_t xenstore_node_size(const struct xenstore_node *node)
{
    return xenstore_block(sizeof(*node) + node->name_length + 1U) + xenstore_block(node->length) +
           xenstore_block(node->perm_count * sizeof(*node->perms)) +
           xenstore_block(node->child_room * sizeof(struct xenstore_node *));
}

static struct xenstore_node *node_alloc(struct xenstore_books *books, const char *name,
                                        size_t length)
{
    struct xenstore_node *node = calloc(1, sizeof(*node) + length + 1);
    if (node) {
        node->refs = 1;
        node->name_length = (uint16_t)length;
        memcpy(node->name, name, length);
        books->held += xenstore_node_size(node);
    }
    return node;
}

struct xenstore_node *xenstore_node_get(const struct xenstore_node *node)
{
    struct xenstore_node *held = (struct xenstore_node *)(uintptr_t)node;

    if (held) {
        held->refs++;
    }
    return held;
}

void xenstore_node_put(struct xenstore_books *books, struct xenstore_node *node)
{
    if (node && --node->refs == 0) {
        node->dead_next = books->dead;
        books->dead = node;
    }
}

bool xenstore_tree_reap(struct xenstore_books *books, uint64_t limit)
{
    while (books->dead && books->work < limit) {
        struct xenstore_node *node = books->dead;
        while (node->child_count % CHILDREN_PER_STEP != 0 && books->dead == node) {
            xenstore_node_put(books, node->children[--node->child_count]);
        }
        books->work++;
        if (books->dead != node) {
            continue; /* a child that died is the head of the list now */
        }
        if (node->child_count > 0) {
            xenstore_node_put(books, node->children[--node->child_count]);
            continue;
        }
        books->dead = node->dead_next;
        books->held -= xenstore_node_size(node);
        free(node->children);
        free(node->perms);
        free(node->data);
        free(node);
    }
    return !books->dead;
}

static bool data_set(struct xenstore_books *books, struct xenstore_node *node, const void *data,
                     size_t length)
{
    uint8_t *copy = NULL;

    if (length > 0) {
        copy = malloc(length);
        if (!copy) {
            return false;
        }
        memcpy(copy, data, length);
    }
    books->held += xenstore_block(length) - xenstore_block(node->length);
    free(node->data);
    node->data = copy;
    node->length = (uint32_t)length;
    return true;
}

static bool perms_set(struct xenstore_books *books, struct xenstore_node *node,
                      const struct xenstore_perm *perms, size_t count)
{
    struct xenstore_perm *copy = malloc(count * sizeof(*copy));

    if (!copy) {
        return false;
    }
    memcpy(copy, perms, count * sizeof(*copy));
    books->held += xenstore_block(count * sizeof(*copy)) -
                   xenstore_block(node->perm_count * sizeof(*copy));
    free(node->perms);
    node->perms = copy;
    node->perm_count = (uint32_t)count;
    return true;
}

struct xenstore_node *xenstore_node_copy(struct xenstore_books *books,
                                         const struct xenstore_node *node, uint32_t room)
{
    struct xenstore_node *copy = node_alloc(books, node->name, node->name_length);

    if (!copy) {
        return NULL;
    }
    copy->generation = node->generation;
    if (room > 0) {
        copy->children = malloc(room * sizeof(struct xenstore_node *));
        if (!copy->children) {
            xenstore_node_put(books, copy);
            return NULL;
        }
        copy->child_room = room;
        books->held += xenstore_block(room * sizeof(struct xenstore_node *));
    }
    if (!data_set(books, copy, node->data, node->length) ||
        !perms_set(books, copy, node->perms, node->perm_count)) {
        xenstore_node_put(books, copy);
        return NULL;
    }
    return copy;
}

static struct xenstore_node *node_clone(struct xenstore_books *books,
                                        const struct xenstore_node *node)
{
    struct xenstore_node *clone = xenstore_node_copy(books, node, node->child_count);

    for (uint32_t i = 0; clone && i < node->child_count; i++) {
        clone->children[i] = xenstore_node_get(node->children[i]);
        clone->child_count = i + 1;
    }
    books->work += node->child_count / CHILDREN_PER_STEP;
    return clone;
}

/* Makes *slot a node that nobody else holds. NULL when out of memory, *slot unchanged. */
static struct xenstore_node *node_own(struct xenstore_books *books, struct xenstore_node **slot)
{
    struct xenstore_node *node = *slot;

    books->work++;
    if (node->refs > 1) {
        struct xenstore_node *clone = node_clone(books, node);
        if (!clone) {
            return NULL;
        }
        xenstore_node_put(books, node);
        *slot = clone;
    }
    return *slot;
}

/* Other than 0 if eight characters differ. */
static uint64_t word_differs(const char *a, const char *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x ^ y;
}

static uint64_t words_differ(const char *a, const char *b)
{
    return word_differs(a, b) | word_differs(a + 8, b + 8);
}

/* Many characters at once: a hostile folder has long names that differ at their ends. */
int xenstore_name_compare(const struct xenstore_node *node, const char *name, size_t length)
{
    const size_t common = length < node->name_length ? length : node->name_length;
    size_t i = 0;

    while (i + 32 <= common && !(words_differ(node->name + i, name + i) |
                                 words_differ(node->name + i + 16, name + i + 16))) {
        i += 32;
    }
    while (i + 8 <= common && !word_differs(node->name + i, name + i)) {
        i += 8;
    }
    for (; i < common; i++) {
        if (node->name[i] != name[i]) {
            return (uint8_t)node->name[i] < (uint8_t)name[i] ? -1 : 1;
        }
    }
    return node->name_length < length ? -1 : node->name_length > length;
}

/* Index of the child, or of the place where it belongs. */
static uint32_t child_index(const struct xenstore_node *node, const char *name, size_t length,
                            bool *found)
{
    uint32_t low = 0, high = node->child_count;

    *found = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = xenstore_name_compare(node->children[middle], name, length);
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
    const char *end = start; /* names are short: strcspn takes longer to begin */
    while (*end && *end != '/') {
        end++;
    }
    *length = (size_t)(end - start);
    *path = end;
    return start;
}

int xenstore_tree_init(struct xenstore_tree *tree, struct xenstore_books *books)
{
    const struct xenstore_perm owner = {0, 0};

    tree->books = books;
    tree->root = node_alloc(books, "", 0);
    if (!tree->root || !perms_set(books, tree->root, &owner, 1)) {
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
    xenstore_node_put(tree->books, tree->root);
    tree->root = NULL;
}

const struct xenstore_node *xenstore_child_find(const struct xenstore_node *node, const char *name,
                                                size_t length)
{
    bool found;
    uint32_t i = child_index(node, name, length, &found);

    return found ? node->children[i] : NULL;
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
    struct xenstore_node *node = node_own(tree->books, &tree->root);
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
        node = node_own(tree->books, &node->children[i]);
    }
    return -XEN_ENOMEM;
}

int xenstore_tree_write(struct xenstore_tree *tree, const char *path, const void *data,
                        size_t length, uint64_t generation)
{
    struct xenstore_node *node;
    int rc = node_open(tree, path, strlen(path), &node);

    if (rc == 0 && !data_set(tree->books, node, data, length)) {
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

    if (rc == 0 && !perms_set(tree->books, node, perms, count)) {
        rc = -XEN_ENOMEM;
    }
    if (rc == 0) {
        node->generation = generation;
    }
    return rc;
}

static bool child_insert(struct xenstore_books *books, struct xenstore_node *parent, uint32_t index,
                         struct xenstore_node *child)
{
    if (parent->child_count == parent->child_room) {
        uint32_t room = parent->child_room ? parent->child_room * 2 : 4;
        struct xenstore_node **grown = realloc(parent->children, room * sizeof(*grown));
        if (!grown) {
            return false;
        }
        books->held += xenstore_block(room * sizeof(*grown)) -
                       xenstore_block(parent->child_room * sizeof(*grown));
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

int xenstore_tree_create(struct xenstore_tree *tree, const char *path, const void *data,
                         size_t length, const struct xenstore_perm *perms, size_t count,
                         uint64_t generation)
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
    child = node_alloc(tree->books, name, strlen(name));
    if (!child || !perms_set(tree->books, child, perms, count) ||
        !data_set(tree->books, child, data, length) ||
        !child_insert(tree->books, parent, i, child)) {
        xenstore_node_put(tree->books, child);
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
    xenstore_node_put(tree->books, parent->children[i]);
    parent->child_count--;
    memmove(&parent->children[i], &parent->children[i + 1],
            (parent->child_count - i) * sizeof(*parent->children));
    parent->generation = generation;
    return 0;
}

void xenstore_walk_start(struct xenstore_walk *walk, struct xenstore_node *node, const char *path)
{
    walk->depth = 0;
    strcpy(walk->path, path);
    walk->levels[0] = (struct xenstore_walk_level){node, 0, (uint32_t)strlen(path)};
}

struct xenstore_node *xenstore_walk_next(struct xenstore_walk *walk)
{
    struct xenstore_walk_level *level = walk->levels;

    if (walk->depth == 0) {
        struct xenstore_node *first = level->node;
        walk->depth = first != NULL;
        level->node = first;
        return first;
    }
    for (;;) {
        level = &walk->levels[walk->depth - 1];
        if (level->next < level->node->child_count && walk->depth <= XENSTORE_DEPTH_MAX + 1) {
            break;
        }
        if (--walk->depth == 0) {
            level->node = NULL;
            return NULL;
        }
    }
    struct xenstore_node *child = level->node->children[level->next++];
    size_t at = level->length > 1 ? level->length : 0, size = child->name_length;
    walk->path[at] = '/';
    memcpy(walk->path + at + 1, child->name, size + 1);
    walk->levels[walk->depth++] = (struct xenstore_walk_level){child, 0, (uint32_t)(at + 1 + size)};
    return child;
}

void xenstore_walk_skip(struct xenstore_walk *walk)
{
    struct xenstore_walk_level *level = &walk->levels[walk->depth - 1];

    level->next = level->node->child_count;
}

unsigned int xenstore_path_depth(const char *path)
{
    unsigned int depth = 0;

    for (; *path; path++) {
        depth += *path == '/';
    }
    return depth;
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
