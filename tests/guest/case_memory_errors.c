// SPDX-License-Identifier: MIT
// memory_op with hostile arguments: lists that end in nothing, extents that are too big or too many, frames that
// are nobody's, given twice or still in use, address limits that no frame meets. What is lost is made good again.
#define __XEN_TOOLS__ 1
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/memory.h>

#define VGA_FRAME 0xb8UL
#define ORDER_REFUSED 21 // to any domain
#define START_SHIFT 6

static domid_t self = DOMID_SELF;

static struct xen_memory_reservation reservation_of(xen_pfn_t *frames, unsigned long count,
                                                    unsigned int order)
{
    struct xen_memory_reservation r = {
        .nr_extents = count, .extent_order = order, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, frames);
    return r;
}

static long reserved(void)
{
    return hypercall_memory_op(XENMEM_current_reservation, &self);
}

static long decrease(xen_pfn_t *frames, unsigned long count, unsigned int order)
{
    struct xen_memory_reservation r = reservation_of(frames, count, order);

    return hypercall_memory_op(XENMEM_decrease_reservation, &r);
}

// The page has no frame any more: gets it one, and frees it.
static void refill(void *page)
{
    xen_pfn_t frame = virt_to_pfn(page);
    struct xen_memory_reservation r = reservation_of(&frame, 1, 0);

    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 1);
    memory_p2m[virt_to_pfn(page)] = frame;
    EXPECT(page_set_writable(page), 0);
    page_free(page, 0);
}

static void domains_that_have_none(void)
{
    static const domid_t domains[] = {ABSENT_DOMAIN, DOMID_IO, DOMID_XEN, DOMID_COW, DOMID_INVALID};
    static const unsigned int numbers[] = {XENMEM_current_reservation, XENMEM_maximum_reservation,
                                           XENMEM_maximum_gpfn};
    static const unsigned int changes[] = {XENMEM_increase_reservation, XENMEM_populate_physmap,
                                           XENMEM_decrease_reservation};
    xen_pfn_t frame = 0;

    for (size_t d = 0; d < sizeof(domains) / sizeof(domains[0]); d++) {
        for (size_t i = 0; i < 3; i++) {
            struct xen_memory_reservation r = reservation_of(&frame, 1, 0);
            domid_t domain = domains[d];

            EXPECT(hypercall_memory_op(numbers[i], &domain), -XEN_ESRCH);
            r.domid = domain;
            EXPECT(hypercall_memory_op(changes[i], &r), 0);
        }
    }
}

static void numbers_at_the_edge(void)
{
    static const unsigned int numbers[] = {XENMEM_current_reservation, XENMEM_maximum_reservation,
                                           XENMEM_maximum_gpfn};
    char *edge = edge_alloc();

    REQUIRE(edge != NULL);
    memcpy(edge - sizeof(domid_t), &self, sizeof(domid_t));
    for (size_t i = 0; i < 3; i++) {
        EXPECT_TRUE(hypercall_memory_op(numbers[i], edge - sizeof(domid_t)) >= 0);
        EXPECT(hypercall_memory_op(numbers[i], edge - 1), -XEN_EFAULT);
        EXPECT(hypercall_memory_op(numbers[i], NULL), -XEN_EFAULT);
        EXPECT(hypercall_memory_op(numbers[i], NON_CANONICAL), -XEN_EFAULT);
    }
    EXPECT_TRUE(hypercall_memory_op(XENMEM_maximum_ram_page, NON_CANONICAL) > 0);
    edge_free(edge);
}

// The structure, then the list, end at a page that is not there.
static void structures_at_the_edge(void)
{
    static const unsigned int changes[] = {XENMEM_increase_reservation, XENMEM_populate_physmap,
                                           XENMEM_decrease_reservation};
    char *edge = edge_alloc();
    struct xen_memory_reservation *last;

    REQUIRE(edge != NULL);
    last = (struct xen_memory_reservation *)edge - 1;
    *last = reservation_of(NULL, 0, 0);
    for (size_t i = 0; i < 3; i++) {
        EXPECT(hypercall_memory_op(changes[i], last), 0);
        EXPECT(hypercall_memory_op(changes[i], edge - 8), 0);
        EXPECT(hypercall_memory_op(changes[i], NON_CANONICAL), 0);
        EXPECT(hypercall_memory_op(changes[i] | 7 << START_SHIFT, NON_CANONICAL), 7);
        EXPECT(hypercall_memory_op(changes[i] | 7 << START_SHIFT, last), 7); // past the end
    }
    edge_free(edge);
}

static void list_that_ends(void)
{
    char *edge = edge_alloc();
    void *page = page_alloc(0);
    xen_pfn_t *last;
    long before = reserved();

    REQUIRE(edge && page);
    last = (xen_pfn_t *)edge - 1;
    *last = virt_to_mfn(page);
    EXPECT(page_set_absent(page), 0);
    EXPECT(decrease(last, 2, 0), 1);
    EXPECT(reserved(), before - 1);
    refill(page);
    EXPECT(reserved(), before);
    EXPECT(decrease((xen_pfn_t *)~7UL, 2, 0), 0);
    EXPECT(decrease((xen_pfn_t *)16, 1, 0), 0);
    edge_free(edge);
}

static void extents_too_big(void)
{
    static const unsigned int orders[] = {ORDER_REFUSED, 63, 64, 0xffffffffU};
    xen_pfn_t frame = 0;
    long before = reserved();

    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct xen_memory_reservation r = reservation_of(&frame, 1, orders[i]);

        EXPECT(hypercall_memory_op(XENMEM_increase_reservation, &r), 0);
        EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 0);
        EXPECT(hypercall_memory_op(XENMEM_decrease_reservation, &r), 0);
    }
    EXPECT(reserved(), before);
}

static void extents_too_many(void)
{
    static const unsigned long counts[] = {~0UL, 1UL << 63, 1UL << 32, 1UL << 27};
    xen_pfn_t frame = ABSENT_FRAME;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        EXPECT(decrease(&frame, counts[i], 0), 0);
}

static void frames_that_are_none(void)
{
    const xen_pfn_t frames[] = {VGA_FRAME, ABSENT_FRAME, ~0UL, 1UL << 52, frame_of_another()};
    long before = reserved();

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        xen_pfn_t frame = frames[i];

        EXPECT(decrease(&frame, 1, 0), 0);
        EXPECT(decrease(&frame, 1, 9), 0);
    }
    EXPECT(reserved(), before);
}

static void frame_given_twice(void)
{
    void *page = page_alloc(0);
    xen_pfn_t frames[2];
    long before = reserved();

    REQUIRE(page != NULL);
    frames[0] = frames[1] = virt_to_mfn(page);
    EXPECT(page_set_absent(page), 0);
    EXPECT(decrease(frames, 2, 0), 1);
    EXPECT(reserved(), before - 1);
    refill(page);
}

// It stays, and counts, until nothing maps it any more; then it is gone.
static void frame_in_use_is_given(void)
{
    uint64_t *page = page_alloc(0);
    xen_pfn_t frame = virt_to_mfn(page);
    long before = reserved();

    REQUIRE(page != NULL);
    page[0] = 0x1234;
    EXPECT(decrease(&frame, 1, 0), 1);
    EXPECT(reserved(), before);
    EXPECT(*(volatile uint64_t *)page, 0x1234);
    EXPECT(decrease(&frame, 1, 0), 1); // again: nothing
    EXPECT(reserved(), before);
    EXPECT(page_set_absent(page), 0);
    EXPECT(reserved(), before - 1);
    EXPECT(page_set_writable(page), -XEN_EBUSY); // gone
    refill(page);
    EXPECT(reserved(), before);
}

static void pinned_table_is_given(void)
{
    uint64_t *table = table_alloc();
    xen_pfn_t frame = virt_to_mfn(table);
    long before = reserved();

    REQUIRE(table != NULL);
    EXPECT(page_set_absent(table), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, frame), 0);
    EXPECT(decrease(&frame, 1, 0), 1);
    EXPECT(reserved(), before);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, frame), 0);
    EXPECT(reserved(), before - 1);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, frame), -XEN_EINVAL);
    refill(table);
}

// Lists that cannot be written: those of the hypervisor's part are seen before anything is done.
static void increase_without_list(void)
{
    xen_pfn_t frame = 0;
    struct xen_memory_reservation r = reservation_of(HYPERVISOR_ADDRESS, 1, 0);
    long before = reserved();

    EXPECT(hypercall_memory_op(XENMEM_increase_reservation, &r), 0);
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 0);
    EXPECT(reserved(), before);
    r = reservation_of(&frame, 2, 0);
    r.mem_flags = XENMEMF_address_bits(12); // no frame is that low
    EXPECT(hypercall_memory_op(XENMEM_increase_reservation, &r), 0);
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 0);
    r.mem_flags = XENMEMF_address_bits(1);
    EXPECT(hypercall_memory_op(XENMEM_increase_reservation, &r), 0);
    EXPECT(reserved(), before);
}

// Node numbers and flags on a machine of one node. There has to be room for the frame: a page is given before.
static void flags_of_reservations(void)
{
    static const struct {
        unsigned int flags;
        long result;
    } tries[] = {
        {XENMEMF_node(0),          1},
        {XENMEMF_exact_node(0),    1},
        {XENMEMF_node(1),          1},
        {XENMEMF_exact_node(1),    0},
        {XENMEMF_node(63),         1},
        {XENMEMF_node(64),         0},
        {XENMEMF_exact_node(64),   0},
        {XENMEMF_address_bits(12), 0},
        {XENMEMF_address_bits(63), 1},
        {XENMEMF_vnode,            1},
        {1U << 27,                 1},
    };
    void *page = page_alloc(0);
    xen_pfn_t given = virt_to_mfn(page);

    REQUIRE(page != NULL);
    EXPECT(page_set_absent(page), 0);
    EXPECT(decrease(&given, 1, 0), 1);
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        xen_pfn_t frame = 0;
        struct xen_memory_reservation r = reservation_of(&frame, 1, 0);

        r.mem_flags = tries[i].flags;
        EXPECT(hypercall_memory_op(XENMEM_increase_reservation, &r), tries[i].result);
        if (frame)
            EXPECT(decrease(&frame, 1, 0), 1);
    }
    refill(page);
}

static const struct report_case reservation_cases[] = {
    REPORT_CASE(domains_that_have_none), REPORT_CASE(numbers_at_the_edge),
    REPORT_CASE(structures_at_the_edge), REPORT_CASE(list_that_ends),
    REPORT_CASE(extents_too_big),        REPORT_CASE(extents_too_many),
    REPORT_CASE(frames_that_are_none),   REPORT_CASE(frame_given_twice),
    REPORT_CASE(frame_in_use_is_given),  REPORT_CASE(pinned_table_is_given),
    REPORT_CASE(increase_without_list),  REPORT_CASE(flags_of_reservations),
};

// --- exchange

static long exchange(xen_pfn_t *in, xen_pfn_t *out, unsigned long count, unsigned int flags)
{
    struct xen_memory_exchange x;

    memset(&x, 0, sizeof(x));
    x.in = reservation_of(in, count, 0);
    x.out = reservation_of(out, count, 0);
    x.out.mem_flags = flags;
    return hypercall_memory_op(XENMEM_exchange, &x);
}

static void exchange_of_bad_frames(void)
{
    const xen_pfn_t frames[] = {VGA_FRAME, ABSENT_FRAME, ~0UL, frame_of_another()};
    void *page = page_alloc(0);
    xen_pfn_t in, out = 0;
    long before = reserved();

    REQUIRE(page != NULL);
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        in = frames[i];
        EXPECT(exchange(&in, &out, 1, 0), -XEN_EINVAL);
    }
    in = virt_to_mfn(page);
    EXPECT(exchange(&in, &out, 1, 0), -XEN_EINVAL); // still mapped
    EXPECT(page_set_absent(page), 0);
    EXPECT(exchange(&in, &out, 1, XENMEMF_address_bits(13)), -XEN_ENOMEM);
    EXPECT(exchange(&in, HYPERVISOR_ADDRESS, 1, 0), -XEN_EFAULT);
    EXPECT(exchange(HYPERVISOR_ADDRESS, &out, 1, 0), -XEN_EFAULT);
    EXPECT(exchange((xen_pfn_t *)16, &out, 1, 0), -XEN_EFAULT);
    EXPECT(page_set_writable(page), 0); // the frame has come back each time
    EXPECT(reserved(), before);
    page_free(page, 0);
}

static void exchange_of_one_frame_twice(void)
{
    void *page = page_alloc(0);
    struct xen_memory_exchange x;
    xen_pfn_t in[2], out = 0;

    REQUIRE(page != NULL);
    in[0] = in[1] = virt_to_mfn(page);
    EXPECT(page_set_absent(page), 0);
    memset(&x, 0, sizeof(x));
    x.in = reservation_of(in, 2, 0);
    x.out = reservation_of(&out, 1, 1);
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
    EXPECT(page_set_writable(page), 0);
    page_free(page, 0);
}

static void exchange_of_bad_sizes(void)
{
    xen_pfn_t in = 0, out = 0;
    struct xen_memory_exchange x;

    memset(&x, 0, sizeof(x));
    x.in = reservation_of(&in, 1, ORDER_REFUSED);
    x.out = reservation_of(&out, 1, ORDER_REFUSED);
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_EPERM);
    x.in = reservation_of(&in, 1UL << 60, 4);
    x.out = reservation_of(&out, 0, 0);
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
    x.in = reservation_of(&in, 1, 1);
    x.out = reservation_of(&out, 1, 0);
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
    x.in = reservation_of(&in, 2, 0);
    x.out = reservation_of(&out, 1, 1);
    x.nr_exchanged = 1; // inside a chunk
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
    x.nr_exchanged = 0;
    x.out.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
    x.in.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_ESRCH);
    x.in.domid = x.out.domid = DOMID_IO;
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_ESRCH);
    memset(&x, 0, sizeof(x));
    x.in = reservation_of(&in, 0, 0);
    x.out = reservation_of(&out, 0, 0);
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), 0); // nothing for nothing
}

static const struct report_case exchange_cases[] = {
    REPORT_CASE(exchange_of_bad_frames),
    REPORT_CASE(exchange_of_one_frame_twice),
    REPORT_CASE(exchange_of_bad_sizes),
};

// --- maps and tables

static void machine_maps(void)
{
    static unsigned char entries[128 * 20];
    struct xen_memory_map map = {.nr_entries = 0};

    set_xen_guest_handle(map.buffer, entries);
    EXPECT(hypercall_memory_op(XENMEM_machine_memory_map, &map), -XEN_EINVAL);
    map.nr_entries = 128;
    set_xen_guest_handle(map.buffer, HYPERVISOR_ADDRESS);
    EXPECT(hypercall_memory_op(XENMEM_machine_memory_map, &map), -XEN_EFAULT);
    set_xen_guest_handle(map.buffer, (void *)16);
    EXPECT(hypercall_memory_op(XENMEM_machine_memory_map, &map), -XEN_EFAULT);
}

// The table's own frames may be looked at by a control domain, and by nobody written.
static void frames_of_the_machphys_table(void)
{
    static xen_pfn_t frames[8];
    struct xen_machphys_mfn_list list = {.max_extents = 8};
    char *edge = edge_alloc();
    uint64_t *window = memory_reserve(1);

    REQUIRE(edge && window);
    set_xen_guest_handle(list.extent_start, frames);
    EXPECT(hypercall_memory_op(XENMEM_machphys_mfn_list, &list), 0);
    EXPECT_TRUE(list.nr_extents >= 1 && list.nr_extents <= 8);
    list.max_extents = 0xffffffffU;
    set_xen_guest_handle(list.extent_start, (xen_pfn_t *)(edge - 8));
    EXPECT_TRUE(hypercall_memory_op(XENMEM_machphys_mfn_list, &list) ==
                (list.nr_extents == 1 ? 0 : -XEN_EFAULT));
    EXPECT(hypercall_memory_op(XENMEM_machphys_mfn_list, edge - 8), -XEN_EFAULT);
    EXPECT(
        hypercall_update_va_mapping_otherdomain(window, pte_make(frames[0], PTE_RAM), 0, DOMID_XEN),
        0);
    EXPECT_TRUE(window[1] == ((const uint64_t *)MACH2PHYS_VIRT_START)[1]);
    EXPECT_TRUE(hypercall_update_va_mapping_otherdomain(
                    window, pte_make(frames[0], PTE_RAM | PTE_RW), 0, DOMID_XEN) < 0);
    EXPECT(hypercall_update_va_mapping(window, 0, UVMF_INVLPG), 0);
    EXPECT_TRUE(hypercall_update_va_mapping(window, pte_make(frames[0], PTE_RAM), 0) < 0);
    memory_release(window, 1);
    edge_free(edge);
}

static const struct report_case map_cases[] = {
    REPORT_CASE(machine_maps),
    REPORT_CASE(frames_of_the_machphys_table),
};

GUEST_FAMILY(memory_errors, REPORT_SUITE("memory_op", reservation_cases),
             REPORT_SUITE("memory_op", exchange_cases), REPORT_SUITE("memory_op", map_cases));
