// SPDX-License-Identifier: MIT
// The ports of a domain: memory for them, free ones, and the locks.
#include "event/port.h"
#include "hypervisor/page_alloc.h"

_Static_assert(sizeof(struct event_bucket) <= PAGE_SIZE, "a bucket is one page");

#define DIRECTORY_ORDER 1
_Static_assert(EVENT_BUCKETS * sizeof(void *) == PAGE_SIZE << DIRECTORY_ORDER, "all buckets");
#define VALID_STEP 64 // ports that become valid at once: what Xen has, so that errors are the same
#define SEARCH_LOOKS                                                                               \
    8192u // more than any search takes but among closed ports that are still in queues

enum refusal event_domain_init(struct domain *d, int max_port)
{
    struct event_domain *e = &d->events;
    *e = (struct event_domain){.port_limit = INT32_MAX, .valid_ports = VALID_STEP, .first_free = 1};
    spin_lock_init(&e->lock, LOCK_EVENT);
    if (max_port >= 0 && max_port < INT32_MAX)
        e->port_limit = (unsigned)max_port + 1;
    e->bucket = e->first;
    e->first[0] = page_alloc(0);
    return e->first[0] ? REFUSE_NONE : REFUSE_NO_MEMORY;
}

void event_vcpu_init(struct vcpu *v)
{
    v->events = (struct event_vcpu){0};
}

void event_domain_free(struct domain *d)
{
    struct event_domain *e = &d->events;
    for (unsigned i = 0; i * EVENT_BUCKET_PORTS < e->valid_ports; i++)
        page_free(e->bucket[i], 0);
    if (e->bucket != e->first)
        page_free(e->bucket, DIRECTORY_ORDER);
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

// The lowest free port from *number on into *number, after so many looks at most. EVENT_NO_PORT, or
// REFUSE_CONTINUE when it needs memory first; then the search goes on there.
static enum refusal find_free(struct domain *d, evtchn_port_t *number, unsigned *looks)
{
    struct event_domain *e = &d->events;
    unsigned end = MIN(e->port_limit, e->fifo ? EVTCHN_FIFO_NR_CHANNELS : EVTCHN_2L_NR_CHANNELS);
    evtchn_port_t n = MAX(*number, e->first_free);
    bool found = *number != 0; // where the next search begins

    for (; *looks && n < end; --*looks, n++) {
        *number = n;
        if (n >= e->valid_ports)
            return REFUSE_CONTINUE;
        const struct event_bucket *bucket = e->bucket[n / EVENT_BUCKET_PORTS];
        if (bucket->in_use == EVENT_BUCKET_PORTS) {
            n |= EVENT_BUCKET_PORTS - 1;
            continue;
        }
        if (bucket->port[n % EVENT_BUCKET_PORTS].state != EVENT_FREE)
            continue;
        if (!found)
            e->first_free = n;
        found = true;
        if (!e->fifo || !event_fifo_is_linked(e->fifo, n))
            return REFUSE_NONE;
    }
    return REFUSE_EVENT_NO_PORT;
}

// Room for all buckets in place of the first ones, where senders of other domains may be reading.
static void grow_directory(struct event_domain *e, struct event_bucket **all)
{
    memcpy(all, e->first, sizeof(e->first));
    __atomic_store_n(&e->bucket, all, __ATOMIC_RELEASE);
}

// Memory for port `number`, the first one that has none. Without locks: the allocator is not for
// interrupts. Somebody else may be faster; then what is left over is freed.
static enum refusal add_ports(struct domain *d, evtchn_port_t number)
{
    struct event_domain *e = &d->events;
    struct event_bucket **all = number < EVTCHN_2L_NR_CHANNELS ? NULL : page_alloc(DIRECTORY_ORDER);
    struct event_bucket *bucket = page_alloc(0);
    enum refusal r = bucket && (all || number < EVTCHN_2L_NR_CHANNELS) ? REFUSE_NONE
                                                                       : REFUSE_NO_MEMORY;
    uint64_t flags = spin_lock_irqsave(&e->lock);
    if (r == REFUSE_NONE && e->valid_ports == number) {
        if (all && e->bucket == e->first) {
            grow_directory(e, all);
            all = NULL;
        }
        if (number % EVENT_BUCKET_PORTS == 0) {
            e->bucket[number / EVENT_BUCKET_PORTS] = bucket;
            bucket = NULL;
        }
        // Whoever sees the new number sees the memory.
        __atomic_store_n(&e->valid_ports, number + VALID_STEP, __ATOMIC_RELEASE);
    }
    spin_unlock_irqrestore(&e->lock, flags);
    page_free(bucket, 0);
    page_free(all, DIRECTORY_ORDER);
    return r;
}

enum refusal event_claim_port(struct event_claim *c, struct domain *d, struct domain *other)
{
    unsigned looks = SEARCH_LOOKS;

    for (c->number = 0;;) {
        event_lock_take(&c->lock, d, other);
        bool dying = d->is_dying || (other && other->is_dying);
        enum refusal r = dying ? REFUSE_DOMAIN_DYING : find_free(d, &c->number, &looks);
        if (r == REFUSE_NONE) {
            c->port = event_port_get(d, c->number);
            return REFUSE_NONE;
        }
        event_lock_drop(&c->lock);
        if (r == REFUSE_CONTINUE)
            r = add_ports(d, c->number);
        if (r != REFUSE_NONE)
            return r;
    }
}

static unsigned *bucket_use(struct domain *d, evtchn_port_t number)
{
    return &d->events.bucket[number / EVENT_BUCKET_PORTS]->in_use;
}

void event_port_use(struct domain *d, const struct event_claim *c, enum event_state state,
                    unsigned vcpu)
{
    c->port->state = (uint8_t)state;
    c->port->vcpu = (uint16_t)vcpu;
    c->port->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    d->events.in_use++;
    ++*bucket_use(d, c->number);
}

void event_port_free(struct domain *d, evtchn_port_t number, struct event_port *port)
{
    *port = (struct event_port){// back to vcpu 0
                                .last_priority = port->last_priority,
                                .last_vcpu = port->last_vcpu};
    event_port_clear_pending(d, number);
    d->events.in_use--;
    --*bucket_use(d, number);
    if (number < d->events.first_free)
        d->events.first_free = number;
}
