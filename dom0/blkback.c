// SPDX-License-Identifier: MIT
/*
 * Virtual disks as xenbus sees them: which disk a node means, who may write it, and the states of
 * front and back end (the diagram is in xen/io/blkif.h). Runs in the xenbus thread; the data path
 * is in blkback_ring.c.
 */
#include "dom0/blkback.h"

#include <stdlib.h>
#include <string.h>

#include "dom0/blkback_request.h"
#include "dom0/blkback_ring.h"
#include "pvguest/block.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/xenbus_device.h"
#include <xen/io/protocols.h>

struct vbd {
    struct xenbus_device *device;
    struct block_device *disk;
    bool readonly;
    bool shared;   /* others may write the disk too */
    bool violated; /* the front end broke the rules on this connection */
    unsigned int complaints;
    struct blkback_ring *ring;
    struct vbd *next;
};

static struct vbd *vbds;
static struct wait_queue removals;

/* The disk ---------------------------------------------------------------------------------------- */
static const char *skip(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : text;
}

/* A disk has one writer, or any number of readers. */
static bool disk_is_free(const struct vbd *wanted)
{
    for (const struct vbd *vbd = vbds; vbd != NULL; vbd = vbd->next) {
        if (vbd->disk == wanted->disk && !(vbd->readonly && wanted->readonly) &&
            !(vbd->shared && wanted->shared)) {
            return false;
        }
    }
    return true;
}

static int disk_open(struct vbd *vbd)
{
    const char *node = vbd->device->node;
    char params[64];
    char mode[8];
    int error = xenbus_read_text(node, "params", params, sizeof(params));
    if (error == 0) {
        error = xenbus_read_text(node, "mode", mode, sizeof(mode));
    }
    if (error != 0) {
        return error;
    }
    vbd->disk = block_find(skip(skip(params, "phy:"), "/dev/"));
    if (vbd->disk == NULL) {
        console_printf("%s: there is no disk %s\n", node, params);
        return -XEN_ENOENT;
    }
    vbd->readonly = mode[0] != 'w' || vbd->disk->readonly;
    vbd->shared = strchr(mode, '!') != NULL;
    if (!disk_is_free(vbd)) {
        console_printf("%s: disk %s is in use\n", node, params);
        return -XEN_EBUSY;
    }
    return 0;
}

/* Connections ------------------------------------------------------------------------------------- */
static void vbd_broken(void *context)
{
    struct vbd *vbd = context;
    vbd->violated = true;
    xenbus_device_poke(vbd->device);
}

static void vbd_disconnect(struct vbd *vbd)
{
    if (vbd->ring != NULL) {
        blkback_ring_close(vbd->ring);
        vbd->ring = NULL;
    }
}

/* What the front end has to know of the disk. "sectors" and the numbers on the ring are of 512 bytes
 * whatever "sector-size" says: so front ends take them (feature-large-sector-size is not used). */
static int properties_write(const struct vbd *vbd)
{
    const char *node = vbd->device->node;
    const struct block_device *disk = vbd->disk;
    unsigned int info = (vbd->readonly ? VDISK_READONLY : 0) | (disk->cdrom ? VDISK_CDROM : 0);
    const struct {
        const char *name;
        uint64_t value;
    } nodes[] = {
        {"sectors",              disk->sectors    },
        {"sector-size",          disk->sector_size},
        {"physical-sector-size", disk->sector_size},
        {"info",                 info             }
    };
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        int error = xenbus_printf(XENBUS_NO_TRANSACTION, node, nodes[i].name, "%lu",
                                  nodes[i].value);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* More is not offered; a front end that sets it up all the same would wait for ever. */
static bool one_ring_of_one_page(const char *peer)
{
    return xenbus_read_number_or(peer, "ring-page-order", 0) == 0 &&
           xenbus_read_number_or(peer, "num-ring-pages", 1) == 1 &&
           xenbus_read_number_or(peer, "multi-queue-num-queues", 1) == 1;
}

static int ring_connect(struct vbd *vbd)
{
    const struct xenbus_device *device = vbd->device;
    char protocol[24];
    uint64_t grant;
    uint64_t port;
    int error = xenbus_read_number(XENBUS_NO_TRANSACTION, device->peer, "ring-ref", &grant);
    if (error == 0) {
        error = xenbus_read_number(XENBUS_NO_TRANSACTION, device->peer, "event-channel", &port);
    }
    if (error == 0 && (grant > UINT32_MAX || port > UINT32_MAX)) {
        error = -XEN_EINVAL;
    }
    if (error == 0 && !one_ring_of_one_page(device->peer)) {
        error = -XEN_EINVAL;
    }
    if (error == 0 && xenbus_read_text(device->peer, "protocol", protocol, sizeof(protocol)) == 0 &&
        strcmp(protocol, XEN_IO_PROTO_ABI_X86_64) != 0) {
        error = -XEN_EOPNOTSUPP;
    }
    if (error != 0) {
        return error;
    }
    struct blkback_ring_options options = {
        .disk = vbd->disk,
        .readonly = vbd->readonly,
        .persistent = xenbus_read_number_or(device->peer, "feature-persistent", 0) != 0,
        .domid = device->peer_domid,
        .ring_grant = (grant_ref_t)grant,
        .remote_port = (evtchn_port_t)port,
        .name = device->node,
        .complaints = &vbd->complaints,
        .broken = vbd_broken,
        .context = vbd};
    return blkback_ring_open(&options, &vbd->ring);
}

static void vbd_connect(struct vbd *vbd)
{
    struct xenbus_device *device = vbd->device;
    if (vbd->ring != NULL || device->state != XenbusStateInitWait) {
        return;
    }
    vbd->violated = false;
    int error = ring_connect(vbd);
    if (error == 0) {
        error = properties_write(vbd);
    }
    if (error != 0) {
        vbd_disconnect(vbd);
        xenbus_device_fail(device, error, "cannot connect to the front end");
        return;
    }
    (void)xenbus_device_set_state(device, XenbusStateConnected);
}

/* States ------------------------------------------------------------------------------------------ */
/* What may be asked of us: before the front end sets up its ring. */
static int features_write(const struct xenbus_device *device)
{
    const struct {
        const char *name;
        unsigned int value;
    } nodes[] = {
        {"feature-flush-cache",           1                   },
        {"feature-barrier",               0                   },
        {"feature-discard",               0                   },
        {"feature-persistent",            1                   },
        {"feature-max-indirect-segments", BLKBACK_SEGMENTS_MAX},
        {"max-ring-page-order",           0                   },
        {"max-ring-pages",                1                   },
        {"multi-queue-max-queues",        1                   }
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

static void vbd_peer_changed(struct xenbus_device *device)
{
    struct vbd *vbd = device->context;
    if (vbd->violated && vbd->ring != NULL) {
        vbd_disconnect(vbd);
        xenbus_device_fail(device, -XEN_EIO, "front end broke the protocol");
        return;
    }
    switch (device->peer_state) {
    case XenbusStateInitialising:
        /* A front end that starts again after a close, or a new kernel in the same domain. */
        if (device->state == XenbusStateClosed || device->state == XenbusStateClosing) {
            vbd_disconnect(vbd);
            (void)xenbus_device_set_state(device, XenbusStateInitWait);
        }
        break;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        vbd_connect(vbd);
        break;
    case XenbusStateClosing:
        vbd_disconnect(vbd);
        (void)xenbus_device_set_state(device, XenbusStateClosing);
        break;
    case XenbusStateClosed:
    case XenbusStateUnknown:
        vbd_disconnect(vbd);
        (void)xenbus_device_set_state(device, XenbusStateClosed);
        break;
    default:
        break;
    }
}

static int vbd_probe(struct xenbus_device *device)
{
    struct vbd *vbd = calloc(1, sizeof(*vbd));
    if (vbd == NULL) {
        return -XEN_ENOMEM;
    }
    vbd->device = device;
    device->context = vbd;
    int error = disk_open(vbd);
    if (error == 0) {
        error = features_write(device);
    }
    if (error == 0) {
        error = xenbus_device_set_state(device, XenbusStateInitWait);
    }
    if (error != 0) {
        (void)xenbus_printf(XENBUS_NO_TRANSACTION, device->node, "hotplug-status", "error");
        free(vbd);
        return error;
    }
    vbd->next = vbds;
    vbds = vbd;
    return 0;
}

static void vbd_remove(struct xenbus_device *device)
{
    struct vbd *vbd = device->context;
    struct vbd **link = &vbds;
    vbd_disconnect(vbd);
    while (*link != vbd) {
        link = &(*link)->next;
    }
    *link = vbd->next;
    free(vbd);
    wake_up(&removals);
}

/* For the toolstack ------------------------------------------------------------------------------- */
bool blkback_serves(domid_t domid)
{
    const struct vbd *vbd = vbds;
    while (vbd != NULL && vbd->device->peer_domid != domid) {
        vbd = vbd->next;
    }
    return vbd != NULL;
}

struct wait_queue *blkback_queue(void)
{
    return &removals;
}

int blkback_init(void)
{
    static struct xenbus_driver driver = {.type = "vbd",
                                          .backend = true,
                                          .probe = vbd_probe,
                                          .peer_changed = vbd_peer_changed,
                                          .remove = vbd_remove};
    return xenbus_driver_register(&driver);
}
