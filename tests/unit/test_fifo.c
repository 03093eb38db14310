// SPDX-License-Identifier: MIT
// Event queues: each rule of the protocol, and random calls against a model with an honest guest.
#include "tests/unit/fifo_guest.h"

#include "hypervisor/cpu.h"
#include "hypervisor/frame.h"
#include "tests/report.h"
#include "tests/unit/host/cores.h"
#include <CUnit/CUnit.h>
#include <string.h>

static unsigned kicks, polls;

void sched_kick(struct vcpu *v)
{
    (void)v;
    kicks++;
}

void sched_poll_notify(struct domain *d, evtchn_port_t port)
{
    (void)d;
    (void)port;
    polls++;
}

// --- rules

static void setting_up(void)
{
    struct domain *d = fifo_make(1, 2), *other = fifo_make(2, 1);
    unsigned pages = host_pages;
    evtchn_port_t port = fifo_ipi(d, 0);

    CU_ASSERT_EQUAL(fifo_add_page(d, 0), REFUSE_EVENT_NO_CONTROL);
    CU_ASSERT_EQUAL(event_set_priority(d, port, 3), REFUSE_EVENT_NO_PRIORITY);
    CU_ASSERT_EQUAL(event_set_priority(d, 9999, 3), REFUSE_EVENT_BAD_PORT);
    CU_ASSERT_EQUAL(event_queues()->init_control(d, 2, fifo_frame_of(d, 0), 0), REFUSE_NO_VCPU);
    CU_ASSERT_EQUAL(event_queues()->init_control(d, 0, fifo_frame_of(d, 0), 4),
                    REFUSE_EVENT_BAD_BLOCK);
    CU_ASSERT_EQUAL(event_queues()->init_control(d, 0, fifo_frame_of(d, 0), PAGE_SIZE - 64),
                    REFUSE_EVENT_BAD_BLOCK);
    CU_ASSERT_EQUAL(event_queues()->init_control(d, 0, fifo_frame_of(d, 0), ~7u),
                    REFUSE_EVENT_BAD_BLOCK);
    CU_ASSERT_EQUAL(event_queues()->init_control(d, 0, fifo_frame_of(other, 0), 0),
                    REFUSE_FRAME_NOT_OWNED);
    CU_ASSERT_EQUAL(event_queues()->init_control(d, 0, MFN(4095), 0), REFUSE_FRAME_NOT_RAM);
    CU_ASSERT_EQUAL(event_queues()->init_control(d, 0, MFN(~0ull), 0), REFUSE_FRAME_NOT_RAM);
    host_no_pages = true;
    CU_ASSERT_EQUAL(fifo_add_block(d, 0), REFUSE_NO_MEMORY);
    host_no_pages = false;
    // What failed has left nothing behind: still two levels.
    CU_ASSERT_PTR_NULL(d->events.fifo);
    CU_ASSERT_EQUAL(fifo_frames_held(d) + fifo_frames_held(other), 0);
    CU_ASSERT_EQUAL(host_pages, pages);
    CU_ASSERT_EQUAL(fifo_add_page(d, 0), REFUSE_EVENT_NO_CONTROL);

    CU_ASSERT_EQUAL(fifo_add_block(d, 1), REFUSE_NONE);
    host_no_pages = true; // the queues are there
    CU_ASSERT_EQUAL(fifo_add_block(d, 1), REFUSE_EVENT_BLOCK_SET);
    CU_ASSERT_EQUAL(fifo_add_block(d, 0), REFUSE_NONE);
    host_no_pages = false;
    CU_ASSERT_EQUAL(event_queues()->expand_array(d, fifo_frame_of(other, 0)),
                    REFUSE_FRAME_NOT_OWNED);
    for (unsigned i = 0; i < ALL_PAGES; i++)
        CU_ASSERT_EQUAL(fifo_add_page(d, i), REFUSE_NONE);
    CU_ASSERT_EQUAL(fifo_add_page(d, 0), REFUSE_EVENT_ARRAY_FULL);
    CU_ASSERT_EQUAL(fifo_frames_held(d), 2 + ALL_PAGES);
    CU_ASSERT_EQUAL(host_pages, pages + 1); // the queues' own page
    CU_ASSERT_EQUAL(event_set_priority(d, port, 15), REFUSE_NONE);
    CU_ASSERT_EQUAL(event_set_priority(d, port, 16), REFUSE_BAD_ARGUMENT);
    CU_ASSERT_EQUAL(event_set_priority(d, port + 1, 3), REFUSE_EVENT_CLOSED);
    CU_ASSERT_EQUAL(event_set_priority(d, 9999, 3), REFUSE_EVENT_BAD_PORT);

    CU_ASSERT_EQUAL(event_reset(d, false, 1000), REFUSE_NONE); // back to two levels
    CU_ASSERT_EQUAL(fifo_frames_held(d), 0);
    CU_ASSERT_EQUAL(host_pages, pages);
    CU_ASSERT_EQUAL(fifo_add_page(d, 0), REFUSE_EVENT_NO_CONTROL);
    port = fifo_ipi(d, 0);
    event_send(d, port);
    CU_ASSERT_EQUAL(d->shared_info->evtchn_pending[0], 1ul << port);
    CU_ASSERT_EQUAL(fifo_add_block(d, 0), REFUSE_NONE); // and forth again
    fifo_drop(d), fifo_drop(other);
}

static void word_by_word(void)
{
    struct domain *d = fifo_make_queues(1, 2, 1);
    evtchn_port_t a = fifo_ipi(d, 1), b = fifo_ipi(d, 1);

    d->sched.poll_mask = 1;
    kicks = polls = 0;
    event_send(d, a);
    CU_ASSERT_EQUAL(*fifo_word(d, a), PENDING | LINKED);
    CU_ASSERT_EQUAL(fifo_block(d, 1)->head[DEFAULT], a);
    CU_ASSERT_EQUAL(fifo_block(d, 1)->ready, 1u << DEFAULT);
    CU_ASSERT(d->vcpu[1]->info->evtchn_upcall_pending && !d->vcpu[0]->info->evtchn_upcall_pending);
    CU_ASSERT_EQUAL(d->vcpu[1]->info->evtchn_pending_sel, 0);
    CU_ASSERT(kicks == 1 && polls == 1);
    event_send(d, a); // nothing new
    event_send(d, b); // behind the first
    CU_ASSERT_EQUAL(*fifo_word(d, a), PENDING | LINKED | b);
    CU_ASSERT_EQUAL(*fifo_word(d, b), PENDING | LINKED);
    CU_ASSERT_EQUAL(fifo_block(d, 1)->head[DEFAULT], a);
    CU_ASSERT(kicks == 1 && polls == 2);

    struct reader r = {.d = d, .vcpu = 1};
    CU_ASSERT_EQUAL(fifo_take(&r), a);
    event_send(d, a); // behind b, which is still there
    CU_ASSERT_EQUAL(fifo_take(&r), b);
    CU_ASSERT_EQUAL(fifo_take(&r), a);
    CU_ASSERT_EQUAL(fifo_take(&r), 0);
    CU_ASSERT(*fifo_word(d, a) == 0 && *fifo_word(d, b) == 0);
    event_send(d, b); // an empty queue: a new head
    CU_ASSERT_EQUAL(fifo_block(d, 1)->head[DEFAULT], b);
    CU_ASSERT_EQUAL(fifo_take(&r), b);
    fifo_drop(d);
}

static void masked_ports(void)
{
    struct domain *d = fifo_make_queues(1, 1, 1);
    struct reader r = {.d = d};
    evtchn_port_t a = fifo_ipi(d, 0);
    bool pending;

    d->sched.poll_mask = 1;
    kicks = polls = 0;
    *fifo_word(d, a) = MASKED;
    event_send(d, a); // pending, polled for, but in no queue
    CU_ASSERT_EQUAL(*fifo_word(d, a), PENDING | MASKED);
    CU_ASSERT(kicks == 0 && polls == 1 && fifo_block(d, 0)->ready == 0);
    CU_ASSERT(event_poll(d, a, &pending) == REFUSE_NONE && pending);
    event_unmask(d, a);
    CU_ASSERT_EQUAL(*fifo_word(d, a), PENDING | LINKED);
    CU_ASSERT(kicks == 1 && polls == 1);
    event_unmask(d, a);
    CU_ASSERT_EQUAL(fifo_take(&r), a);
    CU_ASSERT_EQUAL(fifo_take(&r), 0);
    event_unmask(d, a); // not pending
    CU_ASSERT_EQUAL(*fifo_word(d, a), 0);

    event_send(d, a);
    event_close(d, a); // no more pending; the guest takes it off and finds nothing
    CU_ASSERT_EQUAL(*fifo_word(d, a), LINKED);
    *fifo_word(d, a) |= MASKED;
    event_unmask(d, a); // closed: left alone
    CU_ASSERT_EQUAL(*fifo_word(d, a), LINKED | MASKED);
    fifo_drop(d);
}

static void priorities(void)
{
    struct domain *d = fifo_make_queues(1, 1, 1);
    struct reader r = {.d = d};
    evtchn_port_t low = fifo_ipi(d, 0), middle = fifo_ipi(d, 0), high = fifo_ipi(d, 0);

    event_set_priority(d, low, EVTCHN_FIFO_PRIORITY_MIN);
    event_set_priority(d, high, EVTCHN_FIFO_PRIORITY_MAX);
    event_send(d, low), event_send(d, middle), event_send(d, high);
    CU_ASSERT_EQUAL(fifo_block(d, 0)->ready, 1u << 15 | 1u << DEFAULT | 1);
    CU_ASSERT_EQUAL(fifo_take(&r), high);
    event_send(d, high);
    CU_ASSERT_EQUAL(fifo_take(&r), high);
    CU_ASSERT_EQUAL(fifo_take(&r), middle);
    CU_ASSERT_EQUAL(fifo_take(&r), low);

    // A port that is in a queue stays there.
    event_send(d, low);
    event_set_priority(d, low, 0);
    event_send(d, low);
    CU_ASSERT_EQUAL(fifo_block(d, 0)->ready, 1u << 15);
    CU_ASSERT_EQUAL(fifo_take(&r), low);
    // Closed and bound again: the default.
    event_close(d, low);
    CU_ASSERT_EQUAL(fifo_ipi(d, 0), low);
    event_send(d, low);
    CU_ASSERT_EQUAL(fifo_block(d, 0)->ready, 1u << DEFAULT);
    fifo_drop(d);
}

// The tail of one queue is put into another one: the first must not be continued behind it.
static void tail_moves(void)
{
    struct domain *d = fifo_make_queues(1, 2, 1);
    struct reader r[2] = {
        {.d = d    },
        { .d = d, .vcpu = 1}
    };
    evtchn_port_t one, two = fifo_ipi(d, 0);

    event_alloc_unbound(d, 1, &one); // one that can be moved
    evtchn_port_t far;
    event_bind_interdomain(d, d, one, &far);
    CU_ASSERT_EQUAL(fifo_take(&r[0]), far);
    event_send(d, far);
    CU_ASSERT_EQUAL(fifo_take(&r[0]), one); // still the tail of its queue
    event_bind_vcpu(d, one, 1);
    event_send(d, far);
    event_send(d, two);
    CU_ASSERT_EQUAL(fifo_block(d, 0)->head[DEFAULT], two);
    CU_ASSERT_EQUAL(*fifo_word(d, one), PENDING | LINKED);
    CU_ASSERT_EQUAL(fifo_take(&r[0]), two);
    CU_ASSERT_EQUAL(fifo_take(&r[1]), one);

    // The same with a port that was closed in between.
    event_close(d, far);
    event_close(d, one);
    event_send(d, two);
    CU_ASSERT_EQUAL(fifo_take(&r[0]), two);
    event_close(d, two);
    while (fifo_ipi(d, 1) != two) { // the first ones are free, too
    }
    event_send(d, two);
    CU_ASSERT_EQUAL(fifo_take(&r[1]), two);
    fifo_drop(d);
}

static void info_moves(void)
{
    struct domain *d = fifo_make_queues(1, 1, 1);
    struct vcpu_info moved = {0};
    struct reader r = {.d = d};
    evtchn_port_t a = fifo_ipi(d, 0), b = fifo_ipi(d, 0);

    event_send(d, a);
    d->vcpu[0]->info = &moved;
    event_notify_vcpu_info_moved(d->vcpu[0]);
    CU_ASSERT_EQUAL(moved.evtchn_upcall_pending, 1);
    moved.evtchn_upcall_pending = 0;
    CU_ASSERT_EQUAL(fifo_take(&r), a);
    event_send(d, b);
    CU_ASSERT_EQUAL(moved.evtchn_upcall_pending, 1);
    CU_ASSERT_EQUAL(fifo_take(&r), b);
    fifo_drop(d);
}

static void before_words_and_blocks(void)
{
    struct domain *d = fifo_make(1, 2);
    struct reader r = {.d = d};
    evtchn_port_t two_level = fifo_ipi(d, 0), closed = fifo_ipi(d, 0), early, far,
                  other = fifo_ipi(d, 1);
    bool pending;

    event_send(d, two_level), event_send(d, closed);
    CU_ASSERT_EQUAL(fifo_add_block(d, 0), REFUSE_NONE);
    CU_ASSERT(event_poll(d, two_level, &pending) == REFUSE_NONE && !pending); // no word yet
    event_close(d, closed);
    CU_ASSERT_EQUAL(fifo_ipi(d, 0), closed); // and not pending in its new life
    do {
        early = fifo_ipi(d, 0);
    } while (early < WORDS);
    far = early + 1;
    CU_ASSERT_EQUAL(fifo_ipi(d, 0), far);
    event_send(d, early);
    event_unmask(d, early);
    CU_ASSERT_EQUAL(fifo_block(d, 0)->ready, 0);
    CU_ASSERT_EQUAL(fifo_add_page(d, 0), REFUSE_NONE);
    CU_ASSERT_EQUAL(fifo_take(&r), two_level);
    CU_ASSERT_EQUAL(fifo_take(&r), 0);
    event_send(d, other); // its vcpu has no control block: dropped
    CU_ASSERT_EQUAL(*fifo_word(d, other), 0);
    CU_ASSERT_EQUAL(fifo_add_page(d, 1), REFUSE_NONE);
    CU_ASSERT_EQUAL(fifo_take(&r), early);
    CU_ASSERT_EQUAL(fifo_take(&r), 0);
    fifo_drop(d);
}

#define PAGES 20u
#define PORTS_IN_PAGES (PAGES * WORDS)

static void linked_ports_stay_closed(void)
{
    struct domain *d = fifo_make_queues(1, 1, PAGES);
    evtchn_port_t port, last = 0;

    port = fifo_ipi(d, 0);
    event_send(d, port);
    event_close(d, port);
    CU_ASSERT_EQUAL(fifo_ipi(d, 0), port + 1);
    *fifo_word(d, port) = 0; // the guest has taken it off
    CU_ASSERT_EQUAL(fifo_ipi(d, 0), port);
    // A guest that says so of all its ports gets none, and after a bounded search.
    while (last < PORTS_IN_PAGES - 100)
        last = fifo_ipi(d, 0);
    CU_ASSERT_EQUAL(event_reset(d, false, PORTS_IN_PAGES + 1000), REFUSE_NONE);
    fifo_add_block(d, 0);
    for (unsigned i = 0; i < PAGES; i++) {
        memset(host_ram[fifo_frame_of(d, FIRST_PAGE + i).v], 0xff, PAGE_SIZE);
        fifo_add_page(d, i);
    }
    CU_ASSERT_EQUAL(event_alloc_unbound(d, 1, &port), REFUSE_EVENT_NO_PORT);
    *fifo_word(d, 3000) = 0;
    CU_ASSERT_EQUAL(fifo_ipi(d, 0), 3000);
    CU_ASSERT_EQUAL(event_alloc_unbound(d, 1, &port), REFUSE_EVENT_NO_PORT);
    // The same with few closed ports that lie far from each other.
    CU_ASSERT_EQUAL(event_reset(d, false, PORTS_IN_PAGES + 1000), REFUSE_NONE);
    fifo_add_block(d, 0);
    while (fifo_ipi(d, 0) < PORTS_IN_PAGES - 100) {
    }
    for (unsigned i = 0; i < PAGES; i++)
        fifo_add_page(d, i); // still full of ones
    for (unsigned i = 100; i < PORTS_IN_PAGES - 100; i += 128)
        event_close(d, i);
    CU_ASSERT_EQUAL(event_alloc_unbound(d, 1, &port), REFUSE_EVENT_NO_PORT);
    *fifo_word(d, 100) = 0;
    CU_ASSERT_EQUAL(fifo_ipi(d, 0), 100);
    fifo_drop(d);
}

static void all_ports(void)
{
    unsigned pages = host_pages;
    struct domain *d = fifo_make_queues(1, 1, ALL_PAGES);
    struct reader r = {.d = d};
    evtchn_port_t port;

    for (unsigned i = 1; i < EVTCHN_FIFO_NR_CHANNELS; i++)
        CU_ASSERT_FATAL(event_bind_ipi(d, 0, &port) == REFUSE_NONE && port == i);
    CU_ASSERT_EQUAL(event_bind_ipi(d, 0, &port), REFUSE_EVENT_NO_PORT);
    CU_ASSERT_EQUAL(event_send(d, EVTCHN_FIFO_NR_CHANNELS), REFUSE_EVENT_BAD_PORT);
    for (unsigned i = EVTCHN_FIFO_NR_CHANNELS - 1; i > 0; i--)
        event_send(d, i);
    for (unsigned i = EVTCHN_FIFO_NR_CHANNELS - 1; i > 0; i--)
        CU_ASSERT_EQUAL_FATAL(fifo_take(&r), i);
    event_close(d, 100000), event_close(d, 5);
    CU_ASSERT(fifo_ipi(d, 0) == 5 && fifo_ipi(d, 0) == 100000);
    CU_ASSERT_EQUAL(event_reset(d, false, 1u << 20), REFUSE_NONE);
    // Two levels again: port numbers end earlier, but the others have been there.
    CU_ASSERT_EQUAL(event_send(d, 100000), REFUSE_EVENT_BAD_PORT);
    CU_ASSERT_EQUAL(event_unmask(d, 100000), REFUSE_NONE);
    for (unsigned i = 1; i < EVTCHN_2L_NR_CHANNELS; i++)
        CU_ASSERT_FATAL(event_bind_ipi(d, 0, &port) == REFUSE_NONE && port == i);
    CU_ASSERT_EQUAL(event_bind_ipi(d, 0, &port), REFUSE_EVENT_NO_PORT);
    fifo_drop(d);
    CU_ASSERT_EQUAL(host_pages, pages);
}

// --- random calls against a model, with an honest guest

#define VCPUS 3u
#define PORTS 60u

struct model {
    unsigned vcpu, priority;
    bool bound, pending, masked, queued;
};
static struct model model[PORTS];
static evtchn_port_t queue[VCPUS][EVTCHN_FIFO_MAX_QUEUES][PORTS];
static unsigned length[VCPUS][EVTCHN_FIFO_MAX_QUEUES];

static void model_queue(evtchn_port_t port)
{
    struct model *m = &model[port];
    if (!m->pending || m->masked || m->queued)
        return;
    m->queued = true;
    queue[m->vcpu][m->priority][length[m->vcpu][m->priority]++] = port;
}

// The first of a vcpu's queues that is not empty, and its first port that can be handled.
static evtchn_port_t model_take(unsigned vcpu)
{
    for (unsigned q = 0; q < EVTCHN_FIFO_MAX_QUEUES; q++) {
        while (length[vcpu][q]) {
            evtchn_port_t port = queue[vcpu][q][0];
            memmove(queue[vcpu][q], queue[vcpu][q] + 1,
                    --length[vcpu][q] * sizeof(queue[vcpu][q][0]));
            model[port].queued = false;
            if (model[port].pending && !model[port].masked) {
                model[port].pending = false;
                return port;
            }
        }
    }
    return 0;
}

static void random_step(struct domain *d, struct reader r[VCPUS])
{
    evtchn_port_t port = 1 + host_random(PORTS - 1), got;
    struct model *m = &model[port];

    switch (host_random(8)) {
    case 0: // close; or bind whatever comes
        if (m->bound) {
            CU_ASSERT_EQUAL_FATAL(event_close(d, port), REFUSE_NONE);
            m->bound = m->pending = false;
            break;
        }
        for (got = 1; got < PORTS && (model[got].bound || model[got].queued); got++) {
        }
        if (got < PORTS) {
            unsigned vcpu = host_random(VCPUS);
            CU_ASSERT_EQUAL_FATAL(fifo_ipi(d, vcpu), got);
            model[got] = (struct model){
                .vcpu = vcpu, .priority = DEFAULT, .bound = true, .masked = model[got].masked};
        }
        break;
    case 1:
        got = host_random(EVTCHN_FIFO_MAX_QUEUES);
        if (event_set_priority(d, port, got) == REFUSE_NONE)
            m->priority = got;
        break;
    case 2:
        *fifo_word(d, port) |= MASKED;
        m->masked = true;
        break;
    case 3:
        event_unmask(d, port);
        if (m->bound) {
            m->masked = false;
            model_queue(port);
        }
        break;
    case 4:
        got = host_random(VCPUS);
        CU_ASSERT_EQUAL_FATAL(fifo_take(&r[got]), model_take(got));
        break;
    default:
        if (event_send(d, port) == REFUSE_NONE) {
            m->pending = true;
            model_queue(port);
        }
    }
    CU_ASSERT_EQUAL_FATAL((*fifo_word(d, port) & PENDING) != 0, m->pending);
    CU_ASSERT_EQUAL_FATAL((*fifo_word(d, port) & LINKED) != 0, m->queued);
    CU_ASSERT_EQUAL_FATAL((*fifo_word(d, port) & BUSY) != 0, false);
}

static void random_against_model(void)
{
    struct domain *d = fifo_make_queues(1, VCPUS, 1);
    struct reader r[VCPUS];

    for (unsigned i = 0; i < VCPUS; i++)
        r[i] = (struct reader){.d = d, .vcpu = i};
    for (unsigned step = 0; step < 200000; step++)
        random_step(d, r);
    fifo_drop(d);
}

static const struct report_case cases[] = {
    REPORT_CASE(setting_up),
    REPORT_CASE(word_by_word),
    REPORT_CASE(masked_ports),
    REPORT_CASE(priorities),
    REPORT_CASE(tail_moves),
    REPORT_CASE(info_moves),
    REPORT_CASE(before_words_and_blocks),
    REPORT_CASE(linked_ports_stay_closed),
    REPORT_CASE(all_ports),
    REPORT_CASE(random_against_model),
};

int main(void)
{
    return report_run("fifo", cases, sizeof(cases) / sizeof(cases[0]));
}
