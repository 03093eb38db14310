// SPDX-License-Identifier: MIT
// Host stand-in for hypervisor/string.h: the C library's functions.
#pragma once

#include "hypervisor/types.h"
#include <string.h>

size_t strlcpy(char *to, const char *from, size_t size);
