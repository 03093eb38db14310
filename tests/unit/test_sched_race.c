// SPDX-License-Identifier: MIT
// The scheduler at the worst moment: vcpus that are woken, put to sleep or taken down while they change
// place, waits against events that arrive as they look, last vcpus that go down at once.
#include "tests/report.h"
#include "tests/unit/sched_fixture.h"
#include <CUnit/CUnit.h>
#include <pthread.h>

// A vcpu that is woken while its registers are still being saved must not start elsewhere.
static void not_before_its_context_is_saved(void)
{
    machine_start(2);
    struct domain *d = domain_start(1, 1, 256, 0);
    struct vcpu *v = d->vcpu[0];
    settle();
    unsigned home = v->sched.cpu, other = 1 - home;
    v->sched.is_blocked = true;
    host_cpu_current = home;
    CU_ASSERT_PTR_EQUAL(sched_pick(home, host_now, &slice_end[home]), &idle[home]);
    sched_kick(v); // woken, not saved
    schedule(other);
    CU_ASSERT_PTR_EQUAL(current[other], &idle[other]);
    sched_context_saved(v);
    CU_ASSERT_FALSE(v->sched.is_running);
    settle();
    CU_ASSERT_PTR_EQUAL(current[v->sched.cpu], v);
    domain_end(d);
}

// Woken in the middle of the pick that takes it off its CPU: the flag changes there, and the waker gets
// the lock when the pick is over.
static struct vcpu *unblock_in_pick;
bool __real_spin_trylock(struct spinlock *l);
bool __wrap_spin_trylock(struct spinlock *l); // the pick looks into another queue

bool __wrap_spin_trylock(struct spinlock *l)
{
    if (unblock_in_pick)
        unblock_in_pick->sched.is_blocked = false;
    return __real_spin_trylock(l);
}

static void woken_while_it_leaves(void)
{
    machine_start(2);
    struct domain *d = domain_start(1, 1, 256, 0), *others = domain_start(2, 2, 256, 0);
    struct vcpu *v = d->vcpu[0];
    sched_set_affinity(v, 1, SCHED_ALL_CPUS);
    for (unsigned i = 0; i < 2; i++) // one runs on CPU 1, one waits there
        sched_set_affinity(others->vcpu[i], 2, SCHED_ALL_CPUS);
    settle();
    CU_ASSERT_PTR_EQUAL_FATAL(current[0], v);
    v->sched.is_blocked = true;
    unblock_in_pick = v;
    schedule(0);
    unblock_in_pick = NULL;
    sched_wake(v);
    settle();
    CU_ASSERT_PTR_EQUAL(current[0], v);
    domain_stop(d), domain_stop(others);
    settle();
    host_domain_drop(d), host_domain_drop(others);
}

// Taken down between the queue that it leaves and the one that it goes to: it is in neither then, and who
// takes it down finds nothing to do.
static struct vcpu *down_at_lock;
static unsigned locks_before; // that are taken before it happens
uint64_t __real_spin_lock_irqsave(struct spinlock *l);
uint64_t __wrap_spin_lock_irqsave(struct spinlock *l);

uint64_t __wrap_spin_lock_irqsave(struct spinlock *l)
{
    struct vcpu *v = down_at_lock;
    if (v && l->rank == LOCK_SCHED && locks_before-- == 0) {
        down_at_lock = NULL;
        v->is_online = false;
        sched_sleep(v);
    }
    return __real_spin_lock_irqsave(l);
}

static void down_while_it_is_placed(void)
{
    machine_start(2);
    struct domain *d = domain_start(1, 2, 256, 0);
    struct vcpu *v = d->vcpu[0];
    settle();
    unsigned home = v->sched.cpu;
    v->sched.is_blocked = true;
    schedule(home);
    CU_ASSERT_EQUAL_FATAL(v->runstate.state, RUNSTATE_blocked);
    v->sched.is_blocked = false;
    sched_set_affinity(v, 2 - home, SCHED_ALL_CPUS); // the other one
    down_at_lock = v;
    locks_before = 1;
    sched_wake(v);
    CU_ASSERT_PTR_NULL(down_at_lock);
    settle();
    CU_ASSERT_EQUAL(v->runstate.state, RUNSTATE_offline);
    CU_ASSERT_EQUAL(d->sched.active, 1);
    domain_end(d);
}

// --- waits

static struct vcpu *waiting;

static void raise_upcall(void)
{
    // As event/delivery.c does it: the flag first, then the kick.
    if (!waiting->info->evtchn_upcall_pending) {
        waiting->info->evtchn_upcall_pending = 1;
        sched_kick(waiting);
    }
}

static void raise_port(void)
{
    waiting->domain->shared_info->evtchn_pending[0] |= 1ul << 5;
    sched_poll_notify(waiting->domain, 5);
}

static void wait_with(void (*before)(void), void (*after)(void), bool poll)
{
    const evtchn_port_t ports[] = {4, 5};
    machine_start(2);
    struct domain *d = domain_start(1, 1, 256, 0);
    waiting = d->vcpu[0];
    settle();
    host_cpu_current = waiting->sched.cpu;
    waiting->info->evtchn_upcall_mask = 1;
    before_look = before;
    after_look = after;
    if (poll)
        sched_poll(waiting, ports, 2, TIMER_NO_DEADLINE);
    else
        sched_block(waiting);
    settle();
    if (before || after) {
        CU_ASSERT_PTR_EQUAL(current[waiting->sched.cpu], waiting);
        CU_ASSERT_EQUAL(d->sched.poll_mask, 0);
    } else {
        CU_ASSERT_EQUAL(waiting->runstate.state, RUNSTATE_blocked);
        CU_ASSERT_FALSE(sched_is_runnable(waiting));
        raise_port();
        raise_upcall();
        settle();
        CU_ASSERT_PTR_EQUAL(current[waiting->sched.cpu], waiting);
    }
    if (!poll)
        CU_ASSERT_EQUAL(waiting->info->evtchn_upcall_mask, 0);
    domain_end(d);
}

static void no_wakeup_is_lost(void)
{
    wait_with(NULL, NULL, false);
    wait_with(raise_upcall, NULL, false);
    wait_with(NULL, raise_upcall, false);
    wait_with(NULL, NULL, true);
    wait_with(raise_port, NULL, true);
    wait_with(NULL, raise_port, true);
    wait_with(raise_upcall, NULL, true);
    wait_with(NULL, raise_upcall, true);
}

static void poll_times_out(void)
{
    const evtchn_port_t port = 7;
    machine_start(1);
    struct domain *d = domain_start(1, 1, 256, 0);
    struct vcpu *v = d->vcpu[0];
    settle();
    sched_poll(v, &port, 1, host_now + 3 * MS);
    settle();
    sched_poll_notify(d, 8); // another port
    settle();
    CU_ASSERT_EQUAL(v->runstate.state, RUNSTATE_blocked);
    advance(2 * MS, MS / 2);
    CU_ASSERT_EQUAL(v->runstate.state, RUNSTATE_blocked);
    advance(2 * MS, MS / 2);
    CU_ASSERT_EQUAL(v->runstate.state, RUNSTATE_running);
    domain_stop(d);
    settle();
    sched_vcpu_destroy(v);
    host_domain_drop(d);
}

// --- the last vcpus go down at once

#define GOING 2u
static pthread_barrier_t down_together;
static unsigned found_last;

static void *go_down(void *argument)
{
    struct vcpu *v = argument;
    host_cpu_current = v->id; // each thread is a CPU of its own
    pthread_barrier_wait(&down_together);
    if (!sched_go_down(v))
        __atomic_add_fetch(&found_last, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void one_of_them_is_the_last(void)
{
    machine_start(GOING);
    struct domain *d = domain_start(1, GOING, 256, 0);
    pthread_t thread[GOING];
    spin_lock_init(&d->lock, LOCK_DOMAIN);
    host_has_threads = true;
    for (unsigned round = 0; round < 200; round++) {
        unsigned up = 0;
        found_last = 0;
        pthread_barrier_init(&down_together, NULL, GOING);
        for (unsigned i = 0; i < GOING; i++) {
            d->vcpu[i]->is_online = true;
            pthread_create(&thread[i], NULL, go_down, d->vcpu[i]);
        }
        for (unsigned i = 0; i < GOING; i++)
            pthread_join(thread[i], NULL);
        for (unsigned i = 0; i < GOING; i++)
            up += d->vcpu[i]->is_online;
        CU_ASSERT_EQUAL_FATAL(found_last, 1);
        CU_ASSERT_EQUAL_FATAL(up, 1);
    }
    host_has_threads = false;
    domain_end(d);
}

static const struct report_case cases[] = {
    REPORT_CASE(not_before_its_context_is_saved),
    REPORT_CASE(woken_while_it_leaves),
    REPORT_CASE(down_while_it_is_placed),
    REPORT_CASE(no_wakeup_is_lost),
    REPORT_CASE(poll_times_out),
    REPORT_CASE(one_of_them_is_the_last),
};

int main(void)
{
    return report_run("sched_race", cases, sizeof(cases) / sizeof(cases[0]));
}
