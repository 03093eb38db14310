// SPDX-License-Identifier: MIT
/*
 * The bridge. See bridge.h.
 *
 * Addresses are learnt into a direct-mapped table with an age; a collision replaces the older entry,
 * which costs a flood and nothing else. A frame to a known address goes out of one port, everything
 * else out of all others: the last port gets the packet itself, those before it copies.
 * Group addresses are never learnt, and dom0's own is not learnt from others. A guest can claim any
 * other address: what it gains is frames of its own bridge, as on a switch. Frames larger than a
 * port's MTU are not sent there, so that no guest can fill other ports' queues with huge ones.
 */
#include "dom0/bridge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pvguest/time.h"
#include <xen/errno.h>

#define PORTS_MAX 256U
#define TABLE_SIZE 1024U /* a power of 2 */
#define AGE_MAX (300 * NSEC_PER_SEC)
#define GROUP_BIT 0x01U
#define VLAN_TAG_LENGTH 4U

struct station {
    uint8_t mac[NET_ADDRESS_LENGTH];
    struct net_device *device; /* NULL: empty */
    uint64_t seen;
};

struct bridge {
    struct net_device local;
    struct net_device *ports[PORTS_MAX]; /* ports[0] is the local one */
    unsigned int port_count;
    struct station table[TABLE_SIZE];
    struct bridge *next;
};

static struct bridge *bridges;

static struct station *station_slot(struct bridge *bridge, const uint8_t *mac)
{
    unsigned int hash = 0;

    for (unsigned int i = 0; i < NET_ADDRESS_LENGTH; i++) {
        hash = hash * 31 + mac[i];
    }
    return &bridge->table[hash & (TABLE_SIZE - 1)];
}

static bool is_local(const struct bridge *bridge, const uint8_t *mac)
{
    return memcmp(mac, bridge->local.mac, NET_ADDRESS_LENGTH) == 0;
}

static void learn(struct bridge *bridge, const uint8_t *mac, struct net_device *from)
{
    if ((mac[0] & GROUP_BIT) != 0 || is_local(bridge, mac)) {
        return;
    }
    struct station *s = station_slot(bridge, mac);
    memcpy(s->mac, mac, NET_ADDRESS_LENGTH);
    s->device = from;
    s->seen = time_now();
}

static struct net_device *look_up(struct bridge *bridge, const uint8_t *mac)
{
    struct station *s = station_slot(bridge, mac);

    if (is_local(bridge, mac)) {
        return &bridge->local;
    }
    if (s->device == NULL || memcmp(s->mac, mac, NET_ADDRESS_LENGTH) != 0 ||
        time_now() - s->seen > AGE_MAX) {
        return NULL;
    }
    return s->device;
}

static void port_send(struct bridge *bridge, struct net_device *to, struct net_packet *packet)
{
    if (packet->length > to->mtu + NET_HEADER_LENGTH + VLAN_TAG_LENGTH) {
        to->tx_dropped++;
        net_packet_free(packet);
    } else if (to == &bridge->local) {
        net_deliver(to, packet);
    } else {
        net_transmit(to, packet);
    }
}

static void flood(struct bridge *bridge, const struct net_device *from, struct net_packet *packet)
{
    struct net_device *last = NULL;

    for (unsigned int i = 0; i < bridge->port_count; i++) {
        struct net_device *port = bridge->ports[i];
        if (port == from || !port->up) {
            continue;
        }
        if (last != NULL) {
            struct net_packet *copy = net_packet_copy(packet);
            if (copy != NULL) {
                port_send(bridge, last, copy);
            }
        }
        last = port;
    }
    if (last != NULL) {
        port_send(bridge, last, packet);
    } else {
        net_packet_free(packet);
    }
}

static void forward(struct bridge *bridge, struct net_device *from, struct net_packet *packet)
{
    uint8_t addresses[2 * NET_ADDRESS_LENGTH]; /* destination, source */

    if (!net_packet_read(packet, 0, addresses, sizeof(addresses))) {
        net_packet_free(packet);
        return;
    }
    learn(bridge, addresses + NET_ADDRESS_LENGTH, from);
    struct net_device *to = (addresses[0] & GROUP_BIT) != 0 ? NULL : look_up(bridge, addresses);
    if (to == NULL) {
        flood(bridge, from, packet);
    } else if (to == from || !to->up) {
        net_packet_free(packet);
    } else {
        port_send(bridge, to, packet);
    }
}

static void port_receive(struct net_device *device, struct net_packet *packet)
{
    forward(device->receiver, device, packet);
}

/* What dom0's stack sends enters the bridge through the local port. */
static int local_transmit(struct net_device *device, struct net_packet *packet)
{
    forward(device->driver, device, packet);
    return 0;
}

struct bridge *bridge_create(const char *name, const uint8_t mac[NET_ADDRESS_LENGTH])
{
    struct bridge *bridge = calloc(1, sizeof(*bridge));

    if (bridge == NULL) {
        return NULL;
    }
    struct net_device *local = &bridge->local;
    snprintf(local->name, sizeof(local->name), "%s", name);
    memcpy(local->mac, mac, NET_ADDRESS_LENGTH);
    local->mtu = 1500;
    local->features = NET_FEATURE_CSUM_TX | NET_FEATURE_CSUM_RX | NET_FEATURE_SG;
    local->up = true;
    local->transmit = local_transmit;
    local->driver = bridge;
    if (net_register(local) != 0) {
        free(bridge);
        return NULL;
    }
    bridge->ports[bridge->port_count++] = local;
    bridge->next = bridges;
    bridges = bridge;
    return bridge;
}

struct bridge *bridge_find(const char *name)
{
    struct bridge *bridge = bridges;

    while (bridge != NULL && strcmp(bridge->local.name, name) != 0) {
        bridge = bridge->next;
    }
    return bridge;
}

struct net_device *bridge_local(struct bridge *bridge)
{
    return &bridge->local;
}

int bridge_add(struct bridge *bridge, struct net_device *device)
{
    if (device->receive != NULL) {
        return -XEN_EBUSY;
    }
    if (bridge->port_count == PORTS_MAX) {
        return -XEN_ENOSPC;
    }
    bridge->ports[bridge->port_count++] = device;
    device->receiver = bridge;
    device->receive = port_receive;
    return 0;
}

void bridge_remove(struct net_device *device)
{
    if (device->receive != port_receive) {
        return;
    }
    struct bridge *bridge = device->receiver;
    device->receive = NULL;
    device->receiver = NULL;
    for (unsigned int i = 0; i < bridge->port_count; i++) {
        if (bridge->ports[i] == device) {
            bridge->ports[i] = bridge->ports[--bridge->port_count];
            break;
        }
    }
    for (unsigned int i = 0; i < TABLE_SIZE; i++) {
        if (bridge->table[i].device == device) {
            bridge->table[i].device = NULL;
        }
    }
}

const char *bridge_of(const struct net_device *device)
{
    return device->receive == port_receive ? ((struct bridge *)device->receiver)->local.name : NULL;
}
