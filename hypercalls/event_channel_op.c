// SPDX-License-Identifier: MIT
// event_channel_op: the guest's side of event/. Numbers and structures: xen/event_channel.h.
#include "hypercalls/call.h"

#define EVTCHNOP_reset_cont 14 // how a reset goes on; not in the header for guests
#define RESET_BUDGET 256       // ports closed before looking whether something else is to be done

static long op_alloc_unbound(struct hypercall *c, void *argument)
{
    struct evtchn_alloc_unbound *op = argument;
    domid_t remote = op->remote_dom == DOMID_SELF ? c->domain->id : op->remote_dom;
    return refuse(c, event_alloc_unbound(c->target, remote, &op->port), 0);
}

static long op_bind_interdomain(struct hypercall *c, void *argument)
{
    struct evtchn_bind_interdomain *op = argument;
    domid_t id = op->remote_dom == DOMID_SELF ? c->domain->id : op->remote_dom;
    struct domain *remote = domain_get_by_id(id); // any domain: its port says whom it waits for
    if (!remote)
        return refuse(c, REFUSE_NO_DOMAIN, 0);
    enum refusal r = event_bind_interdomain(c->domain, remote, op->remote_port, &op->local_port);
    domain_put(remote);
    return refuse(c, r, 1);
}

static long op_bind_virq(struct hypercall *c, void *argument)
{
    struct evtchn_bind_virq *op = argument;
    return refuse(c, event_bind_virq(c->domain, op->vcpu, op->virq, &op->port), 0);
}

static long op_bind_pirq(struct hypercall *c, void *argument)
{
    struct evtchn_bind_pirq *op = argument;
    return refuse(c, event_bind_pirq(c->domain, op->pirq, &op->port), 0); // lines are never shared
}

static long op_bind_ipi(struct hypercall *c, void *argument)
{
    struct evtchn_bind_ipi *op = argument;
    return refuse(c, event_bind_ipi(c->domain, op->vcpu, &op->port), 0);
}

static long op_bind_vcpu(struct hypercall *c, void *argument)
{
    struct evtchn_bind_vcpu *op = argument;
    return refuse(c, event_bind_vcpu(c->domain, op->port, op->vcpu), 0);
}

static long op_close(struct hypercall *c, void *argument)
{
    struct evtchn_close *op = argument;
    return refuse(c, event_close(c->domain, op->port), 0);
}

static long op_send(struct hypercall *c, void *argument)
{
    struct evtchn_send *op = argument;
    return refuse(c, event_send(c->domain, op->port), 0);
}

static long op_unmask(struct hypercall *c, void *argument)
{
    struct evtchn_unmask *op = argument;
    return refuse(c, event_unmask(c->domain, op->port), 0);
}

static long op_status(struct hypercall *c, void *argument)
{
    return refuse(c, event_status(c->target, argument), 1);
}

// Under the number reset_cont it goes on; that is how a long one is continued, and a guest may say it too.
static long op_reset(struct hypercall *c, void *argument)
{
    struct domain *d = c->target;

    if (d != c->domain && !d->controller_pause_count)
        return refuse(c, REFUSE_EVENT_NOT_PAUSED, 0);
    enum refusal r = event_reset(d, c->subop == EVTCHNOP_reset_cont, RESET_BUDGET);
    while (r == REFUSE_CONTINUE && !call_should_yield())
        r = event_reset(d, true, RESET_BUDGET);
    if (r == REFUSE_CONTINUE)
        c->arg[0] = EVTCHNOP_reset_cont;
    return refuse(c, r, 0);
}

static long op_init_control(struct hypercall *c, void *argument)
{
    struct evtchn_init_control *op = argument;
    const struct event_queues *queues = event_queues();

    if (!queues)
        return refuse(c, REFUSE_NO_SUBOP, 0);
    op->link_bits = EVTCHN_FIFO_LINK_BITS;
    return refuse(c, queues->init_control(c->domain, op->vcpu, MFN(op->control_gfn), op->offset),
                  0);
}

static long op_expand_array(struct hypercall *c, void *argument)
{
    struct evtchn_expand_array *op = argument;
    const struct event_queues *queues = event_queues();

    return refuse(c, queues ? queues->expand_array(c->domain, MFN(op->array_gfn)) : REFUSE_NO_SUBOP,
                  0);
}

static long op_set_priority(struct hypercall *c, void *argument)
{
    struct evtchn_set_priority *op = argument;
    return refuse(c, event_set_priority(c->domain, op->port, op->priority), 0);
}

#define OP(name, copy, right) SUBOP(EVTCHNOP_##name, struct evtchn_##name, copy, right, op_##name)

static const struct subop event_ops[] = {
    OP(send, IN, ANY),
    OP(unmask, IN, ANY),
    OP(alloc_unbound, INOUT, TARGET),
    OP(bind_interdomain, INOUT, ANY),
    OP(bind_virq, INOUT, ANY),
    OP(bind_pirq, INOUT, ANY),
    OP(bind_ipi, INOUT, ANY),
    OP(bind_vcpu, IN, ANY),
    OP(close, IN, ANY),
    OP(status, INOUT, TARGET),
    OP(reset, IN, TARGET),
    SUBOP(EVTCHNOP_reset_cont, struct evtchn_reset, IN, TARGET, op_reset),
    OP(set_priority, IN, ANY),
    OP(init_control, INOUT, ANY),
    OP(expand_array, IN, ANY),
};

long hypercall_event_channel_op(struct hypercall *c)
{
    return subop_run(c, event_ops, ARRAY_SIZE(event_ops), (uint32_t)c->arg[0], c->arg[1]);
}

// The old form: one structure with the command in front; only the first commands exist in it.
long hypercall_event_channel_op_compat(struct hypercall *c)
{
    uint32_t command;
    if (!guest_read(&command, c->arg[0], sizeof(command)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    if (command > EVTCHNOP_unmask)
        return refuse(c, REFUSE_NO_SUBOP, 0);
    return subop_run(c, event_ops, ARRAY_SIZE(event_ops), command,
                     c->arg[0] + offsetof(struct evtchn_op, u));
}
