// SPDX-License-Identifier: MIT
/*
 * The bridge. See bridge.h.
 *
 * A frame to a known address goes out of one port, everything else out of all others: the last port
 * gets the packet itself, those before it copies. Frames to addresses that nobody knows do not go to
 * exclusive ports, whose one address is known. Group addresses are never learnt.
 * Copies are work that one frame makes for all: each port but dom0's own may cause so many a second,
 * and what it floods beyond that is dropped. Frames larger than a port's MTU are not sent there, so
 * that no guest can fill other ports' queues with huge ones.
 */
#include "dom0/bridge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/bridge_stations.h"
#include "pvguest/time.h"
#include <xen/errno.h>

#define PORTS_MAX 256U
#define LEARNT_MAX 128U /* addresses behind one port */
#define COPY_NS 60000U  /* of a port's time for each copy that it causes: 16,000 a second */
#define BURST_NS (NSEC_PER_SEC / 4) /* copies at once: 4,000 */
#define GROUP_BIT 0x01U
#define VLAN_TAG_LENGTH 4U

struct port {
    struct bridge *bridge;
    struct net_device *device;
    struct station_share share;
    bool exclusive;      /* sends with its pinned address alone */
    uint64_t flooded_to; /* the time that its copies have used up */
};

struct bridge {
    struct net_device local;
    struct port *ports[PORTS_MAX]; /* ports[0] is the local one */
    unsigned int port_count;
    struct station_table stations;
    struct bridge *next;
};

static struct bridge *bridges;

static int deliver(struct net_device *to, struct net_packet *packet)
{
    net_deliver(to, packet);
    return 0;
}

static void port_send(struct bridge *bridge, struct net_device *to, struct net_packet *packet)
{
    if (net_packet_frame_length(packet) > to->mtu + NET_HEADER_LENGTH + VLAN_TAG_LENGTH) {
        to->tx_dropped++;
        net_packet_free(packet);
    } else if (to != &bridge->local) {
        net_transmit(to, packet);
    } else if (packet->segment_size != 0) {
        (void)net_segment(packet, deliver, to);
    } else {
        net_deliver(to, packet);
    }
}

/* Frames of dom0 are not counted: it does not attack itself. */
static bool flood_allowed(struct port *from, const struct net_packet *packet)
{
    struct bridge *bridge = from->bridge;
    uint64_t now = time_now();
    uint64_t start = from->flooded_to > now ? from->flooded_to : now;
    uint64_t copies = (uint64_t)(bridge->port_count - 1) * net_segment_count(packet);

    if (from->device == &bridge->local) {
        return true;
    }
    if (start - now + copies * COPY_NS > BURST_NS) {
        return false;
    }
    from->flooded_to = start + copies * COPY_NS;
    return true;
}

static void flood(struct port *from, struct net_packet *packet, bool group)
{
    struct bridge *bridge = from->bridge;
    struct net_device *last = NULL;
    unsigned int ports = flood_allowed(from, packet) ? bridge->port_count : 0;

    for (unsigned int i = 0; i < ports; i++) {
        struct port *port = bridge->ports[i];
        if (port == from || !port->device->up || (port->exclusive && !group)) {
            continue;
        }
        if (last != NULL) {
            struct net_packet *copy = net_packet_copy(packet);
            if (copy != NULL) {
                port_send(bridge, last, copy);
            }
        }
        last = port->device;
    }
    if (last != NULL) {
        port_send(bridge, last, packet);
    } else {
        net_packet_free(packet);
    }
}

/* Looks at a frame's source; false: the port may not send it. */
static bool source_check(struct port *from, const uint8_t *source)
{
    if (from->exclusive) {
        return memcmp(source, from->share.own.mac, NET_ADDRESS_LENGTH) == 0;
    }
    return (source[0] & GROUP_BIT) == 0 &&
           station_learn(&from->bridge->stations, &from->share, source) != STATION_FORGED;
}

static void forward(struct port *from, struct net_packet *packet)
{
    uint8_t addresses[2 * NET_ADDRESS_LENGTH]; /* destination, source */

    if (!net_packet_read(packet, 0, addresses, sizeof(addresses)) ||
        !source_check(from, addresses + NET_ADDRESS_LENGTH)) {
        from->device->rx_dropped++;
        net_packet_free(packet);
        return;
    }
    bool group = (addresses[0] & GROUP_BIT) != 0;
    struct net_device *to = group ? NULL : station_find(&from->bridge->stations, addresses);
    if (to == NULL) {
        flood(from, packet, group);
    } else if (to == from->device || !to->up) {
        net_packet_free(packet);
    } else {
        port_send(from->bridge, to, packet);
    }
}

static void port_receive(struct net_device *device, struct net_packet *packet)
{
    forward(device->receiver, packet);
}

/* What dom0's stack sends enters the bridge through the local port. */
static int local_transmit(struct net_device *device, struct net_packet *packet)
{
    struct bridge *bridge = device->driver;

    forward(bridge->ports[0], packet);
    return 0;
}

static struct port *port_create(struct bridge *bridge, struct net_device *device)
{
    struct port *port = calloc(1, sizeof(*port));

    if (port == NULL || !station_share_init(&port->share, device, LEARNT_MAX)) {
        free(port);
        return NULL;
    }
    port->bridge = bridge;
    port->device = device;
    bridge->ports[bridge->port_count++] = port;
    return port;
}

static void local_describe(struct bridge *bridge, const char *name, const uint8_t *mac)
{
    struct net_device *local = &bridge->local;

    snprintf(local->name, sizeof(local->name), "%s", name);
    memcpy(local->mac, mac, NET_ADDRESS_LENGTH);
    local->mtu = 1500;
    local->features = NET_FEATURE_CSUM_TX | NET_FEATURE_CSUM_RX | NET_FEATURE_SG;
    local->up = true;
    local->transmit = local_transmit;
    local->driver = bridge;
}

struct bridge *bridge_create(const char *name, const uint8_t mac[NET_ADDRESS_LENGTH])
{
    struct bridge *bridge = calloc(1, sizeof(*bridge));

    if (bridge == NULL) {
        return NULL;
    }
    local_describe(bridge, name, mac);
    station_table_init(&bridge->stations);
    struct port *port = port_create(bridge, &bridge->local);
    if (port == NULL || net_register(&bridge->local) != 0) {
        if (port != NULL) {
            station_share_clear(&bridge->stations, &port->share);
            free(port);
        }
        free(bridge);
        return NULL;
    }
    (void)station_pin(&bridge->stations, &port->share, mac); /* the table is empty */
    port->exclusive = true;
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
    struct port *port = port_create(bridge, device);
    if (port == NULL) {
        return -XEN_ENOMEM;
    }
    device->receiver = port;
    device->receive = port_receive;
    return 0;
}

int bridge_pin(struct net_device *device, const uint8_t mac[NET_ADDRESS_LENGTH], bool exclusive)
{
    if (device->receive != port_receive || (mac[0] & GROUP_BIT) != 0) {
        return -XEN_EINVAL;
    }
    struct port *port = device->receiver;
    int error = station_pin(&port->bridge->stations, &port->share, mac);
    port->exclusive = error == 0 && exclusive;
    return error;
}

void bridge_remove(struct net_device *device)
{
    if (device->receive != port_receive) {
        return;
    }
    struct port *port = device->receiver;
    struct bridge *bridge = port->bridge;
    device->receive = NULL;
    device->receiver = NULL;
    for (unsigned int i = 0; i < bridge->port_count; i++) {
        if (bridge->ports[i] == port) {
            bridge->ports[i] = bridge->ports[--bridge->port_count];
            break;
        }
    }
    station_share_clear(&bridge->stations, &port->share);
    free(port);
}

const char *bridge_of(const struct net_device *device)
{
    return device->receive == port_receive ? ((struct port *)device->receiver)->bridge->local.name
                                           : NULL;
}
