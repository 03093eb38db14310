// SPDX-License-Identifier: MIT
/*
 * Guest network cards as xenbus sees them: bridge, features, states of front and back end. Runs in
 * the xenbus thread; the data path is in netback_ring.c.
 */
#include "dom0/netback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/bridge.h"
#include "dom0/netback_ring.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "pvguest/time.h"
#include "pvguest/xenbus_device.h"

#define MTU 1500U
#define WAITING_PART 8U /* of dom0's free memory may be packets that wait for front ends */

struct vif {
    struct net_device net;
    struct xenbus_device *device;
    struct netback_ring *ring;
    struct netback_rate rate;
    bool violated; /* the front end broke the rules on this connection */
};

static const char *default_bridge;

static int vif_transmit(struct net_device *net, struct net_packet *packet)
{
    struct vif *vif = net->driver;

    if (vif->ring == NULL) {
        net_packet_free(packet);
        return -XEN_ENODEV;
    }
    return netback_ring_send(vif->ring, packet);
}

/* Connections ------------------------------------------------------------------------------------- */
static void vif_broken(void *context)
{
    struct vif *vif = context;

    vif->violated = true;
    xenbus_device_poke(vif->device);
}

static void vif_disconnect(struct vif *vif)
{
    struct netback_ring *ring = vif->ring;

    if (ring == NULL) {
        return;
    }
    vif->net.up = false;
    bridge_remove(&vif->net);
    vif->ring = NULL;
    netback_ring_close(ring);
}

/* A guest sends with the address that it was given, unless its back end's node "antispoof" is 0. */
static int vif_address(struct vif *vif)
{
    const char *node = vif->device->node;
    uint8_t mac[NET_ADDRESS_LENGTH];
    char text[24];
    bool exclusive = xenbus_read_number_or(node, "antispoof", 1) != 0;
    int error = xenbus_read_text(node, "mac", text, sizeof(text));

    if (error == 0 && !net_address_parse(text, mac)) {
        error = -XEN_EINVAL;
    }
    if (error == 0) {
        error = bridge_pin(&vif->net, mac, exclusive);
    }
    if (error != 0) {
        console_printf("%s: address: %s\n", node,
                       error == -XEN_EEXIST ? "in use on this bridge" : errno_name(error));
    }
    return error;
}

static int vif_bridge(struct vif *vif)
{
    char name[32];

    if (xenbus_read_text(vif->device->node, "bridge", name, sizeof(name)) != 0) {
        snprintf(name, sizeof(name), "%s", default_bridge);
    }
    struct bridge *bridge = bridge_find(name);
    if (bridge == NULL) {
        console_printf("%s: there is no bridge %s\n", vif->device->node, name);
        return -XEN_ENOENT;
    }
    int error = bridge_add(bridge, &vif->net);
    return error != 0 ? error : vif_address(vif);
}

/* A number of the front end's, of 32 bits. */
static int number_read(const char *peer, const char *name, uint32_t *out)
{
    uint64_t value;
    int error = xenbus_read_number(XENBUS_NO_TRANSACTION, peer, name, &value);

    if (error == 0 && value > UINT32_MAX) {
        error = -XEN_EINVAL;
    }
    *out = error == 0 ? (uint32_t)value : 0;
    return error;
}

/* Two event channels, or one for both directions. */
static int ports_read(const char *peer, struct netback_ring_options *options)
{
    if (number_read(peer, "event-channel-tx", &options->tx_port) == 0 &&
        number_read(peer, "event-channel-rx", &options->rx_port) == 0) {
        return 0;
    }
    int error = number_read(peer, "event-channel", &options->tx_port);
    options->rx_port = options->tx_port;
    return error;
}

static bool has(const char *peer, const char *feature)
{
    return xenbus_read_number_or(peer, feature, 0) != 0;
}

static int options_read(struct vif *vif, struct netback_ring_options *options)
{
    const char *peer = vif->device->peer;

    *options = (struct netback_ring_options){
        .net = &vif->net,
        .domid = vif->device->peer_domid,
        .can_sg = has(peer, "feature-sg"),
        .can_csum = !has(peer, "feature-no-csum-offload"),
        .can_csum_six = has(peer, "feature-ipv6-csum-offload"),
        .can_wait = has(peer, "feature-rx-notify"),
        .multicast_control = has(peer, "request-multicast-control"),
        .rate = &vif->rate,
        .broken = vif_broken,
        .context = vif,
    };
    int error = number_read(peer, "tx-ring-ref", &options->tx_grant);
    if (error == 0) {
        error = number_read(peer, "rx-ring-ref", &options->rx_grant);
    }
    if (error == 0) {
        error = ports_read(peer, options);
    }
    if (error == 0 && xenbus_read_number_or(peer, "multi-queue-num-queues", 1) != 1) {
        error = -XEN_EINVAL;
    }
    if (error == 0 && !has(peer, "request-rx-copy")) {
        error = -XEN_EOPNOTSUPP;
    }
    vif->net.features = NET_FEATURE_CSUM_RX | NET_FEATURE_CSUM_TX | NET_FEATURE_SG;
    if (options->can_sg && options->can_csum && has(peer, "feature-gso-tcpv4")) {
        vif->net.features |= NET_FEATURE_TSO4;
    }
    if (options->can_sg && options->can_csum_six && has(peer, "feature-gso-tcpv6")) {
        vif->net.features |= NET_FEATURE_TSO6;
    }
    return error;
}

static void vif_connect(struct vif *vif)
{
    struct xenbus_device *device = vif->device;
    struct netback_ring_options options;

    if (vif->ring != NULL || device->state != XenbusStateInitWait) {
        return;
    }
    vif->violated = false;
    int error = options_read(vif, &options);
    if (error == 0) {
        error = netback_ring_open(&options, &vif->ring);
    }
    if (error == 0) {
        error = vif_bridge(vif);
    }
    if (error != 0) {
        vif_disconnect(vif);
        xenbus_device_fail(device, error, "cannot connect to the front end");
        return;
    }
    vif->net.up = true;
    (void)xenbus_device_set_state(device, XenbusStateConnected);
}

/* States ------------------------------------------------------------------------------------------ */
static int features_write(const struct xenbus_device *device)
{
    static const struct {
        const char *name;
        unsigned int value;
    } nodes[] = {
        {"feature-rx-copy",              1},
        {"feature-rx-flip",              0},
        {"feature-rx-notify",            1},
        {"feature-sg",                   1},
        {"feature-gso-tcpv4",            1},
        {"feature-gso-tcpv6",            1},
        {"feature-ipv6-csum-offload",    1},
        {"feature-split-event-channels", 1},
        {"feature-multicast-control",    1},
        {"feature-ctrl-ring",            0},
        {"multi-queue-max-queues",       1}
    };

    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        int error = xenbus_printf(XENBUS_NO_TRANSACTION, device->node, nodes[i].name, "%u",
                                  nodes[i].value);
        if (error != 0) {
            return error;
        }
    }
    return xenbus_printf(XENBUS_NO_TRANSACTION, device->node, "hotplug-status", "connected");
}

static void vif_peer_changed(struct xenbus_device *device)
{
    struct vif *vif = device->context;

    if (vif->violated && vif->ring != NULL) {
        vif_disconnect(vif);
        xenbus_device_fail(device, -XEN_EIO, "front end broke the protocol");
        return;
    }
    switch (device->peer_state) {
    case XenbusStateInitialising:
        /* A front end that starts again after a close, or a new kernel in the same domain. */
        if (device->state == XenbusStateClosed || device->state == XenbusStateClosing) {
            vif_disconnect(vif);
            (void)xenbus_device_set_state(device, XenbusStateInitWait);
        }
        break;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        vif_connect(vif);
        break;
    case XenbusStateClosing:
        vif_disconnect(vif);
        (void)xenbus_device_set_state(device, XenbusStateClosing);
        break;
    case XenbusStateClosed:
    case XenbusStateUnknown:
        vif_disconnect(vif);
        (void)xenbus_device_set_state(device, XenbusStateClosed);
        break;
    default:
        break;
    }
}

/* The back end's end of the cable has an address that no guest has. */
static const uint8_t vif_mac[NET_ADDRESS_LENGTH] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff};

/* What the toolstack has asked for: a name in dom0, a limit of what the guest sends. */
static int vif_options(struct vif *vif)
{
    const struct xenbus_device *device = vif->device;
    char text[48];

    if (xenbus_read_text(device->node, "vifname", text, sizeof(vif->net.name)) == 0 && text[0]) {
        strcpy(vif->net.name, text);
    } else {
        snprintf(vif->net.name, sizeof(vif->net.name), "vif%u.%u", device->peer_domid, device->id);
    }
    if (xenbus_read_text(device->node, "rate", text, sizeof(text)) == 0 &&
        !netback_rate_read(&vif->rate, text, time_now())) {
        console_printf("%s: no rate: %s\n", device->node, text);
        return -XEN_EINVAL;
    }
    return 0;
}

static int vif_probe(struct xenbus_device *device)
{
    struct vif *vif = calloc(1, sizeof(*vif));

    if (vif == NULL) {
        return -XEN_ENOMEM;
    }
    vif->device = device;
    device->context = vif;
    memcpy(vif->net.mac, vif_mac, sizeof(vif_mac));
    vif->net.mtu = MTU;
    vif->net.transmit = vif_transmit;
    vif->net.driver = vif;
    int error = vif_options(vif);
    error = error != 0 ? error : net_register(&vif->net);
    if (error != 0) {
        free(vif);
        return error;
    }
    error = features_write(device);
    if (error == 0) {
        error = xenbus_device_set_state(device, XenbusStateInitWait);
    }
    if (error != 0) {
        net_unregister(&vif->net);
        free(vif);
    }
    return error;
}

static void vif_remove(struct xenbus_device *device)
{
    struct vif *vif = device->context;

    vif_disconnect(vif);
    net_unregister(&vif->net);
    free(vif);
}

bool netback_is_card(const struct net_device *device)
{
    return device->transmit == vif_transmit;
}

int netback_init(const char *bridge)
{
    static struct xenbus_driver driver = {.type = "vif",
                                          .backend = true,
                                          .probe = vif_probe,
                                          .peer_changed = vif_peer_changed,
                                          .remove = vif_remove};
    default_bridge = bridge;
    netback_rx_budget(page_free_count() / WAITING_PART);
    return xenbus_driver_register(&driver);
}
