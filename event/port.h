// SPDX-License-Identifier: MIT
// Inside event/: finding ports, and the locks of one or two domains.
#pragma once

#include "hypervisor/domain.h"

// NULL when the port has no memory: then it has never been in use. The lock is held, or the port is the
// peer of an interdomain port whose lock is held.
static inline struct event_port *event_port_get(const struct domain *d, evtchn_port_t port)
{
    const struct event_domain *e = &d->events;
    if (port >= __atomic_load_n(&e->valid_ports, __ATOMIC_ACQUIRE)) // pairs with add_ports()
        return NULL;
    struct event_bucket **bucket = __atomic_load_n(&e->bucket, __ATOMIC_RELAXED);
    return &bucket[port / EVENT_BUCKET_PORTS]->port[port % EVENT_BUCKET_PORTS];
}

// The lock of `a`, and of `b` if it is another domain (NULL: none), in the order of their ids.
struct event_lock {
    struct domain *first, *second;
    uint64_t flags;
};
void event_lock_take(struct event_lock *lock, struct domain *a, struct domain *b);
void event_lock_drop(struct event_lock *lock);

// A free port of `d`, with the locks of `d` and `other` (NULL: none) held until event_lock_drop().
// On refusal no lock is held. The port is taken when its state is set by event_port_use().
struct event_claim {
    struct event_lock lock;
    evtchn_port_t number;
    struct event_port *port;
};
enum refusal event_claim_port(struct event_claim *c, struct domain *d, struct domain *other);

void event_port_use(struct domain *d, const struct event_claim *c, enum event_state state,
                    unsigned vcpu);
void event_port_free(struct domain *d, evtchn_port_t number, struct event_port *port);

// Deliver: set the pending bit and what follows from it. Lock held as for event_port_get().
void event_port_set_pending(struct domain *d, evtchn_port_t number, struct event_port *port);
void event_port_clear_pending(struct domain *d, evtchn_port_t number);
bool event_port_is_pending(const struct domain *d, evtchn_port_t number);

// The same four steps in the words of `fifo`; `is_linked`: the guest has not yet taken it off its queue.
struct event_fifo;
void event_fifo_set_pending(struct domain *d, evtchn_port_t number, struct event_port *port);
void event_fifo_clear_pending(struct event_fifo *fifo, evtchn_port_t number);
bool event_fifo_is_pending(const struct event_fifo *fifo, evtchn_port_t number);
bool event_fifo_is_linked(const struct event_fifo *fifo, evtchn_port_t number);
void event_fifo_unmask(struct domain *d, evtchn_port_t number, struct event_port *port);
// Give the guest's frames back; no port is in use, no lock is held. NULL is allowed.
void event_fifo_free(struct event_fifo *fifo);

extern const struct event_pirq_hooks *event_pirq_hooks; // NULL: there are no physical interrupts
