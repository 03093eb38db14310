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
    return xenstore_tree_init(&store->tree);
}

void xenstore_destroy(struct xenstore *store)
{
    while (store->connections) {
        xenstore_disconnect(store->connections);
    }
    for (unsigned int i = 0; i < XENSTORE_HASH; i++) {
        while (store->domains[i]) {
            struct xenstore_domain *domain = store->domains[i];
            store->domains[i] = domain->next;
            free(domain);
        }
    }
    xenstore_tree_free(&store->tree);
}

struct xenstore_connection *xenstore_connect(struct xenstore *store, uint16_t domid)
{
    struct xenstore_connection *connection = calloc(1, sizeof(*connection));

    if (connection) {
        connection->store = store;
        connection->domid = connection->target = domid;
        connection->privileged = domid == 0;
        connection->output_tail = &connection->output;
        connection->next = store->connections;
        store->connections = connection;
    }
    return connection;
}

void xenstore_disconnect(struct xenstore_connection *connection)
{
    struct xenstore_connection **slot = &connection->store->connections;
    struct xenstore_message *message;

    xenstore_transaction_reset(connection);
    xenstore_watch_reset(connection);
    while ((message = xenstore_output_take(connection)) != NULL) {
        free(message);
    }
    while (*slot != connection) {
        slot = &(*slot)->next;
    }
    *slot = connection->next;
    free(connection);
}

void xenstore_send(struct xenstore_connection *connection, const struct xsd_sockmsg *header,
                   const void *payload, size_t length)
{
    struct xenstore_message *message;

    if (connection->broken) {
        return;
    }
    if (!connection->privileged && connection->output_size + length > XENSTORE_OUTPUT_MAX) {
        connection->broken = true; /* it does not read what it asked for */
        return;
    }
    message = malloc(sizeof(*message) + length);
    if (!message) {
        connection->broken = true;
        return;
    }
    message->next = NULL;
    message->header = *header;
    message->header.len = (uint32_t)length;
    message->sent = 0;
    memcpy(message->payload, payload, length);
    *connection->output_tail = message;
    connection->output_tail = &message->next;
    connection->output_size += sizeof(*message) + length;
    if (connection->notify) {
        connection->notify(connection);
    }
}

struct xenstore_message *xenstore_output_take(struct xenstore_connection *connection)
{
    struct xenstore_message *message = connection->output;

    if (message) {
        connection->output = message->next;
        connection->output_size -= sizeof(*message) + message->header.len;
        if (!connection->output) {
            connection->output_tail = &connection->output;
        }
    }
    return message;
}

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

    return domain ? domain->nodes * XENSTORE_NODE_COST + domain->bytes : 0;
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

void xenstore_domain_release(struct xenstore *store, uint16_t domid, bool gone)
{
    struct xenstore_domain **slot = &store->domains[domid % XENSTORE_HASH];

    if (gone) {
        xenstore_domain_purge(store, domid);
        while (*slot && (*slot)->domid != domid) {
            slot = &(*slot)->next;
        }
        if (*slot) {
            struct xenstore_domain *domain = *slot;
            *slot = domain->next;
            free(domain);
        }
    }
    xenstore_watch_fire_special(store, 1, domid);
}

bool xenstore_domain_introduced(const struct xenstore *store, uint16_t domid)
{
    const struct xenstore_domain *domain = store->domains[domid % XENSTORE_HASH];

    while (domain && domain->domid != domid) {
        domain = domain->next;
    }
    return domid == 0 || (domain && domain->introduced);
}
