// SPDX-License-Identifier: MIT
// event_channel_op: delivery by queues (FIFO), word by word; priorities; many ports; and guests that break
// the protocol.
#include "tests/guest/ports.h"

#include <string.h>
#include <xen/sched.h>

#include "pvguest/event.h"
#include "pvguest/time.h"

#define DEFAULT EVTCHN_FIFO_PRIORITY_DEFAULT

static void word_by_word(void)
{
    WORLD_WITHOUT_PORTS;
    struct vcpu_info *info = &shared_info_page->vcpu_info[0];
    evtchn_port_t a, b;

    REQUIRE(queue_set_up(1));
    a = port_bind_ipi(0);
    b = port_bind_ipi(0);
    info->evtchn_pending_sel = 0;
    EXPECT(port_send(a), 0);
    EXPECT(words[a], WORD_PENDING | WORD_LINKED);
    EXPECT(queue_block(0)->head[DEFAULT], a);
    EXPECT(queue_block(0)->ready, 1U << DEFAULT);
    EXPECT(info->evtchn_upcall_pending, 1);
    EXPECT(info->evtchn_pending_sel, 0);
    EXPECT_TRUE(!port_pending(a));
    info->evtchn_upcall_pending = 0;
    EXPECT(port_send(a), 0); // nothing new
    EXPECT(port_send(b), 0); // behind the first, and the queue is known to be ready
    EXPECT(info->evtchn_upcall_pending, 0);
    EXPECT(words[a], WORD_PENDING | WORD_LINKED | b);
    EXPECT(words[b], WORD_PENDING | WORD_LINKED);
    EXPECT(queue_block(0)->head[DEFAULT], a);
    EXPECT(queue_take(0), a);
    EXPECT(port_send(a), 0);
    EXPECT(queue_take(0), b);
    EXPECT(queue_take(0), a);
    EXPECT(queue_take(0), 0);
    EXPECT(words[a], 0);
    EXPECT(port_send(b), 0);
    EXPECT(queue_block(0)->head[DEFAULT], b);
    EXPECT(info->evtchn_upcall_pending, 1);
}

static void masked_ports(void)
{
    WORLD_WITHOUT_PORTS;
    evtchn_port_t port;

    REQUIRE(queue_set_up(1));
    port = port_bind_ipi(0);
    words[port] = WORD_MASKED;
    EXPECT(port_send(port), 0);
    EXPECT(words[port], WORD_PENDING | WORD_MASKED);
    EXPECT(queue_block(0)->ready, 0);
    EXPECT(shared_info_page->vcpu_info[0].evtchn_upcall_pending, 0);
    EXPECT(port_unmask(port), 0);
    EXPECT(words[port], WORD_PENDING | WORD_LINKED);
    EXPECT(shared_info_page->vcpu_info[0].evtchn_upcall_pending, 1);
    EXPECT(port_unmask(port), 0);
    EXPECT(queue_take(0), port);
    EXPECT(queue_take(0), 0);
    EXPECT(port_unmask(port), 0);
    EXPECT(words[port], 0);
    words[port] = WORD_PENDING; // by hand, and in no queue
    EXPECT(port_send(port), 0);
    EXPECT(queue_take(0), port);
    words[port] = WORD_MASKED;
    EXPECT(port_close(port), 0);
    EXPECT(port_unmask(port), 0); // closed: left alone
    EXPECT(words[port], WORD_MASKED);
    EXPECT(port_unmask(100000), -XEN_EINVAL);
}

static void priorities(void)
{
    WORLD_WITHOUT_PORTS;
    evtchn_port_t low, middle, high;

    REQUIRE(queue_set_up(1));
    low = port_bind_ipi(0), middle = port_bind_ipi(0), high = port_bind_ipi(0);
    EXPECT(port_set_priority(low, EVTCHN_FIFO_PRIORITY_MIN), 0);
    EXPECT(port_set_priority(high, EVTCHN_FIFO_PRIORITY_MAX), 0);
    EXPECT(port_set_priority(middle, EVTCHN_FIFO_PRIORITY_MIN + 1), -XEN_EINVAL);
    EXPECT(port_set_priority(middle, 0xffffffffU), -XEN_EINVAL);
    EXPECT(port_set_priority(high + 1, 0), -XEN_EACCES); // closed
    EXPECT(port_set_priority(0, 0), -XEN_EACCES);
    EXPECT(port_set_priority(EVTCHN_FIFO_NR_CHANNELS, 0), -XEN_EINVAL);
    EXPECT(port_set_priority(0xffffffffU, 0), -XEN_EINVAL);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_set_priority, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    port_send(low), port_send(middle), port_send(high);
    EXPECT(queue_block(0)->ready, 1U << EVTCHN_FIFO_PRIORITY_MIN | 1U << DEFAULT | 1);
    EXPECT(queue_block(0)->head[EVTCHN_FIFO_PRIORITY_MIN], low);
    EXPECT(queue_take(0), high);
    EXPECT(queue_take(0), middle);
    EXPECT(queue_take(0), low);
    // What is in a queue stays there; bound again, a port has the default.
    EXPECT(port_send(low), 0);
    EXPECT(port_set_priority(low, 3), 0);
    EXPECT(port_send(low), 0);
    EXPECT(queue_block(0)->ready, 1U << EVTCHN_FIFO_PRIORITY_MIN);
    EXPECT(queue_take(0), low);
    EXPECT(port_send(low), 0);
    EXPECT(queue_block(0)->ready, 1U << 3);
    EXPECT(queue_take(0), low);
    EXPECT(port_close(low), 0);
    EXPECT(port_bind_ipi(0), low);
    EXPECT(port_send(low), 0);
    EXPECT(queue_block(0)->ready, 1U << DEFAULT);
}

// A port that was the last one of a queue goes into another: the first queue starts anew.
static void moves_between_queues(void)
{
    WORLD_WITHOUT_PORTS;
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF};
    evtchn_port_t port, other;

    REQUIRE(queue_set_up(1) && OP(alloc_unbound, a) == 0);
    port = b.remote_port = a.port;
    REQUIRE(OP(bind_interdomain, b) == 0);
    other = port_bind_ipi(0);
    EXPECT(queue_take(0), b.local_port); // marked pending by the binding
    EXPECT(port_send(b.local_port), 0);
    EXPECT(queue_take(0), port);
    EXPECT(port_move(port, 1), 0);
    EXPECT(port_send(b.local_port), 0);
    EXPECT(shared_info_page->vcpu_info[1].evtchn_upcall_pending, 1);
    EXPECT(queue_block(1)->head[DEFAULT], port);
    EXPECT(port_send(other), 0);
    EXPECT(words[port], WORD_PENDING | WORD_LINKED);
    EXPECT(queue_block(0)->head[DEFAULT], other);
    EXPECT(queue_take(1), port);
    EXPECT(queue_take(0), other);
    // Moved while it is in a queue: there it stays, this time.
    EXPECT(port_send(b.local_port), 0);
    EXPECT(port_move(port, 0), 0);
    EXPECT(port_send(b.local_port), 0);
    EXPECT(queue_take(0), 0);
    EXPECT(queue_take(1), port);
    EXPECT(port_set_priority(port, 2), 0);
    EXPECT(port_send(b.local_port), 0);
    EXPECT(queue_block(0)->ready, 1U << 2);
    EXPECT(queue_take(0), port);
    EXPECT(port_close(b.local_port), 0);
    EXPECT(port_send(port), 0); // unbound again
    EXPECT(queue_take(0), 0);
}

// Events that come before their word, and for a vcpu without a control block.
static void before_the_words(void)
{
    WORLD_WITHOUT_PORTS;
    evtchn_port_t early = port_bind_ipi(0), other = port_bind_ipi(1), far;

    EXPECT(port_send(early), 0);
    EXPECT_TRUE(port_pending(early));
    EXPECT(queue_init(0), 0);
    EXPECT(port_send(other), 0); // no word yet: kept
    do {
        far = port_bind_ipi(0);
    } while (far && far < WORDS_PER_PAGE);
    EXPECT(far, WORDS_PER_PAGE);
    EXPECT(port_send(far), 0);
    EXPECT(port_unmask(far), 0);
    EXPECT(queue_block(0)->ready, 0);
    EXPECT(queue_expand(words), 0);
    EXPECT(queue_take(0), early);
    EXPECT(queue_take(0), 0);
    EXPECT(words[other], 0); // kept until now, and then nowhere to go
    EXPECT(port_send(other), 0);
    EXPECT(words[other], 0);
    EXPECT(queue_init(1), 0);
    EXPECT(port_send(other), 0);
    EXPECT(words[other], WORD_PENDING | WORD_LINKED);
    EXPECT(queue_take(1), other);
    EXPECT(queue_expand(words + WORDS_PER_PAGE), 0);
    EXPECT(queue_take(0), far);
    EXPECT(queue_take(0), 0);
}

static void closed_while_in_a_queue(void)
{
    WORLD_WITHOUT_PORTS;
    evtchn_port_t port;

    REQUIRE(queue_set_up(1));
    port = port_bind_ipi(0);
    EXPECT(port_send(port), 0);
    EXPECT(port_close(port), 0);
    EXPECT(words[port], WORD_LINKED); // not pending, but not yet taken off
    EXPECT(port_send(port), -XEN_EINVAL);
    EXPECT(port_bind_ipi(0), port + 1);
    words[port] = 0;
    EXPECT(port_bind_ipi(0), port);
    EXPECT(words[port], 0);
}

// More ports than two levels have.
static void many_ports(void)
{
    WORLD_WITHOUT_PORTS;
    struct evtchn_status status = {.dom = DOMID_SELF, .port = 4200};
    evtchn_port_t port;

    REQUIRE(queue_set_up(WORD_PAGES));
    do {
        port = port_bind_ipi(0);
    } while (port && port < 4200);
    REQUIRE(port == 4200);
    EXPECT(port_send(4096), 0);
    EXPECT(port_send(4200), 0);
    EXPECT(port_send(4095), 0);
    EXPECT(words[4096], WORD_PENDING | WORD_LINKED | 4200);
    EXPECT(queue_take(0), 4096);
    EXPECT(queue_take(0), 4200);
    EXPECT(queue_take(0), 4095);
    EXPECT(OP(status, status), 0);
    EXPECT(status.status, EVTCHNSTAT_ipi);
    EXPECT(port_close(4100), 0);
    EXPECT(port_bind_ipi(0), 4100);
    EXPECT(ports_reset(), 0);
    // With two levels again: such ports have been there, but are none.
    EXPECT(OP(status, status), 0);
    EXPECT(status.status, EVTCHNSTAT_closed);
    EXPECT(port_send(4200), -XEN_EINVAL);
    EXPECT(port_unmask(4200), 0);
    EXPECT(port_close(4200), -XEN_EINVAL);
}

// A virtual interrupt in its queue, and an upcall that is taken.
static void virtual_interrupt_queued(void)
{
    WORLD_WITHOUT_PORTS;
    struct evtchn_bind_virq b = {.virq = VIRQ_TIMER, .vcpu = 0};
    uint64_t limit = time_now() + NSEC_PER_SEC;

    REQUIRE(queue_set_up(1) && OP(bind_virq, b) == 0);
    EXPECT(port_set_priority(b.port, 1), 0);
    EXPECT(hypercall_set_timer_op(time_now() + NSEC_PER_MSEC), 0);
    while (time_now() < limit && !shared_info_page->vcpu_info[0].evtchn_upcall_pending)
        hypercall_sched_op(SCHEDOP_yield, NULL);
    EXPECT(queue_block(0)->ready, 1U << 1);
    EXPECT(queue_take(0), b.port);
    EXPECT(port_send(b.port), -XEN_EINVAL);
    EXPECT(hypercall_set_timer_op(0), 0);
    event_restore(0); // the kernel's upcall clears the flag, and knows nothing of queues
    EXPECT(shared_info_page->vcpu_info[0].evtchn_upcall_pending, 0);
    event_save();
}

static void polls(void)
{
    WORLD_WITHOUT_PORTS;
    evtchn_port_t ports[2];

    REQUIRE(queue_set_up(1));
    ports[0] = port_bind_ipi(0), ports[1] = port_bind_ipi(0);
    words[ports[0]] = words[ports[1]] = WORD_MASKED;
    EXPECT(port_poll(ports, 2), 0); // until the time is over
    EXPECT(port_send(ports[1]), 0);
    EXPECT(port_poll(ports, 2), 0);
    EXPECT(port_close(ports[0]), 0);
    EXPECT(port_poll(ports, 2), -XEN_EINVAL);
    EXPECT(port_poll(ports + 1, 1), 0);
}

// --- a guest that breaks the rules

// Words and blocks full of ones: every port is in a queue, every tail names another.
static void words_of_ones(void)
{
    WORLD_WITHOUT_PORTS;
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    evtchn_port_t ports[8];

    REQUIRE(queue_set_up(1));
    for (unsigned int i = 0; i < 8; i++)
        ports[i] = port_bind_ipi(i % 2);
    for (unsigned int i = 0; i < 8; i++)
        EXPECT(port_send(ports[i]), 0);
    memset(words, 0xff, PAGE_SIZE);
    memset(block_pages, 0xff, sizeof(block_pages));
    for (unsigned int i = 0; i < 8; i++) {
        EXPECT(port_send(ports[i]), 0);
        EXPECT(port_unmask(ports[i]), 0);
        EXPECT(port_set_priority(ports[i], i), 0);
    }
    for (unsigned int i = 0; i < 8; i++) { // unlinked: each goes behind a tail full of ones
        words[ports[i]] = 0;
        EXPECT(port_send(ports[i]), 0);
        EXPECT(words[ports[i]] & (WORD_PENDING | WORD_LINKED), WORD_PENDING | WORD_LINKED);
        EXPECT(port_close(ports[i]), 0);
    }
    EXPECT(OP(alloc_unbound, a), 0); // the first port outside the page, whose word is not there yet
    EXPECT(a.port, WORDS_PER_PAGE);
    EXPECT(port_send(a.port), 0);
}

// Links in circles and to ports that do not exist are never followed.
static void links_in_circles(void)
{
    WORLD_WITHOUT_PORTS;
    evtchn_port_t a, b;

    REQUIRE(queue_set_up(1));
    a = port_bind_ipi(0), b = port_bind_ipi(0);
    words[a] = WORD_LINKED | WORD_PENDING | b;
    words[b] = WORD_LINKED | WORD_PENDING | a;
    EXPECT(port_send(a), 0);
    EXPECT(port_send(b), 0);
    EXPECT(words[a], WORD_LINKED | WORD_PENDING | b);
    EXPECT(queue_block(0)->ready, 0); // the guest said that they were in a queue
    words[a] = 0;
    EXPECT(port_send(a), 0);
    words[a] = WORD_LINKED | EVTCHN_FIFO_LINK_MASK | WORD_BUSY; // a tail that leads nowhere
    words[b] = 0;
    EXPECT(port_send(b), 0);
    EXPECT(words[a], WORD_LINKED | b);
    words[a] = words[b] = 0;
    queue_block(0)->head[DEFAULT] = EVTCHN_FIFO_NR_CHANNELS - 1;
    EXPECT(port_send(a), 0);
    EXPECT(queue_block(0)->head[DEFAULT], a);
}

static void in_a_multicall(void)
{
    WORLD_WITHOUT_PORTS;
    static struct multicall_entry calls[4];
    struct evtchn_init_control c = {
        .control_gfn = virt_to_mfn(block_pages[0]), .offset = 64, .vcpu = 0};
    struct evtchn_expand_array e = {.array_gfn = virt_to_mfn(words)};
    struct evtchn_send s = {.port = port_bind_ipi(0)};
    struct evtchn_reset r = {.dom = DOMID_SELF};
    const struct {
        unsigned int command;
        void *argument;
    } list[4] = {
        {EVTCHNOP_init_control, &c},
        {EVTCHNOP_expand_array, &e},
        {EVTCHNOP_send,         &s},
        {EVTCHNOP_reset,        &r}
    };

    for (unsigned int i = 0; i < 4; i++) {
        calls[i] = (struct multicall_entry){.op = __HYPERVISOR_event_channel_op};
        calls[i].args[0] = list[i].command;
        calls[i].args[1] = (unsigned long)list[i].argument;
    }
    EXPECT(hypercall_multicall(calls, 4), 0);
    for (unsigned int i = 0; i < 4; i++)
        EXPECT((long)calls[i].result, 0);
    EXPECT(c.link_bits, EVTCHN_FIFO_LINK_BITS);
    EXPECT(words[s.port] & (WORD_PENDING | WORD_LINKED), WORD_LINKED); // closed by the reset
    EXPECT(port_send(s.port), -XEN_EINVAL);
}

static void reset_and_its_continuation(void)
{
    WORLD_WITHOUT_PORTS;
    struct evtchn_reset r = {.dom = DOMID_SELF};
    evtchn_port_t port, last = 0;

    EXPECT(hypercall_event_channel_op(EVTCHNOP_reset_cont, &r), -XEN_EBUSY); // there is none
    EXPECT(ports_reset(), 0);                                                // nothing to close
    EXPECT(hypercall_event_channel_op(EVTCHNOP_reset_cont, &r), -XEN_EBUSY);
    while ((port = port_bind_ipi(0)) != 0 && port < 2000)
        last = port;
    EXPECT(last, 1999);
    EXPECT(hypercall_set_timer_op(time_now() + NSEC_PER_MSEC / 2), 0); // something to stop for
    EXPECT(ports_reset(), 0);
    EXPECT(hypercall_set_timer_op(0), 0);
    EXPECT(port_send(1), -XEN_EINVAL);
    EXPECT(port_send(1999), -XEN_EINVAL);
    EXPECT(port_bind_ipi(0), 1);
}

static const struct report_case cases[] = {
    REPORT_CASE(word_by_word),
    REPORT_CASE(masked_ports),
    REPORT_CASE(priorities),
    REPORT_CASE(moves_between_queues),
    REPORT_CASE(before_the_words),
    REPORT_CASE(closed_while_in_a_queue),
    REPORT_CASE(many_ports),
    REPORT_CASE(virtual_interrupt_queued),
    REPORT_CASE(polls),
    REPORT_CASE(words_of_ones),
    REPORT_CASE(links_in_circles),
    REPORT_CASE(in_a_multicall),
    REPORT_CASE(reset_and_its_continuation),
};

GUEST_FAMILY(queues, REPORT_SUITE("event_channel_op", cases));
