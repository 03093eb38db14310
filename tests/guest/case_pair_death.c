// SPDX-License-Identifier: MIT
// The end of a domain: shutdowns and crashes, destruction at every moment, and domains that stay because
// somebody still has their frames.
#define __XEN_TOOLS__ 1
#include "tests/guest/pair_grant.h"

#include <string.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "dom0/domctl.h"
#include "pvguest/event.h"
#include "pvguest/grant.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define LEAK_LIMIT 256 // frames: a peer has 2048

static char *window;

static struct peer *begin(unsigned int index)
{
    if (!window)
        window = memory_reserve(2);
    return window ? peer_get(index) : NULL;
}

static uint64_t free_frames(void)
{
    struct xen_sysctl_physinfo info;

    return sysctl_physinfo(&info) ? 0 : info.free_pages + info.scrub_pages;
}

// --- what a peer can be busy with ------------------------------------------------------------------------

static long shut_down(long reason, long unused, long unused2)
{
    struct sched_shutdown op = {.reason = (unsigned int)reason};

    (void)unused, (void)unused2;
    return hypercall_sched_op(SCHEDOP_shutdown, &op);
}

// For ever, unless somebody says otherwise.
static bool goes_on(void)
{
    __atomic_fetch_add(&pair_box.data[0], 1, __ATOMIC_RELAXED);
    return __atomic_load_n(&pair_box.data[1], __ATOMIC_RELAXED) == 0;
}

static long spin(long unused, long unused2, long unused3)
{
    (void)unused, (void)unused2, (void)unused3;
    while (goes_on())
        ;
    return 0;
}

static long sleep_for_ever(long unused, long unused2, long unused3)
{
    (void)unused, (void)unused2, (void)unused3;
    while (goes_on())
        thread_sleep(NSEC_PER_SEC * 1000);
    return 0;
}

static long watchdog(long seconds, long unused, long unused2)
{
    struct sched_watchdog w = {.timeout = (uint32_t)seconds};

    (void)unused, (void)unused2;
    return hypercall_sched_op(SCHEDOP_watchdog, &w);
}

// Timers, ports, grants, pinned tables and memory that comes and goes, for ever.
static long work(long seed, long unused, long unused2)
{
    uint64_t *table = table_alloc();
    struct vcpu_set_periodic_timer periodic = {.period_ns = NSEC_PER_MSEC};

    (void)unused, (void)unused2;
    hypercall_vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic);
    watchdog(100, 0, 0);
    for (long i = seed; goes_on(); i++) {
        struct evtchn_alloc_unbound port = {.dom = DOMID_SELF, .remote_dom = 0};
        long ref = grant_give(0, i & 1, 0);

        hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &port);
        page_set_readonly(table);
        mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table));
        if (i & 2) {
            mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table));
            page_set_writable(table);
        }
        if (ref > 0)
            grant_take(ref, 0, 0);
        if (i % 5 == 0)
            thread_sleep(NSEC_PER_USEC * 100);
    }
    return 0;
}

// No handlers any more: the next exception is the end.
static long crash(long how, long unused, long unused2)
{
    (void)unused, (void)unused2;
    hypercall_set_trap_table(NULL);
    if (how == 0)
        __asm__ volatile("ud2");
    else
        __asm__ volatile("mov $0, %rsp; push %rax");
    return 0;
}

// --- shutdowns ---------------------------------------------------------------------------------------

static void every_reason(void)
{
    static const uint8_t reasons[] = {SHUTDOWN_poweroff,
                                      SHUTDOWN_reboot,
                                      SHUTDOWN_suspend,
                                      SHUTDOWN_crash,
                                      SHUTDOWN_watchdog,
                                      SHUTDOWN_soft_reset,
                                      42,
                                      254};

    for (size_t i = 0; i < sizeof(reasons); i++) {
        struct peer *peer = begin(0);

        REQUIRE(peer);
        EXPECT(pair_shutdown_reason(peer->domid), PAIR_RUNS);
        EXPECT(peer_call(peer, shut_down, reasons[i], 0, 0), PEER_DIED);
        EXPECT(pair_wait_shutdown(peer->domid), reasons[i]);
        EXPECT(peer_end(peer), true);
    }
}

static void every_remote_reason(void)
{
    struct peer *peer;

    for (unsigned int reason = SHUTDOWN_poweroff; reason <= SHUTDOWN_watchdog; reason++) {
        peer = begin(0);
        REQUIRE(peer);
        EXPECT(domctl_remote_shutdown(peer->domid, reason), 0);
        EXPECT(pair_wait_shutdown(peer->domid), reason);
        EXPECT(domctl_remote_shutdown(peer->domid, SHUTDOWN_crash), 0); // the first one counts
        EXPECT(pair_shutdown_reason(peer->domid), reason);
        EXPECT(peer_end(peer), true);
    }
    EXPECT(domctl_remote_shutdown(ABSENT_DOMAIN, SHUTDOWN_crash), -XEN_ESRCH);
    EXPECT(domctl_remote_shutdown(DOMID_SELF, SHUTDOWN_crash), -XEN_ESRCH);
}

static long shutdown_code(long code, long unused, long unused2)
{
    struct sched_shutdown op = {.reason = (unsigned int)code};

    (void)unused, (void)unused2;
    return hypercall_sched_op(SCHEDOP_shutdown_code, &op);
}

// The code that is set first is the reason, whatever the shutdown says.
static void code_before_shutdown(void)
{
    struct peer *peer = begin(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, shutdown_code, SHUTDOWN_crash, 0, 0), 0);
    EXPECT(pair_shutdown_reason(peer->domid), PAIR_RUNS);
    EXPECT(peer_call(peer, shutdown_code, SHUTDOWN_reboot, 0, 0), 0);
    EXPECT(peer_call(peer, shut_down, SHUTDOWN_poweroff, 0, 0), PEER_DIED);
    EXPECT(pair_wait_shutdown(peer->domid), SHUTDOWN_crash);
    EXPECT(peer_end(peer), true);
}

static void suspended_and_resumed(void)
{
    struct peer *peer = begin(0);
    struct xen_domctl op;

    REQUIRE(peer);
    memset(&op, 0, sizeof(op));
    EXPECT(peer_call(peer, shut_down, SHUTDOWN_suspend, 0, 0), PEER_DIED);
    EXPECT(pair_wait_shutdown(peer->domid), SHUTDOWN_suspend);
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_resumedomain, peer->domid), 0);
    EXPECT(peer_wait(peer), 0);
    EXPECT(pair_shutdown_reason(peer->domid), PAIR_RUNS);
    EXPECT(peer_call(peer, shutdown_code, SHUTDOWN_reboot, 0, 0), 0);
    EXPECT(peer_end(peer), true);
}

static void watchdog_bites(void)
{
    struct peer *peer = begin(0);

    REQUIRE(peer);
    EXPECT_TRUE(peer_call(peer, watchdog, 1, 0, 0) > 0);
    EXPECT(pair_wait_shutdown(peer->domid), SHUTDOWN_watchdog);
    EXPECT(peer_end(peer), true);
}

static void crashes(void)
{
    for (long how = 0; how < 2; how++) {
        struct peer *peer = begin(0);

        REQUIRE(peer);
        EXPECT(peer_call(peer, crash, how, 0, 0), PEER_DIED);
        EXPECT(pair_wait_shutdown(peer->domid), SHUTDOWN_crash);
        EXPECT(peer_end(peer), true);
    }
}

// --- destruction at every moment ---------------------------------------------------------------------------

static long bare_domain(void)
{
    struct xen_domctl op;
    long result;

    toolstack_new_domain(&op);
    op.u.createdomain.max_vcpus = 2;
    op.u.createdomain.max_evtchn_port = 1023;
    result = toolstack_domctl(&op, XEN_DOMCTL_createdomain, 0);
    return result ? result : op.domain;
}

// Takes a new domain through the first `steps` steps of being built.
static bool half_build(domid_t domid, int steps)
{
    static xen_pfn_t frames[64];
    static struct vcpu_guest_context context;
    struct xen_memory_reservation r = {.nr_extents = 64, .domid = domid};
    struct xen_domctl op;

    set_xen_guest_handle(r.extent_start, frames);
    for (unsigned int i = 0; i < 64; i++)
        frames[i] = i;
    memset(&context, 0, sizeof(context));
    memset(&op, 0, sizeof(op));
    if (steps > 0 && domctl_max_vcpus(domid, 2))
        return false;
    if (steps > 1 && domctl_max_mem(domid, 1024))
        return false;
    if (steps > 2 && hypercall_memory_op(XENMEM_populate_physmap, &r) != 64)
        return false;
    if (steps > 3 && event_alloc_unbound_for(domid, 0) <= 0)
        return false;
    if (steps > 4) { // an L4 table of zeroes
        struct mmuext_op clear = {.cmd = MMUEXT_CLEAR_PAGE}, pin = {.cmd = MMUEXT_PIN_L4_TABLE};

        clear.arg1.mfn = pin.arg1.mfn = frames[7];
        if (hypercall_mmuext_op(&clear, 1, NULL, domid) ||
            hypercall_mmuext_op(&pin, 1, NULL, domid))
            return false;
    }
    if (steps > 5) {
        context.flags = VGCF_in_kernel | VGCF_online;
        context.user_regs.cs = FLAT_KERNEL_CS;
        context.user_regs.ss = FLAT_KERNEL_SS;
        context.ctrlreg[3] = xen_pfn_to_cr3(frames[7]);
        if (domctl_set_vcpu_context(domid, 0, &context))
            return false;
    }
    return true;
}

static void half_built(void)
{
    uint64_t before = free_frames();

    for (int steps = 0; steps <= 6; steps++) {
        long domid = bare_domain();

        REQUIRE(domid > 0);
        EXPECT_TRUE(half_build((domid_t)domid, steps));
        EXPECT(domctl_destroy((domid_t)domid), 0);
        EXPECT_TRUE(pair_is_gone((domid_t)domid));
    }
    EXPECT_TRUE(free_frames() + LEAK_LIMIT > before);
}

static void never_started(void)
{
    struct peer *old = begin(0), *peer;

    REQUIRE(old);
    EXPECT(peer_end(old), true);
    peer = peer_build(0);
    REQUIRE(peer);
    EXPECT(peer_end(peer), true);
}

static void while_busy(peer_function *function, bool paused)
{
    uint64_t before = 0;

    for (int round = 0; round < 4; round++) {
        struct peer *peer = begin(0);
        struct xen_domctl op;

        REQUIRE(peer);
        peer->box->data[0] = 0;
        peer_start(peer, function, round, 0, 0);
        if (round & 1)
            thread_sleep((uint64_t)round * 300 * NSEC_PER_USEC);
        memset(&op, 0, sizeof(op));
        if (paused)
            EXPECT(toolstack_domctl(&op, XEN_DOMCTL_pausedomain, peer->domid), 0);
        EXPECT(peer_end(peer), true);
        before = before ? before : free_frames();
    }
    EXPECT_TRUE(free_frames() + LEAK_LIMIT > before);
}

static void while_running(void)
{
    while_busy(spin, false);
}

static void while_blocked(void)
{
    while_busy(sleep_for_ever, false);
}

static void while_working(void)
{
    while_busy(work, false);
}

static void while_paused(void)
{
    while_busy(work, true);
}

static void twice(void)
{
    struct peer *peer = begin(0);
    domid_t domid;

    REQUIRE(peer);
    EXPECT(peer_call(peer, shut_down, SHUTDOWN_poweroff, 0, 0), PEER_DIED);
    domid = peer_detach(peer);
    EXPECT(domctl_destroy(domid), 0);
    EXPECT_TRUE(pair_is_gone(domid));
    EXPECT(domctl_destroy(domid), -XEN_ESRCH);
}

// --- zombies -------------------------------------------------------------------------------------------

static long unused_ref; // of the last zombie

// Maps a page of the peer and destroys it; the zombie's number, its handle and the reference.
static domid_t zombie_make(uint32_t flags, grant_handle_t *handle, long *ref)
{
    struct peer *peer = begin(0);
    domid_t domid;

    if (!EXPECT_TRUE(peer != NULL))
        return DOMID_INVALID;
    *ref = peer_call(peer, grant_give, 0, false, 0);
    unused_ref = peer_call(peer, grant_give, 0, false, 0);
    EXPECT(grant_map_one(window, peer->domid, *ref, flags, handle), GNTST_okay);
    domid = peer_detach(peer);
    EXPECT(domctl_destroy(domid), 0);
    EXPECT_TRUE(pair_is_dying(domid));
    return domid;
}

static void granter_dies(void)
{
    grant_handle_t handle, other;
    uint64_t value = 0;
    long ref;
    domid_t domid = zombie_make(GNTMAP_host_map, &handle, &ref);

    REQUIRE(domid != DOMID_INVALID);
    EXPECT_TRUE(probe_read(window, &value));
    EXPECT(value, GRANT_PATTERN);
    EXPECT_TRUE(probe_write(window, 7));
    EXPECT_TRUE(grant_map_one(window + PAGE_SIZE, domid, unused_ref, GNTMAP_host_map, &other) < 0);
    EXPECT(grant_unmap_one(window, 0, handle), GNTST_okay);
    EXPECT_TRUE(pair_is_gone(domid));
    EXPECT(grant_unmap_one(window, 0, handle), GNTST_bad_handle);
    EXPECT(grant_map_one(window, domid, ref, GNTMAP_host_map, &other), GNTST_bad_domain);
}

static void granter_dies_device(void)
{
    grant_handle_t handle;
    uint64_t bus;
    long ref;
    domid_t domid = zombie_make(GNTMAP_host_map | GNTMAP_device_map, &handle, &ref);

    REQUIRE(domid != DOMID_INVALID);
    bus = grant_bus_address;
    EXPECT(grant_unmap_one(window, 0, handle), GNTST_okay);
    EXPECT_TRUE(pair_is_dying(domid));
    EXPECT(grant_unmap_one(NULL, bus, handle), GNTST_okay);
    EXPECT_TRUE(pair_is_gone(domid));
}

static bool pending_soon(evtchn_port_t port)
{
    uint64_t limit = time_now() + 10 * NSEC_PER_SEC;

    while (!event_is_pending(port) && time_now() < limit)
        thread_sleep(NSEC_PER_MSEC);
    return event_is_pending(port);
}

// One at the end of the destruction, one when the last frame has come back.
static void events_of_a_zombie(void)
{
    int port = event_bind_virq(VIRQ_DOM_EXC, NULL, NULL);
    grant_handle_t handle;
    long ref;
    domid_t domid = zombie_make(GNTMAP_host_map, &handle, &ref);

    REQUIRE(port > 0 && domid != DOMID_INVALID);
    EXPECT_TRUE(pending_soon((evtchn_port_t)port));
    event_clear((evtchn_port_t)port);
    EXPECT_TRUE(pair_is_dying(domid));
    EXPECT(grant_unmap_one(window, 0, handle), GNTST_okay);
    EXPECT_TRUE(pending_soon((evtchn_port_t)port));
    EXPECT_TRUE(pair_is_gone(domid));
    event_unbind((evtchn_port_t)port);
}

static long event_op(unsigned int command, domid_t dom, evtchn_port_t port)
{
    struct evtchn_alloc_unbound alloc = {.dom = dom, .remote_dom = 0};
    struct evtchn_bind_interdomain bind = {.remote_dom = dom, .remote_port = port};
    struct evtchn_status status = {.dom = dom, .port = port};

    return hypercall_event_channel_op(command, command == EVTCHNOP_alloc_unbound ? (void *)&alloc
                                               : command == EVTCHNOP_status      ? (void *)&status
                                                                                 : (void *)&bind);
}

// What can still be asked of a domain that is only waiting for others.
static void calls_on_a_zombie(void)
{
    static struct vcpu_guest_context context;
    grant_handle_t handle;
    xen_pfn_t frame = 5;
    struct xen_memory_reservation r = {.nr_extents = 1};
    struct xen_domctl op;
    long ref;
    domid_t domid = zombie_make(GNTMAP_host_map, &handle, &ref);

    REQUIRE(domid != DOMID_INVALID);
    set_xen_guest_handle(r.extent_start, &frame);
    r.domid = domid;
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 0);
    EXPECT(hypercall_memory_op(XENMEM_increase_reservation, &r), 0);
    EXPECT(event_op(EVTCHNOP_bind_interdomain, domid, 1), -XEN_EINVAL);
    EXPECT(event_op(EVTCHNOP_status, domid, 1), 0); // closed
    EXPECT_TRUE(event_op(EVTCHNOP_alloc_unbound, domid, 0) < 0);
    EXPECT(domctl_remote_shutdown(domid, SHUTDOWN_crash), 0);
    EXPECT(domctl_destroy(domid), 0);
    memset(&op, 0, sizeof(op));
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_max_mem, domid), 0);
    memset(&context, 0, sizeof(context));
    EXPECT_TRUE(domctl_set_vcpu_context(domid, 0, &context) < 0);
    EXPECT(domctl_max_vcpus(domid, 1), 0); // as it is
    EXPECT(domctl_max_vcpus(domid, 2), -XEN_EINVAL);
    EXPECT_TRUE(pair_is_dying(domid));
    EXPECT(grant_unmap_one(window, 0, handle), GNTST_okay);
    EXPECT_TRUE(pair_is_gone(domid));
}

// --- the mapper dies -------------------------------------------------------------------------------------

static long peer_maps(long dom, long ref, long flags)
{
    grant_handle_t handle;

    return grant_map_one(memory_reserve(1), dom, ref, (uint32_t)flags, &handle);
}

static void mapper_dies(void)
{
    static const uint32_t flags[] = {GNTMAP_host_map, GNTMAP_host_map | GNTMAP_readonly,
                                     GNTMAP_device_map, GNTMAP_host_map | GNTMAP_device_map,
                                     GNTMAP_device_map | GNTMAP_readonly};
    struct peer *peer = begin(0);
    long ref[2];

    REQUIRE(peer);
    for (size_t i = 0; i < 2; i++)
        ref[i] = grant_give(peer->domid, false, 0);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        EXPECT(peer_call(peer, peer_maps, 0, ref[i % 2], flags[i]), GNTST_okay);
    EXPECT(grant_take(ref[0], 0, 0), 0);
    EXPECT(peer_end(peer), true);
    EXPECT(grant_flags(ref[0], 0, 0), GTF_permit_access);
    EXPECT(grant_take(ref[0], 0, 0), 1);
    EXPECT(grant_take(ref[1], 0, 0), 1);
}

// Each has a page of the other; whoever goes first waits for the other.
static void both_die(void)
{
    struct peer *a = begin(0), *b = begin(1);
    domid_t first, second;
    long of_a, of_b;

    REQUIRE(a && b);
    of_a = peer_call(a, grant_give, b->domid, false, 0);
    of_b = peer_call(b, grant_give, a->domid, false, 0);
    EXPECT(peer_call(b, peer_maps, a->domid, of_a, GNTMAP_host_map), GNTST_okay);
    EXPECT(peer_call(a, peer_maps, b->domid, of_b, GNTMAP_host_map), GNTST_okay);
    first = peer_detach(a);
    EXPECT(domctl_destroy(first), 0);
    EXPECT_TRUE(pair_is_dying(first));
    EXPECT(peer_call(b, grant_flags, of_b, 0, 0), GTF_permit_access); // a has let go of it
    second = peer_detach(b);
    EXPECT(domctl_destroy(second), 0);
    EXPECT_TRUE(pair_is_gone(second));
    EXPECT_TRUE(pair_is_gone(first));
}

// --- what is left over -------------------------------------------------------------------------------------

#define SECRET 0x5ec4e7b10c0ffee5UL
#define SECRET_PAGES 256

static long fill_memory(long unused, long unused2, long unused3)
{
    long count = 0;
    uint64_t *page;

    (void)unused, (void)unused2, (void)unused3;
    while (count < SECRET_PAGES && (page = page_alloc_dirty(0)) != NULL) {
        for (int i = 0; i < 512; i++)
            page[i] = SECRET;
        count++;
    }
    return count;
}

// Memory of a domain that has died is handed out without anything of it.
static void memory_is_scrubbed(void)
{
    static xen_pfn_t frames[4096];
    struct xen_memory_reservation r = {.nr_extents = 4096};
    struct peer *peer = begin(0);
    unsigned int found = 0;
    long domid;

    REQUIRE(peer);
    EXPECT(peer_call(peer, fill_memory, 0, 0, 0), SECRET_PAGES);
    EXPECT(peer_end(peer), true);
    domid = bare_domain();
    REQUIRE(domid > 0);
    EXPECT(domctl_max_mem((domid_t)domid, 4 * 4096), 0);
    r.domid = (domid_t)domid;
    set_xen_guest_handle(r.extent_start, frames);
    for (unsigned int i = 0; i < 4096; i++)
        frames[i] = i;
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 4096);
    for (unsigned int i = 0; i < 4096; i += 64) {
        uint64_t *pages = memory_map_frames(&frames[i], 64, (domid_t)domid, MEMORY_READ, NULL);

        REQUIRE(pages);
        for (unsigned int page = 0; page < 64; page++)
            found += pages[page * 512] == SECRET || pages[page * 512 + 511] == SECRET;
        memory_unmap(pages, 64);
    }
    EXPECT(found, 0);
    EXPECT(domctl_destroy((domid_t)domid), 0);
    EXPECT_TRUE(pair_is_gone((domid_t)domid));
}

static const struct report_case cases[] = {
    REPORT_CASE(every_reason),
    REPORT_CASE(every_remote_reason),
    REPORT_CASE(code_before_shutdown),
    REPORT_CASE(suspended_and_resumed),
    REPORT_CASE(watchdog_bites),
    REPORT_CASE(crashes),
    REPORT_CASE(half_built),
    REPORT_CASE(never_started),
    REPORT_CASE(while_running),
    REPORT_CASE(while_blocked),
    REPORT_CASE(while_working),
    REPORT_CASE(while_paused),
    REPORT_CASE(twice),
    REPORT_CASE(granter_dies),
    REPORT_CASE(granter_dies_device),
    REPORT_CASE(events_of_a_zombie),
    REPORT_CASE(calls_on_a_zombie),
    REPORT_CASE(mapper_dies),
    REPORT_CASE(both_die),
    REPORT_CASE(memory_is_scrubbed),
};

GUEST_FAMILY(pair_death, REPORT_SUITE("pair_death", cases));
