// SPDX-License-Identifier: MIT
/*
 * Error numbers. Inside pvguest and dom0 every function that can fail returns 0 (or a positive
 * result) or -XEN_E* of xen/errno.h. newlib's numbers differ: only its system-call layer and
 * libxenstore convert, by these functions.
 */
#pragma once

#include <xen/errno.h>

/* Positive Xen number to newlib's number; unknown numbers become EIO. */
int errno_from_xen(int xen_error);

/* Positive newlib number to Xen's; unknown numbers become XEN_EIO. */
int errno_to_xen(int newlib_error);

/* "EINVAL" for XEN_EINVAL or -XEN_EINVAL; "?" for a number that Xen does not define. */
const char *errno_name(int xen_error);
