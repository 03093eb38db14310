// SPDX-License-Identifier: MIT
// sched_op and its old form: giving up the CPU, waiting, shutting down. Structures: xen/sched.h.
#include "hypercalls/call.h"
#include <xen/sched.h>

#define POLL_MAX_PORTS 128

static long op_yield(struct hypercall *c, void *argument)
{
    sched_yield_cpu(c->vcpu);
    return 0;
}

static long op_block(struct hypercall *c, void *argument)
{
    sched_block(c->vcpu);
    return 0;
}

static long op_shutdown(struct hypercall *c, void *argument)
{
    const struct sched_shutdown *op = argument;
    domain_shutdown(c->domain, (uint8_t)op->reason); // tools give the codes their meaning
    return 0;
}

static long op_shutdown_code(struct hypercall *c, void *argument)
{
    const struct sched_shutdown *op = argument;
    struct domain *d = c->domain;
    spin_lock(&d->lock);
    if (d->shutdown_code == (uint8_t)-1)
        d->shutdown_code = (uint8_t)op->reason;
    spin_unlock(&d->lock);
    return 0;
}

static long op_remote_shutdown(struct hypercall *c, void *argument)
{
    const struct sched_remote_shutdown *op = argument;
    struct domain *d = domain_get_by_id(op->domain_id);
    if (!d)
        return refuse(c, REFUSE_NO_DOMAIN, 0);
    if (c->domain->is_privileged)
        domain_shutdown(d, (uint8_t)op->reason);
    domain_put(d);
    return c->domain->is_privileged ? 0 : refuse(c, REFUSE_NOT_PRIVILEGED, 0);
}

static long op_poll(struct hypercall *c, void *argument)
{
    const struct sched_poll *op = argument;
    evtchn_port_t ports[POLL_MAX_PORTS];
    uint64_t address;

    if (op->nr_ports > POLL_MAX_PORTS)
        return refuse(c, REFUSE_POLL_TOO_MANY, 1);
    memcpy(&address, &op->ports, sizeof(address));
    if (!guest_range_ok(address, 1) || // even for no ports
        !guest_read(ports, address, op->nr_ports * sizeof(ports[0])))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    uint64_t deadline = op->timeout ? op->timeout : TIMER_NO_DEADLINE;
    return refuse(c, sched_poll(c->vcpu, ports, op->nr_ports, deadline), 0);
}

// Set up the first free one. LOCK_DOMAIN held.
static long watchdog_create(struct hypercall *c, uint32_t seconds)
{
    struct sched_domain *s = &c->domain->sched;

    for (unsigned i = 0; i < SCHED_WATCHDOGS; i++) {
        if (s->watchdogs_used >> i & 1)
            continue;
        s->watchdogs_used |= 1u << i;
        timer_migrate(&s->watchdog[i], this_cpu_id());
        timer_set(&s->watchdog[i], time_now() + seconds * NS_PER_S);
        return i + 1;
    }
    return refuse(c, REFUSE_NO_WATCHDOG, 0);
}

static long watchdog_change(struct hypercall *c, uint32_t id, uint32_t seconds)
{
    struct sched_domain *s = &c->domain->sched;
    unsigned i = id - 1;

    if (i >= SCHED_WATCHDOGS || !(s->watchdogs_used >> i & 1))
        return refuse(c, REFUSE_BAD_ARGUMENT, 0);
    if (seconds) {
        timer_set(&s->watchdog[i], time_now() + seconds * NS_PER_S);
    } else {
        timer_stop(&s->watchdog[i]);
        s->watchdogs_used &= ~(1u << i);
    }
    return 0;
}

static long op_watchdog(struct hypercall *c, void *argument)
{
    const struct sched_watchdog *op = argument;
    spin_lock(&c->domain->lock);
    long result = op->id ? watchdog_change(c, op->id, op->timeout)
                         : watchdog_create(c, op->timeout);
    spin_unlock(&c->domain->lock);
    return result;
}

static long op_pin_override(struct hypercall *c, void *argument)
{
    const struct sched_pin_override *op = argument;
    struct sched_vcpu *s = &c->vcpu->sched;
    enum refusal r;

    if (op->pcpu < 0) {
        if (!s->saved_affinity)
            return refuse(c, REFUSE_BAD_ARGUMENT, 0);
        r = sched_set_affinity(c->vcpu, s->saved_affinity, s->soft_affinity);
        s->saved_affinity = 0;
        return refuse(c, r, 0);
    }
    uint64_t before = s->hard_affinity;
    r = op->pcpu < HV_MAX_CPUS ? sched_set_affinity(c->vcpu, 1ull << op->pcpu, SCHED_ALL_CPUS)
                               : REFUSE_SCHED_NO_CPU;
    if (r == REFUSE_NONE && !s->saved_affinity)
        s->saved_affinity = before;
    return refuse(c, r, 0);
}

static const struct subop sched_ops[] = {
    SUBOP_BARE(SCHEDOP_yield, op_yield),
    SUBOP_BARE(SCHEDOP_block, op_block),
    SUBOP(SCHEDOP_shutdown, struct sched_shutdown, IN, ANY, op_shutdown),
    SUBOP(SCHEDOP_poll, struct sched_poll, IN, ANY, op_poll),
    SUBOP(SCHEDOP_remote_shutdown, struct sched_remote_shutdown, IN, ANY, op_remote_shutdown),
    SUBOP(SCHEDOP_shutdown_code, struct sched_shutdown, IN, ANY, op_shutdown_code),
    SUBOP(SCHEDOP_watchdog, struct sched_watchdog, IN, ANY, op_watchdog),
    SUBOP(SCHEDOP_pin_override, struct sched_pin_override, IN, PRIVILEGED, op_pin_override),
};

long hypercall_sched_op(struct hypercall *c)
{
    return subop_run(c, sched_ops, ARRAY_SIZE(sched_ops), (uint32_t)c->arg[0], c->arg[1]);
}

long hypercall_sched_op_compat(struct hypercall *c)
{
    struct sched_shutdown shutdown = {.reason = (unsigned)c->arg[1]};

    c->subop = (uint32_t)c->arg[0];
    switch (c->subop) {
    case SCHEDOP_yield:
        return op_yield(c, NULL);
    case SCHEDOP_block:
        return op_block(c, NULL);
    case SCHEDOP_shutdown:
        return op_shutdown(c, &shutdown);
    default:
        return refuse(c, REFUSE_NO_SUBOP, 0);
    }
}
