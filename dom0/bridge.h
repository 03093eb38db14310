// SPDX-License-Identifier: MIT
/*
 * A learning Ethernet bridge (IEEE 802.1D without spanning tree) between network devices: the
 * machine's card, the guests' back ends, and dom0's own TCP/IP stack.
 *
 * The stack's port is a device of its own, named as the bridge: start TCP/IP on it
 * (pvguest/netstack.h). Everything runs in threads and never waits.
 */
#pragma once

#include "pvguest/net.h"

struct bridge;

/* Makes a bridge and its local device `name`, whose address is `mac`. NULL: the name is taken or no
 * memory. */
struct bridge *bridge_create(const char *name, const uint8_t mac[NET_ADDRESS_LENGTH]);
struct bridge *bridge_find(const char *name);
struct net_device *bridge_local(struct bridge *bridge);

/* The device's frames go to the bridge from now on. -XEN_EBUSY: it has a listener, -XEN_ENOSPC: all
 * ports are in use. */
int bridge_add(struct bridge *bridge, struct net_device *device);
/* Ties an address to the device's port: nobody else can take it. An exclusive port sends with this
 * source alone. -XEN_EEXIST: the address is another port's, -XEN_EINVAL: a group address, or the
 * device is on no bridge. */
int bridge_pin(struct net_device *device, const uint8_t mac[NET_ADDRESS_LENGTH], bool exclusive);
/* Forgets the device and what was learnt from it. */
void bridge_remove(struct net_device *device);

/* The name of the device's bridge, NULL if it is on none. */
const char *bridge_of(const struct net_device *device);
