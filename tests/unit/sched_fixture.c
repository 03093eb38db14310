// SPDX-License-Identifier: MIT
// A machine of simulated CPUs for tests of the scheduler. See sched_fixture.h.
#include "tests/unit/sched_fixture.h"
#include "event/event.h"
#include <CUnit/CUnit.h>
#include <string.h>

// --- events, as far as waits look at them
void (*before_look)(void), (*after_look)(void);

static void inject(void (**what)(void))
{
    void (*call)(void) = *what;
    *what = NULL; // once
    if (call)
        call();
}

bool event_pending(const struct vcpu *v)
{
    inject(&before_look);
    bool pending = v->info->evtchn_upcall_pending && !v->info->evtchn_upcall_mask;
    inject(&after_look);
    return pending;
}

enum refusal event_poll(struct domain *d, evtchn_port_t port, bool *is_pending)
{
    *is_pending = d->shared_info->evtchn_pending[port / 64] >> port % 64 & 1;
    return port ? REFUSE_NONE : REFUSE_EVENT_BAD_PORT;
}

void domain_shutdown(struct domain *d, uint8_t code)
{
    d->is_shutdown = true;
    d->shutdown_code = code;
}

// --- the machine

struct vcpu idle[MAX_CPUS];
static struct domain idle_domain;
uint64_t slice_end[MAX_CPUS];
struct vcpu *current[MAX_CPUS];
unsigned switches;

void machine_start(unsigned cpus)
{
    host_cpu_count = cpus;
    sched_init();
    memset(idle, 0, sizeof(idle));
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        cpu_get(cpu)->id = cpu;
        cpu_get(cpu)->softirq_pending = 0;
        timers_init_cpu(cpu);
        idle[cpu].id = cpu;
        idle[cpu].domain = &idle_domain;
        idle[cpu].is_online = true;
        sched_init_cpu(cpu, &idle[cpu]);
        current[cpu] = &idle[cpu];
        slice_end[cpu] = TIMER_NO_DEADLINE;
    }
}

struct domain *domain_start(domid_t id, unsigned vcpus, unsigned weight, unsigned cap)
{
    struct domain *d = host_domain_make(id, vcpus);
    sched_domain_init(d);
    CU_ASSERT_EQUAL(sched_set_weight_cap(d, weight, cap), REFUSE_NONE);
    for (unsigned i = 0; i < vcpus; i++) {
        sched_vcpu_init(d->vcpu[i], i % host_cpu_count);
        d->vcpu[i]->runstate.state_entry_time = host_now;
        d->vcpu[i]->is_online = true;
        sched_wake(d->vcpu[i]);
    }
    return d;
}

void domain_stop(struct domain *d)
{
    __atomic_add_fetch(&d->pause_count, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < d->max_vcpus; i++)
        sched_sleep(d->vcpu[i]);
}

void schedule(unsigned cpu)
{
    host_cpu_current = cpu;
    struct vcpu *prev = current[cpu], *next = sched_pick(cpu, host_now, &slice_end[cpu]);
    current[cpu] = next;
    if (next != prev) {
        switches++;
        sched_context_saved(prev);
    }
}

void settle(void)
{
    for (unsigned round = 0; round < 1000; round++) {
        bool quiet = true;
        unsigned first = host_random(host_cpu_count);
        for (unsigned i = 0; i < host_cpu_count; i++) {
            unsigned cpu = (first + i) % host_cpu_count;
            uint32_t pending = cpu_get(cpu)->softirq_pending;
            host_cpu_current = cpu;
            cpu_get(cpu)->softirq_pending = 0;
            if (pending >> SOFTIRQ_TIMER & 1)
                timers_run(cpu, host_now);
            if (pending >> SOFTIRQ_SCHEDULE & 1 || slice_end[cpu] <= host_now)
                schedule(cpu);
        }
        for (unsigned cpu = 0; cpu < host_cpu_count; cpu++)
            quiet &= cpu_get(cpu)->softirq_pending == 0;
        if (quiet)
            return;
    }
    CU_FAIL_FATAL("softirqs never end");
}

void domain_end(struct domain *d)
{
    domain_stop(d);
    settle();
    host_domain_drop(d);
}

void advance(uint64_t ns, uint64_t step)
{
    for (uint64_t end = host_now + ns; host_now < end; host_now += step) {
        for (unsigned cpu = 0; cpu < host_cpu_count; cpu++)
            if (cpu_get(cpu)->deadline <= host_now)
                cpu_get(cpu)->softirq_pending |= 1u << SOFTIRQ_TIMER;
        settle();
    }
}
