// SPDX-License-Identifier: MIT
// Inside event/: finding ports, and the locks of one or two domains.
#pragma once

#include "hypervisor/domain.h"

// The port, or NULL when it is out of range or has no memory yet. Lock held.
static inline struct event_port *event_port_get(const struct domain *d, evtchn_port_t port)
{
    if (port >= d->events.max_ports)
        return NULL;
    struct event_port *bucket = d->events.bucket[port / EVENT_BUCKET_PORTS];
    return bucket ? &bucket[port % EVENT_BUCKET_PORTS] : NULL;
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

void event_port_use(struct domain *d, struct event_port *port, enum event_state state,
                    unsigned vcpu);
void event_port_free(struct domain *d, evtchn_port_t number, struct event_port *port);

// Deliver: set the pending bit and what follows from it. Lock held.
void event_port_set_pending(struct domain *d, evtchn_port_t number, const struct event_port *port);
void event_port_clear_pending(struct domain *d, evtchn_port_t number);

extern const struct event_pirq_hooks *event_pirq_hooks; // NULL: there are no physical interrupts
