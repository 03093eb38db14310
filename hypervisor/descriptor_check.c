// SPDX-License-Identifier: MIT
// Which descriptors a guest may have (descriptors.h). Pure: builds on the host.
//
// In long mode the limits and bases of code and data segments protect nothing: paging does. What must
// not be in a guest's table is a way into another ring: gates, and segments that only ring 0 could
// use. So code and data segments become DPL 3, and of the system types only type 0 (nothing) and the
// call gate pass; a call gate becomes DPL 0, where no guest can use it: its call faults and is the
// guest kernel's to emulate. What Xen does to gates is done to them here as well.
#include "hypervisor/descriptors.h"

#define DESCRIPTOR_TYPE (0xfull << 40)
#define DESCRIPTOR_S (1ull << 44) // code or data
#define DESCRIPTOR_DPL (3ull << 45)
#define DESCRIPTOR_P (1ull << 47)
#define TYPE_CALL_GATE (0xcull << 40)
#define GATE_SELECTOR_SHIFT 16
#define GATE_RESERVED (0xffull << 32)
#define SELECTOR_LDT 4
#define SELECTOR_RPL 3

// A gate to a code segment of the guest's own: in its part of the GDT, in its LDT, or the flat one.
static bool gate_sanitise(uint64_t *descriptor)
{
    uint64_t d = *descriptor;
    uint16_t selector = (uint16_t)(d >> GATE_SELECTOR_SHIFT);

    if ((d & DESCRIPTOR_TYPE) != TYPE_CALL_GATE || d & GATE_RESERVED)
        return false;
    if (selector != SEL_GUEST_CODE64) {
        if (!(selector & SELECTOR_LDT) && selector >= FIRST_RESERVED_GDT_BYTE)
            return false;
        d |= (uint64_t)SELECTOR_RPL << GATE_SELECTOR_SHIFT;
    }
    *descriptor = d & ~DESCRIPTOR_DPL;
    return true;
}

bool descriptor_sanitise(uint64_t *descriptor)
{
    uint64_t d = *descriptor;

    if (!(d & DESCRIPTOR_P))
        return true; // using it faults
    if (!(d & DESCRIPTOR_S))
        return (d & DESCRIPTOR_TYPE) == 0 || gate_sanitise(descriptor);
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
