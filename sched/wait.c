// SPDX-License-Identifier: MIT
// Waiting: block and poll of the running vcpu, and the ends of polls.
//
// Both announce the wait, then look again at what they wait for; whoever raises an event sets the
// pending bits first, then looks for those who wait. With a full barrier between the two steps on
// both sides one of them always sees the other.
#include "hypervisor/domain.h"
#include <xen/sched.h>

void sched_block(struct vcpu *v)
{
    __atomic_store_n(&v->info->evtchn_upcall_mask, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&v->sched.is_blocked, true, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // pairs with the pending bit of event_mark_pending()
    if (event_pending(v))
        __atomic_store_n(&v->sched.is_blocked, false, __ATOMIC_SEQ_CST);
    else
        softirq_raise_here(SOFTIRQ_SCHEDULE);
}

// Leave the poll; false when it had ended already.
static bool poll_end(struct vcpu *v)
{
    uint32_t mask = 1u << v->id;
    return (__atomic_fetch_and(&v->domain->sched.poll_mask, ~mask, __ATOMIC_SEQ_CST) & mask) != 0;
}

static void poll_timeout(void *data, uint64_t now)
{
    struct vcpu *v = data;
    if (poll_end(v))
        sched_wake(v);
}

enum refusal sched_poll(struct vcpu *v, const evtchn_port_t *ports, unsigned count,
                        uint64_t deadline)
{
    struct domain *d = v->domain;

    __atomic_store_n(&v->sched.poll_port, count == 1 ? ports[0] : 0, __ATOMIC_RELEASE);
    __atomic_fetch_or(&d->sched.poll_mask, 1u << v->id, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // pairs with the pending bit of the port

    enum refusal r = REFUSE_NONE;
    bool is_pending = event_pending(v);
    for (unsigned i = 0; i < count && !is_pending && r == REFUSE_NONE; i++)
        r = event_poll(d, ports[i], &is_pending);
    if (is_pending || r != REFUSE_NONE) {
        poll_end(v);
        return r;
    }
    // A timer of an earlier poll may still be armed; it must not end this one.
    if (deadline == TIMER_NO_DEADLINE) {
        timer_stop(&v->sched.poll_timer);
    } else {
        timer_migrate(&v->sched.poll_timer, this_cpu_id());
        timer_set(&v->sched.poll_timer, deadline);
    }
    softirq_raise_here(SOFTIRQ_SCHEDULE);
    return REFUSE_NONE;
}

void sched_poll_notify(struct domain *d, evtchn_port_t port)
{
    // Pairs with the fence in sched_poll(); the pending bit was set by a locked instruction.
    uint32_t mask = __atomic_load_n(&d->sched.poll_mask, __ATOMIC_SEQ_CST);
    for (; mask; mask &= mask - 1) {
        struct vcpu *v = d->vcpu[__builtin_ctz(mask)];
        evtchn_port_t waits_for = __atomic_load_n(&v->sched.poll_port, __ATOMIC_ACQUIRE);
        if ((waits_for == 0 || waits_for == port) && poll_end(v))
            sched_wake(v);
    }
}

// --- going down

bool sched_go_down(struct vcpu *v)
{
    struct domain *d = v->domain;
    bool others = false;

    // Two that go down at once must not each take the other for one that stays.
    spin_lock(&d->lock);
    for (unsigned i = 0; i < d->max_vcpus; i++)
        others |= d->vcpu[i] != v && __atomic_load_n(&d->vcpu[i]->is_online, __ATOMIC_ACQUIRE);
    bool was_up = others && __atomic_exchange_n(&v->is_online, false, __ATOMIC_SEQ_CST);
    spin_unlock(&d->lock);
    if (was_up)
        sched_sleep(v);
    return others;
}

// --- life cycle of what the scheduler keeps in domains and vcpus

static void watchdog_expired(void *data, uint64_t now)
{
    domain_shutdown(data, SHUTDOWN_watchdog);
}

void sched_domain_init(struct domain *d)
{
    d->sched = (struct sched_domain){.weight = SCHED_WEIGHT_DEFAULT};
    for (unsigned i = 0; i < SCHED_WATCHDOGS; i++)
        timer_init(&d->sched.watchdog[i], watchdog_expired, d, 0);
}

void sched_domain_destroy(struct domain *d)
{
    for (unsigned i = 0; i < SCHED_WATCHDOGS; i++)
        timer_stop_sync(&d->sched.watchdog[i]);
}

void sched_vcpu_init(struct vcpu *v, unsigned cpu)
{
    struct sched_vcpu *s = &v->sched;
    *s = (struct sched_vcpu){
        .cpu = cpu,
        .hard_affinity = SCHED_ALL_CPUS,
        .soft_affinity = SCHED_ALL_CPUS,
    };
    list_init(&s->link);
    timer_init(&s->poll_timer, poll_timeout, v, cpu);
    v->runstate.state = RUNSTATE_offline;
    v->runstate.state_entry_time = 0;
    sched_credit.vcpu_init(v);
}

void sched_vcpu_destroy(struct vcpu *v)
{
    timer_stop_sync(&v->sched.poll_timer);
}
