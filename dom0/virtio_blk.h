// SPDX-License-Identifier: MIT
/*
 * virtio block devices (dom0): each is registered as a block device "vdisk0", "vdisk1", … in the
 * order of the PCI bus.
 */
#pragma once

/* After pci_init. The number of disks that work; those that do not are named on the console. */
int virtio_blk_init(void);
