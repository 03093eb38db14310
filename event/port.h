// SPDX-License-Identifier: MIT
// Inside event/: finding ports, and their locks.
#pragma once

#include "hypervisor/domain.h"

// NULL when the port has no memory: then it has never been in use.
static inline struct event_port *event_port_get(const struct domain *d, evtchn_port_t port)
{
    const struct event_domain *e = &d->events;
    if (port >= __atomic_load_n(&e->valid_ports, __ATOMIC_ACQUIRE)) // pairs with add_ports()
        return NULL;
    const struct event_bucket *bucket = __atomic_load_n(&e->bucket, __ATOMIC_RELAXED);
    return &bucket[port / EVENT_BUCKET_PORTS].port[port % EVENT_BUCKET_PORTS];
}

// A port stays in use, or free, under LOCK_EVENT; its other states change without that.
static inline bool event_port_is_free(const struct event_port *port)
{
    return __atomic_load_n(&port->state, __ATOMIC_RELAXED) == EVENT_FREE;
}

static inline void event_port_set_state(struct event_port *port, enum event_state state)
{
    __atomic_store_n(&port->state, (uint8_t)state, __ATOMIC_RELAXED);
}

static inline uint64_t event_port_lock(struct event_port *port)
{
    return spin_lock_irqsave(&port->lock);
}

static inline void event_port_unlock(struct event_port *port, uint64_t flags)
{
    spin_unlock_irqrestore(&port->lock, flags);
}

// The locks of two ports, in the order of their addresses. `b` may be NULL, or `a`.
uint64_t event_ports_lock(struct event_port *a, struct event_port *b);
void event_ports_unlock(struct event_port *a, struct event_port *b, uint64_t flags);

// A free port of `d`, with LOCK_EVENT held until event_claim_end(). On refusal no lock is held. The port
// is taken when its state is set by event_port_use().
struct event_claim {
    struct domain *d;
    evtchn_port_t number;
    struct event_port *port;
};
enum refusal event_claim_port(struct event_claim *c, struct domain *d);
void event_claim_end(const struct event_claim *c);

// Both with LOCK_EVENT and the lock of the port held.
void event_port_use(const struct event_claim *c, enum event_state state, unsigned vcpu);
void event_port_free(struct domain *d, evtchn_port_t number, struct event_port *port);

// Deliver: set the pending bit and what follows from it. These three with the lock of the port or of its
// peer held, or LOCK_EVENT.
void event_port_set_pending(struct domain *d, evtchn_port_t number, struct event_port *port);
void event_port_clear_pending(struct domain *d, evtchn_port_t number);
bool event_port_is_pending(const struct domain *d, evtchn_port_t number);
bool event_two_level_is_pending(const struct domain *d, evtchn_port_t number);

// A port without a state may still stand in a queue of the guest. With LOCK_EVENT held.
bool event_port_is_linked(const struct domain *d, evtchn_port_t number);

extern const struct event_pirq_hooks *event_pirq_hooks; // NULL: there are no physical interrupts
