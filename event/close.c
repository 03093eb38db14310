// SPDX-License-Identifier: MIT
// Closing ports: one, all of a domain on its own wish, all of a dying one.
//
// An interdomain port is closed with both domains' locks. Which domain that is, is known only with
// the first lock held, so the peer is referenced, both locks are taken in order, and the port is
// looked at again.
#include "event/port.h"

// The domain whose lock is missing to close the port, NULL if none.
static struct domain *lock_missing(const struct event_lock *held, const struct event_port *port)
{
    if (port->state != EVENT_INTERDOMAIN || port->remote == held->first ||
        port->remote == held->second)
        return NULL;
    return port->remote;
}

// All locks that are needed are held, and the port is in use.
static void close_locked(struct domain *d, evtchn_port_t number, struct event_port *port)
{
    if (port->state == EVENT_INTERDOMAIN) {
        struct event_port *peer = event_port_get(port->remote, port->remote_port);
        peer->state = EVENT_UNBOUND;
        peer->remote_domid = d->id;
        peer->remote = NULL;
        peer->remote_port = 0;
    } else if (port->state == EVENT_VIRQ) {
        unsigned vcpu = event_virq_is_global(port->virq) ? 0 : port->vcpu;
        d->vcpu[vcpu]->events.virq_port[port->virq] = 0;
    }
    event_port_free(d, number, port);
}

// Disconnect the interrupt, which is done without locks, then free the port.
static void close_pirq(struct event_lock *lock, struct domain *d, evtchn_port_t number,
                       struct event_port *port)
{
    port->is_changing = true;
    event_lock_drop(lock);
    event_pirq_hooks->unbind(d, port->pirq);
    event_lock_take(lock, d, NULL);
    event_port_free(d, number, port);
}

enum refusal event_close(struct domain *d, evtchn_port_t number)
{
    struct domain *peer = NULL;
    enum refusal r = REFUSE_NONE;

    for (;;) {
        struct event_lock lock;
        event_lock_take(&lock, d, peer);
        struct event_port *port = event_port_get(d, number);
        struct domain *missing = NULL;
        if (!port || port->state == EVENT_FREE)
            r = REFUSE_EVENT_BAD_PORT;
        else if (port->is_changing)
            r = REFUSE_BUSY;
        else if ((missing = lock_missing(&lock, port)) != NULL)
            domain_get(missing); // its port is bound to ours, so it has not been freed
        else if (port->state == EVENT_PIRQ)
            close_pirq(&lock, d, number, port);
        else
            close_locked(d, number, port);
        event_lock_drop(&lock);
        if (peer)
            domain_put(peer);
        peer = missing;
        if (!peer)
            return r;
    }
}

// Close the ports from *next on. REFUSE_CONTINUE when the budget is used up: *next is where to go on.
static enum refusal close_all(struct domain *d, evtchn_port_t *next, unsigned budget)
{
    for (evtchn_port_t n = *next; n < d->events.valid_ports && d->events.in_use; n++) {
        if (budget-- == 0) {
            *next = n;
            return REFUSE_CONTINUE;
        }
        event_close(d, n);
    }
    return REFUSE_NONE;
}

// No port is in use, so nobody delivers by the queues.
static struct event_fifo *turn_to_two_levels(struct domain *d)
{
    struct event_fifo *fifo = d->events.fifo;
    __atomic_store_n(&d->events.fifo, NULL, __ATOMIC_RELAXED);
    return fifo;
}

enum refusal event_reset(struct domain *d, bool resuming, unsigned budget)
{
    struct event_domain *e = &d->events;
    struct event_fifo *fifo = NULL;
    struct event_lock lock;

    event_lock_take(&lock, d, NULL);
    evtchn_port_t next = resuming ? e->reset_next : !e->reset_next;
    if (next > e->reset_next)
        e->reset_next = next;
    event_lock_drop(&lock);
    if (!next)
        return REFUSE_BUSY;

    enum refusal r = close_all(d, &next, budget);

    event_lock_take(&lock, d, NULL);
    e->reset_next = r == REFUSE_CONTINUE ? next : 0;
    if (r == REFUSE_NONE && e->in_use)
        r = REFUSE_EVENT_STILL_OPEN;
    if (r == REFUSE_NONE)
        fifo = turn_to_two_levels(d);
    event_lock_drop(&lock);
    event_fifo_free(fifo);
    return r;
}

enum refusal event_domain_close(struct domain *d, unsigned budget)
{
    struct event_fifo *fifo = NULL;
    struct event_lock lock;

    // Whoever saw the domain alive has finished when we have had the lock once.
    if (d->events.close_next == 0) {
        event_lock_take(&lock, d, NULL);
        event_lock_drop(&lock);
    }
    enum refusal r = close_all(d, &d->events.close_next, budget);
    if (r != REFUSE_NONE)
        return r;
    event_lock_take(&lock, d, NULL);
    if (d->events.in_use) { // a control domain is about to reset one of them
        d->events.close_next = 1;
        r = REFUSE_CONTINUE;
    } else {
        fifo = turn_to_two_levels(d);
    }
    event_lock_drop(&lock);
    event_fifo_free(fifo);
    return r;
}
