// SPDX-License-Identifier: MIT
// Event channels and several vcpus at once: sends against closings, queues that are set up and taken down
// under senders, words that another vcpu rewrites at any moment, and events that must not get lost.
#include "tests/guest/ports.h"
#include "tests/guest/smp.h"

#include <string.h>

#define PORTS 8U
#define ROUNDS 400U
#define SENDERS 3U
#define SENDS 1000UL

static volatile bool stop;
static volatile unsigned int strange; // results that cannot be
static evtchn_port_t ports[SENDERS + 1];
static volatile unsigned long sent[SENDERS + 1], seen[SENDERS + 1];

static void must_be(long result, long error)
{
    if (result != 0 && result != error)
        strange++;
}

static void send_them(unsigned int me)
{
    for (unsigned int i = me; !stop; i++) {
        must_be(port_send(i % PORTS + 1), -XEN_EINVAL);
        must_be(port_unmask(i % PORTS + 1), 0);
    }
}

static void move_them(unsigned int me)
{
    for (unsigned int i = me; !stop; i++) {
        long result = port_set_priority(i % PORTS + 1, i % 16);

        if (result != -XEN_EACCES)
            must_be(result, -XEN_ENOSYS);
        must_be(port_move(i % PORTS + 1, i / PORTS % 2), -XEN_EINVAL);
    }
}

static void scribble(unsigned int me)
{
    uint32_t random = me;

    while (!stop) {
        random = random * 1664525 + 1013904223;
        unsigned int at = random >> 16;
        if (at % 4 == 0)
            __atomic_store_n((uint32_t *)queue_block(at / 4 % 2) + at / 8 % 18, random,
                             __ATOMIC_RELAXED);
        else if (at % 4 == 1) // tails that never hold still
            __atomic_fetch_xor(&words[at / 4 % (2 * PORTS)], random & 0x5fffffff, __ATOMIC_RELAXED);
        else
            __atomic_store_n(&words[at / 4 % (2 * PORTS)], random << 7, __ATOMIC_RELAXED);
    }
}

// What every port of 1 to PORTS is, in turn: closed, a pair's end, an IPI.
static void rebind(unsigned int round)
{
    struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF};
    struct evtchn_bind_ipi ipi = {.vcpu = round % 2};
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};

    for (unsigned int i = 1; i <= PORTS; i++)
        must_be(port_close(i), -XEN_EINVAL);
    for (unsigned int i = 0; i < PORTS / 3; i++) {
        must_be(OP(alloc_unbound, a), 0);
        b.remote_port = a.port;
        must_be(OP(bind_interdomain, b), 0);
        must_be(OP(bind_ipi, ipi), 0);
    }
}

static void race(smp_work *third)
{
    stop = false;
    strange = 0;
    smp_start(1, send_them);
    smp_start(2, move_them);
    smp_start(3, third);
}

static void race_ends(void)
{
    stop = true;
    for (unsigned int i = 1; i <= 3; i++)
        EXPECT_TRUE(smp_wait(i));
    EXPECT(strange, 0);
}

static void sends_against_closings(void)
{
    WORLD_WITHOUT_PORTS;

    race(send_them);
    for (unsigned int round = 0; round < ROUNDS; round++)
        rebind(round);
    race_ends();
}

static void resets_under_senders(void)
{
    WORLD_WITHOUT_PORTS;

    race(send_them);
    for (unsigned int round = 0; round < ROUNDS / 4; round++) {
        must_be(ports_reset(), 0);
        must_be(queue_init(round % 2), 0);
        rebind(round);
        must_be(queue_init(1 - round % 2), 0);
        must_be(queue_expand(words), 0);
        rebind(round);
    }
    race_ends();
}

// Our own vcpus write anything into the words. Afterwards no reference to the pages is left: they can
// become tables.
static void words_that_change(void)
{
    WORLD_WITHOUT_PORTS;

    race(scribble);
    for (unsigned int round = 0; round < ROUNDS / 4; round++) {
        must_be(ports_reset(), 0);
        must_be(queue_init(0), 0);
        must_be(queue_init(1), 0);
        must_be(queue_expand(words), 0);
        for (unsigned int i = 0; i < 4; i++)
            rebind(round);
    }
    race_ends();
    EXPECT(ports_reset(), 0);
    memset(words, 0, sizeof(words));
    EXPECT(page_set_readonly(words), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(words)), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(words)), 0);
    EXPECT(page_set_writable(words), 0);
}

// Each counts, then sends; who takes the event then sees the count, or another event comes.
static void count_and_send(unsigned int me)
{
    for (unsigned long i = 1; i <= SENDS; i++) {
        __atomic_store_n(&sent[me], i, __ATOMIC_SEQ_CST);
        must_be(port_send(ports[me]), 0);
        if (i % 16 == 0)
            smp_yield();
    }
}

static void nothing_is_lost(void)
{
    WORLD_WITHOUT_PORTS;
    unsigned int taken = 0;

    REQUIRE(queue_set_up(1));
    strange = 0;
    for (unsigned int i = 1; i <= SENDERS; i++) {
        ports[i] = port_bind_ipi(0);
        sent[i] = seen[i] = 0;
        EXPECT(port_set_priority(ports[i], i % 2), 0); // some share a queue
    }
    for (unsigned int i = 1; i <= SENDERS; i++)
        smp_start(i, count_and_send);
    while (seen[1] + seen[2] + seen[3] < SENDERS * SENDS && taken < 2 * SENDERS * SENDS) {
        if (!__atomic_exchange_n(&shared_info_page->vcpu_info[0].evtchn_upcall_pending, 0,
                                 __ATOMIC_SEQ_CST)) {
            // An event that got lost would leave us here: nothing more comes once all have ended.
            port_poll(&ports[1], 1);
            taken += sent[1] + sent[2] + sent[3] == SENDERS * SENDS;
            continue;
        }
        for (evtchn_port_t port; (port = queue_take(0)) != 0; taken++) {
            for (unsigned int i = 1; i <= SENDERS; i++)
                if (port == ports[i])
                    seen[i] = __atomic_load_n(&sent[i], __ATOMIC_SEQ_CST);
        }
    }
    for (unsigned int i = 1; i <= SENDERS; i++) {
        EXPECT_TRUE(smp_wait(i));
        EXPECT(seen[i], SENDS);
    }
    EXPECT(strange, 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(sends_against_closings),
    REPORT_CASE(resets_under_senders),
    REPORT_CASE(words_that_change),
    REPORT_CASE(nothing_is_lost),
};

GUEST_FAMILY(event_races, REPORT_SUITE("event_channel_op", cases));
