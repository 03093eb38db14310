// SPDX-License-Identifier: MIT
// Every kind of descriptor: whatever a guest offers, what passes can bring nobody into another ring.
#include "hypervisor/descriptors.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <stdlib.h>

#define ACCESS_SHIFT 40
#define ACCESS_S 0x10
#define ACCESS_P 0x80

static void every_access_byte(void)
{
    for (unsigned access = 0; access < 256; access++) {
        uint64_t d = 0x00af00000000ffffull | (uint64_t)access << ACCESS_SHIFT, before = d;
        bool ok = descriptor_sanitise(&d);
        if (!(access & ACCESS_P)) {
            CU_ASSERT(ok && d == before);
        } else if (!(access & ACCESS_S)) {
            CU_ASSERT_EQUAL(ok, (access & 0xf) == 0 || (access & 0xf) == 0xc);
            CU_ASSERT_EQUAL(ok && (access & 0xf) ? d >> 45 & 3 : 0, 0); // a gate: DPL 0
        } else {
            CU_ASSERT(ok);
            CU_ASSERT_EQUAL(d >> 45 & 3, 3); // DPL 3
            CU_ASSERT_EQUAL(d & ~(3ull << 45), before & ~(3ull << 45));
        }
    }
}

static void page_stops_at_gate(void)
{
    static uint64_t page[DESCRIPTORS_PER_PAGE];

    page[0] = 0x00cf93000000ffffull;
    page[7] = 0x00008e0000000000ull; // interrupt gate
    CU_ASSERT_EQUAL(descriptor_page_sanitise(page), REFUSE_DESCRIPTOR_BAD);
    page[7] = 0x0000ec0000080000ull; // call gate, present, DPL 3, with a selector of the guest
    CU_ASSERT_EQUAL(descriptor_page_sanitise(page), REFUSE_NONE);
    CU_ASSERT_EQUAL(page[7], 0x00008c00000b0000ull); // out of ring 3's reach
    page[7] = 0x0000ec00e0080000ull;                 // to our code segment
    CU_ASSERT_EQUAL(descriptor_page_sanitise(page), REFUSE_DESCRIPTOR_BAD);
    page[7] = 0;
    CU_ASSERT_EQUAL(descriptor_page_sanitise(page), REFUSE_NONE);
    CU_ASSERT_EQUAL(page[0], 0x00cff3000000ffffull);
}

static void random_pages_are_stable(void)
{
    static uint64_t page[DESCRIPTORS_PER_PAGE];

    srand(11);
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < DESCRIPTORS_PER_PAGE; i++) {
            uint64_t d = (uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand();
            page[i] = descriptor_sanitise(&d) ? d : 0;
        }
        uint64_t first = page[0];
        CU_ASSERT_EQUAL_FATAL(descriptor_page_sanitise(page), REFUSE_NONE);
        CU_ASSERT_EQUAL_FATAL(page[0], first); // a second look changes nothing
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(every_access_byte),
    REPORT_CASE(page_stops_at_gate),
    REPORT_CASE(random_pages_are_stable),
};

int main(void)
{
    return report_run("descriptor", cases, ARRAY_SIZE(cases));
}
