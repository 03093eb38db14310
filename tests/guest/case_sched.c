// SPDX-License-Identifier: MIT
// sched_op and set_timer_op: giving the CPU away, waiting for events and for time.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/event_channel.h>
#include <xen/sched.h>

#include "pvguest/event.h"
#include "pvguest/time.h"
#include "pvguest/start.h"

static void yield(void)
{
    EXPECT(hypercall_sched_op(SCHEDOP_yield, NULL), 0);
}

// With an event pending, block returns at once; it unmasks upcalls as it goes to sleep.
static void block_with_pending_event(void)
{
    unsigned long saved = event_save();
    int port = event_bind_ipi(NULL, NULL);

    REQUIRE(port > 0);
    event_unmask(port);
    EXPECT(event_send(port), 0);
    EXPECT(hypercall_sched_op(SCHEDOP_block, NULL), 0);
    EXPECT_TRUE(!event_upcalls_masked());
    event_restore(saved);
    event_unbind(port);
}

static void block_until_timer(void)
{
    uint64_t start = time_now(), end = start + 5 * NSEC_PER_MSEC;

    EXPECT(hypercall_set_timer_op(end), 0);
    for (int i = 0; i < 50; i++) {
        unsigned long saved = event_save(); // what comes from here on keeps us from blocking
        if (time_now() >= end) {
            event_restore(saved);
            break;
        }
        EXPECT(hypercall_sched_op(SCHEDOP_block, NULL), 0); // lets events in
    }
    EXPECT_TRUE(time_now() >= end);
    EXPECT_TRUE(time_now() < start + NSEC_PER_SEC);
}

static void poll_ready_port(void)
{
    int port = event_bind_ipi(NULL, NULL);
    evtchn_port_t ports[1] = {(evtchn_port_t)port};
    struct sched_poll poll = {.nr_ports = 1, .timeout = time_now() + 10 * NSEC_PER_SEC};
    unsigned long saved;

    REQUIRE(port > 0);
    event_mask(port);
    set_xen_guest_handle(poll.ports, ports);
    saved = event_save();
    EXPECT(event_send(port), 0);
    EXPECT(hypercall_sched_op(SCHEDOP_poll, &poll), 0);
    EXPECT_TRUE(time_now() < poll.timeout);
    event_restore(saved);
    event_unbind(port);
}

// Xen takes a timer as due this much (ns) before its time; Paravane never.
#define XEN_TIMER_SLOP 50000

static void poll_timeout(void)
{
    int port = event_bind_ipi(NULL, NULL);
    evtchn_port_t ports[1] = {(evtchn_port_t)port};
    struct sched_poll poll = {.nr_ports = 1, .timeout = time_now() + 3 * NSEC_PER_MSEC};
    unsigned long saved;

    REQUIRE(port > 0);
    event_mask(port);
    set_xen_guest_handle(poll.ports, ports);
    saved = event_save();
    bool is_early, is_woken;
    do { // another event may end it early
        EXPECT(hypercall_sched_op(SCHEDOP_poll, &poll), 0);
        is_early = time_now() + (guest_is_on_paravane() ? 0 : XEN_TIMER_SLOP) < poll.timeout;
        is_woken = shared_info_page->vcpu_info[0].evtchn_upcall_pending;
    } while (is_early && is_woken);
    EXPECT_TRUE(!is_early);
    event_restore(saved);
    event_unbind(port);
}

static void poll_refused(void)
{
    evtchn_port_t ports[1] = {0xffffffffU};
    struct sched_poll poll = {.nr_ports = 1, .timeout = 1};

    set_xen_guest_handle(poll.ports, ports);
    EXPECT(hypercall_sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL);
    poll.nr_ports = 1000;
    EXPECT(hypercall_sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL);
    poll.nr_ports = 1;
    set_xen_guest_handle(poll.ports, HYPERVISOR_ADDRESS);
    EXPECT(hypercall_sched_op(SCHEDOP_poll, &poll), -XEN_EFAULT);
    EXPECT(hypercall_sched_op(SCHEDOP_poll, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void bad_arguments(void)
{
    struct sched_remote_shutdown remote = {.domain_id = ABSENT_DOMAIN, .reason = 0};

    EXPECT(hypercall_sched_op(SCHEDOP_shutdown, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_sched_op(SCHEDOP_shutdown_code, NON_CANONICAL), -XEN_EFAULT);
    EXPECT(hypercall_sched_op(SCHEDOP_remote_shutdown, &remote), -XEN_ESRCH);
    EXPECT(hypercall_sched_op(99, NULL), -XEN_ENOSYS);
}

static void watchdog(void)
{
    struct sched_watchdog w = {.id = 0, .timeout = 60};
    long id = hypercall_sched_op(SCHEDOP_watchdog, &w);

    EXPECT(id, 1);
    w.id = (uint32_t)id;
    EXPECT(hypercall_sched_op(SCHEDOP_watchdog, &w), 0);
    w.timeout = 0;
    EXPECT(hypercall_sched_op(SCHEDOP_watchdog, &w), 0);
    w.id = 1000;
    EXPECT(hypercall_sched_op(SCHEDOP_watchdog, &w), -XEN_EINVAL);
}

static void pin_override(void)
{
    struct sched_pin_override p = {.pcpu = -1};

    EXPECT(hypercall_sched_op(SCHEDOP_pin_override, &p), -XEN_EINVAL); // not pinned
    p.pcpu = 0x7fffffff;
    EXPECT(hypercall_sched_op(SCHEDOP_pin_override, &p), -XEN_EINVAL);
    p.pcpu = 0;
    EXPECT(hypercall_sched_op(SCHEDOP_pin_override, &p), 0);
    p.pcpu = -1;
    EXPECT(hypercall_sched_op(SCHEDOP_pin_override, &p), 0);
    EXPECT(hypercall_sched_op(SCHEDOP_pin_override, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

// Timers: in the future, in the past, off, and at the end of time.
static void timer_values(void)
{
    uint64_t now = time_now();

    EXPECT(hypercall_set_timer_op(now + NSEC_PER_MSEC), 0);
    EXPECT(hypercall_set_timer_op(1), 0);
    EXPECT(hypercall_set_timer_op(now - 1), 0);
    EXPECT(hypercall_set_timer_op(0x7fffffffffffffffUL), 0);
    EXPECT(hypercall_set_timer_op(0), 0);
}

static void set_flag(void *arg)
{
    *(volatile bool *)arg = true;
}

static void timer_fires_not_early(void)
{
    static struct timer timer;
    volatile bool fired = false;
    uint64_t deadline = time_now() + 2 * NSEC_PER_MSEC, limit = deadline + NSEC_PER_SEC;

    timer_set(&timer, deadline, set_flag, (void *)&fired);
    while (!fired && time_now() < limit) {
        if (fired)
            break;
    }
    EXPECT_TRUE(fired);
    EXPECT_TRUE(time_now() >= deadline);
}

static void timer_in_the_past_fires_at_once(void)
{
    static struct timer timer;
    volatile bool fired = false;
    uint64_t limit = time_now() + NSEC_PER_SEC;

    timer_set(&timer, 1, set_flag, (void *)&fired);
    while (!fired && time_now() < limit)
        ;
    EXPECT_TRUE(fired);
}

static void time_is_monotonic(void)
{
    uint64_t last = time_now();

    for (int i = 0; i < 10000; i++) {
        uint64_t now = time_now();

        if (now < last) {
            EXPECT_TRUE(now >= last);
            return;
        }
        last = now;
    }
}

static const struct report_case sched_cases[] = {
    REPORT_CASE(yield),
    REPORT_CASE(block_with_pending_event),
    REPORT_CASE(block_until_timer),
    REPORT_CASE(poll_ready_port),
    REPORT_CASE(poll_timeout),
    REPORT_CASE(poll_refused),
    REPORT_CASE(bad_arguments),
    REPORT_CASE(watchdog),
    REPORT_CASE(pin_override),
};

static const struct report_case timer_cases[] = {
    REPORT_CASE(timer_values),
    REPORT_CASE(timer_fires_not_early),
    REPORT_CASE(timer_in_the_past_fires_at_once),
    REPORT_CASE(time_is_monotonic),
};

GUEST_FAMILY(sched, REPORT_SUITE("sched_op", sched_cases),
             REPORT_SUITE("set_timer_op", timer_cases));
