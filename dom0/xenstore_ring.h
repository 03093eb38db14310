// SPDX-License-Identifier: MIT
/*
 * A domU's page of the wire protocol: takes whole requests from the ring and puts the connection's
 * output back. The page is the guest's and hostile: each index is read once, a header's length is
 * checked before a byte of payload is taken, and input stops while much output waits.
 */
#pragma once

#include "dom0/xenstore.h"

/* Replies and events that may wait before no more requests are taken. */
#define XENSTORE_RING_BACKLOG 32U

struct xenstore_ring {
    struct xenstore_domain_interface *page;
    struct xenstore_connection *connection;
    struct xenstore_message *sending; /* on its way into the page */
    uint32_t sent;                    /* bytes of it, with its header */
    uint32_t received;                /* bytes of the request so far */
    struct xsd_sockmsg header;
    char payload[XENSTORE_PAYLOAD_MAX];
};

void xenstore_ring_init(struct xenstore_ring *ring, struct xenstore_domain_interface *page,
                        struct xenstore_connection *connection);
/* Before the page and the connection go. */
void xenstore_ring_end(struct xenstore_ring *ring);
/*
 * Moves what can be moved, both ways, at most `budget` requests and about
 * one turn of work; none while the connection has work left over from the last one. True if the other side should get
 * an event. Afterwards connection->broken says that the guest has broken the protocol: the page's
 * error field then says how, and the ring is not to be served any more.
 */
bool xenstore_ring_serve(struct xenstore_ring *ring, unsigned int budget);
/* True if serve would find something to do. */
bool xenstore_ring_has_work(const struct xenstore_ring *ring);
