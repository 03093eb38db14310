// SPDX-License-Identifier: MIT
// Event ports and threads: four CPUs that bind, connect, send, close and reset in three domains at once, by
// bits and by queues. Afterwards every pair names each other and the counts are right; nothing is freed too
// early (the sanitizers watch). And which locks an operation leaves alone.
#include "tests/unit/fifo_guest.h"

#include "event/port.h"
#include "hypervisor/cpu.h"
#include "tests/report.h"
#include "tests/unit/host/cores.h"
#include <CUnit/CUnit.h>
#include <pthread.h>

#define DOMAINS 3u
#define THREADS 4u
#define PORTS 24u // few, so that they meet
#define ROUNDS 40u
#define STEPS 4000u

static struct domain *world[DOMAINS];
static unsigned hooks_bound;

void sched_kick(struct vcpu *v)
{
    (void)v;
}

void sched_poll_notify(struct domain *d, evtchn_port_t port)
{
    (void)d, (void)port;
}

static enum refusal pirq_bind(struct domain *d, unsigned pirq, evtchn_port_t port)
{
    event_raise_pirq(d, port);
    if (pirq % 2)
        return REFUSE_PIRQ_IN_USE;
    __atomic_add_fetch(&hooks_bound, 1, __ATOMIC_SEQ_CST);
    return REFUSE_NONE;
}

static void pirq_unbind(struct domain *d, unsigned pirq)
{
    (void)d, (void)pirq;
    __atomic_sub_fetch(&hooks_bound, 1, __ATOMIC_SEQ_CST);
}

static const struct event_pirq_hooks hooks = {pirq_bind, pirq_unbind};

// --- random calls

struct caller {
    unsigned cpu;
    uint32_t random;
};

static unsigned draw(struct caller *c, unsigned below)
{
    c->random = c->random * 1664525 + 1013904223;
    return (c->random >> 12) % below;
}

static void bind_something(struct caller *c, struct domain *d, struct domain *other)
{
    evtchn_port_t port = draw(c, PORTS);

    spin_lock(&d->events.lock);
    bool is_full = d->events.in_use > PORTS - 4;
    spin_unlock(&d->events.lock);
    if (is_full)
        return;
    switch (draw(c, 6)) {
    case 0:
        event_alloc_unbound(d, other->id, &port);
        break;
    case 1:
        event_bind_ipi(d, draw(c, 2), &port);
        break;
    case 2:
        event_bind_virq(d, draw(c, 2), VIRQ_TIMER, &port);
        break;
    case 3:
        event_bind_virq(d, 0, VIRQ_DOM_EXC, &port);
        break;
    case 4:
        event_bind_pirq(d, draw(c, 2), &port);
        break;
    default:
        event_bind_interdomain(d, other, port, &port);
        break;
    }
}

static void use_something(struct caller *c, struct domain *d)
{
    evtchn_port_t port = draw(c, PORTS);
    struct evtchn_status status = {.port = port};
    bool is_pending;

    switch (draw(c, 9)) {
    case 0:
        event_unmask(d, port);
        break;
    case 1:
        event_status(d, &status);
        break;
    case 2:
        event_poll(d, port, &is_pending);
        break;
    case 3:
        event_bind_vcpu(d, port, draw(c, 2));
        break;
    case 4:
        event_raise_virq(d->vcpu[draw(c, 2)], VIRQ_TIMER);
        break;
    case 5:
        event_raise_global_virq(d, VIRQ_DOM_EXC);
        break;
    case 6:
        event_set_priority(d, port, draw(c, 16));
        break;
    default:
        event_send(d, port);
    }
}

static void *call(void *argument)
{
    struct caller *c = argument;

    host_cpu_current = c->cpu;
    for (unsigned i = 0; i < STEPS; i++) {
        struct domain *d = world[draw(c, DOMAINS)], *other = world[draw(c, DOMAINS)];
        unsigned what = draw(c, 1000);
        if (what < 300)
            bind_something(c, d, other);
        else if (what < 500)
            event_close(d, draw(c, PORTS));
        else if (what < 502)
            event_reset(d, false, 5 + draw(c, 40));
        else if (what < 504)
            event_reset(d, true, 100);
        else
            use_something(c, d);
    }
    return NULL;
}

// --- what must be true when nobody is at work

static void check_port(const struct domain *d, evtchn_port_t n, const struct event_port *port)
{
    CU_ASSERT_FALSE(port->is_changing);
    if (port->state == EVENT_INTERDOMAIN) {
        const struct event_port *peer = event_port_get(port->remote, port->remote_port);
        CU_ASSERT_FATAL(peer != NULL);
        CU_ASSERT_EQUAL(peer->state, EVENT_INTERDOMAIN);
        CU_ASSERT_PTR_EQUAL(peer->remote, d);
        CU_ASSERT_EQUAL(peer->remote_port, n);
    } else if (port->state == EVENT_VIRQ) {
        unsigned vcpu = event_virq_is_global(port->virq) ? 0 : port->vcpu;
        CU_ASSERT_EQUAL(d->vcpu[vcpu]->events.virq_port[port->virq], n);
    } else if (port->state == EVENT_FREE) {
        CU_ASSERT_FALSE(event_port_is_pending(d, n));
    }
}

static void check_world(void)
{
    unsigned pirqs = 0;

    for (unsigned i = 0; i < DOMAINS; i++) {
        struct domain *d = world[i];
        unsigned in_use = 0;
        for (evtchn_port_t n = 1; n < d->events.valid_ports; n++) {
            struct event_port *port = event_port_get(d, n);
            in_use += port->state != EVENT_FREE;
            pirqs += port->state == EVENT_PIRQ;
            check_port(d, n, port);
        }
        CU_ASSERT_EQUAL(d->events.in_use, in_use);
        CU_ASSERT_EQUAL(d->ref_count, 1);
    }
    CU_ASSERT_EQUAL(hooks_bound, pirqs);
}

static struct domain *make(domid_t id, bool queues)
{
    return queues ? fifo_make_queues(id, 2, 1) : fifo_make(id, 2);
}

static void *kill_one(void *argument)
{
    struct domain *d = argument;

    host_cpu_current = THREADS;
    spin_lock(&d->events.lock); // as domain_kill does it by stages: first nothing new
    d->is_dying = true;
    spin_unlock(&d->events.lock);
    while (event_domain_close(d, 3) == REFUSE_CONTINUE) {
    }
    return NULL;
}

// In every third round one of the domains dies among the others, and is made anew.
static void everything_at_once(void)
{
    struct caller caller[THREADS];
    pthread_t thread[THREADS], killer;

    event_set_pirq_hooks(&hooks);
    for (unsigned i = 0; i < DOMAINS; i++)
        world[i] = make((domid_t)(i + 1), i != 1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        host_has_threads = true;
        for (unsigned i = 0; i < THREADS; i++) {
            caller[i] = (struct caller){.cpu = i, .random = round * THREADS + i};
            pthread_create(&thread[i], NULL, call, &caller[i]);
        }
        if (round % 3 == 0)
            pthread_create(&killer, NULL, kill_one, world[round / 3 % DOMAINS]);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(thread[i], NULL);
        if (round % 3 == 0)
            pthread_join(killer, NULL);
        host_has_threads = false;
        check_world();
        if (round % 3 == 0) {
            unsigned i = round / 3 % DOMAINS;
            fifo_drop(world[i]);
            world[i] = make((domid_t)(i + 1), i != 1);
        }
    }
    for (unsigned i = 0; i < DOMAINS; i++)
        fifo_drop(world[i]);
    CU_ASSERT_EQUAL(hooks_bound, 0);
    for (unsigned cpu = 0; cpu <= THREADS; cpu++)
        for (unsigned rank = 0; rank < LOCK_RANK_COUNT; rank++)
            CU_ASSERT_EQUAL(cpu_get(cpu)->locks_held[rank], 0);
    CU_ASSERT_EQUAL(host_pages, 0);
}

// --- whom an operation waits for

#define OTHER_CPU 5

static void hold(struct spinlock *lock)
{
    host_cpu_current = OTHER_CPU;
    spin_lock(lock);
    host_cpu_current = 0;
}

static void let_go(struct spinlock *lock)
{
    host_cpu_current = OTHER_CPU;
    spin_unlock(lock);
    host_cpu_current = 0;
}

static void use_port(struct domain *d, evtchn_port_t port, evtchn_port_t ipi)
{
    bool is_pending;

    CU_ASSERT_EQUAL(event_send(d, port), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_send(d, ipi), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_unmask(d, port), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_poll(d, port, &is_pending), REFUSE_NONE);
    event_raise_virq(d->vcpu[1], VIRQ_TIMER);
}

// While another CPU is in the middle of a send on one port or of an allocation in either domain, this one
// goes ahead: a lock that is held stops the test.
static void ports_share_no_lock(void)
{
    for (unsigned queues = 0; queues < 2; queues++) {
        struct domain *d = make(1, queues), *far = make(2, queues);
        evtchn_port_t offered[2], port[2], ipi, timer;
        for (unsigned i = 0; i < 2; i++) {
            event_alloc_unbound(far, d->id, &offered[i]);
            event_bind_interdomain(d, far, offered[i], &port[i]);
            event_bind_vcpu(far, offered[i], i);
        }
        event_bind_ipi(d, 1, &ipi);
        event_bind_virq(d, 1, VIRQ_TIMER, &timer);
        for (unsigned warm = 0; warm < 2; warm++) // the first one moves each port to its vcpu
            use_port(d, port[1], ipi);
        struct spinlock *const held[] = {&d->events.lock, &far->events.lock,
                                         &event_port_get(d, port[0])->lock,
                                         &event_port_get(far, offered[0])->lock};
        for (unsigned i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
            hold(held[i]);
            use_port(d, port[1], ipi);
            let_go(held[i]);
        }
        fifo_drop(d), fifo_drop(far);
    }
}

// A domain with many closed ports that are still in its queues searches them for a free one: meanwhile
// nobody waits who has to do with the domain that it connects to.
static struct domain *left_alone;
static unsigned looks;
bool __real_event_port_is_linked(const struct domain *d, evtchn_port_t number);
bool __wrap_event_port_is_linked(const struct domain *d, evtchn_port_t number);

bool __wrap_event_port_is_linked(const struct domain *d, evtchn_port_t number)
{
    if (left_alone) {
        looks++;
        CU_ASSERT_FALSE(spin_is_locked(&left_alone->events.lock));
    }
    return __real_event_port_is_linked(d, number);
}

static void search_holds_nothing_of_the_remote(void)
{
    struct domain *d = fifo_make_queues(1, 1, 1), *far = fifo_make(2, 1);
    evtchn_port_t port, offered;

    for (unsigned i = 1; i < 500; i++) {
        event_bind_ipi(d, 0, &port);
        event_send(d, port);
    }
    for (unsigned i = 1; i < 500; i++)
        event_close(d, i);
    CU_ASSERT_EQUAL(event_alloc_unbound(far, d->id, &offered), REFUSE_NONE);
    left_alone = far;
    looks = 0;
    CU_ASSERT_EQUAL(event_bind_interdomain(d, far, offered, &port), REFUSE_NONE);
    left_alone = NULL;
    CU_ASSERT(looks >= 499);
    fifo_drop(d), fifo_drop(far);
}

// The very port that the call is about to give, and one with a lower address than its peer.
static void loops(void)
{
    struct domain *d = fifo_make(1, 1);
    evtchn_port_t port[4];

    CU_ASSERT_EQUAL(event_bind_interdomain(d, d, 1, &port[0]), REFUSE_EVENT_NOT_OFFERED);
    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(event_alloc_unbound(d, 1, &port[i]), REFUSE_NONE);
    for (unsigned i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(event_bind_interdomain(d, d, port[i], &port[2 + i]), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_close(d, port[0]), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_close(d, port[3]), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_send(d, port[1]), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_send(d, port[0]), REFUSE_EVENT_BAD_PORT);
    CU_ASSERT_EQUAL(d->events.in_use, 2);
    CU_ASSERT_EQUAL(d->ref_count, 1);
    fifo_drop(d);
}

static const struct report_case cases[] = {
    REPORT_CASE(everything_at_once),
    REPORT_CASE(ports_share_no_lock),
    REPORT_CASE(search_holds_nothing_of_the_remote),
    REPORT_CASE(loops),
};

int main(void)
{
    return report_run("event_race", cases, sizeof(cases) / sizeof(cases[0]));
}
