// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore_local.h"
#include "dom0/xenstore_ring.h"
#include "dom0/xenstore_service.h"
#include "dom0/xenstore_xenbus.h"
#include "pvguest/console.h"
#include "pvguest/event_late.h"
#include "pvguest/grant.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define SERVE_BUDGET 16U /* requests of one domain before the next one's turn */

/* A domain's connection over its ring. */
struct client {
    struct client *next;
    uint16_t domid;
    struct event_late event;
    struct grant_mapping mapping;
    struct xenstore_connection *connection;
    struct xenstore_ring ring;
};

static struct xenstore store;
static struct client *clients;
static struct wait_queue queue;
static volatile bool work; /* set by event handlers and by changes that queue output */

static uint64_t longest; /* turn, ns */

static void turn_note(uint64_t since)
{
    const uint64_t took = time_now() - since;

    longest = took > longest ? took : longest;
}

uint64_t xenstore_service_longest(void)
{
    const uint64_t found = longest;

    longest = 0;
    return found;
}

static void work_announce(void)
{
    work = true;
    wake_up(&queue);
}

static void client_event(evtchn_port_t port, void *arg)
{
    (void)port, (void)arg;
    work_announce();
}

static void client_notify(struct xenstore_connection *connection)
{
    (void)connection;
    work_announce();
}

/* One turn of every domain; true if one of them still has something to do. */
static bool clients_serve(void)
{
    bool more = false;

    for (struct client *client = clients; client; client = client->next) {
        if (client->connection->broken) {
            continue;
        }
        const uint64_t since = time_now();
        bool moved = xenstore_ring_serve(&client->ring, SERVE_BUDGET);
        turn_note(since);
        if (moved) {
            event_send(client->event.port);
        }
        if (client->connection->broken) {
            console_printf("xenstored: domain %u broke the protocol, not served any more\n",
                           client->domid);
            event_send(client->event.port);
        } else {
            event_eoi(&client->event, !moved);
        }
        more |= xenstore_ring_has_work(&client->ring);
    }
    return more;
}

static void service_thread(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event(&queue, work);
        work = false;
        bool more = clients_serve();
        const uint64_t since = time_now();
        more |= xenstore_work(&store);
        turn_note(since);
        if (more) {
            work = true;
            thread_yield();
        }
    }
}

static int store_introduce(struct xenstore *s, uint16_t domid, uint64_t gfn, uint32_t port)
{
    (void)s, (void)gfn; /* the page is reached through the grant that the builder has seeded */
    return xenstore_domain_introduced(&store, domid) ? 0 : xenstore_service_introduce(domid, port);
}

static int store_release(struct xenstore *s, uint16_t domid)
{
    (void)s;
    xenstore_service_release(domid, true);
    return 0;
}

static void store_pause(struct xenstore *s)
{
    (void)s;
    work_announce();
    thread_yield();
}

int xenstore_service_introduce(uint16_t domid, uint32_t port)
{
    const grant_ref_t ref = GNTTAB_RESERVED_XENSTORE;
    struct client *client = calloc(1, sizeof(*client));
    int rc = client ? 0 : -XEN_ENOMEM;

    if (xenstore_domain_introduced(&store, domid)) {
        free(client);
        return -XEN_EEXIST;
    }
    if (rc == 0) {
        client->domid = domid;
        rc = grant_map(domid, &ref, 1, false, &client->mapping);
        if (rc) {
            free(client);
            return rc;
        }
        client->connection = xenstore_connect(&store, domid);
        rc = client->connection ? event_late_bind(&client->event, domid, port, client_event, client)
                                : -XEN_ENOMEM;
        if (rc < 0) {
            if (client->connection) {
                xenstore_disconnect(client->connection);
            }
            grant_unmap(&client->mapping, 1);
            free(client);
            return rc;
        }
        xenstore_ring_init(&client->ring, client->mapping.address, client->connection);
        client->connection->notify = client_notify;
        client->next = clients;
        clients = client;
        rc = xenstore_domain_introduce(&store, domid);
        work_announce();
    }
    return rc;
}

void xenstore_service_release(uint16_t domid, bool gone)
{
    const uint64_t since = time_now();

    for (struct client **slot = &clients; *slot; slot = &(*slot)->next) {
        struct client *client = *slot;
        if (client->domid == domid) {
            *slot = client->next;
            event_late_unbind(&client->event);
            xenstore_ring_end(&client->ring);
            xenstore_disconnect(client->connection);
            grant_unmap(&client->mapping, 1);
            free(client);
            break;
        }
    }
    xenstore_domain_release(&store, domid, gone);
    turn_note(since);
    work_announce(); /* for what is left of the purge */
}

void xenstore_service_domain_died(uint16_t domid)
{
    xenstore_domain_release(&store, domid, false);
}

/* --- dom0's own clients ----------------------------------------------------------------------- */

/* Changes whenever a message has been queued for one of them. Nothing is lost: between a client's
 * look into its queue and its wait no other thread runs. */
static volatile unsigned int local_messages;
static struct wait_queue local_queue;

static void local_wait(void *context)
{
    const unsigned int seen = local_messages;

    (void)context;
    wait_event(&local_queue, local_messages != seen);
}

static void local_wake(void *context)
{
    (void)context;
    local_messages++;
    wake_up(&local_queue);
}

struct xs_transport *xs_transport_open(void)
{
    struct xs_transport *transport = xenstore_local_open(&store, local_wait, local_wake, NULL);

    if (!transport) {
        errno = ENOMEM;
    }
    return transport;
}

int xenstore_service_start(void)
{
    int rc = xenstore_init(&store);

    if (rc) {
        return rc;
    }
    store.seed = (uint32_t)(time_now() ^ time_wall());
    store.introduce = store_introduce;
    store.release = store_release;
    store.pause = store_pause;
    rc = xenstore_xenbus_attach(&store);
    if (rc == 0 && !thread_create("xenstored", service_thread, NULL)) {
        rc = -XEN_ENOMEM;
    }
    return rc;
}
