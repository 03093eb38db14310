// SPDX-License-Identifier: MIT
/*
 * Split devices on xenbus: finds the devices of one type, follows the other end's state, and calls
 * the driver. Front ends and back ends use the same structures; which end a driver is stands in
 * its `backend` flag.
 *
 *   front end: node "device/TYPE/ID",                       peer from its "backend", "backend-id"
 *   back end:  node "/local/domain/0/backend/TYPE/DOM/ID",  peer from its "frontend", "frontend-id"
 *
 * Everything of the peer is hostile input for a back end. All driver calls come from the xenbus
 * thread, one at a time; they may use xenbus and should not block for long.
 */
#pragma once

#include "pvguest/xenbus.h"

struct xenbus_driver;

#define XENBUS_NODE_MAX 96U
#define XENBUS_FAILURES_MAX 16U

struct xenbus_device {
    struct xenbus_driver *driver;
    char node[XENBUS_NODE_MAX];
    char peer[XENBUS_NODE_MAX];
    domid_t peer_domid;
    unsigned int id;        /* last part of the node: 51712, or 0 for the first network card */
    XenbusState state;      /* ours, as last written */
    XenbusState peer_state; /* as last seen */
    unsigned int failures;  /* calls of xenbus_device_fail */
    void *context;          /* the driver's */

    /* private */
    char peer_state_path[XENBUS_NODE_MAX + 8];
    struct xenbus_watch watch;
    bool seen;
    bool refused; /* probe did not want it; nothing more is done with it */
    struct xenbus_device *next;
};

struct xenbus_driver {
    const char *type; /* "vbd", "vif" */
    bool backend;
    /* A new device, state Initialising. Not 0: the device is ignored (and closed, with a line on
     * the console). */
    int (*probe)(struct xenbus_device *device);
    /* The peer's state has changed (also called once after probe). */
    void (*peer_changed)(struct xenbus_device *device);
    /* The node is gone or the peer's domain has died: let go of everything; the struct is freed
     * after the return. Also called after a probe that was successful only. */
    void (*remove)(struct xenbus_device *device);

    /* private */
    struct xenbus_watch watch;
    char path[XENBUS_NODE_MAX];
    struct xenbus_device *devices;
};

/* Existing devices are probed soon after, in the xenbus thread. */
int xenbus_driver_register(struct xenbus_driver *driver);
/* Writes our state node if it differs. -XEN_ENOENT: the toolstack has removed the device. */
int xenbus_device_set_state(struct xenbus_device *device, XenbusState state);
/* Has peer_changed called soon, in the xenbus thread: for drivers that learn elsewhere that the
 * device has to be closed. From threads; does not block. */
void xenbus_device_poke(struct xenbus_device *device);
/* Prints the reason, writes "error/NODE/error" and goes to XenbusStateClosing. A back end's device
 * that has failed XENBUS_FAILURES_MAX times is not started again: its front end could fill dom0's
 * console otherwise. */
void xenbus_device_fail(struct xenbus_device *device, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Goes on with the device from the start after a fatal error or a close (front ends): state
 * Initialising again. */
int xenbus_device_reopen(struct xenbus_device *device);
