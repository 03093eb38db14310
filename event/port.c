// SPDX-License-Identifier: MIT
// The ports of a domain: memory for them, free ones, and the locks.
#include "event/port.h"
#include "hypervisor/page_alloc.h"

_Static_assert(EVENT_BUCKET_PORTS * sizeof(struct event_port) == PAGE_SIZE, "a bucket is a page");
_Static_assert(DOMAIN_MAX_VCPUS <= UINT8_MAX, "a vcpu fits into its field");

#define DIRECTORY_ORDER 2
_Static_assert(EVENT_BUCKETS * sizeof(struct event_bucket) == PAGE_SIZE << DIRECTORY_ORDER,
               "all buckets");
#define FIRST_PORTS (EVENT_FIRST_BUCKETS * EVENT_BUCKET_PORTS)
#define VALID_STEP 64 // ports that become valid at once: what Xen has, so that errors are the same
#define SEARCH_LOOKS                                                                               \
    8192u // more than any search takes but among closed ports that are still in queues

static struct event_port *ports_alloc(void)
{
    struct event_port *ports = page_alloc(0);
    for (unsigned i = 0; ports && i < EVENT_BUCKET_PORTS; i++)
        spin_lock_init(&ports[i].lock, LOCK_EVENT_PORT);
    return ports;
}

enum refusal event_domain_init(struct domain *d, int max_port)
{
    struct event_domain *e = &d->events;
    *e = (struct event_domain){.port_limit = INT32_MAX, .valid_ports = VALID_STEP, .first_free = 1};
    spin_lock_init(&e->lock, LOCK_EVENT);
    if (max_port >= 0 && max_port < INT32_MAX)
        e->port_limit = (unsigned)max_port + 1;
    e->bucket = e->first;
    e->first[0].port = ports_alloc();
    return e->first[0].port ? REFUSE_NONE : REFUSE_NO_MEMORY;
}

void event_vcpu_init(struct vcpu *v)
{
    v->events = (struct event_vcpu){0};
}

void event_domain_free(struct domain *d)
{
    struct event_domain *e = &d->events;
    for (unsigned i = 0; i * EVENT_BUCKET_PORTS < e->valid_ports; i++)
        page_free(e->bucket[i].port, 0);
    if (e->bucket != e->first)
        page_free(e->bucket, DIRECTORY_ORDER);
}

uint64_t event_ports_lock(struct event_port *a, struct event_port *b)
{
    if (!b || a == b)
        return event_port_lock(a);
    uint64_t flags = event_port_lock(MIN(a, b));
    spin_lock_second(&MAX(a, b)->lock);
    return flags;
}

void event_ports_unlock(struct event_port *a, struct event_port *b, uint64_t flags)
{
    if (b && a != b)
        spin_unlock(&b->lock);
    event_port_unlock(a, flags);
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
        const struct event_bucket *bucket = &e->bucket[n / EVENT_BUCKET_PORTS];
        if (bucket->in_use == EVENT_BUCKET_PORTS) {
            n |= EVENT_BUCKET_PORTS - 1;
            continue;
        }
        if (!event_port_is_free(&bucket->port[n % EVENT_BUCKET_PORTS]))
            continue;
        if (!found)
            e->first_free = n;
        found = true;
        if (!event_port_is_linked(d, n))
            return REFUSE_NONE;
    }
    return REFUSE_EVENT_NO_PORT;
}

// Room for all buckets in place of the first ones, where others may be looking ports up.
static void grow_directory(struct event_domain *e, struct event_bucket *all)
{
    memcpy(all, e->first, sizeof(e->first));
    __atomic_store_n(&e->bucket, all, __ATOMIC_RELEASE);
}

// Make port `number` valid, the first one that is not, with memory where it begins a page, and where the
// directory becomes too small. The allocator's rank is lower than the lock's, so memory is taken first;
// somebody else may be faster, then it is given back.
static enum refusal add_ports(struct domain *d, evtchn_port_t number)
{
    struct event_domain *e = &d->events;
    bool is_new = number % EVENT_BUCKET_PORTS == 0, grows = number == FIRST_PORTS;
    struct event_bucket *all = grows ? page_alloc(DIRECTORY_ORDER) : NULL;
    struct event_port *ports = is_new ? ports_alloc() : NULL;
    enum refusal r = (is_new && !ports) || (grows && !all) ? REFUSE_NO_MEMORY : REFUSE_NONE;
    spin_lock(&e->lock);
    if (r == REFUSE_NONE && e->valid_ports == number) {
        if (grows) {
            grow_directory(e, all);
            all = NULL;
        }
        if (is_new) {
            e->bucket[number / EVENT_BUCKET_PORTS].port = ports;
            ports = NULL;
        }
        // Whoever sees the new number sees the memory.
        __atomic_store_n(&e->valid_ports, number + VALID_STEP, __ATOMIC_RELEASE);
    }
    spin_unlock(&e->lock);
    page_free(ports, 0);
    page_free(all, DIRECTORY_ORDER);
    return r;
}

enum refusal event_claim_port(struct event_claim *c, struct domain *d)
{
    unsigned looks = SEARCH_LOOKS;

    for (*c = (struct event_claim){.d = d};;) {
        spin_lock(&d->events.lock);
        enum refusal r = d->is_dying ? REFUSE_DOMAIN_DYING : find_free(d, &c->number, &looks);
        if (r == REFUSE_NONE) {
            c->port = event_port_get(d, c->number);
            return REFUSE_NONE;
        }
        spin_unlock(&d->events.lock);
        if (r == REFUSE_CONTINUE)
            r = add_ports(d, c->number);
        if (r != REFUSE_NONE)
            return r;
    }
}

void event_claim_end(const struct event_claim *c)
{
    spin_unlock(&c->d->events.lock);
}

static unsigned *bucket_use(struct domain *d, evtchn_port_t number)
{
    return &d->events.bucket[number / EVENT_BUCKET_PORTS].in_use;
}

void event_port_use(const struct event_claim *c, enum event_state state, unsigned vcpu)
{
    event_port_set_state(c->port, state);
    c->port->vcpu = (uint8_t)vcpu;
    __atomic_store_n(&c->port->priority, EVTCHN_FIFO_PRIORITY_DEFAULT, __ATOMIC_RELAXED);
    c->d->events.in_use++;
    ++*bucket_use(c->d, c->number);
}

void event_port_free(struct domain *d, evtchn_port_t number, struct event_port *port)
{
    event_port_set_state(port, EVENT_FREE);
    port->is_changing = port->is_saved = false;
    port->vcpu = 0;
    port->remote = NULL;
    event_port_clear_pending(d, number);
    d->events.in_use--;
    --*bucket_use(d, number);
    if (number < d->events.first_free)
        d->events.first_free = number;
}
