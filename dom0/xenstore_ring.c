// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore_ring.h"

static uint32_t index_load(const XENSTORE_RING_IDX *index)
{
    /* Pairs with the guest's release of its producer or consumer index. */
    return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static void index_store(XENSTORE_RING_IDX *index, uint32_t value)
{
    /* The bytes moved must be visible (or taken) before the index says so. */
    __atomic_store_n(index, value, __ATOMIC_RELEASE);
}

void xenstore_ring_init(struct xenstore_ring *ring, struct xenstore_domain_interface *page,
                        struct xenstore_connection *connection)
{
    memset(ring, 0, sizeof(*ring));
    ring->page = page;
    ring->connection = connection;
    page->server_features = XENSTORE_SERVER_FEATURE_ERROR;
}

void xenstore_ring_end(struct xenstore_ring *ring)
{
    free(ring->sending);
    ring->sending = NULL;
}

static void ring_break(struct xenstore_ring *ring, uint32_t error)
{
    xenstore_break(ring->connection);
    __atomic_store_n(&ring->page->error, error, __ATOMIC_RELEASE);
}

/* Takes at most `length` bytes out of the request ring; the number taken. */
static uint32_t ring_take(struct xenstore_ring *ring, void *to, uint32_t length)
{
    struct xenstore_domain_interface *page = ring->page;
    uint32_t cons = index_load(&page->req_cons), prod = index_load(&page->req_prod);
    uint32_t taken = 0;

    if (prod - cons > XENSTORE_RING_SIZE) {
        ring_break(ring, XENSTORE_ERROR_RINGIDX);
        return 0;
    }
    while (taken < length && cons != prod) {
        uint32_t at = MASK_XENSTORE_IDX(cons);
        uint32_t chunk = XENSTORE_RING_SIZE - at;
        chunk = chunk > prod - cons ? prod - cons : chunk;
        chunk = chunk > length - taken ? length - taken : chunk;
        memcpy((char *)to + taken, page->req + at, chunk);
        taken += chunk;
        cons += chunk;
    }
    index_store(&page->req_cons, cons);
    return taken;
}

static uint32_t ring_put(struct xenstore_ring *ring, const void *from, uint32_t length)
{
    struct xenstore_domain_interface *page = ring->page;
    uint32_t cons = index_load(&page->rsp_cons), prod = index_load(&page->rsp_prod);
    uint32_t put = 0;

    if (prod - cons > XENSTORE_RING_SIZE) {
        ring_break(ring, XENSTORE_ERROR_RINGIDX);
        return 0;
    }
    while (put < length && prod - cons < XENSTORE_RING_SIZE) {
        uint32_t at = MASK_XENSTORE_IDX(prod);
        uint32_t chunk = XENSTORE_RING_SIZE - at;
        uint32_t room = XENSTORE_RING_SIZE - (prod - cons);
        chunk = chunk > room ? room : chunk;
        chunk = chunk > length - put ? length - put : chunk;
        memcpy(page->rsp + at, (const char *)from + put, chunk);
        put += chunk;
        prod += chunk;
    }
    index_store(&page->rsp_prod, prod);
    return put;
}

/* Takes one request; true when it is whole. */
static bool request_receive(struct xenstore_ring *ring, bool *moved)
{
    const uint32_t header_size = sizeof(ring->header);
    uint32_t taken;

    if (ring->received < header_size) {
        taken = ring_take(ring, (char *)&ring->header + ring->received,
                          header_size - ring->received);
        *moved |= taken > 0;
        ring->received += taken;
        if (ring->received < header_size) {
            return false;
        }
        if (ring->header.len > XENSTORE_PAYLOAD_MAX) {
            ring_break(ring, XENSTORE_ERROR_PROTO);
            return false;
        }
    }
    if (ring->received < header_size + ring->header.len) {
        taken = ring_take(ring, ring->payload + (ring->received - header_size),
                          header_size + ring->header.len - ring->received);
        *moved |= taken > 0;
        ring->received += taken;
    }
    return ring->received == header_size + ring->header.len;
}

/* The next bytes of the message on its way: of its header, then of its payload. */
static uint32_t message_put(struct xenstore_ring *ring)
{
    const struct xenstore_message *m = ring->sending;
    const uint32_t header_size = sizeof(m->header);

    return ring->sent < header_size
               ? ring_put(ring, (const char *)&m->header + ring->sent, header_size - ring->sent)
               : ring_put(ring, m->payload + (ring->sent - header_size),
                          header_size + m->header.len - ring->sent);
}

static bool output_flush(struct xenstore_ring *ring)
{
    bool moved = false;

    for (;;) {
        if (!ring->sending) {
            ring->sending = xenstore_output_take(ring->connection);
            ring->sent = 0;
        }
        if (!ring->sending) {
            return moved;
        }
        uint32_t put = message_put(ring);
        moved |= put > 0;
        ring->sent += put;
        if (ring->sent == sizeof(ring->sending->header) + ring->sending->header.len) {
            xenstore_ring_end(ring);
        } else if (put == 0) {
            return moved; /* the ring is full (or broken) */
        }
    }
}

static bool input_wanted(const struct xenstore_connection *connection)
{
    return !xenstore_busy(connection) &&
           connection->reply_count + connection->event_count < XENSTORE_RING_BACKLOG;
}

bool xenstore_ring_serve(struct xenstore_ring *ring, unsigned int budget)
{
    struct xenstore_connection *connection = ring->connection;
    const uint64_t limit = connection->store->books.work + XENSTORE_TURN;
    bool moved = false;

    for (; budget > 0 && !connection->broken && connection->store->books.work < limit; budget--) {
        moved |= output_flush(ring);
        if (connection->broken || !input_wanted(connection) || !request_receive(ring, &moved) ||
            xenstore_request(connection, &ring->header, ring->payload)) {
            break; /* out of memory: the request stays here for the next turn */
        }
        ring->received = 0;
    }
    if (!connection->broken) {
        moved |= output_flush(ring);
    }
    if (connection->broken) {
        xenstore_connections_shed(connection->store);
        xenstore_ring_end(ring);
        if (ring->page->error == XENSTORE_ERROR_NONE) {
            ring_break(ring, XENSTORE_ERROR_COMM);
        }
    }
    return moved || connection->broken;
}

bool xenstore_ring_has_work(const struct xenstore_ring *ring)
{
    const struct xenstore_connection *connection = ring->connection;
    const struct xenstore_domain_interface *page = ring->page;

    if (connection->broken) {
        return false;
    }
    if ((ring->sending || connection->replies || connection->events) &&
        index_load(&page->rsp_prod) - index_load(&page->rsp_cons) < XENSTORE_RING_SIZE) {
        return true;
    }
    return input_wanted(connection) &&
           (index_load(&page->req_prod) != index_load(&page->req_cons) ||
            (ring->received >= sizeof(ring->header) &&
             ring->received == sizeof(ring->header) + ring->header.len));
}
