// SPDX-License-Identifier: MIT
/* virtio network cards (dom0): each becomes a net_device "eth0", "eth1", ... */
#pragma once

/* After pci_init. Takes every virtio-net device that no driver has claimed; says how many on the
 * console and returns it. */
int virtio_net_init(void);
