// SPDX-License-Identifier: MIT
// The scheduler on simulated CPUs, driven by the clock of the test: fairness by weight over all CPUs,
// caps, invariants under random pausing, blocking and pinning.
#include "tests/report.h"
#include "tests/unit/sched_fixture.h"
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

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
};

int main(void)
{
    return report_run("sched", cases, sizeof(cases) / sizeof(cases[0]));
}
