// SPDX-License-Identifier: MIT
// Run queues, waking, sleeping and picking. See sched.h for invariants and locks.
//
// One queue a CPU; the policy says who of it is next, first come first served where it does not care, when
// somebody is picked. Work moves in two ways: a vcpu that wakes up goes to
// an idle CPU when there is one it may use, and a CPU that picks takes from another queue what
// should run before its own best choice. So no CPU idles while a vcpu that it could run waits, and
// shares are fair over all CPUs, not within each.
#include "sched/sched.h"
#include "hypervisor/domain.h"
#include "hypervisor/smp.h"

struct sched_cpu {
    struct spinlock lock;
    unsigned id;
    struct vcpu *current, *idle;
    struct list queue, parked;
    unsigned waiting; // length of `queue`; others peek at it without the lock
} __attribute__((aligned(64)));

// An idle CPU looks again for work that it could not get at.
#define STEAL_RETRY NS_PER_MS

static struct sched_cpu sched_cpus[HV_MAX_CPUS];
static uint64_t sched_online_mask, sched_idle_mask; // atomic, one bit a CPU
static struct timer sched_window_timer;
static const struct sched_policy *const policy = &sched_credit;

static inline uint64_t bit(unsigned cpu)
{
    return 1ull << cpu;
}

static inline struct vcpu *vcpu_of(struct list *link)
{
    return CONTAINER_OF(link, struct vcpu, sched.link);
}

static inline bool is_idle_vcpu(const struct sched_cpu *c, const struct vcpu *v)
{
    return v == c->idle;
}

static uint64_t sched_online_cpus(void)
{
    return __atomic_load_n(&sched_online_mask, __ATOMIC_RELAXED);
}

static bool may_use(const struct vcpu *v, unsigned cpu)
{
    uint64_t hard = __atomic_load_n(&v->sched.hard_affinity, __ATOMIC_RELAXED);
    return (hard & bit(cpu)) != 0;
}

// Its context is live on a CPU. Pairs with the release in sched_context_saved().
static bool is_live(const struct vcpu *v)
{
    return __atomic_load_n(&v->sched.is_running, __ATOMIC_ACQUIRE);
}

// Lock the queue that the vcpu belongs to, which may be changing.
static struct sched_cpu *queue_lock(struct vcpu *v, uint64_t *flags)
{
    for (;;) {
        unsigned cpu = __atomic_load_n(&v->sched.cpu, __ATOMIC_ACQUIRE);
        struct sched_cpu *c = &sched_cpus[cpu];
        *flags = spin_lock_irqsave(&c->lock);
        if (__atomic_load_n(&v->sched.cpu, __ATOMIC_RELAXED) == cpu)
            return c;
        spin_unlock_irqrestore(&c->lock, *flags);
    }
}

static void queue_insert(struct sched_cpu *c, struct vcpu *v)
{
    list_append(&c->queue, &v->sched.link);
    v->sched.is_queued = true;
    __atomic_store_n(&c->waiting, c->waiting + 1, __ATOMIC_RELAXED);
}

static void queue_remove(struct sched_cpu *c, struct vcpu *v)
{
    list_remove(&v->sched.link);
    v->sched.is_queued = false;
    __atomic_store_n(&c->waiting, c->waiting - 1, __ATOMIC_RELAXED);
}

static void park(struct sched_cpu *c, struct vcpu *v, uint64_t now)
{
    v->sched.is_parked = true;
    list_append(&c->parked, &v->sched.link);
    timer_set(&sched_window_timer, policy->next_window(now));
}

static void unpark(struct vcpu *v)
{
    list_remove(&v->sched.link);
    v->sched.is_parked = false;
}

// A new window of the caps: parked vcpus compete again.
static void window_begin(void *data, uint64_t now)
{
    bool some_left = false;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        struct sched_cpu *c = &sched_cpus[cpu];
        uint64_t flags = spin_lock_irqsave(&c->lock);
        struct list *next;
        for (struct list *pos = c->parked.next; pos != &c->parked; pos = next) {
            struct vcpu *v = vcpu_of(pos);
            next = pos->next;
            if (policy->is_capped(v, now)) {
                some_left = true;
                continue;
            }
            unpark(v);
            queue_insert(c, v);
        }
        softirq_raise(cpu, SOFTIRQ_SCHEDULE); // it takes from others what it can run
        spin_unlock_irqrestore(&c->lock, flags);
    }
    if (some_left)
        timer_set(&sched_window_timer, policy->next_window(now));
}

enum refusal sched_set_weight_cap(struct domain *d, unsigned weight, unsigned cap)
{
    if (weight < 1 || weight > SCHED_WEIGHT_MAX || cap > 100 * d->max_vcpus)
        return REFUSE_BAD_ARGUMENT;
    __atomic_store_n(&d->sched.weight, (uint16_t)weight, __ATOMIC_RELAXED);
    __atomic_store_n(&d->sched.cap, (uint16_t)cap, __ATOMIC_RELAXED);
    window_begin(NULL, time_now()); // who waited for the old cap competes again
    return REFUSE_NONE;
}

void sched_init(void)
{
    for (unsigned cpu = 0; cpu < HV_MAX_CPUS; cpu++) {
        struct sched_cpu *c = &sched_cpus[cpu];
        *c = (struct sched_cpu){.lock = SPINLOCK(LOCK_SCHED), .id = cpu};
        list_init(&c->queue);
        list_init(&c->parked);
    }
    sched_online_mask = sched_idle_mask = 0;
    timer_init(&sched_window_timer, window_begin, NULL, 0);
}

void sched_init_cpu(unsigned cpu, struct vcpu *idle)
{
    struct sched_cpu *c = &sched_cpus[cpu];
    idle->sched.hard_affinity = idle->sched.soft_affinity = bit(cpu);
    idle->sched.cpu = cpu;
    idle->sched.is_running = true;
    idle->sched.run_since = time_now();
    c->idle = c->current = idle;
    __atomic_fetch_or(&sched_online_mask, bit(cpu), __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&sched_idle_mask, bit(cpu), __ATOMIC_SEQ_CST);
}

bool sched_is_runnable(const struct vcpu *v)
{
    const struct domain *d = v->domain;
    return __atomic_load_n(&v->is_online, __ATOMIC_ACQUIRE) &&
           !__atomic_load_n(&v->sched.is_blocked, __ATOMIC_ACQUIRE) &&
           !(__atomic_load_n(&d->sched.poll_mask, __ATOMIC_ACQUIRE) >> v->id & 1) &&
           !__atomic_load_n(&v->pause_count, __ATOMIC_ACQUIRE) &&
           !__atomic_load_n(&d->pause_count, __ATOMIC_ACQUIRE) &&
           !__atomic_load_n(&d->controller_pause_count, __ATOMIC_ACQUIRE) &&
           !__atomic_load_n(&d->is_shutdown, __ATOMIC_ACQUIRE) &&
           !__atomic_load_n(&d->is_dying, __ATOMIC_ACQUIRE);
}

bool sched_is_waiting(const struct vcpu *v)
{
    return __atomic_load_n(&v->sched.is_blocked, __ATOMIC_ACQUIRE) ||
           (__atomic_load_n(&v->domain->sched.poll_mask, __ATOMIC_ACQUIRE) >> v->id & 1);
}

// Where a vcpu that wakes up should wait: an idle CPU if possible, and near to its last place.
static unsigned choose_cpu(const struct vcpu *v)
{
    uint64_t allowed = v->sched.hard_affinity & sched_online_cpus();
    uint64_t preferred = allowed & v->sched.soft_affinity;
    uint64_t idle = __atomic_load_n(&sched_idle_mask, __ATOMIC_RELAXED);
    uint64_t last = bit(v->sched.cpu);

    uint64_t choice[] = {preferred & idle & last, preferred & idle, allowed & idle,
                         preferred & last,        preferred,        allowed};
    for (unsigned i = 0; i < ARRAY_SIZE(choice); i++)
        if (choice[i])
            return (unsigned)__builtin_ctzll(choice[i]);
    return v->sched.cpu;
}

static bool is_in_place(const struct sched_cpu *c, const struct vcpu *v)
{
    return c->current == v || v->sched.is_queued || v->sched.is_parked;
}

// Why it does not compete for a CPU.
static int rest_state(const struct vcpu *v)
{
    return sched_is_waiting(v) ? RUNSTATE_blocked : RUNSTATE_offline;
}

// Put a runnable vcpu that is in no queue into one. The lock of *c is held, and is exchanged for
// that of the new queue. `may_move`: its context is in memory.
static void place(struct sched_cpu **c, struct vcpu *v, uint64_t *flags, bool may_move)
{
    unsigned cpu = choose_cpu(v);
    if (may_move && cpu != (*c)->id) {
        __atomic_store_n(&v->sched.cpu, cpu, __ATOMIC_RELEASE);
        spin_unlock_irqrestore(&(*c)->lock, *flags);
        *c = queue_lock(v, flags);
        if (is_in_place(*c, v))
            return; // somebody else was faster
        // Who stopped it meanwhile found it in no queue.
        if (!sched_is_runnable(v)) {
            sched_runstate_set(v, rest_state(v), time_now());
            return;
        }
    }
    queue_insert(*c, v);
    struct vcpu *running = (*c)->current;
    if (is_idle_vcpu(*c, running) || policy->preempts(v, running, time_now()))
        softirq_raise((*c)->id, SOFTIRQ_SCHEDULE);
}

void sched_wake(struct vcpu *v)
{
    uint64_t flags, now = time_now();
    struct sched_cpu *c = queue_lock(v, &flags);

    if (sched_is_runnable(v)) {
        if (!is_in_place(c, v)) {
            if (v->runstate.state >= RUNSTATE_blocked)
                sched_runstate_set(v, RUNSTATE_runnable, now);
            policy->wake(v);
            place(&c, v, &flags, !is_live(v));
        }
    } else if (v->runstate.state == RUNSTATE_blocked && !sched_is_waiting(v)) {
        sched_runstate_set(v, RUNSTATE_offline, now);
    }
    spin_unlock_irqrestore(&c->lock, flags);
}

void sched_sleep(struct vcpu *v)
{
    uint64_t flags, now = time_now();
    struct sched_cpu *c = queue_lock(v, &flags);

    if (!sched_is_runnable(v)) {
        if (c->current == v) {
            softirq_raise(c->id, SOFTIRQ_SCHEDULE);
        } else if (is_in_place(c, v)) {
            if (v->sched.is_queued)
                queue_remove(c, v);
            else
                unpark(v);
            sched_runstate_set(v, RUNSTATE_offline, now);
        }
    }
    spin_unlock_irqrestore(&c->lock, flags);
}

void sched_sleep_sync(struct vcpu *v)
{
    sched_sleep(v);
    while (!sched_is_runnable(v) && is_live(v))
        cpu_relax();
}

void sched_kick(struct vcpu *v)
{
    bool was_blocked = __atomic_exchange_n(&v->sched.is_blocked, false, __ATOMIC_SEQ_CST);
    uint32_t mask = 1u << v->id;
    if (__atomic_load_n(&v->domain->sched.poll_mask, __ATOMIC_SEQ_CST) & mask)
        was_blocked |= (__atomic_fetch_and(&v->domain->sched.poll_mask, ~mask, __ATOMIC_SEQ_CST) &
                        mask) != 0;
    if (was_blocked)
        sched_wake(v);
    // Pairs with the fence in sched_pick(): either it finds the event on its way to the guest, or we
    // see here that it runs. An interrupt too many is harmless.
    unsigned cpu = __atomic_load_n(&v->sched.cpu, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&v->sched.is_running, __ATOMIC_SEQ_CST) && cpu != this_cpu_id())
        cpu_kick(cpu);
}

void sched_yield_cpu(struct vcpu *v)
{
    v->sched.is_yielding = true;
    softirq_raise_here(SOFTIRQ_SCHEDULE);
}

// The best of the own queue; what is over its cap is parked on the way.
static struct vcpu *best_waiting(struct sched_cpu *c, uint64_t now)
{
    struct vcpu *best = NULL;
    struct list *next;
    for (struct list *pos = c->queue.next; pos != &c->queue; pos = next) {
        struct vcpu *v = vcpu_of(pos);
        next = pos->next;
        if (!may_use(v, c->id))
            continue;
        if (policy->is_capped(v, now)) {
            queue_remove(c, v);
            park(c, v, now);
        } else if (!best || policy->precedes(v, best)) {
            best = v;
        }
    }
    return best;
}

// Take a vcpu from another queue that should run before `best` (NULL: anything is better). Queues
// that somebody has locked are left out, and *missed tells so.
static struct vcpu *steal(struct sched_cpu *c, const struct vcpu *best, uint64_t now, bool *missed)
{
    for (unsigned i = 1; i < cpu_count(); i++) {
        struct sched_cpu *other = &sched_cpus[(c->id + i) % cpu_count()];
        if (!__atomic_load_n(&other->waiting, __ATOMIC_RELAXED))
            continue;
        if (!spin_trylock(&other->lock)) {
            *missed = true;
            continue;
        }
        struct vcpu *found = NULL;
        LIST_FOR_EACH(pos, &other->queue)
        {
            struct vcpu *v = vcpu_of(pos);
            if (is_live(v) || !may_use(v, c->id) || policy->is_capped(v, now))
                continue;
            if (found ? policy->precedes(v, found) : !best || policy->preempts(v, best, now))
                found = v;
        }
        if (found) {
            queue_remove(other, found);
            __atomic_store_n(&found->sched.cpu, c->id, __ATOMIC_RELEASE);
        }
        spin_unlock(&other->lock);
        if (found)
            return found;
    }
    return NULL;
}

// Account for the time of the vcpu that ran.
static void end_turn(struct sched_cpu *c, struct vcpu *v, uint64_t now)
{
    uint64_t ran = now > v->sched.run_since ? now - v->sched.run_since : 0;
    v->sched.run_since += ran;
    v->sched.cpu_time += ran;
    if (!is_idle_vcpu(c, v))
        policy->charge(v, ran, now);
}

// The vcpu leaves the CPU: to the queue, to the parked ones, or to wait for a wake-up. Whether it
// `wants` to run was looked at once: who made it runnable since then waits for our lock in
// sched_wake(), and must find it in no queue to see that there is something to do.
static void leave(struct sched_cpu *c, struct vcpu *v, bool wants, uint64_t now)
{
    if (is_idle_vcpu(c, v)) {
        sched_runstate_set(v, RUNSTATE_runnable, now);
    } else if (!wants) {
        sched_runstate_set(v, rest_state(v), now);
    } else {
        sched_runstate_set(v, RUNSTATE_runnable, now);
        if (policy->is_capped(v, now))
            park(c, v, now);
        else
            queue_insert(c, v); // if it may not stay, sched_context_saved() moves it
    }
}

static void enter(struct sched_cpu *c, struct vcpu *v, uint64_t now)
{
    sched_runstate_set(v, RUNSTATE_running, now);
    v->sched.run_since = now;
    if (is_idle_vcpu(c, v))
        __atomic_fetch_or(&sched_idle_mask, bit(c->id), __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&sched_idle_mask, ~bit(c->id), __ATOMIC_SEQ_CST);
    __atomic_store_n(&c->current, v, __ATOMIC_RELEASE);
    __atomic_store_n(&v->sched.is_running, true, __ATOMIC_SEQ_CST);
    // Pairs with sched_kick(): from here on whoever raises an event sees it running.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

// Work waits in this queue: let an idle CPU that can have it come and take it, unless it has been
// told already. Lock held.
static void call_for_help(struct sched_cpu *c)
{
    uint64_t idle = __atomic_load_n(&sched_idle_mask, __ATOMIC_RELAXED) & ~bit(c->id);
    LIST_FOR_EACH(pos, &c->queue)
    {
        uint64_t helpers = idle & vcpu_of(pos)->sched.hard_affinity;
        for (; helpers; helpers &= helpers - 1) {
            unsigned cpu = (unsigned)__builtin_ctzll(helpers);
            uint32_t told = __atomic_load_n(&cpu_get(cpu)->softirq_pending, __ATOMIC_RELAXED);
            if (told >> SOFTIRQ_SCHEDULE & 1)
                continue;
            softirq_raise(cpu, SOFTIRQ_SCHEDULE);
            return;
        }
    }
}

// This CPU was idle, so it may have been the one that was called for help; now that it is busy the
// call goes on to the next.
static void pass_call_on(struct sched_cpu *c)
{
    for (unsigned i = 1; i < cpu_count(); i++) {
        struct sched_cpu *other = &sched_cpus[(c->id + i) % cpu_count()];
        if (!__atomic_load_n(&other->waiting, __ATOMIC_RELAXED) || !spin_trylock(&other->lock))
            continue;
        call_for_help(other);
        spin_unlock(&other->lock);
    }
}

struct vcpu *sched_pick(unsigned cpu, uint64_t now, uint64_t *slice_end)
{
    struct sched_cpu *c = &sched_cpus[cpu];
    uint64_t flags = spin_lock_irqsave(&c->lock);
    struct vcpu *prev = c->current;
    end_turn(c, prev, now);
    bool wants = !is_idle_vcpu(c, prev) && sched_is_runnable(prev);
    bool may_stay = wants && may_use(prev, cpu) && !policy->is_capped(prev, now);
    struct vcpu *next = best_waiting(c, now);

    if (may_stay && (!next || (!prev->sched.is_yielding && !policy->precedes(next, prev))))
        next = prev;
    prev->sched.is_yielding = false;
    bool missed = false;
    struct vcpu *better = steal(c, next, now, &missed);
    if (better)
        next = better;
    else if (next && next != prev)
        queue_remove(c, next);
    if (!next)
        next = c->idle;
    if (next != prev) {
        leave(c, prev, wants, now);
        enter(c, next, now);
    }
    *slice_end = missed ? now + STEAL_RETRY : TIMER_NO_DEADLINE; // for an idle CPU
    if (!is_idle_vcpu(c, next)) {
        policy->picked(next);
        *slice_end = now + policy->slice(next, now);
        call_for_help(c);
        if (is_idle_vcpu(c, prev))
            pass_call_on(c);
    }
    spin_unlock_irqrestore(&c->lock, flags);
    return next;
}

void sched_context_saved(struct vcpu *prev)
{
    uint64_t flags;
    struct sched_cpu *c = queue_lock(prev, &flags);
    // Still waiting here although another CPU could have it, or this one must not keep it?
    if (prev->sched.is_queued && choose_cpu(prev) != c->id) {
        queue_remove(c, prev);
        place(&c, prev, &flags, true);
    }
    // While it was in no queue a wake-up may have placed it and the new CPU picked it: then it is
    // live again. Otherwise nothing may touch it behind this store, it may be destroyed.
    if (c->current != prev)
        __atomic_store_n(&prev->sched.is_running, false, __ATOMIC_RELEASE);
    spin_unlock_irqrestore(&c->lock, flags);
}

enum refusal sched_set_affinity(struct vcpu *v, uint64_t hard, uint64_t soft)
{
    if (!(hard & sched_online_cpus()))
        return REFUSE_SCHED_NO_CPU;
    uint64_t flags;
    struct sched_cpu *c = queue_lock(v, &flags);
    __atomic_store_n(&v->sched.hard_affinity, hard, __ATOMIC_RELAXED);
    v->sched.soft_affinity = soft;
    if (c->current == v) {
        if (!may_use(v, c->id))
            softirq_raise(c->id, SOFTIRQ_SCHEDULE);
    } else if (v->sched.is_queued && choose_cpu(v) != c->id) {
        queue_remove(c, v);
        place(&c, v, &flags, !is_live(v));
    }
    spin_unlock_irqrestore(&c->lock, flags);
    return REFUSE_NONE;
}

uint64_t sched_cpu_time(struct vcpu *v, uint64_t now)
{
    uint64_t flags;
    struct sched_cpu *c = queue_lock(v, &flags);
    uint64_t used = v->sched.cpu_time;
    if (c->current == v && now > v->sched.run_since)
        used += now - v->sched.run_since;
    spin_unlock_irqrestore(&c->lock, flags);
    return used;
}

void sched_runstate_get(struct vcpu *v, struct vcpu_runstate_info *out, uint64_t now)
{
    uint64_t flags;
    struct sched_cpu *c = queue_lock(v, &flags);
    *out = v->runstate;
    spin_unlock_irqrestore(&c->lock, flags);
    if (now > out->state_entry_time)
        out->time[out->state] += now - out->state_entry_time;
}

// --- runstates: how long each vcpu has been running, runnable, blocked and offline, and how many vcpus of a
// domain compete for CPUs

static bool competes(int state)
{
    return state == RUNSTATE_running || state == RUNSTATE_runnable;
}

// The caller holds the lock of the vcpu's queue.
void sched_runstate_set(struct vcpu *v, int state, uint64_t now)
{
    struct vcpu_runstate_info *r = &v->runstate;

    // Two CPUs may have read their clocks in the other order than they took the lock.
    if (now > r->state_entry_time) {
        r->time[r->state] += now - r->state_entry_time;
        r->state_entry_time = now;
    }
    if (competes(r->state) != competes(state))
        __atomic_fetch_add(&v->domain->sched.active, competes(state) ? 1 : -1, __ATOMIC_RELAXED);
    r->state = state;
}
