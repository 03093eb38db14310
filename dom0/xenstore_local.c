// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore_local.h"

struct local {
    struct xs_transport transport; /* first: the library's view */
    struct xenstore_connection *connection;
    void (*wait)(void *context);
    void (*wake)(void *context);
    void *context;
};

static int message_give(struct xenstore_message *message, char **data, uint32_t *length)
{
    *data = malloc(message->header.len + 1);
    if (*data) {
        memcpy(*data, message->payload, message->header.len);
        (*data)[message->header.len] = '\0';
        *length = message->header.len;
    }
    free(message);
    return *data ? 0 : ENOMEM;
}

static int local_talk(struct xs_transport *transport, uint32_t *type, uint32_t transaction,
                      const void *payload, uint32_t length, char **reply, uint32_t *reply_length)
{
    struct local *local = (struct local *)transport;
    const struct xsd_sockmsg header = {.type = *type, .tx_id = transaction, .len = length};
    struct xenstore_message *answer;

    xenstore_settle(local->connection);
    if (xenstore_request(local->connection, &header, payload)) {
        return ENOMEM;
    }
    answer = xenstore_reply_take(local->connection);
    if (!answer) {
        return EIO;
    }
    *type = answer->header.type;
    return message_give(answer, reply, reply_length);
}

static int local_event(struct xs_transport *transport, bool wait, char **event, uint32_t *length)
{
    struct local *local = (struct local *)transport;
    struct xenstore_message *message;

    while ((message = xenstore_event_take(local->connection)) == NULL) {
        if (!wait || !local->wait) {
            return EAGAIN;
        }
        local->wait(local->context);
    }
    return message_give(message, event, length);
}

static void local_close(struct xs_transport *transport)
{
    struct local *local = (struct local *)transport;

    xenstore_disconnect(local->connection);
    free(local);
}

static void local_notify(struct xenstore_connection *connection)
{
    struct local *local = connection->context;

    if (local->wake) {
        local->wake(local->context);
    }
}

struct xs_transport *xenstore_local_open(struct xenstore *store, void (*wait)(void *context),
                                         void (*wake)(void *context), void *context)
{
    struct local *local = calloc(1, sizeof(*local));

    if (!local) {
        return NULL;
    }
    local->connection = xenstore_connect(store, 0);
    if (!local->connection) {
        free(local);
        return NULL;
    }
    local->transport = (struct xs_transport){
        .talk = local_talk, .event = local_event, .close = local_close};
    local->wait = wait;
    local->wake = wake;
    local->context = context;
    local->connection->context = local;
    local->connection->notify = local_notify;
    return &local->transport;
}
