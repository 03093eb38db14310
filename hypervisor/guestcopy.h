// SPDX-License-Identifier: MIT
// Copies between the hypervisor and the linear memory of the running guest.
//
// Addresses in the hypervisor's range, non-canonical ones and sums that wrap are refused; faults are
// recovered. All return true on success, false where a guest would see -EFAULT; a failed copy may
// have copied a part. Never called with a spin lock held. A value that is checked is copied once.
#pragma once

#include "hypervisor/types.h"

bool guest_read(void *to, uint64_t guest_address, size_t bytes);
bool guest_write(uint64_t guest_address, const void *from, size_t bytes);
bool guest_clear(uint64_t guest_address, size_t bytes);

// For an element of a list for the whole of which guest_range_ok() has been asked.
bool guest_read_within(void *to, uint64_t guest_address, size_t bytes);
bool guest_write16_within(uint64_t guest_address, uint16_t value);

// True when the whole range lies in the part of the address space that belongs to the guest.
bool guest_range_ok(uint64_t guest_address, size_t bytes);

// True for addresses that may be a guest's, mapped or not. Some calls ask that of the beginning alone.
static inline bool guest_address_ok(uint64_t guest_address)
{
    return is_canonical(guest_address) && guest_range_ok(guest_address, 1);
}
