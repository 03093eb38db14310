// SPDX-License-Identifier: MIT
/*
 * A hand-made network back end of this domain, below its own nodes so that netback does not see it.
 * It maps the front end's rings and answers what nobody asked. The front end has to close its card.
 */
#include <string.h>

#include "dom0/selftest_net.h"
#include "dom0/selftest_device.h"
#include "pvguest/event.h"
#include "pvguest/grant.h"
#include "pvguest/memory.h"
#include "pvguest/net.h"
#include "pvguest/ring.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/xenbus.h"
#include <xen/io/netif.h>

#define BACK "/local/domain/0/selftest/back/8"
#define FRONT "/local/domain/0/device/vif/8"
#define CARD "eth8"
#define SETTLE_NS (20 * NSEC_PER_MSEC)

struct back {
    struct grant_mapping tx, rx;
    struct netif_tx_sring *tx_ring;
    struct netif_rx_sring *rx_ring;
    evtchn_port_t port;
};

static int node_write(const char *dir, const char *node, const char *value)
{
    return xenbus_printf(XENBUS_NO_TRANSACTION, dir, node, "%s", value);
}

/* The front end connects as soon as it is told about the back end. */
static bool offer(void)
{
    (void)node_write(BACK, "feature-rx-copy", "1");
    (void)node_write(BACK, "feature-sg", "1");
    (void)node_write(BACK, "state", "2");
    (void)node_write(FRONT, "mac", "00:16:3e:00:00:08");
    (void)node_write(FRONT, "backend-id", "0");
    (void)node_write(FRONT, "state", "1");
    return node_write(FRONT, "backend", BACK) == 0 &&
           selftest_state_reached(FRONT, XenbusStateConnected);
}

static const char *connect(struct back *back)
{
    memset(back, 0, sizeof(*back));
    if (!offer()) {
        return "front end does not come";
    }
    grant_ref_t tx = (grant_ref_t)xenbus_read_number_or(FRONT, "tx-ring-ref", 0);
    grant_ref_t rx = (grant_ref_t)xenbus_read_number_or(FRONT, "rx-ring-ref", 0);
    evtchn_port_t remote = (evtchn_port_t)xenbus_read_number_or(FRONT, "event-channel", 0);
    if (grant_map(0, &tx, 1, false, &back->tx) != 0 ||
        grant_map(0, &rx, 1, false, &back->rx) != 0) {
        return "rings cannot be mapped";
    }
    back->tx_ring = back->tx.address;
    back->rx_ring = back->rx.address;
    int port = event_bind_interdomain(0, remote, NULL, NULL);
    if (port < 0) {
        return "no event channel";
    }
    back->port = (evtchn_port_t)port;
    (void)node_write(BACK, "state", "4");
    thread_sleep(SETTLE_NS);
    return net_find(CARD) != NULL && net_find(CARD)->up ? NULL : "card is not up";
}

static void disconnect(struct back *back)
{
    (void)xenbus_rm(XENBUS_NO_TRANSACTION, BACK);
    (void)xenbus_rm(XENBUS_NO_TRANSACTION, FRONT);
    thread_sleep(SETTLE_NS);
    if (back->port != 0) {
        event_unbind(back->port);
    }
    if (back->tx.address != NULL) {
        grant_unmap(&back->tx, 1);
    }
    if (back->rx.address != NULL) {
        grant_unmap(&back->rx, 1);
    }
}

static const char *run(void (*spoil)(struct back *back))
{
    struct back back;
    const char *why = connect(&back);

    if (why == NULL) {
        spoil(&back);
        event_send(back.port);
        if (!selftest_state_reached(FRONT, XenbusStateClosing)) {
            why = "front end goes on";
        } else if (net_find(CARD)->up) {
            why = "card is still up";
        }
    }
    disconnect(&back);
    return why;
}

static void rx_answer(struct back *back, uint16_t id, int16_t status)
{
    back->rx_ring->ring[0].rsp = (struct netif_rx_response){.id = id, .status = status};
    __atomic_store_n(&back->rx_ring->rsp_prod, 1, __ATOMIC_RELEASE);
}

static void spoil_index(struct back *back)
{
    __atomic_store_n(&back->tx_ring->rsp_prod, 0x7fffffffU, __ATOMIC_RELEASE);
}

static void spoil_rx_id(struct back *back)
{
    rx_answer(back, 200, 60);
}

static void spoil_rx_size(struct back *back)
{
    rx_answer(back, 0, 4097);
}

/* The card has one request of ours, but not with this id. */
static void spoil_tx_id(struct back *back)
{
    struct net_packet *packet = net_packet_alloc(60);

    if (packet != NULL) {
        (void)net_transmit(net_find(CARD), packet);
    }
    back->tx_ring->ring[0].rsp = (struct netif_tx_response){.id = 0xffff, .status = NETIF_RSP_OKAY};
    __atomic_store_n(&back->tx_ring->rsp_prod, 1, __ATOMIC_RELEASE);
}

const char *selftest_net_back_index(void)
{
    return run(spoil_index);
}

const char *selftest_net_back_rx_id(void)
{
    return run(spoil_rx_id);
}

const char *selftest_net_back_rx_size(void)
{
    return run(spoil_rx_size);
}

const char *selftest_net_back_tx_id(void)
{
    return run(spoil_tx_id);
}
