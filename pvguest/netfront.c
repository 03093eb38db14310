// SPDX-License-Identifier: MIT
/*
 * netfront: a transmit and a receive ring, an event channel for each (or one for both where the back end
 * has no split ones), one thread a card.
 *
 * Offered to the back end: copying receive, scatter-gather, checksums left blank in both directions.
 * Transmit: one ring entry and one grant a fragment, for as long as the entry is with the back end;
 * the packet is released with its last entry. Receive: granted pages wait on the ring; a page that
 * comes back filled travels on in a packet and a fresh one takes its place.
 * Rings and slots belong to the thread and to callers of transmit; both are threads, so they never
 * collide. Answers are hostile input: ids, sizes and indices are checked, and nonsense closes the card.
 * A struct netfront is kept when its card goes away, because others may still point to its net_device.
 */
#include "pvguest/netfront.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/netfront_ring.h"
#include "pvguest/xenbus_device.h"

#define RX_PAGES_MIN 32U
#define RX_MEMORY_SHARE 16U /* at most this part of the free pages waits on the ring */
#define MTU 1500U

static struct netfront *fronts;

/* Connecting and closing: xenbus thread --------------------------------------------------------- */
static bool split(const struct netfront *front)
{
    return front->rx_port != front->tx_port;
}

static int ports_alloc(struct netfront *front)
{
    const struct xenbus_device *device = front->device;
    int port = event_alloc_unbound(device->peer_domid, netfront_event, front);

    if (port < 0) {
        return port;
    }
    front->tx_port = front->rx_port = (evtchn_port_t)port;
    if (xenbus_read_number_or(device->peer, "feature-split-event-channels", 0) != 0) {
        port = event_alloc_unbound(device->peer_domid, netfront_event, front);
        if (port >= 0) { /* else one does as well */
            front->rx_port = (evtchn_port_t)port;
        }
    }
    return 0;
}

static void ports_free(struct netfront *front)
{
    if (split(front)) {
        event_unbind(front->rx_port);
    }
    event_unbind(front->tx_port);
}

static void front_disconnect(struct netfront *front)
{
    if (!front->connected) {
        return;
    }
    front->connected = false;
    front->net.up = false;
    ports_free(front);
    wake_up(&front->wait);
    wait_event(&netfront_state_queue, !front->running);
    netfront_slots_release(front);
    grant_end_later(front->tx_grant, front->tx.sring);
    grant_end_later(front->rx_grant, front->rx.sring);
}

/* A shared page, granted; its grant or -XEN_E*. */
static int ring_page(struct netfront *front, void **page)
{
    *page = page_alloc(0);
    if (*page == NULL) {
        return -XEN_ENOMEM;
    }
    int grant = grant_access(front->device->peer_domid, virt_to_mfn(*page), false);
    if (grant < 0) {
        page_free(*page, 0);
    }
    return grant;
}

static int rings_alloc(struct netfront *front)
{
    void *tx, *rx;
    int tx_grant = ring_page(front, &tx);

    if (tx_grant < 0) {
        return tx_grant;
    }
    int rx_grant = ring_page(front, &rx);
    if (rx_grant < 0) {
        grant_end_later((grant_ref_t)tx_grant, tx);
        return rx_grant;
    }
    int error = ports_alloc(front);
    if (error != 0) {
        grant_end_later((grant_ref_t)tx_grant, tx);
        grant_end_later((grant_ref_t)rx_grant, rx);
        return error;
    }
    XEN_FRONT_RING_INIT(&front->tx, (struct netif_tx_sring *)tx, PAGE_SIZE);
    XEN_FRONT_RING_INIT(&front->rx, (struct netif_rx_sring *)rx, PAGE_SIZE);
    front->tx_grant = (grant_ref_t)tx_grant;
    front->rx_grant = (grant_ref_t)rx_grant;
    return 0;
}

static int front_start(struct netfront *front)
{
    int error = rings_alloc(front);

    if (error != 0) {
        return error;
    }
    for (uint16_t i = 0; i < TX_SLOTS; i++) {
        front->tx_slots[i] = (struct netfront_tx_slot){.next_free = (uint16_t)(i + 1)};
    }
    front->tx_free = 0;
    front->tx_free_count = TX_SLOTS;
    size_t share = page_free_count() / RX_MEMORY_SHARE;
    front->rx_target = share < RX_PAGES_MIN ? RX_PAGES_MIN : share < RX_SLOTS ? share : RX_SLOTS;
    front->broken = front->work = front->partial_bad = false;
    front->connected = front->running = true;
    if (thread_create(front->net.name, netfront_thread, front) == NULL) {
        front->running = false;
        front_disconnect(front);
        return -XEN_ENOMEM;
    }
    return 0;
}

/* Those of an earlier connection, which may have been of the other form. */
static void ports_withdraw(const struct netfront *front, uint32_t tx)
{
    static const char *const names[] = {"event-channel", "event-channel-tx", "event-channel-rx"};
    char path[XENBUS_NODE_MAX + 32];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", front->device->node, names[i]);
        (void)xenbus_rm(tx, path);
    }
}

static int rings_publish(struct netfront *front)
{
    const char *node = front->device->node;
    const struct {
        const char *name;
        unsigned int value;
    } nodes[] = {
        {"tx-ring-ref",                                       front->tx_grant},
        {"rx-ring-ref",                                       front->rx_grant},
        {"request-rx-copy",                                   1              },
        {"feature-rx-notify",                                 1              },
        {"feature-sg",                                        1              },
        {split(front) ? "event-channel-tx" : "event-channel", front->tx_port },
        {"event-channel-rx",                                  front->rx_port },
    };
    size_t count = sizeof(nodes) / sizeof(nodes[0]) - !split(front);
    uint32_t tx;
    int error;

    do {
        error = xenbus_transaction_start(&tx);
        if (error != 0) {
            return error;
        }
        if (front->registered) {
            ports_withdraw(front, tx);
        }
        for (size_t i = 0; error == 0 && i < count; i++) {
            error = xenbus_printf(tx, node, nodes[i].name, "%u", nodes[i].value);
        }
        int end = xenbus_transaction_end(tx, error != 0);
        error = error != 0 ? error : end;
    } while (error == -XEN_EAGAIN);
    return error;
}

static int card_describe(struct netfront *front)
{
    const struct xenbus_device *device = front->device;
    struct net_device *net = &front->net;
    char mac[24];
    int error = xenbus_read_text(device->node, "mac", mac, sizeof(mac));

    if (error == 0 && !net_address_parse(mac, net->mac)) {
        error = -XEN_EINVAL;
    }
    if (error == 0 && xenbus_read_number_or(device->peer, "feature-rx-copy", 0) == 0) {
        error = -XEN_EOPNOTSUPP;
    }
    uint64_t mtu = xenbus_read_number_or(device->node, "mtu", MTU);
    net->mtu = mtu >= 576 && mtu <= 65500 ? (uint16_t)mtu : MTU;
    net->features = NET_FEATURE_CSUM_TX | NET_FEATURE_CSUM_RX;
    if (xenbus_read_number_or(device->peer, "feature-sg", 0) != 0) {
        net->features |= NET_FEATURE_SG;
    }
    net->transmit = netfront_transmit;
    net->driver = front;
    return error;
}

static void front_connect(struct netfront *front)
{
    struct xenbus_device *device = front->device;
    int error = card_describe(front);

    if (error == 0) {
        error = front_start(front);
    }
    if (error == 0) {
        error = rings_publish(front);
    }
    if (error == 0 && !front->registered) {
        error = net_register(&front->net);
        front->registered = error == 0;
    }
    if (error != 0) {
        front_disconnect(front);
        xenbus_device_fail(device, error, "cannot set up the network card");
        return;
    }
    netfront_rx_refill(front);
    (void)xenbus_device_set_state(device, XenbusStateConnected);
}

static void front_peer_changed(struct xenbus_device *device)
{
    struct netfront *front = device->context;

    if (front->connected && front->broken) {
        front_disconnect(front);
        xenbus_device_fail(device, -XEN_EIO, "nonsense on the ring, card closed");
        return;
    }
    switch (device->peer_state) {
    case XenbusStateInitWait:
        if (device->state == XenbusStateClosed && xenbus_device_reopen(device) != 0) {
            break;
        }
        if (device->state == XenbusStateInitialising) {
            front_connect(front);
        }
        break;
    case XenbusStateConnected:
        front->net.up = front->connected;
        wake_up(&netfront_state_queue);
        break;
    case XenbusStateClosing:
    case XenbusStateClosed:
    case XenbusStateUnknown: /* its nodes are gone */
        front_disconnect(front);
        (void)xenbus_device_set_state(device, XenbusStateClosed);
        break;
    default:
        break;
    }
}

static int front_probe(struct xenbus_device *device)
{
    struct netfront *front = fronts;

    while (front != NULL && front->id != device->id) {
        front = front->next;
    }
    if (front == NULL) {
        front = calloc(1, sizeof(*front));
        if (front == NULL) {
            return -XEN_ENOMEM;
        }
        front->id = device->id;
        snprintf(front->net.name, sizeof(front->net.name), "eth%u", device->id);
        front->next = fronts;
        fronts = front;
    }
    front->device = device;
    device->context = front;
    return 0;
}

static void front_remove(struct xenbus_device *device)
{
    front_disconnect(device->context);
}

int netfront_init(void)
{
    static struct xenbus_driver driver = {.type = "vif",
                                          .probe = front_probe,
                                          .peer_changed = front_peer_changed,
                                          .remove = front_remove};
    return xenbus_driver_register(&driver);
}

static struct net_device *find_up(const char *name)
{
    struct net_device *net = net_find(name);

    return net != NULL && net->up ? net : NULL;
}

struct net_device *netfront_wait(const char *name, uint64_t ns)
{
    (void)wait_event_timeout(&netfront_state_queue, find_up(name) != NULL, ns);
    return find_up(name);
}
