// SPDX-License-Identifier: MIT
// grant_table_op between two domains: mapping and unmapping, what is left of an entry, refusals.
#define __XEN_TOOLS__ 1
#include "tests/guest/pair_grant.h"

#include <string.h>

#include "pvguest/grant.h"

#define GTF_BUSY (GTF_reading | GTF_writing)

static char *window; // two pages without anything, for mappings

static struct peer *begin(void)
{
    if (!window)
        window = memory_reserve(2);
    return window ? peer_get(0) : NULL;
}

// --- the peer as the one who maps ------------------------------------------------------------------

static char *peer_window;
static grant_handle_t peer_handle;

static long peer_maps(long dom, long ref, long flags)
{
    if (!peer_window)
        peer_window = memory_reserve(1);
    return grant_map_one(peer_window, dom, ref, (uint32_t)flags, &peer_handle);
}

static long peer_unmaps(long handle, long unused, long unused2)
{
    (void)unused, (void)unused2;
    return grant_unmap_one(peer_window, 0, handle < 0 ? peer_handle : (grant_handle_t)handle);
}

#define NOT_READ 0xbadL
static long peer_reads(long index, long unused, long unused2)
{
    uint64_t value = 0;

    (void)unused, (void)unused2;
    return probe_read((uint64_t *)peer_window + index, &value) ? (long)value : NOT_READ;
}

static long peer_writes(long index, long value, long unused)
{
    (void)unused;
    return probe_write((uint64_t *)peer_window + index, (uint64_t)value);
}

// --- cases -------------------------------------------------------------------------------------------

static void map_and_unmap(void)
{
    struct peer *peer = begin();
    grant_handle_t h;
    uint64_t value;
    long ref;

    REQUIRE(peer);
    ref = peer_call(peer, grant_give, 0, false, 0);
    REQUIRE(ref > 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_okay);
    EXPECT_TRUE(probe_read(window, &value));
    EXPECT(value, GRANT_PATTERN);
    EXPECT_TRUE(probe_write(window + 8, 1234));
    EXPECT(peer_call(peer, grant_peek, ref, 1, 0), 1234);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access | GTF_BUSY);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 0);
    EXPECT(grant_unmap_one(window, 0, h), GNTST_okay);
    EXPECT_TRUE(!probe_read(window, &value));
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
}

// dom0 grants, the guest maps.
static void mapped_by_the_guest(void)
{
    struct peer *peer = begin();
    long ref;

    REQUIRE(peer);
    ref = grant_give(peer->domid, false, 0);
    REQUIRE(ref > 0);
    EXPECT(peer_call(peer, peer_maps, 0, ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(peer_call(peer, peer_reads, 511, 0, 0), (long)GRANT_PATTERN);
    EXPECT(peer_call(peer, peer_writes, 3, 77, 0), 1);
    EXPECT(grant_peek(ref, 3, 0), 77);
    EXPECT(grant_take(ref, 0, 0), 0);
    EXPECT(peer_call(peer, peer_unmaps, -1, 0, 0), GNTST_okay);
    EXPECT(peer_call(peer, peer_reads, 0, 0, 0), NOT_READ);
    EXPECT(grant_take(ref, 0, 0), 1);
}

// Readers and writers of one entry are counted apart.
static void readers_and_writers(void)
{
    struct peer *peer = begin();
    grant_handle_t reader, writer;
    long ref;

    REQUIRE(peer);
    ref = peer_call(peer, grant_give, 0, false, 0);
    REQUIRE(ref > 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map | GNTMAP_readonly, &reader),
           GNTST_okay);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access | GTF_reading);
    EXPECT_TRUE(!probe_write(window, 1));
    EXPECT(grant_map_one(window + PAGE_SIZE, peer->domid, ref, GNTMAP_host_map, &writer),
           GNTST_okay);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access | GTF_BUSY);
    EXPECT_TRUE(probe_write(window + PAGE_SIZE, 5));
    EXPECT(grant_unmap_one(window + PAGE_SIZE, 0, writer), GNTST_okay);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access | GTF_reading);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 0);
    EXPECT(grant_unmap_one(window, 0, reader), GNTST_okay);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
}

static void granted_for_reading(void)
{
    struct peer *peer = begin();
    grant_handle_t h, writer;
    long ref;

    REQUIRE(peer);
    ref = peer_call(peer, grant_give, 0, true, 0);
    REQUIRE(ref > 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_general_error);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access | GTF_readonly);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map | GNTMAP_readonly, &h),
           GNTST_okay);
    EXPECT(grant_map_one(window + PAGE_SIZE, peer->domid, ref, GNTMAP_device_map, &writer),
           GNTST_general_error);
    EXPECT(grant_unmap_one(window, 0, h), GNTST_okay);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
}

// A mapping for devices is a use of its own; both may have one handle.
static void host_and_device(void)
{
    struct peer *peer = begin();
    grant_handle_t h;
    uint64_t bus;
    long ref, mfn;

    REQUIRE(peer);
    ref = peer_call(peer, grant_give, 0, false, 0);
    mfn = peer_call(peer, grant_mfn, ref, 0, 0);
    REQUIRE(ref > 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_device_map, &h), GNTST_okay);
    bus = grant_bus_address;
    EXPECT(bus, mfn << PAGE_SHIFT);
    EXPECT_TRUE(!probe_read(window, NULL));
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 0);
    EXPECT(grant_unmap_one(NULL, bus + PAGE_SIZE, h), GNTST_bad_dev_addr);
    EXPECT(grant_unmap_one(NULL, bus, h), GNTST_okay);
    EXPECT(grant_unmap_one(NULL, bus, h), GNTST_bad_handle);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map | GNTMAP_device_map, &h),
           GNTST_okay);
    EXPECT(grant_unmap_one(window, 0, h), GNTST_okay);
    EXPECT_TRUE(!probe_read(window, NULL));
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access | GTF_BUSY);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 0);
    EXPECT(grant_unmap_one(NULL, bus, h), GNTST_okay);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
}

static void read_only_host_and_device(void)
{
    struct peer *peer = begin();
    grant_handle_t both, writer;
    long ref;

    REQUIRE(peer);
    ref = peer_call(peer, grant_give, 0, false, 0);
    REQUIRE(ref > 0);
    EXPECT(grant_map_one(window, peer->domid, ref,
                         GNTMAP_host_map | GNTMAP_device_map | GNTMAP_readonly, &both),
           GNTST_okay);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access | GTF_reading);
    EXPECT(grant_map_one(NULL, peer->domid, ref, GNTMAP_device_map, &writer), GNTST_okay);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access | GTF_BUSY);
    EXPECT(grant_unmap_one(window, grant_bus_address, both), GNTST_okay);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access | GTF_BUSY);
    EXPECT(grant_unmap_one(NULL, grant_bus_address, writer), GNTST_okay);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
}

// The entry is named by its machine address.
static void by_table_entry(void)
{
    struct peer *peer = begin();
    char *entry;
    grant_handle_t h;
    long ref;

    REQUIRE(peer);
    entry = (char *)memory_pte_maddr(window);
    ref = peer_call(peer, grant_give, 0, false, 0);
    REQUIRE(ref > 0);
    EXPECT(grant_map_one(entry, peer->domid, ref, GNTMAP_host_map | GNTMAP_contains_pte, &h),
           GNTST_okay);
    EXPECT_TRUE(probe_read(window, NULL));
    EXPECT(grant_unmap_one(window, 0, h), GNTST_general_error);
    EXPECT(grant_unmap_one(entry + 8, 0, h), GNTST_general_error);
    EXPECT(grant_unmap_one(entry, 0, h), GNTST_okay);
    EXPECT_TRUE(!probe_read(window, NULL));
    // Entries that are none, and one of the other domain's.
    EXPECT(grant_map_one(entry + 1, peer->domid, ref, GNTMAP_host_map | GNTMAP_contains_pte, &h),
           GNTST_general_error);
    EXPECT(grant_map_one((char *)(virt_to_mfn(window) << PAGE_SHIFT), peer->domid, ref,
                         GNTMAP_host_map | GNTMAP_contains_pte, &h),
           GNTST_general_error);
    EXPECT(grant_map_one((char *)(peer->root_mfn << PAGE_SHIFT), peer->domid, ref,
                         GNTMAP_host_map | GNTMAP_contains_pte, &h),
           GNTST_general_error);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
}

static void bad_unmaps(void)
{
    struct peer *peer = begin();
    grant_handle_t h;
    long ref;

    REQUIRE(peer);
    ref = peer_call(peer, grant_give, 0, false, 0);
    REQUIRE(ref > 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_okay);
    EXPECT(grant_unmap_one(window + PAGE_SIZE, 0, h), GNTST_general_error);
    EXPECT(grant_unmap_one((void *)&window, 0, h), GNTST_general_error);
    EXPECT(grant_unmap_one(HYPERVISOR_ADDRESS, 0, h), GNTST_general_error);
    EXPECT(grant_unmap_one(NON_CANONICAL, 0, h), GNTST_general_error);
    EXPECT(grant_unmap_one(window, 0, h + 1000), GNTST_bad_handle);
    EXPECT(grant_unmap_one(window, 0, 0xffffffff), GNTST_bad_handle);
    // The handle is dom0's; the peer has none of this number.
    EXPECT(peer_call(peer, peer_unmaps, h, 0, 0), GNTST_bad_handle);
    EXPECT_TRUE(probe_read(window, NULL));
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 0);
    EXPECT(grant_unmap_one(NULL, 0, h), GNTST_okay); // nothing of it is ended
    EXPECT_TRUE(probe_read(window, NULL));
    EXPECT(grant_unmap_one(window, 0, h), GNTST_okay);
    EXPECT(grant_unmap_one(window, 0, h), GNTST_bad_handle);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
}

static long peer_overwrites(long unused, long unused2, long unused3)
{
    (void)unused, (void)unused2, (void)unused3;
    return page_set_absent(peer_window);
}

// A mapping that its own domain overwrites is not there to be unmapped; the use ends with the domain.
static void overwritten_mapping(void)
{
    struct peer *peer = begin();
    long ref;

    REQUIRE(peer);
    ref = grant_give(peer->domid, false, 0);
    REQUIRE(ref > 0);
    EXPECT(peer_call(peer, peer_maps, 0, ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(peer_call(peer, peer_overwrites, 0, 0, 0), 0);
    EXPECT(peer_call(peer, peer_unmaps, -1, 0, 0), GNTST_general_error);
    EXPECT(grant_flags(ref, 0, 0), GTF_permit_access | GTF_BUSY);
    EXPECT(peer_end(peer), true);
    EXPECT(grant_take(ref, 0, 0), 1);
}

// An entry that changes under a mapping: the mapping knows what it is, and takes its marks away.
static void revoked_while_mapped(void)
{
    struct peer *peer = begin();
    grant_handle_t h, other;
    uint64_t value;
    long ref, mfn;

    REQUIRE(peer);
    ref = peer_call(peer, grant_give, 0, false, 0);
    mfn = peer_call(peer, grant_mfn, ref, 0, 0);
    REQUIRE(ref > 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_okay);
    EXPECT(peer_call(peer, grant_scribble, ref, GTF_invalid, 0), 0);
    EXPECT(peer_call(peer, grant_set_frame, ref, mfn + 1, 0), 0);
    EXPECT_TRUE(probe_read(window, &value));
    EXPECT(value, GRANT_PATTERN);
    // A second use of what is in use is not looked up again.
    EXPECT(grant_map_one(window + PAGE_SIZE, peer->domid, ref, GNTMAP_host_map, &other),
           GNTST_okay);
    EXPECT_TRUE(probe_read(window + PAGE_SIZE, &value));
    EXPECT(value, GRANT_PATTERN);
    EXPECT(grant_unmap_one(window + PAGE_SIZE, 0, other), GNTST_okay);
    EXPECT(grant_unmap_one(window, 0, h), GNTST_okay);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_invalid);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_general_error);
    EXPECT(peer_call(peer, grant_set_frame, ref, mfn, 0), 0);
    EXPECT(peer_call(peer, grant_scribble, ref, GTF_permit_access, 0), 0);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
}

static void for_somebody_else(void)
{
    struct peer *peer = begin(), *other = peer_get(1);
    grant_handle_t h;
    long ref;

    REQUIRE(peer && other);
    ref = peer_call(peer, grant_give, other->domid, false, 0);
    REQUIRE(ref > 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_general_error);
    EXPECT(peer_call(peer, peer_maps, peer->domid, ref, GNTMAP_host_map), GNTST_general_error);
    EXPECT(peer_call(other, peer_maps, peer->domid, ref, GNTMAP_host_map), GNTST_okay);
    EXPECT(peer_call(other, peer_reads, 0, 0, 0), (long)GRANT_PATTERN);
    // While one has it nobody else gets it, even if the entry says so now.
    EXPECT(peer_call(peer, grant_scribble, ref, GTF_permit_access, 0), 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_general_error);
    EXPECT(peer_call(other, peer_unmaps, -1, 0, 0), GNTST_okay);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_okay);
    EXPECT(grant_unmap_one(window, 0, h), GNTST_okay);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
}

static void bad_maps(void)
{
    static const struct {
        long dom, ref;
        int16_t status;
    } rows[] = {
        {ABSENT_DOMAIN, 8, GNTST_bad_domain},
        {DOMID_SELF,    8, GNTST_bad_domain},
        {DOMID_IO,      8, GNTST_bad_domain},
        {DOMID_XEN,     8, GNTST_bad_domain},
        {DOMID_COW,     8, GNTST_bad_domain},
        {DOMID_INVALID, 8, GNTST_bad_domain},
    };
    static const uint32_t refs[] = {0x7fffffff, 0x80000000, 0xffffffff, 64 * 512};
    struct peer *peer = begin();
    grant_handle_t h;

    REQUIRE(peer);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        EXPECT(grant_map_one(window, rows[i].dom, rows[i].ref, GNTMAP_host_map, &h),
               rows[i].status);
    for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
        EXPECT(grant_map_one(window, peer->domid, refs[i], GNTMAP_host_map, &h), GNTST_bad_gntref);
        EXPECT(peer_call(peer, peer_maps, 0, refs[i], GNTMAP_host_map), GNTST_bad_gntref);
    }
    EXPECT(grant_map_one(window, peer->domid, 500, GNTMAP_host_map, &h), GNTST_general_error);
    EXPECT(grant_map_one(window, peer->domid, 8, 0, &h), GNTST_bad_gntref);
    EXPECT(grant_map_one(window, peer->domid, 8, GNTMAP_readonly, &h), GNTST_bad_gntref);
    EXPECT(peer_call(peer, peer_maps, DOMID_SELF, 8, GNTMAP_host_map), GNTST_bad_domain);
    EXPECT_TRUE(!probe_read(window, NULL));
}

// Frames that are not the granter's, or that may not be written.
static void frames_that_are_none(void)
{
    struct peer *peer = begin();
    grant_handle_t h;
    long ref, mfn, own = (long)virt_to_mfn(&pair_box);

    REQUIRE(peer);
    ref = peer_call(peer, grant_give, 0, false, 0);
    mfn = peer_call(peer, grant_mfn, ref, 0, 0);
    EXPECT(peer_call(peer, grant_set_frame, ref, own, 0), 0); // a frame of the one who maps
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_bad_page);
    EXPECT(peer_call(peer, grant_set_frame, ref, 0xffffffff, 0), 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_bad_page);
    EXPECT(peer_call(peer, grant_set_frame, ref, 0, 0), 0); // below 1 MiB: nobody's
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_bad_page);
    EXPECT(peer_call(peer, grant_set_frame, ref, 0xa0, 0), 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_bad_page);
    EXPECT(peer_call(peer, grant_set_frame, ref, 0xfee00, 0), 0); // the local APIC
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_bad_page);
    EXPECT(peer_call(peer, grant_set_frame, ref, (long)peer->root_mfn, 0), 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_general_error);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map | GNTMAP_readonly, &h),
           GNTST_okay);
    EXPECT(grant_unmap_one(window, 0, h), GNTST_okay);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access);
    EXPECT(peer_call(peer, grant_set_frame, ref, mfn, 0), 0);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
}

static long pin_granted(long ref, long unused, long unused2)
{
    uint64_t *page = grant_page_of(ref);
    long result;

    (void)unused, (void)unused2;
    memset(page, 0, PAGE_SIZE);
    EXPECT(page_set_readonly(page), 0);
    result = mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(page));
    if (result == 0)
        EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(page)), 0);
    EXPECT(page_set_writable(page), 0);
    return result;
}

// What another domain writes is no page table; what it only reads may be one.
static void mapped_is_no_table(void)
{
    struct peer *peer = begin();
    grant_handle_t h;
    long ref;

    REQUIRE(peer);
    ref = peer_call(peer, grant_give, 0, false, 0);
    REQUIRE(ref > 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_okay);
    EXPECT(peer_call(peer, pin_granted, ref, 0, 0), -XEN_EINVAL);
    EXPECT(grant_unmap_one(window, 0, h), GNTST_okay);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_device_map, &h), GNTST_okay);
    EXPECT(peer_call(peer, pin_granted, ref, 0, 0), -XEN_EINVAL);
    EXPECT(grant_unmap_one(NULL, grant_bus_address, h), GNTST_okay);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map | GNTMAP_readonly, &h),
           GNTST_okay);
    EXPECT(peer_call(peer, pin_granted, ref, 0, 0), 0);
    EXPECT(grant_unmap_one(window, 0, h), GNTST_okay);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
}

// A granted frame is nothing that can be mapped by number, passed on, or given back.
static void granted_is_not_owned(void)
{
    struct peer *peer = begin();
    grant_handle_t h;
    long ref, mfn;
    int own;

    REQUIRE(peer);
    ref = grant_give(peer->domid, false, 0);
    mfn = grant_mfn(ref, 0, 0);
    REQUIRE(ref > 0);
    EXPECT(peer_call(peer, peer_maps, 0, ref, GNTMAP_host_map), GNTST_okay);
    own = grant_access(peer->domid, (uint64_t)mfn, false);
    // The peer grants dom0's frame back to dom0: it is not the peer's to grant.
    EXPECT(peer_call(peer, grant_give, 0, false, 0) > 0, 1);
    long back = peer_call(peer, grant_give, 0, false, 0);
    long back_mfn = peer_call(peer, grant_mfn, back, 0, 0);
    EXPECT(peer_call(peer, grant_set_frame, back, mfn, 0), 0);
    EXPECT(grant_map_one(window, peer->domid, back, GNTMAP_host_map, &h), GNTST_bad_page);
    EXPECT(peer_call(peer, grant_set_frame, back, back_mfn, 0), 0);
    EXPECT(peer_call(peer, grant_take, back, 0, 0), 1);
    EXPECT_TRUE(grant_end((grant_ref_t)own));
    EXPECT(peer_call(peer, peer_unmaps, -1, 0, 0), GNTST_okay);
    EXPECT(grant_take(ref, 0, 0), 1);
}

static long replace(void *address, void *replacement, grant_handle_t handle)
{
    struct gnttab_unmap_and_replace r = {.host_addr = (uint64_t)address,
                                         .new_addr = (uint64_t)replacement,
                                         .handle = handle,
                                         .status = GRANT_FAILED};

    return GRANT_OP(unmap_and_replace, r) ? GRANT_FAILED : r.status;
}

// The mapping ends and another one of ours moves to its place.
static void replaced_mapping(void)
{
    struct peer *peer = begin();
    uint64_t *page = page_alloc(0), value = 0;
    grant_handle_t h;
    long ref;

    REQUIRE(peer && page);
    page[0] = 1234;
    ref = peer_call(peer, grant_give, 0, false, 0);
    EXPECT(grant_map_one(window, peer->domid, ref, GNTMAP_host_map, &h), GNTST_okay);
    EXPECT(hypercall_update_va_mapping(window + PAGE_SIZE,
                                       pte_make(virt_to_mfn(page), PTE_RAM | PTE_RW), 0),
           0);
    EXPECT(replace(window, window + PAGE_SIZE, h + 1000), GNTST_bad_handle);
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access | GTF_BUSY);
    EXPECT(replace(window, window + PAGE_SIZE, h), GNTST_okay);
    EXPECT_TRUE(probe_read(window, &value));
    EXPECT(value, 1234);
    EXPECT_TRUE(!probe_read(window + PAGE_SIZE, NULL));
    EXPECT(peer_call(peer, grant_flags, ref, 0, 0), GTF_permit_access);
    EXPECT(replace(window, window + PAGE_SIZE, h), GNTST_bad_handle);
    EXPECT(page_set_absent(window), 0);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
    page_free(page, 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(map_and_unmap),
    REPORT_CASE(mapped_by_the_guest),
    REPORT_CASE(readers_and_writers),
    REPORT_CASE(granted_for_reading),
    REPORT_CASE(host_and_device),
    REPORT_CASE(read_only_host_and_device),
    REPORT_CASE(by_table_entry),
    REPORT_CASE(bad_unmaps),
    REPORT_CASE(revoked_while_mapped),
    REPORT_CASE(for_somebody_else),
    REPORT_CASE(bad_maps),
    REPORT_CASE(frames_that_are_none),
    REPORT_CASE(mapped_is_no_table),
    REPORT_CASE(granted_is_not_owned),
    REPORT_CASE(overwritten_mapping),
    REPORT_CASE(replaced_mapping),
};

GUEST_FAMILY(pair_grants, REPORT_SUITE("pair_grants", cases));
