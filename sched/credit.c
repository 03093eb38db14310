// SPDX-License-Identifier: MIT
// The credit policy: proportional shares by weight over all CPUs, and caps.
//
// Each vcpu has a virtual time that advances while it runs, more slowly the heavier its domain is;
// what has the least runs first. A domain's weight is shared by those of its vcpus that want to run.
// The clock is the highest virtual time at which anything was picked (start-time fair queueing:
// Goyal, Guo, Vin, SIGCOMM 1996); who wakes up starts near it, so sleeping saves up nothing but a
// small bonus that lets short work preempt long. Nobody falls behind the clock by more than a bound,
// because with fewer runnable vcpus than CPUs weights cannot be honoured and must not be remembered.
// A cap limits a domain to a percentage of one CPU, window by window; what was overrun counts in the
// next windows.
// Virtual times wrap: they are compared by their difference. All state but the clock and the
// domain's counters is guarded by the queue lock; those are atomic.
#include "hypervisor/domain.h"

#define SLICE (SCHED_CREDIT_SLICE_MS * NS_PER_MS)
#define SLICE_MIN (100 * NS_PER_US)
#define WINDOW (30 * NS_PER_MS)
#define WAKE_BONUS (5 * NS_PER_MS)  // virtual
#define GRANULARITY (1 * NS_PER_MS) // virtual; smaller differences preempt nobody
#define LAG_MAX (100 * NS_PER_MS)   // virtual
#define CHARGE_MAX (10 * NS_PER_S)

static uint64_t credit_clock;

// a - b, with wrap-around.
static int64_t difference(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b);
}

static uint64_t clock_read(void)
{
    return __atomic_load_n(&credit_clock, __ATOMIC_RELAXED);
}

// Virtual time of `ran` ns, at the weight that one active vcpu of the domain has.
static uint64_t to_virtual(const struct domain *d, uint64_t ran)
{
    uint64_t active = __atomic_load_n(&d->sched.active, __ATOMIC_RELAXED);
    return MIN(ran, CHARGE_MAX) * SCHED_WEIGHT_DEFAULT * MAX(active, 1) / d->sched.weight;
}

static void credit_vcpu_init(struct vcpu *v)
{
    v->sched.vtime = clock_read();
}

static void credit_wake(struct vcpu *v)
{
    uint64_t start = clock_read() - WAKE_BONUS;
    if (difference(v->sched.vtime, start) < 0)
        v->sched.vtime = start;
}

static void credit_picked(struct vcpu *v)
{
    uint64_t clock = clock_read();
    while (difference(v->sched.vtime, clock) > 0 &&
           !__atomic_compare_exchange_n(&credit_clock, &clock, v->sched.vtime, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

static bool credit_precedes(const struct vcpu *a, const struct vcpu *b)
{
    return difference(a->sched.vtime, b->sched.vtime) < 0;
}

static bool credit_preempts(const struct vcpu *v, const struct vcpu *running, uint64_t now)
{
    uint64_t theirs = running->sched.vtime;
    if (running->runstate.state == RUNSTATE_running && now > running->sched.run_since)
        theirs += to_virtual(running->domain, now - running->sched.run_since);
    return difference(theirs, v->sched.vtime) > (int64_t)GRANULARITY;
}

static uint64_t cap_allowance(const struct domain *d)
{
    return d->sched.cap * WINDOW / 100;
}

// Bring the domain's use of its cap to the window of `now`; the one who moves the window forgives
// the allowance of the windows that have passed.
static void cap_advance(struct domain *d, uint64_t now)
{
    uint64_t window = now / WINDOW;
    uint64_t seen = __atomic_load_n(&d->sched.cap_window, __ATOMIC_RELAXED);
    if (seen >= window || !__atomic_compare_exchange_n(&d->sched.cap_window, &seen, window, false,
                                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    uint64_t forgiven = (window - seen) * cap_allowance(d);
    uint64_t used = __atomic_load_n(&d->sched.cap_used, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&d->sched.cap_used, &used,
                                        used > forgiven ? used - forgiven : 0, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

static void credit_charge(struct vcpu *v, uint64_t ran, uint64_t now)
{
    struct domain *d = v->domain;
    uint64_t earliest = clock_read() - LAG_MAX;

    v->sched.vtime += to_virtual(d, ran);
    if (difference(v->sched.vtime, earliest) < 0)
        v->sched.vtime = earliest;
    if (d->sched.cap) {
        cap_advance(d, now);
        __atomic_fetch_add(&d->sched.cap_used, ran, __ATOMIC_RELAXED);
    }
}

static bool credit_is_capped(struct vcpu *v, uint64_t now)
{
    struct domain *d = v->domain;
    if (!d->sched.cap)
        return false;
    cap_advance(d, now);
    return __atomic_load_n(&d->sched.cap_used, __ATOMIC_RELAXED) >= cap_allowance(d);
}

static uint64_t credit_slice(struct vcpu *v, uint64_t now)
{
    const struct domain *d = v->domain;
    if (!d->sched.cap)
        return SLICE;
    uint64_t used = __atomic_load_n(&d->sched.cap_used, __ATOMIC_RELAXED);
    uint64_t left = cap_allowance(d) > used ? cap_allowance(d) - used : 0;
    return MAX(MIN(left, SLICE), SLICE_MIN);
}

static uint64_t credit_next_window(uint64_t now)
{
    return (now / WINDOW + 1) * WINDOW;
}

const struct sched_policy sched_credit = {
    .name = "SMP Credit Scheduler",
    .id = XEN_SCHEDULER_CREDIT,
    .vcpu_init = credit_vcpu_init,
    .wake = credit_wake,
    .charge = credit_charge,
    .picked = credit_picked,
    .precedes = credit_precedes,
    .preempts = credit_preempts,
    .is_capped = credit_is_capped,
    .slice = credit_slice,
    .next_window = credit_next_window,
};
