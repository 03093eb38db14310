// SPDX-License-Identifier: MIT
/*
 * Tells watches of changes, in turns.
 *
 * A change is told to the watches of its path and of all paths above it, found level by level in
 * the hash of watches; after a removal also to those of the nodes that were below, each told its
 * own path. That can be long (everybody's watches times all changes of a transaction), so it rests
 * wherever the turn is over: before a watch, which is held meanwhile, or in the walk below a
 * removed node. It rests as well when dom0 has no memory for an event: none is lost.
 */
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"

#define CHARACTERS_PER_STEP 128U /* of a path */

struct target {
    struct xenstore *store;
    struct xenstore_firing *firing;
    const char *path;
    const struct xenstore_node *node, *parent;
};

static bool watch_wants(const struct target *target, const struct xenstore_watch *watch,
                        uint32_t hash, size_t length)
{
    unsigned int levels;

    return watch->hash == hash && watch->connection && !watch->connection->broken &&
           strncmp(watch->path, target->path, length) == 0 && watch->path[length] == '\0' &&
           xenstore_path_below(watch->path, target->path, &levels) &&
           (watch->depth < 0 || levels <= (unsigned int)watch->depth) &&
           xenstore_watch_sees(watch, target->node, target->parent);
}

/* Rests before a watch. */
static bool rest(struct target *target, struct xenstore_watch *watch)
{
    watch->holds++;
    target->firing->watch = watch;
    return false;
}

/* Tells the watches of the first `length` characters of the path. False: not all of them. */
static bool level_tell(struct target *target, size_t length, uint32_t hash)
{
    struct xenstore *store = target->store;
    struct xenstore_watch *held = target->firing->watch;
    struct xenstore_watch *watch = held ? held : store->watches[hash % XENSTORE_HASH];

    target->firing->watch = NULL;
    while (watch) {
        struct xenstore_watch *next = watch->next_hash;
        if (xenstore_turn_over(store) ||
            (watch_wants(target, watch, hash, length) && !xenstore_event(watch, target->path))) {
            rest(target, watch);
            if (held) {
                xenstore_watch_put(store, held);
            }
            return false;
        }
        store->books.work++;
        if (held) {
            xenstore_watch_put(store, held);
            held = NULL;
        }
        watch = next;
    }
    return true;
}

/* The path's own watches, and those of all levels above. */
static bool path_tell(struct target *target)
{
    struct xenstore_firing *firing = target->firing;
    uint32_t hash = xenstore_hash_start(target->store);

    for (size_t i = 0; target->path[i]; i++) {
        const char after = target->path[i + 1];
        hash = xenstore_hash_step(hash, target->path[i]);
        if ((i == 0 || after == '/' || after == '\0') && i >= firing->level) {
            if (xenstore_turn_over(target->store) || !level_tell(target, i + 1, hash)) {
                return false;
            }
            target->store->books.work += 1 + (i + 1 - firing->level) / CHARACTERS_PER_STEP;
            firing->level = (uint32_t)i + 1;
        }
    }
    return true;
}

/* Counts out what was removed, and tells the watches of each node below. */
static bool removed_tell(struct target *target, const struct xenstore_record *record)
{
    struct xenstore_firing *firing = target->firing;
    struct xenstore *store = target->store;

    if (!firing->walk) {
        firing->walk = malloc(sizeof(*firing->walk));
        if (!firing->walk) {
            return false;
        }
        xenstore_walk_start(firing->walk, record->node, record->change.path);
        firing->below = xenstore_walk_next(firing->walk);
    }
    target->path = firing->walk->path;
    target->parent = NULL;
    for (; firing->below; firing->below = xenstore_walk_next(firing->walk)) {
        const size_t length = strlen(target->path);
        target->node = firing->below;
        xenstore_node_leave(store, firing->below);
        if (xenstore_turn_over(store) ||
            (firing->below != record->node &&
             !level_tell(target, length, xenstore_hash_text(store, target->path)))) {
            return false;
        }
        store->books.work++;
    }
    free(firing->walk);
    firing->walk = NULL;
    return true;
}

static bool record_tell(struct xenstore_connection *connection,
                        const struct xenstore_record *record)
{
    struct target target = {connection->store, &connection->firing, record->change.path,
                            record->node, record->parent};

    if (!connection->firing.walk && !path_tell(&target)) {
        return false;
    }
    return record->change.kind != XENSTORE_CHANGE_REMOVE || !record->node ||
           removed_tell(&target, record);
}

bool xenstore_fire(struct xenstore_connection *connection)
{
    struct xenstore_firing *firing = &connection->firing;
    struct xenstore_record *record;

    while ((record = firing->head) != NULL) {
        if (!record_tell(connection, record)) {
            return false;
        }
        firing->level = 0;
        firing->head = record->next;
        if (!firing->head) {
            firing->tail = &firing->head;
        }
        if (!connection->privileged) {
            connection->memory -= record->size;
        }
        xenstore_record_free(connection->store, record);
    }
    return true;
}

/* The first change starts again: an event that is told twice is merged or does no harm. */
void xenstore_fire_hand_over(struct xenstore_connection *from, struct xenstore_connection *to)
{
    struct xenstore_firing *firing = &from->firing;
    struct xenstore_record *record;

    if (firing->watch) {
        xenstore_watch_put(from->store, firing->watch);
    }
    free(firing->walk);
    firing->watch = NULL;
    firing->walk = NULL;
    firing->level = 0;
    while ((record = firing->head) != NULL) {
        firing->head = record->next;
        from->memory -= from->privileged ? 0 : record->size;
        record->next = NULL;
        if (to && to != from) {
            *to->firing.tail = record;
            to->firing.tail = &record->next;
        } else {
            xenstore_record_free(from->store, record);
        }
    }
    firing->tail = &firing->head;
}
