// SPDX-License-Identifier: MIT
// Closing ports: one, all of a domain on its own wish, all of a dying one.
//
// A pair is cut with both its locks held, which have an order. The peer is known only under the lock of
// the port that is to be closed; if the peer's comes first that lock is dropped for a moment. Meanwhile
// `is_changing` lets nobody connect to the port, so all that can happen is that the peer closes its own end.
#include "event/port.h"

// Lock the port and its peer, NULL if there is none. *remote: a reference that is to be put when no lock is
// held. LOCK_EVENT held.
static struct event_port *lock_pair(struct event_port *port, struct domain **remote,
                                    uint64_t *flags)
{
    struct event_port *peer = NULL;

    *flags = event_port_lock(port);
    port->is_changing = true;
    if (port->state != EVENT_INTERDOMAIN)
        return NULL;
    peer = event_port_get(port->remote, port->remote_port);
    if (peer > port) {
        spin_lock_second(&peer->lock);
        return peer;
    }
    *remote = port->remote;
    domain_get(*remote); // its port is bound to ours, so it has not been freed
    event_port_unlock(port, *flags);
    *flags = event_ports_lock(port, peer);
    if (port->state == EVENT_INTERDOMAIN)
        return peer;
    spin_unlock(&peer->lock);
    return NULL;
}

static void close_pair(struct domain *d, evtchn_port_t number, struct event_port *port)
{
    struct domain *remote = NULL;
    uint64_t flags;
    struct event_port *peer = lock_pair(port, &remote, &flags);

    if (peer) {
        event_port_set_state(peer, EVENT_UNBOUND);
        peer->remote_domid = d->id;
        peer->remote = NULL;
    } else if (port->state == EVENT_VIRQ) {
        unsigned vcpu = event_virq_is_global(port->virq) ? 0 : port->vcpu;
        __atomic_store_n(&d->vcpu[vcpu]->events.virq_port[port->virq], 0, __ATOMIC_RELAXED);
    }
    event_port_free(d, number, port);
    event_ports_unlock(port, peer, flags);
    spin_unlock(&d->events.lock);
    if (remote)
        domain_put(remote);
}

// Disconnect the interrupt, which is done without locks, then free the port.
static void close_pirq(struct domain *d, evtchn_port_t number, struct event_port *port)
{
    port->is_changing = true;
    spin_unlock(&d->events.lock);
    event_pirq_hooks->unbind(d, port->pirq);
    spin_lock(&d->events.lock);
    uint64_t flags = event_port_lock(port);
    event_port_free(d, number, port);
    event_port_unlock(port, flags);
    spin_unlock(&d->events.lock);
}

enum refusal event_close(struct domain *d, evtchn_port_t number)
{
    enum refusal r = REFUSE_NONE;
    struct event_port *port = event_port_get(d, number);

    spin_lock(&d->events.lock);
    if (!port || event_port_is_free(port))
        r = REFUSE_EVENT_BAD_PORT;
    else if (port->is_changing)
        r = REFUSE_BUSY;
    if (r != REFUSE_NONE)
        spin_unlock(&d->events.lock);
    else if (__atomic_load_n(&port->state, __ATOMIC_RELAXED) == EVENT_PIRQ)
        close_pirq(d, number, port);
    else
        close_pair(d, number, port);
    return r;
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

    spin_lock(&d->events.lock);
    evtchn_port_t next = resuming ? e->reset_next : !e->reset_next;
    if (next > e->reset_next)
        e->reset_next = next;
    spin_unlock(&d->events.lock);
    if (!next)
        return REFUSE_BUSY;

    enum refusal r = close_all(d, &next, budget);

    spin_lock(&d->events.lock);
    e->reset_next = r == REFUSE_CONTINUE ? next : 0;
    if (r == REFUSE_NONE && e->in_use)
        r = REFUSE_EVENT_STILL_OPEN;
    if (r == REFUSE_NONE)
        fifo = turn_to_two_levels(d);
    spin_unlock(&d->events.lock);
    if (fifo)
        event_queues()->free(fifo);
    return r;
}

enum refusal event_domain_close(struct domain *d, unsigned budget)
{
    struct event_fifo *fifo = NULL;

    // Whoever saw the domain alive has finished when we have had the lock once.
    if (d->events.close_next == 0) {
        spin_lock(&d->events.lock);
        spin_unlock(&d->events.lock);
    }
    enum refusal r = close_all(d, &d->events.close_next, budget);
    if (r != REFUSE_NONE)
        return r;
    spin_lock(&d->events.lock);
    if (d->events.in_use) { // a control domain is about to reset one of them
        d->events.close_next = 1;
        r = REFUSE_CONTINUE;
    } else {
        fifo = turn_to_two_levels(d);
    }
    spin_unlock(&d->events.lock);
    if (fifo)
        event_queues()->free(fifo);
    return r;
}
