// SPDX-License-Identifier: MIT
// The scheduler core: which vcpu runs where. Policy stands behind struct sched_policy.
//
// Owns: run queues, the idle vcpus' place in them, block/poll/wake, runstate accounting.
// Invariants: a vcpu is in one run queue iff it is runnable and not running; a vcpu whose context is
// still live on a CPU (`is_running`) is never picked by another CPU nor moved; every CPU has an idle
// vcpu that is always runnable and in no queue.
// No lost wake-ups: who blocks announces it first, then looks for events again; who raises an event
// sets the pending bit first, then looks for blocked vcpus. Full barriers pair on both sides.
// Locks: LOCK_SCHED of a CPU's queue (interrupts off), nests inside event and grant locks and takes
// nothing inside but LOCK_TIMER. Two queue locks: lower CPU number first.
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "hypervisor/refusal.h"
#include "hypervisor/timer.h"
#include "hypervisor/types.h"
#include <xen/event_channel.h>

struct domain;
struct vcpu;

#define SCHED_ALL_CPUS (~0ull) // affinities are one bit a CPU

struct sched_vcpu {
    struct list link;   // in a run queue, or alone
    unsigned cpu;       // the queue it belongs to; changed with that queue's lock held
    bool is_queued;
    bool is_running;    // context live on `cpu`: from the pick until sched_context_saved()
    bool is_blocked;    // atomic: SCHEDOP_block
    bool is_parked;     // over its domain's cap until the next accounting
    bool is_boosted;    // has just woken up from a wait
    bool is_yielding;
    evtchn_port_t poll_port; // port waited for, 0 = any; meaningful with its bit in poll_mask
    uint64_t hard_affinity, soft_affinity;
    uint64_t run_since; // when it was picked, or last charged
    int64_t credit;     // ns of CPU time it may still use before its turn is over
    uint64_t cpu_time;  // ns it has run in all, without the current turn
    struct timer poll_timer;
    struct vcpu *next_active; // policy: list of vcpus that share the credit
    bool is_active;
};

struct sched_domain {
    uint16_t weight; // share of the CPUs, 1..65535
    uint16_t cap;    // percent of one CPU, 0 = no limit
    uint32_t poll_mask; // atomic: vcpus that are in SCHEDOP_poll
    uint64_t cap_used;  // ns used since the last accounting
    struct watchdog {
        struct timer timer;
        bool is_used;
    } watchdog[2]; // ids 1 and 2 of SCHEDOP_watchdog
};

// --- life cycle
void sched_init(void);                                       // before anything else here
void sched_init_cpu(unsigned cpu, struct vcpu *idle);        // `idle` runs there now
void sched_domain_init(struct domain *d);
void sched_domain_destroy(struct domain *d);                 // stops its timers
void sched_vcpu_init(struct vcpu *v, unsigned cpu);          // asleep; `cpu`: first choice
void sched_vcpu_destroy(struct vcpu *v);                     // after sched_sleep_sync()

// --- state changes. `wake` and `sleep` only make the scheduler look again at pause counts, is_online
// and so on: change those first, then call.
bool sched_is_runnable(const struct vcpu *v);
void sched_wake(struct vcpu *v);
void sched_sleep(struct vcpu *v);
void sched_sleep_sync(struct vcpu *v); // waits until its context is off every CPU; not on itself
// Something is pending for it: end a block, or, if it runs elsewhere, make it enter the hypervisor.
void sched_kick(struct vcpu *v);

// --- operations of the running vcpu; it leaves the CPU at the next softirq
void sched_yield(struct vcpu *v);
void sched_block(struct vcpu *v); // unmasks events first, and does not block if one is pending
// Wait until one of the ports is pending or `deadline` (ns, TIMER_NO_DEADLINE) has come.
enum refusal sched_poll(struct vcpu *v, const evtchn_port_t *ports, unsigned count,
                        uint64_t deadline, uint64_t now);
// A port of `d` has become pending (after its bit is set): end the polls that wait for it.
void sched_poll_notify(struct domain *d, evtchn_port_t port);

// --- the switch. On SOFTIRQ_SCHEDULE the exit path calls sched_run(); it picks, and when the vcpu
// changes calls context_switch(prev, next), which may not return.
void sched_run(void);
struct vcpu *sched_pick(unsigned cpu, uint64_t now, uint64_t *slice_end);
void sched_context_saved(struct vcpu *prev); // from context_switch: prev's state is all in memory
struct vcpu *sched_current(unsigned cpu);    // what the scheduler has put there
extern struct vcpu *sched_idle_vcpu[];       // by CPU

// --- parameters (domctl)
enum refusal sched_set_affinity(struct vcpu *v, uint64_t hard, uint64_t soft);
enum refusal sched_set_weight_cap(struct domain *d, unsigned weight, unsigned cap);

// --- time used, including the turn that runs now
uint64_t sched_cpu_time(const struct vcpu *v, uint64_t now);
struct vcpu_runstate_info;
void sched_runstate_get(struct vcpu *v, struct vcpu_runstate_info *out, uint64_t now);

// --- hooks of a policy; all but `init` are called with the lock of the queue of `cpu` held
struct sched_policy {
    const char *name;
    unsigned id; // XEN_SCHEDULER_*
    void (*vcpu_init)(struct vcpu *v);
    void (*vcpu_remove)(struct vcpu *v);
    // Insert a runnable vcpu in the order of the queue; true when it should preempt what runs there.
    bool (*enqueue)(struct list *queue, struct vcpu *v, const struct vcpu *running);
    // Charge `ran` ns to the vcpu that ran.
    void (*charge)(struct vcpu *v, uint64_t ran);
    // Choose between `running` (NULL when it cannot go on) and the head of the queue; the time slice.
    struct vcpu *(*choose)(struct list *queue, struct vcpu *running, uint64_t *slice);
    // True when `v` may be taken by a CPU that has nothing better than `priority`.
    bool (*may_steal)(const struct vcpu *v, const struct vcpu *instead_of);
    // Every SCHED_ACCOUNT_PERIOD on one CPU: hand out shares. Called without queue locks.
    void (*account)(uint64_t period, unsigned cpus);
};

#endif
