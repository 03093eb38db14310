// SPDX-License-Identifier: MIT
// Timer heaps against a flat list: random arming, stopping, moving and running on several CPUs.
#include "hypervisor/cpu.h"
#include "hypervisor/time.h"
#include "hypervisor/timer.h"
#include "tests/report.h"
#include "tests/unit/host/cores.h"
#include <CUnit/CUnit.h>

#define TIMERS 150
#define CPUS 4

static struct timer timer[TIMERS];
static struct model {
    bool armed;
    uint64_t deadline;
    unsigned cpu;
} model[TIMERS];
static uint64_t run_now, last_fired;
static unsigned run_cpu, fired;

static void callback(void *data, uint64_t now)
{
    struct model *m = data;
    unsigned i = (unsigned)(m - model);

    CU_ASSERT_FATAL(m->armed);
    CU_ASSERT_FATAL(m->deadline <= now && now == run_now);
    CU_ASSERT_EQUAL_FATAL(m->cpu, run_cpu);
    CU_ASSERT_FATAL(m->deadline >= last_fired); // in order
    last_fired = m->deadline;
    m->armed = false;
    fired++;
    if (host_random(4) == 0) { // callbacks may arm timers, their own too
        m->armed = true;
        m->deadline = now + 1 + host_random(1000);
        timer_set(&timer[i], m->deadline);
    }
}

static uint64_t model_next(unsigned cpu)
{
    uint64_t next = TIMER_NO_DEADLINE;
    for (unsigned i = 0; i < TIMERS; i++)
        if (model[i].armed && model[i].cpu == cpu)
            next = MIN(next, model[i].deadline);
    return next;
}

static void check(void)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        uint64_t next = model_next(cpu);
        CU_ASSERT_EQUAL_FATAL(timers_next_deadline(cpu), next);
        // The CPU will come in time: by its hardware, or because it has been told to look.
        bool told = cpu_get(cpu)->softirq_pending >> SOFTIRQ_TIMER & 1;
        CU_ASSERT_FATAL(told || cpu_get(cpu)->deadline <= next);
    }
}

static void run_on(unsigned cpu)
{
    unsigned before = host_cpu_current;
    host_cpu_current = run_cpu = cpu;
    run_now = host_now;
    last_fired = 0;
    cpu_get(cpu)->softirq_pending = 0;
    timers_run(cpu, host_now);
    CU_ASSERT_FATAL(model_next(cpu) > host_now);
    host_cpu_current = before;
}

static void setup(void)
{
    host_cpu_count = CPUS;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        cpu_get(cpu)->deadline = TIME_NEVER;
        timers_init_cpu(cpu);
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        model[i] = (struct model){.cpu = i % CPUS};
        timer_init(&timer[i], callback, &model[i], i % CPUS);
    }
}

static void random_against_model(void)
{
    setup();
    for (unsigned step = 0; step < 60000; step++) {
        unsigned i = host_random(TIMERS);
        host_cpu_current = host_random(CPUS);
        switch (host_random(6)) {
        case 0:
        case 1:
            model[i].armed = true;
            // Now and then the past and the end of time.
            model[i].deadline = host_random(20)  ? host_now + host_random(5000) - 500
                                : host_random(2) ? 0
                                                 : TIMER_NO_DEADLINE - 1;
            timer_set(&timer[i], model[i].deadline);
            break;
        case 2:
            model[i].armed = false;
            if (host_random(2))
                timer_stop(&timer[i]);
            else
                timer_stop_sync(&timer[i]);
            break;
        case 3:
            model[i].cpu = host_random(CPUS);
            timer_migrate(&timer[i], model[i].cpu);
            break;
        case 4:
            host_now += host_random(300);
            break;
        default:
            run_on(host_random(CPUS));
        }
        if (step % 7 == 0)
            check();
    }
    CU_ASSERT(fired > 1000);
}

static void equal_deadlines_all_fire(void)
{
    setup();
    for (unsigned i = 0; i < TIMERS; i++) {
        timer_migrate(&timer[i], 0);
        model[i] = (struct model){.armed = true, .deadline = host_now + 5};
        timer_set(&timer[i], host_now + 5);
    }
    unsigned before = fired;
    run_on(0);
    CU_ASSERT_EQUAL(fired, before); // never early
    host_now += 5;
    run_on(0);
    CU_ASSERT_EQUAL(fired, before + TIMERS);
}

// A callback during which its timer is looked at by somebody who wants to free it.
static void looking_from_callback(void *data, uint64_t now)
{
    struct timer *t = data;
    (void)now;
    CU_ASSERT_EQUAL(t->running, 1);
    CU_ASSERT_FALSE(t->is_armed);
}

static void running_is_visible(void)
{
    struct timer t;
    setup();
    timer_init(&t, looking_from_callback, &t, 1);
    timer_set(&t, 1);
    host_cpu_current = 1;
    timers_run(1, host_now);
    CU_ASSERT_EQUAL(t.running, 0);
}

static void remote_arming_tells_the_cpu(void)
{
    setup();
    host_cpu_current = 0;
    cpu_get(2)->softirq_pending = 0;
    model[2] = (struct model){.armed = true, .deadline = host_now + 100, .cpu = 2};
    timer_set(&timer[2], host_now + 100);
    CU_ASSERT(cpu_get(2)->softirq_pending >> SOFTIRQ_TIMER & 1);
    run_on(2);
    CU_ASSERT_EQUAL(cpu_get(2)->deadline, host_now + 100);
}

static const struct report_case cases[] = {
    REPORT_CASE(random_against_model),
    REPORT_CASE(equal_deadlines_all_fire),
    REPORT_CASE(running_is_visible),
    REPORT_CASE(remote_arming_tells_the_cpu),
};

int main(void)
{
    return report_run("timer", cases, sizeof(cases) / sizeof(cases[0]));
}
