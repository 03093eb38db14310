// SPDX-License-Identifier: MIT
// grant_table_op, maps with hostile arguments: entries for frames that nobody may have, page-table entries out
// of place, counts of host, device, read-only and writable maps.
#include "tests/guest/granted.h"

#include <string.h>
#include <xen/memory.h>

#include "pvguest/grant.h"
#include "pvguest/start.h"

#define VGA_FRAME 0xb8U
#define USES_AT_ONCE 256U
#define USES_MAX (160U * USES_AT_ONCE)
#define USES_OF_XEN 127U
#define ENTRIES_PER_FRAME (PAGE_SIZE / sizeof(struct grant_entry_v1))

// --- mapping

static void domains_that_grant_nothing(void)
{
    static const domid_t domains[] = {DOMID_SELF, DOMID_IO,      DOMID_XEN,    DOMID_COW,
                                      DOMID_IDLE, DOMID_INVALID, ABSENT_DOMAIN};
    struct gnttab_map_grant_ref m;

    REQUIRE(granted_begin(false));
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        m = (struct gnttab_map_grant_ref){.host_addr = at(granted.window),
                                          .flags = GNTMAP_host_map,
                                          .ref = granted.ref,
                                          .dom = domains[i]};
        EXPECT(OP(map_grant_ref, m), 0);
        EXPECT(m.status, GNTST_bad_domain);
    }
    granted_finish();
}

static void references_at_the_edge(void)
{
    struct gnttab_query_size q = {.dom = DOMID_SELF};

    REQUIRE(granted_begin(false));
    EXPECT(OP(query_size, q), 0);
    EXPECT(granted_map_at(at(granted.window), q.nr_frames * ENTRIES_PER_FRAME - 1, GNTMAP_host_map),
           GNTST_general_error); // there, but not in use
    EXPECT(granted_map_at(at(granted.window), q.nr_frames * ENTRIES_PER_FRAME, GNTMAP_host_map),
           GNTST_bad_gntref);
    EXPECT(granted_map_at(at(granted.window), q.max_nr_frames * ENTRIES_PER_FRAME, GNTMAP_host_map),
           GNTST_bad_gntref);
    EXPECT(granted_map_at(at(granted.window), 0xffffffffU, GNTMAP_host_map), GNTST_bad_gntref);
    granted_finish();
}

static void frames_that_cannot_be_granted(void)
{
    const uint32_t frames[] = {0xfffffffeU, 0x7fffffffU, (uint32_t)frame_of_another()};

    REQUIRE(granted_begin(false));
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        granted_entries[granted.ref].frame = frames[i];
        EXPECT(granted_map_at(at(granted.window), granted.ref, GNTMAP_host_map), GNTST_bad_page);
        EXPECT(granted_map_at(at(granted.window), granted.ref, GNTMAP_host_map | GNTMAP_readonly),
               GNTST_bad_page);
        EXPECT(granted_map_at(0, granted.ref, GNTMAP_device_map), GNTST_bad_page);
    }
    granted_entries[granted.ref].frame = (uint32_t)virt_to_mfn(granted.page);
    granted_finish();
}

static void entries_of_page_tables(void)
{
    const uint32_t flags = GNTMAP_host_map | GNTMAP_contains_pte;
    uint64_t *l2 = table_alloc(), *l1 = table_alloc();

    REQUIRE(granted_begin(false) && l2 && l1);
    EXPECT(page_set_readonly(l1), 0);
    EXPECT(page_set_readonly(l2), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)), 0);
    EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), 0);
    EXPECT(granted_map_at(virt_to_maddr(l2), granted.ref, flags), GNTST_general_error);
    EXPECT(granted_map_at(virt_to_maddr(l1) + 4, granted.ref, flags), GNTST_general_error);
    EXPECT(granted_map_at(virt_to_maddr(l1) + 1, granted.ref, flags), GNTST_general_error);
    EXPECT(granted_map_at(frame_of_another() << PAGE_SHIFT, granted.ref, flags),
           GNTST_general_error);
    EXPECT(granted_map_at((uint64_t)VGA_FRAME << PAGE_SHIFT, granted.ref, flags),
           GNTST_general_error);
    EXPECT(granted_map_at(~7UL, granted.ref, flags), GNTST_general_error);
    EXPECT(granted_map_at(start_info_page->shared_info, granted.ref, flags), GNTST_general_error);
    EXPECT(granted_map_at(virt_to_maddr(&l1[511]), granted.ref, flags), GNTST_okay);
    EXPECT(granted_unmap_at(virt_to_maddr(&l1[511]) + 4, 0, granted.handle), GNTST_general_error);
    EXPECT(granted_unmap_at(virt_to_maddr(l2), 0, granted.handle), GNTST_general_error);
    EXPECT(granted_unmap_at(virt_to_maddr(granted.page), 0, granted.handle), GNTST_general_error);
    EXPECT(granted_unmap_at(frame_of_another() << PAGE_SHIFT, 0, granted.handle),
           GNTST_general_error);
    EXPECT(granted_unmap_at((uint64_t)VGA_FRAME << PAGE_SHIFT, 0, granted.handle),
           GNTST_general_error);
    EXPECT(granted_unmap_at(virt_to_maddr(&l1[511]), 0, granted.handle), GNTST_okay);
    EXPECT(l1[511], 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l1)), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l2)), 0);
    table_free(l1);
    table_free(l2);
    granted_finish();
}

// A table that holds the mapping goes: the mapping goes with it, and nothing is left that could be unmapped.
static void table_under_a_mapping(void)
{
    uint64_t *l1 = table_alloc();

    REQUIRE(granted_begin(false) && l1);
    EXPECT(page_set_readonly(l1), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)), 0);
    EXPECT(granted_map_at(virt_to_maddr(l1), granted.ref, GNTMAP_host_map | GNTMAP_contains_pte),
           GNTST_okay);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l1)), 0);
    EXPECT(granted_unmap_at(virt_to_maddr(l1), 0, granted.handle), GNTST_general_error);
    EXPECT_TRUE(grant_is_busy(granted.ref)); // for ever
    EXPECT(page_set_readonly(granted.page), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(granted.page)),
           0); // but the frame is free again
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(granted.page)), 0);
    EXPECT(page_set_writable(granted.page), 0);
    EXPECT(page_set_writable(l1), 0);
    table_free(l1);
}

// A mapping replaces what was there. Nothing is flushed for that; but when the frame that was there becomes
// a table, what the processor remembers of it must be gone: stores arrive in the granted page.
static void mapping_over_a_page(void)
{
    uint64_t *other = page_alloc(0), *spare = memory_reserve(1);
    uint64_t old;

    REQUIRE(granted_begin(false) && other && spare);
    old = virt_to_mfn(other);
    *(volatile uint64_t *)other = 0; // so that it is remembered as writable
    EXPECT(granted_map_at(at(other), granted.ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, old), 0);
    *(volatile uint64_t *)other = 0x55;
    EXPECT(granted.page[0], 0x55);
    EXPECT(hypercall_update_va_mapping(spare, pte_make(old, PTE_RAM), UVMF_INVLPG), 0);
    EXPECT(spare[0], 0);
    EXPECT(hypercall_update_va_mapping(spare, 0, UVMF_INVLPG), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, old), 0);
    EXPECT(granted_unmap_at(at(other), 0, granted.handle), GNTST_okay);
    EXPECT(page_set_writable(other), 0);
    memory_release(spare, 1);
    page_free(other, 0);
    granted_finish();
}

static void addresses_within_a_page(void)
{
    REQUIRE(granted_begin(false));
    EXPECT(granted_map_at(at(granted.window) + 123, granted.ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(granted_unmap_at(at(granted.window) + 55, 0, granted.handle), GNTST_okay);
    EXPECT_TRUE(!probe_read(granted.window, NULL));
    granted_finish();
}

// Host and device, read-only and writable: each use counts, and the flags say what is left.
static void uses_are_counted(void)
{
    const uint16_t free = GTF_permit_access, reading = free | GTF_reading;
    const uint16_t writing = reading | GTF_writing;
    uint64_t bus;
    grant_handle_t both, second;

    REQUIRE(granted_begin(false));
    bus = virt_to_maddr(granted.page);
    EXPECT(granted_map_at(at(granted.window), granted.ref,
                          GNTMAP_host_map | GNTMAP_device_map | GNTMAP_readonly),
           GNTST_okay);
    both = granted.handle;
    EXPECT(granted_entries[granted.ref].flags, reading);
    EXPECT(granted_map_at(0, granted.ref, GNTMAP_device_map), GNTST_okay);
    second = granted.handle;
    EXPECT(granted_entries[granted.ref].flags, writing);
    EXPECT(granted_unmap_at(0, bus, second), GNTST_okay);
    EXPECT(granted_entries[granted.ref].flags, reading);
    EXPECT(granted_unmap_at(at(granted.window), 0, second), GNTST_bad_handle);
    EXPECT(granted_unmap_at(at(granted.window), bus + 1, both), GNTST_bad_dev_addr);
    EXPECT(granted_unmap_at(at(granted.window), bus + PAGE_SIZE, both), GNTST_bad_dev_addr);
    EXPECT(granted_entries[granted.ref].flags, reading);
    EXPECT(granted_unmap_at(0, bus, both), GNTST_okay);
    EXPECT(granted_entries[granted.ref].flags, reading);
    EXPECT(granted_unmap_at(0, bus, both), GNTST_okay); // that part has gone already
    EXPECT(granted_entries[granted.ref].flags, reading);
    EXPECT(granted_unmap_at(at(granted.window), 0, both), GNTST_okay);
    EXPECT(granted_entries[granted.ref].flags, free);
    EXPECT(granted_unmap_at(at(granted.window), bus, both), GNTST_bad_handle);
    granted_finish();
}

// One entry is mapped as often as the hypervisor can count; then no more, and all of it can be undone.
static void entry_in_use_too_often(void)
{
    static struct gnttab_map_grant_ref maps[USES_AT_ONCE];
    static grant_handle_t handles[USES_MAX];
    unsigned int uses = 0;
    int16_t status = GNTST_okay;

    REQUIRE(granted_begin(false));
    while (status == GNTST_okay && uses + USES_AT_ONCE <= USES_MAX) {
        for (unsigned int i = 0; i < USES_AT_ONCE; i++)
            maps[i] = (struct gnttab_map_grant_ref){
                .flags = GNTMAP_device_map, .ref = granted.ref, .dom = OWN_DOMAIN};
        EXPECT(hypercall_grant_table_op(GNTTABOP_map_grant_ref, maps, USES_AT_ONCE), 0);
        for (unsigned int i = 0; i < USES_AT_ONCE; i++) {
            if (maps[i].status == GNTST_okay)
                handles[uses++] = maps[i].handle;
            else
                status = maps[i].status;
        }
    }
    EXPECT_TRUE(status == GNTST_general_error);
    EXPECT_TRUE(uses >= USES_OF_XEN);
    for (unsigned int i = 0; i < uses; i++)
        if (granted_unmap_at(0, virt_to_maddr(granted.page), handles[i]) != GNTST_okay)
            status = GNTST_okay;
    EXPECT_TRUE(status != GNTST_okay);
    granted_finish();
}

static void unmaps_out_of_place(void)
{
    uint64_t *other = page_alloc(0);

    REQUIRE(granted_begin(false) && other);
    EXPECT(granted_map_at(at(granted.window), granted.ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(granted_unmap_at(at(other), 0, granted.handle), GNTST_general_error);
    EXPECT(granted_unmap_at(0x7f0000000000UL, 0, granted.handle), GNTST_general_error);
    EXPECT(granted_unmap_at(at(HYPERVISOR_ADDRESS), 0, granted.handle), GNTST_general_error);
    EXPECT(granted_unmap_at(at(NON_CANONICAL), 0, granted.handle), GNTST_general_error);
    EXPECT(granted_unmap_at(at(granted.window), 0, granted.handle + 1), GNTST_bad_handle);
    EXPECT(granted_unmap_at(at(granted.window), 0, 0xffffffffU), GNTST_bad_handle);
    EXPECT(granted_unmap_at(at(granted.window), virt_to_maddr(granted.page), granted.handle),
           GNTST_okay); // no device part
    page_free(other, 0);
    granted_finish();
}

static int16_t replace_at(uint64_t address, uint64_t new_address, grant_handle_t h)
{
    struct gnttab_unmap_and_replace u = {
        .host_addr = address, .new_addr = new_address, .handle = h, .status = 77};

    EXPECT(OP(unmap_and_replace, u), 0);
    return u.status;
}

static void replacements(void)
{
    uint64_t *l1 = table_alloc();
    const uint32_t in_table = GNTMAP_host_map | GNTMAP_contains_pte;

    uint64_t *other = page_alloc(0);

    REQUIRE(granted_begin(false) && l1 && other);
    EXPECT(granted_map_at(0, granted.ref, GNTMAP_device_map), GNTST_okay);
    EXPECT(replace_at(at(granted.window), 0, granted.handle),
           GNTST_okay); // there is nothing to replace
    EXPECT_TRUE(grant_is_busy(granted.ref));
    EXPECT(granted_unmap_at(0, virt_to_maddr(granted.page), granted.handle), GNTST_okay);
    EXPECT(granted_map_at(at(granted.window), granted.ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(replace_at(at(other), 0, granted.handle), GNTST_general_error);
    EXPECT(replace_at(0x7f0000000000UL, 0, granted.handle), GNTST_general_error);
    EXPECT(replace_at(at(granted.window), 0, granted.handle + 1), GNTST_bad_handle);
    EXPECT(replace_at(0, 0, granted.handle), GNTST_okay);
    EXPECT(replace_at(at(granted.window), 0x7f0000000000UL, granted.handle), GNTST_general_error);
    EXPECT(replace_at(at(granted.window), at(HYPERVISOR_ADDRESS), granted.handle),
           GNTST_general_error);
    EXPECT(replace_at(at(granted.window), at(NON_CANONICAL), granted.handle), GNTST_general_error);
    EXPECT_TRUE(probe_read(granted.window, NULL)); // still mapped
    EXPECT(replace_at(at(granted.window), 0, granted.handle), GNTST_okay);
    EXPECT_TRUE(!probe_read(granted.window, NULL));
    EXPECT(page_set_readonly(l1), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)), 0);
    EXPECT(granted_map_at(virt_to_maddr(l1), granted.ref, in_table), GNTST_okay);
    EXPECT_TRUE(replace_at(virt_to_maddr(l1), at(granted.window), granted.handle) < 0);
    EXPECT(granted_unmap_at(virt_to_maddr(l1), 0, granted.handle), GNTST_okay);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l1)), 0);
    table_free(l1);
    page_free(other, 0);
    granted_finish();
}

static const struct report_case map_cases[] = {
    REPORT_CASE(domains_that_grant_nothing),
    REPORT_CASE(references_at_the_edge),
    REPORT_CASE(frames_that_cannot_be_granted),
    REPORT_CASE(entries_of_page_tables),
    REPORT_CASE(table_under_a_mapping),
    REPORT_CASE(mapping_over_a_page),
    REPORT_CASE(addresses_within_a_page),
    REPORT_CASE(uses_are_counted),
    REPORT_CASE(entry_in_use_too_often),
    REPORT_CASE(unmaps_out_of_place),
    REPORT_CASE(replacements),
};

GUEST_FAMILY(grant_errors, REPORT_SUITE("grant_table_op", map_cases));
