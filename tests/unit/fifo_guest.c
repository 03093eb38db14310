// SPDX-License-Identifier: MIT
// See fifo_guest.h.
#include "tests/unit/fifo_guest.h"

#include "event/port.h"
#include "hypervisor/page_type.h"
#include "tests/unit/host/cores.h"
#include <CUnit/CUnit.h>
#include <string.h>

// --- a domain and its frames: frame n belongs to domain n / 1024

mfn_t fifo_frame_of(const struct domain *d, unsigned n)
{
    return MFN(d->id * 1024u + n);
}

struct domain *fifo_make(domid_t id, unsigned vcpus)
{
    struct domain *d = host_domain_make(id, vcpus);
    CU_ASSERT_EQUAL_FATAL(event_domain_init(d, -1), REFUSE_NONE);
    for (unsigned i = 0; i < vcpus; i++)
        event_vcpu_init(d->vcpu[i]);
    for (unsigned i = 0; i < 1024; i++) {
        struct frame *f = &host_frame_table[fifo_frame_of(d, i).v];
        *f = (struct frame){.count = FRAME_RAM, .owner = d};
    }
    memset(host_ram[fifo_frame_of(d, 0).v], 0, 1024 * PAGE_SIZE);
    return d;
}

unsigned fifo_frames_held(const struct domain *d)
{
    unsigned held = 0;
    for (unsigned i = 0; i < 1024; i++)
        held += frame_refs(&host_frame_table[fifo_frame_of(d, i).v]);
    return held;
}

void fifo_drop(struct domain *d)
{
    d->is_dying = true;
    while (event_domain_close(d, 100) == REFUSE_CONTINUE) {
    }
    CU_ASSERT_EQUAL(d->events.in_use, 0);
    CU_ASSERT_EQUAL(fifo_frames_held(d), 0);
    event_domain_free(d);
    host_domain_drop(d);
}

struct evtchn_fifo_control_block *fifo_block(const struct domain *d, unsigned vcpu)
{
    return (void *)(host_ram[fifo_frame_of(d, vcpu).v] + 64);
}

event_word_t *fifo_word(const struct domain *d, evtchn_port_t port)
{
    return (event_word_t *)host_ram[fifo_frame_of(d, FIRST_PAGE).v] + port;
}

enum refusal fifo_add_block(struct domain *d, unsigned vcpu)
{
    return event_queues()->init_control(d, vcpu, fifo_frame_of(d, vcpu), 64);
}

enum refusal fifo_add_page(struct domain *d, unsigned n)
{
    return event_queues()->expand_array(d, fifo_frame_of(d, FIRST_PAGE + n));
}

struct domain *fifo_make_queues(domid_t id, unsigned vcpus, unsigned pages)
{
    struct domain *d = fifo_make(id, vcpus);
    for (unsigned i = 0; i < vcpus; i++)
        CU_ASSERT_EQUAL(fifo_add_block(d, i), REFUSE_NONE);
    for (unsigned i = 0; i < pages; i++)
        CU_ASSERT_EQUAL(fifo_add_page(d, i), REFUSE_NONE);
    return d;
}

evtchn_port_t fifo_ipi(struct domain *d, unsigned vcpu)
{
    evtchn_port_t port = 0;
    CU_ASSERT_EQUAL_FATAL(event_bind_ipi(d, vcpu, &port), REFUSE_NONE);
    return port;
}

// --- an honest guest

// Clear LINKED and LINK of a word in one step; the link.
static evtchn_port_t unlink_word(event_word_t *w)
{
    event_word_t old = __atomic_load_n(w, __ATOMIC_SEQ_CST);
    while (!__atomic_compare_exchange_n(w, &old, old & ~(LINKED | EVTCHN_FIFO_LINK_MASK), true,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    }
    return old & EVTCHN_FIFO_LINK_MASK;
}

// A queue is ready as
// long as it has a next port for us; when it has none, we look at its head only after a new ready bit.
evtchn_port_t fifo_take(struct reader *r)
{
    for (;;) {
        r->ready |= __atomic_exchange_n(&fifo_block(r->d, r->vcpu)->ready, 0, __ATOMIC_SEQ_CST);
        if (!r->ready)
            return 0;
        unsigned queue = (unsigned)__builtin_ctz(r->ready);
        evtchn_port_t port = r->head[queue];
        if (!port)
            port = __atomic_load_n(&fifo_block(r->d, r->vcpu)->head[queue], __ATOMIC_SEQ_CST);
        event_word_t *w = fifo_word(r->d, port), old;
        r->head[queue] = unlink_word(w);
        if (!r->head[queue])
            r->ready &= ~(1u << queue);
        old = __atomic_load_n(w, __ATOMIC_SEQ_CST);
        if (old & PENDING && !(old & MASKED)) {
            __atomic_fetch_and(w, ~PENDING, __ATOMIC_SEQ_CST);
            return port;
        }
    }
}
