// SPDX-License-Identifier: MIT
/*
 * Watches. All watches of a store stand in one hash table by path, so that a change looks only at
 * its own path and those above it: the cost does not grow with the number of domains.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"

static const char *const special_names[] = {"@introduceDomain", "@releaseDomain"};

static uint32_t hash_step(uint32_t hash, char c)
{
    return (hash ^ (uint8_t)c) * 16777619U;
}

static uint32_t hash_path(const char *path)
{
    uint32_t hash = 2166136261U;

    for (; *path; path++) {
        hash = hash_step(hash, *path);
    }
    return hash;
}

int xenstore_watch_add(struct xenstore_connection *connection, const char *path, uint32_t skip,
                       const char *token, int depth)
{
    struct xenstore_watch *watch;
    size_t length = strlen(path), size = sizeof(*watch) + length + 1 + strlen(token) + 1;

    for (watch = connection->watches; watch; watch = watch->next) {
        if (strcmp(watch->path, path) == 0 && strcmp(watch->token, token) == 0) {
            return -XEN_EEXIST;
        }
    }
    if (!connection->privileged && connection->watch_count >= XENSTORE_WATCHES_MAX) {
        return -XEN_E2BIG;
    }
    watch = xenstore_memory_check(connection, size) ? NULL : malloc(size);
    if (!watch) {
        return -XEN_ENOMEM;
    }
    strcpy(watch->path, path);
    watch->token = watch->path + length + 1;
    strcpy(watch->token, token);
    watch->connection = connection;
    watch->size = size;
    connection->memory += size;
    watch->depth = depth;
    watch->skip = skip;
    watch->hash = hash_path(path);
    watch->next = connection->watches;
    connection->watches = watch;
    connection->watch_count++;
    watch->next_hash = connection->store->watches[watch->hash % XENSTORE_HASH];
    connection->store->watches[watch->hash % XENSTORE_HASH] = watch;
    return 0;
}

static void watch_free(struct xenstore_watch *watch)
{
    struct xenstore_watch **slot = &watch->connection->store->watches[watch->hash % XENSTORE_HASH];

    while (*slot != watch) {
        slot = &(*slot)->next_hash;
    }
    *slot = watch->next_hash;
    watch->connection->watch_count--;
    watch->connection->memory -= watch->size;
    free(watch);
}

int xenstore_watch_remove(struct xenstore_connection *connection, const char *path,
                          const char *token)
{
    for (struct xenstore_watch **slot = &connection->watches; *slot; slot = &(*slot)->next) {
        struct xenstore_watch *watch = *slot;
        if (strcmp(watch->path, path) == 0 && strcmp(watch->token, token) == 0) {
            *slot = watch->next;
            watch_free(watch);
            return 0;
        }
    }
    return -XEN_ENOENT;
}

void xenstore_watch_reset(struct xenstore_connection *connection)
{
    while (connection->watches) {
        struct xenstore_watch *watch = connection->watches;
        connection->watches = watch->next;
        watch_free(watch);
    }
}

/* An event that waits already says all that a second one would. */
static bool event_waits(const struct xenstore_connection *connection, const char *event,
                        size_t length)
{
    for (const struct xenstore_message *m = connection->output; m; m = m->next) {
        if (m->header.type == XS_WATCH_EVENT && m->sent == 0 && m->header.len == length &&
            memcmp(m->payload, event, length) == 0) {
            return true;
        }
    }
    return false;
}

static void event_send(struct xenstore_watch *watch, const char *path)
{
    struct xsd_sockmsg header = {.type = XS_WATCH_EVENT};
    char event[XENSTORE_PAYLOAD_MAX];
    size_t path_size, token_size = strlen(watch->token) + 1;

    path += path[0] == '/' ? watch->skip : 0;
    path_size = strlen(path) + 1;
    if (path_size + token_size > sizeof(event)) {
        return; /* the client could not be told in one message */
    }
    memcpy(event, path, path_size);
    memcpy(event + path_size, watch->token, token_size);
    if (!event_waits(watch->connection, event, path_size + token_size)) {
        xenstore_send(watch->connection, &header, event, path_size + token_size);
    }
}

static bool may_see(const struct xenstore_connection *connection, const struct xenstore_node *node,
                    const struct xenstore_node *parent)
{
    return connection->privileged ||
           (node && (xenstore_rights(connection, node->perms, node->perm_count) & XENSTORE_READ)) ||
           (parent &&
            (xenstore_rights(connection, parent->perms, parent->perm_count) & XENSTORE_READ));
}

/* Tells the watches of the first `length` characters of `path`, whose hash is given. */
static void fire_level(struct xenstore *store, const char *path, size_t length, uint32_t hash,
                       const struct xenstore_node *node, const struct xenstore_node *parent)
{
    struct xenstore_watch *watch = store->watches[hash % XENSTORE_HASH];
    unsigned int levels;

    for (; watch; watch = watch->next_hash) {
        if (watch->hash != hash || strncmp(watch->path, path, length) != 0 ||
            watch->path[length] != '\0' || !xenstore_path_below(watch->path, path, &levels) ||
            (watch->depth >= 0 && levels > (unsigned int)watch->depth) ||
            !may_see(watch->connection, node, parent)) {
            continue;
        }
        event_send(watch, path);
    }
}

void xenstore_watch_fire(struct xenstore *store, const char *path, const struct xenstore_node *node,
                         const struct xenstore_node *parent)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; path[i]; i++) {
        hash = hash_step(hash, path[i]);
        if (i == 0 || path[i + 1] == '/' || path[i + 1] == '\0') {
            fire_level(store, path, i + 1, hash, node, parent);
        }
    }
}

void xenstore_watch_fire_exact(struct xenstore *store, const char *path,
                               const struct xenstore_node *node)
{
    fire_level(store, path, strlen(path), hash_path(path), node, NULL);
}

void xenstore_watch_fire_special(struct xenstore *store, unsigned int which, uint16_t domid)
{
    const char *name = special_names[which];
    const struct xenstore_perm *perms = store->special[which];
    uint32_t hash = hash_path(name);
    char path[32];

    snprintf(path, sizeof(path), "%s/%u", name, domid);
    for (struct xenstore_watch *watch = store->watches[hash % XENSTORE_HASH]; watch;
         watch = watch->next_hash) {
        if (watch->hash == hash && strcmp(watch->path, name) == 0 &&
            (xenstore_rights(watch->connection, perms, 2) & XENSTORE_READ)) {
            event_send(watch, watch->depth == 1 ? path : name);
        }
    }
    /* Watches of one domain's release. */
    hash = hash_path(path);
    for (struct xenstore_watch *watch = store->watches[hash % XENSTORE_HASH]; watch;
         watch = watch->next_hash) {
        if (watch->hash == hash && strcmp(watch->path, path) == 0 &&
            (xenstore_rights(watch->connection, perms, 2) & XENSTORE_READ)) {
            event_send(watch, path);
        }
    }
}
