// SPDX-License-Identifier: MIT
// memory_op: reservations, giving pages back and getting others, exchanges, the machine's maps.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/memory.h>

#define MANY 256

static domid_t self = DOMID_SELF;

static struct xen_memory_reservation reservation_of(xen_pfn_t *frames, unsigned long count,
                                                    unsigned int order)
{
    struct xen_memory_reservation r = {
        .nr_extents = count, .extent_order = order, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, frames);
    return r;
}

static void sizes(void)
{
    long now = hypercall_memory_op(XENMEM_current_reservation, &self);
    long most = hypercall_memory_op(XENMEM_maximum_reservation, &self);
    domid_t absent = ABSENT_DOMAIN;

    EXPECT_TRUE(now >= (long)memory_page_count());
    EXPECT_TRUE(most >= now);
    EXPECT_TRUE(hypercall_memory_op(XENMEM_maximum_ram_page, NULL) > now);
    EXPECT(hypercall_memory_op(XENMEM_current_reservation, &absent), -XEN_ESRCH);
    EXPECT(hypercall_memory_op(XENMEM_current_reservation, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void machphys_mapping(void)
{
    struct xen_machphys_mapping mapping;

    EXPECT(hypercall_memory_op(XENMEM_machphys_mapping, &mapping), 0);
    EXPECT(mapping.v_start, 0xffff800000000000UL);
    EXPECT_TRUE(mapping.v_end > mapping.v_start);
    EXPECT(mapping.max_mfn, hypercall_memory_op(XENMEM_maximum_ram_page, NULL) - 1);
    EXPECT(hypercall_memory_op(XENMEM_machphys_mapping, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void machine_map(void)
{
    static unsigned char entries[64 * 20];
    struct xen_memory_map map = {.nr_entries = 64};

    set_xen_guest_handle(map.buffer, entries);
    EXPECT(hypercall_memory_op(XENMEM_machine_memory_map, &map), 0);
    EXPECT_TRUE(map.nr_entries > 0 && map.nr_entries <= 64);
    EXPECT(hypercall_memory_op(XENMEM_machine_memory_map, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

// Takes the frames of n pages away, gives them back to the hypervisor, and gets others.
static void give_and_take(void **pages, xen_pfn_t *frames, unsigned int n)
{
    struct xen_memory_reservation r = reservation_of(frames, n, 0);
    long before = hypercall_memory_op(XENMEM_current_reservation, &self);

    for (unsigned int i = 0; i < n; i++) {
        frames[i] = virt_to_mfn(pages[i]);
        EXPECT(page_set_absent(pages[i]), 0);
    }
    EXPECT(hypercall_memory_op(XENMEM_decrease_reservation, &r), n);
    EXPECT(hypercall_memory_op(XENMEM_current_reservation, &self), before - (long)n);
    for (unsigned int i = 0; i < n; i++)
        frames[i] = virt_to_pfn(pages[i]);
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), n);
    EXPECT(hypercall_memory_op(XENMEM_current_reservation, &self), before);
    for (unsigned int i = 0; i < n; i++) {
        EXPECT(((const uint64_t *)MACH2PHYS_VIRT_START)[frames[i]], virt_to_pfn(pages[i]));
        memory_p2m[virt_to_pfn(pages[i])] = frames[i];
        EXPECT(hypercall_update_va_mapping(pages[i], pte_make(frames[i], PTE_RAM | PTE_RW),
                                           UVMF_INVLPG | UVMF_ALL),
               0);
        EXPECT_TRUE(probe_write(pages[i], i));
    }
}

static void decrease_and_populate(void)
{
    void *page = page_alloc(0);
    xen_pfn_t frame;

    REQUIRE(page != NULL);
    give_and_take(&page, &frame, 1);
    page_free(page, 0);
}

static void many_extents(void)
{
    static void *pages[MANY];
    static xen_pfn_t frames[MANY];

    for (unsigned int i = 0; i < MANY; i++) {
        pages[i] = page_alloc(0);
        REQUIRE(pages[i] != NULL);
    }
    give_and_take(pages, frames, MANY);
    for (unsigned int i = 0; i < MANY; i++)
        page_free(pages[i], 0);
}

static void decrease_foreign_frame(void)
{
    xen_pfn_t frame = ABSENT_FRAME;
    struct xen_memory_reservation r = reservation_of(&frame, 1, 0);

    EXPECT(hypercall_memory_op(XENMEM_decrease_reservation, &r), 0);
}

static void bad_reservations(void)
{
    xen_pfn_t frame = 0;
    struct xen_memory_reservation r = reservation_of(&frame, 1, 0);

    r.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 0);
    EXPECT(hypercall_memory_op(XENMEM_decrease_reservation, &r), 0);
    r.domid = DOMID_SELF;
    r.nr_extents = ~0UL;
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 0);
    r = reservation_of(HYPERVISOR_ADDRESS, 1, 0);
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 0);
    EXPECT(hypercall_memory_op(XENMEM_decrease_reservation, &r), 0);
    r = reservation_of(&frame, 1, 60);
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 0);
    EXPECT(hypercall_memory_op(XENMEM_decrease_reservation, HYPERVISOR_ADDRESS), 0);
}

// Two single pages for one contiguous pair.
static void exchange(void)
{
    struct xen_memory_exchange x;
    void *pages[2] = {page_alloc(0), page_alloc(0)};
    xen_pfn_t in[2], out;

    REQUIRE(pages[0] != NULL && pages[1] != NULL);
    for (int i = 0; i < 2; i++) {
        in[i] = virt_to_mfn(pages[i]);
        EXPECT(page_set_absent(pages[i]), 0);
    }
    out = virt_to_pfn(pages[0]);
    memset(&x, 0, sizeof(x));
    x.in = reservation_of(in, 2, 0);
    x.out = reservation_of(&out, 1, 1);
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), 0);
    EXPECT(x.nr_exchanged, 2);
    EXPECT(out & 1, 0);
    for (unsigned int i = 0; i < 2; i++) {
        struct mmu_update m2p = {((out + i) << PAGE_SHIFT) | MMU_MACHPHYS_UPDATE,
                                 virt_to_pfn(pages[i])};

        EXPECT(hypercall_mmu_update(&m2p, 1, NULL, DOMID_SELF), 0);
        memory_p2m[virt_to_pfn(pages[i])] = out + i;
        EXPECT(hypercall_update_va_mapping(pages[i], pte_make(out + i, PTE_RAM | PTE_RW),
                                           UVMF_INVLPG | UVMF_ALL),
               0);
        page_free(pages[i], 0);
    }
}

static void exchange_refused(void)
{
    struct xen_memory_exchange x;
    xen_pfn_t in = ABSENT_FRAME, out = 0;

    memset(&x, 0, sizeof(x));
    x.in = reservation_of(&in, 1, 0);
    x.out = reservation_of(&out, 1, 0);
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
    x.out.nr_extents = 2;
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
    x.out = reservation_of(&out, 1, 0);
    x.nr_exchanged = 5;
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
    EXPECT(hypercall_memory_op(XENMEM_exchange, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void unknown_command(void)
{
    EXPECT(hypercall_memory_op(60, NULL), -XEN_ENOSYS);
}

static const struct report_case cases[] = {
    REPORT_CASE(sizes),
    REPORT_CASE(machphys_mapping),
    REPORT_CASE(machine_map),
    REPORT_CASE(decrease_and_populate),
    REPORT_CASE(many_extents),
    REPORT_CASE(decrease_foreign_frame),
    REPORT_CASE(bad_reservations),
    REPORT_CASE(exchange),
    REPORT_CASE(exchange_refused),
    REPORT_CASE(unknown_command),
};

GUEST_FAMILY(memory, REPORT_SUITE("memory_op", cases));
