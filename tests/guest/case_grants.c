// SPDX-License-Identifier: MIT
// grant_table_op, version 1: granting to ourselves, mapping, unmapping, copying; bad references.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/grant_table.h>

#include "pvguest/grant.h"
#include "pvguest/start.h"

// Mapping takes a number of a domain, not DOMID_SELF; this guest is dom0.
#define OWN_DOMAIN 0
#define OP(command, value) hypercall_grant_table_op(GNTTABOP_##command, &(value), 1)

static struct gnttab_map_grant_ref map_of(void *address, grant_ref_t ref, uint32_t flags)
{
    struct gnttab_map_grant_ref m = {
        .host_addr = (uint64_t)address, .flags = flags, .ref = ref, .dom = OWN_DOMAIN};

    m.status = 77;
    return m;
}

static struct gnttab_unmap_grant_ref unmap_of(void *address, grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref u = {.host_addr = (uint64_t)address, .handle = handle};

    u.status = 77;
    return u;
}

static int grant_own(uint64_t mfn, bool readonly)
{
    return grant_access(OWN_DOMAIN, mfn, readonly);
}

static void query(void)
{
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    struct gnttab_get_version version = {.dom = DOMID_SELF};

    EXPECT(OP(query_size, q), 0);
    EXPECT(q.status, GNTST_okay);
    EXPECT_TRUE(q.nr_frames >= 1 && q.max_nr_frames >= q.nr_frames);
    q.dom = ABSENT_DOMAIN;
    EXPECT(OP(query_size, q), 0);
    EXPECT(q.status, GNTST_bad_domain);
    EXPECT(OP(get_version, version), 0);
    EXPECT(version.version, 1);
}

static void setup(void)
{
    xen_pfn_t frames[4] = {0};
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1};

    set_xen_guest_handle(s.frame_list, frames);
    EXPECT(OP(setup_table, s), 0);
    EXPECT(s.status, GNTST_okay);
    EXPECT_TRUE(frames[0] != 0);
    s.nr_frames = 1000000;
    EXPECT(OP(setup_table, s), 0);
    EXPECT_TRUE(s.status < 0);
    s.nr_frames = 1;
    s.dom = ABSENT_DOMAIN;
    EXPECT(OP(setup_table, s), 0);
    EXPECT(s.status, GNTST_bad_domain);
}

static void version_two_is_off(void)
{
    struct gnttab_set_version v = {.version = 2};

    EXPECT(OP(set_version, v), -XEN_ENOSYS);
    v.version = 3;
    EXPECT(OP(set_version, v), -XEN_EINVAL);
}

static void map_and_unmap(void)
{
    uint64_t *page = page_alloc(0);
    char *window = memory_reserve(1);
    int ref = grant_own(virt_to_mfn(page), false);
    struct gnttab_map_grant_ref m = map_of(window, ref, GNTMAP_host_map);
    struct gnttab_unmap_grant_ref u;

    REQUIRE(page && window && ref > 0);
    page[0] = 0x1111;
    EXPECT(OP(map_grant_ref, m), 0);
    REQUIRE(EXPECT(m.status, GNTST_okay));
    EXPECT(m.dev_bus_addr, virt_to_maddr(page));
    EXPECT(*(uint64_t *)window, 0x1111);
    EXPECT_TRUE(probe_write(window, 0x2222));
    EXPECT(page[0], 0x2222);
    EXPECT_TRUE(grant_is_busy(ref));
    EXPECT_TRUE(!grant_end(ref));
    u = unmap_of(window, m.handle);
    EXPECT(OP(unmap_grant_ref, u), 0);
    EXPECT(u.status, GNTST_okay);
    EXPECT_TRUE(!probe_read(window, NULL));
    EXPECT_TRUE(!grant_is_busy(ref));
    EXPECT(OP(unmap_grant_ref, u), 0);
    EXPECT(u.status, GNTST_bad_handle);
    EXPECT_TRUE(grant_end(ref));
    memory_release(window, 1);
    page_free(page, 0);
}

static void read_only_grant(void)
{
    uint64_t *page = page_alloc(0);
    char *window = memory_reserve(1);
    int ref = grant_own(virt_to_mfn(page), true);
    struct gnttab_map_grant_ref m = map_of(window, ref, GNTMAP_host_map);
    struct gnttab_unmap_grant_ref u;

    REQUIRE(page && window && ref > 0);
    EXPECT(OP(map_grant_ref, m), 0);
    EXPECT(m.status, GNTST_general_error);
    m = map_of(window, ref, GNTMAP_host_map | GNTMAP_readonly);
    EXPECT(OP(map_grant_ref, m), 0);
    REQUIRE(EXPECT(m.status, GNTST_okay));
    EXPECT_TRUE(probe_read(window, NULL));
    EXPECT_TRUE(!probe_write(window, 1));
    u = unmap_of(window, m.handle);
    EXPECT(OP(unmap_grant_ref, u), 0);
    EXPECT(u.status, GNTST_okay);
    EXPECT_TRUE(grant_end(ref));
    memory_release(window, 1);
    page_free(page, 0);
}

// A granted page that is mapped writable may not become a table meanwhile.
static void mapped_page_is_no_table(void)
{
    uint64_t *page = page_alloc(0);
    char *window = memory_reserve(1);
    int ref = grant_own(virt_to_mfn(page), false);
    struct gnttab_map_grant_ref m = map_of(window, ref, GNTMAP_host_map);
    struct gnttab_unmap_grant_ref u;

    REQUIRE(page && window && ref > 0);
    EXPECT(OP(map_grant_ref, m), 0);
    REQUIRE(EXPECT(m.status, GNTST_okay));
    EXPECT(page_set_readonly(page), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(page)), -XEN_EINVAL);
    u = unmap_of(window, m.handle);
    EXPECT(OP(unmap_grant_ref, u), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(page)), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(page)), 0);
    EXPECT_TRUE(grant_end(ref));
    memory_release(window, 1);
    table_free(page);
}

// A table cannot be mapped writable through a grant.
static void table_is_not_granted_writable(void)
{
    uint64_t *table = table_alloc();
    char *window = memory_reserve(1);
    int ref = grant_own(virt_to_mfn(table), false);
    struct gnttab_map_grant_ref m = map_of(window, ref, GNTMAP_host_map);

    REQUIRE(table && window && ref > 0);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0);
    EXPECT(OP(map_grant_ref, m), 0);
    EXPECT_TRUE(m.status < 0);
    EXPECT_TRUE(!grant_is_busy(ref));
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
    EXPECT_TRUE(grant_end(ref));
    memory_release(window, 1);
    table_free(table);
}

static void bad_maps(void)
{
    char *window = memory_reserve(1);
    struct gnttab_map_grant_ref m;

    REQUIRE(window != NULL);
    m = map_of(window, 100000000, GNTMAP_host_map);
    EXPECT(OP(map_grant_ref, m), 0);
    EXPECT(m.status, GNTST_bad_gntref);
    m = map_of(window, 7, GNTMAP_host_map);
    EXPECT(OP(map_grant_ref, m), 0);
    EXPECT(m.status, GNTST_general_error);
    m = map_of(window, 7, 0);
    EXPECT(OP(map_grant_ref, m), 0);
    EXPECT(m.status, GNTST_bad_gntref);
    m = map_of(window, 7, GNTMAP_host_map);
    m.dom = ABSENT_DOMAIN;
    EXPECT(OP(map_grant_ref, m), 0);
    EXPECT(m.status, GNTST_bad_domain);
    EXPECT(hypercall_grant_table_op(GNTTABOP_map_grant_ref, HYPERVISOR_ADDRESS, 1), -XEN_EFAULT);
    EXPECT_TRUE(!probe_read(window, NULL));
    memory_release(window, 1);
}

static void map_at_bad_address(void)
{
    uint64_t *page = page_alloc(0);
    int ref = grant_own(virt_to_mfn(page), false);
    struct gnttab_map_grant_ref m;

    REQUIRE(page && ref > 0);
    m = map_of(HYPERVISOR_ADDRESS, ref, GNTMAP_host_map);
    EXPECT(OP(map_grant_ref, m), 0);
    EXPECT_TRUE(m.status < 0);
    m = map_of(NON_CANONICAL, ref, GNTMAP_host_map);
    EXPECT(OP(map_grant_ref, m), 0);
    EXPECT_TRUE(m.status < 0);
    m = map_of((void *)0x7f0000000000UL, ref, GNTMAP_host_map);
    EXPECT(OP(map_grant_ref, m), 0);
    EXPECT_TRUE(m.status < 0);
    EXPECT_TRUE(!grant_is_busy(ref));
    EXPECT_TRUE(grant_end(ref));
    page_free(page, 0);
}

static void bad_unmaps(void)
{
    struct gnttab_unmap_grant_ref u = unmap_of((void *)0x1000, 0xfffffff0U);

    EXPECT(OP(unmap_grant_ref, u), 0);
    EXPECT(u.status, GNTST_bad_handle);
    EXPECT(hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, NON_CANONICAL, 1), -XEN_EFAULT);
}

static struct gnttab_copy copy_of(uint64_t from, uint64_t to, uint16_t offset, uint16_t length)
{
    struct gnttab_copy c;

    memset(&c, 0, sizeof(c));
    c.source.u.gmfn = from;
    c.source.domid = DOMID_SELF;
    c.dest.u.gmfn = to;
    c.dest.domid = DOMID_SELF;
    c.dest.offset = offset;
    c.len = length;
    c.status = 77;
    return c;
}

static void copies(void)
{
    unsigned char *from = page_alloc(0), *to = page_alloc(0);
    struct gnttab_copy c;
    int ref = grant_own(virt_to_mfn(from), true);

    REQUIRE(from && to && ref > 0);
    memset(from, 0xa5, PAGE_SIZE);
    c = copy_of(virt_to_mfn(from), virt_to_mfn(to), 16, 64);
    EXPECT(OP(copy, c), 0);
    EXPECT(c.status, GNTST_okay);
    EXPECT(to[15] | to[80], 0);
    EXPECT(memcmp(to + 16, from, 64), 0);
    c = copy_of(0, virt_to_mfn(to), 0, PAGE_SIZE);
    c.flags = GNTCOPY_source_gref;
    c.source.u.ref = ref;
    EXPECT(OP(copy, c), 0);
    EXPECT(c.status, GNTST_okay);
    EXPECT(memcmp(to, from, PAGE_SIZE), 0);
    c = copy_of(virt_to_mfn(to), 0, 0, 16);
    c.flags = GNTCOPY_dest_gref;
    c.dest.u.ref = ref;
    EXPECT(OP(copy, c), 0);
    EXPECT(c.status, GNTST_general_error);
    EXPECT_TRUE(grant_end(ref));
    page_free(from, 0);
    page_free(to, 0);
}

static void bad_copies(void)
{
    unsigned char *from = page_alloc(0), *to = page_alloc(0);
    struct gnttab_copy c;

    REQUIRE(from && to);
    c = copy_of(virt_to_mfn(from), virt_to_mfn(to), 4090, 64);
    EXPECT(OP(copy, c), 0);
    EXPECT(c.status, GNTST_bad_copy_arg);
    c = copy_of(virt_to_mfn(from), virt_to_mfn(to), 65535, 65535);
    EXPECT(OP(copy, c), 0);
    EXPECT(c.status, GNTST_bad_copy_arg);
    c = copy_of(ABSENT_FRAME, virt_to_mfn(to), 0, 64);
    EXPECT(OP(copy, c), 0);
    EXPECT_TRUE(c.status < 0);
    c = copy_of(virt_to_mfn(from), 0, 0, 64);
    c.flags = GNTCOPY_dest_gref;
    c.dest.u.ref = 100000000;
    EXPECT(OP(copy, c), 0);
    EXPECT(c.status, GNTST_bad_gntref);
    c.flags = 0x80;
    EXPECT(OP(copy, c), 0);
    EXPECT_TRUE(c.status < 0);
    EXPECT(hypercall_grant_table_op(GNTTABOP_copy, HYPERVISOR_ADDRESS, 1), -XEN_EFAULT);
    page_free(from, 0);
    page_free(to, 0);
}

// Copies into a page of tables would be writes past the type machine.
static void copy_into_table(void)
{
    uint64_t *table = table_alloc(), *from = page_alloc(0);
    struct gnttab_copy c;

    REQUIRE(table && from);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0);
    c = copy_of(virt_to_mfn(from), virt_to_mfn(table), 0, 64);
    EXPECT(OP(copy, c), 0);
    EXPECT_TRUE(c.status < 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
    table_free(table);
    page_free(from, 0);
}

// Enough operations that the call has to stop for a pending event and go on.
static void long_batch(void)
{
    static struct gnttab_copy ops[600];
    unsigned char *from = page_alloc(0), *to = page_alloc(0);
    unsigned int good = 0;

    REQUIRE(from && to);
    for (unsigned int i = 0; i < 600; i++)
        ops[i] = copy_of(virt_to_mfn(from), virt_to_mfn(to), 0, PAGE_SIZE);
    EXPECT(hypercall_grant_table_op(GNTTABOP_copy, ops, 600), 0);
    for (unsigned int i = 0; i < 600; i++)
        good += ops[i].status == GNTST_okay;
    EXPECT(good, 600);
    page_free(from, 0);
    page_free(to, 0);
}

static void unknown_command(void)
{
    uint64_t nothing = 0;

    EXPECT(hypercall_grant_table_op(99, &nothing, 1), -XEN_ENOSYS);
    EXPECT(hypercall_grant_table_op(GNTTABOP_map_grant_ref, &nothing, 0x80000000U), -XEN_EINVAL);
    EXPECT(hypercall_grant_table_op(GNTTABOP_map_grant_ref, NULL, 0), 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(query),
    REPORT_CASE(setup),
    REPORT_CASE(version_two_is_off),
    REPORT_CASE(map_and_unmap),
    REPORT_CASE(read_only_grant),
    REPORT_CASE(mapped_page_is_no_table),
    REPORT_CASE(table_is_not_granted_writable),
    REPORT_CASE(bad_maps),
    REPORT_CASE(map_at_bad_address),
    REPORT_CASE(bad_unmaps),
    REPORT_CASE(copies),
    REPORT_CASE(bad_copies),
    REPORT_CASE(copy_into_table),
    REPORT_CASE(long_batch),
    REPORT_CASE(unknown_command),
};

GUEST_FAMILY(grants, REPORT_SUITE("grant_table_op", cases));
