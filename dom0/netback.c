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
#include "pvguest/time.h"
#include "pvguest/xenbus_device.h"

#define MTU 1500U

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
    return bridge_add(bridge, &vif->net);
}

static int options_read(struct vif *vif, struct netback_ring_options *options)
{
    const char *peer = vif->device->peer;
    uint64_t tx, rx, port;
    int error = xenbus_read_number(XENBUS_NO_TRANSACTION, peer, "tx-ring-ref", &tx);

    if (error == 0) {
        error = xenbus_read_number(XENBUS_NO_TRANSACTION, peer, "rx-ring-ref", &rx);
    }
    if (error == 0) {
        error = xenbus_read_number(XENBUS_NO_TRANSACTION, peer, "event-channel", &port);
    }
    if (error != 0) {
        return error;
    }
    if (tx > UINT32_MAX || rx > UINT32_MAX || port > UINT32_MAX) {
        return -XEN_EINVAL;
    }
    if (xenbus_read_number_or(peer, "request-rx-copy", 0) == 0) {
        return -XEN_EOPNOTSUPP;
    }
    *options = (struct netback_ring_options){
        .net = &vif->net,
        .domid = vif->device->peer_domid,
        .tx_grant = (grant_ref_t)tx,
        .rx_grant = (grant_ref_t)rx,
        .port = (evtchn_port_t)port,
        .can_sg = xenbus_read_number_or(peer, "feature-sg", 0) != 0,
        .can_csum = xenbus_read_number_or(peer, "feature-no-csum-offload", 0) == 0,
        .rate = &vif->rate,
        .broken = vif_broken,
        .context = vif,
    };
    return 0;
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
        vif->net.features = NET_FEATURE_CSUM_RX | NET_FEATURE_CSUM_TX | NET_FEATURE_SG;
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
    static const char *const names[] = {"feature-rx-copy", "feature-rx-notify", "feature-sg"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int error = xenbus_printf(XENBUS_NO_TRANSACTION, device->node, names[i], "1");
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

int netback_init(const char *bridge)
{
    static struct xenbus_driver driver = {.type = "vif",
                                          .backend = true,
                                          .probe = vif_probe,
                                          .peer_changed = vif_peer_changed,
                                          .remove = vif_remove};
    default_bridge = bridge;
    return xenbus_driver_register(&driver);
}
