// SPDX-License-Identifier: MIT
// The version of the ABI: that of the Xen whose headers the machine has, 4.17 on Debian 12 and 4.20 on
// Debian 13. What changed between the two and no header tells has a name here; the code asks for the name.
#pragma once

#include "xen_release.h"

#define ABI_VERSION_MAJOR XEN_RELEASE_MAJOR
#define ABI_VERSION_MINOR XEN_RELEASE_MINOR

#define ABI_SINCE(minor) (ABI_VERSION_MINOR >= (minor))

// The number of entries of a multicall has 64 bits, not 32.
#define ABI_MULTICALL_COUNT_LONG ABI_SINCE(20)
