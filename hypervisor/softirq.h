// SPDX-License-Identifier: MIT
// Softirqs: work that is put off until the CPU is about to leave the hypervisor or to idle. Comes
// with hypervisor/cpu.h. Each softirq has one handler; it runs with interrupts on and no locks held.
#pragma once

#include "hypervisor/cpu.h"

enum softirq {
    SOFTIRQ_TIMER,    // timer.c: run expired timers
    SOFTIRQ_NMI,      // traps.c: an NMI was taken, tell the hardware domain
    SOFTIRQ_CONSOLE,  // console.c: input has arrived
    SOFTIRQ_REAP,     // domain.c: put-off work of dying domains
    SOFTIRQ_SCHEDULE, // sched: pick the next vcpu; last, because its handler need not return
    SOFTIRQ_COUNT
};

void softirq_register(enum softirq s, void (*handler)(void));
void softirq_raise_here(enum softirq s);          // on this CPU; callable from interrupts
void softirq_raise(unsigned cpu, enum softirq s); // wakes it if it is another one

// Run what is pending, in the order of the enum; from the exit path to the guest and from the idle
// loop. Interrupts enabled on entry and on return.
void softirq_process(void);

static inline bool softirq_is_pending(void)
{
    return __atomic_load_n(&this_cpu()->softirq_pending, __ATOMIC_ACQUIRE) != 0;
}
