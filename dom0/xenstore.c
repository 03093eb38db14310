// SPDX-License-Identifier: MIT
/* The store's life, its connections and their output, and what it knows of domains. */
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"

const char *xenstore_error_name(int error)
{
    switch (error < 0 ? -error : error) {
#define NAME(e)                                                                                    \
    case XEN_##e:                                                                                  \
        return #e
        NAME(EACCES);
        NAME(EEXIST);
        NAME(EISDIR);
        NAME(ENOENT);
        NAME(ENOMEM);
        NAME(ENOSPC);
        NAME(EIO);
        NAME(ENOTEMPTY);
        NAME(ENOSYS);
        NAME(EROFS);
        NAME(EBUSY);
        NAME(EAGAIN);
        NAME(EISCONN);
        NAME(E2BIG);
        NAME(EPERM);
#undef NAME
    default:
        return "EINVAL";
    }
}

int xenstore_init(struct xenstore *store)
{
    memset(store, 0, sizeof(*store));
    store->newest = &store->oldest;
    if (xenstore_tree_init(&store->tree, &store->books)) {
        xenstore_tree_reap(&store->books, UINT64_MAX);
        return -XEN_ENOMEM;
    }
    store->self = xenstore_connect(store, 0);
    if (!store->self) {
        xenstore_destroy(store);
        return -XEN_ENOMEM;
    }
    store->tree.root->live = true;
    store->live = xenstore_node_size(store->tree.root);
    return 0;
}

bool xenstore_reap(struct xenstore *store, uint64_t limit)
{
    return xenstore_tree_reap(&store->books, limit) && xenstore_transactions_reap(store, limit);
}

void xenstore_turn(struct xenstore *store)
{
    store->limit = store->books.work + XENSTORE_TURN;
}

bool xenstore_turn_over(const struct xenstore *store)
{
    return store->books.work >= store->limit;
}

void xenstore_destroy(struct xenstore *store)
{
    store->self = NULL; /* nothing is handed over any more */
    while (store->connections) {
        xenstore_disconnect(store->connections);
    }
    for (unsigned int i = 0; i < XENSTORE_HASH; i++) {
        while (store->domains[i]) {
            struct xenstore_domain *domain = store->domains[i];
            store->domains[i] = domain->next;
            if (domain->purging) {
                xenstore_tree_free(&domain->purge_tree);
                free(domain->purge_walk);
                while (domain->purge_batch) {
                    struct xenstore_record *record = domain->purge_batch;
                    domain->purge_batch = record->next;
                    xenstore_record_free(store, record);
                }
            }
            free(domain);
        }
    }
    xenstore_tree_free(&store->tree);
    xenstore_reap(store, UINT64_MAX);
    xenstore_tree_reap(&store->books, UINT64_MAX); /* what records held */
}

struct xenstore_connection *xenstore_connect(struct xenstore *store, uint16_t domid)
{
    struct xenstore_connection *connection = calloc(1, sizeof(*connection));
    struct xenstore_message *spare = malloc(sizeof(*spare) + XENSTORE_SPARE);

    if (!connection || !spare) {
        free(connection);
        free(spare);
        return NULL;
    }
    connection->store = store;
    connection->domid = connection->target = domid;
    connection->privileged = domid == 0;
    connection->spare = spare;
    connection->replies_tail = &connection->replies;
    connection->events_tail = &connection->events;
    connection->firing.tail = &connection->firing.head;
    connection->next = store->connections;
    store->connections = connection;
    return connection;
}

static void output_drop(struct xenstore_connection *connection)
{
    struct xenstore_message *message;

    while ((message = xenstore_output_take(connection)) != NULL) {
        free(message);
    }
}

void xenstore_disconnect(struct xenstore_connection *connection)
{
    struct xenstore_connection **slot = &connection->store->connections;

    xenstore_transaction_reset(connection);
    xenstore_watch_reset(connection);
    xenstore_fire_hand_over(connection, connection->store->self);
    output_drop(connection);
    while (*slot != connection) {
        slot = &(*slot)->next;
    }
    *slot = connection->next;
    free(connection->spare);
    free(connection);
}

void xenstore_break(struct xenstore_connection *connection)
{
    connection->broken = true;
    connection->store->shedding |= !connection->shed;
}

/* What a broken connection has is of no use any more. Not while its watches are looked at. */
void xenstore_connections_shed(struct xenstore *store)
{
    if (!store->shedding) {
        return;
    }
    store->shedding = false;
    for (struct xenstore_connection *c = store->connections; c; c = c->next) {
        if (c->broken && !c->shed) {
            c->shed = true;
            xenstore_watch_reset(c);
            xenstore_transaction_reset(c);
            xenstore_fire_hand_over(c, store->self);
            output_drop(c);
        }
    }
}

bool xenstore_busy(const struct xenstore_connection *connection)
{
    return connection->firing.head != NULL;
}

void xenstore_settle(struct xenstore_connection *connection)
{
    struct xenstore *store = connection->store;

    while (xenstore_busy(connection)) {
        if (store->pause) {
            store->pause(store);
        } else {
            xenstore_work(store);
        }
    }
}

bool xenstore_work(struct xenstore *store)
{
    bool done = true;

    for (struct xenstore_connection *c = store->connections; c; c = c->next) {
        if (xenstore_busy(c)) {
            xenstore_turn(store);
            done &= xenstore_fire(c);
        }
    }
    if (store->purges > 0) {
        xenstore_turn(store);
        done &= xenstore_purge(store);
    }
    xenstore_turn(store);
    done &= xenstore_reap(store, store->limit);
    xenstore_connections_shed(store);
    return !done;
}

/* --- output ----------------------------------------------------------------------------------- */

static size_t message_size(const struct xenstore_message *message)
{
    return xenstore_block(sizeof(*message) + message->header.len);
}

static struct xenstore_message *message_alloc(size_t length)
{
    struct xenstore_message *message = malloc(sizeof(*message) + length);

    if (message) {
        memset(message, 0, sizeof(*message));
    }
    return message;
}

/* Counts a message that is queued; false if it is one too many, and frees it. */
static bool message_enter(struct xenstore_connection *connection, struct xenstore_message *message)
{
    const size_t size = message_size(message);

    if (connection->broken ||
        (!connection->privileged && connection->output_size + size > XENSTORE_OUTPUT_MAX)) {
        xenstore_break(connection); /* it does not read what it asked for */
        free(message);
        return false;
    }
    connection->output_size += size;
    return true;
}

static void message_notify(struct xenstore_connection *connection)
{
    if (connection->notify) {
        connection->notify(connection);
    }
}

int xenstore_reply(struct xenstore_connection *connection, const struct xsd_sockmsg *header,
                   const void *payload, size_t length)
{
    struct xenstore_message *message = connection->spare;

    if (length <= XENSTORE_SPARE && message) {
        connection->spare = NULL;
        memset(message, 0, sizeof(*message));
    } else {
        message = message_alloc(length);
    }
    if (!message) {
        return -XEN_ENOMEM;
    }
    message->header = *header;
    message->header.len = (uint32_t)length;
    memcpy(message->payload, payload, length);
    if (message_enter(connection, message)) {
        *connection->replies_tail = message;
        connection->replies_tail = &message->next;
        connection->reply_count++;
        message_notify(connection);
    }
    return 0;
}

/* The event that waits and is equal, or the end of its bucket. */
static struct xenstore_message **event_find(const struct xenstore_watch *watch, const char *path,
                                            uint32_t hash)
{
    struct xenstore_message **slot = &watch->connection->event_hash[hash % XENSTORE_EVENT_HASH];

    while (*slot && ((*slot)->hash != hash || (*slot)->watch != watch->id ||
                     strcmp((*slot)->payload, path) != 0)) {
        watch->connection->store->books.work += 1;
        slot = &(*slot)->next_hash;
    }
    return slot;
}

bool xenstore_event(struct xenstore_watch *watch, const char *path)
{
    struct xenstore_connection *connection = watch->connection;
    const size_t token_size = strlen(watch->token) + 1;

    path += path[0] == '/' ? watch->skip : 0;
    if (connection->privileged && connection->event_count >= XENSTORE_EVENTS_MAX) {
        path = watch->path + watch->skip; /* "look at all of it" */
    }
    const size_t path_size = strlen(path) + 1;
    if (path_size + token_size > XENSTORE_PAYLOAD_MAX || connection->broken) {
        return true; /* the client could not be told in one message */
    }
    const uint32_t hash = xenstore_hash_text(connection->store, path) ^
                          (uint32_t)watch->id * 2654435761U;
    struct xenstore_message **slot = event_find(watch, path, hash);
    if (*slot) {
        return true; /* says already all that a second one would */
    }
    struct xenstore_message *message = message_alloc(path_size + token_size);
    if (!message) {
        return false;
    }
    message->header.type = XS_WATCH_EVENT;
    message->header.len = (uint32_t)(path_size + token_size);
    message->watch = watch->id;
    message->hash = hash;
    memcpy(message->payload, path, path_size);
    memcpy(message->payload + path_size, watch->token, token_size);
    if (message_enter(connection, message)) {
        *slot = message;
        *connection->events_tail = message;
        connection->events_tail = &message->next;
        connection->event_count++;
        message_notify(connection);
    }
    return true;
}

struct xenstore_message *xenstore_reply_take(struct xenstore_connection *connection)
{
    struct xenstore_message *message = connection->replies;

    if (message) {
        connection->replies = message->next;
        connection->reply_count--;
        connection->output_size -= message_size(message);
        if (!connection->replies) {
            connection->replies_tail = &connection->replies;
        }
    }
    return message;
}

/* The oldest of all is the oldest of its bucket too. */
struct xenstore_message *xenstore_event_take(struct xenstore_connection *connection)
{
    struct xenstore_message *message = connection->events;

    if (message) {
        connection->events = message->next;
        connection->event_hash[message->hash % XENSTORE_EVENT_HASH] = message->next_hash;
        connection->event_count--;
        connection->output_size -= message_size(message);
        if (!connection->events) {
            connection->events_tail = &connection->events;
        }
    }
    return message;
}

struct xenstore_message *xenstore_output_take(struct xenstore_connection *connection)
{
    struct xenstore_message *message = xenstore_reply_take(connection);

    return message ? message : xenstore_event_take(connection);
}

/* --- domains ---------------------------------------------------------------------------------- */

struct xenstore_domain *xenstore_domain_find(struct xenstore *store, uint16_t domid, bool create)
{
    struct xenstore_domain **bucket = &store->domains[domid % XENSTORE_HASH];
    struct xenstore_domain *domain = *bucket;

    while (domain && domain->domid != domid) {
        domain = domain->next;
    }
    if (!domain && create) {
        domain = calloc(1, sizeof(*domain));
        if (domain) {
            domain->domid = domid;
            domain->next = *bucket;
            *bucket = domain;
        }
    }
    return domain;
}

size_t xenstore_domain_memory(const struct xenstore_connection *connection)
{
    const struct xenstore_domain *domain = xenstore_domain_find(connection->store,
                                                                connection->domid, false);

    return domain ? domain->bytes : 0;
}

int xenstore_memory_check(const struct xenstore_connection *connection, size_t bytes)
{
    size_t used = connection->memory + connection->output_size;

    if (connection->privileged) {
        return 0;
    }
    return used + xenstore_domain_memory(connection) + bytes > XENSTORE_MEMORY_MAX ? -XEN_ENOMEM
                                                                                   : 0;
}

int xenstore_domain_introduce(struct xenstore *store, uint16_t domid)
{
    struct xenstore_domain *domain = xenstore_domain_find(store, domid, true);

    if (!domain) {
        return -XEN_ENOMEM;
    }
    if (!domain->introduced) {
        domain->introduced = true;
        xenstore_watch_fire_special(store, 0, domid);
    }
    return 0;
}

bool xenstore_domain_introduced(const struct xenstore *store, uint16_t domid)
{
    const struct xenstore_domain *domain = store->domains[domid % XENSTORE_HASH];

    while (domain && domain->domid != domid) {
        domain = domain->next;
    }
    return domid == 0 || (domain && domain->introduced);
}
