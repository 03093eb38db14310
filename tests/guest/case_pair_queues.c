// SPDX-License-Identifier: MIT
// Event queues (FIFO) between two domains: events for a guest with queues, and the end of such a guest.
#include "tests/guest/pair.h"
#include "tests/guest/ports.h"

#include <string.h>
#include <xen/sched.h>

#include "pvguest/event.h"
#include "pvguest/time.h"

enum { READY, WORD, HEAD, BITS }; // of the box's data

// In the peer: turns to queues and waits for an event of `port`. Its kernel knows nothing of queues, so
// this is the last thing that it does.
static long wait_in_queue(long port, long priority, long far_port)
{
    uint64_t limit = time_now() + 5 * NSEC_PER_SEC;

    for (unsigned int i = 0; i < WORDS_PER_PAGE; i++)
        words[i] = i == port ? 0 : WORD_MASKED; // only this one
    port_clear((evtchn_port_t)port);            // what the binding raised is not meant
    EXPECT(queue_init(0), 0);
    EXPECT(queue_expand(words), 0);
    EXPECT(port_set_priority((evtchn_port_t)port, (unsigned int)priority), 0);
    EXPECT(port_send((evtchn_port_t)far_port), 0); // dom0, which has two levels
    __atomic_store_n(&pair_box.data[READY], 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&queue_block(0)->ready, __ATOMIC_SEQ_CST) && time_now() < limit)
        hypercall_sched_op(SCHEDOP_yield, NULL);
    pair_box.data[WORD] = words[port];
    pair_box.data[HEAD] = queue_block(0)->head[priority];
    pair_box.data[BITS] = queue_block(0)->ready;
    return port_send((evtchn_port_t)far_port);
}

static bool peer_is_ready(const struct peer *peer)
{
    uint64_t limit = time_now() + 5 * NSEC_PER_SEC;

    while (!__atomic_load_n(&peer->box->data[READY], __ATOMIC_SEQ_CST)) {
        if (time_now() > limit)
            return false;
        hypercall_sched_op(SCHEDOP_yield, NULL);
    }
    return true;
}

static long bind_to(long remote, long port, long unused)
{
    struct evtchn_bind_interdomain b = {.remote_dom = (domid_t)remote,
                                        .remote_port = (evtchn_port_t)port};
    long result = OP(bind_interdomain, b);

    (void)unused;
    return result ? result : (long)b.local_port;
}

static void between_queues_and_levels(void)
{
    struct peer *peer = peer_get(0);
    evtchn_port_t ours;
    domid_t domid;
    long theirs;

    REQUIRE(peer != NULL);
    domid = peer->domid;
    ours = port_alloc_unbound(domid);
    theirs = peer_call(peer, bind_to, 0, ours, 0);
    REQUIRE(ours && theirs > 0);
    event_mask(ours); // only looked at
    peer->box->data[READY] = 0;
    port_clear(ours);
    peer_start(peer, wait_in_queue, theirs, 2, theirs);
    if (EXPECT_TRUE(peer_is_ready(peer))) {
        EXPECT_TRUE(port_pending(ours));
        port_clear(ours);
        EXPECT(port_send(ours), 0);
        EXPECT(peer_wait(peer), 0);
        EXPECT_TRUE(port_pending(ours));
        EXPECT(peer->box->data[WORD], WORD_PENDING | WORD_LINKED);
        EXPECT(peer->box->data[HEAD], theirs);
        EXPECT(peer->box->data[BITS], 1U << 2);
    }
    // It dies with its queues, their pages and a bound port; senders find nobody.
    EXPECT(peer_end(peer), true);
    EXPECT(port_send(ours), 0);
    EXPECT(port_close(ours), 0);
}

static long status_in(domid_t domid, evtchn_port_t port)
{
    struct evtchn_status status = {.dom = domid, .port = port};

    return OP(status, status);
}

// Ports get their memory 64 at a time, and it stays: what has never been is told from what is closed.
static void ports_come_in_steps(void)
{
    struct peer *peer = peer_build(0);
    struct evtchn_alloc_unbound a = {.remote_dom = DOMID_SELF};

    REQUIRE(peer != NULL);
    a.dom = peer->domid;
    EXPECT(status_in(peer->domid, 63), 0);
    EXPECT(status_in(peer->domid, 64), -XEN_EINVAL);
    do {
        a.port = 0;
        EXPECT(OP(alloc_unbound, a), 0);
    } while (a.port && a.port < 63);
    EXPECT(status_in(peer->domid, 64), -XEN_EINVAL);
    EXPECT(OP(alloc_unbound, a), 0);
    EXPECT(a.port, 64);
    EXPECT(status_in(peer->domid, 127), 0);
    EXPECT(status_in(peer->domid, 128), -XEN_EINVAL);
    EXPECT(status_in(peer->domid, 0), 0);
    EXPECT(peer_end(peer), true);
}

static const struct report_case cases[] = {
    REPORT_CASE(ports_come_in_steps),
    REPORT_CASE(between_queues_and_levels),
};

GUEST_FAMILY(pair_queues, REPORT_SUITE("pair_events", cases));
