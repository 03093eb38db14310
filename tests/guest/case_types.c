// SPDX-License-Identifier: MIT
// The page-type machine, attacked from one domain: a frame is never writable and a table (or a page
// of descriptors) at once, whatever the order, and validation of whole trees stops and continues.
#include "tests/guest/guest.h"

#include <string.h>

#include "pvguest/start.h"

#define ENTRIES 512

static long pin_l1(uint64_t *table)
{
    return mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table));
}

static long unpin(uint64_t *table)
{
    return mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table));
}

// A table that maps itself or another table writable would be a door to everything.
static void table_maps_itself_writable(void)
{
    uint64_t *table = table_alloc();

    REQUIRE(table != NULL);
    table[5] = pte_make(virt_to_mfn(table), PTE_RAM | PTE_RW);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(pin_l1(table), -XEN_EBUSY);
    table_free(table);
}

static void table_maps_itself_readonly(void)
{
    uint64_t *table = table_alloc();

    REQUIRE(table != NULL);
    table[5] = pte_make(virt_to_mfn(table), PTE_RAM);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(pin_l1(table), 0);
    EXPECT(unpin(table), 0);
    table_free(table);
}

static void pinned_table_gains_writable_entry(void)
{
    uint64_t *table = table_alloc();
    uint64_t *page = page_alloc(0);

    REQUIRE(table != NULL && page != NULL);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(pin_l1(table), 0);
    EXPECT(pte_write(virt_to_maddr(&table[1]), pte_make(virt_to_mfn(page), PTE_RAM | PTE_RW)), 0);
    EXPECT(pte_write(virt_to_maddr(&table[2]), pte_make(virt_to_mfn(table), PTE_RAM | PTE_RW)),
           -XEN_EBUSY);
    // First read-only, then only the writable flag changes: no way round the check.
    EXPECT(pte_write(virt_to_maddr(&table[3]), pte_make(virt_to_mfn(table), PTE_RAM)), 0);
    EXPECT(pte_write(virt_to_maddr(&table[3]), pte_make(virt_to_mfn(table), PTE_RAM | PTE_RW)),
           -XEN_EBUSY);
    EXPECT(table[3] & PTE_RW, 0);
    EXPECT(unpin(table), 0);
    table_free(table);
    page_free(page, 0);
}

// The writable mapping in a table that is not in use any more must not count.
static void unpin_gives_references_back(void)
{
    uint64_t *table = table_alloc(), *page = page_alloc(0);

    REQUIRE(table != NULL && page != NULL);
    table[0] = pte_make(virt_to_mfn(page), PTE_RAM | PTE_RW);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(page_set_readonly(page), 0);
    EXPECT(pin_l1(table), 0);
    EXPECT(pin_l1(page), -XEN_EINVAL);
    EXPECT(unpin(table), 0);
    EXPECT(pin_l1(page), 0);
    EXPECT(pin_l1(table), -XEN_EBUSY);
    EXPECT(unpin(page), 0);
    table_free(table);
    table_free(page);
}

static void one_level_only(void)
{
    uint64_t *table = table_alloc();
    uint64_t mfn = virt_to_mfn(table);

    REQUIRE(table != NULL);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, mfn), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_PIN_L3_TABLE, mfn), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, mfn), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn), 0);
    table_free(table);
}

// Linear tables: a table as an entry of its own level.
static void linear_tables(void)
{
    static const unsigned int pins[] = {MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE,
                                        MMUEXT_PIN_L4_TABLE};
    uint64_t *table = table_alloc();

    REQUIRE(table != NULL);
    table[3] = pte_make(virt_to_mfn(table), PTE_P | PTE_US | PTE_A);
    EXPECT(page_set_readonly(table), 0);
    for (size_t i = 0; i < 3; i++)
        EXPECT_TRUE(mmuext(pins[i], virt_to_mfn(table)) < 0);
    table_free(table);
}

static void superpages(void)
{
    uint64_t *table = table_alloc();

    REQUIRE(table != NULL);
    table[0] = PTE_TABLE | PTE_PSE;
    EXPECT(page_set_readonly(table), 0);
    EXPECT_TRUE(mmuext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(table)) < 0);
    EXPECT_TRUE(mmuext(MMUEXT_PIN_L3_TABLE, virt_to_mfn(table)) < 0);
    table_free(table);
}

// Slots 256 to 271 of a root belong to the hypervisor.
static void hypervisor_slots(void)
{
    uint64_t *root = table_alloc(), *lower = table_alloc();
    uint64_t entry;

    REQUIRE(root != NULL && lower != NULL);
    EXPECT(page_set_readonly(root), 0);
    EXPECT(page_set_readonly(lower), 0);
    entry = pte_make(virt_to_mfn(lower), PTE_TABLE);
    EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(root)), 0);
    for (unsigned int slot = 256; slot < 272; slot++)
        EXPECT(pte_write(virt_to_maddr(&root[slot]), entry), -XEN_EINVAL);
    EXPECT(pte_write(virt_to_maddr(&root[255]), entry), 0);
    EXPECT(pte_write(virt_to_maddr(&root[272]), entry), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(root)), 0);
    table_free(lower);
    table_free(root);
}

// Reserved and cache bits, one by one, in a table's entries.
static void reserved_bits(void)
{
    uint64_t *table = table_alloc(), *page = page_alloc(0);
    uint64_t good, maddr;

    REQUIRE(table != NULL && page != NULL);
    good = pte_make(virt_to_mfn(page), PTE_RAM);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(pin_l1(table), 0);
    maddr = virt_to_maddr(&table[0]);
    for (unsigned int bit = 46; bit < 52; bit++)
        EXPECT_TRUE(pte_write(maddr, good | (1UL << bit)) < 0);
    EXPECT(pte_write(maddr, good | PTE_NX), 0);
    EXPECT(pte_write(maddr, good | PTE_AVAIL), 0);
    EXPECT(table[0] & PTE_AVAIL, PTE_AVAIL);
    EXPECT(unpin(table), 0);
    table_free(table);
    page_free(page, 0);
}

// A descriptor page may not be writable, nor become a table while it is loaded.
static void descriptor_page(void)
{
    uint64_t *page = table_alloc();
    uint64_t mfn = virt_to_mfn(page);

    REQUIRE(page != NULL);
    EXPECT(page_set_readonly(page), 0);
    EXPECT(hypercall_set_gdt((unsigned long *)&mfn, ENTRIES), 0);
    EXPECT(page_set_writable(page), -XEN_EBUSY);
    EXPECT(pin_l1(page), -XEN_EINVAL);
    EXPECT(hypercall_set_gdt(NULL, 0), 0);
    EXPECT(pin_l1(page), 0);
    EXPECT(unpin(page), 0);
    table_free(page);
}

// A whole tree at once: 511 entries of an L2 all name one L1, which maps one page 512 times; enough
// work that a validation with a pending event has to stop and go on.
static void long_validation(void)
{
    uint64_t *page = page_alloc(0), *tables[3];
    uint64_t below;

    REQUIRE(page != NULL);
    below = pte_make(virt_to_mfn(page), PTE_RAM);
    for (int level = 0; level < 3; level++) {
        tables[level] = table_alloc();
        REQUIRE(tables[level] != NULL);
        for (int i = 0; i < ENTRIES; i++)
            tables[level][i] = below;
        EXPECT(page_set_readonly(tables[level]), 0);
        below = pte_make(virt_to_mfn(tables[level]), PTE_TABLE);
    }
    for (int round = 0; round < 3; round++) {
        EXPECT(mmuext(MMUEXT_PIN_L3_TABLE, virt_to_mfn(tables[2])), 0);
        EXPECT(page_set_writable(tables[0]), -XEN_EBUSY);
        EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(tables[2])), 0);
    }
    for (int level = 0; level < 3; level++)
        table_free(tables[level]);
    page_free(page, 0);
}

// A tree with a bad leaf is refused as a whole and leaves nothing behind.
static void bad_leaf(void)
{
    uint64_t *l1 = table_alloc(), *l2 = table_alloc();

    REQUIRE(l1 != NULL && l2 != NULL);
    l1[511] = pte_make(ABSENT_FRAME, PTE_RAM);
    l2[7] = pte_make(virt_to_mfn(l1), PTE_TABLE);
    EXPECT(page_set_readonly(l1), 0);
    EXPECT(page_set_readonly(l2), 0);
    EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), -XEN_EPERM);
    EXPECT(page_set_writable(l1), 0);
    EXPECT(page_set_writable(l2), 0);
    table_free(l1);
    table_free(l2);
}

// A page that is a table cannot be given away under its users.
static void table_survives_decrease(void)
{
    uint64_t *table = table_alloc();
    uint64_t mfn = virt_to_mfn(table);

    REQUIRE(table != NULL);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(pin_l1(table), 0);
    EXPECT(page_set_writable(table), -XEN_EBUSY);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn), -XEN_EINVAL);
    table_free(table);
}

// Shared pages are the hypervisor's own: readable and writable, never a table or a descriptor page.
static void shared_info_is_no_table(void)
{
    uint64_t mfn = start_info_page->shared_info >> PAGE_SHIFT;

    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, mfn), -XEN_EINVAL);
    EXPECT(hypercall_set_gdt((unsigned long *)&mfn, ENTRIES), -XEN_EINVAL);
}

static const struct report_case cases[] = {
    REPORT_CASE(table_maps_itself_writable),
    REPORT_CASE(table_maps_itself_readonly),
    REPORT_CASE(pinned_table_gains_writable_entry),
    REPORT_CASE(unpin_gives_references_back),
    REPORT_CASE(one_level_only),
    REPORT_CASE(linear_tables),
    REPORT_CASE(superpages),
    REPORT_CASE(hypervisor_slots),
    REPORT_CASE(reserved_bits),
    REPORT_CASE(descriptor_page),
    REPORT_CASE(long_validation),
    REPORT_CASE(bad_leaf),
    REPORT_CASE(table_survives_decrease),
    REPORT_CASE(shared_info_is_no_table),
};

GUEST_FAMILY(types, REPORT_SUITE("page_types", cases));
