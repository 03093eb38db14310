// SPDX-License-Identifier: MIT
// The credit policy: proportional shares by weight over all CPUs, and caps.
//
// What is charged is the domain: its virtual time advances whenever one of its vcpus runs, more slowly the
// heavier it is, and the domain that has the least runs first. However the work goes round among its
// vcpus, all of it is in that one account.
// The vcpus of a domain have virtual times of their own, which say who of them is next, and who was asleep
// and may run before long work. They stay within a band around the account of the domain: not more than the
// wake-up bonus below it, not more than a slice above. So they change the order, and the account the shares.
// As the account advances while vcpus wait, they are compared when one is picked, not when they queue.
// The clock is the highest virtual time at which anything was picked (start-time fair queueing:
// Goyal, Guo, Vin, SIGCOMM 1996); a domain that wakes up starts near it, so sleeping saves up nothing but a
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

static uint64_t to_virtual(const struct domain *d, uint64_t ran)
{
    return MIN(ran, CHARGE_MAX) * SCHED_WEIGHT_DEFAULT / d->sched.weight;
}

static uint64_t account_read(const struct domain *d)
{
    return __atomic_load_n(&d->sched.vtime, __ATOMIC_RELAXED);
}

// Let an account or the clock be at least this.
static inline void raise_to(uint64_t *account, uint64_t least)
{
    uint64_t value = __atomic_load_n(account, __ATOMIC_RELAXED);
    while (difference(least, value) > 0 &&
           !__atomic_compare_exchange_n(account, &value, least, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
    }
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return difference(a, b) > 0 ? a : b;
}

// What counts of a vcpu that waits or runs: its own time, but at most the bonus ahead of its domain.
static uint64_t place_of(const struct vcpu *v)
{
    return later(v->sched.vtime, account_read(v->domain) - WAKE_BONUS);
}

static void credit_vcpu_init(struct vcpu *v)
{
    v->sched.vtime = clock_read();
    raise_to(&v->domain->sched.vtime, v->sched.vtime);
}

static void credit_wake(struct vcpu *v)
{
    struct domain *d = v->domain;
    uint64_t start = clock_read() - WAKE_BONUS;

    if (__atomic_load_n(&d->sched.active, __ATOMIC_RELAXED) <= 1) // the whole domain was asleep
        raise_to(&d->sched.vtime, start);
    v->sched.vtime = later(v->sched.vtime, start);
}

static void credit_picked(struct vcpu *v)
{
    raise_to(&credit_clock, account_read(v->domain));
}

static bool credit_precedes(const struct vcpu *a, const struct vcpu *b)
{
    return difference(place_of(a), place_of(b)) < 0;
}

static bool credit_preempts(const struct vcpu *v, const struct vcpu *running, uint64_t now)
{
    uint64_t theirs = place_of(running);
    if (running->runstate.state == RUNSTATE_running && now > running->sched.run_since)
        theirs += to_virtual(running->domain, now - running->sched.run_since);
    return difference(theirs, place_of(v)) > (int64_t)GRANULARITY;
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
    uint64_t used = to_virtual(d, ran), earliest = clock_read() - LAG_MAX;
    uint64_t active = __atomic_load_n(&d->sched.active, __ATOMIC_RELAXED);
    uint64_t account = __atomic_add_fetch(&d->sched.vtime, used, __ATOMIC_RELAXED);

    if (difference(account, earliest) < 0)
        raise_to(&d->sched.vtime, earliest);
    if (active > 1) { // behind those of its domain that wait, whose share it has used
        v->sched.vtime += used * active;
        uint64_t own = place_of(v), latest = account + to_virtual(d, SLICE);
        v->sched.vtime = difference(own, latest) > 0 ? latest : own;
    } else {
        v->sched.vtime = account;
    }
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
