// SPDX-License-Identifier: MIT
// Fuzzer: grants to ourselves: entries, mappings, copies. The entries lie in the second frame of the
// table, which the kernel does not use.
#include "tests/fuzz/fuzz.h"
#include "pvguest/start.h"
#include "tests/guest/guest.h"
#include <xen/grant_table.h>

#define REFS 24U
#define HANDLES 16U
#define WINDOWS 16U
#define RARELY 4 // of 100
#define ENTRIES_A_FRAME (PAGE_SIZE / sizeof(grant_entry_v1_t))

static volatile grant_entry_v1_t *entries; // of the second frame
static uint8_t *windows;                   // addresses without a mapping

static struct handle {
    grant_handle_t handle;
    bool is_valid;
    grant_ref_t ref;
    unsigned int window, flags;
    uint64_t bus_address;
} handles[HANDLES];

void fuzz_grant_setup(void)
{
    xen_pfn_t frames[2];
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 2};

    set_xen_guest_handle(setup.frame_list, frames);
    if (hypercall_grant_table_op(GNTTABOP_setup_table, &setup, 1) == 0 &&
        setup.status == GNTST_okay)
        entries = memory_map_frames(&frames[1], 1, DOMID_SELF, MEMORY_READ | MEMORY_WRITE, NULL);
    windows = memory_reserve(WINDOWS);
}

// A few entries at a time, and others after a while, for some stay in use.
#define CALLS_A_SET 4096U
static unsigned int pick_own_ref(void)
{
    return (unsigned int)(fuzz_number() / CALLS_A_SET * REFS + fuzz_random(REFS)) % ENTRIES_A_FRAME;
}

// Named from 0 on; sometimes far away.
static grant_ref_t pick_ref(void)
{
    static const grant_ref_t odd[] = {0, 8 * ENTRIES_A_FRAME, 0x7fffffff, 0xffffffff};

    if (fuzz_chance(5)) {
        unsigned int n = fuzz_random(4);
        fuzz_log(" g!%u", n);
        return odd[n];
    }
    unsigned int ref = pick_own_ref();
    fuzz_log(" g%u", ref);
    return (grant_ref_t)(ENTRIES_A_FRAME + ref);
}

static domid_t pick_domain(void)
{
    static const domid_t odd[] = {1, 0x1234, DOMID_IO, DOMID_XEN};
    domid_t domain = fuzz_chance(92) ? 0 : odd[fuzz_random(4)];

    if (domain)
        fuzz_log(" d%#x", domain);
    return domain;
}

static bool is_lost[ENTRIES_A_FRAME]; // in use by a handle that we have forgotten

static bool ref_is_mapped(grant_ref_t ref)
{
    if (is_lost[ref % ENTRIES_A_FRAME])
        return true;
    for (unsigned int i = 0; i < HANDLES; i++) {
        if (handles[i].is_valid && handles[i].ref == ref)
            return true;
    }
    return false;
}

// An entry in use keeps its frame: on Paravane its uses go on with the frame that it had, on Xen the first
// copy into it takes the new one.
static void op_grant(void)
{
    static const uint16_t flags[] = {GTF_permit_access,
                                     GTF_permit_access | GTF_readonly,
                                     GTF_permit_access,
                                     0,
                                     GTF_accept_transfer,
                                     GTF_permit_access | GTF_PWT,
                                     GTF_permit_access | GTF_sub_page};
    unsigned int ref = pick_own_ref(), frame = fuzz_pick_source(), kind = fuzz_random(7);
    domid_t domain = pick_domain();

    if (!entries)
        return;
    volatile grant_entry_v1_t *e = &entries[ref];
    fuzz_log(" g%u f%u %#x was %#x", ref, frame, flags[kind],
             e->flags & (GTF_reading | GTF_writing));
    e->flags = 0;
    if (!ref_is_mapped((grant_ref_t)(ENTRIES_A_FRAME + ref)))
        e->frame = (uint32_t)fuzz_mfn(frame);
    e->domid = domain;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    e->flags = flags[kind];
}

static uint64_t pick_host_address(unsigned int window, unsigned int flags)
{
    uint8_t *address = windows + window * PAGE_SIZE;

    if (fuzz_chance(4)) {
        fuzz_log(" odd");
        return (uint64_t)address + 4;
    }
    return flags & GNTMAP_contains_pte ? memory_pte_maddr(address) : (uint64_t)address;
}

// A mapping that is overwritten without an unmap takes its references with it, but its handle and the use
// of its entry stay for ever: so that is done now and then only.
static bool window_is_taken(unsigned int window)
{
    for (unsigned int i = 0; i < HANDLES; i++) {
        if (handles[i].is_valid && handles[i].window == window &&
            handles[i].flags & GNTMAP_host_map)
            return !fuzz_chance(RARELY);
    }
    return false;
}

// The slot of a handle that can be forgotten, because it may have lost its mapping.
static bool slot_is_taken(unsigned int slot)
{
    if (handles[slot].is_valid && fuzz_chance(RARELY)) {
        is_lost[handles[slot].ref % ENTRIES_A_FRAME] = true;
        handles[slot].is_valid = false;
    }
    return handles[slot].is_valid;
}

static void op_map(void)
{
    static const unsigned int kinds[] = {GNTMAP_host_map,
                                         GNTMAP_host_map | GNTMAP_readonly,
                                         GNTMAP_host_map | GNTMAP_contains_pte,
                                         GNTMAP_host_map | GNTMAP_readonly,
                                         GNTMAP_device_map,
                                         GNTMAP_host_map | GNTMAP_application_map,
                                         0,
                                         GNTMAP_host_map | GNTMAP_device_map};
    unsigned int slot = fuzz_random(HANDLES), window = fuzz_random(WINDOWS),
                 flags = kinds[fuzz_random(8)];
    struct gnttab_map_grant_ref op = {.flags = flags};

    fuzz_log(" h%u w%u %#x", slot, window, flags);
    op.host_addr = pick_host_address(window, flags);
    op.ref = pick_ref();
    op.dom = pick_domain();
    if (slot_is_taken(slot) || window_is_taken(window))
        return; // an unmap comes first
    long result = hypercall_grant_table_op(GNTTABOP_map_grant_ref, &op, 1);
    fuzz_log(" = %ld %d", result, op.status);
    if (result == 0 && op.status == GNTST_okay)
        handles[slot] = (struct handle){op.handle, true, op.ref, window, flags, op.dev_bus_addr};
}

static void op_unmap(void)
{
    unsigned int slot = fuzz_random(HANDLES);
    struct handle *h = &handles[slot];
    struct gnttab_unmap_grant_ref op = {.handle = h->handle};

    fuzz_log(" h%u", slot);
    if (!h->is_valid || fuzz_chance(5)) {
        static const grant_handle_t odd[] = {0x7fffffff, 0xffffffff, 5000};
        unsigned int n = fuzz_random(3);
        op.handle = odd[n];
        fuzz_log(" odd%u", n);
    }
    unsigned int window = fuzz_chance(93) ? h->window : fuzz_random(WINDOWS);
    op.host_addr = h->flags & GNTMAP_host_map ? pick_host_address(window, h->flags) : 0;
    op.dev_bus_addr = h->flags & GNTMAP_device_map ? h->bus_address : 0; // or that part stays
    long result = hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1);
    fuzz_log(" w%u = %ld %d", window, result, op.status);
    if (h->is_valid && op.handle == h->handle && op.status == GNTST_okay)
        h->is_valid = false;
}

// The entry that comes in place of the mapping is that of another window, of a page, or there is none.
static void op_replace(void)
{
    unsigned int slot = fuzz_random(HANDLES), other = fuzz_random(3 * WINDOWS);
    struct handle *h = &handles[slot];
    struct gnttab_unmap_and_replace op = {.handle = h->is_valid ? h->handle : 5000};
    unsigned int window = fuzz_chance(93) ? h->window : fuzz_random(WINDOWS);

    fuzz_log(" h%u", slot);
    op.host_addr = pick_host_address(window, h->flags);
    if (other < WINDOWS)
        op.new_addr = (uint64_t)windows + other * PAGE_SIZE;
    else if (other < 2 * WINDOWS)
        op.new_addr = (uint64_t)fuzz_frames[fuzz_random(FUZZ_FRAMES)].address;
    else if (fuzz_chance(10))
        op.new_addr = 0xffff830000000000;
    long result = hypercall_grant_table_op(GNTTABOP_unmap_and_replace, &op, 1);
    fuzz_log(" w%u %u = %ld %d", window, other, result, op.status);
    if (h->is_valid && op.status == GNTST_okay && h->flags & GNTMAP_device_map)
        h->flags &= ~GNTMAP_host_map; // the other part is left
    else if (op.status == GNTST_okay)
        h->is_valid = false;
}

static void copy_end(unsigned int flag, uint16_t *flags, grant_ref_t *ref, xen_pfn_t *gmfn,
                     domid_t *domain, uint16_t *offset)
{
    *offset = (uint16_t)(fuzz_chance(90) ? fuzz_random(4096) : fuzz_random(65536));
    if (fuzz_chance(60)) {
        *flags |= (uint16_t)flag;
        *ref = pick_ref();
        *domain = pick_domain();
    } else {
        unsigned int frame = fuzz_pick_source();
        fuzz_log(" f%u", frame);
        *gmfn = fuzz_mfn(frame);
        *domain = fuzz_chance(95) ? DOMID_SELF : pick_domain();
    }
    fuzz_log("+%u", *offset);
}

// Words stay words, and what a hypervisor has left in its slots of an old level-4 table stays there: what
// differs between the two can then be cleared where it matters (fuzz_prepare_table). And source and
// destination, which may be one page, do not overlap: Xen copies from low to high even then.
#define OWN_SLOTS_START 2048U
#define OWN_SLOTS_END 2176U
static void align_copy(struct gnttab_copy *op)
{
    const uint16_t words = (uint16_t)~7U;

    op->len &= words;
    op->source.offset &= words;
    op->dest.offset &= words;
    if (op->source.offset < OWN_SLOTS_END && op->source.offset + op->len > OWN_SLOTS_START)
        op->source.offset = OWN_SLOTS_END;
    if (op->dest.offset < op->source.offset + op->len &&
        op->source.offset < op->dest.offset + op->len)
        op->dest.offset = (uint16_t)(op->source.offset + op->len);
}

static void op_copy(void)
{
    struct gnttab_copy op = {.len = (uint16_t)fuzz_random(fuzz_chance(90) ? 512 : 65536)};
    grant_ref_t ref = 0;
    xen_pfn_t gmfn = 0;

    copy_end(GNTCOPY_source_gref, &op.flags, &ref, &gmfn, &op.source.domid, &op.source.offset);
    if (op.flags & GNTCOPY_source_gref)
        op.source.u.ref = ref;
    else
        op.source.u.gmfn = gmfn;
    uint16_t flags = 0;
    copy_end(GNTCOPY_dest_gref, &flags, &ref, &gmfn, &op.dest.domid, &op.dest.offset);
    if (flags & GNTCOPY_dest_gref)
        op.dest.u.ref = ref;
    else
        op.dest.u.gmfn = gmfn;
    op.flags |= flags;
    align_copy(&op);
    fuzz_log(" n%u = %ld", op.len, hypercall_grant_table_op(GNTTABOP_copy, &op, 1));
    fuzz_log(" %d", op.status);
}

static void op_query(void)
{
    struct gnttab_query_size op = {.dom = fuzz_chance(70) ? DOMID_SELF : 0x1234};
    long result = hypercall_grant_table_op(GNTTABOP_query_size, &op, 1);

    fuzz_log(" = %ld %d", result, op.status);
}

static void op_swap(void)
{
    struct gnttab_swap_grant_ref op = {.ref_a = pick_ref(), .ref_b = pick_ref()};

    fuzz_log(" = %ld", hypercall_grant_table_op(GNTTABOP_swap_grant_ref, &op, 1));
    fuzz_log(" %d", op.status);
}

static void op_version(void)
{
    struct gnttab_get_version op = {.dom = DOMID_SELF};
    long result = hypercall_grant_table_op(GNTTABOP_get_version, &op, 1);

    fuzz_log(" = %ld v%u", result, op.version);
}

const struct fuzz_operation fuzz_grant_operations[] = {
    {"grant",         8, op_grant  },
    {"grant_map",     7, op_map    },
    {"grant_unmap",   7, op_unmap  },
    {"grant_replace", 2, op_replace},
    {"grant_copy",    6, op_copy   },
    {"grant_query",   1, op_query  },
    {"grant_swap",    1, op_swap   },
    {"grant_version", 1, op_version},
    {NULL,            0, NULL      },
};
