// SPDX-License-Identifier: MIT
// domctl operations that pass dom0's access to device memory, ports and interrupts on to others. A
// controller can only give what it may use itself.
#include "hypercalls/domctl.h"
#include "hypervisor/irq.h"

static enum refusal change(struct domain *d, struct range_set *set, const struct range *r,
                           bool allow)
{
    spin_lock(&d->lock);
    enum refusal result = allow ? range_set_add(set, r->first, r->last)
                                : range_set_remove(set, r->first, r->last);
    spin_unlock(&d->lock);
    return result;
}

enum refusal domctl_irq_permission(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_irq_permission *p = &op->u.irq_permission;
    const struct range r = {p->pirq, p->pirq};

    if (p->pirq >= PIRQ_COUNT)
        return REFUSE_BAD_ARGUMENT;
    if (!p->pirq || !access_pirq_permitted(c->domain, p->pirq)) // 0 is the timer
        return REFUSE_NOT_PERMITTED;
    return change(d, &d->access.pirqs, &r, p->allow_access);
}

enum refusal domctl_iomem_permission(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_iomem_permission *p = &op->u.iomem_permission;
    const struct range r = {p->first_mfn, p->first_mfn + p->nr_mfns - 1};

    if (!p->nr_mfns || r.last < r.first)
        return REFUSE_BAD_ARGUMENT;
    if (!access_iomem_permitted(c->domain, r.first, r.last))
        return REFUSE_NOT_PERMITTED;
    return change(d, &d->access.iomem, &r, p->allow_access);
}

enum refusal domctl_ioport_permission(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_ioport_permission *p = &op->u.ioport_permission;
    const struct range r = {p->first_port, (uint64_t)p->first_port + p->nr_ports - 1};

    if (!p->nr_ports || r.last > 0xffff)
        return REFUSE_BAD_ARGUMENT;
    if (!access_port_permitted(c->domain, (unsigned)r.first, (unsigned)r.last))
        return REFUSE_NOT_PERMITTED;
    return change(d, &d->access.ports, &r, p->allow_access);
}
