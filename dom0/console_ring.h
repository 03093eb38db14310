// SPDX-License-Identifier: MIT
/*
 * The daemon's end of a guest's console ring (xen/io/console.h). Pure. The page is the guest's and
 * hostile: each of its indices is read once and checked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/io/console.h>

/* Takes the output that waits into `text`, which has room for sizeof(ring->out) bytes; *length is 0
 * if none waits. False: the indices are nonsense, and the ring is not to be served any more. */
bool console_ring_take(struct xencons_interface *ring, char *text, size_t *length);
/* Puts input; the bytes that there was room for. */
size_t console_ring_put(struct xencons_interface *ring, const char *text, size_t length);
