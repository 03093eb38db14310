// SPDX-License-Identifier: MIT
// Timers: a callback at a point of system time, per CPU.
//
// Owns: one heap of armed timers per CPU (intrusive, so arming never allocates).
// Invariants: a timer is in at most one heap, that of `timer->cpu`; callbacks run on that CPU, with
// interrupts enabled, from the timer softirq, without any timer lock, and never before the deadline.
// Locks: one LOCK_TIMER per heap, interrupts off, a leaf. Locks of two heaps are never nested.
// Not here: the hardware. When the earliest deadline of the running CPU changes, timer.c calls
// time_deadline_set() (hypervisor/time.h); on another CPU it raises SOFTIRQ_TIMER.
#pragma once

#include "hypervisor/types.h"

#define TIMER_NO_DEADLINE (~0ull)

struct timer {
    uint64_t deadline;                          // ns of system time
    void (*callback)(void *data, uint64_t now); // may arm timers, later than `now` only
    void *data;
    unsigned cpu;          // whose heap it uses; changed by timer_migrate only
    bool is_armed;         // in the heap
    uint8_t running;       // atomic: CPUs that are in its callback
    struct timer *child;   // heap links: first child, next sibling, and the previous
    struct timer *sibling; // sibling or, for a first child, the parent
    struct timer *previous;
};

void timers_init_cpu(unsigned cpu);

void timer_init(struct timer *t, void (*callback)(void *data, uint64_t now), void *data,
                unsigned cpu);

// Arm, or arm anew. A deadline that has passed fires at the next timers_run(), that is, at once.
void timer_set(struct timer *t, uint64_t deadline);

// Disarm. The callback may still be running on another CPU; timer_stop_sync() waits for it (callers:
// not from the callback itself, no locks held that the callback takes).
void timer_stop(struct timer *t);
void timer_stop_sync(struct timer *t);

// Move to another CPU's heap; stays armed. The caller is the only one who migrates this timer.
void timer_migrate(struct timer *t, unsigned cpu);

// Run every expired timer of `cpu`, the CPU that calls, and set the next deadline. Idempotent: early
// and late calls are fine. The APIC handler only raises the softirq; the softirq calls this.
void timers_run(unsigned cpu, uint64_t now);

// The earliest deadline of the heap of `cpu`.
uint64_t timers_next_deadline(unsigned cpu);
