// SPDX-License-Identifier: MIT
// Delivery: from "this port is pending" to an upcall of the guest, by two levels of bits here, by queues
// in fifo.c.
//
// The guest's side reads in the opposite order of ours: it clears the upcall flag, takes the selector
// word, then the pending bits. Every step here is a locked instruction, so each is a full barrier; a
// step that finds its bit set already stops, because whoever set it goes on from there.
// The bits lie in memory that the guest may write at any time. What it can spoil that way is only
// whether it gets its own upcalls.
#include "event/port.h"

#define BITS_PER_WORD 64

static bool set_bit(xen_ulong_t *word, unsigned bit)
{
    xen_ulong_t mask = (xen_ulong_t)1 << bit;
    return (__atomic_fetch_or(word, mask, __ATOMIC_SEQ_CST) & mask) != 0;
}

static bool clear_bit(xen_ulong_t *word, unsigned bit)
{
    xen_ulong_t mask = (xen_ulong_t)1 << bit;
    return (__atomic_fetch_and(word, ~mask, __ATOMIC_SEQ_CST) & mask) != 0;
}

static bool test_bit(const xen_ulong_t *word, unsigned bit)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST) >> bit & 1;
}

static struct vcpu_info *info_of(const struct vcpu *v)
{
    return __atomic_load_n(&v->info, __ATOMIC_ACQUIRE);
}

void event_mark_pending(struct vcpu *v)
{
    if (!__atomic_exchange_n(&info_of(v)->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST))
        sched_kick(v);
}

// The port is pending and not masked: tell its vcpu.
static inline void notify(struct domain *d, unsigned word, unsigned vcpu)
{
    struct vcpu *v = d->vcpu[vcpu]; // none yet while the domain is being built
    if (v && !set_bit(&info_of(v)->evtchn_pending_sel, word))
        event_mark_pending(v);
}

// Of a domain that has queues: so the module is there.
#define queues (*__start_modules_event_queues)

void event_port_set_pending(struct domain *d, evtchn_port_t number, struct event_port *port)
{
    if (__atomic_load_n(&d->events.fifo, __ATOMIC_ACQUIRE)) {
        queues->set_pending(d, number, port);
        return;
    }
    struct shared_info *s = d->shared_info;
    unsigned word = number / BITS_PER_WORD, bit = number % BITS_PER_WORD;

    if (set_bit(&s->evtchn_pending[word], bit))
        return;
    if (!test_bit(&s->evtchn_mask[word], bit))
        notify(d, word, __atomic_load_n(&port->vcpu, __ATOMIC_RELAXED));
    // Polls look at masked ports too. The look pairs with the fence in sched_poll().
    if (__atomic_load_n(&d->sched.poll_mask, __ATOMIC_SEQ_CST))
        sched_poll_notify(d, number);
}

void event_port_clear_pending(struct domain *d, evtchn_port_t number)
{
    struct event_fifo *fifo = __atomic_load_n(&d->events.fifo, __ATOMIC_ACQUIRE);
    if (fifo)
        queues->clear_pending(fifo, number);
    else
        clear_bit(&d->shared_info->evtchn_pending[number / BITS_PER_WORD], number % BITS_PER_WORD);
}

bool event_two_level_is_pending(const struct domain *d, evtchn_port_t number)
{
    return test_bit(&d->shared_info->evtchn_pending[number / BITS_PER_WORD],
                    number % BITS_PER_WORD);
}

bool event_port_is_pending(const struct domain *d, evtchn_port_t number)
{
    const struct event_fifo *fifo = __atomic_load_n(&d->events.fifo, __ATOMIC_ACQUIRE);
    return fifo ? queues->is_pending(fifo, number) : event_two_level_is_pending(d, number);
}

bool event_port_is_linked(const struct domain *d, evtchn_port_t number)
{
    return d->events.fifo && queues->is_linked(d->events.fifo, number);
}

enum refusal event_poll(struct domain *d, evtchn_port_t number, bool *is_pending)
{
    struct event_port *port = event_port_get(d, number);
    if (!port)
        return REFUSE_EVENT_BAD_PORT;
    uint64_t flags = event_port_lock(port);
    bool is_bound = port->state != EVENT_FREE;
    *is_pending = is_bound && event_port_is_pending(d, number);
    event_port_unlock(port, flags);
    return is_bound ? REFUSE_NONE : REFUSE_EVENT_BAD_PORT;
}

bool event_pending(const struct vcpu *v)
{
    const struct vcpu_info *info = info_of(v);
    return __atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_SEQ_CST) &&
           !__atomic_load_n(&info->evtchn_upcall_mask, __ATOMIC_SEQ_CST);
}

void event_notify_vcpu_info_moved(struct vcpu *v)
{
    // A sender that still uses the old place set its pending bit before v->info changed (the bit is
    // set by a locked instruction, the pointer read behind it), so a full scan now finds it.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&info_of(v)->evtchn_pending_sel, ~(xen_ulong_t)0, __ATOMIC_SEQ_CST);
    event_mark_pending(v);
}

static void unmask_bit(struct domain *d, evtchn_port_t number, const struct event_port *port)
{
    struct shared_info *s = d->shared_info;
    unsigned word = number / BITS_PER_WORD, bit = number % BITS_PER_WORD;

    if (clear_bit(&s->evtchn_mask[word], bit) && test_bit(&s->evtchn_pending[word], bit))
        notify(d, word,
               __atomic_load_n(&port->vcpu, __ATOMIC_RELAXED)); // it became pending while masked
}

enum refusal event_unmask(struct domain *d, evtchn_port_t number)
{
    struct event_port *port = event_port_get(d, number);
    if (!port)
        return REFUSE_EVENT_BAD_PORT;
    uint64_t flags = event_port_lock(port);
    if (port->state != EVENT_FREE) {
        if (__atomic_load_n(&d->events.fifo, __ATOMIC_ACQUIRE))
            queues->unmask(d, number, port);
        else
            unmask_bit(d, number, port);
    }
    event_port_unlock(port, flags);
    return REFUSE_NONE;
}

enum refusal event_send(struct domain *d, evtchn_port_t number)
{
    enum refusal r = REFUSE_NONE;
    struct event_port *port = event_port_get(d, number);
    if (!port)
        return REFUSE_EVENT_BAD_PORT;
    uint64_t flags = event_port_lock(port);

    if (port->state == EVENT_INTERDOMAIN) {
        // Our lock keeps the pair together: the peer's port stays bound to ours. Its vcpu may be
        // changed under our feet, and either is right then.
        struct event_port *peer = event_port_get(port->remote, port->remote_port);
        event_port_set_pending(port->remote, port->remote_port, peer);
    } else if (port->state == EVENT_IPI) {
        event_port_set_pending(d, number, port);
    } else if (port->state != EVENT_UNBOUND) { // nobody listens yet: the event is dropped
        r = port->state == EVENT_FREE ? REFUSE_EVENT_BAD_PORT : REFUSE_EVENT_WRONG_KIND;
    }
    event_port_unlock(port, flags);
    return r;
}

bool event_virq_is_global(unsigned virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

void event_raise_virq(struct vcpu *v, unsigned virq)
{
    struct domain *d = v->domain;
    evtchn_port_t number = __atomic_load_n(&v->events.virq_port[virq], __ATOMIC_ACQUIRE);
    if (!number)
        return;
    struct event_port *port = event_port_get(d, number);
    uint64_t flags = event_port_lock(port);
    // It may have been closed since, and stand for something else. A virq with a vcpu of its own keeps it.
    if (port->state == EVENT_VIRQ && port->virq == virq &&
        (port->vcpu == v->id || event_virq_is_global(virq)))
        event_port_set_pending(d, number, port);
    event_port_unlock(port, flags);
}

void event_raise_global_virq(struct domain *d, unsigned virq)
{
    struct vcpu *v = d->vcpu[0]; // where global virqs are kept, whatever vcpu their port notifies
    if (v)
        event_raise_virq(v, virq);
}

void event_raise_pirq(struct domain *d, evtchn_port_t number)
{
    struct event_port *port = event_port_get(d, number);
    if (!port)
        return;
    uint64_t flags = event_port_lock(port);
    if (port->state == EVENT_PIRQ)
        event_port_set_pending(d, number, port);
    event_port_unlock(port, flags);
}
