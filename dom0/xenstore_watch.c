// SPDX-License-Identifier: MIT
/*
 * Watches. All watches of a store stand in one hash table by path, so that a change looks only at
 * its own path and those above it: the cost does not grow with the number of domains. The hash starts
 * from a seed that outsiders do not know.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"

static const char *const special_names[] = {"@introduceDomain", "@releaseDomain"};

uint32_t xenstore_hash_start(const struct xenstore *store)
{
    return 2166136261U ^ store->seed;
}

uint32_t xenstore_hash_step(uint32_t hash, char c)
{
    hash = (hash ^ (uint8_t)c) * 16777619U;
    return hash ^ (hash >> 15);
}

uint32_t xenstore_hash_text(const struct xenstore *store, const char *text)
{
    uint32_t hash = xenstore_hash_start(store);

    for (; *text; text++) {
        hash = xenstore_hash_step(hash, *text);
    }
    return hash;
}

static size_t watch_size(const struct xenstore_watch *watch)
{
    return xenstore_block(sizeof(*watch) + strlen(watch->path) + 1 + strlen(watch->token) + 1);
}

/* The connection's watch of this path and token. */
static struct xenstore_watch *watch_find(const struct xenstore_connection *connection,
                                         const char *path, uint32_t hash, const char *token)
{
    struct xenstore_watch *watch = connection->store->watches[hash % XENSTORE_HASH];

    while (watch && (watch->hash != hash || watch->connection != connection ||
                     strcmp(watch->path, path) != 0 || strcmp(watch->token, token) != 0)) {
        watch = watch->next_hash;
    }
    return watch;
}

static void watch_link(struct xenstore_watch *watch)
{
    struct xenstore_connection *connection = watch->connection;
    struct xenstore_watch **bucket = &connection->store->watches[watch->hash % XENSTORE_HASH];

    watch->next_hash = *bucket;
    *bucket = watch;
    watch->link = &connection->watches;
    watch->next = connection->watches;
    if (watch->next) {
        watch->next->link = &watch->next;
    }
    connection->watches = watch;
    connection->watch_count++;
    connection->memory += watch_size(watch);
}

int xenstore_watch_add(struct xenstore_connection *connection, const char *path, uint32_t skip,
                       const char *token, struct xenstore_watch **added)
{
    const size_t length = strlen(path);
    const size_t size = sizeof(**added) + length + 1 + strlen(token) + 1;
    const uint32_t hash = xenstore_hash_text(connection->store, path);
    struct xenstore_watch *watch;

    if (watch_find(connection, path, hash, token)) {
        return -XEN_EEXIST;
    }
    if (!connection->privileged && connection->watch_count >= XENSTORE_WATCHES_MAX) {
        return -XEN_E2BIG;
    }
    watch = xenstore_memory_check(connection, xenstore_block(size)) ? NULL : calloc(1, size);
    if (!watch) {
        return -XEN_ENOMEM;
    }
    strcpy(watch->path, path);
    watch->token = watch->path + length + 1;
    strcpy(watch->token, token);
    watch->connection = connection;
    watch->id = ++connection->store->watch_last;
    watch->depth = -1;
    watch->skip = skip;
    watch->hash = hash;
    watch_link(watch);
    *added = watch;
    return 0;
}

static void watch_free(struct xenstore *store, struct xenstore_watch *watch)
{
    struct xenstore_watch **slot = &store->watches[watch->hash % XENSTORE_HASH];

    while (*slot != watch) {
        slot = &(*slot)->next_hash;
    }
    *slot = watch->next_hash;
    free(watch);
}

void xenstore_watch_put(struct xenstore *store, struct xenstore_watch *watch)
{
    if (--watch->holds == 0 && !watch->connection) {
        watch_free(store, watch);
    }
}

static void watch_end(struct xenstore_watch *watch)
{
    struct xenstore_connection *connection = watch->connection;

    *watch->link = watch->next;
    if (watch->next) {
        watch->next->link = watch->link;
    }
    connection->watch_count--;
    connection->memory -= watch_size(watch);
    watch->connection = NULL;
    if (watch->holds == 0) {
        watch_free(connection->store, watch);
    }
}

int xenstore_watch_remove(struct xenstore_connection *connection, const char *path,
                          const char *token)
{
    struct xenstore_watch *watch = watch_find(connection, path,
                                              xenstore_hash_text(connection->store, path), token);

    if (!watch) {
        return -XEN_ENOENT;
    }
    watch_end(watch);
    return 0;
}

void xenstore_watch_reset(struct xenstore_connection *connection)
{
    while (connection->watches) {
        watch_end(connection->watches);
    }
}

bool xenstore_watch_sees(const struct xenstore_watch *watch, const struct xenstore_node *node,
                         const struct xenstore_node *parent)
{
    const struct xenstore_connection *connection = watch->connection;

    return connection->privileged ||
           (node && (xenstore_rights(connection, node->perms, node->perm_count) & XENSTORE_READ)) ||
           (parent &&
            (xenstore_rights(connection, parent->perms, parent->perm_count) & XENSTORE_READ));
}

/* Watches of exactly `name` are told of it, or of `path` if they ask for one level more. */
static void special_tell(struct xenstore *store, const char *name, const char *path,
                         const struct xenstore_perm *perms)
{
    const uint32_t hash = xenstore_hash_text(store, name);

    for (struct xenstore_watch *watch = store->watches[hash % XENSTORE_HASH]; watch;
         watch = watch->next_hash) {
        if (watch->hash == hash && watch->connection && strcmp(watch->path, name) == 0 &&
            (xenstore_rights(watch->connection, perms, 2) & XENSTORE_READ)) {
            xenstore_event(watch, watch->depth == 1 ? path : name);
        }
    }
}

void xenstore_watch_fire_special(struct xenstore *store, unsigned int which, uint16_t domid)
{
    char path[32];

    snprintf(path, sizeof(path), "%s/%u", special_names[which], domid);
    special_tell(store, special_names[which], path, store->special[which]);
    special_tell(store, path, path, store->special[which]);
}
