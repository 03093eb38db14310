// SPDX-License-Identifier: MIT
// The scheduler on simulated CPUs, driven by the clock of the test: fairness by weight over all CPUs,
// caps, invariants under random pausing, blocking, pinning, and waits against events that arrive at the
// worst moment.
#include "event/event.h"
#include "hypervisor/cpu.h"
#include "sched/sched.h"
#include "tests/report.h"
#include "tests/unit/host/cores.h"
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define MAX_CPUS 8

// --- events, as far as waits look at them; `injected` happens while they look
static void (*before_look)(void), (*after_look)(void);

static void inject(void (**what)(void))
{
    void (*call)(void) = *what;
    *what = NULL; // once
    if (call)
        call();
}

bool event_pending(const struct vcpu *v)
{
    inject(&before_look);
    bool pending = v->info->evtchn_upcall_pending && !v->info->evtchn_upcall_mask;
    inject(&after_look);
    return pending;
}

enum refusal event_poll(struct domain *d, evtchn_port_t port, bool *is_pending)
{
    *is_pending = d->shared_info->evtchn_pending[port / 64] >> port % 64 & 1;
    return port ? REFUSE_NONE : REFUSE_EVENT_BAD_PORT;
}

void domain_shutdown(struct domain *d, uint8_t code)
{
    d->is_shutdown = true;
    d->shutdown_code = code;
}

// --- the machine

static struct vcpu idle[MAX_CPUS];
static struct domain idle_domain;
static uint64_t slice_end[MAX_CPUS];
static struct vcpu *current[MAX_CPUS]; // what each CPU runs
static unsigned switches;

static void machine_start(unsigned cpus)
{
    host_cpu_count = cpus;
    sched_init();
    memset(idle, 0, sizeof(idle));
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        cpu_get(cpu)->id = cpu;
        cpu_get(cpu)->softirq_pending = 0;
        timers_init_cpu(cpu);
        idle[cpu].id = cpu;
        idle[cpu].domain = &idle_domain;
        idle[cpu].is_online = true;
        sched_init_cpu(cpu, &idle[cpu]);
        current[cpu] = &idle[cpu];
        slice_end[cpu] = TIMER_NO_DEADLINE;
    }
}

static struct domain *domain_start(domid_t id, unsigned vcpus, unsigned weight, unsigned cap)
{
    struct domain *d = host_domain_make(id, vcpus);
    sched_domain_init(d);
    CU_ASSERT_EQUAL(sched_set_weight_cap(d, weight, cap), REFUSE_NONE);
    for (unsigned i = 0; i < vcpus; i++) {
        sched_vcpu_init(d->vcpu[i], i % host_cpu_count);
        d->vcpu[i]->runstate.state_entry_time = host_now;
        d->vcpu[i]->is_online = true;
        sched_wake(d->vcpu[i]);
    }
    return d;
}

static void domain_stop(struct domain *d)
{
    __atomic_add_fetch(&d->pause_count, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < d->max_vcpus; i++)
        sched_sleep(d->vcpu[i]);
}

static void schedule(unsigned cpu)
{
    host_cpu_current = cpu;
    struct vcpu *prev = current[cpu], *next = sched_pick(cpu, host_now, &slice_end[cpu]);
    current[cpu] = next;
    if (next != prev) {
        switches++;
        sched_context_saved(prev);
    }
}

// Serve softirqs until there are none; who may look first is random.
static void settle(void)
{
    for (unsigned round = 0; round < 1000; round++) {
        bool quiet = true;
        unsigned first = host_random(host_cpu_count);
        for (unsigned i = 0; i < host_cpu_count; i++) {
            unsigned cpu = (first + i) % host_cpu_count;
            uint32_t pending = cpu_get(cpu)->softirq_pending;
            host_cpu_current = cpu;
            cpu_get(cpu)->softirq_pending = 0;
            if (pending >> SOFTIRQ_TIMER & 1)
                timers_run(cpu, host_now);
            if (pending >> SOFTIRQ_SCHEDULE & 1 || slice_end[cpu] <= host_now)
                schedule(cpu);
        }
        for (unsigned cpu = 0; cpu < host_cpu_count; cpu++)
            quiet &= cpu_get(cpu)->softirq_pending == 0;
        if (quiet)
            return;
    }
    CU_FAIL_FATAL("softirqs never end");
}

static void domain_end(struct domain *d)
{
    domain_stop(d);
    settle();
    host_domain_drop(d);
}

static void advance(uint64_t ns, uint64_t step)
{
    for (uint64_t end = host_now + ns; host_now < end; host_now += step) {
        for (unsigned cpu = 0; cpu < host_cpu_count; cpu++)
            if (cpu_get(cpu)->deadline <= host_now)
                cpu_get(cpu)->softirq_pending |= 1u << SOFTIRQ_TIMER;
        settle();
    }
}

static uint64_t used_by(struct domain *d)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < d->max_vcpus; i++)
        sum += sched_cpu_time(d->vcpu[i], host_now);
    return sum;
}

#define CHECK_SHARE(used, wanted)                                                                  \
    CU_ASSERT((double)(used) > 0.93 * (double)(wanted) && (double)(used) < 1.07 * (double)(wanted))

// --- shares

static void weights_on_one_cpu(void)
{
    machine_start(1);
    struct domain *a = domain_start(1, 1, 256, 0), *b = domain_start(2, 1, 512, 0);
    struct domain *c = domain_start(3, 2, 256, 0); // two vcpus, one weight
    advance(8000 * MS, MS / 2);
    CHECK_SHARE(used_by(a), 2000 * MS);
    CHECK_SHARE(used_by(b), 4000 * MS);
    CHECK_SHARE(used_by(c), 2000 * MS);
    domain_stop(a), domain_stop(b), domain_stop(c);
    settle();
    host_domain_drop(a), host_domain_drop(b), host_domain_drop(c);
}

static void equal_shares_over_two_cpus(void)
{
    machine_start(2);
    struct domain *d[3];
    for (unsigned i = 0; i < 3; i++)
        d[i] = domain_start((domid_t)(i + 1), 1, 256, 0);
    advance(9000 * MS, MS / 2);
    for (unsigned i = 0; i < 3; i++)
        CHECK_SHARE(used_by(d[i]), 6000 * MS);
    for (unsigned i = 0; i < 3; i++)
        domain_stop(d[i]);
    settle();
    for (unsigned i = 0; i < 3; i++)
        host_domain_drop(d[i]);
}

// A weight that cannot be honoured (more than a whole CPU) is not remembered against others.
static void weights_larger_than_a_cpu(void)
{
    machine_start(2);
    struct domain *light = domain_start(1, 1, 1, 0), *heavy = domain_start(2, 1, 256, 0);
    advance(2000 * MS, MS);
    CHECK_SHARE(used_by(light), 2000 * MS);
    CHECK_SHARE(used_by(heavy), 2000 * MS);
    struct domain *late = domain_start(3, 1, 256, 0);
    advance(4000 * MS, MS);
    CU_ASSERT((double)used_by(heavy) > 5500.0 * MS);
    CU_ASSERT((double)used_by(late) > 3500.0 * MS);
    domain_stop(light), domain_stop(heavy), domain_stop(late);
    settle();
    host_domain_drop(light), host_domain_drop(heavy), host_domain_drop(late);
}

static void caps(void)
{
    machine_start(2);
    struct domain *a = domain_start(1, 1, 256, 25), *b = domain_start(2, 2, 256, 150);
    CU_ASSERT_EQUAL(sched_set_weight_cap(a, 0, 0), REFUSE_BAD_ARGUMENT);
    CU_ASSERT_EQUAL(sched_set_weight_cap(a, 256, 101), REFUSE_BAD_ARGUMENT);
    advance(6000 * MS, MS / 4);
    CHECK_SHARE(used_by(a), 1500 * MS);
    CHECK_SHARE(used_by(b), 9000 * MS);
    domain_stop(a), domain_stop(b);
    settle();
    host_domain_drop(a), host_domain_drop(b);
}

// --- a domain whose vcpus hand the work round has one share, however many take part

static void block_vcpu(struct vcpu *v)
{
    v->sched.is_blocked = true;
    if (current[v->sched.cpu] == v)
        cpu_get(v->sched.cpu)->softirq_pending |= 1u << SOFTIRQ_SCHEDULE;
    else
        sched_sleep(v);
}

// Blocked at first, but for vcpu 0.
static struct domain *crowd_start(domid_t id, unsigned vcpus)
{
    struct domain *d = domain_start(id, vcpus, 256, 0);
    for (unsigned i = 1; i < vcpus; i++)
        block_vcpu(d->vcpu[i]);
    settle();
    return d;
}

// Whoever runs hands over after so much time of its own (0: before its slice ends, at random).
static void take_turns(struct domain *d, uint64_t turn, uint64_t ns)
{
    unsigned me = 0;
    uint64_t next = turn ? turn : MS;
    for (uint64_t end = host_now + ns; host_now < end;) {
        advance(MS / 4, MS / 4);
        if (sched_cpu_time(d->vcpu[me], host_now) < next)
            continue;
        struct vcpu *before = d->vcpu[me];
        me = (me + 1) % d->max_vcpus;
        if (d->vcpu[me] == before)
            continue;
        sched_kick(d->vcpu[me]);
        block_vcpu(before);
        next = sched_cpu_time(d->vcpu[me], host_now) + (turn ? turn : MS + host_random(9) * MS);
    }
}

#define CHECK_FAIR(used, wanted)                                                                   \
    CU_ASSERT((double)(used) > 0.98 * (double)(wanted) && (double)(used) < 1.02 * (double)(wanted))

static void turns_are_one_share(void)
{
    const uint64_t turns[] = {0, MS / 2, 2 * MS, 5 * MS, 9 * MS, 12 * MS};
    for (unsigned vcpus = 1; vcpus <= 32; vcpus += vcpus < 4 ? 1 : 4) {
        for (unsigned t = 0; t < sizeof(turns) / sizeof(turns[0]); t++) {
            machine_start(1);
            struct domain *crowd = crowd_start(1, vcpus), *rival = domain_start(2, 1, 256, 0);
            take_turns(crowd, turns[t], 6000 * MS);
            CHECK_FAIR(used_by(rival), 3000 * MS);
            domain_end(crowd), domain_end(rival);
        }
    }
}

// Any number of them may run at a moment, woken and blocked at random; one always wants to. `rivals` of one
// vcpu each, on two CPUs if there are two.
static void random_crowd(unsigned vcpus, unsigned cpus, unsigned steps)
{
    unsigned awake = 1, rivals = cpus == 1 ? 1 : 3;
    struct domain *crowd, *rival[3];

    machine_start(cpus);
    crowd = crowd_start(1, vcpus);
    for (unsigned i = 0; i < rivals; i++)
        rival[i] = domain_start((domid_t)(2 + i), 1, 256, 0);
    uint64_t begin = host_now;
    unsigned bias = 1 + host_random(9);
    for (unsigned step = 0; step < steps; step++) {
        struct vcpu *v = crowd->vcpu[host_random(vcpus)];
        if (step % 256 == 0)
            bias = 1 + host_random(9);
        if (v->sched.is_blocked && host_random(10) < bias) {
            awake++;
            sched_kick(v);
        } else if (!v->sched.is_blocked && awake > 1) {
            awake--;
            block_vcpu(v);
        }
        advance(MS / 2 * (1 + host_random(6)), MS / 2);
    }
    for (unsigned i = 0; i < rivals; i++)
        CHECK_FAIR(used_by(rival[i]), (host_now - begin) / 2);
    for (unsigned i = 0; i < rivals; i++)
        domain_end(rival[i]);
    domain_end(crowd);
}

static void random_hand_over(void)
{
    const char *wanted = getenv("SCHED_STEPS"); // the long form: SCHED_STEPS=100000
    unsigned steps = wanted ? (unsigned)atoi(wanted) : 4000;
    for (unsigned vcpus = 2; vcpus <= 32; vcpus *= 2)
        for (unsigned cpus = 1; cpus <= 2; cpus++)
            random_crowd(vcpus, cpus, steps);
}

// Who sleeps most of the time gets the CPU soon when it wakes up.
static void short_work_preempts(void)
{
    machine_start(1);
    struct domain *hog = domain_start(1, 1, 256, 0), *io = domain_start(2, 1, 256, 0);
    struct vcpu *v = io->vcpu[0];
    uint64_t waited = 0;
    advance(100 * MS, MS / 4);
    for (unsigned i = 0; i < 200; i++) {
        v->sched.is_blocked = true;
        cpu_get(0)->softirq_pending |= 1u << SOFTIRQ_SCHEDULE;
        advance(9 * MS, MS / 4);
        uint64_t woken = host_now;
        sched_kick(v);
        while (current[0] != v)
            advance(MS / 10, MS / 10);
        waited += host_now - woken;
        advance(MS / 2, MS / 4);
    }
    CU_ASSERT(waited < 200 * MS / 2);
    domain_stop(hog), domain_stop(io);
    settle();
    host_domain_drop(hog), host_domain_drop(io);
}

// --- random life, with invariants

#define DOMAINS 5
static struct domain *world[DOMAINS];

static void check_invariants(void)
{
    bool some_idle = false;
    for (unsigned cpu = 0; cpu < host_cpu_count; cpu++)
        some_idle |= current[cpu] == &idle[cpu];
    for (unsigned i = 0; i < DOMAINS; i++) {
        unsigned active = 0;
        for (unsigned n = 0; n < world[i]->max_vcpus; n++) {
            struct vcpu *v = world[i]->vcpu[n];
            unsigned places = v->sched.is_queued + v->sched.is_parked;
            for (unsigned cpu = 0; cpu < host_cpu_count; cpu++)
                places += current[cpu] == v;
            CU_ASSERT_EQUAL_FATAL(places, sched_is_runnable(v));
            CU_ASSERT_EQUAL_FATAL(v->sched.is_running, current[v->sched.cpu] == v);
            if (v->sched.is_running)
                CU_ASSERT_FATAL(v->sched.hard_affinity >> v->sched.cpu & 1);
            CU_ASSERT_EQUAL_FATAL(v->runstate.state == RUNSTATE_running, v->sched.is_running);
            active += v->runstate.state <= RUNSTATE_runnable;
            // Nothing waits that an idle CPU could run.
            bool waits = some_idle && v->sched.is_queued && !world[i]->sched.cap;
            for (unsigned cpu = 0; cpu < host_cpu_count && waits; cpu++)
                CU_ASSERT_FATAL(current[cpu] != &idle[cpu] || !(v->sched.hard_affinity >> cpu & 1));
        }
        CU_ASSERT_EQUAL_FATAL(world[i]->sched.active, active);
    }
}

static void random_step(void)
{
    struct domain *d = world[host_random(DOMAINS)];
    struct vcpu *v = d->vcpu[host_random(d->max_vcpus)];
    host_cpu_current = host_random(host_cpu_count);

    switch (host_random(12)) {
    case 0:
        v->pause_count += v->pause_count < 2;
        sched_sleep(v);
        break;
    case 1:
    case 10:
    case 11:
        if (v->pause_count && --v->pause_count == 0)
            sched_wake(v);
        break;
    case 2:
        if (current[v->sched.cpu] == v) {
            host_cpu_current = v->sched.cpu;
            v->info->evtchn_upcall_pending = host_random(2) == 0;
            sched_block(v);
        }
        break;
    case 3:
    case 9:
        sched_kick(v);
        break;
    case 4:
        if (current[v->sched.cpu] == v) {
            host_cpu_current = v->sched.cpu;
            sched_yield_cpu(v);
        }
        break;
    case 5: {
        uint64_t hard = 1 + host_random((1u << host_cpu_count) - 1);
        CU_ASSERT_EQUAL_FATAL(sched_set_affinity(v, hard, SCHED_ALL_CPUS), REFUSE_NONE);
        break;
    }
    case 6:
        if (current[v->sched.cpu] == v) {
            evtchn_port_t port = 3;
            host_cpu_current = v->sched.cpu;
            v->info->evtchn_upcall_pending = 0;
            sched_poll(v, &port, 1, host_random(2) ? host_now + MS : TIMER_NO_DEADLINE);
        }
        break;
    case 7:
        sched_poll_notify(d, host_random(5));
        break;
    default:
        sched_set_weight_cap(d, 1 + host_random(1000), host_random(3) ? 0 : 1 + host_random(100));
    }
}

static void random_life(void)
{
    machine_start(4);
    uint64_t start = host_now;
    for (unsigned i = 0; i < DOMAINS; i++)
        world[i] = domain_start((domid_t)(i + 1), 1 + i % 3, 256, 0);
    for (unsigned step = 0; step < 20000; step++) {
        random_step();
        if (host_random(3) == 0)
            advance(MS / 4, MS / 4);
        settle();
        check_invariants();
    }
    CU_ASSERT(switches > 5000);
    for (unsigned i = 0; i < DOMAINS; i++) {
        for (unsigned n = 0; n < world[i]->max_vcpus; n++) {
            struct vcpu_runstate_info r;
            sched_runstate_get(world[i]->vcpu[n], &r, host_now);
            CU_ASSERT_EQUAL(r.time[0] + r.time[1] + r.time[2] + r.time[3], host_now - start);
            CU_ASSERT_EQUAL(r.time[0], sched_cpu_time(world[i]->vcpu[n], host_now));
        }
        domain_stop(world[i]);
    }
    settle();
    for (unsigned i = 0; i < DOMAINS; i++) {
        for (unsigned n = 0; n < world[i]->max_vcpus; n++)
            sched_vcpu_destroy(world[i]->vcpu[n]);
        host_domain_drop(world[i]);
    }
}

static void affinity_must_name_an_online_cpu(void)
{
    machine_start(2);
    struct domain *d = domain_start(1, 1, 256, 0);
    settle();
    CU_ASSERT_EQUAL(sched_set_affinity(d->vcpu[0], 4, SCHED_ALL_CPUS), REFUSE_SCHED_NO_CPU);
    CU_ASSERT_EQUAL(sched_set_affinity(d->vcpu[0], 0, SCHED_ALL_CPUS), REFUSE_SCHED_NO_CPU);
    CU_ASSERT_EQUAL(sched_set_affinity(d->vcpu[0], 2, SCHED_ALL_CPUS), REFUSE_NONE);
    settle();
    CU_ASSERT_PTR_EQUAL(current[1], d->vcpu[0]);
    domain_end(d);
}

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

// --- waits and the worst moment

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
        unsigned up = found_last = 0;
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
    REPORT_CASE(weights_on_one_cpu),
    REPORT_CASE(equal_shares_over_two_cpus),
    REPORT_CASE(weights_larger_than_a_cpu),
    REPORT_CASE(caps),
    REPORT_CASE(turns_are_one_share),
    REPORT_CASE(random_hand_over),
    REPORT_CASE(short_work_preempts),
    REPORT_CASE(random_life),
    REPORT_CASE(affinity_must_name_an_online_cpu),
    REPORT_CASE(not_before_its_context_is_saved),
    REPORT_CASE(woken_while_it_leaves),
    REPORT_CASE(no_wakeup_is_lost),
    REPORT_CASE(poll_times_out),
    REPORT_CASE(one_of_them_is_the_last),
};

int main(void)
{
    return report_run("sched", cases, sizeof(cases) / sizeof(cases[0]));
}
