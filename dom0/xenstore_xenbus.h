// SPDX-License-Identifier: MIT
/*
 * Makes the store in this program the one that pvguest's xenbus talks to: dom0's back ends and
 * commands use the same functions as a guest's front ends.
 */
#pragma once

#include "dom0/xenstore.h"

/* Before the first use of xenbus. 0 or -XEN_E*. */
int xenstore_xenbus_attach(struct xenstore *store);
