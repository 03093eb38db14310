// SPDX-License-Identifier: MIT
/*
 * Virtual disks (front end of the blkif protocol, xen/io/blkif.h). Each "device/vbd/ID" becomes a
 * block device with the name that its number stands for ("xvda", "sdb2", "hdc"). A disk that the
 * back end closes is marked gone; when it comes back it is registered again under its name.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Starts the driver if it does not run yet and waits, at most wait_ns, until every disk that the domain has now is usable
 * or has failed. 0, or -XEN_E* of xenbus (-XEN_ENODEV: no store). */
int blkfront_init(uint64_t wait_ns);

/* Name of a virtual device number, e.g. 51712 -> "xvda". */
void blkfront_device_name(unsigned int number, char *name, size_t size);
