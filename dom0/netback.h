// SPDX-License-Identifier: MIT
/*
 * netback: each guest network card becomes a net_device "vifDOM.ID" on the bridge that its node
 * "bridge" names. Protocol: xen/io/netif.h, copying in both directions.
 */
#pragma once

#include <stdbool.h>

#include "pvguest/net.h"

/* `bridge` is used where a card's node names none. 0 or -XEN_E*. */
int netback_init(const char *bridge);
/* True for the card of a guest. */
bool netback_is_card(const struct net_device *device);
