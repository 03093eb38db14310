// SPDX-License-Identifier: MIT
// grant_table_op with hostile arguments: entries for frames that nobody may have, page-table entries out of
// place, copies over the edge, lists that end in nothing, counts of host, device, read-only and writable maps.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/grant_table.h>
#include <xen/memory.h>

#include "pvguest/grant.h"
#include "pvguest/start.h"

#define OWN_DOMAIN 0
#define OTHER_DOMAIN 5
#define VGA_FRAME 0xb8U
#define USES_AT_ONCE 256U
#define USES_MAX (160U * USES_AT_ONCE)
#define USES_OF_XEN 127U
#define ENTRIES_PER_FRAME (PAGE_SIZE / sizeof(struct grant_entry_v1))
#define OP(command, value) hypercall_grant_table_op(GNTTABOP_##command, &(value), 1)

static struct grant_entry_v1 *entries; // a second mapping of the first frame of our table

// A page that is granted to ourselves, and a window to map it in.
static uint64_t *page, *window;
static int ref;
static grant_handle_t handle;

static bool entries_map(void)
{
    xen_pfn_t frame;
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1};

    if (entries)
        return true;
    entries = memory_reserve(1);
    set_xen_guest_handle(s.frame_list, &frame);
    return OP(setup_table, s) == 0 && s.status == GNTST_okay &&
           hypercall_update_va_mapping(entries, pte_make(frame, PTE_RAM | PTE_RW), 0) == 0;
}

static bool grant_begin(bool readonly)
{
    page = page_alloc(0);
    window = memory_reserve(1);
    ref = page ? grant_access(OWN_DOMAIN, virt_to_mfn(page), readonly) : -1;
    return page && window && ref > 0 && entries_map();
}

static void grant_finish(void)
{
    EXPECT_TRUE(!grant_is_busy(ref));
    EXPECT_TRUE(grant_end(ref));
    memory_release(window, 1);
    page_free(page, 0);
}

static int16_t map_at(uint64_t address, grant_ref_t r, uint32_t flags)
{
    struct gnttab_map_grant_ref m = {
        .host_addr = address, .flags = flags, .ref = r, .dom = OWN_DOMAIN, .status = 77};

    EXPECT(OP(map_grant_ref, m), 0);
    handle = m.handle;
    return m.status;
}

static int16_t unmap_at(uint64_t address, uint64_t device, grant_handle_t h)
{
    struct gnttab_unmap_grant_ref u = {
        .host_addr = address, .dev_bus_addr = device, .handle = h, .status = 77};

    EXPECT(OP(unmap_grant_ref, u), 0);
    return u.status;
}

static uint64_t at(const void *address)
{
    return (uint64_t)address;
}

// --- mapping

static void domains_that_grant_nothing(void)
{
    static const domid_t domains[] = {DOMID_SELF, DOMID_IO,      DOMID_XEN,    DOMID_COW,
                                      DOMID_IDLE, DOMID_INVALID, ABSENT_DOMAIN};
    struct gnttab_map_grant_ref m;

    REQUIRE(grant_begin(false));
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        m = (struct gnttab_map_grant_ref){
            .host_addr = at(window), .flags = GNTMAP_host_map, .ref = ref, .dom = domains[i]};
        EXPECT(OP(map_grant_ref, m), 0);
        EXPECT(m.status, GNTST_bad_domain);
    }
    grant_finish();
}

static void references_at_the_edge(void)
{
    struct gnttab_query_size q = {.dom = DOMID_SELF};

    REQUIRE(grant_begin(false));
    EXPECT(OP(query_size, q), 0);
    EXPECT(map_at(at(window), q.nr_frames * ENTRIES_PER_FRAME - 1, GNTMAP_host_map),
           GNTST_general_error); // there, but not in use
    EXPECT(map_at(at(window), q.nr_frames * ENTRIES_PER_FRAME, GNTMAP_host_map), GNTST_bad_gntref);
    EXPECT(map_at(at(window), q.max_nr_frames * ENTRIES_PER_FRAME, GNTMAP_host_map),
           GNTST_bad_gntref);
    EXPECT(map_at(at(window), 0xffffffffU, GNTMAP_host_map), GNTST_bad_gntref);
    grant_finish();
}

static void frames_that_cannot_be_granted(void)
{
    const uint32_t frames[] = {0xfffffffeU, 0x7fffffffU, (uint32_t)frame_of_another()};

    REQUIRE(grant_begin(false));
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        entries[ref].frame = frames[i];
        EXPECT(map_at(at(window), ref, GNTMAP_host_map), GNTST_bad_page);
        EXPECT(map_at(at(window), ref, GNTMAP_host_map | GNTMAP_readonly), GNTST_bad_page);
        EXPECT(map_at(0, ref, GNTMAP_device_map), GNTST_bad_page);
    }
    entries[ref].frame = (uint32_t)virt_to_mfn(page);
    grant_finish();
}

static void entries_of_page_tables(void)
{
    const uint32_t flags = GNTMAP_host_map | GNTMAP_contains_pte;
    uint64_t *l2 = table_alloc(), *l1 = table_alloc();

    REQUIRE(grant_begin(false) && l2 && l1);
    EXPECT(page_set_readonly(l1), 0);
    EXPECT(page_set_readonly(l2), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)), 0);
    EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), 0);
    EXPECT(map_at(virt_to_maddr(l2), ref, flags), GNTST_general_error);
    EXPECT(map_at(virt_to_maddr(l1) + 4, ref, flags), GNTST_general_error);
    EXPECT(map_at(virt_to_maddr(l1) + 1, ref, flags), GNTST_general_error);
    EXPECT(map_at(frame_of_another() << PAGE_SHIFT, ref, flags), GNTST_general_error);
    EXPECT(map_at((uint64_t)VGA_FRAME << PAGE_SHIFT, ref, flags), GNTST_general_error);
    EXPECT(map_at(~7UL, ref, flags), GNTST_general_error);
    EXPECT(map_at(start_info_page->shared_info, ref, flags), GNTST_general_error);
    EXPECT(map_at(virt_to_maddr(&l1[511]), ref, flags), GNTST_okay);
    EXPECT(unmap_at(virt_to_maddr(&l1[511]) + 4, 0, handle), GNTST_general_error);
    EXPECT(unmap_at(virt_to_maddr(l2), 0, handle), GNTST_general_error);
    EXPECT(unmap_at(virt_to_maddr(page), 0, handle), GNTST_general_error);
    EXPECT(unmap_at(frame_of_another() << PAGE_SHIFT, 0, handle), GNTST_general_error);
    EXPECT(unmap_at((uint64_t)VGA_FRAME << PAGE_SHIFT, 0, handle), GNTST_general_error);
    EXPECT(unmap_at(virt_to_maddr(&l1[511]), 0, handle), GNTST_okay);
    EXPECT(l1[511], 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l1)), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l2)), 0);
    table_free(l1);
    table_free(l2);
    grant_finish();
}

// A table that holds the mapping goes: the mapping goes with it, and nothing is left that could be unmapped.
static void table_under_a_mapping(void)
{
    uint64_t *l1 = table_alloc();

    REQUIRE(grant_begin(false) && l1);
    EXPECT(page_set_readonly(l1), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)), 0);
    EXPECT(map_at(virt_to_maddr(l1), ref, GNTMAP_host_map | GNTMAP_contains_pte), GNTST_okay);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l1)), 0);
    EXPECT(unmap_at(virt_to_maddr(l1), 0, handle), GNTST_general_error);
    EXPECT_TRUE(grant_is_busy(ref)); // for ever
    EXPECT(page_set_readonly(page), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(page)), 0); // but the frame is free again
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(page)), 0);
    EXPECT(page_set_writable(page), 0);
    EXPECT(page_set_writable(l1), 0);
    table_free(l1);
}

// A mapping replaces what was there. Nothing is flushed for that; but when the frame that was there becomes
// a table, what the processor remembers of it must be gone: stores arrive in the granted page.
static void mapping_over_a_page(void)
{
    uint64_t *other = page_alloc(0), *spare = memory_reserve(1);
    uint64_t old;

    REQUIRE(grant_begin(false) && other && spare);
    old = virt_to_mfn(other);
    *(volatile uint64_t *)other = 0; // so that it is remembered as writable
    EXPECT(map_at(at(other), ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, old), 0);
    *(volatile uint64_t *)other = 0x55;
    EXPECT(page[0], 0x55);
    EXPECT(hypercall_update_va_mapping(spare, pte_make(old, PTE_RAM), UVMF_INVLPG), 0);
    EXPECT(spare[0], 0);
    EXPECT(hypercall_update_va_mapping(spare, 0, UVMF_INVLPG), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, old), 0);
    EXPECT(unmap_at(at(other), 0, handle), GNTST_okay);
    EXPECT(page_set_writable(other), 0);
    memory_release(spare, 1);
    page_free(other, 0);
    grant_finish();
}

static void addresses_within_a_page(void)
{
    REQUIRE(grant_begin(false));
    EXPECT(map_at(at(window) + 123, ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(unmap_at(at(window) + 55, 0, handle), GNTST_okay);
    EXPECT_TRUE(!probe_read(window, NULL));
    grant_finish();
}

// Host and device, read-only and writable: each use counts, and the flags say what is left.
static void uses_are_counted(void)
{
    const uint16_t free = GTF_permit_access, reading = free | GTF_reading;
    const uint16_t writing = reading | GTF_writing;
    uint64_t bus;
    grant_handle_t both, second;

    REQUIRE(grant_begin(false));
    bus = virt_to_maddr(page);
    EXPECT(map_at(at(window), ref, GNTMAP_host_map | GNTMAP_device_map | GNTMAP_readonly),
           GNTST_okay);
    both = handle;
    EXPECT(entries[ref].flags, reading);
    EXPECT(map_at(0, ref, GNTMAP_device_map), GNTST_okay);
    second = handle;
    EXPECT(entries[ref].flags, writing);
    EXPECT(unmap_at(0, bus, second), GNTST_okay);
    EXPECT(entries[ref].flags, reading);
    EXPECT(unmap_at(at(window), 0, second), GNTST_bad_handle);
    EXPECT(unmap_at(at(window), bus + 1, both), GNTST_bad_dev_addr);
    EXPECT(unmap_at(at(window), bus + PAGE_SIZE, both), GNTST_bad_dev_addr);
    EXPECT(entries[ref].flags, reading);
    EXPECT(unmap_at(0, bus, both), GNTST_okay);
    EXPECT(entries[ref].flags, reading);
    EXPECT(unmap_at(0, bus, both), GNTST_okay); // that part has gone already
    EXPECT(entries[ref].flags, reading);
    EXPECT(unmap_at(at(window), 0, both), GNTST_okay);
    EXPECT(entries[ref].flags, free);
    EXPECT(unmap_at(at(window), bus, both), GNTST_bad_handle);
    grant_finish();
}

// One entry is mapped as often as the hypervisor can count; then no more, and all of it can be undone.
static void entry_in_use_too_often(void)
{
    static struct gnttab_map_grant_ref maps[USES_AT_ONCE];
    static grant_handle_t handles[USES_MAX];
    unsigned int uses = 0;
    int16_t status = GNTST_okay;

    REQUIRE(grant_begin(false));
    while (status == GNTST_okay && uses + USES_AT_ONCE <= USES_MAX) {
        for (unsigned int i = 0; i < USES_AT_ONCE; i++)
            maps[i] = (struct gnttab_map_grant_ref){
                .flags = GNTMAP_device_map, .ref = ref, .dom = OWN_DOMAIN};
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
        if (unmap_at(0, virt_to_maddr(page), handles[i]) != GNTST_okay)
            status = GNTST_okay;
    EXPECT_TRUE(status != GNTST_okay);
    grant_finish();
}

static void unmaps_out_of_place(void)
{
    uint64_t *other = page_alloc(0);

    REQUIRE(grant_begin(false) && other);
    EXPECT(map_at(at(window), ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(unmap_at(at(other), 0, handle), GNTST_general_error);
    EXPECT(unmap_at(0x7f0000000000UL, 0, handle), GNTST_general_error);
    EXPECT(unmap_at(at(HYPERVISOR_ADDRESS), 0, handle), GNTST_general_error);
    EXPECT(unmap_at(at(NON_CANONICAL), 0, handle), GNTST_general_error);
    EXPECT(unmap_at(at(window), 0, handle + 1), GNTST_bad_handle);
    EXPECT(unmap_at(at(window), 0, 0xffffffffU), GNTST_bad_handle);
    EXPECT(unmap_at(at(window), virt_to_maddr(page), handle), GNTST_okay); // no device part
    page_free(other, 0);
    grant_finish();
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

    REQUIRE(grant_begin(false) && l1 && other);
    EXPECT(map_at(0, ref, GNTMAP_device_map), GNTST_okay);
    EXPECT(replace_at(at(window), 0, handle), GNTST_okay); // there is nothing to replace
    EXPECT_TRUE(grant_is_busy(ref));
    EXPECT(unmap_at(0, virt_to_maddr(page), handle), GNTST_okay);
    EXPECT(map_at(at(window), ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(replace_at(at(other), 0, handle), GNTST_general_error);
    EXPECT(replace_at(0x7f0000000000UL, 0, handle), GNTST_general_error);
    EXPECT(replace_at(at(window), 0, handle + 1), GNTST_bad_handle);
    EXPECT(replace_at(0, 0, handle), GNTST_okay);
    EXPECT(replace_at(at(window), 0x7f0000000000UL, handle), GNTST_general_error);
    EXPECT(replace_at(at(window), at(HYPERVISOR_ADDRESS), handle), GNTST_general_error);
    EXPECT(replace_at(at(window), at(NON_CANONICAL), handle), GNTST_general_error);
    EXPECT_TRUE(probe_read(window, NULL)); // still mapped
    EXPECT(replace_at(at(window), 0, handle), GNTST_okay);
    EXPECT_TRUE(!probe_read(window, NULL));
    EXPECT(page_set_readonly(l1), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)), 0);
    EXPECT(map_at(virt_to_maddr(l1), ref, in_table), GNTST_okay);
    EXPECT_TRUE(replace_at(virt_to_maddr(l1), at(window), handle) < 0);
    EXPECT(unmap_at(virt_to_maddr(l1), 0, handle), GNTST_okay);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l1)), 0);
    table_free(l1);
    page_free(other, 0);
    grant_finish();
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

// --- copying

static struct gnttab_copy copy_base(uint64_t *to)
{
    struct gnttab_copy c = {.flags = GNTCOPY_source_gref, .len = 16};

    c.source.u.ref = ref;
    c.source.domid = OWN_DOMAIN;
    c.dest.u.gmfn = virt_to_mfn(to);
    c.dest.domid = DOMID_SELF;
    return c;
}

static int16_t copy_status(struct gnttab_copy c)
{
    c.status = 77;
    EXPECT(OP(copy, c), 0);
    return c.status;
}

static void copies_of_bad_entries(void)
{
    uint64_t *to = page_alloc(0);
    struct gnttab_copy c;

    REQUIRE(grant_begin(false) && to);
    c = copy_base(to);
    entries[ref].flags = GTF_accept_transfer;
    EXPECT(copy_status(c), GNTST_general_error);
    entries[ref].flags = 0;
    EXPECT(copy_status(c), GNTST_general_error);
    entries[ref].flags = GTF_permit_access;
    entries[ref].domid = OTHER_DOMAIN;
    EXPECT(copy_status(c), GNTST_general_error);
    entries[ref].domid = OWN_DOMAIN;
    EXPECT(copy_status(c), GNTST_okay);
    c.source.domid = DOMID_SELF; // means us
    EXPECT(copy_status(c), GNTST_okay);
    c.source.domid = DOMID_IO;
    EXPECT(copy_status(c), GNTST_bad_domain);
    c.source.domid = DOMID_XEN;
    EXPECT(copy_status(c), GNTST_bad_domain);
    c = copy_base(to);
    c.dest.u.gmfn = frame_of_another();
    EXPECT(copy_status(c), GNTST_bad_page);
    c.dest.u.gmfn = VGA_FRAME;
    EXPECT(copy_status(c), GNTST_bad_page);
    EXPECT(to[2], 0);
    page_free(to, 0);
    grant_finish();
}

static void copies_over_the_edge(void)
{
    static const struct {
        uint16_t from, to, length;
        int16_t status;
    } tries[] = {
        {0,     0,     0,     GNTST_okay        },
        {4095,  4095,  1,     GNTST_okay        },
        {4096,  0,     0,     GNTST_okay        },
        {0,     4096,  0,     GNTST_okay        },
        {4096,  0,     1,     GNTST_bad_copy_arg},
        {0,     4096,  1,     GNTST_bad_copy_arg},
        {1,     0,     4096,  GNTST_bad_copy_arg},
        {0,     1,     4096,  GNTST_bad_copy_arg},
        {0,     0,     4097,  GNTST_bad_copy_arg},
        {65535, 0,     0,     GNTST_bad_copy_arg},
        {65535, 65535, 65535, GNTST_bad_copy_arg},
        {0,     0,     4096,  GNTST_okay        },
    };
    uint64_t *to = page_alloc(0);

    REQUIRE(grant_begin(false) && to);
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        struct gnttab_copy c = copy_base(to);
        c.source.offset = tries[i].from;
        c.dest.offset = tries[i].to;
        c.len = tries[i].length;
        EXPECT(copy_status(c), tries[i].status);
    }
    page_free(to, 0);
    grant_finish();
}

static void copies_within_a_frame(void)
{
    struct gnttab_copy c;
    unsigned char *bytes;

    REQUIRE(grant_begin(false));
    bytes = (unsigned char *)page;
    for (unsigned int i = 0; i < 64; i++)
        bytes[i] = (unsigned char)i;
    c = copy_base(page);
    c.dest.offset = 64;
    c.len = 64;
    EXPECT(copy_status(c), GNTST_okay);
    EXPECT(bytes[64], 0);
    EXPECT(bytes[127], 63);
    grant_finish();
}

static void lists_that_end(void)
{
    char *edge = edge_alloc();
    uint64_t *to = page_alloc(0);
    struct gnttab_copy *last;

    REQUIRE(grant_begin(false) && edge && to);
    last = (struct gnttab_copy *)edge - 1;
    *last = copy_base(to);
    last->status = 77;
    page[0] = 0x99;
    EXPECT(hypercall_grant_table_op(GNTTABOP_copy, last, 2), -XEN_EFAULT);
    EXPECT(last->status, GNTST_okay); // the first has been done
    EXPECT(to[0], 0x99);
    EXPECT(hypercall_grant_table_op(GNTTABOP_copy, edge - 8, 1), -XEN_EFAULT);
    EXPECT(hypercall_grant_table_op(GNTTABOP_copy, edge, 0), 0);
    EXPECT(hypercall_grant_table_op(GNTTABOP_copy, (void *)~7UL, 1), -XEN_EFAULT);
    EXPECT(hypercall_grant_table_op(GNTTABOP_map_grant_ref, edge - 8, 1), -XEN_EFAULT);
    EXPECT(hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, edge - 8, 1), -XEN_EFAULT);
    EXPECT(hypercall_grant_table_op(GNTTABOP_unmap_and_replace, edge - 8, 1), -XEN_EFAULT);
    EXPECT(hypercall_grant_table_op(GNTTABOP_swap_grant_ref, edge - 8, 1), -XEN_EFAULT);
    EXPECT(hypercall_grant_table_op(GNTTABOP_transfer, edge - 8, 1), -XEN_EFAULT);
    EXPECT(hypercall_grant_table_op(GNTTABOP_setup_table, edge - 8, 1), -XEN_EFAULT);
    EXPECT(hypercall_grant_table_op(GNTTABOP_query_size, edge - 8, 1), -XEN_EFAULT);
    EXPECT(hypercall_grant_table_op(GNTTABOP_get_version, edge - 4, 1), -XEN_EFAULT);
    EXPECT(hypercall_grant_table_op(GNTTABOP_set_version, edge - 2, 1), -XEN_EFAULT);
    EXPECT(hypercall_grant_table_op(GNTTABOP_get_status_frames, edge - 8, 1), -XEN_EFAULT);
    edge_free(edge);
    page_free(to, 0);
    grant_finish();
}

static const struct report_case copy_cases[] = {
    REPORT_CASE(copies_of_bad_entries),
    REPORT_CASE(copies_over_the_edge),
    REPORT_CASE(copies_within_a_frame),
    REPORT_CASE(lists_that_end),
};

// --- tables, versions, entries

static void table_sizes(void)
{
    static xen_pfn_t frames[128];
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 0};

    EXPECT(OP(query_size, q), 0);
    REQUIRE(q.max_nr_frames <= 128);
    EXPECT(OP(setup_table, s), 0);
    EXPECT(s.status, GNTST_okay);
    s.nr_frames = q.max_nr_frames + 1;
    set_xen_guest_handle(s.frame_list, frames);
    EXPECT(OP(setup_table, s), 0);
    EXPECT(s.status, GNTST_general_error);
    EXPECT(frames[0], 0);
    s.nr_frames = 0xffffffffU;
    EXPECT(OP(setup_table, s), 0);
    EXPECT(s.status, GNTST_general_error);
    s.nr_frames = 1;
    set_xen_guest_handle(s.frame_list, HYPERVISOR_ADDRESS);
    EXPECT(OP(setup_table, s), -XEN_EFAULT);
    set_xen_guest_handle(s.frame_list, (xen_pfn_t *)16);
    EXPECT(OP(setup_table, s), 0);
    EXPECT(s.status, GNTST_bad_virt_addr);
    s.nr_frames = q.max_nr_frames;
    set_xen_guest_handle(s.frame_list, frames);
    EXPECT(OP(setup_table, s), 0);
    EXPECT(s.status, GNTST_okay);
    EXPECT_TRUE(frames[0] && frames[q.max_nr_frames - 1]);
    EXPECT(OP(query_size, q), 0);
    EXPECT(q.nr_frames, q.max_nr_frames);
}

static void domains_of_tables(void)
{
    static const domid_t domains[] = {ABSENT_DOMAIN, DOMID_IO, DOMID_XEN, DOMID_INVALID};
    struct gnttab_get_version v = {.dom = OWN_DOMAIN};
    struct gnttab_query_size own = {.dom = OWN_DOMAIN};

    EXPECT(OP(get_version, v), 0);
    EXPECT(OP(query_size, own), 0);
    EXPECT(own.status, GNTST_okay);
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        struct gnttab_query_size q = {.dom = domains[i]};
        struct gnttab_setup_table s = {.dom = domains[i]};
        struct gnttab_get_status_frames f = {.dom = domains[i]};

        EXPECT(OP(query_size, q), 0);
        EXPECT(q.status, GNTST_bad_domain);
        EXPECT(OP(setup_table, s), 0);
        EXPECT(s.status, GNTST_bad_domain);
        EXPECT(OP(get_status_frames, f), 0);
        EXPECT(f.status, GNTST_bad_domain);
        v.dom = domains[i];
        EXPECT(OP(get_version, v), -XEN_ESRCH);
    }
}

static void versions(void)
{
    struct gnttab_set_version v = {.version = 1};

    EXPECT(OP(set_version, v), 0);
    EXPECT(v.version, 1);
    v.version = 0;
    EXPECT(OP(set_version, v), -XEN_EINVAL);
    v.version = 0xffffffffU;
    EXPECT(OP(set_version, v), -XEN_EINVAL);
    v.version = 2;
    EXPECT(OP(set_version, v), -XEN_ENOSYS);
    EXPECT(v.version, 1); // what is in force
}

static int16_t swap_status(grant_ref_t a, grant_ref_t b)
{
    struct gnttab_swap_grant_ref s = {.ref_a = a, .ref_b = b, .status = 77};

    EXPECT(OP(swap_grant_ref, s), 0);
    return s.status;
}

static void swaps(void)
{
    REQUIRE(grant_begin(false));
    EXPECT(swap_status(ref, ref), GNTST_okay);
    EXPECT(swap_status(0xffffffffU, ref), GNTST_bad_gntref);
    EXPECT(swap_status(ref, 0xffffffffU), GNTST_bad_gntref);
    EXPECT(map_at(at(window), ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(swap_status(ref, ref), GNTST_okay);
    EXPECT(swap_status(ref, 0xffffffffU), GNTST_bad_gntref);
    EXPECT(unmap_at(at(window), 0, handle), GNTST_okay);
    grant_finish();
}

static void cache_flushes(void)
{
    struct gnttab_cache_flush f = {.length = 8, .op = GNTTAB_CACHE_CLEAN};

    REQUIRE(grant_begin(false));
    f.a.dev_bus_addr = virt_to_maddr(page);
    EXPECT(OP(cache_flush, f), 0);
    f.op = GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL;
    EXPECT(OP(cache_flush, f), 0);
    f.op = GNTTAB_CACHE_INVAL; // without writing back
    EXPECT(OP(cache_flush, f), -XEN_EOPNOTSUPP);
    f.op = GNTTAB_CACHE_CLEAN;
    f.a.dev_bus_addr = frame_of_another() << PAGE_SHIFT;
    EXPECT(OP(cache_flush, f), -XEN_EPERM);
    f.a.dev_bus_addr = ABSENT_FRAME << PAGE_SHIFT;
    EXPECT(OP(cache_flush, f), -XEN_EINVAL);
    f.op = 0;
    EXPECT(OP(cache_flush, f), 0);
    f.op = GNTTAB_CACHE_SOURCE_GREF;
    EXPECT(OP(cache_flush, f), -XEN_EINVAL);
    f.op = 4;
    EXPECT(OP(cache_flush, f), -XEN_EINVAL);
    f.op = GNTTAB_CACHE_CLEAN;
    f.offset = 65535;
    f.length = 65535;
    EXPECT(OP(cache_flush, f), -XEN_EINVAL);
    EXPECT(hypercall_grant_table_op(GNTTABOP_cache_flush, NON_CANONICAL, 1), -XEN_EFAULT);
    grant_finish();
}

// The slot accepts from somebody else; the frame is lost all the same, as on Xen.
static void transfer_from_another(void)
{
    struct gnttab_transfer t = {.domid = OWN_DOMAIN, .status = 77};
    xen_pfn_t frame;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    uint64_t *given = page_alloc(0);

    REQUIRE(grant_begin(false) && given);
    entries[ref].domid = OTHER_DOMAIN;
    entries[ref].flags = GTF_accept_transfer;
    t.mfn = virt_to_mfn(given);
    t.ref = ref;
    EXPECT(page_set_absent(given), 0);
    EXPECT(OP(transfer, t), 0);
    EXPECT(t.status, GNTST_general_error);
    EXPECT(entries[ref].flags, GTF_accept_transfer);
    entries[ref].flags = GTF_permit_access;
    entries[ref].domid = OWN_DOMAIN;
    frame = virt_to_pfn(given);
    set_xen_guest_handle(r.extent_start, &frame);
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 1);
    memory_p2m[virt_to_pfn(given)] = frame;
    EXPECT(page_set_writable(given), 0);
    page_free(given, 0);
    grant_finish();
}

static const struct report_case table_cases[] = {
    REPORT_CASE(domains_of_tables),
    REPORT_CASE(versions),
    REPORT_CASE(swaps),
    REPORT_CASE(cache_flushes),
    REPORT_CASE(transfer_from_another),
    REPORT_CASE(table_sizes),
};

GUEST_FAMILY(grant_errors, REPORT_SUITE("grant_table_op", map_cases),
             REPORT_SUITE("grant_table_op", copy_cases),
             REPORT_SUITE("grant_table_op", table_cases));
