// SPDX-License-Identifier: MIT
// Event channels: each operation's errors, delivery bit by bit, and long random sequences over several
// domains against a model, with guests that scribble over their shared pages.
#include "event/event.h"
#include "hypervisor/cpu.h"
#include "tests/report.h"
#include "tests/unit/host/cores.h"
#include <CUnit/CUnit.h>
#include <string.h>

// --- the scheduler's side, recorded
static unsigned kicks, polls;
static struct vcpu *kicked;

void sched_kick(struct vcpu *v)
{
    kicks++;
    kicked = v;
}

void sched_poll_notify(struct domain *d, evtchn_port_t port)
{
    (void)d;
    (void)port;
    polls++;
}

#define PIRQS 8
static struct {
    bool bound;
    evtchn_port_t port;
} pirqs[PIRQS];
static bool raise_while_binding;

static enum refusal pirq_bind(struct domain *d, unsigned pirq, evtchn_port_t port)
{
    if (pirq >= PIRQS)
        return REFUSE_EVENT_BAD_PIRQ;
    if (pirqs[pirq].bound)
        return REFUSE_PIRQ_IN_USE;
    pirqs[pirq].bound = true;
    pirqs[pirq].port = port;
    if (raise_while_binding) {
        event_raise_pirq(d, port);
        CU_ASSERT_EQUAL(event_close(d, port), REFUSE_BUSY);
    }
    return REFUSE_NONE;
}

static void pirq_unbind(struct domain *d, unsigned pirq)
{
    CU_ASSERT_FATAL(pirqs[pirq].bound);
    event_raise_pirq(d, pirqs[pirq].port); // the last one is on its way
    pirqs[pirq].bound = false;
}

static const struct event_pirq_hooks hooks = {pirq_bind, pirq_unbind};

static struct domain *make(domid_t id, unsigned vcpus)
{
    struct domain *d = host_domain_make(id, vcpus);
    CU_ASSERT_EQUAL_FATAL(event_domain_init(d, -1), REFUSE_NONE);
    for (unsigned i = 0; i < vcpus; i++)
        event_vcpu_init(d->vcpu[i]);
    d->sched.poll_mask = 1; // somebody polls
    return d;
}

static void drop(struct domain *d)
{
    d->is_dying = true;
    while (event_domain_close(d, 3) == REFUSE_CONTINUE) {
    }
    CU_ASSERT_EQUAL(d->events.in_use, 0);
    event_domain_free(d);
    host_domain_drop(d);
    CU_ASSERT_EQUAL(cpu_get(0)->locks_held[LOCK_EVENT], 0);
}

static bool pending_bit(const struct domain *d, evtchn_port_t port)
{
    return d->shared_info->evtchn_pending[port / 64] >> port % 64 & 1;
}

static void mask_port(struct domain *d, evtchn_port_t port)
{
    d->shared_info->evtchn_mask[port / 64] |= 1ul << port % 64;
}

// What a guest's upcall does: take everything that is pending and not masked.
static void take_upcall(struct vcpu *v)
{
    struct shared_info *s = v->domain->shared_info;
    v->info->evtchn_upcall_pending = 0;
    for (unsigned word = 0; word < 64; word++)
        if (v->info->evtchn_pending_sel >> word & 1)
            s->evtchn_pending[word] &= s->evtchn_mask[word];
    v->info->evtchn_pending_sel = 0;
}

static void delivery_bit_by_bit(void)
{
    struct domain *d = make(1, 2);
    evtchn_port_t port;

    CU_ASSERT_EQUAL(event_bind_ipi(d, 1, &port), REFUSE_NONE);
    kicks = polls = 0;
    CU_ASSERT_EQUAL(event_send(d, port), REFUSE_NONE);
    CU_ASSERT(pending_bit(d, port));
    CU_ASSERT_EQUAL(d->vcpu[1]->info->evtchn_pending_sel, 1ul << port / 64);
    CU_ASSERT_EQUAL(d->vcpu[1]->info->evtchn_upcall_pending, 1);
    CU_ASSERT_EQUAL(d->vcpu[0]->info->evtchn_upcall_pending, 0);
    CU_ASSERT(kicks == 1 && kicked == d->vcpu[1] && polls == 1);
    event_send(d, port); // nothing new
    CU_ASSERT(kicks == 1 && polls == 1);

    CU_ASSERT(event_pending(d->vcpu[1]));
    d->vcpu[1]->info->evtchn_upcall_mask = 1;
    CU_ASSERT_FALSE(event_pending(d->vcpu[1]));

    take_upcall(d->vcpu[1]);
    mask_port(d, port);
    event_send(d, port); // pending, polled for, but no upcall
    CU_ASSERT(pending_bit(d, port) && kicks == 1 && polls == 2);
    CU_ASSERT_EQUAL(d->vcpu[1]->info->evtchn_pending_sel, 0);
    CU_ASSERT_EQUAL(event_unmask(d, port), REFUSE_NONE); // and now it comes
    CU_ASSERT(kicks == 2 && d->vcpu[1]->info->evtchn_upcall_pending);
    CU_ASSERT_EQUAL(event_unmask(d, port), REFUSE_NONE); // was not masked: nothing
    CU_ASSERT_EQUAL(kicks, 2);

    event_close(d, port);
    CU_ASSERT_FALSE(pending_bit(d, port));
    drop(d);
}

static void interdomain_and_its_end(void)
{
    struct domain *a = make(1, 1), *b = make(2, 2);
    evtchn_port_t pa, pb, other;
    struct evtchn_status status;

    CU_ASSERT_EQUAL(event_alloc_unbound(a, 2, &pa), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_bind_interdomain(a, a, pa, &other), REFUSE_EVENT_NOT_OFFERED);
    CU_ASSERT_EQUAL(event_send(a, pa), REFUSE_NONE); // dropped
    CU_ASSERT_FALSE(pending_bit(a, pa));
    CU_ASSERT_EQUAL(event_bind_interdomain(b, a, 4095, &pb), REFUSE_EVENT_BAD_PORT);
    CU_ASSERT_EQUAL(event_bind_interdomain(b, a, pa + 1, &pb), REFUSE_EVENT_NOT_OFFERED);
    CU_ASSERT_EQUAL(event_bind_interdomain(b, a, pa, &pb), REFUSE_NONE);
    CU_ASSERT(pending_bit(b, pb)); // makes up for what was sent before
    CU_ASSERT_EQUAL(event_bind_interdomain(b, a, pa, &other), REFUSE_EVENT_NOT_OFFERED);
    CU_ASSERT_EQUAL(event_send(b, pb), REFUSE_NONE);
    CU_ASSERT(pending_bit(a, pa));
    CU_ASSERT_EQUAL(event_bind_vcpu(b, pb, 1), REFUSE_NONE);

    status.port = pb;
    CU_ASSERT_EQUAL(event_status(b, &status), REFUSE_NONE);
    CU_ASSERT(status.status == EVTCHNSTAT_interdomain && status.vcpu == 1);
    CU_ASSERT(status.u.interdomain.dom == 1 && status.u.interdomain.port == pa);

    drop(b); // the peer waits for the same domain again
    status.port = pa;
    event_status(a, &status);
    CU_ASSERT(status.status == EVTCHNSTAT_unbound && status.u.unbound.dom == 2);
    drop(a);
}

static void loopback_pair(void)
{
    struct domain *d = make(3, 1);
    evtchn_port_t one, two;
    event_alloc_unbound(d, 3, &one);
    CU_ASSERT_EQUAL(event_bind_interdomain(d, d, one, &two), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_send(d, two), REFUSE_NONE);
    CU_ASSERT(pending_bit(d, one));
    CU_ASSERT_EQUAL(event_close(d, two), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_close(d, one), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_close(d, one), REFUSE_EVENT_BAD_PORT);
    drop(d);
}

static void virqs(void)
{
    struct domain *d = make(1, 2);
    evtchn_port_t timer0, timer1, console, again;

    CU_ASSERT_EQUAL(event_bind_virq(d, 0, NR_VIRQS, &again), REFUSE_EVENT_BAD_VIRQ);
    CU_ASSERT_EQUAL(event_bind_virq(d, 1, VIRQ_CONSOLE, &again), REFUSE_EVENT_GLOBAL_VIRQ);
    CU_ASSERT_EQUAL(event_bind_virq(d, 2, VIRQ_TIMER, &again), REFUSE_NO_VCPU);
    CU_ASSERT_EQUAL(event_bind_virq(d, 0, VIRQ_TIMER, &timer0), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_bind_virq(d, 1, VIRQ_TIMER, &timer1), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_bind_virq(d, 1, VIRQ_TIMER, &again), REFUSE_EVENT_VIRQ_BOUND);
    CU_ASSERT_EQUAL(event_bind_virq(d, 0, VIRQ_CONSOLE, &console), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_bind_vcpu(d, timer1, 0), REFUSE_EVENT_WRONG_KIND);
    CU_ASSERT_EQUAL(event_bind_vcpu(d, console, 1), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_send(d, console), REFUSE_EVENT_WRONG_KIND);

    event_raise_virq(d->vcpu[1], VIRQ_TIMER);
    CU_ASSERT(pending_bit(d, timer1) && !pending_bit(d, timer0));
    event_raise_global_virq(d, VIRQ_CONSOLE);
    CU_ASSERT(pending_bit(d, console) && d->vcpu[1]->info->evtchn_upcall_pending);
    event_raise_virq(d->vcpu[0], VIRQ_DEBUG); // bound by nobody
    // Closed while bound elsewhere: the virq is free again, the port notifies vcpu 0.
    CU_ASSERT_EQUAL(event_close(d, console), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_bind_virq(d, 0, VIRQ_CONSOLE, &again), REFUSE_NONE);
    CU_ASSERT_EQUAL(again, console);
    drop(d);
}

static void pirqs_are_connected_outside_the_lock(void)
{
    struct domain *d = make(0, 1);
    evtchn_port_t port, other;

    event_set_pirq_hooks(NULL);
    CU_ASSERT_EQUAL(event_bind_pirq(d, 1, &port), REFUSE_EVENT_BAD_PIRQ);
    event_set_pirq_hooks(&hooks);
    CU_ASSERT_EQUAL(event_bind_pirq(d, 0x10000, &port), REFUSE_EVENT_BAD_PIRQ);
    CU_ASSERT_EQUAL(event_bind_pirq(d, PIRQS, &port), REFUSE_EVENT_BAD_PIRQ);
    CU_ASSERT_EQUAL(d->events.in_use, 0);
    raise_while_binding = true;
    CU_ASSERT_EQUAL(event_bind_pirq(d, 1, &port), REFUSE_NONE);
    raise_while_binding = false;
    CU_ASSERT(pending_bit(d, port)); // not lost
    CU_ASSERT_EQUAL(event_bind_pirq(d, 1, &other), REFUSE_PIRQ_IN_USE);
    CU_ASSERT_EQUAL(event_close(d, port), REFUSE_NONE);
    CU_ASSERT_FALSE(pending_bit(d, port));
    CU_ASSERT_FALSE(pirqs[1].bound);
    drop(d);
}

static void all_ports_in_use(void)
{
    unsigned pages = host_pages;
    struct domain *d = make(1, 1);
    evtchn_port_t port;

    for (unsigned i = 1; i < EVTCHN_2L_NR_CHANNELS; i++) {
        CU_ASSERT_EQUAL_FATAL(event_alloc_unbound(d, 1, &port), REFUSE_NONE);
        CU_ASSERT_EQUAL_FATAL(port, i);
    }
    // A page for each bucket, and the large directory.
    CU_ASSERT_EQUAL(host_pages - pages, EVTCHN_2L_NR_CHANNELS / EVENT_BUCKET_PORTS + 1);
    CU_ASSERT_EQUAL(event_alloc_unbound(d, 1, &port), REFUSE_EVENT_NO_PORT);
    event_close(d, 777);
    CU_ASSERT_EQUAL(event_alloc_unbound(d, 1, &port), REFUSE_NONE);
    CU_ASSERT_EQUAL(port, 777);
    drop(d);
    CU_ASSERT_EQUAL(host_pages, pages);
}

static void ports_of_a_small_domain(void)
{
    struct domain *d = host_domain_make(1, 1);
    evtchn_port_t port = 0;
    bool pending;

    host_no_pages = true;
    CU_ASSERT_EQUAL(event_domain_init(d, 80), REFUSE_NO_MEMORY);
    host_no_pages = false;
    CU_ASSERT_EQUAL(event_domain_init(d, 80), REFUSE_NONE); // ports 1 to 80
    while (port < 63)
        event_alloc_unbound(d, 1, &port);
    CU_ASSERT_EQUAL(event_send(d, 64), REFUSE_EVENT_BAD_PORT);
    CU_ASSERT_EQUAL(event_unmask(d, 64), REFUSE_EVENT_BAD_PORT); // it has never been there
    host_no_pages = true; // the page of the first ports has room for them
    while (port < 80)
        CU_ASSERT_EQUAL_FATAL(event_alloc_unbound(d, 1, &port), REFUSE_NONE);
    host_no_pages = false;
    CU_ASSERT_EQUAL(event_alloc_unbound(d, 1, &port), REFUSE_EVENT_NO_PORT);
    CU_ASSERT_EQUAL(event_send(d, 81), REFUSE_EVENT_BAD_PORT);
    CU_ASSERT_EQUAL(event_unmask(d, 81), REFUSE_NONE); // closed, but there
    CU_ASSERT_EQUAL(event_poll(d, 80, &pending), REFUSE_NONE);
    CU_ASSERT_FALSE(pending);
    CU_ASSERT_EQUAL(event_poll(d, 81, &pending), REFUSE_EVENT_BAD_PORT);
    d->is_dying = true;
    CU_ASSERT_EQUAL(event_alloc_unbound(d, 1, &port), REFUSE_DOMAIN_DYING);
    drop(d);
}

// Memory is needed for the first port of each page, and only there.
static void memory_as_ports_need_it(void)
{
    struct domain *d = make(1, 1);
    evtchn_port_t port = 0;

    for (evtchn_port_t next = 1; next < EVTCHN_2L_NR_CHANNELS; next++) {
        bool needs = next % EVENT_BUCKET_PORTS == 0;
        host_no_pages = true;
        enum refusal r = event_alloc_unbound(d, 1, &port);
        host_no_pages = false;
        CU_ASSERT_EQUAL_FATAL(r, needs ? REFUSE_NO_MEMORY : REFUSE_NONE);
        if (needs)
            CU_ASSERT_EQUAL_FATAL(event_alloc_unbound(d, 1, &port), REFUSE_NONE);
        CU_ASSERT_EQUAL_FATAL(port, next);
    }
    drop(d);
}

static void one_reset_at_a_time(void)
{
    struct domain *d = make(1, 1);
    evtchn_port_t port;

    for (unsigned i = 0; i < 20; i++)
        event_alloc_unbound(d, 1, &port);
    CU_ASSERT_EQUAL(event_reset(d, true, 10), REFUSE_BUSY); // none is under way
    CU_ASSERT_EQUAL(event_reset(d, false, 10), REFUSE_CONTINUE);
    CU_ASSERT_EQUAL(event_reset(d, false, 10), REFUSE_BUSY);
    event_alloc_unbound(d, 1, &port); // one of those that are closed already
    CU_ASSERT_EQUAL(event_reset(d, true, 10), REFUSE_CONTINUE);
    CU_ASSERT_EQUAL(event_reset(d, true, 100), REFUSE_EVENT_STILL_OPEN);
    CU_ASSERT_EQUAL(event_reset(d, false, 100), REFUSE_NONE);
    CU_ASSERT_EQUAL(d->events.in_use, 0);
    drop(d);
}

// A guest that is killed in the middle of a reset: death begins at the first port all the same.
static void killed_while_resetting(void)
{
    struct domain *d = make(1, 1);
    evtchn_port_t port;
    for (unsigned i = 0; i < 20; i++)
        event_alloc_unbound(d, 1, &port);
    CU_ASSERT_EQUAL(event_reset(d, false, 10), REFUSE_CONTINUE);
    event_alloc_unbound(d, 1, &port);
    CU_ASSERT_EQUAL(port, 1);
    drop(d);
}

// Events may come before the domain has its vcpus.
static void no_vcpu_yet(void)
{
    struct domain *a = make(1, 1), *b = make(2, 0);
    evtchn_port_t pa, pb;
    event_alloc_unbound(b, 1, &pb);
    CU_ASSERT_EQUAL(event_bind_interdomain(a, b, pb, &pa), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_send(a, pa), REFUSE_NONE);
    CU_ASSERT(pending_bit(b, pb));
    event_raise_global_virq(b, VIRQ_CONSOLE);
    drop(a), drop(b);
}

static void info_moves(void)
{
    struct domain *d = make(1, 1);
    struct vcpu_info moved = {0};
    evtchn_port_t port;
    event_bind_ipi(d, 0, &port);
    mask_port(d, port);
    event_send(d, port);
    moved = *d->vcpu[0]->info;
    d->vcpu[0]->info = &moved;
    event_notify_vcpu_info_moved(d->vcpu[0]);
    CU_ASSERT(moved.evtchn_pending_sel == ~0ul && moved.evtchn_upcall_pending == 1);
    drop(d);
}

// --- random sequences

#define DOMAINS 3
#define VCPUS 3
#define MODEL_PORTS 200

struct model_port {
    enum event_state state;
    unsigned vcpu, virq, pirq;
    unsigned peer_domain, peer_port;
};
static struct model_port model[DOMAINS][MODEL_PORTS];
static struct domain *world[DOMAINS];

static void check_port(unsigned i, evtchn_port_t port)
{
    static const uint32_t status_of[] = {
        [EVENT_FREE] = EVTCHNSTAT_closed,
        [EVENT_UNBOUND] = EVTCHNSTAT_unbound,
        [EVENT_INTERDOMAIN] = EVTCHNSTAT_interdomain,
        [EVENT_PIRQ] = EVTCHNSTAT_pirq,
        [EVENT_VIRQ] = EVTCHNSTAT_virq,
        [EVENT_IPI] = EVTCHNSTAT_ipi,
    };
    const struct model_port *m = &model[i][port];
    struct evtchn_status s = {.port = port};

    if (event_status(world[i], &s) != REFUSE_NONE) {
        CU_ASSERT_EQUAL_FATAL(m->state, EVENT_FREE);
        return;
    }
    CU_ASSERT_EQUAL_FATAL(s.status, status_of[m->state]);
    CU_ASSERT_EQUAL_FATAL(s.vcpu, m->vcpu);
    if (m->state == EVENT_UNBOUND)
        CU_ASSERT_EQUAL_FATAL(s.u.unbound.dom, m->peer_domain);
    if (m->state == EVENT_INTERDOMAIN) {
        CU_ASSERT_EQUAL_FATAL(s.u.interdomain.dom, m->peer_domain);
        CU_ASSERT_EQUAL_FATAL(s.u.interdomain.port, m->peer_port);
    }
    if (m->state == EVENT_VIRQ)
        CU_ASSERT_EQUAL_FATAL(s.u.virq, m->virq);
}

static void model_close(unsigned i, unsigned port)
{
    struct model_port *m = &model[i][port];
    if (m->state == EVENT_INTERDOMAIN) {
        struct model_port *peer = &model[m->peer_domain][m->peer_port];
        peer->state = EVENT_UNBOUND;
        peer->peer_domain = i;
        peer->peer_port = 0;
    }
    *m = (struct model_port){0};
}

static bool model_virq_bound(unsigned i, unsigned vcpu, unsigned virq)
{
    for (unsigned p = 0; p < MODEL_PORTS; p++)
        if (model[i][p].state == EVENT_VIRQ && model[i][p].virq == virq &&
            (event_virq_is_global(virq) || model[i][p].vcpu == vcpu))
            return true;
    return false;
}

static void random_bind(unsigned i)
{
    struct domain *d = world[i];
    unsigned vcpu = host_random(VCPUS + 1), peer = host_random(DOMAINS);
    unsigned virq = host_random(NR_VIRQS + 1), pirq = host_random(PIRQS + 1);
    unsigned peer_port = host_random(MODEL_PORTS);
    evtchn_port_t port = 0;
    struct model_port m = {.vcpu = 0};
    enum refusal r;

    switch (host_random(5)) {
    case 0:
        r = event_alloc_unbound(d, (domid_t)peer, &port);
        m = (struct model_port){.state = EVENT_UNBOUND, .peer_domain = peer};
        CU_ASSERT_EQUAL_FATAL(r, REFUSE_NONE);
        break;
    case 1: {
        struct model_port *p = &model[peer][peer_port];
        r = event_bind_interdomain(d, world[peer], peer_port, &port);
        CU_ASSERT_EQUAL_FATAL(r == REFUSE_NONE, p->state == EVENT_UNBOUND && p->peer_domain == i);
        m = (struct model_port){
            .state = EVENT_INTERDOMAIN, .peer_domain = peer, .peer_port = peer_port};
        if (r == REFUSE_NONE) {
            p->state = EVENT_INTERDOMAIN;
            p->peer_port = port;
        }
        break;
    }
    case 2:
        r = event_bind_virq(d, vcpu, virq, &port);
        CU_ASSERT_EQUAL_FATAL(r == REFUSE_NONE, virq < NR_VIRQS && vcpu < VCPUS &&
                                                    (vcpu == 0 || !event_virq_is_global(virq)) &&
                                                    !model_virq_bound(i, vcpu, virq));
        m = (struct model_port){.state = EVENT_VIRQ, .vcpu = vcpu, .virq = virq};
        break;
    case 3:
        r = event_bind_ipi(d, vcpu, &port);
        CU_ASSERT_EQUAL_FATAL(r == REFUSE_NONE, vcpu < VCPUS);
        m = (struct model_port){.state = EVENT_IPI, .vcpu = vcpu};
        break;
    default: {
        bool was_bound = pirq < PIRQS && pirqs[pirq].bound;
        r = event_bind_pirq(d, pirq, &port);
        CU_ASSERT_EQUAL_FATAL(r == REFUSE_NONE, pirq < PIRQS && !was_bound);
        m = (struct model_port){.state = EVENT_PIRQ, .pirq = pirq};
    }
    }
    if (r != REFUSE_NONE)
        return;
    CU_ASSERT_FATAL(port > 0 && port < MODEL_PORTS);
    CU_ASSERT_EQUAL_FATAL(model[i][port].state, EVENT_FREE);
    model[i][port] = m;
}

static void random_send(unsigned i, unsigned port)
{
    const struct model_port *m = &model[i][port];
    enum refusal r = event_send(world[i], port);
    bool delivered = m->state == EVENT_IPI || m->state == EVENT_INTERDOMAIN;

    CU_ASSERT_EQUAL_FATAL(r == REFUSE_NONE, delivered || m->state == EVENT_UNBOUND);
    if (m->state == EVENT_IPI)
        CU_ASSERT_FATAL(pending_bit(world[i], port));
    if (m->state == EVENT_INTERDOMAIN)
        CU_ASSERT_FATAL(pending_bit(world[m->peer_domain], m->peer_port));
}

static void random_bind_vcpu(unsigned i, unsigned port)
{
    struct model_port *m = &model[i][port];
    unsigned vcpu = host_random(VCPUS + 1);
    enum refusal r = event_bind_vcpu(world[i], port, vcpu);
    bool fixed = m->state == EVENT_FREE || m->state == EVENT_IPI ||
                 (m->state == EVENT_VIRQ && !event_virq_is_global(m->virq));

    CU_ASSERT_EQUAL_FATAL(r == REFUSE_NONE, vcpu < VCPUS && !fixed);
    if (r == REFUSE_NONE)
        m->vcpu = vcpu;
}

static void random_against_model(void)
{
    event_set_pirq_hooks(&hooks);
    memset(model, 0, sizeof(model));
    for (unsigned i = 0; i < DOMAINS; i++)
        world[i] = make((domid_t)i, VCPUS);
    for (unsigned step = 0; step < 40000; step++) {
        unsigned i = host_random(DOMAINS), port = host_random(MODEL_PORTS), in_use = 0;
        for (unsigned p = 0; p < MODEL_PORTS; p++)
            in_use += model[i][p].state != EVENT_FREE;
        CU_ASSERT_EQUAL_FATAL(world[i]->events.in_use, in_use);
        switch (host_random(10)) {
        case 0: // a hostile guest: nothing of this may matter to us
            ((uint8_t *)world[i]->shared_info)[host_random(sizeof(struct shared_info))] =
                (uint8_t)host_random(256);
            break;
        case 1:
        case 2:
            CU_ASSERT_EQUAL_FATAL(event_close(world[i], port) == REFUSE_NONE,
                                  model[i][port].state != EVENT_FREE);
            model_close(i, port);
            break;
        case 3:
            random_send(i, port);
            break;
        case 4:
            random_bind_vcpu(i, port);
            break;
        case 5:
            event_unmask(world[i], port);
            event_raise_virq(world[i]->vcpu[host_random(VCPUS)], host_random(NR_VIRQS));
            break;
        default:
            if (in_use < MODEL_PORTS / 2)
                random_bind(i);
        }
        check_port(i, port);
        if (host_random(4000) == 0) {
            enum refusal r = event_reset(world[i], false, 10);
            while (r == REFUSE_CONTINUE)
                r = event_reset(world[i], true, 10);
            CU_ASSERT_EQUAL_FATAL(r, REFUSE_NONE);
            for (unsigned p = 0; p < MODEL_PORTS; p++)
                model_close(i, p);
        }
    }
    for (unsigned i = 0; i < DOMAINS; i++)
        drop(world[i]);
    CU_ASSERT_EQUAL(host_pages, 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(delivery_bit_by_bit),
    REPORT_CASE(interdomain_and_its_end),
    REPORT_CASE(loopback_pair),
    REPORT_CASE(virqs),
    REPORT_CASE(pirqs_are_connected_outside_the_lock),
    REPORT_CASE(all_ports_in_use),
    REPORT_CASE(ports_of_a_small_domain),
    REPORT_CASE(memory_as_ports_need_it),
    REPORT_CASE(one_reset_at_a_time),
    REPORT_CASE(killed_while_resetting),
    REPORT_CASE(no_vcpu_yet),
    REPORT_CASE(info_moves),
    REPORT_CASE(random_against_model),
};

int main(void)
{
    return report_run("event", cases, sizeof(cases) / sizeof(cases[0]));
}
