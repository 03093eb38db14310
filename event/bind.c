// SPDX-License-Identifier: MIT
// Binding: what a port can stand for. Each operation claims a free port, checks everything with the
// locks held, and only then fills it in under the lock of the port.
#include "event/port.h"

const struct event_pirq_hooks *event_pirq_hooks;

void event_set_pirq_hooks(const struct event_pirq_hooks *hooks)
{
    event_pirq_hooks = hooks;
}

// Take the port that was claimed for something without a peer, whose number is `what`, and end the claim.
static enum refusal claim_use(const struct event_claim *c, enum event_state state, unsigned vcpu,
                              uint16_t what, evtchn_port_t *port)
{
    uint64_t flags = event_port_lock(c->port);
    event_port_use(c, state, vcpu);
    c->port->remote_domid = what; // or virq, or pirq
    c->port->is_changing = state == EVENT_PIRQ;
    event_port_unlock(c->port, flags);
    event_claim_end(c);
    *port = c->number;
    return REFUSE_NONE;
}

enum refusal event_alloc_unbound(struct domain *d, domid_t remote_domid, evtchn_port_t *port)
{
    struct event_claim c;
    enum refusal r = event_claim_port(&c, d);
    return r == REFUSE_NONE ? claim_use(&c, EVENT_UNBOUND, 0, remote_domid, port) : r;
}

// Both locked, and one of them has been claimed.
static enum refusal connect(const struct event_claim *c, struct domain *remote,
                            evtchn_port_t remote_port, struct event_port *peer)
{
    struct domain *d = c->d;

    if (peer->state != EVENT_UNBOUND || peer->remote_domid != d->id || peer->is_changing)
        return REFUSE_EVENT_NOT_OFFERED;
    event_port_use(c, EVENT_INTERDOMAIN, 0);
    c->port->remote = remote;
    c->port->remote_port = remote_port;
    event_port_set_state(peer, EVENT_INTERDOMAIN);
    peer->remote = d;
    peer->remote_port = c->number;
    // What the peer sent before it was connected is lost: one event makes up for it.
    event_port_set_pending(d, c->number, c->port);
    return REFUSE_NONE;
}

// The search for a free port, which may be long, holds nothing of the remote domain. That may be dying:
// as long as the port there is offered it has not been closed, and its closing will see the pair.
enum refusal event_bind_interdomain(struct domain *d, struct domain *remote,
                                    evtchn_port_t remote_port, evtchn_port_t *port)
{
    struct event_claim c;
    enum refusal r = event_claim_port(&c, d);
    if (r != REFUSE_NONE)
        return r;
    struct event_port *peer = event_port_get(remote, remote_port);
    if (peer) {
        uint64_t flags = event_ports_lock(c.port, peer); // a caller may name the very port it gets
        r = connect(&c, remote, remote_port, peer);
        event_ports_unlock(c.port, peer, flags);
    } else {
        r = REFUSE_EVENT_BAD_PORT;
    }
    event_claim_end(&c);
    if (r == REFUSE_NONE)
        *port = c.number;
    return r;
}

enum refusal event_bind_virq(struct domain *d, unsigned vcpu, unsigned virq, evtchn_port_t *port)
{
    if (virq >= NR_VIRQS)
        return REFUSE_EVENT_BAD_VIRQ;
    if (vcpu != 0 && event_virq_is_global(virq))
        return REFUSE_EVENT_GLOBAL_VIRQ;
    struct vcpu *v = domain_vcpu(d, vcpu);
    if (!v)
        return REFUSE_NO_VCPU;

    struct event_claim c;
    enum refusal r = event_claim_port(&c, d);
    if (r != REFUSE_NONE)
        return r;
    if (v->events.virq_port[virq]) {
        event_claim_end(&c);
        return REFUSE_EVENT_VIRQ_BOUND;
    }
    // It may be raised from here on; who finds the port still free does so before it is bound.
    __atomic_store_n(&v->events.virq_port[virq], c.number, __ATOMIC_RELEASE);
    return claim_use(&c, EVENT_VIRQ, vcpu, (uint16_t)virq, port);
}

enum refusal event_bind_ipi(struct domain *d, unsigned vcpu, evtchn_port_t *port)
{
    if (!domain_vcpu(d, vcpu))
        return REFUSE_NO_VCPU;
    struct event_claim c;
    enum refusal r = event_claim_port(&c, d);
    return r == REFUSE_NONE ? claim_use(&c, EVENT_IPI, vcpu, 0, port) : r;
}

enum refusal event_bind_pirq(struct domain *d, unsigned pirq, evtchn_port_t *port)
{
    if (!event_pirq_hooks || pirq > UINT16_MAX)
        return REFUSE_EVENT_BAD_PIRQ;
    struct event_claim c;
    enum refusal r = event_claim_port(&c, d);
    if (r != REFUSE_NONE)
        return r;
    // The interrupt may come as soon as it is connected, so the port is ready before; nobody else
    // can close it until this is over.
    evtchn_port_t number;
    claim_use(&c, EVENT_PIRQ, 0, (uint16_t)pirq, &number);

    r = event_pirq_hooks->bind(d, pirq, number);

    spin_lock(&d->events.lock);
    uint64_t flags = event_port_lock(c.port);
    c.port->is_changing = false;
    if (r == REFUSE_NONE)
        *port = number;
    else
        event_port_free(d, number, c.port);
    event_port_unlock(c.port, flags);
    spin_unlock(&d->events.lock);
    return r;
}

static enum refusal bind_vcpu_locked(struct event_port *port, unsigned vcpu)
{
    if (port->state == EVENT_FREE)
        return REFUSE_EVENT_BAD_PORT;
    if (port->state == EVENT_IPI ||
        (port->state == EVENT_VIRQ && !event_virq_is_global(port->virq)))
        return REFUSE_EVENT_WRONG_KIND;                             // these belong to their vcpu
    __atomic_store_n(&port->vcpu, (uint8_t)vcpu, __ATOMIC_RELAXED); // a peer's sender only reads it
    return REFUSE_NONE;
}

enum refusal event_bind_vcpu(struct domain *d, evtchn_port_t number, unsigned vcpu)
{
    if (!domain_vcpu(d, vcpu))
        return REFUSE_NO_VCPU;
    struct event_port *port = event_port_get(d, number);
    if (!port)
        return REFUSE_EVENT_BAD_PORT;
    uint64_t flags = event_port_lock(port);
    enum refusal r = bind_vcpu_locked(port, vcpu);
    event_port_unlock(port, flags);
    return r;
}

enum refusal event_status(struct domain *d, struct evtchn_status *out)
{
    struct event_port *port = event_port_get(d, out->port);
    if (!port)
        return REFUSE_EVENT_BAD_PORT;
    uint64_t flags = event_port_lock(port);
    out->vcpu = port->vcpu;
    switch (port->state) {
    case EVENT_UNBOUND:
        out->status = EVTCHNSTAT_unbound;
        out->u.unbound.dom = port->remote_domid;
        break;
    case EVENT_INTERDOMAIN:
        out->status = EVTCHNSTAT_interdomain;
        out->u.interdomain.dom = port->remote->id;
        out->u.interdomain.port = port->remote_port;
        break;
    case EVENT_PIRQ:
        out->status = EVTCHNSTAT_pirq;
        out->u.pirq = port->pirq;
        break;
    case EVENT_VIRQ:
        out->status = EVTCHNSTAT_virq;
        out->u.virq = port->virq;
        break;
    case EVENT_IPI:
        out->status = EVTCHNSTAT_ipi;
        break;
    default:
        out->status = EVTCHNSTAT_closed;
    }
    event_port_unlock(port, flags);
    return REFUSE_NONE;
}

enum refusal event_set_priority(struct domain *d, evtchn_port_t number, unsigned priority)
{
    enum refusal r = REFUSE_NONE;
    struct event_port *port = event_port_get(d, number);
    if (!port)
        return REFUSE_EVENT_BAD_PORT;
    uint64_t flags = event_port_lock(port);
    if (!__atomic_load_n(&d->events.fifo, __ATOMIC_RELAXED))
        r = REFUSE_EVENT_NO_PRIORITY;
    else if (port->state == EVENT_FREE)
        r = REFUSE_EVENT_CLOSED;
    else if (priority > EVTCHN_FIFO_PRIORITY_MIN)
        r = REFUSE_BAD_ARGUMENT;
    else // what is in a queue stays there
        __atomic_store_n(&port->priority, (uint8_t)priority, __ATOMIC_RELAXED);
    event_port_unlock(port, flags);
    return r;
}
