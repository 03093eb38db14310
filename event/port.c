// SPDX-License-Identifier: MIT
// The ports of a domain: memory for them, free ones, and the locks.
#include "event/port.h"
#include "hypervisor/page_alloc.h"

_Static_assert(sizeof(struct event_port) * EVENT_BUCKET_PORTS <= PAGE_SIZE, "a bucket is one page");

void event_domain_init(struct domain *d, int max_port)
{
    struct event_domain *e = &d->events;
    *e = (struct event_domain){.max_ports = EVENT_MAX_PORTS, .first_free = 1};
    spin_lock_init(&e->lock, LOCK_EVENT);
    if (max_port >= 0 && max_port < EVENT_MAX_PORTS)
        e->max_ports = (unsigned)max_port + 1;
}

void event_vcpu_init(struct vcpu *v)
{
    v->events = (struct event_vcpu){0};
}

void event_domain_free(struct domain *d)
{
    for (unsigned i = 0; i < EVENT_BUCKETS; i++) {
        if (d->events.bucket[i])
            page_free(d->events.bucket[i], 0);
        d->events.bucket[i] = NULL;
    }
}

bool event_port_exists(const struct domain *d, evtchn_port_t port)
{
    return port < d->events.max_ports &&
           __atomic_load_n(&d->events.bucket[port / EVENT_BUCKET_PORTS], __ATOMIC_ACQUIRE);
}

void event_lock_take(struct event_lock *lock, struct domain *a, struct domain *b)
{
    lock->first = a;
    lock->second = b == a ? NULL : b;
    if (lock->second && lock->second->id < a->id) {
        lock->first = lock->second;
        lock->second = a;
    }
    lock->flags = spin_lock_irqsave(&lock->first->events.lock);
    if (lock->second)
        spin_lock_second(&lock->second->events.lock);
}

void event_lock_drop(struct event_lock *lock)
{
    if (lock->second)
        spin_unlock(&lock->second->events.lock);
    spin_unlock_irqrestore(&lock->first->events.lock, lock->flags);
}

// The lowest free port into *number. EVENT_NO_PORT, or REFUSE_CONTINUE when its bucket has to be
// allocated first.
static enum refusal find_free(struct domain *d, evtchn_port_t *number)
{
    struct event_domain *e = &d->events;
    for (unsigned n = e->first_free; n < e->max_ports; n++) {
        struct event_port *port = event_port_get(d, n);
        *number = n;
        if (!port)
            return REFUSE_CONTINUE;
        if (port->state == EVENT_FREE) {
            e->first_free = n;
            return REFUSE_NONE;
        }
    }
    e->first_free = e->max_ports;
    return REFUSE_EVENT_NO_PORT;
}

// Memory for the bucket of port `number`. Without locks: the allocator is not for interrupts.
static enum refusal add_bucket(struct domain *d, evtchn_port_t number)
{
    struct event_port *bucket = page_alloc(0);
    if (!bucket)
        return REFUSE_NO_MEMORY;
    struct event_port **place = &d->events.bucket[number / EVENT_BUCKET_PORTS];
    uint64_t flags = spin_lock_irqsave(&d->events.lock);
    if (!*place) {
        __atomic_store_n(place, bucket, __ATOMIC_RELEASE);
        bucket = NULL;
    }
    spin_unlock_irqrestore(&d->events.lock, flags);
    if (bucket)
        page_free(bucket, 0); // somebody else was faster
    return REFUSE_NONE;
}

enum refusal event_claim_port(struct event_claim *c, struct domain *d, struct domain *other)
{
    for (;;) {
        event_lock_take(&c->lock, d, other);
        bool dying = d->is_dying || (other && other->is_dying);
        enum refusal r = dying ? REFUSE_DOMAIN_DYING : find_free(d, &c->number);
        if (r == REFUSE_NONE) {
            c->port = event_port_get(d, c->number);
            return REFUSE_NONE;
        }
        event_lock_drop(&c->lock);
        if (r == REFUSE_CONTINUE)
            r = add_bucket(d, c->number);
        if (r != REFUSE_NONE)
            return r;
    }
}

void event_port_use(struct domain *d, struct event_port *port, enum event_state state,
                    unsigned vcpu)
{
    *port = (struct event_port){.state = (uint8_t)state, .vcpu = (uint16_t)vcpu};
    d->events.in_use++;
}

void event_port_free(struct domain *d, evtchn_port_t number, struct event_port *port)
{
    *port = (struct event_port){.state = EVENT_FREE}; // back to vcpu 0
    event_port_clear_pending(d, number);
    d->events.in_use--;
    if (number < d->events.first_free)
        d->events.first_free = number;
}
