// SPDX-License-Identifier: MIT
// The version of the ABI that guests are told: Xen's.
#pragma once

#define ABI_VERSION_MAJOR 4
#define ABI_VERSION_MINOR 17
