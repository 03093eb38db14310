// SPDX-License-Identifier: MIT
/*
 * blkback: serves block devices of dom0, whole, to guests by the blkif protocol (xen/io/blkif.h).
 *
 * The toolstack makes the nodes below backend/vbd/DOMID/ID and the front end's; of ours it has to
 * write: "params" (name of a block device of dom0: "vdisk0"; "phy:" and "/dev/" in front are
 * ignored), "mode" ("r", "w", or "w!" for a disk that others may write too), "frontend",
 * "frontend-id", "state" = 1. A disk that one guest may write is refused to all others.
 */
#pragma once

#include <stdbool.h>
#include <xen/xen.h>

#include "pvguest/thread.h"

/* Starts serving; needs xenbus. 0 or -XEN_E*. */
int blkback_init(void);
/* Whether a disk of the domain is open still, with requests that may be under way. */
bool blkback_serves(domid_t domid);
/* Woken whenever one has been closed for good. */
struct wait_queue *blkback_queue(void);
