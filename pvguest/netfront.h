// SPDX-License-Identifier: MIT
/*
 * netfront: each virtual network card of this domain becomes a net_device "eth0", "eth1", ... after
 * the number of its vif. Protocol: xen/io/netif.h.
 */
#pragma once

#include "pvguest/net.h"

/* Starts looking for cards. 0 or -XEN_E*. */
int netfront_init(void);

/* Waits until card `name` is connected, at most `ns`; NULL if it is not. */
struct net_device *netfront_wait(const char *name, uint64_t ns);
