// SPDX-License-Identifier: MIT
/*
 * A connection of netback: rings, event channels, and the thread that serves both directions
 * (netback_tx.c, netback_rx.c). A guest that dies leaves nothing behind: only the rings are mapped.
 * The rings are hostile: entries are copied once before they are looked at, producer indices are
 * checked, sizes are checked against the page and each other. A turn of the thread is one batch in
 * each direction, then others run.
 */
#include "dom0/netback_ring.h"

#include <stdlib.h>

#include "dom0/netback_private.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "pvguest/ring.h"
#include "pvguest/time.h"

void netback_ring_break(struct netback_ring *ring, const char *why)
{
    if (!ring->broken) {
        ring->broken = true;
        console_printf("%s: %s; closed\n", ring->options.net->name, why);
        ring->options.broken(ring->options.context);
    }
}

void netback_copies_run(struct netback_ring *ring)
{
    if (ring->copy_count != 0 && grant_copy(ring->copies, ring->copy_count) != 0) {
        for (unsigned int i = 0; i < ring->copy_count; i++) {
            ring->copies[i].status = GNTST_general_error;
        }
    }
}

/* The thread ---------------------------------------------------------------------------------------- */
static void ring_event(evtchn_port_t port, void *arg)
{
    struct netback_ring *ring = arg;

    (void)port;
    ring->work = true;
    wake_up(&ring->wait);
}

/* Asks for an event when something more arrives; true if something has arrived meanwhile. The first
 * fragments of a packet whose last ones are still to come are nothing new. */
static bool ring_rearm(struct netback_ring *ring)
{
    ring->tx.sring->req_event = ring->tx_seen + 1;
    ring->rx.sring->req_event = ring->rx.req_cons + 1;
    xen_mb();
    return ring->tx.sring->req_prod != ring->tx_seen || netback_rx_ready(ring);
}

/* For something to do; while the rate holds packets back, no longer than that. */
static void ring_wait(struct netback_ring *ring)
{
    uint64_t now = time_now(), held = ring->tx_held;

    ring->tx_held = 0;
    if (held == 0) {
        wait_event(&ring->wait, ring->work || ring->stopping);
    } else if (held > now) {
        (void)wait_event_timeout(&ring->wait, ring->work || ring->stopping, held - now);
    }
}

/* Whether the front end has put anything new onto a ring. An index that goes back and forth is nothing
 * new, and how far it can go ahead, the answers decide. */
static bool producer_moved(RING_IDX *most, const RING_IDX *producer)
{
    RING_IDX now = __atomic_load_n(producer, __ATOMIC_ACQUIRE);
    bool moved = (int32_t)(now - *most) > 0;

    *most = moved ? now : *most;
    return moved;
}

/* One turn after the other while there is something to do. */
static void ring_serve(struct netback_ring *ring)
{
    while (!ring->stopping && !ring->broken) {
        bool more = netback_tx_run(ring);
        more |= netback_rx_run(ring);
        if (!more) {
            break;
        }
        thread_yield();
    }
}

static void ring_thread(void *arg)
{
    struct netback_ring *ring = arg;

    while (!ring->stopping && !ring->broken) {
        ring_wait(ring);
        ring->work = false;
        bool news = producer_moved(&ring->tx_most, &ring->tx.sring->req_prod);
        news |= producer_moved(&ring->rx_most, &ring->rx.sring->req_prod);
        ring_serve(ring);
        if (!ring->options.can_wait) {
            netback_rx_drop(ring); /* nobody would say when there are pages */
        }
        if (!ring->broken && !ring->stopping && ring_rearm(ring)) {
            ring->work = true;
            thread_yield();
        }
        if (!ring->broken) {
            event_eoi(&ring->events[0], !news);
            event_eoi(&ring->events[1], !news);
        }
    }
    ring->running = false;
    wake_up(&ring->wait);
}

/* Opening and closing ------------------------------------------------------------------------------- */
static int ring_map(struct netback_ring *ring)
{
    const struct netback_ring_options *o = &ring->options;
    int error = grant_map(o->domid, &o->tx_grant, 1, false, &ring->tx_mapping);

    if (error != 0) {
        return error;
    }
    error = grant_map(o->domid, &o->rx_grant, 1, false, &ring->rx_mapping);
    if (error != 0) {
        grant_unmap(&ring->tx_mapping, 1);
        return error;
    }
    BACK_RING_INIT(&ring->tx, (struct netif_tx_sring *)ring->tx_mapping.address, PAGE_SIZE);
    BACK_RING_INIT(&ring->rx, (struct netif_rx_sring *)ring->rx_mapping.address, PAGE_SIZE);
    return 0;
}

static void ring_free(struct netback_ring *ring)
{
    event_late_unbind(&ring->events[1]);
    event_late_unbind(&ring->events[0]);
    netback_rx_detach(ring);
    grant_unmap(&ring->tx_mapping, 1);
    grant_unmap(&ring->rx_mapping, 1);
    free(ring);
}

static int ports_bind(struct netback_ring *ring)
{
    const struct netback_ring_options *o = &ring->options;
    int port = event_late_bind(&ring->events[0], o->domid, o->tx_port, ring_event, ring);

    if (port < 0) {
        return port;
    }
    ring->tx_port = ring->rx_port = (evtchn_port_t)port;
    if (o->rx_port != o->tx_port) {
        port = event_late_bind(&ring->events[1], o->domid, o->rx_port, ring_event, ring);
        if (port < 0) {
            return port;
        }
        ring->rx_port = (evtchn_port_t)port;
    }
    return 0;
}

int netback_ring_open(const struct netback_ring_options *options, struct netback_ring **out)
{
    struct netback_ring *ring = calloc(1, sizeof(*ring));

    if (ring == NULL) {
        return -XEN_ENOMEM;
    }
    ring->options = *options;
    int error = ring_map(ring);
    if (error != 0) {
        free(ring);
        return error;
    }
    netback_rx_attach(ring);
    error = ports_bind(ring);
    ring->work = ring->running = true;
    if (error == 0 && thread_create(options->net->name, ring_thread, ring) == NULL) {
        error = -XEN_ENOMEM;
    }
    if (error != 0) {
        ring_free(ring);
        return error;
    }
    *out = ring;
    return 0;
}

void netback_ring_close(struct netback_ring *ring)
{
    ring->stopping = true;
    wake_up(&ring->wait);
    wait_event(&ring->wait, !ring->running);
    ring_free(ring);
}
