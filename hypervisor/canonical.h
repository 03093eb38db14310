// SPDX-License-Identifier: MIT
// Canonical addresses: the 47-bit halves that 4-level paging knows.
#pragma once

#include "hypervisor/types.h"

#define CANONICAL_SHIFT 16

static inline bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << CANONICAL_SHIFT) >> CANONICAL_SHIFT) == address;
}
