// SPDX-License-Identifier: MIT
// Fuzzer: frames that are given back, asked for and exchanged. They are spare ones that nothing else
// names, because which frame numbers come is each hypervisor's own business.
#include "tests/fuzz/fuzz.h"
#include "pvguest/start.h"
#include "tests/guest/guest.h"
#include <xen/memory.h>

#define SPARES 16U

static struct spare {
    uint8_t *address; // NULL: not set up yet
    xen_pfn_t pfn, mfn;
    bool is_ours;
} spares[SPARES];

static struct spare *pick_spare(void)
{
    unsigned int n = fuzz_random(SPARES);
    struct spare *s = &spares[n];

    if (!s->address) {
        s->address = page_alloc(0);
        s->pfn = virt_to_pfn(s->address);
        s->mfn = virt_to_mfn(s->address);
        s->is_ours = true;
    }
    fuzz_log(" s%u", n);
    return s;
}

// One extent of one page, mostly.
static struct xen_memory_reservation pick_extent(xen_pfn_t *number)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    static const uint64_t counts[] = {0, 1UL << 32, 1UL << 60, ~0UL};
    static const domid_t domains[] = {0, 1, 0x1234, DOMID_IO, DOMID_XEN, DOMID_INVALID};

    set_xen_guest_handle(r.extent_start, number);
    switch (fuzz_random(20)) {
    case 0:
        r.nr_extents = counts[fuzz_random(4)];
        break;
    case 1:
        r.extent_order = 19 + fuzz_random(64);
        break;
    case 2:
        r.domid = domains[fuzz_random(6)];
        break;
    case 3:
        set_xen_guest_handle(r.extent_start, HYPERVISOR_ADDRESS);
    }
    fuzz_log(" n%#lx o%u d%#x", r.nr_extents, r.extent_order, r.domid);
    return r;
}

static void set_mapping(const struct spare *s, bool present)
{
    hypercall_update_va_mapping(s->address, present ? pte_make(s->mfn, PTE_RAM | PTE_RW) : 0,
                                UVMF_INVLPG);
}

// A frame that is not to be had. Xen lets go of shared_info; Paravane does not.
static xen_pfn_t pick_bogus(void)
{
    xen_pfn_t mfn = fuzz_mfn(FUZZ_FRAMES + fuzz_random(FUZZ_BOGUS));

    return mfn == start_info_page->shared_info >> PAGE_SHIFT ? fuzz_mfn(FUZZ_FRAMES) : mfn;
}

// Given back unmapped or mapped; in that case it stays until it is unmapped.
static void op_decrease(void)
{
    struct spare *s = pick_spare();
    xen_pfn_t number = fuzz_chance(90) ? s->mfn : pick_bogus();
    bool is_mapped = fuzz_chance(30);
    struct xen_memory_reservation r = pick_extent(&number);

    if (!is_mapped)
        set_mapping(s, false);
    long result = hypercall_memory_op(XENMEM_decrease_reservation, &r);
    fuzz_log(" %s%s = %ld", number == s->mfn ? "" : "bogus ", is_mapped ? "mapped" : "", result);
    set_mapping(s, false);
    if (result == 1 && number == s->mfn)
        s->is_ours = false;
    if (s->is_ours)
        set_mapping(s, true);
    else
        s->mfn = fuzz_mfn(FUZZ_FRAMES); // beyond all memory
}

static void op_populate(void)
{
    struct spare *s = pick_spare();
    unsigned int command = fuzz_chance(70) ? XENMEM_populate_physmap : XENMEM_increase_reservation;
    xen_pfn_t number = s->pfn;
    struct xen_memory_reservation r = pick_extent(&number);

    if (s->is_ours)
        return;
    long result = hypercall_memory_op(command, &r);
    fuzz_log(" c%u = %ld", command, result);
    if (result != 1)
        return;
    s->mfn = number;
    s->is_ours = true;
    set_mapping(s, true);
}

// One frame for another at the same place.
static void op_exchange(void)
{
    struct spare *s = pick_spare();
    xen_pfn_t in = s->mfn, out = s->pfn;
    struct xen_memory_exchange x = {
        .in = {.nr_extents = 1, .domid = DOMID_SELF}
    };
    bool is_out = fuzz_chance(50);

    // One side is odd: if both had the same large count, what follows the lists would be exchanged.
    set_xen_guest_handle(x.in.extent_start, &in);
    x.out = x.in;
    set_xen_guest_handle(x.out.extent_start, &out);
    *(is_out ? &x.out : &x.in) = pick_extent(is_out ? &out : &in);
    fuzz_log(" %u", is_out);

    if (fuzz_chance(5))
        x.nr_exchanged = 1 + fuzz_random(2);
    set_mapping(s, false);
    long result = hypercall_memory_op(XENMEM_exchange, &x);
    fuzz_log(" %lu = %ld", x.nr_exchanged, result);
    if (result == 0 && x.nr_exchanged == 1 && out != s->pfn)
        s->mfn = out;
    if (s->is_ours)
        set_mapping(s, true);
}

const struct fuzz_operation fuzz_reservation_operations[] = {
    {"decrease", 2, op_decrease},
    {"populate", 3, op_populate},
    {"exchange", 2, op_exchange},
    {NULL,       0, NULL       },
};
