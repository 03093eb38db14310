// SPDX-License-Identifier: MIT
// domctl operations that pass dom0's access to device memory, ports and interrupts on to others. A
// controller can only give what it may use itself.
#include "hypercalls/domctl.h"
#include "hypervisor/irq.h"

enum refusal domctl_irq_permission(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_irq_permission *p = &op->u.irq_permission;

    if (p->pirq >= PIRQ_COUNT)
        return REFUSE_BAD_ARGUMENT;
    if (!p->pirq || !access_pirq_permitted(c->domain, p->pirq)) // 0 is the timer
        return REFUSE_NOT_PERMITTED;
    return access_change(&d->access.pirqs, p->pirq, p->pirq, p->allow_access);
}

enum refusal domctl_iomem_permission(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_iomem_permission *p = &op->u.iomem_permission;
    const struct range r = {p->first_mfn, p->first_mfn + p->nr_mfns - 1};

    if (!p->nr_mfns || r.last < r.first)
        return REFUSE_BAD_ARGUMENT;
    if (!access_iomem_permitted(c->domain, r.first, r.last))
        return REFUSE_NOT_PERMITTED;
    return access_change(&d->access.iomem, r.first, r.last, p->allow_access);
}

enum refusal domctl_ioport_permission(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_ioport_permission *p = &op->u.ioport_permission;
    const struct range r = {p->first_port, (uint64_t)p->first_port + p->nr_ports - 1};

    if (!p->nr_ports || r.last > 0xffff)
        return REFUSE_BAD_ARGUMENT;
    if (!access_port_permitted(c->domain, (unsigned)r.first, (unsigned)r.last))
        return REFUSE_NOT_PERMITTED;
    return access_change(&d->access.ports, r.first, r.last, p->allow_access);
}
