// SPDX-License-Identifier: MIT
// Which descriptors a guest may have (descriptors.h). Pure: builds on the host.
//
// In long mode the limits and bases of code and data segments protect nothing: paging does. What must
// not be in a guest's table is a way into another ring: gates, and segments that only ring 0 could
// use. So code and data segments become DPL 3, and of the system types only type 0 (nothing) passes.
#include "hypervisor/descriptors.h"

#define DESCRIPTOR_TYPE (0xfull << 40)
#define DESCRIPTOR_S (1ull << 44) // code or data
#define DESCRIPTOR_DPL (3ull << 45)
#define DESCRIPTOR_P (1ull << 47)

bool descriptor_sanitise(uint64_t *descriptor)
{
    uint64_t d = *descriptor;

    if (!(d & DESCRIPTOR_P))
        return true; // using it faults
    if (!(d & DESCRIPTOR_S))
        return (d & DESCRIPTOR_TYPE) == 0;
    *descriptor = d | DESCRIPTOR_DPL;
    return true;
}

enum refusal descriptor_page_sanitise(uint64_t page[DESCRIPTORS_PER_PAGE])
{
    for (unsigned i = 0; i < DESCRIPTORS_PER_PAGE; i++) {
        uint64_t before = page[i], d = before;
        if (!descriptor_sanitise(&d))
            return REFUSE_DESCRIPTOR_BAD;
        if (d != before)
            page[i] = d;
    }
    return REFUSE_NONE;
}
