// SPDX-License-Identifier: MIT
/* Late answers to events, on a port and a clock of this program's. */
#include <CUnit/CUnit.h>
#include <string.h>

#include "pvguest/event_late.h"
#include "tests/report.h"

#define REMOTE 7U
#define PORT 5U

static struct {
    event_handler *handler;
    void *arg;
    bool bound, masked, pending;
} port;
static uint64_t now;
static struct timer *set;
static unsigned int handled;
static bool work; /* what the handler tells the consumer */

unsigned long event_save(void)
{
    return 0;
}

void event_restore(unsigned long saved)
{
    (void)saved;
}

/* Delivers what is pending, as an upcall does. */
static void upcall(void)
{
    while (port.bound && port.pending && !port.masked) {
        port.pending = false;
        port.handler(PORT, port.arg);
    }
}

static void send(void)
{
    port.pending = true;
    upcall();
}

void event_mask(evtchn_port_t p)
{
    CU_ASSERT_EQUAL(p, PORT);
    port.masked = true;
}

void event_unmask(evtchn_port_t p)
{
    CU_ASSERT_EQUAL(p, PORT);
    CU_ASSERT_TRUE(port.bound);
    port.masked = false;
    upcall();
}

void event_unbind(evtchn_port_t p)
{
    CU_ASSERT_EQUAL(p, PORT);
    memset(&port, 0, sizeof(port));
}

int event_bind_interdomain(domid_t remote, evtchn_port_t remote_port, event_handler *handler,
                           void *arg)
{
    if (remote != REMOTE || remote_port != 1) {
        return -22;
    }
    port.handler = handler;
    port.arg = arg;
    port.bound = true;
    upcall();
    return PORT;
}

uint64_t time_now(void)
{
    return now;
}

void timer_set(struct timer *timer, uint64_t deadline, void (*fn)(void *arg), void *arg)
{
    CU_ASSERT_PTR_NULL(set);
    *timer = (struct timer){.deadline = deadline, .fn = fn, .arg = arg, .active = true};
    set = timer;
}

bool timer_cancel(struct timer *timer)
{
    bool was = set != NULL && set == timer;

    set = was ? NULL : set;
    return was;
}

static void time_passes(uint64_t ns)
{
    now += ns;
    if (set != NULL && set->deadline <= now) {
        struct timer *timer = set;
        set = NULL;
        timer->fn(timer->arg);
    }
}

static void handler(evtchn_port_t p, void *arg)
{
    (void)p, (void)arg;
    handled++;
    work = true;
}

static struct event_late late;

static void bind(void)
{
    memset(&port, 0, sizeof(port));
    now = 1000;
    handled = 0;
    work = false;
    CU_ASSERT_EQUAL_FATAL(event_late_bind(&late, REMOTE, 1, handler, NULL), PORT);
}

/* Sends between any two steps, and a consumer that finds nothing: the upcalls of ten seconds. */
static void storm(void)
{
    uint64_t last = 0, most = 0;

    bind();
    for (uint64_t end = now + 10 * NSEC_PER_SEC; now < end;) {
        send();
        if (work) {
            work = false;
            CU_ASSERT_TRUE(now - last <= EVENT_LATE_DELAY_MAX_NS + NSEC_PER_MSEC);
            most = handled > 1 && now - last > most ? now - last : most;
            last = now;
            event_eoi(&late, true);
            event_eoi(&late, true); /* a turn for another reason */
        }
        time_passes(NSEC_PER_MSEC / 10);
    }
    CU_ASSERT_TRUE(handled > 100 && handled < 10 * NSEC_PER_SEC / EVENT_LATE_DELAY_MAX_NS + 10);
    CU_ASSERT_TRUE(most >= EVENT_LATE_DELAY_MAX_NS);
    struct event_late_counts counts;
    CU_ASSERT_TRUE(event_late_counts_next(-1, &counts));
    CU_ASSERT_EQUAL(counts.remote, REMOTE);
    CU_ASSERT_EQUAL(counts.events, handled);
    CU_ASSERT_TRUE(counts.delayed + 2 >= counts.spurious);
    CU_ASSERT_FALSE(event_late_counts_next(REMOTE, &counts));
    event_late_unbind(&late);
    CU_ASSERT_FALSE(event_late_counts_next(-1, &counts));
}

/* Work opens the port at once, in a delay too, and all that went before is forgotten. */
static void work_is_served(void)
{
    bind();
    for (unsigned int i = 0; i < 1000; i++) {
        send();
        CU_ASSERT_EQUAL(handled, i + 1);
        event_eoi(&late, false);
    }
    for (unsigned int i = 0; i < 5; i++) {
        send();
        event_eoi(&late, true);
        time_passes(EVENT_LATE_DELAY_MAX_NS);
    }
    send();
    event_eoi(&late, true);
    CU_ASSERT_PTR_NOT_NULL(set);
    send();
    CU_ASSERT_EQUAL(handled, 1006);
    event_eoi(&late, false);
    CU_ASSERT_PTR_NULL(set);
    CU_ASSERT_EQUAL(handled, 1007); /* the one from the delay */
    event_eoi(&late, true);
    CU_ASSERT_FALSE(port.masked); /* the first of a new row */
    event_late_unbind(&late);
}

/* Without an event there is nothing to answer; what is sent before the answer comes with it. */
static void no_event_is_lost(void)
{
    bind();
    event_eoi(&late, true);
    event_eoi(&late, false);
    CU_ASSERT_FALSE(port.masked);
    for (unsigned int i = 0; i < 20; i++) {
        send();
        CU_ASSERT_TRUE(port.masked);
        send();
        work = false;
        event_eoi(&late, true);
        time_passes(EVENT_LATE_DELAY_MAX_NS);
        CU_ASSERT_TRUE(work);
        event_eoi(&late, i % 3 == 0);
        time_passes(EVENT_LATE_DELAY_MAX_NS);
        CU_ASSERT_FALSE(port.masked || port.pending);
    }
    event_late_unbind(&late);
}

/* Closed in a delay, and the port bound again: it opens with the binding and no old timer touches it. */
static void closed_in_a_delay(void)
{
    struct event_late never = {0};

    bind();
    send();
    event_eoi(&late, true);
    send();
    event_eoi(&late, true);
    CU_ASSERT_PTR_NOT_NULL(set);
    event_late_unbind(&late);
    CU_ASSERT_PTR_NULL(set);
    bind();
    send();
    CU_ASSERT_TRUE(port.masked);
    time_passes(NSEC_PER_SEC);
    CU_ASSERT_TRUE(port.masked);
    event_late_unbind(&late);
    event_late_unbind(&late);
    event_eoi(&never, false);
    event_eoi(&never, true);
    CU_ASSERT_TRUE(event_late_bind(&never, REMOTE, 2, handler, NULL) < 0);
    event_late_unbind(&never);
}

static const struct report_case cases[] = {
    REPORT_CASE(storm),
    REPORT_CASE(work_is_served),
    REPORT_CASE(no_event_is_lost),
    REPORT_CASE(closed_in_a_delay),
};

int main(void)
{
    return report_run("event_late", cases, sizeof(cases) / sizeof(cases[0]));
}
