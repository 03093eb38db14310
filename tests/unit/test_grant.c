// SPDX-License-Identifier: MIT
// Grants on simulated machine memory: the protocol of the shared entry, handles, references, copies,
// death; long random sequences against a model; a guest that changes its entries at any moment.
#include "grant/grant.h"
#include "hypervisor/cpu.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/page_entry.h"
#include "hypervisor/page_type.h"
#include "hypervisor/string.h"
#include "tests/report.h"
#include "tests/unit/host/memory.h"
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdlib.h>

#define DOMAINS 3
#define FRAMES 16
#define SLOTS 64 // level-1 entries that a domain maps into

static struct domain *dom[DOMAINS];
static struct frame *frames[DOMAINS][FRAMES], *l1[DOMAINS];
static uint64_t free_before;

struct domain *domain_get_by_id(domid_t id)
{
    for (unsigned i = 0; i < DOMAINS; i++)
        if (dom[i] && dom[i]->id == id && domain_get(dom[i]))
            return dom[i];
    return NULL;
}

static unsigned pick(unsigned below)
{
    return (unsigned)(host_random() % below);
}

static grant_entry_v1_t *entry(unsigned d, grant_ref_t ref)
{
    return &dom[d]->grants.directory->shared[ref / GRANT_ENTRIES_PER_FRAME]
                                            [ref % GRANT_ENTRIES_PER_FRAME];
}

static void offer(unsigned d, grant_ref_t ref, unsigned to, unsigned frame, uint16_t flags)
{
    *entry(d, ref) = (grant_entry_v1_t){.domid = dom[to]->id,
                                        .frame = (uint32_t)frame_to_mfn(frames[d][frame]).v,
                                        .flags = (uint16_t)(GTF_permit_access | flags)};
}

static uint64_t slot_address(unsigned d, unsigned slot)
{
    return mfn_to_maddr(frame_to_mfn(l1[d])).v + slot * sizeof(uint64_t);
}

static uint64_t slot_value(unsigned d, unsigned slot)
{
    return ((uint64_t *)frame_to_virt(l1[d]))[slot];
}

static void setup(void)
{
    struct type_work work = {.budget = 100000};

    free_before = frames_free_count();
    for (unsigned d = 0; d < DOMAINS; d++) {
        dom[d] = host_domain((domid_t)(d + 1), FRAMES + 1);
        CU_ASSERT_EQUAL_FATAL(grant_domain_init(dom[d], 4, 2), REFUSE_NONE);
        for (unsigned i = 0; i < FRAMES; i++)
            frames[d][i] = host_page(dom[d]);
        l1[d] = host_page(dom[d]);
        CU_ASSERT_EQUAL_FATAL(page_type_pin(l1[d], dom[d], 1, &work), REFUSE_NONE);
    }
}

static void kill_domain(unsigned d)
{
    dom[d]->is_dying = true;
    while (grant_release_mappings(dom[d], 5) == REFUSE_CONTINUE) {
    }
    CU_ASSERT_EQUAL(dom[d]->grants.handles_used, 0);
    grant_revoke(dom[d]);
    while (memory_relinquish(dom[d], 50) == REFUSE_CONTINUE) {
    }
}

static void teardown(void)
{
    for (unsigned d = 0; d < DOMAINS; d++)
        if (!dom[d]->is_dying)
            kill_domain(d);
    for (unsigned d = 0; d < DOMAINS; d++) {
        CU_ASSERT_EQUAL(grant_revoke(dom[d]), REFUSE_NONE);
        grant_domain_free(dom[d]);
        CU_ASSERT_EQUAL(dom[d]->tot_pages, 0);
        host_domain_free(dom[d]);
        dom[d] = NULL;
    }
    CU_ASSERT_EQUAL(frames_free_count(), free_before);
    CU_ASSERT_EQUAL(this_cpu()->locks_held[LOCK_GRANT_TABLE], 0);
}

static enum refusal map(unsigned by, unsigned of, grant_ref_t ref, uint32_t flags, unsigned slot,
                        grant_handle_t *handle)
{
    struct gnttab_map_grant_ref op = {.host_addr = slot_address(by, slot),
                                      .flags = flags | GNTMAP_contains_pte,
                                      .ref = ref,
                                      .dom = dom[of]->id};
    enum refusal r = grant_map(dom[by]->vcpu[0], &op);
    *handle = op.handle;
    return r;
}

static enum refusal copy(unsigned by, const struct gnttab_copy *op)
{
    struct grant_copier c = GRANT_COPIER(dom[by]);
    enum refusal r = grant_copy(&c, op);

    grant_copy_end(&c);
    return r;
}

static enum refusal unmap(unsigned by, grant_handle_t handle, uint64_t host, uint64_t device)
{
    struct gnttab_unmap_grant_ref op = {
        .host_addr = host, .dev_bus_addr = device, .handle = handle};
    struct grant_unmap u;
    enum refusal r = grant_unmap_begin(dom[by]->vcpu[0], &op, &u);
    if (r == REFUSE_NONE)
        grant_unmap_finish(dom[by], &u);
    return r;
}

static void map_and_unmap(void)
{
    grant_handle_t h, h2;
    setup();
    offer(0, 9, 1, 3, 0);
    uint32_t refs = frame_refs(frames[0][3]), domain_refs = dom[0]->ref_count;
    CU_ASSERT_EQUAL(map(1, 0, 9, GNTMAP_host_map, 5, &h), REFUSE_NONE);
    CU_ASSERT_EQUAL(entry(0, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    CU_ASSERT_EQUAL(slot_value(1, 5) >> PAGE_SHIFT & 0xfffffffff, frame_to_mfn(frames[0][3]).v);
    CU_ASSERT(slot_value(1, 5) & PTE_PRESENT && slot_value(1, 5) & PTE_RW);
    // As long as it is mapped for writing it can become no table.
    CU_ASSERT_NOT_EQUAL(frame_get_type(frames[0][3], PAGE_TYPE_L1, NULL), REFUSE_NONE);

    CU_ASSERT_EQUAL(map(1, 0, 9, GNTMAP_host_map | GNTMAP_readonly, 6, &h2), REFUSE_NONE);
    CU_ASSERT_FALSE(slot_value(1, 6) & PTE_RW);
    CU_ASSERT_EQUAL(unmap(1, h, slot_address(1, 6), 0), REFUSE_GRANT_NOT_MAPPED);
    CU_ASSERT_EQUAL(unmap(1, h, slot_address(1, 5), 0), REFUSE_NONE);
    CU_ASSERT_EQUAL(slot_value(1, 5), 0);
    CU_ASSERT_EQUAL(entry(0, 9)->flags, GTF_permit_access | GTF_reading);
    CU_ASSERT_EQUAL(unmap(1, h, slot_address(1, 5), 0), REFUSE_GRANT_BAD_HANDLE);
    CU_ASSERT_EQUAL(unmap(1, h2, slot_address(1, 6), 0), REFUSE_NONE);
    CU_ASSERT_EQUAL(entry(0, 9)->flags, GTF_permit_access);
    CU_ASSERT_EQUAL(frame_refs(frames[0][3]), refs);
    CU_ASSERT_EQUAL(dom[0]->ref_count, domain_refs);
    teardown();
}

static void two_parts(void)
{
    grant_handle_t h;
    setup();
    offer(0, 9, 1, 0, 0);
    uint64_t bus = mfn_to_maddr(frame_to_mfn(frames[0][0])).v;
    CU_ASSERT_EQUAL(map(1, 0, 9, GNTMAP_host_map | GNTMAP_device_map, 1, &h), REFUSE_NONE);
    CU_ASSERT_EQUAL(unmap(1, h, 0, 0), REFUSE_NONE); // neither: nothing happens
    CU_ASSERT_EQUAL(unmap(1, h, slot_address(1, 1), 0), REFUSE_NONE);
    CU_ASSERT_EQUAL(entry(0, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    CU_ASSERT_EQUAL(unmap(1, h, 0, bus + PAGE_SIZE), REFUSE_GRANT_BUS_ADDRESS);
    CU_ASSERT_EQUAL(unmap(1, h, 0, bus), REFUSE_NONE);
    CU_ASSERT_EQUAL(entry(0, 9)->flags, GTF_permit_access);
    CU_ASSERT_EQUAL(unmap(1, h, 0, bus), REFUSE_GRANT_BAD_HANDLE);
    teardown();
}

// The entry holds what a host part has of the frame: when it is gone the frame is free for other uses,
// but the use of the grant stays, for nothing is left to unmap.
static void entry_is_overwritten(void)
{
    grant_handle_t h;
    setup();
    struct entry_context c = {.table_owner = dom[1], .frame_owner = dom[1]};
    offer(0, 9, 1, 3, 0);
    uint32_t refs = frame_refs(frames[0][3]);
    CU_ASSERT_EQUAL(map(1, 0, 9, GNTMAP_host_map, 5, &h), REFUSE_NONE);
    CU_ASSERT_EQUAL(frame_refs(frames[0][3]), refs + 1);
    CU_ASSERT_EQUAL(page_entry_write(&c, l1[1], 5, 0, NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(frame_refs(frames[0][3]), refs);
    CU_ASSERT_EQUAL(unmap(1, h, slot_address(1, 5), 0), REFUSE_GRANT_NOT_MAPPED);
    CU_ASSERT_EQUAL(entry(0, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    // Any entry that maps the frame likewise will do.
    CU_ASSERT_EQUAL(map(1, 0, 9, GNTMAP_host_map, 6, &h), REFUSE_NONE);
    CU_ASSERT_EQUAL(unmap(1, h, slot_address(1, 6), 0), REFUSE_NONE);
    CU_ASSERT_EQUAL(dom[1]->grants.handles_used, 1);
    kill_domain(1);
    CU_ASSERT_EQUAL(entry(0, 9)->flags, GTF_permit_access);
    CU_ASSERT_EQUAL(frame_refs(frames[0][3]), refs);
    teardown();
}

static void refusals_of_map(void)
{
    grant_handle_t h;
    setup();
    offer(0, 9, 1, 0, 0);
    CU_ASSERT_EQUAL(map(1, 0, 9, 0, 1, &h), REFUSE_GRANT_MAP_FLAGS);
    CU_ASSERT_EQUAL(map(1, 0, 4 * GRANT_ENTRIES_PER_FRAME, GNTMAP_host_map, 1, &h),
                    REFUSE_GRANT_BAD_REF);
    CU_ASSERT_EQUAL(map(1, 0, ~0u, GNTMAP_host_map, 1, &h), REFUSE_GRANT_BAD_REF);
    CU_ASSERT_EQUAL(map(2, 0, 9, GNTMAP_host_map, 1, &h), REFUSE_GRANT_OTHER_DOMAIN);
    CU_ASSERT_EQUAL(map(1, 0, 10, GNTMAP_host_map, 1, &h), REFUSE_GRANT_NOT_OFFERED);
    offer(0, 10, 1, 0, GTF_readonly);
    CU_ASSERT_EQUAL(map(1, 0, 10, GNTMAP_host_map, 1, &h), REFUSE_GRANT_READONLY);
    offer(0, 11, 1, 0, GTF_sub_page);
    CU_ASSERT_EQUAL(map(1, 0, 11, GNTMAP_host_map, 1, &h), REFUSE_GRANT_NOT_OFFERED);
    entry(0, 9)->frame = (uint32_t)frame_to_mfn(frames[1][0]).v; // not its own
    CU_ASSERT_EQUAL(map(1, 0, 9, GNTMAP_host_map, 1, &h), REFUSE_GRANT_BAD_PAGE);
    CU_ASSERT_EQUAL(entry(0, 9)->flags, GTF_permit_access); // our flags are gone again
    entry(0, 9)->frame = ~0u;
    CU_ASSERT_EQUAL(map(1, 0, 9, GNTMAP_host_map, 1, &h), REFUSE_GRANT_BAD_PAGE);
    entry(0, 9)->frame = (uint32_t)frame_to_mfn(l1[0]).v; // a page table, to be written
    CU_ASSERT_EQUAL(map(1, 0, 9, GNTMAP_host_map, 1, &h), REFUSE_GRANT_BAD_FRAME);
    CU_ASSERT_EQUAL(map(1, 0, 9, GNTMAP_host_map | GNTMAP_readonly, 1, &h), REFUSE_NONE);
    // The place to map at is no page table: nothing is left behind.
    offer(0, 9 + 3, 1, 2, 0);
    struct gnttab_map_grant_ref op = {.host_addr = mfn_to_maddr(frame_to_mfn(frames[1][0])).v,
                                      .flags = GNTMAP_host_map | GNTMAP_contains_pte,
                                      .ref = 12,
                                      .dom = 1};
    CU_ASSERT_NOT_EQUAL(grant_map(dom[1]->vcpu[0], &op), REFUSE_NONE);
    CU_ASSERT_EQUAL(entry(0, 12)->flags, GTF_permit_access);
    op.dom = 77;
    CU_ASSERT_EQUAL(grant_map(dom[1]->vcpu[0], &op), REFUSE_GRANT_NO_DOMAIN);
    CU_ASSERT_EQUAL(dom[1]->grants.handles_used, 1);
    teardown();
}

static void handles_run_out(void)
{
    grant_handle_t h;
    setup();
    offer(0, 9, 1, 0, 0);
    for (unsigned i = 0; i < 2 * 512; i++)
        CU_ASSERT_EQUAL_FATAL(map(1, 0, 9, GNTMAP_device_map, 0, &h), REFUSE_NONE);
    CU_ASSERT_EQUAL(map(1, 0, 9, GNTMAP_device_map, 0, &h), REFUSE_GRANT_NO_HANDLE);
    teardown(); // death cleans up
}

// The owner dies first: its frames stay until the mapping has gone.
static void owner_dies_first(void)
{
    grant_handle_t h;
    setup();
    offer(0, 9, 1, 0, 0);
    map(1, 0, 9, GNTMAP_host_map, 1, &h);
    kill_domain(0);
    CU_ASSERT_EQUAL(grant_revoke(dom[0]), REFUSE_BUSY);
    CU_ASSERT_EQUAL(dom[0]->tot_pages, 1);
    CU_ASSERT_EQUAL(map(1, 0, 9, GNTMAP_host_map, 2, &h), REFUSE_GRANT_NO_DOMAIN);
    CU_ASSERT_EQUAL(unmap(1, h, slot_address(1, 1), 0), REFUSE_NONE);
    teardown();
}

static void copies(void)
{
    setup();
    char *a = frame_to_virt(frames[0][0]), *b = frame_to_virt(frames[1][0]);
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        a[i] = (char)i;
    offer(0, 9, 1, 0, GTF_readonly);
    offer(0, 10, 1, 1, 0);
    struct gnttab_copy op = {
        .source = {.u.ref = 9,                             .domid = 1,          .offset = 100},
        .dest = {.u.gmfn = frame_to_mfn(frames[1][0]).v, .domid = DOMID_SELF, .offset = 7  },
        .len = 300,
        .flags = GNTCOPY_source_gref
    };
    CU_ASSERT_EQUAL(copy(1, &op), REFUSE_NONE);
    CU_ASSERT_EQUAL(memcmp(b + 7, a + 100, 300), 0);
    CU_ASSERT_EQUAL(b[6], 0);
    op.dest.offset = PAGE_SIZE - 299;
    CU_ASSERT_EQUAL(copy(1, &op), REFUSE_GRANT_COPY_RANGE);
    op.dest.offset = 0, op.source.offset = PAGE_SIZE - 299;
    CU_ASSERT_EQUAL(copy(1, &op), REFUSE_GRANT_COPY_RANGE);
    op.source.offset = 0;
    op.dest.domid = 2;
    CU_ASSERT_EQUAL(copy(1, &op), REFUSE_GRANT_NOT_ALLOWED);
    op.dest.domid = DOMID_SELF;
    op.dest.u.gmfn = frame_to_mfn(frames[2][0]).v;
    CU_ASSERT_EQUAL(copy(1, &op), REFUSE_GRANT_BAD_PAGE);
    op.dest.u.gmfn = frame_to_mfn(l1[1]).v; // must not be written behind its back
    CU_ASSERT_EQUAL(copy(1, &op), REFUSE_GRANT_BAD_FRAME);
    // Both sides by grant; the source may only be read, so it cannot be the destination.
    op.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
    op.dest = (struct gnttab_copy_ptr){.u.ref = 10, .domid = 1};
    CU_ASSERT_EQUAL(copy(1, &op), REFUSE_NONE);
    CU_ASSERT_EQUAL(memcmp(frame_to_virt(frames[0][1]), a, 300), 0);
    op.dest.u.ref = 9;
    CU_ASSERT_EQUAL(copy(1, &op), REFUSE_GRANT_READONLY);
    op.source.u.ref = 4095;
    CU_ASSERT_EQUAL(copy(1, &op), REFUSE_GRANT_BAD_REF);
    CU_ASSERT_EQUAL(entry(0, 9)->flags, GTF_permit_access | GTF_readonly);
    CU_ASSERT_EQUAL(entry(0, 10)->flags, GTF_permit_access);
    teardown();
}

// What is kept between copies is what the next one names in the same way, and nothing is left at the end.
static void copies_in_a_row(void)
{
    setup();
    struct frame *own = frames[1][0];
    struct grant_copier c = GRANT_COPIER(dom[1]);
    const unsigned refs = dom[0]->ref_count, own_refs = dom[1]->ref_count;
    offer(0, 9, 1, 0, GTF_readonly);
    offer(0, 10, 1, 1, 0);
    struct gnttab_copy op = {
        .source = {.u.ref = 9,                    .domid = 1         },
        .dest = {.u.gmfn = frame_to_mfn(own).v, .domid = DOMID_SELF},
        .len = 8,
        .flags = GNTCOPY_source_gref
    };
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(grant_copy(&c, &op), REFUSE_NONE);
    CU_ASSERT_EQUAL(dom[0]->grants.uses, 1);
    CU_ASSERT_EQUAL(frame_refs(own), 2);
    CU_ASSERT_EQUAL(dom[0]->ref_count, refs + 1);
    CU_ASSERT_EQUAL(dom[1]->ref_count, own_refs);
    CU_ASSERT_EQUAL(entry(0, 9)->flags, GTF_permit_access | GTF_readonly | GTF_reading);
    // The owner takes it back in vain until the end, as during one copy.
    entry(0, 9)->flags = 0;
    CU_ASSERT_EQUAL(grant_copy(&c, &op), REFUSE_NONE);
    // The number of the grant is no frame's, and the other way round.
    op.flags = 0;
    CU_ASSERT_EQUAL(grant_copy(&c, &op), REFUSE_GRANT_NOT_ALLOWED);
    CU_ASSERT_EQUAL(dom[0]->grants.uses, 0);
    op.flags = GNTCOPY_source_gref;
    CU_ASSERT_EQUAL(grant_copy(&c, &op), REFUSE_GRANT_NOT_OFFERED);
    // Another grant of the same domain, then one that does not exist, then another domain.
    op.source.u.ref = 10;
    CU_ASSERT_EQUAL(grant_copy(&c, &op), REFUSE_NONE);
    CU_ASSERT_EQUAL(dom[0]->ref_count, refs + 1);
    op.source.u.ref = 4095;
    CU_ASSERT_EQUAL(grant_copy(&c, &op), REFUSE_GRANT_BAD_REF);
    CU_ASSERT_EQUAL(entry(0, 10)->flags, GTF_permit_access);
    op.source = (struct gnttab_copy_ptr){.u.ref = 10, .domid = 77};
    CU_ASSERT_EQUAL(grant_copy(&c, &op), REFUSE_GRANT_NO_DOMAIN);
    CU_ASSERT_EQUAL(dom[0]->ref_count, refs);
    CU_ASSERT_EQUAL(frame_refs(own), 2); // the other side is held still
    // Read on one side, written on the other; sizes are looked at each time.
    op = (struct gnttab_copy){
        .source = {.u.ref = 10, .domid = 1   },
        .dest = { .u.ref = 10, .domid = 1, .offset = 100},
        .len = 8,
        .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref
    };
    CU_ASSERT_EQUAL(grant_copy(&c, &op), REFUSE_NONE);
    CU_ASSERT_EQUAL(frame_refs(own), 1);
    CU_ASSERT_EQUAL(dom[0]->grants.uses, 2);
    op.dest.offset = PAGE_SIZE - 7;
    CU_ASSERT_EQUAL(grant_copy(&c, &op), REFUSE_GRANT_COPY_RANGE);
    grant_copy_end(&c);
    CU_ASSERT_EQUAL(dom[0]->grants.uses, 0);
    CU_ASSERT_EQUAL(dom[0]->ref_count, refs);
    CU_ASSERT_EQUAL(entry(0, 10)->flags, GTF_permit_access);
    teardown();
}

// The owner dies meanwhile: what is held stays until the end, more there is not.
static void copies_from_a_dying_domain(void)
{
    setup();
    struct grant_copier c = GRANT_COPIER(dom[1]);
    offer(0, 9, 1, 0, 0);
    offer(0, 10, 1, 1, 0);
    struct gnttab_copy op = {
        .source = {.u.ref = 9,  .domid = 1},
        .dest = {.u.ref = 10, .domid = 1},
        .len = 8,
        .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref
    };
    CU_ASSERT_EQUAL(grant_copy(&c, &op), REFUSE_NONE);
    dom[0]->is_dying = true;
    CU_ASSERT_EQUAL(grant_revoke(dom[0]), REFUSE_BUSY);
    CU_ASSERT_EQUAL(grant_copy(&c, &op), REFUSE_NONE);
    op.source.u.ref = 10;
    CU_ASSERT_EQUAL(grant_copy(&c, &op), REFUSE_GRANT_NO_DOMAIN);
    grant_copy_end(&c);
    CU_ASSERT_EQUAL(grant_revoke(dom[0]), REFUSE_NONE);
    dom[0]->is_dying = false;
    teardown();
}

// What is granted in part is not mapped because a copy of it is under way.
static void part_of_a_page_in_use(void)
{
    grant_handle_t h;
    mfn_t mfn;
    setup();
    offer(0, 11, 1, 0, GTF_sub_page);
    CU_ASSERT_EQUAL(grant_use_begin(dom[0], 2, 11, 0, &mfn), REFUSE_NONE);
    CU_ASSERT_EQUAL(map(1, 0, 11, GNTMAP_host_map | GNTMAP_readonly, 1, &h),
                    REFUSE_GRANT_NOT_OFFERED);
    CU_ASSERT_EQUAL(map(1, 0, 11, GNTMAP_host_map, 1, &h), REFUSE_GRANT_NOT_OFFERED);
    entry(0, 11)->flags &= (uint16_t)~GTF_sub_page; // too late
    CU_ASSERT_EQUAL(map(1, 0, 11, GNTMAP_host_map, 1, &h), REFUSE_GRANT_NOT_OFFERED);
    CU_ASSERT_EQUAL(grant_use_begin(dom[0], 2, 11, GRANT_USE_WRITE, &mfn), REFUSE_NONE);
    grant_use_end(dom[0], 11, true, mfn);
    grant_use_end(dom[0], 11, false, mfn);
    CU_ASSERT_EQUAL(map(1, 0, 11, GNTMAP_host_map, 1, &h), REFUSE_NONE); // a whole one by now
    CU_ASSERT_EQUAL(unmap(1, h, slot_address(1, 1), 0), REFUSE_NONE);
    teardown();
}

static void table_grows(void)
{
    setup();
    CU_ASSERT_EQUAL(dom[0]->grants.frames, 1);
    mfn_t third = grant_table_frame(dom[0], 2);
    CU_ASSERT(mfn_is_valid(third) && dom[0]->grants.frames == 3);
    CU_ASSERT_FALSE(mfn_is_valid(grant_table_frame(dom[0], 4)));
    CU_ASSERT_EQUAL(grant_table_grow(dom[0], 5), REFUSE_GRANT_LIMIT);
    // The guest can map it writable, but it can never become a table.
    struct frame *f = frame_from_mfn(third);
    CU_ASSERT_EQUAL(frame_get_writable(f, dom[0]), REFUSE_NONE);
    frame_put_writable(f);
    struct type_work work = {.budget = 10000};
    CU_ASSERT_NOT_EQUAL(page_type_pin(f, dom[0], 1, &work), REFUSE_NONE);
    offer(0, 1100, 1, 0, 0);
    offer(0, 3, 1, 1, 0);
    CU_ASSERT_EQUAL(grant_swap(dom[0], 1100, 3), REFUSE_NONE);
    CU_ASSERT_EQUAL(entry(0, 3)->frame, frame_to_mfn(frames[0][0]).v);
    CU_ASSERT_EQUAL(grant_swap(dom[0], 3, 512 * 3), REFUSE_GRANT_BAD_REF);
    grant_handle_t h;
    map(1, 0, 3, GNTMAP_device_map, 0, &h);
    CU_ASSERT_EQUAL(grant_swap(dom[0], 3, 1100), REFUSE_GRANT_IN_USE);
    CU_ASSERT_EQUAL(grant_swap(dom[0], 3, 3), REFUSE_NONE);
    teardown();
}

static void transfers(void)
{
    setup();
    struct gnttab_transfer op = {.mfn = frame_to_mfn(frames[0][4]).v, .domid = 2, .ref = 9};
    uint64_t pages = dom[0]->tot_pages;
    *entry(1, 9) = (grant_entry_v1_t){.flags = GTF_accept_transfer, .domid = 1};
    CU_ASSERT(frame_get(frames[0][4], dom[0]) == REFUSE_NONE);
    CU_ASSERT_EQUAL(grant_transfer(dom[0], &op), REFUSE_GRANT_BAD_PAGE); // somebody uses it
    frame_put(frames[0][4]);
    dom[1]->max_pages = dom[1]->tot_pages + 1;
    CU_ASSERT_EQUAL(grant_transfer(dom[0], &op), REFUSE_NONE);
    CU_ASSERT_EQUAL(entry(1, 9)->flags,
                    GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
    CU_ASSERT_EQUAL(entry(1, 9)->frame, op.mfn);
    CU_ASSERT_PTR_EQUAL(frames[0][4]->owner, dom[1]);
    CU_ASSERT_EQUAL(frame_refs(frames[0][4]), 1);
    CU_ASSERT_EQUAL(dom[0]->tot_pages, pages - 1);
    CU_ASSERT_EQUAL(grant_transfer(dom[0], &op), REFUSE_GRANT_BAD_PAGE); // not its own any more
    op.mfn = frame_to_mfn(frames[0][5]).v;
    CU_ASSERT_EQUAL(grant_transfer(dom[0], &op), REFUSE_GRANT_NO_ROOM);
    dom[1]->max_pages++;
    op.mfn = frame_to_mfn(frames[0][6]).v;
    CU_ASSERT_EQUAL(grant_transfer(dom[0], &op), REFUSE_GRANT_NO_SLOT); // used up
    *entry(1, 9) = (grant_entry_v1_t){.flags = GTF_accept_transfer, .domid = 3};
    op.mfn = frame_to_mfn(frames[0][7]).v;
    CU_ASSERT_EQUAL(grant_transfer(dom[0], &op), REFUSE_GRANT_OTHER_DOMAIN);
    op.mfn = frame_to_mfn(frames[0][8]).v, op.domid = 99;
    CU_ASSERT_EQUAL(grant_transfer(dom[0], &op), REFUSE_GRANT_NO_DOMAIN);
    CU_ASSERT_EQUAL(dom[0]->tot_pages, pages - 5);
    teardown();
}

// --- random sequences

#define REFS 12
#define MAPPINGS 60
static struct mapping {
    bool used, write;
    unsigned by, of, slot;
    grant_ref_t ref;
    grant_handle_t handle;
} mappings[MAPPINGS];

static void check_flags(unsigned d, grant_ref_t ref)
{
    unsigned uses = 0, writers = 0;
    for (unsigned i = 0; i < MAPPINGS; i++) {
        if (mappings[i].used && mappings[i].of == d && mappings[i].ref == ref) {
            uses++;
            writers += mappings[i].write;
        }
    }
    uint16_t flags = entry(d, ref)->flags;
    CU_ASSERT_EQUAL_FATAL((flags & GTF_reading) != 0, uses > 0);
    CU_ASSERT_EQUAL_FATAL((flags & GTF_writing) != 0, writers > 0);
}

static void random_map(struct mapping *m, unsigned index)
{
    *m = (struct mapping){.by = pick(DOMAINS),
                          .of = pick(DOMAINS),
                          .ref = pick(REFS),
                          .slot = index,
                          .write = pick(2)};
    uint32_t flags = GNTMAP_host_map | (m->write ? 0 : GNTMAP_readonly);
    grant_entry_v1_t e = *entry(m->of, m->ref);
    enum refusal r = map(m->by, m->of, m->ref, flags, m->slot, &m->handle);
    m->used = r == REFUSE_NONE;
    if (!m->used)
        return;
    CU_ASSERT_FATAL((e.flags & GTF_type_mask) == GTF_permit_access);
    CU_ASSERT_EQUAL_FATAL(e.domid, dom[m->by]->id);
    CU_ASSERT_FATAL(!m->write || !(e.flags & GTF_readonly));
    mfn_t mfn = MFN(slot_value(m->by, m->slot) >> PAGE_SHIFT & 0xfffffffff);
    CU_ASSERT_PTR_EQUAL_FATAL(frame_from_mfn(mfn)->owner, dom[m->of]);
}

static void random_offer(void)
{
    unsigned d = pick(DOMAINS), ref = pick(REFS);
    if (entry(d, ref)->flags & (GTF_reading | GTF_writing))
        return; // a sane guest leaves it alone
    offer(d, ref, pick(DOMAINS), pick(FRAMES), pick(4) ? 0 : GTF_readonly);
    if (pick(8) == 0)
        entry(d, ref)->flags = (uint16_t)pick(4); // invalid, transfer, transitive
    if (pick(8) == 0)
        entry(d, ref)->frame = pick(5) ? pick(HOST_FRAMES) : ~0u;
}

static void random_against_model(void)
{
    setup();
    memset(mappings, 0, sizeof(mappings));
    for (unsigned step = 0; step < 30000; step++) {
        unsigned i = pick(MAPPINGS);
        struct mapping *m = &mappings[i];
        switch (pick(4)) {
        case 0:
            random_offer();
            break;
        case 1:
        case 2:
            if (!m->used) {
                random_map(m, i);
            } else {
                CU_ASSERT_EQUAL_FATAL(unmap(m->by, m->handle, slot_address(m->by, m->slot), 0),
                                      REFUSE_NONE);
                m->used = false;
            }
            check_flags(m->of, m->ref);
            break;
        default: {
            struct gnttab_copy op = {
                .source = {.u.ref = pick(REFS), .domid = (domid_t)(1 + pick(DOMAINS))},
                .dest = {.u.ref = pick(REFS), .domid = (domid_t)(1 + pick(DOMAINS))},
                .len = (uint16_t)pick(5000),
                .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref
            };
            copy(pick(DOMAINS), &op);
            check_flags(op.source.domid - 1u, op.source.u.ref);
            check_flags(op.dest.domid - 1u, op.dest.u.ref);
        }
        }
    }
    teardown();
}

// --- a guest that never stops changing the entry

static bool stop_scribbling;

static void *scribble(void *argument)
{
    uint32_t *words = argument; // flags and domid, frame
    uint64_t state = 88172645463325252ull;

    while (!__atomic_load_n(&stop_scribbling, __ATOMIC_RELAXED)) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        uint32_t flags = (uint32_t)(state >> 8) & (GTF_type_mask | GTF_readonly | GTF_reading);
        __atomic_store_n(&words[0], flags | 2u << 16, __ATOMIC_RELAXED);
        struct frame *own = frames[0][state >> 40 & (FRAMES - 1)];
        uint32_t number = (uint32_t)(state >> 20) % HOST_FRAMES;
        if (state >> 50 & 3)
            number = (uint32_t)frame_to_mfn(own).v;
        __atomic_store_n(&words[1], number, __ATOMIC_RELAXED);
        for (unsigned i = state >> 60 & 15; i; i--)
            __atomic_load_n(&words[1], __ATOMIC_SEQ_CST); // leave the other a chance
    }
    return NULL;
}

static void scribbling_owner(void)
{
    pthread_t thread;
    unsigned mapped = 0;

    setup();
    stop_scribbling = false;
    pthread_create(&thread, NULL, scribble, entry(0, 9));
    for (unsigned i = 0; i < 20000000 && mapped < 2000; i++) {
        grant_handle_t h;
        if (map(1, 0, 9, GNTMAP_host_map, 3, &h) != REFUSE_NONE)
            continue;
        mapped++;
        mfn_t mfn = MFN(slot_value(1, 3) >> PAGE_SHIFT & 0xfffffffff);
        CU_ASSERT_PTR_EQUAL_FATAL(frame_from_mfn(mfn)->owner, dom[0]);
        CU_ASSERT_FATAL(frame_refs(frame_from_mfn(mfn)) > 1);
        CU_ASSERT_EQUAL_FATAL(unmap(1, h, slot_address(1, 3), 0), REFUSE_NONE);
    }
    __atomic_store_n(&stop_scribbling, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    CU_ASSERT(mapped > 0);
    teardown();
}

static const struct report_case cases[] = {
    REPORT_CASE(map_and_unmap),
    REPORT_CASE(two_parts),
    REPORT_CASE(refusals_of_map),
    REPORT_CASE(entry_is_overwritten),
    REPORT_CASE(handles_run_out),
    REPORT_CASE(owner_dies_first),
    REPORT_CASE(copies),
    REPORT_CASE(copies_in_a_row),
    REPORT_CASE(copies_from_a_dying_domain),
    REPORT_CASE(part_of_a_page_in_use),
    REPORT_CASE(table_grows),
    REPORT_CASE(transfers),
    REPORT_CASE(random_against_model),
    REPORT_CASE(scribbling_owner),
};

int main(void)
{
    host_memory_init(1, HOST_FRAMES);
    return report_run("grant", cases, sizeof(cases) / sizeof(cases[0]));
}
