// SPDX-License-Identifier: MIT
/*
 * netback: each guest network card becomes a net_device "vifDOM.ID" on the bridge that its node
 * "bridge" names. Protocol: xen/io/netif.h, copying in both directions.
 */
#pragma once

/* `bridge` is used where a card's node names none. 0 or -XEN_E*. */
int netback_init(const char *bridge);
