// SPDX-License-Identifier: MIT
/*
 * Front ends by hand that use what netback offers and what a toolstack may choose: a channel for each
 * direction, multicast control, antispoof. What must not come is shown by what is sent after it and does.
 */
#include <string.h>

#include "dom0/selftest_device.h"
#include "dom0/selftest_front.h"
#include "dom0/selftest_net.h"
#include "pvguest/memory.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/xenbus.h"

#define GROUP_FRAME 60U /* lengths tell the frames apart */
#define BROADCAST_FRAME 64U

static const uint8_t everybody[NET_ADDRESS_LENGTH] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t group[NET_ADDRESS_LENGTH] = {0x01, 0, 0x5e, 0, 0, 0x05};
static const uint8_t own[NET_ADDRESS_LENGTH] = {0x00, 0x16, 0x3e, 0, 0, 0x09};
static const uint8_t foreign[NET_ADDRESS_LENGTH] = {0x00, 0x16, 0x3e, 0, 0, 0x55};

static bool node_write(const char *dir, const char *node, uint64_t value)
{
    return xenbus_printf(XENBUS_NO_TRANSACTION, dir, node, "%lu", value) == 0;
}

static void rx_post(struct selftest_front *front, evtchn_port_t port)
{
    *RING_GET_REQUEST(&front->rx, front->rx.req_prod_pvt) = (struct netif_rx_request){
        .gref = front->page_grant};
    front->rx.req_prod_pvt++;
    RING_PUSH_REQUESTS(&front->rx);
    event_send(port);
}

static bool bridge_sends(const uint8_t *to, uint32_t length)
{
    struct net_packet *packet = selftest_frame(to, selftest_bridge_mac, length);

    return packet != NULL && net_transmit(selftest_bridge_port(), packet) == 0;
}

/* The next frame that the front end gets is of this length. */
static bool receives(struct selftest_front *front, uint32_t length)
{
    RING_IDX next = front->rx.rsp_cons++;

    rx_post(front, front->port);
    return selftest_reached(&front->rx.sring->rsp_prod, next + 1) &&
           front->rx.sring->ring[next].rsp.status == (int)length;
}

/* A channel for each direction ---------------------------------------------------------------------- */
static void event_count(evtchn_port_t port, void *arg)
{
    (void)port;
    ++*(uint32_t *)arg;
}

/* Each direction is told of, and tells, on its own channel; the third one is nobody's. */
static const char *channels_check(struct selftest_front *front, evtchn_port_t tx_port,
                                  evtchn_port_t rx_port, const uint32_t counts[2])
{
    if (!selftest_front_connect(front)) {
        return "no connection";
    }
    (void)selftest_front_add(front, 60, 0);
    RING_PUSH_REQUESTS(&front->tx);
    event_send(tx_port);
    if (!selftest_front_answered(front, 1) || !selftest_reached(&counts[0], 1) || counts[1] != 0) {
        return "transmit is not answered on its channel";
    }
    if (!bridge_sends(everybody, BROADCAST_FRAME)) {
        return "nothing sent";
    }
    rx_post(front, rx_port);
    if (!selftest_reached(&front->rx.sring->rsp_prod, 1) || !selftest_reached(&counts[1], 1) ||
        counts[0] != 1) {
        return "receive is not answered on its channel";
    }
    return NULL;
}

const char *selftest_net_split_channels(void)
{
    uint32_t counts[2] = {0};
    struct selftest_front front;
    const char *why = "no set-up";
    bool started = selftest_front_start(&front);
    int tx = event_alloc_unbound(0, event_count, &counts[0]);
    int rx = event_alloc_unbound(0, event_count, &counts[1]);

    if (started && tx > 0 && rx > 0 &&
        node_write(SELFTEST_FRONT, "event-channel-tx", (uint64_t)tx) &&
        node_write(SELFTEST_FRONT, "event-channel-rx", (uint64_t)rx)) {
        why = channels_check(&front, (evtchn_port_t)tx, (evtchn_port_t)rx, counts);
    }
    selftest_front_close(&front);
    if (tx > 0) {
        event_unbind((evtchn_port_t)tx);
    }
    if (rx > 0) {
        event_unbind((evtchn_port_t)rx);
    }
    return why;
}

/* One node of the pair is no pair: event-channel counts, as for Linux. */
const char *selftest_net_half_split(void)
{
    struct selftest_front front;
    const char *why = "no connection";

    if (selftest_front_start(&front) &&
        node_write(SELFTEST_FRONT, "event-channel-tx", 0x7fffffff) &&
        selftest_front_connect(&front)) {
        (void)selftest_front_add(&front, 60, 0);
        selftest_front_push(&front);
        why = selftest_front_answered(&front, 1) ? NULL : "no answer";
    }
    selftest_front_close(&front);
    return why;
}

/* Multicast control --------------------------------------------------------------------------------- */
static bool group_request(struct selftest_front *front, uint8_t type)
{
    RING_IDX slot = front->tx.req_prod_pvt;
    struct netif_extra_info extra = {.type = type};

    memcpy(extra.u.mcast.addr, group, sizeof(group));
    (void)selftest_front_add(front, 0, NETTXF_extra_info);
    memcpy(selftest_front_add(front, 0, 0), &extra, sizeof(extra));
    selftest_front_push(front);
    return selftest_front_answered(front, slot + 2) &&
           front->tx.sring->ring[slot].rsp.status == NETIF_RSP_OKAY &&
           front->tx.sring->ring[slot + 1].rsp.status == NETIF_RSP_NULL;
}

/* A frame to the group is seen by who wants it; the broadcast after it always. */
static bool group_seen(struct selftest_front *front, bool wanted)
{
    (void)bridge_sends(group, GROUP_FRAME); /* refused by a card that does not want it */
    return bridge_sends(everybody, BROADCAST_FRAME) && (!wanted || receives(front, GROUP_FRAME)) &&
           receives(front, BROADCAST_FRAME);
}

static const char *groups_check(bool control)
{
    struct selftest_front front;
    const char *why = NULL;

    if (!selftest_front_start(&front) ||
        !node_write(SELFTEST_FRONT, "request-multicast-control", control) ||
        !selftest_front_connect(&front)) {
        why = "no connection";
    } else if (!group_seen(&front, !control)) {
        why = control ? "a group that nobody asked for" : "no groups without control";
    } else if (!group_request(&front, XEN_NETIF_EXTRA_TYPE_MCAST_ADD) ||
               !group_seen(&front, true)) {
        why = "a group that was asked for does not come";
    } else if (!group_request(&front, XEN_NETIF_EXTRA_TYPE_MCAST_DEL) ||
               !group_seen(&front, !control)) {
        why = "a group that was given up";
    }
    selftest_front_close(&front);
    return why;
}

const char *selftest_net_multicast(void)
{
    const char *why = groups_check(true);

    return why != NULL ? why : groups_check(false);
}

/* Source addresses ---------------------------------------------------------------------------------- */
static struct {
    uint32_t own, foreign;
} senders;

static void sender_count(struct net_device *net, struct net_packet *packet)
{
    uint8_t from[NET_ADDRESS_LENGTH];

    (void)net;
    if (net_packet_read(packet, NET_ADDRESS_LENGTH, from, sizeof(from))) {
        senders.own += memcmp(from, own, sizeof(own)) == 0;
        senders.foreign += memcmp(from, foreign, sizeof(foreign)) == 0;
    }
    net_packet_free(packet);
}

static bool front_sends(struct selftest_front *front, const uint8_t *from)
{
    RING_IDX slot = front->tx.req_prod_pvt;
    uint8_t *bytes = front->page;

    memcpy(bytes, selftest_bridge_mac, NET_ADDRESS_LENGTH);
    memcpy(bytes + NET_ADDRESS_LENGTH, from, NET_ADDRESS_LENGTH);
    (void)selftest_front_add(front, 60, 0);
    selftest_front_push(front);
    return selftest_front_answered(front, slot + 1) &&
           front->tx.sring->ring[slot].rsp.status == NETIF_RSP_OKAY;
}

/* `antispoof` 2: no node. */
static const char *senders_check(unsigned int antispoof)
{
    struct selftest_front front;
    const char *why = NULL;

    if (!selftest_front_start(&front) ||
        (antispoof < 2 && !node_write(SELFTEST_BACK, "antispoof", antispoof)) ||
        !selftest_front_connect(&front)) {
        why = "no connection";
    } else {
        selftest_bridge_port()->receive = sender_count;
        senders.own = senders.foreign = 0;
        if (!front_sends(&front, foreign) || !front_sends(&front, own) ||
            !selftest_reached(&senders.own, 1)) {
            why = "the card's own address does not come";
        } else if (senders.foreign != (antispoof == 0)) {
            why = antispoof == 0 ? "antispoof=0 is no good" : "a foreign address";
        }
    }
    selftest_front_close(&front);
    return why;
}

const char *selftest_net_antispoof(void)
{
    const char *why = NULL;

    for (unsigned int antispoof = 0; why == NULL && antispoof <= 2; antispoof++) {
        why = senders_check(antispoof);
    }
    return why;
}
