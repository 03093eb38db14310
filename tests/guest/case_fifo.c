// SPDX-License-Identifier: MIT
// event_channel_op: setting up queues (FIFO) and taking them down again, and each error on the way.
#include "tests/guest/ports.h"

#include <string.h>
#include <xen/memory.h>

#define ALL_PAGES (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)

// A frame of the machine-to-phys table: RAM that belongs to the hypervisor.
static uint64_t foreign_frame(void)
{
    xen_pfn_t mfn = ABSENT_FRAME;
    struct xen_machphys_mfn_list list = {.max_extents = 1};

    set_xen_guest_handle(list.extent_start, &mfn);
    EXPECT(hypercall_memory_op(XENMEM_machphys_mfn_list, &list), 0);
    return mfn;
}

static void before_set_up(void)
{
    WORLD_WITHOUT_PORTS;
    evtchn_port_t port = port_bind_ipi(0);

    EXPECT(queue_expand(words), -XEN_EOPNOTSUPP);
    EXPECT(port_set_priority(port, 0), -XEN_ENOSYS);
    EXPECT(port_set_priority(port, 99), -XEN_ENOSYS);
    EXPECT(port_set_priority(port + 1, 0), -XEN_ENOSYS);
    EXPECT(port_set_priority(0, 0), -XEN_ENOSYS);
    EXPECT(port_set_priority(100000, 0), -XEN_EINVAL);
}

static long init_with(uint64_t gfn, uint32_t offset, uint32_t vcpu)
{
    struct evtchn_init_control c = {.control_gfn = gfn, .offset = offset, .vcpu = vcpu};
    long result = OP(init_control, c);

    if (result != 0)
        EXPECT(c.link_bits, 0); // nothing is written back
    return result;
}

// What fails leaves two levels behind, and a frame that is not held.
static void set_up_refused(void)
{
    WORLD_WITHOUT_PORTS;
    static const uint32_t vcpus[] = {100, 0x10000, 0x80000000U, 0xffffffffU};
    static const uint32_t offsets[] = {4, 1, PAGE_SIZE - 64, PAGE_SIZE, 0x80000000U, 0xfffffff8U};
    uint64_t good = virt_to_mfn(block_pages[0]), *table = table_alloc();
    evtchn_port_t port = port_bind_ipi(0);

    for (unsigned int i = 0; i < sizeof(vcpus) / sizeof(vcpus[0]); i++)
        EXPECT(init_with(good, 0, vcpus[i]), -XEN_ENOENT);
    for (unsigned int i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
        EXPECT(init_with(good, offsets[i], 0), -XEN_EINVAL);
    EXPECT(init_with(ABSENT_FRAME, 0, 0), -XEN_EINVAL);
    EXPECT(init_with(~0UL, 0, 0), -XEN_EINVAL);
    EXPECT(init_with(0, 0, 0), -XEN_EINVAL);
    EXPECT(init_with(1, 0, 0), -XEN_EINVAL);
    EXPECT(init_with(foreign_frame(), 0, 0), -XEN_EINVAL);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_init_control, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_init_control, NON_CANONICAL), -XEN_EFAULT);
    EXPECT(queue_expand(words), -XEN_EOPNOTSUPP);
    EXPECT(port_set_priority(port, 0), -XEN_ENOSYS);
    EXPECT(port_send(port), 0);
    EXPECT_TRUE(port_pending(port));
    REQUIRE(table != NULL);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0);
    EXPECT(init_with(virt_to_mfn(table), 0, 0), -XEN_EINVAL);
    EXPECT(queue_expand(words), -XEN_EOPNOTSUPP);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
    table_free(table);
}

static void set_up_once_a_vcpu(void)
{
    WORLD_WITHOUT_PORTS;
    struct evtchn_init_control c = {
        .control_gfn = virt_to_mfn(block_pages[0]), .offset = PAGE_SIZE - 72, .vcpu = 1};

    EXPECT(OP(init_control, c), 0); // the last place where it fits; vcpu 0 has none yet
    EXPECT(c.link_bits, EVTCHN_FIFO_LINK_BITS);
    EXPECT(OP(init_control, c), -XEN_EINVAL);
    EXPECT(queue_init(1), -XEN_EINVAL);
    EXPECT(init_with(ABSENT_FRAME, 0, 0), -XEN_EINVAL);
    EXPECT(queue_init(0), 0);
    EXPECT(queue_init(0), -XEN_EINVAL);
    EXPECT(ports_reset(), 0);
    EXPECT(queue_expand(words), -XEN_EOPNOTSUPP);
    EXPECT(queue_init(0), 0); // once more, after the reset
    EXPECT(queue_init(1), 0);
}

// The block in the shared page, the words in the same page as the other block: odd, but allowed.
static void odd_places(void)
{
    WORLD_WITHOUT_PORTS;
    EXPECT(init_with(virt_to_mfn(shared_info_page), 3072, 0), 0);
    EXPECT(queue_init(1), 0);
    EXPECT(queue_expand(block_pages[1]), 0);
    EXPECT(port_send(port_bind_ipi(0)), 0);
    EXPECT(port_send(port_bind_ipi(1)), 0);
    EXPECT(ports_reset(), 0);
    memset((char *)shared_info_page + 3072, 0, sizeof(struct evtchn_fifo_control_block));
}

// Result written where it cannot be: the vcpu has its control block all the same.
static void set_up_answer_lost(void)
{
    WORLD_WITHOUT_PORTS;
    struct evtchn_init_control *c = page_alloc(0);

    REQUIRE(c != NULL);
    *c = (struct evtchn_init_control){.control_gfn = virt_to_mfn(block_pages[0]), .offset = 64};
    EXPECT(page_set_readonly(c), 0);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_init_control, c), -XEN_EFAULT);
    EXPECT(queue_init(0), -XEN_EINVAL);
    EXPECT(queue_expand(words), 0);
    EXPECT(page_set_writable(c), 0);
    page_free(c, 0);
}

static void array_refused(void)
{
    WORLD_WITHOUT_PORTS;
    uint64_t *table = table_alloc();
    struct evtchn_expand_array e = {.array_gfn = ABSENT_FRAME};

    REQUIRE(table != NULL && queue_set_up(0));
    EXPECT(OP(expand_array, e), -XEN_EINVAL);
    e.array_gfn = ~0UL;
    EXPECT(OP(expand_array, e), -XEN_EINVAL);
    e.array_gfn = 1;
    EXPECT(OP(expand_array, e), -XEN_EINVAL);
    e.array_gfn = foreign_frame();
    EXPECT(OP(expand_array, e), -XEN_EINVAL);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_expand_array, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0);
    EXPECT(queue_expand(table), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
    EXPECT(queue_expand(table), 0); // no table any more, if still mapped read-only
    for (unsigned int i = 1; i < ALL_PAGES; i++)
        EXPECT(queue_expand(words), 0); // one page for many ranges of ports: nobody else's affair
    EXPECT(queue_expand(words), -XEN_ENOSPC);
    EXPECT(ports_reset(), 0);
    table_free(table);
}

// While they are in use the pages cannot become tables; afterwards they can.
static void pages_are_held(void)
{
    WORLD_WITHOUT_PORTS;
    uint64_t *page = table_alloc(), *control = table_alloc();

    REQUIRE(page != NULL && control != NULL);
    EXPECT(init_with(virt_to_mfn(control), 0, 0), 0);
    EXPECT(queue_expand(page), 0);
    EXPECT(page_set_readonly(page), 0);
    EXPECT(page_set_readonly(control), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(page)), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(control)), -XEN_EINVAL);
    EXPECT(ports_reset(), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(page)), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(page)), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(control)), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(control)), 0);
    table_free(page);
    table_free(control);
}

static const struct report_case cases[] = {
    REPORT_CASE(before_set_up),  REPORT_CASE(set_up_refused),     REPORT_CASE(set_up_once_a_vcpu),
    REPORT_CASE(odd_places),     REPORT_CASE(set_up_answer_lost), REPORT_CASE(array_refused),
    REPORT_CASE(pages_are_held),
};

GUEST_FAMILY(fifo, REPORT_SUITE("event_channel_op", cases));
