// SPDX-License-Identifier: MIT
/*
 * Guest kernels that come packed by gzip (RFC 1952), as Mini-OS, NetBSD and pv-grub are shipped. The file is
 * hostile input: what it unpacks to is bounded before and while it is unpacked. zlib does the work.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "dom0/guest_image.h"

/* The most that a kernel may unpack to. */
#define UNPACK_MAX (256U << 20)

bool unpack_is_packed(const void *data, size_t size);

/*
 * The contents of `data` in new memory, to be freed by the caller. NULL with a reason in `error`: damaged or
 * truncated, more than UNPACK_MAX, out of memory.
 */
void *unpack_gzip(const void *data, size_t size, size_t *contents_size, struct guest_error *error);
