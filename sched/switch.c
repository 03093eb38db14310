// SPDX-License-Identifier: MIT
// From the scheduler's decision to the switch: the handler of SOFTIRQ_SCHEDULE and the timers that
// end turns. Not part of the pure core: it knows the running CPU.
#include "hypervisor/context.h"

static struct timer slice_timer[HV_MAX_CPUS];

static void slice_over(void *data, uint64_t now)
{
    softirq_raise_here(SOFTIRQ_SCHEDULE);
}

void sched_run(void)
{
    unsigned cpu = this_cpu_id();
    struct timer *slice = &slice_timer[cpu];
    uint64_t slice_end;

    if (!slice->callback)
        timer_init(slice, slice_over, NULL, cpu);
    irq_disable();
    struct vcpu *prev = current_vcpu();
    uint64_t now = time_now();
    struct vcpu *next = sched_pick(cpu, now, &slice_end);
    if (slice_end == TIMER_NO_DEADLINE)
        timer_stop(slice);
    else
        timer_set(slice, slice_end);
    if (next != prev) {
        vcpu_timers_leave(prev);
        vcpu_timers_enter(next, now);
        context_switch(prev, next);
    }
    irq_enable();
}
