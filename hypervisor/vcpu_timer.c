// SPDX-License-Identifier: MIT
// Timers of vcpus. See vcpu_timer.h. The fields are touched on the vcpu's own CPU only, or while it
// is off every CPU; the callbacks read what does not change then.
#include "hypervisor/domain.h"

#define PERIOD_DEFAULT (10 * NS_PER_MS)

static void raise_tick(void *data, uint64_t now)
{
    event_raise_virq(data, VIRQ_TIMER);
}

static void periodic_tick(void *data, uint64_t now)
{
    struct vcpu *v = data;
    uint64_t period = __atomic_load_n(&v->periodic_period, __ATOMIC_RELAXED);
    if (!period)
        return;
    v->periodic_last = now;
    event_raise_virq(v, VIRQ_TIMER);
    timer_set(&v->periodic_timer, now + period);
}

void vcpu_timers_init(struct vcpu *v)
{
    timer_init(&v->singleshot_timer, raise_tick, v, v->sched.cpu);
    timer_init(&v->periodic_timer, periodic_tick, v, v->sched.cpu);
    v->periodic_period = PERIOD_DEFAULT;
    v->periodic_last = time_now();
}

void vcpu_timers_stop(struct vcpu *v)
{
    __atomic_store_n(&v->periodic_period, 0, __ATOMIC_RELAXED);
    timer_stop_sync(&v->singleshot_timer);
    timer_stop_sync(&v->periodic_timer);
}

void vcpu_timer_set_oneshot(struct vcpu *v, uint64_t deadline, uint64_t now)
{
    if (deadline == 0 || deadline <= now)
        timer_stop(&v->singleshot_timer);
    if (deadline == 0)
        return;
    if (deadline <= now) {
        event_raise_virq(v, VIRQ_TIMER);
        return;
    }
    timer_migrate(&v->singleshot_timer, this_cpu_id());
    timer_set(&v->singleshot_timer, deadline);
}

void vcpu_timer_set_period(struct vcpu *v, uint64_t period, uint64_t now)
{
    timer_stop_sync(&v->periodic_timer);
    __atomic_store_n(&v->periodic_period, period, __ATOMIC_RELAXED);
    v->periodic_last = now;
    if (period && __atomic_load_n(&v->sched.is_running, __ATOMIC_ACQUIRE))
        timer_set(&v->periodic_timer, now + period);
}

void vcpu_timers_enter(struct vcpu *v, uint64_t now)
{
    uint64_t period = v->periodic_period;
    if (!period)
        return;
    if (now >= v->periodic_last + period) {
        v->periodic_last = now;
        event_raise_virq(v, VIRQ_TIMER);
    }
    timer_migrate(&v->periodic_timer, this_cpu_id());
    timer_set(&v->periodic_timer, v->periodic_last + period);
}

void vcpu_timers_leave(struct vcpu *v)
{
    if (v->periodic_period)
        timer_stop(&v->periodic_timer);
}
