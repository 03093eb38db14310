// SPDX-License-Identifier: MIT
// memory_op: reservations, exchanges and maps of memory. Structures: xen/memory.h. This file has the
// table and the questions about numbers; the rest is in memory_reservation.c, memory_exchange.c and
// memory_map.c.
#include "hypercalls/memory_call.h"

static long op_maximum_ram_page(struct hypercall *c, void *argument)
{
    return (long)frame_max_mfn + 1;
}

// A number about one domain, whose id is the argument.
static long domain_number(struct hypercall *c, const void *argument,
                          uint64_t (*number)(struct domain *))
{
    const struct xen_memory_domain *m = argument;
    struct domain *d;
    enum refusal r = domain_lookup_remote(c->domain, m->domid, &d);

    if (r)
        return refuse(c, r, 0);
    uint64_t n = number(d);
    domain_put(d);
    return (long)n;
}

static uint64_t current_reservation(struct domain *d)
{
    return d->tot_pages;
}

static uint64_t maximum_reservation(struct domain *d)
{
    return d->max_pages;
}

// Guests keep the number of their pseudo-physical frames in the shared page.
static uint64_t maximum_gpfn(struct domain *d)
{
    uint64_t count = d->shared_info
                         ? __atomic_load_n(&d->shared_info->arch.max_pfn, __ATOMIC_RELAXED)
                         : 0;
    return count ? count - 1 : 0;
}

static long op_current_reservation(struct hypercall *c, void *argument)
{
    return domain_number(c, argument, current_reservation);
}

static long op_maximum_reservation(struct hypercall *c, void *argument)
{
    return domain_number(c, argument, maximum_reservation);
}

static long op_maximum_gpfn(struct hypercall *c, void *argument)
{
    return domain_number(c, argument, maximum_gpfn);
}

// Guests of this kind have no translated physical memory of which a frame could become a part.
static long op_not_translated(struct hypercall *c, void *argument)
{
    domid_t id = *(const domid_t *)argument; // each of the structures begins with it
    struct domain *d;
    enum refusal r = domain_lookup_remote(c->domain, id, &d);

    if (r == REFUSE_NONE)
        domain_put(d);
    return refuse(c, r == REFUSE_NO_DOMAIN ? r : REFUSE_NOT_TRANSLATED, 0);
}

_Static_assert(offsetof(struct xen_add_to_physmap, domid) == 0 &&
                   offsetof(struct xen_add_to_physmap_batch, domid) == 0 &&
                   offsetof(struct xen_remove_from_physmap, domid) == 0,
               "op_not_translated() finds the domain");

// 32-bit tables, virtual NUMA: switched off on the Xen that is the model.
static long op_not_offered(struct hypercall *c, void *argument)
{
    return refuse(c, REFUSE_NOT_OFFERED, 0);
}

// No memory is shared between domains by the hypervisor: none has been saved.
static long op_sharing(struct hypercall *c, void *argument)
{
    return 0;
}

#define ROW(command, type, copy, right, handler)                                                   \
    {                                                                                              \
        command, #command, sizeof(type), copy, right, handler                                      \
    }

static const struct subop rows[] = {
    ROW(XENMEM_increase_reservation, struct xen_memory_reservation, SUBOP_NONE, SUBOP_ANY,
        memory_op_increase),
    ROW(XENMEM_decrease_reservation, struct xen_memory_reservation, SUBOP_NONE, SUBOP_ANY,
        memory_op_decrease),
    ROW(XENMEM_maximum_ram_page, uint64_t, SUBOP_NONE, SUBOP_ANY, op_maximum_ram_page),
    ROW(XENMEM_current_reservation, struct xen_memory_domain, SUBOP_IN, SUBOP_ANY,
        op_current_reservation),
    ROW(XENMEM_maximum_reservation, struct xen_memory_domain, SUBOP_IN, SUBOP_ANY,
        op_maximum_reservation),
    ROW(XENMEM_machphys_mfn_list, struct xen_machphys_mfn_list, SUBOP_INOUT, SUBOP_ANY,
        memory_op_machphys_list),
    ROW(XENMEM_populate_physmap, struct xen_memory_reservation, SUBOP_NONE, SUBOP_ANY,
        memory_op_populate),
    ROW(XENMEM_add_to_physmap, struct xen_add_to_physmap, SUBOP_IN, SUBOP_ANY, op_not_translated),
    ROW(XENMEM_memory_map, struct xen_memory_map, SUBOP_INOUT, SUBOP_ANY, memory_op_memory_map),
    ROW(XENMEM_machine_memory_map, struct xen_memory_map, SUBOP_INOUT, SUBOP_PRIVILEGED,
        memory_op_machine_memory_map),
    ROW(XENMEM_exchange, struct xen_memory_exchange, SUBOP_IN, SUBOP_ANY, memory_op_exchange),
    ROW(XENMEM_machphys_mapping, struct xen_machphys_mapping, SUBOP_OUT, SUBOP_ANY,
        memory_op_machphys_mapping),
    ROW(XENMEM_set_memory_map, struct xen_foreign_memory_map, SUBOP_IN, SUBOP_ANY,
        memory_op_set_memory_map),
    ROW(XENMEM_maximum_gpfn, struct xen_memory_domain, SUBOP_IN, SUBOP_ANY, op_maximum_gpfn),
    ROW(XENMEM_remove_from_physmap, struct xen_remove_from_physmap, SUBOP_IN, SUBOP_ANY,
        op_not_translated),
    ROW(XENMEM_get_sharing_freed_pages, uint64_t, SUBOP_NONE, SUBOP_ANY, op_sharing),
    ROW(XENMEM_get_sharing_shared_pages, uint64_t, SUBOP_NONE, SUBOP_ANY, op_sharing),
    ROW(XENMEM_add_to_physmap_batch, struct xen_add_to_physmap_batch, SUBOP_IN, SUBOP_ANY,
        op_not_translated),
    ROW(XENMEM_claim_pages, struct xen_memory_reservation, SUBOP_IN, SUBOP_PRIVILEGED,
        memory_op_claim),
    ROW(XENMEM_get_vnumainfo, struct xen_vnuma_topology_info, SUBOP_IN, SUBOP_ANY, op_not_offered),
    ROW(XENMEM_acquire_resource, struct xen_mem_acquire_resource, SUBOP_INOUT, SUBOP_ANY,
        memory_op_acquire_resource),
    ROW(XENMEM_machphys_compat_mfn_list, struct xen_machphys_mfn_list, SUBOP_NONE, SUBOP_ANY,
        op_not_offered),
};

long hypercall_memory_op(struct hypercall *c)
{
    uint32_t command = (uint32_t)c->arg[0] & MEMOP_COMMAND;
    return subop_run(c, rows, ARRAY_SIZE(rows), command, c->arg[1]);
}
