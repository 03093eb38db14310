// SPDX-License-Identifier: MIT
// The scheduler core: which vcpu runs where. Policy stands behind struct sched_policy.
//
// Owns: run queues, the idle vcpus' place in them, block/poll/wake, runstate accounting.
// Invariants: a vcpu is in one run queue iff it is runnable and not the current one of a CPU (or it
// is parked there, over its cap); a vcpu whose context is still live on a CPU (`is_running`) is never
// picked by another CPU nor moved; every CPU has an idle vcpu that is in no queue.
// No lost wake-ups: who blocks announces it first, then looks for events again; who raises an event
// sets the pending bit first, then looks for blocked vcpus. Full barriers pair on both sides.
// Locks: LOCK_SCHED of a CPU's queue (interrupts off), nests inside event locks and takes nothing
// inside but LOCK_TIMER. A second queue lock is only tried, never waited for.
#pragma once

#include "hypervisor/refusal.h"
#include "hypervisor/timer.h"
#include <xen/event_channel.h>
#include <xen/vcpu.h>

struct domain;
struct vcpu;

#define SCHED_ALL_CPUS (~0ull) // affinities are one bit a CPU
#define SCHED_WEIGHT_DEFAULT 256
#define SCHED_WEIGHT_MAX 65535
#define SCHED_WATCHDOGS 2
#define SCHED_CREDIT_SLICE_MS 10

struct sched_vcpu {
    struct list link; // in a run queue, in a parked list, or alone
    unsigned cpu;     // the queue it belongs to; changed with that queue's lock held
    bool is_queued, is_parked;
    bool is_running; // atomic: context live on `cpu`, from the pick until sched_context_saved()
    bool is_blocked; // atomic: SCHEDOP_block
    bool is_yielding;
    evtchn_port_t poll_port; // port waited for, 0 = several; meaningful with its bit in poll_mask
    uint64_t hard_affinity, soft_affinity;
    uint64_t saved_affinity; // while SCHEDOP_pin_override is in force, else 0
    uint64_t run_since;      // when it was picked, or last charged
    uint64_t cpu_time;       // ns it has run in all, up to run_since
    uint64_t vtime;          // policy: virtual time it has used
    struct timer poll_timer;
};

struct sched_domain {
    uint16_t weight;     // share of the CPUs, 1..SCHED_WEIGHT_MAX
    uint16_t cap;        // percent of one CPU, 0 = no limit
    uint32_t poll_mask;  // atomic: vcpus that are in SCHEDOP_poll
    uint32_t active;     // atomic: vcpus that run or want to
    uint64_t vtime;      // atomic, policy: virtual time that all its vcpus have used
    uint64_t cap_used;   // atomic: ns used in the current window, and what was overrun before
    uint64_t cap_window; // atomic: number of that window
    struct timer watchdog[SCHED_WATCHDOGS]; // ids 1, 2 of SCHEDOP_watchdog
    uint32_t watchdogs_used;
};

// --- life cycle
void sched_init(void);                                // before anything else here
void sched_init_cpu(unsigned cpu, struct vcpu *idle); // `idle` runs there now
void sched_domain_init(struct domain *d);
void sched_domain_destroy(struct domain *d);        // stops its timers
void sched_vcpu_init(struct vcpu *v, unsigned cpu); // asleep; `cpu`: first choice
void sched_vcpu_destroy(struct vcpu *v);            // after sched_sleep_sync()

// --- state changes. `wake` and `sleep` only make the scheduler look again at pause counts, is_online
// and so on: change those first, then call.
bool sched_is_runnable(const struct vcpu *v);
bool sched_is_waiting(const struct vcpu *v); // in SCHEDOP_block or SCHEDOP_poll
void sched_wake(struct vcpu *v);
void sched_sleep(struct vcpu *v);
void sched_sleep_sync(struct vcpu *v); // waits until its context is off every CPU; not on itself
// Something is pending for it: end a block or poll, or, if it runs elsewhere, make it look.
void sched_kick(struct vcpu *v);

// Take a vcpu down (VCPUOP_down). False when it is the last one that is up: then it stays so, and its domain
// has come to its end. Of several calls at once one finds itself the last.
bool sched_go_down(struct vcpu *v);

// --- operations of the running vcpu; it leaves the CPU at the next softirq
void sched_yield_cpu(struct vcpu *v);
void sched_block(struct vcpu *v); // unmasks its upcalls; does not block if an event is pending
// Wait until one of the ports is pending, an upcall is due, or `deadline` (ns, TIMER_NO_DEADLINE)
// has come. The ports are looked at one after another: EVENT_BAD_PORT at the first that is not bound.
enum refusal sched_poll(struct vcpu *v, const evtchn_port_t *ports, unsigned count,
                        uint64_t deadline);
// A port of `d` has become pending (after its bit is set): end the polls that wait for it.
void sched_poll_notify(struct domain *d, evtchn_port_t port);

// --- the switch. SOFTIRQ_SCHEDULE runs sched_run(); it picks, and when the vcpu changes calls
// context_switch(prev, next), which does not return.
void sched_run(void);
struct vcpu *sched_pick(unsigned cpu, uint64_t now, uint64_t *slice_end);
void sched_context_saved(struct vcpu *prev); // prev's state is all in memory

// --- parameters (domctl). REFUSE_BAD_ARGUMENT.
enum refusal sched_set_affinity(struct vcpu *v, uint64_t hard, uint64_t soft);
enum refusal sched_set_weight_cap(struct domain *d, unsigned weight, unsigned cap);

// --- time used, including the turn that runs now
uint64_t sched_cpu_time(struct vcpu *v, uint64_t now);
void sched_runstate_get(struct vcpu *v, struct vcpu_runstate_info *out, uint64_t now);
void sched_runstate_set(struct vcpu *v, int state, uint64_t now); // queue lock held

// --- hooks of a policy; called with the lock of the vcpu's queue held
struct sched_policy {
    const char *name;
    unsigned id; // XEN_SCHEDULER_*
    void (*vcpu_init)(struct vcpu *v);
    void (*wake)(struct vcpu *v);                               // it was not runnable before
    void (*charge)(struct vcpu *v, uint64_t ran, uint64_t now); // it ran for `ran` ns
    void (*picked)(struct vcpu *v);
    bool (*precedes)(const struct vcpu *a, const struct vcpu *b); // who is picked first
    bool (*preempts)(const struct vcpu *v, const struct vcpu *running, uint64_t now);
    bool (*is_capped)(struct vcpu *v, uint64_t now); // must wait for the next window
    uint64_t (*slice)(struct vcpu *v, uint64_t now); // ns that it may run
    uint64_t (*next_window)(uint64_t now);           // when caps are relaxed again
};
extern const struct sched_policy sched_credit;
