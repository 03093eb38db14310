// SPDX-License-Identifier: MIT
// grant_table_op: entries as only a strange guest writes them, device mappings, the less used commands.
#include "tests/guest/granted.h"

#include <string.h>
#include <xen/memory.h>

#include "pvguest/grant.h"
#include "pvguest/start.h"

static int16_t map_status(void *address, grant_ref_t ref, uint32_t flags, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref m = {
        .host_addr = (uint64_t)address, .flags = flags, .ref = ref, .dom = OWN_DOMAIN};

    m.status = 77;
    EXPECT(OP(map_grant_ref, m), 0);
    *handle = m.handle;
    return m.status;
}

static int16_t unmap_status(void *address, uint64_t device, grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref u = {
        .host_addr = (uint64_t)address, .dev_bus_addr = device, .handle = handle};

    u.status = 77;
    EXPECT(OP(unmap_grant_ref, u), 0);
    return u.status;
}

static void strange_entries(void)
{
    uint64_t *page = page_alloc(0);
    char *window = memory_reserve(1);
    int ref = grant_access(OWN_DOMAIN, virt_to_mfn(page), false);
    grant_handle_t h;

    REQUIRE(page && window && ref > 0 && granted_entries_map());
    struct grant_entry_v1 *e = &granted_entries[ref];
    e->flags = GTF_accept_transfer;
    EXPECT(map_status(window, ref, GNTMAP_host_map, &h), GNTST_general_error);
    e->flags = 3; // transitive, for version 2 only
    EXPECT(map_status(window, ref, GNTMAP_host_map, &h), GNTST_general_error);
    e->flags = GTF_permit_access | GTF_sub_page;
    EXPECT(map_status(window, ref, GNTMAP_host_map, &h), GNTST_general_error);
    e->flags = GTF_permit_access;
    e->domid = OTHER_DOMAIN;
    EXPECT(map_status(window, ref, GNTMAP_host_map, &h), GNTST_general_error);
    e->domid = OWN_DOMAIN;
    e->frame = 0xffffffff;
    EXPECT(map_status(window, ref, GNTMAP_host_map, &h), GNTST_bad_page);
    EXPECT(e->flags, GTF_permit_access); // nothing of it is left
    e->frame = (uint32_t)virt_to_mfn(page);
    EXPECT(map_status(window, ref, GNTMAP_host_map, &h), GNTST_okay);
    e->frame = 0; // too late: the mapping knows its frame
    EXPECT(unmap_status(window, 0, h), GNTST_okay);
    EXPECT(e->flags, GTF_permit_access);
    e->frame = (uint32_t)virt_to_mfn(page);
    EXPECT_TRUE(grant_end(ref));
    page_free(page, 0);
}

// What decides when several things are wrong with a copy: first the domains, then the source.
static void copy_refusals(void)
{
    uint64_t *page = page_alloc(0), *other = page_alloc(0);
    int ref = grant_access(OWN_DOMAIN, virt_to_mfn(page), false);
    struct gnttab_copy c = {.flags = GNTCOPY_source_gref, .len = 8};

    REQUIRE(page && other && ref > 0 && granted_entries_map());
    c.source.u.ref = ref;
    c.source.domid = OWN_DOMAIN;
    c.dest.u.gmfn = virt_to_mfn(other);
    c.dest.domid = DOMID_SELF;
    granted_entries[ref].flags = GTF_permit_access | GTF_sub_page;
    page[0] = 0x5151;
    EXPECT(OP(copy, c), 0);
    EXPECT(c.status, GNTST_okay); // not to be mapped, but to be copied
    EXPECT(other[0], 0x5151);
    granted_entries[ref].frame = 0xffffffff;
    EXPECT(OP(copy, c), 0);
    EXPECT(c.status, GNTST_bad_page);
    c.dest.domid = OWN_DOMAIN; // a frame by its number is the caller's own
    EXPECT(OP(copy, c), 0);
    EXPECT(c.status, GNTST_bad_page);
    c.dest.domid = ABSENT_DOMAIN;
    EXPECT(OP(copy, c), 0);
    EXPECT(c.status, GNTST_bad_domain);
    granted_entries[ref].frame = (uint32_t)virt_to_mfn(page);
    c.dest.domid = OWN_DOMAIN;
    EXPECT(OP(copy, c), 0);
    EXPECT(c.status, GNTST_permission_denied);
    EXPECT_TRUE(grant_end(ref));
    page_free(page, 0);
    page_free(other, 0);
}

static void device_mappings(void)
{
    uint64_t *page = page_alloc(0), bus = virt_to_maddr(page);
    char *window = memory_reserve(1);
    int ref = grant_access(OWN_DOMAIN, virt_to_mfn(page), false);
    grant_handle_t h;

    REQUIRE(page && window && ref > 0 && granted_entries_map());
    EXPECT(map_status(NULL, ref, GNTMAP_device_map, &h), GNTST_okay);
    EXPECT_TRUE(grant_is_busy(ref));
    EXPECT(unmap_status(NULL, bus, h), GNTST_okay);
    EXPECT_TRUE(!grant_is_busy(ref));
    EXPECT(map_status(window, ref, GNTMAP_device_map | GNTMAP_host_map, &h), GNTST_okay);
    EXPECT(unmap_status(NULL, 0, h), GNTST_okay); // neither part
    EXPECT(unmap_status(window, 0, h), GNTST_okay);
    EXPECT_TRUE(!probe_read(window, NULL));
    EXPECT_TRUE(grant_is_busy(ref));
    EXPECT_TRUE(unmap_status(NULL, bus + PAGE_SIZE, h) < 0);
    EXPECT(unmap_status(NULL, bus, h), GNTST_okay);
    EXPECT_TRUE(!grant_is_busy(ref));
    EXPECT(unmap_status(NULL, bus, h), GNTST_bad_handle);
    EXPECT_TRUE(grant_end(ref));
    page_free(page, 0);
}

static void unmap_and_replace(void)
{
    uint64_t *page = page_alloc(0), *other = page_alloc(0);
    uint64_t *window = memory_reserve(1), *spare = memory_reserve(1);
    int ref = grant_access(OWN_DOMAIN, virt_to_mfn(page), false);
    struct gnttab_unmap_and_replace u = {.host_addr = (uint64_t)window,
                                         .new_addr = (uint64_t)spare};
    grant_handle_t h;

    REQUIRE(page && other && window && spare && ref > 0);
    other[0] = 0x7777;
    EXPECT(hypercall_update_va_mapping(spare, pte_make(virt_to_mfn(other), PTE_RAM | PTE_RW), 0),
           0);
    EXPECT(map_status(window, ref, GNTMAP_host_map, &h), GNTST_okay);
    u.handle = h;
    EXPECT(OP(unmap_and_replace, u), 0);
    EXPECT(u.status, GNTST_okay);
    EXPECT(window[0], 0x7777); // moved here
    EXPECT_TRUE(!probe_read(spare, NULL));
    EXPECT_TRUE(!grant_is_busy(ref));
    EXPECT(OP(unmap_and_replace, u), 0);
    EXPECT(u.status, GNTST_bad_handle);
    EXPECT(hypercall_update_va_mapping(window, 0, UVMF_INVLPG | UVMF_LOCAL), 0);
    EXPECT_TRUE(grant_end(ref));
    page_free(page, 0);
    page_free(other, 0);
}

static void swap_refs(void)
{
    uint64_t *page = page_alloc(0), *other = page_alloc(0);
    char *window = memory_reserve(1);
    int a = grant_access(OWN_DOMAIN, virt_to_mfn(page), false);
    int b = grant_access(OWN_DOMAIN, virt_to_mfn(other), true);
    struct gnttab_swap_grant_ref s = {.ref_a = a, .ref_b = b};
    grant_handle_t h;

    REQUIRE(page && other && window && a > 0 && b > 0 && granted_entries_map());
    EXPECT(OP(swap_grant_ref, s), 0);
    EXPECT(s.status, GNTST_okay);
    EXPECT(granted_entries[a].frame, virt_to_mfn(other));
    EXPECT(granted_entries[a].flags, GTF_permit_access | GTF_readonly);
    EXPECT(map_status(window, b, GNTMAP_host_map, &h), GNTST_okay);
    EXPECT(OP(swap_grant_ref, s), 0);
    EXPECT(s.status, GNTST_eagain);
    EXPECT(unmap_status(window, 0, h), GNTST_okay);
    EXPECT(OP(swap_grant_ref, s), 0);
    EXPECT(s.status, GNTST_okay);
    s.ref_b = 100000000;
    EXPECT(OP(swap_grant_ref, s), 0);
    EXPECT(s.status, GNTST_bad_gntref);
    EXPECT_TRUE(grant_end(a));
    EXPECT_TRUE(grant_end(b));
    page_free(page, 0);
    page_free(other, 0);
}

static void page_table_entry_given(void)
{
    uint64_t *page = page_alloc(0), *window = memory_reserve(1), *table = page_alloc(0);
    int ref = grant_access(OWN_DOMAIN, virt_to_mfn(page), false);
    struct gnttab_map_grant_ref m = {.ref = ref, .dom = OWN_DOMAIN};
    struct gnttab_unmap_grant_ref u = {0};

    REQUIRE(page && window && table && ref > 0);
    m.flags = GNTMAP_host_map | GNTMAP_contains_pte;
    m.host_addr = virt_to_maddr(table); // not a page table
    EXPECT(OP(map_grant_ref, m), 0);
    EXPECT(m.status, GNTST_general_error);
    m.host_addr = ABSENT_FRAME << PAGE_SHIFT;
    EXPECT(OP(map_grant_ref, m), 0);
    EXPECT(m.status, GNTST_general_error);
    EXPECT_TRUE(!grant_is_busy(ref));
    memset(table, 0, PAGE_SIZE);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0);
    m.host_addr = virt_to_maddr(table) + 8;
    EXPECT(OP(map_grant_ref, m), 0);
    REQUIRE(EXPECT(m.status, GNTST_okay));
    EXPECT(table[1] >> PAGE_SHIFT & 0xffffffffff, virt_to_mfn(page));
    u.handle = m.handle;
    u.host_addr = m.host_addr + 8;
    EXPECT(OP(unmap_grant_ref, u), 0);
    EXPECT(u.status, GNTST_general_error);
    u.host_addr = m.host_addr;
    EXPECT(OP(unmap_grant_ref, u), 0);
    EXPECT(u.status, GNTST_okay);
    EXPECT(table[1], 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
    EXPECT(page_set_writable(table), 0);
    EXPECT_TRUE(grant_end(ref));
    page_free(page, 0);
    page_free(table, 0);
}

// A mapping that the guest overwrites by itself: the handle stays, the unmap finds nothing.
static void overwritten_mapping(void)
{
    uint64_t *page = page_alloc(0), *window = memory_reserve(1);
    int ref = grant_access(OWN_DOMAIN, virt_to_mfn(page), false);
    grant_handle_t h;

    REQUIRE(page && window && ref > 0);
    EXPECT(map_status(window, ref, GNTMAP_host_map, &h), GNTST_okay);
    EXPECT(hypercall_update_va_mapping(window, 0, UVMF_INVLPG | UVMF_LOCAL), 0);
    EXPECT(unmap_status(window, 0, h), GNTST_general_error);
    EXPECT_TRUE(grant_is_busy(ref)); // and so it remains
}

static void requests_for_one(void)
{
    struct gnttab_query_size q[2] = {{.dom = DOMID_SELF}, {.dom = DOMID_SELF}};
    struct gnttab_setup_table s[2] = {{.dom = DOMID_SELF}, {.dom = DOMID_SELF}};
    struct gnttab_get_status_frames f = {.dom = DOMID_SELF};
    struct gnttab_get_version v = {.dom = ABSENT_DOMAIN};

    EXPECT(hypercall_grant_table_op(GNTTABOP_query_size, q, 2), -XEN_EINVAL);
    EXPECT(hypercall_grant_table_op(GNTTABOP_setup_table, s, 2), -XEN_EINVAL);
    EXPECT(hypercall_grant_table_op(GNTTABOP_query_size, q, 0), -XEN_EINVAL);
    EXPECT(hypercall_grant_table_op(GNTTABOP_get_status_frames, &f, 2), -XEN_EINVAL);
    f.nr_frames = 1;
    f.status = 77;
    EXPECT(OP(get_status_frames, f), 0);
    EXPECT(f.status, GNTST_general_error);
    EXPECT(OP(get_version, v), -XEN_ESRCH);
}

static void cache_flushes(void)
{
    struct gnttab_cache_flush f = {.a.dev_bus_addr = 0x1000, .length = 8, .op = 4};

    EXPECT(OP(cache_flush, f), -XEN_EINVAL);
    f.op = GNTTAB_CACHE_CLEAN;
    f.length = 0;
    EXPECT(OP(cache_flush, f), 0);
    f.offset = PAGE_SIZE - 1;
    f.length = 2;
    EXPECT(OP(cache_flush, f), -XEN_EINVAL);
    EXPECT(hypercall_grant_table_op(GNTTABOP_cache_flush, HYPERVISOR_ADDRESS, 1), -XEN_EFAULT);
}

static int16_t transfer_status(uint64_t mfn, domid_t to, grant_ref_t ref)
{
    struct gnttab_transfer t = {.mfn = mfn, .domid = to, .ref = ref};

    t.status = 77;
    EXPECT(OP(transfer, t), 0);
    return t.status;
}

static bool can_be_mapped(void *window, uint64_t mfn)
{
    return hypercall_update_va_mapping(window, pte_make(mfn, PTE_RAM | PTE_RW),
                                       UVMF_INVLPG | UVMF_LOCAL) == 0;
}

// A frame has been lost: get another one in its place.
static void refill(void *page)
{
    xen_pfn_t frame = virt_to_pfn(page);
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, &frame);
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 1);
    memory_p2m[virt_to_pfn(page)] = frame;
    EXPECT(page_set_writable(page), 0);
    page_free(page, 0);
}

static void transfer_refused(void)
{
    uint64_t *page = page_alloc(0), *window = memory_reserve(1), mfn = virt_to_mfn(page);

    REQUIRE(page && window);
    EXPECT(transfer_status(ABSENT_FRAME, OWN_DOMAIN, 0), GNTST_bad_page);
    EXPECT(transfer_status(mfn, OWN_DOMAIN, 0), GNTST_bad_page); // it is mapped
    EXPECT(page_set_absent(page), 0);
    EXPECT(transfer_status(mfn, ABSENT_DOMAIN, 0), GNTST_bad_domain);
    EXPECT_TRUE(!can_be_mapped(window, mfn)); // it had been given up before
    refill(page);
}

static void transfer_without_slot(void)
{
    uint64_t *page = page_alloc(0), *window = memory_reserve(1), mfn = virt_to_mfn(page);
    int ref = grant_access(OTHER_DOMAIN, mfn, false);

    REQUIRE(page && window && ref > 0);
    EXPECT(page_set_absent(page), 0);
    EXPECT(transfer_status(mfn, OWN_DOMAIN, ref), GNTST_general_error);
    EXPECT_TRUE(!can_be_mapped(window, mfn));
    refill(page);
    EXPECT_TRUE(grant_end(ref));
}

static void transfer_to_self(void)
{
    uint64_t *page = page_alloc(0), *window = memory_reserve(1), mfn = virt_to_mfn(page);
    int ref = grant_access(OTHER_DOMAIN, 0, false);

    REQUIRE(page && window && ref > 0 && granted_entries_map());
    page[0] = 0x4321;
    EXPECT(page_set_absent(page), 0);
    granted_entries[ref].flags = 0;
    granted_entries[ref].domid = OWN_DOMAIN;
    granted_entries[ref].frame = 0;
    granted_entries[ref].flags = GTF_accept_transfer;
    EXPECT(transfer_status(mfn, OWN_DOMAIN, ref), GNTST_okay);
    EXPECT(granted_entries[ref].flags,
           GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
    EXPECT_TRUE(granted_entries[ref].frame != 0);
    EXPECT(can_be_mapped(window, granted_entries[ref].frame), 1);
    EXPECT(window[0], 0x4321);
    EXPECT(granted_entries[ref].frame, mfn);
    EXPECT(transfer_status(mfn, OWN_DOMAIN, ref), GNTST_bad_page); // mapped again
    EXPECT(hypercall_update_va_mapping(window, 0, UVMF_INVLPG | UVMF_LOCAL), 0);
    EXPECT(page_set_writable(page), 0); // it is the same frame
    granted_entries[ref].flags = 0;
    EXPECT_TRUE(grant_end(ref));
    page_free(page, 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(strange_entries),  REPORT_CASE(copy_refusals),
    REPORT_CASE(device_mappings),  REPORT_CASE(unmap_and_replace),
    REPORT_CASE(swap_refs),        REPORT_CASE(page_table_entry_given),
    REPORT_CASE(requests_for_one), REPORT_CASE(cache_flushes),
    REPORT_CASE(transfer_refused), REPORT_CASE(transfer_without_slot),
    REPORT_CASE(transfer_to_self), REPORT_CASE(overwritten_mapping),
};

GUEST_FAMILY(grant_entries, REPORT_SUITE("grant_table_op", cases));
