// SPDX-License-Identifier: MIT
// grant_table_op between two domains: copies, transfers, questions about the other's table, its growth.
#define __XEN_TOOLS__ 1
#include "tests/guest/pair_grant.h"

#include <string.h>
#include <xen/domctl.h>
#include <xen/memory.h>

#include "pvguest/grant.h"

#define MAX_FRAMES 64 // of a peer's table
#define REFS_PER_FRAME 512

// --- copies ------------------------------------------------------------------------------------------

static struct gnttab_copy copy_op;

// One side: a reference of a domain, or a frame number.
static void side_ref(struct gnttab_copy_ptr *side, long dom, long ref, long offset)
{
    side->u.ref = (grant_ref_t)ref;
    side->domid = (domid_t)dom;
    side->offset = (uint16_t)offset;
}

static void side_frame(struct gnttab_copy_ptr *side, long dom, uint64_t mfn, long offset)
{
    side->u.gmfn = mfn;
    side->domid = (domid_t)dom;
    side->offset = (uint16_t)offset;
}

static long copy(unsigned int flags, unsigned int length)
{
    copy_op.flags = (uint16_t)flags;
    copy_op.len = (uint16_t)length;
    copy_op.status = GRANT_FAILED;
    return GRANT_OP(copy, copy_op) ? GRANT_FAILED : copy_op.status;
}

#define SOURCE (&copy_op.source)
#define DEST (&copy_op.dest)

static void from_the_guest(void)
{
    struct peer *peer = peer_get(0);
    uint64_t *page = page_alloc(0);
    long ref;

    REQUIRE(peer && page);
    ref = peer_call(peer, grant_give, 0, true, 0);
    side_ref(SOURCE, peer->domid, ref, 0);
    side_frame(DEST, DOMID_SELF, virt_to_mfn(page), 16);
    EXPECT(copy(GNTCOPY_source_gref, 8), GNTST_okay);
    EXPECT(page[2], GRANT_PATTERN);
    EXPECT(page[1] | page[3], 0);
    // The last byte alone.
    side_ref(SOURCE, peer->domid, ref, PAGE_SIZE - 1);
    side_frame(DEST, DOMID_SELF, virt_to_mfn(page), PAGE_SIZE - 1);
    EXPECT(copy(GNTCOPY_source_gref, 1), GNTST_okay);
    EXPECT(page[511], GRANT_PATTERN >> 56 << 56);
    side_ref(SOURCE, peer->domid, ref, 0);
    side_frame(DEST, DOMID_SELF, virt_to_mfn(page), 0);
    EXPECT(copy(GNTCOPY_source_gref, PAGE_SIZE), GNTST_okay);
    EXPECT(page[511], GRANT_PATTERN);
    EXPECT(page[2], 0);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access | GTF_readonly);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
    page_free(page, 0);
}

static void into_the_guest(void)
{
    struct peer *peer = peer_get(0);
    uint64_t *page = page_alloc(0);
    long ref, readonly;

    REQUIRE(peer && page);
    ref = peer_call(peer, grant_give, 0, false, 0);
    readonly = peer_call(peer, grant_give, 0, true, 0);
    page[5] = 99;
    side_frame(SOURCE, DOMID_SELF, virt_to_mfn(page), 40);
    side_ref(DEST, peer->domid, ref, 48);
    EXPECT(copy(GNTCOPY_dest_gref, 8), GNTST_okay);
    EXPECT(peer_call(peer, grant_peek, ref, 6, 0), 99);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access);
    side_ref(DEST, peer->domid, readonly, 48);
    EXPECT(copy(GNTCOPY_dest_gref, 8), GNTST_general_error);
    EXPECT(peer_call(peer, grant_peek, readonly, 6, 0), 0);
    // Both sides by reference: from the guest to itself, made by dom0.
    side_ref(SOURCE, peer->domid, readonly, 0);
    side_ref(DEST, peer->domid, ref, 80);
    EXPECT(copy(GNTCOPY_source_gref | GNTCOPY_dest_gref, 8), GNTST_okay);
    EXPECT(peer_call(peer, grant_peek, ref, 10, 0), (long)GRANT_PATTERN);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
    EXPECT(peer_call(peer, grant_take, readonly, 0, 0), 1);
    page_free(page, 0);
}

// dom0 carries words from one guest to the other; neither sees the other's table.
static void between_guests(void)
{
    struct peer *a = peer_get(0), *b = peer_get(1);
    long from, to;

    REQUIRE(a && b);
    from = peer_call(a, grant_give, 0, true, 0);
    to = peer_call(b, grant_give, 0, false, 0);
    EXPECT(peer_call(a, grant_poke, from, 7, 4711), 0);
    side_ref(SOURCE, a->domid, from, 0);
    side_ref(DEST, b->domid, to, 0);
    EXPECT(copy(GNTCOPY_source_gref | GNTCOPY_dest_gref, 64), GNTST_okay);
    EXPECT(peer_call(b, grant_peek, to, 7, 0), 4711);
    side_ref(SOURCE, b->domid, to, 0);
    side_ref(DEST, a->domid, from, 0);
    EXPECT(copy(GNTCOPY_source_gref | GNTCOPY_dest_gref, 64), GNTST_general_error);
    EXPECT(peer_call(a, grant_take, from, 0, 0), 1);
    EXPECT(peer_call(b, grant_take, to, 0, 0), 1);
}

static void copies_refused(void)
{
    struct peer *peer = peer_get(0);
    uint64_t *page = page_alloc(0), mfn = virt_to_mfn(page);
    long ref, theirs;

    REQUIRE(peer && page);
    ref = peer_call(peer, grant_give, 0, false, 0);
    theirs = peer_call(peer, grant_mfn, ref, 0, 0);
    side_ref(SOURCE, peer->domid, ref, PAGE_SIZE - 8);
    side_frame(DEST, DOMID_SELF, mfn, 0);
    EXPECT(copy(GNTCOPY_source_gref, 9), GNTST_bad_copy_arg);
    EXPECT(copy(GNTCOPY_source_gref, 0xffff), GNTST_bad_copy_arg);
    SOURCE->offset = 0xffff;
    EXPECT(copy(GNTCOPY_source_gref, 1), GNTST_bad_copy_arg);
    SOURCE->offset = 0;
    DEST->offset = PAGE_SIZE - 8;
    EXPECT(copy(GNTCOPY_source_gref, 16), GNTST_bad_copy_arg);
    DEST->offset = 0;
    // A frame by number is one of the caller, whatever domain is named with it.
    side_frame(SOURCE, peer->domid, (uint64_t)theirs, 0);
    EXPECT(copy(0, 8), GNTST_permission_denied);
    side_frame(SOURCE, DOMID_SELF, (uint64_t)theirs, 0);
    EXPECT(copy(0, 8), GNTST_bad_page);
    side_frame(SOURCE, 0, mfn, 0);
    EXPECT(copy(0, 8), GNTST_permission_denied);
    side_frame(SOURCE, DOMID_SELF, ABSENT_FRAME, 0);
    EXPECT(copy(0, 8), GNTST_bad_page);
    side_ref(SOURCE, ABSENT_DOMAIN, ref, 0);
    EXPECT(copy(GNTCOPY_source_gref, 8), GNTST_bad_domain);
    side_ref(SOURCE, peer->domid, 0x7fffffff, 0);
    EXPECT(copy(GNTCOPY_source_gref, 8), GNTST_bad_gntref);
    side_ref(SOURCE, peer->domid, 500, 0);
    EXPECT(copy(GNTCOPY_source_gref, 8), GNTST_general_error);
    EXPECT(page[0], 0);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
    page_free(page, 0);
}

// The guest asks for what is not its own: the same functions, run there.
static long steal(long dom0_mfn, long dom, long unused)
{
    static uint64_t page[512] __attribute__((aligned(4096)));

    (void)unused;
    side_frame(DEST, DOMID_SELF, virt_to_mfn(page), 0);
    side_frame(SOURCE, dom, (uint64_t)dom0_mfn, 0);
    EXPECT(copy(0, 8), GNTST_permission_denied);
    side_frame(SOURCE, DOMID_SELF, (uint64_t)dom0_mfn, 0);
    EXPECT(copy(0, 8), GNTST_bad_page);
    side_frame(SOURCE, DOMID_SELF, virt_to_mfn(page), 0);
    side_frame(DEST, DOMID_SELF, (uint64_t)dom0_mfn, 0);
    EXPECT(copy(0, 8), GNTST_bad_page);
    side_ref(SOURCE, dom, 8, 0);
    side_frame(DEST, DOMID_SELF, virt_to_mfn(page), 0);
    EXPECT_TRUE(copy(GNTCOPY_source_gref, 8) < 0);
    EXPECT(page[0], 0);
    return 0;
}

static void stealing(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, steal, (long)virt_to_mfn(&pair_box), 0, 0), 0);
}

// A mapping for writing does not keep others from copying, and the other way round.
static void copy_while_mapped(void)
{
    struct peer *peer = peer_get(0);
    uint64_t *page = page_alloc(0);
    char *window = memory_reserve(1);
    grant_handle_t h;
    long ref;

    REQUIRE(peer && page && window);
    ref = peer_call(peer, grant_give, 0, false, 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map | GNTMAP_readonly, &h),
           GNTST_okay);
    side_frame(SOURCE, DOMID_SELF, virt_to_mfn(page), 0);
    side_ref(DEST, peer->domid, ref, 8);
    EXPECT(copy(GNTCOPY_dest_gref, 8), GNTST_okay);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access | GTF_reading);
    EXPECT(grant_unmap_one(window, 0, h), GNTST_okay);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
    page_free(page, 0);
    memory_release(window, 1);
}

static void many_copies(void)
{
    static struct gnttab_copy ops[300];
    struct peer *peer = peer_get(0);
    uint64_t *page = page_alloc(0);
    unsigned int good = 0;
    long ref;

    REQUIRE(peer && page);
    ref = peer_call(peer, grant_give, 0, true, 0);
    for (size_t i = 0; i < 300; i++) {
        side_ref(SOURCE, peer->domid, i == 150 ? 500 : ref, 0);
        side_frame(DEST, DOMID_SELF, virt_to_mfn(page), (long)i * 8);
        copy_op.flags = GNTCOPY_source_gref;
        copy_op.len = 8;
        ops[i] = copy_op;
    }
    EXPECT(hypercall_grant_table_op(GNTTABOP_copy, ops, 300), 0);
    for (size_t i = 0; i < 300; i++)
        good += ops[i].status == GNTST_okay && page[i] == GRANT_PATTERN;
    EXPECT(good, 299);
    EXPECT(ops[150].status, GNTST_general_error);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
    page_free(page, 0);
}

// --- questions ---------------------------------------------------------------------------------------

static long query(long dom, long unused, long unused2)
{
    struct gnttab_query_size q = {.dom = (domid_t)dom, .status = GRANT_FAILED};

    (void)unused, (void)unused2;
    EXPECT(GRANT_OP(query_size, q), 0);
    return q.status ? q.status : (long)(q.nr_frames << 16 | q.max_nr_frames);
}

static long set_up(long dom, long count, long unused)
{
    static xen_pfn_t frames[MAX_FRAMES + 1];
    struct gnttab_setup_table s = {
        .dom = (domid_t)dom, .nr_frames = (uint32_t)count, .status = GRANT_FAILED};

    (void)unused;
    set_xen_guest_handle(s.frame_list, frames);
    EXPECT(GRANT_OP(setup_table, s), 0);
    return s.status;
}

static long version(long dom, long unused, long unused2)
{
    struct gnttab_get_version v = {.dom = (domid_t)dom};
    long result = GRANT_OP(get_version, v);

    (void)unused, (void)unused2;
    return result ? result : (long)v.version;
}

static void questions_about_others(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(query(peer->domid, 0, 0) & 0xffff, MAX_FRAMES);
    EXPECT(query(peer->domid, 0, 0), peer_call(peer, query, DOMID_SELF, 0, 0));
    EXPECT(peer_call(peer, query, 0, 0, 0), GNTST_permission_denied);
    EXPECT(peer_call(peer, query, ABSENT_DOMAIN, 0, 0), GNTST_bad_domain);
    EXPECT(query(ABSENT_DOMAIN, 0, 0), GNTST_bad_domain);
    EXPECT(query(DOMID_IO, 0, 0), GNTST_bad_domain);
    EXPECT(set_up(peer->domid, 1, 0), GNTST_okay);
    EXPECT(set_up(ABSENT_DOMAIN, 1, 0), GNTST_bad_domain);
    EXPECT(peer_call(peer, set_up, 0, 1, 0), GNTST_permission_denied);
    EXPECT(peer_call(peer, set_up, ABSENT_DOMAIN, 1, 0), GNTST_bad_domain);
    EXPECT(version(peer->domid, 0, 0), 1);
    EXPECT(version(ABSENT_DOMAIN, 0, 0), -XEN_ESRCH);
    EXPECT(peer_call(peer, version, 0, 0, 0), -XEN_EPERM);
    EXPECT(peer_call(peer, version, ABSENT_DOMAIN, 0, 0), -XEN_ESRCH);
    EXPECT(peer_call(peer, version, DOMID_SELF, 0, 0), 1);
}

// The table grows to its limit; entries of its last frame work, those behind it do not exist.
static void growth(void)
{
    struct peer *peer = peer_get(0);
    char *window = memory_reserve(1);
    grant_handle_t h;
    long last;

    REQUIRE(peer && window);
    last = (query(peer->domid, 0, 0) >> 16) * REFS_PER_FRAME;
    EXPECT(grant_map_one(window, peer->domid, last, GNTMAP_host_map, &h), GNTST_bad_gntref);
    EXPECT(grant_map_one(window, peer->domid, last - 1, GNTMAP_host_map, &h), GNTST_general_error);
    EXPECT(peer_call(peer, set_up, DOMID_SELF, 8, 0), GNTST_okay);
    EXPECT(query(peer->domid, 0, 0), 8 << 16 | MAX_FRAMES);
    EXPECT(grant_map_one(window, peer->domid, last, GNTMAP_host_map, &h), GNTST_general_error);
    EXPECT(set_up(peer->domid, MAX_FRAMES, 0), GNTST_okay);
    EXPECT(query(peer->domid, 0, 0), MAX_FRAMES << 16 | MAX_FRAMES);
    EXPECT(peer_call(peer, set_up, DOMID_SELF, MAX_FRAMES + 1, 0), GNTST_general_error);
    EXPECT(set_up(peer->domid, MAX_FRAMES + 1, 0), GNTST_general_error);
    EXPECT(set_up(peer->domid, 0x7fffffff, 0), GNTST_general_error);
    EXPECT(set_up(peer->domid, 1, 0), GNTST_okay); // never shrinks
    EXPECT(query(peer->domid, 0, 0), MAX_FRAMES << 16 | MAX_FRAMES);
    EXPECT(grant_map_one(window, peer->domid, MAX_FRAMES * REFS_PER_FRAME - 1, GNTMAP_host_map, &h),
           GNTST_general_error);
    EXPECT(grant_map_one(window, peer->domid, MAX_FRAMES * REFS_PER_FRAME, GNTMAP_host_map, &h),
           GNTST_bad_gntref);
    memory_release(window, 1);
    EXPECT(peer_end(peer), true);
}

// --- transfers ---------------------------------------------------------------------------------------

static long offer_slot(long dom, long unused, long unused2)
{
    int ref = grant_access((domid_t)dom, 0, false);

    (void)unused, (void)unused2;
    grant_set_frame(ref, 0, 0);
    grant_scribble(ref, GTF_accept_transfer, dom);
    return ref;
}

// Gives a page of ours to the domain; the page is a hole afterwards.
static long transfer(domid_t dom, long ref, uint64_t mfn)
{
    struct gnttab_transfer t = {
        .mfn = mfn, .domid = dom, .ref = (grant_ref_t)ref, .status = GRANT_FAILED};

    return GRANT_OP(transfer, t) ? GRANT_FAILED : t.status;
}

static long give_up_page(long unused, long unused2, long unused3)
{
    uint64_t *page = page_alloc(0);
    xen_pfn_t frame = virt_to_mfn(page);
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    (void)unused, (void)unused2, (void)unused3;
    set_xen_guest_handle(r.extent_start, &frame);
    EXPECT(page_set_absent(page), 0);
    return hypercall_memory_op(XENMEM_decrease_reservation, &r);
}

// A page of RAM for a pfn that has lost its own.
static bool page_replace(uint64_t *page)
{
    uint64_t pfn = virt_to_pfn(page);
    xen_pfn_t frame = pfn;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, &frame);
    if (hypercall_memory_op(XENMEM_populate_physmap, &r) != 1)
        return false;
    memory_p2m[pfn] = frame;
    return hypercall_update_va_mapping(page, pte_make(frame, PTE_RAM | PTE_RW), 0) == 0;
}

// The new owner maps what its slot names.
static long received(long mfn, long unused, long unused2)
{
    uint64_t *window = memory_reserve(1), value = 0;

    (void)unused, (void)unused2;
    EXPECT(hypercall_update_va_mapping(window, pte_make((uint64_t)mfn, PTE_RAM | PTE_RW), 0), 0);
    EXPECT_TRUE(probe_read(window, &value));
    EXPECT_TRUE(probe_write(window, 1));
    return (long)value;
}

// To a domain that has no room, then to one that has given up a page.
static void transfer_of_a_page(void)
{
    struct peer *peer = peer_get(0);
    uint64_t *page = page_alloc(0), mfn = virt_to_mfn(page);
    struct mmu_update again = {.ptr = memory_pte_maddr(page), .val = pte_make(mfn, PTE_RAM)};
    long slot;

    REQUIRE(peer && page);
    page[0] = 31337;
    slot = peer_call(peer, offer_slot, 0, 0, 0);
    EXPECT(page_set_absent(page), 0);
    EXPECT(peer_call(peer, give_up_page, 0, 0, 0), 1);
    EXPECT(transfer(peer->domid, slot, mfn), GNTST_okay);
    EXPECT(peer_call(peer, grant_flags, slot, 0, 0),
           GTF_accept_transfer | GTF_transfer_completed | GTF_transfer_committed);
    EXPECT(peer_call(peer, grant_frame, slot, 0, 0), (long)mfn);
    EXPECT(peer_call(peer, received, (long)mfn, 0, 0), 31337);
    EXPECT(hypercall_mmu_update(&again, 1, NULL, DOMID_SELF), -XEN_EBUSY);
    EXPECT_TRUE(transfer(peer->domid, slot, mfn) < 0);
    EXPECT_TRUE(page_replace(page));
    page_free(page, 0);
    EXPECT(peer_end(peer), true);
}

// A page that is not accepted is lost all the same: the status of the transfer of a fresh one.
static long lose_page(domid_t dom, long ref)
{
    uint64_t *page = page_alloc(0), mfn = virt_to_mfn(page);
    struct mmu_update again = {.ptr = memory_pte_maddr(page), .val = pte_make(mfn, PTE_RAM)};
    long status;

    EXPECT(page_set_absent(page), 0);
    status = transfer(dom, ref, mfn);
    EXPECT_TRUE(hypercall_mmu_update(&again, 1, NULL, DOMID_SELF) < 0);
    EXPECT_TRUE(page_replace(page));
    page_free(page, 0);
    return status;
}

static void transfers_refused(void)
{
    struct peer *peer = peer_get(0), *other = peer_get(1);
    uint64_t *page = page_alloc(0), mfn = virt_to_mfn(page);
    struct xen_domctl op;
    long slot, granted;

    REQUIRE(peer && other && page);
    slot = peer_call(peer, offer_slot, 0, 0, 0);
    granted = peer_call(peer, grant_give, 0, false, 0);
    EXPECT(transfer(peer->domid, slot, mfn), GNTST_bad_page); // it is mapped
    EXPECT(page[0], 0);
    EXPECT(transfer(peer->domid, slot, ABSENT_FRAME), GNTST_bad_page);
    EXPECT(transfer(peer->domid, slot, peer->root_mfn), GNTST_bad_page);
    EXPECT(lose_page(ABSENT_DOMAIN, slot), GNTST_bad_domain);
    EXPECT(lose_page(peer->domid, granted), GNTST_general_error);
    EXPECT(lose_page(peer->domid, 0x7fffffff), GNTST_general_error);
    EXPECT(lose_page(other->domid, slot), GNTST_general_error);
    // No room, then a slot that is for another domain.
    memset(&op, 0, sizeof(op));
    op.u.max_mem.max_memkb = 4096;
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_max_mem, peer->domid), 0);
    EXPECT(lose_page(peer->domid, slot), GNTST_general_error);
    op.u.max_mem.max_memkb = 16384;
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_max_mem, peer->domid), 0);
    EXPECT(peer_call(peer, grant_scribble, slot, GTF_accept_transfer, other->domid), 0);
    EXPECT(lose_page(peer->domid, slot), GNTST_general_error);
    EXPECT(peer_call(peer, grant_flags, slot, 0, 0), GTF_accept_transfer);
    EXPECT(peer_call(peer, grant_take, granted, 0, 0), 1);
    page_free(page, 0);
    EXPECT(peer_end(peer), true);
}

static const struct report_case cases[] = {
    REPORT_CASE(from_the_guest),
    REPORT_CASE(into_the_guest),
    REPORT_CASE(between_guests),
    REPORT_CASE(copies_refused),
    REPORT_CASE(stealing),
    REPORT_CASE(copy_while_mapped),
    REPORT_CASE(many_copies),
    REPORT_CASE(questions_about_others),
    REPORT_CASE(growth),
    REPORT_CASE(transfer_of_a_page),
    REPORT_CASE(transfers_refused),
};

GUEST_FAMILY(pair_copies, REPORT_SUITE("pair_copies", cases));
