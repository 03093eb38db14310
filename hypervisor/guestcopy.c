// SPDX-License-Identifier: MIT
// Copies from and to the memory of the running guest (contract in guestcopy.h).
//
// The guest's own page tables do the checking: every guest page has the user bit, the hypervisor's
// pages are kept out by address, and CR0.WP makes read-only pages fault for us too. Guests run with
// SMAP lifted for the copy only.
#include "hypervisor/guestcopy.h"
#include "hypervisor/cpu.h"
#include "hypervisor/recover.h"

bool guest_range_ok(uint64_t guest_address, size_t bytes)
{
    uint64_t last;

    if (bytes == 0)
        return true;
    if (__builtin_add_overflow(guest_address, bytes - 1, &last))
        return false;
    // Below the hypervisor the canonical half ends; what lies between faults as not canonical.
    return last < HV_VIRT_START || guest_address >= HV_VIRT_END;
}

// With SMAP user pages are out of reach but for the time of the copy.
static bool copy(void *to, const void *from, size_t bytes)
{
    if (!cpu_features.smap)
        return recover_copy(to, from, bytes);
    stac();
    bool ok = recover_copy(to, from, bytes);
    clac();
    return ok;
}

bool guest_read(void *to, uint64_t guest_address, size_t bytes)
{
    if (!guest_range_ok(guest_address, bytes))
        return false;
    return copy(to, (const void *)guest_address, bytes);
}

bool guest_write(uint64_t guest_address, const void *from, size_t bytes)
{
    if (!guest_range_ok(guest_address, bytes))
        return false;
    return copy((void *)guest_address, from, bytes);
}

bool guest_read_within(void *to, uint64_t guest_address, size_t bytes)
{
    return copy(to, (const void *)guest_address, bytes);
}

bool guest_write16_within(uint64_t guest_address, uint16_t value)
{
    if (!cpu_features.smap)
        return recover_write16((void *)guest_address, value);
    stac();
    bool ok = recover_write16((void *)guest_address, value);
    clac();
    return ok;
}

bool guest_clear(uint64_t guest_address, size_t bytes)
{
    if (!guest_range_ok(guest_address, bytes))
        return false;
    if (!cpu_features.smap)
        return recover_clear((void *)guest_address, bytes);
    stac();
    bool ok = recover_clear((void *)guest_address, bytes);
    clac();
    return ok;
}
