// SPDX-License-Identifier: MIT
// The version of the ABI that guests are told: Xen's.
#ifndef HYPERVISOR_VERSION_H
#define HYPERVISOR_VERSION_H

#define ABI_VERSION_MAJOR 4
#define ABI_VERSION_MINOR 17

#endif
