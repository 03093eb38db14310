// SPDX-License-Identifier: MIT
/* The contract is in selftest_front.h. */
#include "dom0/selftest_front.h"

#include <string.h>

#include "dom0/bridge.h"
#include "dom0/selftest_device.h"
#include "pvguest/memory.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/xenbus.h"

#define BRIDGE "selftest"
#define SETTLE_NS (50 * NSEC_PER_MSEC)

const uint8_t selftest_bridge_mac[NET_ADDRESS_LENGTH] = {0x02, 0, 0, 0, 0, 0x07};

struct net_device *selftest_bridge_port(void)
{
    struct bridge *bridge = bridge_find(BRIDGE);

    if (bridge == NULL) {
        bridge = bridge_create(BRIDGE, selftest_bridge_mac);
    }
    return bridge != NULL ? bridge_local(bridge) : NULL;
}

uint8_t selftest_frame_byte(uint32_t length, uint32_t at)
{
    return (uint8_t)(length * 31 + at * 7 + at / 256);
}

struct net_packet *selftest_frame(const uint8_t *to, const uint8_t *from, uint32_t length)
{
    struct net_packet *packet = net_packet_alloc(length);

    if (packet != NULL) {
        uint8_t *bytes = packet->fragments[0].address;
        memcpy(bytes, to, NET_ADDRESS_LENGTH);
        memcpy(bytes + NET_ADDRESS_LENGTH, from, NET_ADDRESS_LENGTH);
        for (uint32_t i = 2 * NET_ADDRESS_LENGTH; i < length; i++) {
            bytes[i] = selftest_frame_byte(length, i);
        }
    }
    return packet;
}

int selftest_card_offer(const char *back, const char *front, const char *mac)
{
    const struct selftest_node nodes[] = {
        {back,  "frontend",    front },
        {back,  "frontend-id", "0"   },
        {back,  "bridge",      BRIDGE},
        {back,  "mac",         mac   },
        {back,  "state",       "1"   },
        {front, "mac",         mac   },
        {front, "backend",     back  },
        {front, "backend-id",  "0"   },
        {front, "state",       "1"   }
    };

    return selftest_nodes_write(nodes, sizeof(nodes) / sizeof(nodes[0]));
}

static bool page_grant(void **page, grant_ref_t *grant)
{
    *page = page_alloc(0);
    int ref = *page != NULL ? grant_access(0, virt_to_mfn(*page), false) : -1;

    *grant = ref > 0 ? (grant_ref_t)ref : 0;
    return ref > 0;
}

void selftest_front_close(struct selftest_front *front)
{
    (void)xenbus_rm(XENBUS_NO_TRANSACTION, SELFTEST_BACK);
    (void)xenbus_rm(XENBUS_NO_TRANSACTION, SELFTEST_FRONT);
    thread_sleep(SETTLE_NS); /* the back end lets go */
    if (front->port != 0) {
        event_unbind(front->port);
    }
    grant_end_later(front->tx_grant, front->tx.sring);
    grant_end_later(front->rx_grant, front->rx.sring);
    grant_end_later(front->page_grant, front->page);
}

bool selftest_front_start(struct selftest_front *front)
{
    void *tx, *rx;

    memset(front, 0, sizeof(*front));
    int port = event_alloc_unbound(0, NULL, NULL);
    if (port < 0 || selftest_bridge_port() == NULL || !page_grant(&tx, &front->tx_grant) ||
        !page_grant(&rx, &front->rx_grant) || !page_grant(&front->page, &front->page_grant)) {
        return false;
    }
    front->port = (evtchn_port_t)port;
    XEN_FRONT_RING_INIT(&front->tx, (struct netif_tx_sring *)tx, PAGE_SIZE);
    XEN_FRONT_RING_INIT(&front->rx, (struct netif_rx_sring *)rx, PAGE_SIZE);
    return selftest_card_offer(SELFTEST_BACK, SELFTEST_FRONT, SELFTEST_MAC) == 0 &&
           selftest_state_reached(SELFTEST_BACK, XenbusStateInitWait);
}

bool selftest_front_publish(uint64_t tx, uint64_t rx, uint64_t port)
{
    const struct {
        const char *node;
        uint64_t value;
    } nodes[] = {
        {"tx-ring-ref",       tx  },
        {"rx-ring-ref",       rx  },
        {"event-channel",     port},
        {"request-rx-copy",   1   },
        {"feature-rx-notify", 1   }
    };

    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        if (xenbus_printf(XENBUS_NO_TRANSACTION, SELFTEST_FRONT, nodes[i].node, "%lu",
                          nodes[i].value) != 0) {
            return false;
        }
    }
    return xenbus_write_state(SELFTEST_FRONT, XenbusStateConnected) == 0;
}

bool selftest_front_connect(const struct selftest_front *front)
{
    return selftest_front_publish(front->tx_grant, front->rx_grant, front->port) &&
           selftest_state_reached(SELFTEST_BACK, XenbusStateConnected);
}

bool selftest_front_open(struct selftest_front *front)
{
    return selftest_front_start(front) && selftest_front_connect(front);
}

struct netif_tx_request *selftest_front_add(struct selftest_front *front, uint16_t size,
                                            uint16_t flags)
{
    struct netif_tx_request *entry = RING_GET_REQUEST(&front->tx, front->tx.req_prod_pvt);

    *entry = (struct netif_tx_request){.gref = front->page_grant,
                                       .flags = flags,
                                       .id = (uint16_t)front->tx.req_prod_pvt,
                                       .size = size};
    front->tx.req_prod_pvt++;
    return entry;
}

bool selftest_front_answered(const struct selftest_front *front, RING_IDX count)
{
    return selftest_reached(&front->tx.sring->rsp_prod, count);
}

void selftest_front_push(struct selftest_front *front)
{
    RING_PUSH_REQUESTS(&front->tx);
    event_send(front->port);
}
