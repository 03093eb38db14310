// SPDX-License-Identifier: MIT
// vcpu_op: states, per-vcpu areas and timers, and a second vcpu: up, down, woken.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "pvguest/start.h"
#include "pvguest/time.h"
#include "tests/guest/smp.h"

#define OP(command, vcpu, arg) hypercall_vcpu_op(VCPUOP_##command, vcpu, arg)
#define ABSENT_VCPU 100

static void is_up(void)
{
    EXPECT(OP(is_up, 0, NULL), 1);
    EXPECT(OP(is_up, ABSENT_VCPU, NULL), -XEN_ENOENT);
    EXPECT(OP(is_up, 0xffffffffU, NULL), -XEN_ENOENT);
}

static void runstate(void)
{
    struct vcpu_runstate_info info;

    memset(&info, 0, sizeof(info));
    EXPECT(OP(get_runstate_info, 0, &info), 0);
    EXPECT(info.state, RUNSTATE_running);
    EXPECT_TRUE(info.time[RUNSTATE_running] > 0);
    EXPECT(OP(get_runstate_info, 0, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void runstate_area(void)
{
    static struct vcpu_runstate_info info __attribute__((aligned(64)));
    struct vcpu_register_runstate_memory_area area;
    struct vcpu_runstate_info *nowhere = NULL;

    area.addr.v = &info;
    EXPECT(OP(register_runstate_memory_area, 0, &area), 0);
    EXPECT(info.state, RUNSTATE_running);
    area.addr.v = nowhere;
    EXPECT(OP(register_runstate_memory_area, 0, &area), 0);
    area.addr.v = HYPERVISOR_ADDRESS;
    EXPECT(OP(register_runstate_memory_area, 0, &area), -XEN_EFAULT);
    area.addr.p = (uint64_t)NON_CANONICAL;
    EXPECT(OP(register_runstate_memory_area, 0, &area), -XEN_EFAULT);
    EXPECT(OP(register_runstate_memory_area, 0, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void singleshot_timer(void)
{
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = time_now() + NSEC_PER_SEC};

    EXPECT(OP(set_singleshot_timer, 0, &timer), 0);
    EXPECT(OP(stop_singleshot_timer, 0, NULL), 0);
    timer.timeout_abs_ns = 1;
    timer.flags = VCPU_SSHOTTMR_future;
    EXPECT(OP(set_singleshot_timer, 0, &timer), 0);
    EXPECT(OP(set_singleshot_timer, 0, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(OP(set_singleshot_timer, 1, &timer), -XEN_EINVAL);
    EXPECT(OP(stop_singleshot_timer, 1, NULL), -XEN_EINVAL);
}

static void periodic_timer(void)
{
    EXPECT(OP(stop_periodic_timer, 0, NULL), 0);
    EXPECT(OP(stop_periodic_timer, ABSENT_VCPU, NULL), -XEN_ENOENT);
}

static void periodic_timer_limits(void)
{
    struct vcpu_set_periodic_timer timer = {.period_ns = NSEC_PER_MSEC - 1};

    EXPECT(OP(set_periodic_timer, 0, &timer), -XEN_EINVAL);
    timer.period_ns = ~0UL;
    EXPECT(OP(set_periodic_timer, 0, &timer), -XEN_EINVAL);
    timer.period_ns = NSEC_PER_SEC;
    EXPECT(OP(set_periodic_timer, 0, &timer), 0);
    EXPECT(OP(stop_periodic_timer, 0, NULL), 0);
    EXPECT(OP(set_periodic_timer, 0, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void time_area(void)
{
    static struct vcpu_time_info info __attribute__((aligned(64)));
    struct vcpu_register_time_memory_area area;
    struct vcpu_time_info *nowhere = NULL;

    area.addr.v = &info;
    EXPECT(OP(register_vcpu_time_memory_area, 0, &area), 0);
    EXPECT_TRUE(info.version != 0 && (info.version & 1) == 0);
    EXPECT_TRUE(info.tsc_to_system_mul != 0);
    area.addr.v = nowhere;
    EXPECT(OP(register_vcpu_time_memory_area, 0, &area), 0);
    area.addr.v = HYPERVISOR_ADDRESS;
    EXPECT(OP(register_vcpu_time_memory_area, 0, &area), -XEN_EFAULT);
    area.addr.p = (uint64_t)NON_CANONICAL;
    EXPECT(OP(register_vcpu_time_memory_area, 0, &area), -XEN_EFAULT);
    area.addr.p = ~0UL; // an end that is not there is found when it is written
    EXPECT(OP(register_vcpu_time_memory_area, 0, &area), 0);
    area.addr.p = 0;
    EXPECT(OP(register_vcpu_time_memory_area, 0, &area), 0);
    EXPECT(OP(register_vcpu_time_memory_area, 0, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

// Without a handler the interrupt waits for one, unseen.
static void nmi_without_handler(void)
{
    EXPECT(OP(send_nmi, 1, HYPERVISOR_ADDRESS), -XEN_EINVAL);
    EXPECT(OP(send_nmi, ABSENT_VCPU, NULL), -XEN_ENOENT);
    EXPECT(OP(send_nmi, 1, NULL), 0);
}

static void physical_identifier(void)
{
    struct vcpu_get_physid id;

    EXPECT(OP(get_physid, 0, &id), -XEN_EINVAL);
    EXPECT(OP(get_physid, ABSENT_VCPU, &id), -XEN_ENOENT);
}

static void info_refused(void)
{
    struct vcpu_register_vcpu_info info = {.mfn = ABSENT_FRAME, .offset = 0};

    EXPECT(OP(register_vcpu_info, 1, &info), -XEN_EINVAL);
    info.mfn = virt_to_mfn(shared_info_page);
    info.offset = PAGE_SIZE - 8;
    EXPECT(OP(register_vcpu_info, 1, &info), -XEN_ENXIO);
    EXPECT(OP(register_vcpu_info, 1, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(OP(register_vcpu_info, ABSENT_VCPU, &info), -XEN_ENOENT);
}

static void not_initialised(void)
{
    EXPECT(OP(up, 1, NULL), -XEN_EINVAL);
    EXPECT(OP(is_up, 1, NULL), 0);
    EXPECT(OP(initialise, 1, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(OP(initialise, ABSENT_VCPU, NULL), -XEN_ENOENT);
}

static void bad_context(void)
{
    static struct vcpu_guest_context context;

    memset(&context, 0, sizeof(context));
    context.ctrlreg[3] = ABSENT_FRAME << PAGE_SHIFT;
    EXPECT_TRUE(OP(initialise, 1, &context) < 0);
    EXPECT(OP(up, 1, NULL), -XEN_EINVAL);
}

static bool second_reached(unsigned long count)
{
    uint64_t limit = time_now() + 2 * NSEC_PER_SEC;

    while (time_now() < limit) {
        if (smp_ran[1] >= count && OP(is_up, 1, NULL) == 0)
            return true;
        hypercall_sched_op(0, NULL);
    }
    return false;
}

static void second_vcpu(void)
{
    REQUIRE(EXPECT(smp_initialise(1), 0));
    EXPECT(smp_initialise(1), -XEN_EEXIST);
    EXPECT(OP(up, 1, NULL), 0);
    EXPECT_TRUE(second_reached(1));
    EXPECT(OP(up, 1, NULL), 0);
    EXPECT_TRUE(second_reached(2));
    EXPECT(OP(down, 1, NULL), 0);
}

// Two vcpus wake each other by turns, each out of a poll: not one event may be lost on the way.
#define TURNS 3000
static evtchn_port_t ports[2]; // [i] wakes vcpu i
static volatile unsigned long turns[2], polls_that_timed_out;

static bool take_event(evtchn_port_t port)
{
    uint64_t bit = 1UL << port % 64;

    return __atomic_fetch_and(&shared_info_page->evtchn_pending[port / 64], ~bit,
                              __ATOMIC_SEQ_CST) &
           bit;
}

static void play(unsigned int me)
{
    struct evtchn_send send = {.port = ports[!me]};

    while (turns[me] < TURNS) {
        struct sched_poll poll = {.nr_ports = 1, .timeout = time_now() + 2 * NSEC_PER_SEC};

        set_xen_guest_handle(poll.ports, &ports[me]);
        hypercall_sched_op(SCHEDOP_poll, &poll);
        if (take_event(ports[me])) {
            turns[me]++;
            hypercall_event_channel_op(EVTCHNOP_send, &send);
        } else if (time_now() >= poll.timeout) {
            polls_that_timed_out++;
            return;
        }
    }
}

static void second_plays(unsigned int me)
{
    play(1);
}

static void no_wakeup_is_lost(void)
{
    struct evtchn_send first = {.port = 0};
    unsigned long before = smp_ran[1];

    smp_initialise(1);
    for (unsigned int i = 0; i < 2; i++) {
        struct evtchn_bind_ipi bind = {.vcpu = i};
        REQUIRE(EXPECT(hypercall_event_channel_op(EVTCHNOP_bind_ipi, &bind), 0));
        ports[i] = bind.port;
        __atomic_fetch_or(&shared_info_page->evtchn_mask[bind.port / 64], 1UL << bind.port % 64,
                          __ATOMIC_SEQ_CST);
    }
    smp_start(1, second_plays);
    first.port = ports[0];
    EXPECT(hypercall_event_channel_op(EVTCHNOP_send, &first), 0);
    play(0);
    EXPECT_TRUE(second_reached(before + 1));
    EXPECT(turns[0], TURNS);
    EXPECT(turns[1], TURNS);
    EXPECT(polls_that_timed_out, 0);
    for (unsigned int i = 0; i < 2; i++) {
        struct evtchn_close close = {.port = ports[i]};
        EXPECT(hypercall_event_channel_op(EVTCHNOP_close, &close), 0);
    }
}

// What a vcpu has read through an address, another must not read there after it was told to flush.
#define REMAPS 200
static uint64_t *volatile watched;
static volatile uint64_t watched_value;
static volatile unsigned long watched_times;
static volatile bool watch_ends;

static void second_watches(unsigned int me)
{
    while (!watch_ends) {
        watched_value = *(volatile uint64_t *)watched;
        watched_times++;
    }
}

// Lets the other vcpu look again, from the start of a look.
static bool watched_again(void)
{
    unsigned long seen = watched_times;
    uint64_t limit = time_now() + 2 * NSEC_PER_SEC;

    while (watched_times < seen + 2 && time_now() < limit)
        hypercall_sched_op(SCHEDOP_yield, NULL);
    return watched_times >= seen + 2;
}

// Maps a frame at the watched address in one of the ways that flush the other vcpu.
static long remap(uint64_t mfn, unsigned int way)
{
    static unsigned long both = 3;
    uint64_t entry = pte_make(mfn, PTE_RAM);
    struct mmu_update request = {memory_pte_maddr(watched) | MMU_NORMAL_PT_UPDATE, entry};
    struct mmuext_op flush = {.cmd = MMUEXT_INVLPG_ALL};

    switch (way) {
    case 0:
        return hypercall_update_va_mapping(watched, entry, UVMF_INVLPG | UVMF_ALL);
    case 1:
        return hypercall_update_va_mapping(watched, entry, UVMF_TLB_FLUSH | UVMF_ALL);
    case 2:
        return hypercall_update_va_mapping(watched, entry, UVMF_INVLPG | (unsigned long)&both);
    default:
        if (hypercall_mmu_update(&request, 1, NULL, DOMID_SELF) != 0)
            return -1;
        flush.arg1.linear_addr = (unsigned long)watched;
        return hypercall_mmuext_op(&flush, 1, NULL, DOMID_SELF);
    }
}

static void no_stale_translation(void)
{
    uint64_t *pages[2] = {page_alloc(0), page_alloc(0)};
    uint64_t mfns[2] = {virt_to_mfn(pages[0]), virt_to_mfn(pages[1])};
    unsigned long before = smp_ran[1];
    unsigned int stale = 0;

    REQUIRE(pages[0] && pages[1]);
    smp_initialise(1);
    pages[0][0] = 0;
    pages[1][0] = 1;
    watched = pages[0];
    watch_ends = false;
    smp_start(1, second_watches);
    EXPECT_TRUE(watched_again());
    for (unsigned int i = 0; i < REMAPS; i++) {
        REQUIRE(EXPECT(remap(mfns[i & 1], i / 2 % 4), 0) && EXPECT_TRUE(watched_again()));
        stale += watched_value != (i & 1);
    }
    EXPECT(stale, 0);
    watch_ends = true;
    EXPECT_TRUE(second_reached(before + 1));
    EXPECT(page_set_writable(pages[0]), 0);
    page_free(pages[0], 0);
    page_free(pages[1], 0);
}

static void unknown_command(void)
{
    EXPECT(hypercall_vcpu_op(99, 0, NULL), -XEN_ENOSYS);
    EXPECT(hypercall_vcpu_op(99, ABSENT_VCPU, NULL), -XEN_ENOENT);
}

static const struct report_case cases[] = {
    REPORT_CASE(is_up),
    REPORT_CASE(runstate),
    REPORT_CASE(runstate_area),
    REPORT_CASE(singleshot_timer),
    REPORT_CASE(periodic_timer),
    REPORT_CASE(info_refused),
    REPORT_CASE(not_initialised),
    REPORT_CASE(bad_context),
    REPORT_CASE(second_vcpu),
    REPORT_CASE(no_wakeup_is_lost),
    REPORT_CASE(no_stale_translation),
    REPORT_CASE(unknown_command),
    REPORT_CASE(periodic_timer_limits),
    REPORT_CASE(time_area),
    REPORT_CASE(nmi_without_handler),
    REPORT_CASE(physical_identifier),
};

GUEST_FAMILY(vcpu, REPORT_SUITE("vcpu_op", cases));
