// SPDX-License-Identifier: MIT
// grant_table_op with hostile arguments: copies over the edge, lists that end in nothing, tables, versions,
// swaps, flushes and transfers that are refused.
#include "tests/guest/granted.h"

#include <string.h>
#include <xen/memory.h>

#include "pvguest/grant.h"
#include "pvguest/start.h"

#define VGA_FRAME 0xb8U

// --- copying

static struct gnttab_copy copy_base(uint64_t *to)
{
    struct gnttab_copy c = {.flags = GNTCOPY_source_gref, .len = 16};

    c.source.u.ref = granted.ref;
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

    REQUIRE(granted_begin(false) && to);
    c = copy_base(to);
    granted_entries[granted.ref].flags = GTF_accept_transfer;
    EXPECT(copy_status(c), GNTST_general_error);
    granted_entries[granted.ref].flags = 0;
    EXPECT(copy_status(c), GNTST_general_error);
    granted_entries[granted.ref].flags = GTF_permit_access;
    granted_entries[granted.ref].domid = OTHER_DOMAIN;
    EXPECT(copy_status(c), GNTST_general_error);
    granted_entries[granted.ref].domid = OWN_DOMAIN;
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
    granted_finish();
}

static void copies_over_the_edge(void)
{
    static const struct {
        uint16_t from, to, length;
        int16_t status;
    } tries[] = {
        {0,     0,     0,     GNTST_okay                                     },
        {4095,  4095,  1,     GNTST_okay                                     },
        {4096,  0,     0,     GNTST_okay                                     },
        {0,     4096,  0,     GNTST_okay                                     },
        {4096,  0,     1,     GNTST_bad_copy_arg                             },
        {0,     4096,  1,     GNTST_bad_copy_arg                             },
        {1,     0,     4096,  GNTST_bad_copy_arg                             },
        {0,     1,     4096,  GNTST_bad_copy_arg                             },
        {0,     0,     4097,  GNTST_bad_copy_arg                             },
        {65535, 0,     0,     SINCE_XEN(20) ? GNTST_okay : GNTST_bad_copy_arg},
        {65535, 65535, 65535, GNTST_bad_copy_arg                             },
        {0,     0,     4096,  GNTST_okay                                     },
    };
    uint64_t *to = page_alloc(0);

    REQUIRE(granted_begin(false) && to);
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        struct gnttab_copy c = copy_base(to);
        c.source.offset = tries[i].from;
        c.dest.offset = tries[i].to;
        c.len = tries[i].length;
        EXPECT(copy_status(c), tries[i].status);
    }
    struct gnttab_copy c = copy_base(to);
    c.len = 0;
    c.source.u.ref = ~0U; // of nothing is not looked at any more
    EXPECT(copy_status(c), SINCE_XEN(20) ? GNTST_okay : GNTST_bad_gntref);
    c.source.domid = 0x7000;
    EXPECT(copy_status(c), SINCE_XEN(20) ? GNTST_okay : GNTST_bad_domain);
    page_free(to, 0);
    granted_finish();
}

static void copies_within_a_frame(void)
{
    struct gnttab_copy c;
    unsigned char *bytes;

    REQUIRE(granted_begin(false));
    bytes = (unsigned char *)granted.page;
    for (unsigned int i = 0; i < 64; i++)
        bytes[i] = (unsigned char)i;
    c = copy_base(granted.page);
    c.dest.offset = 64;
    c.len = 64;
    EXPECT(copy_status(c), GNTST_okay);
    EXPECT(bytes[64], 0);
    EXPECT(bytes[127], 63);
    granted_finish();
}

static void lists_that_end(void)
{
    char *edge = edge_alloc();
    uint64_t *to = page_alloc(0);
    struct gnttab_copy *last;

    REQUIRE(granted_begin(false) && edge && to);
    last = (struct gnttab_copy *)edge - 1;
    *last = copy_base(to);
    last->status = 77;
    granted.page[0] = 0x99;
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
    granted_finish();
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
    REQUIRE(granted_begin(false));
    EXPECT(swap_status(granted.ref, granted.ref), GNTST_okay);
    EXPECT(swap_status(0xffffffffU, granted.ref), GNTST_bad_gntref);
    EXPECT(swap_status(granted.ref, 0xffffffffU), GNTST_bad_gntref);
    EXPECT(granted_map_at(at(granted.window), granted.ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(swap_status(granted.ref, granted.ref), GNTST_okay);
    EXPECT(swap_status(granted.ref, 0xffffffffU), GNTST_bad_gntref);
    EXPECT(granted_unmap_at(at(granted.window), 0, granted.handle), GNTST_okay);
    granted_finish();
}

static void cache_flushes_refused(void)
{
    struct gnttab_cache_flush f = {.length = 8, .op = GNTTAB_CACHE_CLEAN};

    REQUIRE(granted_begin(false));
    f.a.dev_bus_addr = virt_to_maddr(granted.page);
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
    granted_finish();
}

// The slot accepts from somebody else; the frame is lost all the same, as on Xen.
static void transfer_from_another(void)
{
    struct gnttab_transfer t = {.domid = OWN_DOMAIN, .status = 77};
    xen_pfn_t frame;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    uint64_t *given = page_alloc(0);

    REQUIRE(granted_begin(false) && given);
    granted_entries[granted.ref].domid = OTHER_DOMAIN;
    granted_entries[granted.ref].flags = GTF_accept_transfer;
    t.mfn = virt_to_mfn(given);
    t.ref = granted.ref;
    EXPECT(page_set_absent(given), 0);
    EXPECT(OP(transfer, t), 0);
    EXPECT(t.status, GNTST_general_error);
    EXPECT(granted_entries[granted.ref].flags, GTF_accept_transfer);
    granted_entries[granted.ref].flags = GTF_permit_access;
    granted_entries[granted.ref].domid = OWN_DOMAIN;
    frame = virt_to_pfn(given);
    set_xen_guest_handle(r.extent_start, &frame);
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 1);
    memory_p2m[virt_to_pfn(given)] = frame;
    EXPECT(page_set_writable(given), 0);
    page_free(given, 0);
    granted_finish();
}

static const struct report_case table_cases[] = {
    REPORT_CASE(domains_of_tables),
    REPORT_CASE(versions),
    REPORT_CASE(swaps),
    REPORT_CASE(cache_flushes_refused),
    REPORT_CASE(transfer_from_another),
    REPORT_CASE(table_sizes),
};

GUEST_FAMILY(grant_limits, REPORT_SUITE("grant_table_op", copy_cases),
             REPORT_SUITE("grant_table_op", table_cases));
