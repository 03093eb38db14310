// SPDX-License-Identifier: MIT
/*
 * The transport between xenbus and the store's core: a connection of domain 0 whose answers and
 * events are handed over as soon as they are queued, within the call that made them.
 */
#include <stdlib.h>

#include "dom0/xenstore_xenbus.h"
#include "pvguest/errno.h"
#include "pvguest/xenbus.h"

static struct xenstore_connection *connection;

static void output_take(struct xenstore_connection *from)
{
    struct xenstore_message *message;
    while ((message = xenstore_output_take(from)) != NULL) {
        xenbus_receive(&message->header, message->payload);
        free(message);
    }
}

static int request_send(struct xenbus_transport *transport, const struct xsd_sockmsg *header,
                        const void *payload)
{
    (void)transport;
    xenstore_settle(connection);
    return xenstore_request(connection, header, payload);
}

int xenstore_xenbus_attach(struct xenstore *store)
{
    static struct xenbus_transport transport = {.send = request_send};
    connection = xenstore_connect(store, 0);
    if (connection == NULL) {
        return -XEN_ENOMEM;
    }
    connection->notify = output_take;
    return xenbus_register_transport(&transport);
}
