// SPDX-License-Identifier: MIT
/*
 * TCP/IP on a network device: one lwIP interface per device.
 *
 * lwIP's raw API (lwip/tcp.h, lwip/udp.h) may be called from any thread: threads are cooperative and
 * nothing in lwIP waits. The other way round, a callback from lwIP must not wait either: it hands
 * long work to a thread of its own.
 */
#pragma once

#include "pvguest/net.h"
#include <stdbool.h>

struct netif;

/*
 * Starts TCP/IP on `device`. `address` is "dhcp", or "ADDRESS/BITS" or "ADDRESS/BITS,GATEWAY" with
 * dotted IPv4 addresses. The host name (DHCP option 12) may be NULL. 0, or -XEN_EINVAL for a malformed
 * address, -XEN_ENOMEM, -XEN_EBUSY when the device has a listener already.
 */
int netstack_start(struct net_device *device, const char *address, const char *hostname);

/* Waits until the device's interface has an IPv4 address, at most `ns`; false if it has none then. */
bool netstack_wait_address(struct net_device *device, uint64_t ns);

/* The interface of a device, NULL before netstack_start. */
struct netif *netstack_netif(struct net_device *device);
