// SPDX-License-Identifier: MIT
// Event queues and threads: a guest that takes events off while two others send, and one that scribbles
// over its words and blocks at any moment.
#include "tests/unit/fifo_guest.h"

#include "hypervisor/cpu.h"
#include "hypervisor/frame.h"
#include "tests/report.h"
#include "tests/unit/host/cores.h"
#include <CUnit/CUnit.h>
#include <string.h>

#include <pthread.h>
#include <sched.h>

void sched_kick(struct vcpu *v)
{
    (void)v;
}

void sched_poll_notify(struct domain *d, evtchn_port_t port)
{
    (void)d;
    (void)port;
}

#define PORTS 60u
#define CHANNELS 12u
#define ROUNDS 60000ul
#define WAITS 100000u // more than it ever takes, and no hang when events are lost
static uint64_t sent[2][CHANNELS], seen[2][CHANNELS];
static unsigned handled, senders;
static bool stop;

struct sender {
    unsigned cpu;
    struct domain *d;
    evtchn_port_t port[CHANNELS];
};

// Now and then it waits until the guest has got something: after a send that always comes to pass.
static void *send_all(void *argument)
{
    struct sender *s = argument;
    uint32_t random = s->cpu;

    host_cpu_current = s->cpu;
    for (unsigned long i = 0; i < ROUNDS; i++) {
        unsigned before = __atomic_load_n(&handled, __ATOMIC_SEQ_CST);
        random = random * 1664525 + 1013904223;
        unsigned c = (random >> 16) % CHANNELS;
        __atomic_store_n(&sent[s->cpu - 1][c], i + 1, __ATOMIC_SEQ_CST);
        event_send(s->d, s->port[c]);
        for (unsigned wait = 0; wait < WAITS && i % 64 == 0; wait++) {
            if (__atomic_load_n(&handled, __ATOMIC_SEQ_CST) != before)
                break;
            sched_yield();
        }
    }
    __atomic_sub_fetch(&senders, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void handle(struct domain *d, evtchn_port_t port, unsigned channel)
{
    unsigned i = channel / CHANNELS, c = channel % CHANNELS;

    seen[i][c] = __atomic_load_n(&sent[i][c], __ATOMIC_SEQ_CST);
    if (handled % 3 == 0)
        event_set_priority(d, port, handled / 3 % EVTCHN_FIFO_MAX_QUEUES);
    if (handled % 5 == 0) {
        __atomic_fetch_or(fifo_word(d, port), MASKED, __ATOMIC_SEQ_CST);
        event_unmask(d, port);
    }
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

// Two peers send to one guest, whose vcpu sleeps unless its upcall flag is set. Meanwhile it masks and
// unmasks, and moves ports to other priorities. In the end it has seen the last event of each port.
static void nothing_is_lost(void)
{
    struct domain *d = fifo_make_queues(1, 1, 1);
    struct sender s[2] = {
        {.cpu = 1, .d = fifo_make(2, 1)},
        {.cpu = 2, .d = fifo_make(3, 1)}
    };
    struct reader r = {.d = d};
    pthread_t thread[2];
    unsigned owner[PORTS] = {0}, running;

    host_has_threads = true;
    handled = 0;
    senders = 2;
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned c = 0; c < CHANNELS; c++) {
            evtchn_port_t far;
            event_alloc_unbound(d, s[i].d->id, &far);
            CU_ASSERT_EQUAL(event_bind_interdomain(s[i].d, d, far, &s[i].port[c]), REFUSE_NONE);
            owner[far] = i * CHANNELS + c;
        }
        pthread_create(&thread[i], NULL, send_all, &s[i]);
    }
    do {
        running = __atomic_load_n(&senders, __ATOMIC_SEQ_CST);
        if (__atomic_exchange_n(&d->vcpu[0]->info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
            for (evtchn_port_t port; (port = fifo_take(&r)) != 0;)
                handle(d, port, owner[port]);
        } else {
            sched_yield();
        }
    } while (running);
    pthread_join(thread[0], NULL), pthread_join(thread[1], NULL);
    CU_ASSERT_EQUAL(memcmp(sent, seen, sizeof(sent)), 0);
    CU_ASSERT(handled > 1000);
    host_has_threads = false;
    fifo_drop(s[0].d), fifo_drop(s[1].d), fifo_drop(d);
}

static void *scribble(void *argument)
{
    struct domain *d = argument;
    uint32_t random = 1;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        random = random * 1664525 + 1013904223;
        event_word_t value = random ^ random << 13;
        evtchn_port_t port = random >> 20 & 63;
        if (random >> 28 < 3)
            __atomic_store_n((uint32_t *)fifo_block(d, 0) + (random >> 8) % 18, value,
                             __ATOMIC_RELAXED);
        else if (random >> 28 < 8) // tails that never hold still
            __atomic_fetch_xor(fifo_word(d, port), value & 0x5fffffff, __ATOMIC_RELAXED);
        else
            __atomic_store_n(fifo_word(d, port), value | LINKED, __ATOMIC_RELAXED);
    }
    return NULL;
}

// Whatever stands in the words: calls end, nothing outside is touched, references add up.
static void hostile_guest(void)
{
    struct domain *d = fifo_make_queues(1, 2, 1);
    pthread_t thread;
    evtchn_port_t port;

    stop = false;
    pthread_create(&thread, NULL, scribble, d);
    for (unsigned step = 0; step < 400000; step++) {
        port = host_random(64);
        switch (host_random(12)) {
        case 0:
            event_bind_ipi(d, host_random(2), &port);
            break;
        case 1:
            event_close(d, port);
            break;
        case 2:
            event_set_priority(d, port, host_random(17));
            break;
        case 3:
            event_unmask(d, port);
            break;
        case 4:
            if (host_random(2000) == 0) {
                event_reset(d, false, 10000);
                fifo_add_block(d, host_random(2));
            }
            fifo_add_page(d, 0);
            break;
        default:
            event_send(d, port);
        }
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(event_reset(d, false, 10000), REFUSE_NONE);
    CU_ASSERT_EQUAL(fifo_frames_held(d), 0);
    for (unsigned i = 0; i < 1024; i++) {
        if (i < 2 || (i >= FIRST_PAGE && i < FIRST_PAGE + ALL_PAGES))
            continue; // blocks and array
        for (unsigned b = 0; b < PAGE_SIZE; b++)
            CU_ASSERT_EQUAL_FATAL(host_ram[fifo_frame_of(d, i).v][b], 0);
    }
    fifo_drop(d);
}

static const struct report_case cases[] = {
    REPORT_CASE(nothing_is_lost),
    REPORT_CASE(hostile_guest),
};

int main(void)
{
    return report_run("fifo_race", cases, sizeof(cases) / sizeof(cases[0]));
}
