// SPDX-License-Identifier: MIT
/* virtio network cards (dom0): each becomes a net_device "eth0", "eth1", ... */
#ifndef DOM0_VIRTIO_NET_H
#define DOM0_VIRTIO_NET_H

/* After pci_init. Takes every virtio-net device that no driver has claimed; says how many on the
 * console and returns it. */
int virtio_net_init(void);

#endif
