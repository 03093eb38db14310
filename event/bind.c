// SPDX-License-Identifier: MIT
// Binding: what a port can stand for. Each operation claims a free port, checks everything with the
// locks held, and only then fills it in.
#include "event/port.h"

const struct event_pirq_hooks *event_pirq_hooks;

void event_set_pirq_hooks(const struct event_pirq_hooks *hooks)
{
    event_pirq_hooks = hooks;
}

enum refusal event_alloc_unbound(struct domain *d, domid_t remote_domid, evtchn_port_t *port)
{
    struct event_claim c;
    enum refusal r = event_claim_port(&c, d, NULL);
    if (r != REFUSE_NONE)
        return r;
    event_port_use(d, &c, EVENT_UNBOUND, 0);
    c.port->remote_domid = remote_domid;
    *port = c.number;
    event_lock_drop(&c.lock);
    return REFUSE_NONE;
}

enum refusal event_bind_interdomain(struct domain *d, struct domain *remote,
                                    evtchn_port_t remote_port, evtchn_port_t *port)
{
    struct event_claim c;
    enum refusal r = event_claim_port(&c, d, remote);
    if (r != REFUSE_NONE)
        return r;
    struct event_port *peer = event_port_get(remote, remote_port);
    if (!peer) {
        r = REFUSE_EVENT_BAD_PORT;
    } else if (peer->state != EVENT_UNBOUND || peer->remote_domid != d->id) {
        r = REFUSE_EVENT_NOT_OFFERED;
    } else {
        event_port_use(d, &c, EVENT_INTERDOMAIN, 0);
        c.port->remote = remote;
        c.port->remote_port = remote_port;
        peer->state = EVENT_INTERDOMAIN;
        peer->remote = d;
        peer->remote_port = c.number;
        *port = c.number;
        // What the peer sent before it was connected is lost: one event makes up for it.
        event_port_set_pending(d, c.number, c.port);
    }
    event_lock_drop(&c.lock);
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
    enum refusal r = event_claim_port(&c, d, NULL);
    if (r != REFUSE_NONE)
        return r;
    if (v->events.virq_port[virq]) {
        r = REFUSE_EVENT_VIRQ_BOUND;
    } else {
        event_port_use(d, &c, EVENT_VIRQ, vcpu);
        c.port->virq = (uint16_t)virq;
        v->events.virq_port[virq] = c.number;
        *port = c.number;
    }
    event_lock_drop(&c.lock);
    return r;
}

enum refusal event_bind_ipi(struct domain *d, unsigned vcpu, evtchn_port_t *port)
{
    if (!domain_vcpu(d, vcpu))
        return REFUSE_NO_VCPU;
    struct event_claim c;
    enum refusal r = event_claim_port(&c, d, NULL);
    if (r != REFUSE_NONE)
        return r;
    event_port_use(d, &c, EVENT_IPI, vcpu);
    *port = c.number;
    event_lock_drop(&c.lock);
    return REFUSE_NONE;
}

enum refusal event_bind_pirq(struct domain *d, unsigned pirq, evtchn_port_t *port)
{
    if (!event_pirq_hooks || pirq > UINT16_MAX)
        return REFUSE_EVENT_BAD_PIRQ;
    struct event_claim c;
    enum refusal r = event_claim_port(&c, d, NULL);
    if (r != REFUSE_NONE)
        return r;
    // The interrupt may come as soon as it is connected, so the port is ready before; nobody else
    // can close it until this is over.
    event_port_use(d, &c, EVENT_PIRQ, 0);
    c.port->pirq = (uint16_t)pirq;
    c.port->is_changing = true;
    event_lock_drop(&c.lock);

    r = event_pirq_hooks->bind(d, pirq, c.number);

    event_lock_take(&c.lock, d, NULL);
    c.port->is_changing = false;
    if (r == REFUSE_NONE)
        *port = c.number;
    else
        event_port_free(d, c.number, c.port);
    event_lock_drop(&c.lock);
    return r;
}

enum refusal event_bind_vcpu(struct domain *d, evtchn_port_t number, unsigned vcpu)
{
    if (!domain_vcpu(d, vcpu))
        return REFUSE_NO_VCPU;
    struct event_lock lock;
    enum refusal r = REFUSE_NONE;

    event_lock_take(&lock, d, NULL);
    struct event_port *port = event_port_get(d, number);
    if (!port || port->state == EVENT_FREE)
        r = REFUSE_EVENT_BAD_PORT;
    else if (port->state == EVENT_IPI ||
             (port->state == EVENT_VIRQ && !event_virq_is_global(port->virq)))
        r = REFUSE_EVENT_WRONG_KIND; // these belong to their vcpu
    else
        __atomic_store_n(&port->vcpu, (uint16_t)vcpu, __ATOMIC_RELAXED); // senders only read it
    event_lock_drop(&lock);
    return r;
}

enum refusal event_status(struct domain *d, struct evtchn_status *out)
{
    struct event_lock lock;
    event_lock_take(&lock, d, NULL);
    const struct event_port *port = event_port_get(d, out->port);
    if (!port) {
        event_lock_drop(&lock);
        return REFUSE_EVENT_BAD_PORT;
    }
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
    event_lock_drop(&lock);
    return REFUSE_NONE;
}
