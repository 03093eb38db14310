// SPDX-License-Identifier: MIT
// What the toolstack does to a domain that runs: pausing, contexts, memory for and from it, resources.
#define __XEN_TOOLS__ 1
#include "tests/guest/pair_grant.h"

#include <string.h>
#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/sched.h>

#include "dom0/domctl.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define PEER_PAGES 2048
#define FEW 16
#define KERNEL_START 0xffffffff80000000UL

static struct xen_domctl op;
static struct vcpu_guest_context context;

static long domctl(uint32_t command, domid_t domid)
{
    return toolstack_domctl(&op, command, domid);
}

static long simple(uint32_t command, domid_t domid)
{
    memset(&op, 0, sizeof(op));
    return domctl(command, domid);
}

// Counts in data[0] until data[1] is set.
static long count(long unused, long unused2, long unused3)
{
    (void)unused, (void)unused2, (void)unused3;
    while (!__atomic_load_n(&pair_box.data[1], __ATOMIC_RELAXED))
        __atomic_fetch_add(&pair_box.data[0], 1, __ATOMIC_RELAXED);
    return 0;
}

static struct peer *begin_counting(void)
{
    struct peer *peer = peer_get(0);

    if (peer) {
        memset(peer->box->data, 0, sizeof(peer->box->data));
        peer_start(peer, count, 0, 0, 0);
    }
    return peer;
}

static uint64_t counted(const struct peer *peer)
{
    return __atomic_load_n(&peer->box->data[0], __ATOMIC_RELAXED);
}

static bool goes_on(const struct peer *peer)
{
    uint64_t before = counted(peer), limit = time_now() + 10 * NSEC_PER_SEC;

    while (counted(peer) == before && time_now() < limit)
        thread_sleep(NSEC_PER_MSEC);
    return counted(peer) != before;
}

static bool stands_still(const struct peer *peer)
{
    uint64_t before = counted(peer);

    thread_sleep(5 * NSEC_PER_MSEC);
    return counted(peer) == before;
}

static void end_counting(struct peer *peer)
{
    __atomic_store_n(&peer->box->data[1], 1, __ATOMIC_RELAXED);
    EXPECT(peer_wait(peer), 0);
}

// --- running and not running -----------------------------------------------------------------------------

static void pausing(void)
{
    struct peer *peer = begin_counting();
    domid_t domid;

    REQUIRE(peer && goes_on(peer));
    domid = peer->domid;
    EXPECT(simple(XEN_DOMCTL_unpausedomain, domid), -XEN_EINVAL);
    EXPECT(simple(XEN_DOMCTL_pausedomain, domid), 0);
    EXPECT_TRUE(stands_still(peer));
    EXPECT(simple(XEN_DOMCTL_pausedomain, domid), 0);
    EXPECT(simple(XEN_DOMCTL_unpausedomain, domid), 0);
    EXPECT_TRUE(stands_still(peer)); // they are counted
    EXPECT(simple(XEN_DOMCTL_unpausedomain, domid), 0);
    EXPECT_TRUE(goes_on(peer));
    EXPECT(simple(XEN_DOMCTL_unpausedomain, domid), -XEN_EINVAL);
    end_counting(peer);
}

static void information(void)
{
    struct peer *peer = begin_counting();
    struct xen_domctl_getdomaininfo info;
    uint64_t cpu_time;

    REQUIRE(peer && goes_on(peer));
    EXPECT(domctl_get_info(peer->domid, &info), 0);
    EXPECT(info.domain, peer->domid);
    EXPECT(info.flags & 0xffff & ~XEN_DOMINF_running, 0);
    EXPECT(info.tot_pages, PEER_PAGES);
    EXPECT(info.max_pages, PEER_PAGES + 256);
    EXPECT(info.outstanding_pages | info.shr_pages | info.paged_pages, 0);
    EXPECT(info.shared_info_frame, peer->shared_info_mfn);
    EXPECT(info.nr_online_vcpus, 1);
    EXPECT(info.max_vcpu_id, 0);
    EXPECT(info.ssidref, 0);
    EXPECT(info.cpupool, 0);
    EXPECT(info.arch_config.emulation_flags, 0);
    cpu_time = info.cpu_time;
    // The clocks of two processors need not agree to the nanosecond.
    for (int i = 0; i < 1000 && goes_on(peer) && info.cpu_time <= cpu_time; i++)
        EXPECT(domctl_get_info(peer->domid, &info), 0);
    EXPECT_TRUE(info.cpu_time > cpu_time);
    EXPECT(simple(XEN_DOMCTL_pausedomain, peer->domid), 0);
    EXPECT(domctl_get_info(peer->domid, &info), 0);
    EXPECT(info.flags & XEN_DOMINF_paused, XEN_DOMINF_paused);
    EXPECT(info.flags & (XEN_DOMINF_running | XEN_DOMINF_blocked | XEN_DOMINF_dying), 0);
    EXPECT(simple(XEN_DOMCTL_unpausedomain, peer->domid), 0);
    end_counting(peer);
}

// A poll that never ends by itself; its port is masked and nobody sends to it before end_poll().
static long poll_for_ever(long unused, long unused2, long unused3)
{
    struct evtchn_alloc_unbound port = {.dom = DOMID_SELF, .remote_dom = 0};
    struct sched_poll poll = {.nr_ports = 1};

    (void)unused, (void)unused2, (void)unused3;
    EXPECT(hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &port), 0);
    set_xen_guest_handle(poll.ports, &port.port);
    __atomic_store_n(&pair_box.data[0], port.port, __ATOMIC_SEQ_CST);
    return hypercall_sched_op(SCHEDOP_poll, &poll);
}

static long close_port(long port, long unused, long unused2)
{
    struct evtchn_close close = {.port = (evtchn_port_t)port};

    (void)unused, (void)unused2;
    return hypercall_event_channel_op(EVTCHNOP_close, &close);
}

static uint64_t vcpu_is_blocked(domid_t domid)
{
    memset(&op, 0, sizeof(op));
    EXPECT(domctl(XEN_DOMCTL_getvcpuinfo, domid), 0);
    return op.u.getvcpuinfo.blocked;
}

// A vcpu that polls is shown as blocked, as one in SCHEDOP_block is.
static void blocked_in_a_poll(void)
{
    struct peer *peer = peer_get(0);
    struct xen_domctl_getdomaininfo info;
    struct evtchn_bind_interdomain bind;
    struct evtchn_send send;
    uint64_t limit = time_now() + 10 * NSEC_PER_SEC;

    REQUIRE(peer);
    memset(peer->box->data, 0, sizeof(peer->box->data));
    peer_start(peer, poll_for_ever, 0, 0, 0);
    do {
        thread_sleep(NSEC_PER_MSEC);
        EXPECT(domctl_get_info(peer->domid, &info), 0);
    } while ((!counted(peer) || !(info.flags & XEN_DOMINF_blocked)) && time_now() < limit);
    EXPECT(info.flags & (XEN_DOMINF_blocked | XEN_DOMINF_running), XEN_DOMINF_blocked);
    EXPECT(vcpu_is_blocked(peer->domid), 1);
    EXPECT(op.u.getvcpuinfo.running, 0);
    bind = (struct evtchn_bind_interdomain){.remote_dom = peer->domid,
                                            .remote_port = (evtchn_port_t)counted(peer)};
    EXPECT(hypercall_event_channel_op(EVTCHNOP_bind_interdomain, &bind), 0);
    send.port = bind.local_port;
    EXPECT(hypercall_event_channel_op(EVTCHNOP_send, &send), 0);
    EXPECT(peer_wait(peer), 0);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_close, &(struct evtchn_close){bind.local_port}), 0);
    EXPECT(peer_call(peer, close_port, (long)counted(peer), 0, 0), 0);
}

// --- contexts ----------------------------------------------------------------------------------------------

// Waits until the register is not 0 any more.
static long wait_for_register(long unused, long unused2, long unused3)
{
    long value = 0;

    (void)unused, (void)unused2, (void)unused3;
    __atomic_store_n(&pair_box.data[0], 1, __ATOMIC_RELAXED);
    __asm__ volatile("1: test %0, %0\n\t"
                     "jz 1b"
                     : "+b"(value));
    return value;
}

static long context_op(uint32_t command, domid_t domid, uint32_t vcpu)
{
    memset(&op, 0, sizeof(op));
    op.u.vcpucontext.vcpu = vcpu;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    return domctl(command, domid);
}

// A toolstack can set the bits that the guest could have set itself, and sees what it sees.
#define CR4_TSD 0x4UL
#define CR4_DE 0x8UL
#define CR4_ALWAYS 0x660UL      // PAE, MCE, OSFXSR, OSXMMEXCPT
#define CR4_SOMETIMES 0x50000UL // FSGSBASE, OSXSAVE, where the processor has them
static void cr4_of_a_context(struct peer *peer)
{
    uint64_t cr0, before = context.ctrlreg[4];

    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    EXPECT(context.ctrlreg[0], cr0);
    EXPECT(before & CR4_ALWAYS, CR4_ALWAYS);
    context.ctrlreg[4] = ~0UL;
    EXPECT(context_op(XEN_DOMCTL_setvcpucontext, peer->domid, 0), 0);
    EXPECT(context_op(XEN_DOMCTL_getvcpucontext, peer->domid, 0), 0);
    EXPECT(context.ctrlreg[4] & ~CR4_SOMETIMES, CR4_ALWAYS | CR4_TSD | CR4_DE);
    context.ctrlreg[4] = 0;
    EXPECT(context_op(XEN_DOMCTL_setvcpucontext, peer->domid, 0), 0);
    EXPECT(context_op(XEN_DOMCTL_getvcpucontext, peer->domid, 0), 0);
    EXPECT(context.ctrlreg[4], CR4_ALWAYS);
    context.ctrlreg[4] = before;
}

static void context_of_a_running_vcpu(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    memset(peer->box->data, 0, sizeof(peer->box->data));
    peer_start(peer, wait_for_register, 0, 0, 0);
    EXPECT_TRUE(goes_on(peer) || counted(peer));
    EXPECT(simple(XEN_DOMCTL_pausedomain, peer->domid), 0);
    EXPECT(context_op(XEN_DOMCTL_getvcpucontext, peer->domid, 0), 0);
    EXPECT(context.ctrlreg[3], xen_pfn_to_cr3(peer->root_mfn));
    EXPECT(context.user_regs.rbx, 0);
    EXPECT_TRUE(context.user_regs.rip >= KERNEL_START);
    EXPECT(context.user_regs.cs & ~3, FLAT_KERNEL_CS & ~3);
    EXPECT(context.flags & VGCF_in_kernel, VGCF_in_kernel);
    EXPECT_TRUE(context.event_callback_eip >= KERNEL_START);
    EXPECT_TRUE(context.failsafe_callback_eip >= KERNEL_START);
    EXPECT_TRUE(context.trap_ctxt[14].address >= KERNEL_START);
    EXPECT(context.trap_ctxt[14].cs & ~3, FLAT_KERNEL_CS & ~3);
    EXPECT(context.gdt_ents, 0);
    EXPECT(context.ldt_ents, 0);
    cr4_of_a_context(peer);
    context.user_regs.rbx = 4711;
    EXPECT(context_op(XEN_DOMCTL_setvcpucontext, peer->domid, 0), 0);
    EXPECT(simple(XEN_DOMCTL_unpausedomain, peer->domid), 0);
    EXPECT(peer_wait(peer), 4711);
}

// What cannot be changed under a vcpu that has begun, and vcpus that are not there.
static void contexts_refused(void)
{
    struct peer *peer = peer_get(0);
    uint64_t root;

    REQUIRE(peer);
    EXPECT(context_op(XEN_DOMCTL_getvcpucontext, peer->domid, 1), -XEN_EINVAL);
    EXPECT(context_op(XEN_DOMCTL_getvcpucontext, peer->domid, 0xffffffff), -XEN_EINVAL);
    EXPECT(context_op(XEN_DOMCTL_getvcpucontext, ABSENT_DOMAIN, 0), -XEN_ESRCH);
    EXPECT(context_op(XEN_DOMCTL_getvcpucontext, 0, 0), -XEN_EINVAL);
    EXPECT(simple(XEN_DOMCTL_pausedomain, peer->domid), 0);
    EXPECT(context_op(XEN_DOMCTL_getvcpucontext, peer->domid, 0), 0);
    EXPECT(context_op(XEN_DOMCTL_setvcpucontext, peer->domid, 1), -XEN_EINVAL);
    EXPECT(context_op(XEN_DOMCTL_setvcpucontext, ABSENT_DOMAIN, 0), -XEN_ESRCH);
    EXPECT(context_op(XEN_DOMCTL_setvcpucontext, 0, 0), -XEN_EINVAL);
    root = context.ctrlreg[3];
    context.ctrlreg[3] = xen_pfn_to_cr3(virt_to_mfn(&pair_box));
    EXPECT(context_op(XEN_DOMCTL_setvcpucontext, peer->domid, 0), -XEN_EOPNOTSUPP);
    context.ctrlreg[3] = root;
    context.gdt_ents = 8;
    EXPECT(context_op(XEN_DOMCTL_setvcpucontext, peer->domid, 0), -XEN_EOPNOTSUPP);
    context.gdt_ents = 0;
    context.ldt_ents = 8;
    EXPECT(context_op(XEN_DOMCTL_setvcpucontext, peer->domid, 0), -XEN_EOPNOTSUPP);
    context.ldt_ents = 0;
    EXPECT(context_op(XEN_DOMCTL_setvcpucontext, peer->domid, 0), 0);
    EXPECT(simple(XEN_DOMCTL_unpausedomain, peer->domid), 0);
    EXPECT(peer_call(peer, grant_flags, 8, 0, 0) >= 0, 1);
}

// --- memory ------------------------------------------------------------------------------------------------

static long reservation_of(unsigned int command, domid_t domid)
{
    struct xen_memory_domain m = {.domid = domid};

    return hypercall_memory_op(command, &m);
}

static long populate(domid_t domid, xen_pfn_t *frames, unsigned int number, unsigned int order)
{
    struct xen_memory_reservation r = {.nr_extents = number, .domid = domid, .extent_order = order};

    set_xen_guest_handle(r.extent_start, frames);
    return hypercall_memory_op(XENMEM_populate_physmap, &r);
}

static long decrease(domid_t domid, xen_pfn_t *frames, unsigned int number)
{
    struct xen_memory_reservation r = {.nr_extents = number, .domid = domid};

    set_xen_guest_handle(r.extent_start, frames);
    return hypercall_memory_op(XENMEM_decrease_reservation, &r);
}

static void memory_for_another(void)
{
    xen_pfn_t frames[FEW], own = virt_to_mfn(&pair_box);
    struct peer *peer = peer_get(0);
    domid_t domid;

    REQUIRE(peer);
    domid = peer->domid;
    EXPECT(reservation_of(XENMEM_current_reservation, domid), PEER_PAGES);
    EXPECT(reservation_of(XENMEM_maximum_reservation, domid), PEER_PAGES + 256);
    for (unsigned int i = 0; i < FEW; i++)
        frames[i] = PEER_PAGES + i;
    EXPECT(populate(domid, frames, FEW, 0), FEW);
    EXPECT(reservation_of(XENMEM_current_reservation, domid), PEER_PAGES + FEW);
    for (unsigned int i = 0; i < FEW; i++)
        EXPECT(((uint64_t *)MACH2PHYS_VIRT_START)[frames[i]], PEER_PAGES + i);
    EXPECT(decrease(domid, &own, 1), 0);
    EXPECT(decrease(DOMID_SELF, frames, 1), 0);
    EXPECT(decrease(domid, frames, FEW), FEW);
    EXPECT(decrease(domid, frames, 1), 0);
    EXPECT(reservation_of(XENMEM_current_reservation, domid), PEER_PAGES);
    frames[0] = PEER_PAGES;
    EXPECT(populate(domid, frames, 1, 3), 1);
    EXPECT(frames[0] & 7, 0);
    for (unsigned int i = 1; i < 8; i++)
        frames[i] = frames[0] + i;
    EXPECT(decrease(domid, frames, 8), 8);
    EXPECT(populate(domid, frames, 1, 30), 0);
}

// A limit below what there is takes nothing away and lets nothing in.
static void limit_below_current(void)
{
    xen_pfn_t frame = PEER_PAGES;
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(domctl_max_mem(peer->domid, 1024), 0);
    EXPECT(reservation_of(XENMEM_maximum_reservation, peer->domid), 256);
    EXPECT(reservation_of(XENMEM_current_reservation, peer->domid), PEER_PAGES);
    EXPECT(populate(peer->domid, &frame, 1, 0), 0);
    EXPECT(domctl_max_mem(peer->domid, 0), 0);
    EXPECT(populate(peer->domid, &frame, 1, 0), 0);
    EXPECT(domctl_max_mem(peer->domid, 4 * (PEER_PAGES + 1)), 0);
    EXPECT(populate(peer->domid, &frame, 1, 0), 1);
    frame = PEER_PAGES + 1;
    EXPECT(populate(peer->domid, &frame, 1, 0), 0);
    EXPECT(domctl_max_mem(ABSENT_DOMAIN, 1024), -XEN_ESRCH);
    EXPECT(peer_end(peer), true);
}

// A page that the guest has mapped: it is out of its reservation and stays until the mapping goes.
static uint64_t *lost;

static long lose(long unused, long unused2, long unused3)
{
    (void)unused, (void)unused2, (void)unused3;
    lost = page_alloc(0);
    lost[0] = 1;
    return (long)virt_to_mfn(lost);
}

static long lost_is_usable(long unused, long unused2, long unused3)
{
    (void)unused, (void)unused2, (void)unused3;
    return probe_write(lost, 2) && page_set_absent(lost) == 0;
}

static void taken_while_mapped(void)
{
    struct peer *peer = peer_get(0);
    xen_pfn_t frame;

    REQUIRE(peer);
    frame = (xen_pfn_t)peer_call(peer, lose, 0, 0, 0);
    EXPECT(decrease(peer->domid, &frame, 1), 1);
    EXPECT(peer_call(peer, lost_is_usable, 0, 0, 0), 1);
    EXPECT(reservation_of(XENMEM_current_reservation, peer->domid), PEER_PAGES - 1);
    EXPECT(peer_end(peer), true);
}

static long claim(domid_t domid, uint64_t pages)
{
    struct xen_memory_reservation r = {.nr_extents = pages, .domid = domid};

    return hypercall_memory_op(XENMEM_claim_pages, &r);
}

static void claims(void)
{
    struct xen_domctl_getdomaininfo info;
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(domctl_max_mem(peer->domid, 4 * PEER_PAGES + 1024), 0);
    EXPECT(claim(peer->domid, PEER_PAGES + 100), 0);
    EXPECT(domctl_get_info(peer->domid, &info), 0);
    EXPECT(info.outstanding_pages, 100);
    EXPECT(claim(peer->domid, PEER_PAGES + 50), -XEN_EINVAL); // one at a time
    EXPECT(claim(peer->domid, 0), 0);
    EXPECT(domctl_get_info(peer->domid, &info), 0);
    EXPECT(info.outstanding_pages, 0);
    EXPECT(claim(peer->domid, PEER_PAGES - 1), -XEN_EINVAL);
    EXPECT(claim(peer->domid, 1UL << 30), -XEN_EINVAL); // over its limit
    EXPECT(claim(ABSENT_DOMAIN, 1), -XEN_EINVAL);
}

static void map_for_another(void)
{
    struct entry {
        uint64_t address, size;
        uint32_t type;
    } __attribute__((packed)) entries[2] = {
        {0,         0x1000000, 1},
        {0x1000000, 0x1000,    2}
    };
    struct xen_foreign_memory_map f;
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    memset(&f, 0, sizeof(f));
    f.domid = peer->domid;
    f.map.nr_entries = 2;
    set_xen_guest_handle(f.map.buffer, entries);
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, &f), 0);
    f.map.nr_entries = 100000;
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, &f), -XEN_EINVAL);
    f.map.nr_entries = 2;
    set_xen_guest_handle(f.map.buffer, HYPERVISOR_ADDRESS);
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, &f), -XEN_EFAULT);
}

// --- resources ---------------------------------------------------------------------------------------------

static long acquire(domid_t domid, struct xen_mem_acquire_resource *r, xen_pfn_t *frames)
{
    r->domid = domid;
    set_xen_guest_handle(r->frame_list, frames);
    return hypercall_memory_op(XENMEM_acquire_resource, r);
}

static void resources(void)
{
    struct xen_mem_acquire_resource r = {.type = XENMEM_resource_grant_table};
    struct peer *peer = peer_get(0);
    struct grant_entry_v1 *entries;
    xen_pfn_t frames[4] = {0};
    long ref;

    REQUIRE(peer);
    EXPECT(acquire(peer->domid, &r, NULL), 0);
    EXPECT(r.nr_frames, 64);
    r.nr_frames = 1;
    EXPECT(acquire(peer->domid, &r, frames), 0);
    ref = peer_call(peer, grant_give, 0, false, 0);
    entries = pair_map(peer->domid, frames[0], false);
    REQUIRE(entries);
    EXPECT(entries[ref].flags, GTF_permit_access);
    EXPECT(entries[ref].frame, peer_call(peer, grant_mfn, ref, 0, 0));
    pair_unmap(entries);
    EXPECT(peer_call(peer, grant_take, ref, 0, 0), 1);
    r.frame = 3;
    r.nr_frames = 2;
    EXPECT(acquire(peer->domid, &r, frames), 0); // grows
    r.frame = 63;
    EXPECT(acquire(peer->domid, &r, frames), -XEN_EINVAL);
    r.frame = ~0UL;
    EXPECT(acquire(peer->domid, &r, frames), -XEN_EINVAL);
    r.frame = 0;
    r.pad = 1;
    EXPECT(acquire(peer->domid, &r, frames), -XEN_EINVAL);
    r.pad = 0;
    r.id = 99;
    EXPECT(acquire(peer->domid, &r, frames), -XEN_EINVAL);
    r.id = 0;
    r.type = 99;
    EXPECT(acquire(peer->domid, &r, frames), SINCE_XEN(20) ? -XEN_EINVAL : -XEN_EOPNOTSUPP);
    r.type = XENMEM_resource_grant_table;
    r.nr_frames = 1;
    EXPECT(acquire(0, &r, frames), -XEN_EPERM);
    EXPECT(acquire(DOMID_SELF, &r, frames), -XEN_ESRCH);
    EXPECT(acquire(peer->domid, &r, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(peer_end(peer), true);
}

// --- an exchange by the guest --------------------------------------------------------------------------------

static long exchange_own(long dom0_mfn, long unused, long unused2)
{
    uint64_t *page = page_alloc(0);
    xen_pfn_t in = virt_to_mfn(page), out = virt_to_pfn(page), foreign = (xen_pfn_t)dom0_mfn;
    struct xen_memory_exchange x = {
        .in = {.nr_extents = 1, .domid = DOMID_SELF},
        .out = {.nr_extents = 1, .domid = DOMID_SELF}
    };

    (void)unused, (void)unused2;
    set_xen_guest_handle(x.in.extent_start, &foreign);
    set_xen_guest_handle(x.out.extent_start, &out);
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_EINVAL);
    EXPECT(x.nr_exchanged, 0);
    set_xen_guest_handle(x.in.extent_start, &in);
    EXPECT(page_set_absent(page), 0);
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), 0);
    EXPECT(x.nr_exchanged, 1);
    EXPECT_TRUE(out != in);
    memory_p2m[virt_to_pfn(page)] = out;
    EXPECT(hypercall_update_va_mapping(page, pte_make(out, PTE_RAM | PTE_RW), 0), 0);
    EXPECT(page[0], 0);
    x.nr_exchanged = 0;
    x.in.extent_order = x.out.extent_order = 12;
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_EPERM);
    page_free(page, 0);
    return 0;
}

static void exchange(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, exchange_own, (long)virt_to_mfn(&pair_box), 0, 0), 0);
    EXPECT(reservation_of(XENMEM_current_reservation, peer->domid), PEER_PAGES);
}

static const struct report_case cases[] = {
    REPORT_CASE(pausing),
    REPORT_CASE(information),
    REPORT_CASE(blocked_in_a_poll),
    REPORT_CASE(context_of_a_running_vcpu),
    REPORT_CASE(contexts_refused),
    REPORT_CASE(memory_for_another),
    REPORT_CASE(limit_below_current),
    REPORT_CASE(taken_while_mapped),
    REPORT_CASE(claims),
    REPORT_CASE(map_for_another),
    REPORT_CASE(resources),
    REPORT_CASE(exchange),
};

GUEST_FAMILY(pair_control, REPORT_SUITE("pair_control", cases));
