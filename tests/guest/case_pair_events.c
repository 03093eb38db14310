// SPDX-License-Identifier: MIT
// Event channels between two domains: offering, binding, sending, closing on either side, death.
#define __XEN_TOOLS__ 1
#include "tests/guest/pair.h"
#include "tests/guest/ports.h"

#include <string.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/sched.h>

#include "pvguest/event.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

// Of any domain that the toolstack makes here, and one that no domain has.
#define LAST_PORT 1023
#define WILD_PORT 0x7fffffff

// --- one operation each, in either domain: a result or an error ---------------------------------------

static long alloc_unbound(long dom, long remote, long unused)
{
    struct evtchn_alloc_unbound op = {.dom = (domid_t)dom, .remote_dom = (domid_t)remote};
    long result = hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &op);

    (void)unused;
    return result ? result : (long)op.port;
}

static long bind(long remote, long port, long unused)
{
    struct evtchn_bind_interdomain op = {.remote_dom = (domid_t)remote,
                                         .remote_port = (evtchn_port_t)port};
    long result = hypercall_event_channel_op(EVTCHNOP_bind_interdomain, &op);

    (void)unused;
    return result ? result : (long)op.local_port;
}

static long close(long port, long unused, long unused2)
{
    struct evtchn_close op = {.port = (evtchn_port_t)port};

    (void)unused, (void)unused2;
    return hypercall_event_channel_op(EVTCHNOP_close, &op);
}

static long send(long port, long unused, long unused2)
{
    struct evtchn_send op = {.port = (evtchn_port_t)port};

    (void)unused, (void)unused2;
    return hypercall_event_channel_op(EVTCHNOP_send, &op);
}

static long reset(long dom, long unused, long unused2)
{
    struct evtchn_reset op = {.dom = (domid_t)dom};

    (void)unused, (void)unused2;
    return hypercall_event_channel_op(EVTCHNOP_reset, &op);
}

static long go_on_with_reset(domid_t dom)
{
    struct evtchn_reset op = {.dom = dom};

    return hypercall_event_channel_op(EVTCHNOP_reset_cont, &op);
}

static long bind_virq(long virq, long vcpu, long unused)
{
    struct evtchn_bind_virq op = {.virq = (uint32_t)virq, .vcpu = (uint32_t)vcpu};
    long result = hypercall_event_channel_op(EVTCHNOP_bind_virq, &op);

    (void)unused;
    return result ? result : (long)op.port;
}

static long bind_pirq(long pirq, long unused, long unused2)
{
    struct evtchn_bind_pirq op = {.pirq = (uint32_t)pirq};
    long result = hypercall_event_channel_op(EVTCHNOP_bind_pirq, &op);

    (void)unused, (void)unused2;
    return result ? result : (long)op.port;
}

static long is_pending(long port, long unused, long unused2)
{
    (void)unused, (void)unused2;
    return event_is_pending((evtchn_port_t)port);
}

static long clear_pending(long port, long unused, long unused2)
{
    (void)unused, (void)unused2;
    event_clear((evtchn_port_t)port);
    return 0;
}

// A status in one number; for a pair of domains the other end's domain and port.
#define UNBOUND_FOR(dom) (EVTCHNSTAT_unbound << 24 | (dom))
#define BOUND_TO(dom, port) ((long)(port) << 32 | EVTCHNSTAT_interdomain << 24 | (dom))
static long status(long dom, long port, long unused)
{
    struct evtchn_status op = {.dom = (domid_t)dom, .port = (evtchn_port_t)port};
    long result = hypercall_event_channel_op(EVTCHNOP_status, &op);

    (void)unused;
    if (result)
        return result;
    if (op.status == EVTCHNSTAT_interdomain)
        return BOUND_TO(op.u.interdomain.dom, op.u.interdomain.port);
    return (long)(op.status << 24) | (op.status == EVTCHNSTAT_unbound ? op.u.unbound.dom : 0);
}

// A port of the peer for dom0, and dom0's end.
static bool connect(struct peer *peer, long *theirs, long *ours)
{
    *theirs = peer_call(peer, alloc_unbound, DOMID_SELF, 0, 0);
    *ours = bind(peer->domid, *theirs, 0);
    return EXPECT_TRUE(*theirs > 0) && EXPECT_TRUE(*ours > 0);
}

static void disconnect(struct peer *peer, long theirs, long ours)
{
    EXPECT(close(ours, 0, 0), 0);
    EXPECT(peer_call(peer, close, theirs, 0, 0), 0);
}

// --- cases -------------------------------------------------------------------------------------------

static void offer_and_bind(void)
{
    struct peer *peer = peer_get(0);
    long theirs, ours;

    REQUIRE(peer);
    theirs = peer_call(peer, alloc_unbound, DOMID_SELF, 0, 0);
    REQUIRE(theirs > 0);
    EXPECT(status(peer->domid, theirs, 0), UNBOUND_FOR(0));
    ours = bind(peer->domid, theirs, 0);
    REQUIRE(ours > 0);
    EXPECT(status(DOMID_SELF, ours, 0), BOUND_TO(peer->domid, theirs));
    EXPECT(status(peer->domid, theirs, 0), BOUND_TO(0, ours));
    EXPECT(peer_call(peer, status, DOMID_SELF, theirs, 0), BOUND_TO(0, ours));
    // What was sent before there were two ends is lost; the one who binds gets an event instead.
    EXPECT_TRUE(is_pending(ours, 0, 0));
    EXPECT(peer_call(peer, is_pending, theirs, 0, 0), 0);
    disconnect(peer, theirs, ours);
}

static void both_ways(void)
{
    struct peer *peer = peer_get(0);
    long theirs, ours;

    REQUIRE(peer && connect(peer, &theirs, &ours));
    clear_pending(ours, 0, 0);
    EXPECT(send(ours, 0, 0), 0);
    EXPECT(peer_call(peer, is_pending, theirs, 0, 0), 1);
    EXPECT(is_pending(ours, 0, 0), 0);
    EXPECT(peer_call(peer, clear_pending, theirs, 0, 0), 0);
    EXPECT(peer_call(peer, send, theirs, 0, 0), 0);
    EXPECT(is_pending(ours, 0, 0), 1);
    EXPECT(peer_call(peer, is_pending, theirs, 0, 0), 0);
    disconnect(peer, theirs, ours);
}

// A peer offers to dom0; the other way round the domU binds a port of dom0's.
static void bound_by_the_guest(void)
{
    struct peer *peer = peer_get(0);
    long ours, theirs;

    REQUIRE(peer);
    ours = alloc_unbound(DOMID_SELF, peer->domid, 0);
    theirs = peer_call(peer, bind, 0, ours, 0);
    EXPECT_TRUE(ours > 0 && theirs > 0);
    EXPECT(status(DOMID_SELF, ours, 0), BOUND_TO(peer->domid, theirs));
    EXPECT(peer_call(peer, is_pending, theirs, 0, 0), 1);
    EXPECT(is_pending(ours, 0, 0), 0);
    // dom0 offers nothing to itself there, and nobody binds it twice.
    EXPECT(peer_call(peer, bind, 0, ours, 0), -XEN_EINVAL);
    EXPECT(bind(0, ours, 0), -XEN_EINVAL);
    disconnect(peer, theirs, ours);
}

static void bind_refused(void)
{
    static const domid_t absent[] = {ABSENT_DOMAIN, DOMID_IO,   DOMID_XEN,
                                     DOMID_COW,     DOMID_IDLE, DOMID_INVALID};
    struct peer *peer = peer_get(0);
    long theirs, ours, own, virq;

    REQUIRE(peer && connect(peer, &theirs, &ours));
    EXPECT(bind(peer->domid, theirs, 0), -XEN_EINVAL); // bound already
    EXPECT(bind(peer->domid, 0, 0), -XEN_EINVAL);
    EXPECT(bind(peer->domid, LAST_PORT, 0), -XEN_EINVAL);
    EXPECT(bind(peer->domid, LAST_PORT + 1, 0), -XEN_EINVAL);
    EXPECT(bind(peer->domid, WILD_PORT, 0), -XEN_EINVAL);
    EXPECT(bind(peer->domid, 0xffffffff, 0), -XEN_EINVAL);
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        EXPECT(bind(absent[i], theirs, 0), -XEN_ESRCH);
        EXPECT(peer_call(peer, bind, absent[i], ours, 0), -XEN_ESRCH);
    }
    own = peer_call(peer, alloc_unbound, DOMID_SELF, DOMID_SELF, 0);
    EXPECT(bind(peer->domid, own, 0), -XEN_EINVAL);
    virq = peer_call(peer, bind_virq, VIRQ_DEBUG, 0, 0);
    EXPECT_TRUE(own > 0 && virq > 0);
    EXPECT(bind(peer->domid, virq, 0), -XEN_EINVAL);
    EXPECT(peer_call(peer, bind, DOMID_SELF, virq, 0), -XEN_EINVAL);
    EXPECT(peer_call(peer, close, own, 0, 0), 0);
    EXPECT(bind(peer->domid, own, 0), -XEN_EINVAL);
    EXPECT(peer_call(peer, close, virq, 0, 0), 0);
    disconnect(peer, theirs, ours);
}

// A port that waits for one guest is not for another, nor for dom0.
static void third_party(void)
{
    struct peer *a = peer_get(0), *b = peer_get(1);
    long offered, bound, by_dom0;

    REQUIRE(a && b);
    offered = peer_call(a, alloc_unbound, DOMID_SELF, b->domid, 0);
    REQUIRE(offered > 0);
    EXPECT(bind(a->domid, offered, 0), -XEN_EINVAL);
    EXPECT(peer_call(a, bind, DOMID_SELF, offered, 0), -XEN_EINVAL);
    bound = peer_call(b, bind, a->domid, offered, 0);
    EXPECT_TRUE(bound > 0);
    EXPECT(status(a->domid, offered, 0), BOUND_TO(b->domid, bound));
    EXPECT(status(b->domid, bound, 0), BOUND_TO(a->domid, offered));
    EXPECT(peer_call(b, send, bound, 0, 0), 0);
    EXPECT(peer_call(a, is_pending, offered, 0, 0), 1);
    EXPECT(peer_call(b, close, bound, 0, 0), 0);
    EXPECT(peer_call(a, close, offered, 0, 0), 0);
    // As the toolstack connects two guests.
    by_dom0 = alloc_unbound(a->domid, b->domid, 0);
    EXPECT(status(a->domid, by_dom0, 0), UNBOUND_FOR(b->domid));
    bound = peer_call(b, bind, a->domid, by_dom0, 0);
    EXPECT_TRUE(by_dom0 > 0 && bound > 0);
    EXPECT(peer_call(a, close, by_dom0, 0, 0), 0);
    EXPECT(peer_call(b, status, DOMID_SELF, bound, 0), UNBOUND_FOR(a->domid));
    EXPECT(peer_call(b, close, bound, 0, 0), 0);
}

// Offering for somebody: dom0 may for all, a guest for itself only. The other side need not exist.
static void alloc_for_others(void)
{
    struct peer *peer = peer_get(0);
    long port;

    REQUIRE(peer);
    EXPECT(peer_call(peer, alloc_unbound, 0, DOMID_SELF, 0), -XEN_EPERM);
    EXPECT(peer_call(peer, alloc_unbound, ABSENT_DOMAIN, 0, 0), -XEN_ESRCH);
    EXPECT(peer_call(peer, alloc_unbound, DOMID_IO, 0, 0), -XEN_ESRCH);
    EXPECT(alloc_unbound(DOMID_XEN, 0, 0), -XEN_ESRCH);
    EXPECT(alloc_unbound(ABSENT_DOMAIN, 0, 0), -XEN_ESRCH);
    port = peer_call(peer, alloc_unbound, peer->domid, ABSENT_DOMAIN, 0);
    EXPECT(status(peer->domid, port, 0), UNBOUND_FOR(ABSENT_DOMAIN));
    EXPECT(peer_call(peer, close, port, 0, 0), 0);
    // DOMID_SELF as the remote side is who calls, not for whom it is.
    port = alloc_unbound(peer->domid, DOMID_SELF, 0);
    EXPECT(status(peer->domid, port, 0), UNBOUND_FOR(0));
    EXPECT(peer_call(peer, close, port, 0, 0), 0);
}

static void status_of_others(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, status, 0, 1, 0), -XEN_EPERM);
    EXPECT(peer_call(peer, status, ABSENT_DOMAIN, 1, 0), -XEN_ESRCH);
    EXPECT(peer_call(peer, status, DOMID_IO, 1, 0), -XEN_ESRCH);
    EXPECT(peer_call(peer, status, peer->domid, WILD_PORT, 0), -XEN_EINVAL);
    EXPECT(status(peer->domid, WILD_PORT, 0), -XEN_EINVAL);
    EXPECT(status(peer->domid, 0, 0), EVTCHNSTAT_closed << 24);
    EXPECT(status(peer->domid, peer->ports[1], 0), UNBOUND_FOR(0));
    EXPECT(status(DOMID_IDLE, 1, 0), -XEN_ESRCH);
}

// The end that stays waits for the same domain again, keeps what was pending, and swallows what is sent.
static void closed_by_the_peer(void)
{
    struct peer *peer = peer_get(0);
    long theirs, ours, again;

    REQUIRE(peer && connect(peer, &theirs, &ours));
    clear_pending(ours, 0, 0);
    EXPECT(peer_call(peer, send, theirs, 0, 0), 0);
    EXPECT(peer_call(peer, close, theirs, 0, 0), 0);
    EXPECT(peer_call(peer, close, theirs, 0, 0), -XEN_EINVAL);
    EXPECT(peer_call(peer, send, theirs, 0, 0), -XEN_EINVAL);
    EXPECT(is_pending(ours, 0, 0), 1);
    EXPECT(status(DOMID_SELF, ours, 0), UNBOUND_FOR(peer->domid));
    EXPECT(send(ours, 0, 0), 0);
    again = peer_call(peer, bind, 0, ours, 0);
    EXPECT(status(DOMID_SELF, ours, 0), BOUND_TO(peer->domid, again));
    EXPECT(is_pending(ours, 0, 0), 1);
    disconnect(peer, again, ours);
    EXPECT(is_pending(ours, 0, 0), 0);
}

static void closed_by_dom0(void)
{
    struct peer *peer = peer_get(0);
    long theirs, ours;

    REQUIRE(peer && connect(peer, &theirs, &ours));
    EXPECT(send(ours, 0, 0), 0);
    EXPECT(close(ours, 0, 0), 0);
    EXPECT(is_pending(ours, 0, 0), 0);
    EXPECT(peer_call(peer, is_pending, theirs, 0, 0), 1);
    EXPECT(status(peer->domid, theirs, 0), UNBOUND_FOR(0));
    ours = bind(peer->domid, theirs, 0);
    EXPECT(status(peer->domid, theirs, 0), BOUND_TO(0, ours));
    EXPECT(peer_call(peer, close, theirs, 0, 0), 0);
    EXPECT(status(DOMID_SELF, ours, 0), UNBOUND_FOR(peer->domid));
    EXPECT(close(ours, 0, 0), 0);
    EXPECT(close(ours, 0, 0), -XEN_EINVAL);
}

static long poll_port(long port, long unused, long unused2)
{
    evtchn_port_t number = (evtchn_port_t)port;
    struct sched_poll op = {.nr_ports = 1};

    (void)unused, (void)unused2;
    set_xen_guest_handle(op.ports, &number);
    return hypercall_sched_op(SCHEDOP_poll, &op);
}

// The port is masked in the peer: only a poll sees the event of the other domain.
static void poll_is_woken(void)
{
    struct peer *peer = peer_get(0);
    long theirs, ours;

    REQUIRE(peer && connect(peer, &theirs, &ours));
    peer_start(peer, poll_port, theirs, 0, 0);
    thread_sleep(NSEC_PER_MSEC);
    EXPECT(send(ours, 0, 0), 0);
    EXPECT(peer_wait(peer), 0);
    disconnect(peer, theirs, ours);
}

// Allocates until there is none left: the highest port, and the error. Then all are closed again.
static long fill_ports(long first_error, long unused, long unused2)
{
    long port, last = 0, lowest = 0;

    (void)unused, (void)unused2;
    while ((port = alloc_unbound(DOMID_SELF, 0, 0)) > 0) {
        lowest = lowest ? lowest : port;
        last = port;
    }
    EXPECT(port, first_error);
    EXPECT(bind_virq(VIRQ_DEBUG, 0, 0), first_error);
    for (port = lowest; port <= last; port++)
        if (status(DOMID_SELF, port, 0) == UNBOUND_FOR(0) && port > lowest)
            EXPECT(close(port, 0, 0), 0);
    EXPECT(close(lowest, 0, 0), 0);
    return last;
}

static void all_ports_in_use(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, fill_ports, -XEN_ENOSPC, 0, 0), LAST_PORT);
    EXPECT(peer_end(peer), true); // its own first channels are closed too
}

static void virqs_of_a_guest(void)
{
    static const uint8_t global[] = {VIRQ_CONSOLE,  VIRQ_DOM_EXC,  VIRQ_TBUF,
                                     VIRQ_DEBUGGER, VIRQ_CON_RING, VIRQ_PCPU_STATE};
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    for (size_t i = 0; i < sizeof(global); i++) {
        long port = peer_call(peer, bind_virq, global[i], 0, 0);

        EXPECT_TRUE(port > 0);
        EXPECT(peer_call(peer, bind_virq, global[i], 1, 0), -XEN_EINVAL);
        EXPECT(peer_call(peer, close, port, 0, 0), 0);
    }
    EXPECT(peer_call(peer, bind_virq, VIRQ_DEBUG, 1, 0), -XEN_ENOENT);
    EXPECT(peer_call(peer, bind_virq, VIRQ_DEBUG, -1, 0), -XEN_ENOENT);
    EXPECT(peer_call(peer, bind_virq, NR_VIRQS, 0, 0), -XEN_EINVAL);
    EXPECT(peer_call(peer, bind_virq, VIRQ_TIMER, 0, 0), -XEN_EEXIST);
}

static void pirqs_of_a_guest(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, bind_pirq, 0, 0, 0), -XEN_EPERM);
    EXPECT(peer_call(peer, bind_pirq, 1, 0, 0), -XEN_EPERM);
    EXPECT(peer_call(peer, bind_pirq, 9, 0, 0), -XEN_EPERM);
    EXPECT(peer_call(peer, bind_pirq, 23, 0, 0), -XEN_EPERM);
    EXPECT(peer_call(peer, bind_pirq, 0x7fffffff, 0, 0), -XEN_EINVAL);
}

// Only a domain that does not run is reset by another; all its ports are closed, its peers' wait again.
static void reset_of_another(void)
{
    struct peer *peer = peer_get(0);
    struct xen_domctl op;
    long theirs, ours;

    REQUIRE(peer && connect(peer, &theirs, &ours));
    EXPECT(peer_call(peer, reset, 0, 0, 0), -XEN_EPERM);
    EXPECT(peer_call(peer, reset, ABSENT_DOMAIN, 0, 0), -XEN_ESRCH);
    EXPECT(reset(DOMID_XEN, 0, 0), -XEN_ESRCH);
    EXPECT(reset(peer->domid, 0, 0), -XEN_EINVAL);
    EXPECT(go_on_with_reset(peer->domid), -XEN_EINVAL);
    memset(&op, 0, sizeof(op));
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_pausedomain, peer->domid), 0);
    EXPECT(reset(peer->domid, 0, 0), 0);
    EXPECT(status(DOMID_SELF, ours, 0), UNBOUND_FOR(peer->domid));
    EXPECT(status(peer->domid, theirs, 0), EVTCHNSTAT_closed << 24);
    EXPECT(status(peer->domid, peer->ports[0], 0), EVTCHNSTAT_closed << 24);
    EXPECT(bind(peer->domid, theirs, 0), -XEN_EINVAL);
    EXPECT(close(ours, 0, 0), 0);
    EXPECT(peer_end(peer), true);
}

// Death closes what it had bound; dom0 keeps its end.
static void death_of_a_bound_domain(void)
{
    struct peer *peer = peer_get(0);
    long theirs, ours;
    domid_t domid;

    REQUIRE(peer && connect(peer, &theirs, &ours));
    domid = peer->domid;
    EXPECT(peer_call(peer, send, theirs, 0, 0), 0);
    EXPECT(peer_end(peer), true);
    EXPECT(status(DOMID_SELF, ours, 0), UNBOUND_FOR(domid));
    EXPECT(is_pending(ours, 0, 0), 1);
    EXPECT(send(ours, 0, 0), 0);
    EXPECT(status(domid, theirs, 0), -XEN_ESRCH);
    EXPECT(bind(domid, theirs, 0), -XEN_ESRCH);
    EXPECT(close(ours, 0, 0), 0);
}

static long shut_down(long reason, long unused, long unused2)
{
    struct sched_shutdown op = {.reason = (unsigned int)reason};

    (void)unused, (void)unused2;
    return hypercall_sched_op(SCHEDOP_shutdown, &op);
}

static bool pending_soon(long port)
{
    uint64_t limit = time_now() + 10 * NSEC_PER_SEC;

    while (!is_pending(port, 0, 0) && time_now() < limit)
        thread_sleep(NSEC_PER_MSEC);
    return is_pending(port, 0, 0);
}

static void dom_exc(void)
{
    struct peer *peer = peer_get(0);
    long virq = bind_virq(VIRQ_DOM_EXC, 0, 0);

    REQUIRE(peer && virq > 0);
    clear_pending(virq, 0, 0);
    EXPECT(peer_call(peer, shut_down, SHUTDOWN_suspend, 0, 0), PEER_DIED);
    EXPECT(pair_wait_shutdown(peer->domid), SHUTDOWN_suspend);
    EXPECT_TRUE(pending_soon(virq));
    clear_pending(virq, 0, 0);
    EXPECT(peer_end(peer), true);
    EXPECT_TRUE(pending_soon(virq));
    EXPECT(close(virq, 0, 0), 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(offer_and_bind),
    REPORT_CASE(both_ways),
    REPORT_CASE(bound_by_the_guest),
    REPORT_CASE(bind_refused),
    REPORT_CASE(third_party),
    REPORT_CASE(alloc_for_others),
    REPORT_CASE(status_of_others),
    REPORT_CASE(closed_by_the_peer),
    REPORT_CASE(closed_by_dom0),
    REPORT_CASE(poll_is_woken),
    REPORT_CASE(all_ports_in_use),
    REPORT_CASE(virqs_of_a_guest),
    REPORT_CASE(pirqs_of_a_guest),
    REPORT_CASE(reset_of_another),
    REPORT_CASE(death_of_a_bound_domain),
    REPORT_CASE(dom_exc),
};

GUEST_FAMILY(pair_events, REPORT_SUITE("pair_events", cases));
