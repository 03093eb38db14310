// SPDX-License-Identifier: MIT
// memory_op: reservations, exchanges and maps of memory. Structures: xen/memory.h. This file has the
// table and the questions about numbers; the rest is in memory_reservation.c, memory_exchange.c and
// memory_map.c.
#include "hypercalls/memory_call.h"

static long op_maximum_ram_page(struct hypercall *c, void *argument)
{
    return (long)frame_max_mfn + 1;
}

static long op_current_reservation(struct hypercall *c, void *argument)
{
    return (long)c->target->tot_pages;
}

static long op_maximum_reservation(struct hypercall *c, void *argument)
{
    return (long)c->target->max_pages;
}

// Guests keep the number of their pseudo-physical frames in the shared page.
static long op_maximum_gpfn(struct hypercall *c, void *argument)
{
    const struct shared_info *s = c->target->shared_info;
    uint64_t count = s ? __atomic_load_n(&s->arch.max_pfn, __ATOMIC_RELAXED) : 0;
    return count ? (long)count - 1 : 0;
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

// Memory that is populated on demand or watched belongs to HVM domains.
static long of_hvm_domain(struct hypercall *c, domid_t id, enum refusal of_caller)
{
    struct domain *d;
    enum refusal r = domain_lookup_remote(c->domain, id, &d);

    if (r != REFUSE_NONE)
        return refuse(c, r, 1);
    r = d == c->domain ? of_caller : REFUSE_BAD_ARGUMENT;
    domain_put(d);
    return refuse(c, r, 1);
}

static long op_pod_target(struct hypercall *c, void *argument)
{
    return of_hvm_domain(c, ((struct xen_pod_target *)argument)->domid, REFUSE_BAD_ARGUMENT);
}

static long op_access(struct hypercall *c, void *argument)
{
    return of_hvm_domain(c, ((struct xen_mem_access_op *)argument)->domid, REFUSE_NOT_PERMITTED);
}

// No device has memory of its own in RAM: there is no IOMMU that would have to know.
static long op_reserved_memory(struct hypercall *c, void *argument)
{
    struct xen_reserved_device_memory_map *m = argument;

    if (m->flags & ~(uint32_t)XENMEM_RDM_ALL)
        return refuse(c, REFUSE_BAD_FLAGS, 1);
    m->nr_entries = 0;
    return 0;
}

#define ROW(command, type, copy, right, handler)                                                   \
    SUBOP(XENMEM_##command, struct xen_##type, copy, right, handler)

static const struct subop rows[] = {
    ROW(increase_reservation, memory_reservation, NONE, ANY, memory_op_reservation),
    ROW(decrease_reservation, memory_reservation, NONE, ANY, memory_op_reservation),
    SUBOP_BARE(XENMEM_maximum_ram_page, op_maximum_ram_page),
    ROW(current_reservation, memory_domain, IN, TARGET, op_current_reservation),
    ROW(maximum_reservation, memory_domain, IN, TARGET, op_maximum_reservation),
    ROW(machphys_mfn_list, machphys_mfn_list, INOUT, ANY, memory_op_machphys_list),
    ROW(populate_physmap, memory_reservation, NONE, ANY, memory_op_reservation),
    ROW(add_to_physmap, add_to_physmap, IN, ANY, op_not_translated),
    ROW(memory_map, memory_map, INOUT, ANY, memory_op_memory_map),
    ROW(machine_memory_map, memory_map, INOUT, PRIVILEGED, memory_op_machine_memory_map),
    ROW(exchange, memory_exchange, IN, ANY, memory_op_exchange),
    ROW(machphys_mapping, machphys_mapping, OUT, ANY, memory_op_machphys_mapping),
    ROW(set_memory_map, foreign_memory_map, IN, ANY, memory_op_set_memory_map),
    ROW(maximum_gpfn, memory_domain, IN, TARGET, op_maximum_gpfn),
    ROW(remove_from_physmap, remove_from_physmap, IN, ANY, op_not_translated),
    SUBOP_BARE(XENMEM_get_sharing_freed_pages, op_sharing),
    SUBOP_BARE(XENMEM_get_sharing_shared_pages, op_sharing),
    ROW(add_to_physmap_batch, add_to_physmap_batch, IN, ANY, op_not_translated),
    ROW(claim_pages, memory_reservation, IN, PRIVILEGED, memory_op_claim),
    ROW(set_pod_target, pod_target, IN, PRIVILEGED, op_pod_target),
    ROW(get_pod_target, pod_target, IN, PRIVILEGED, op_pod_target),
    ROW(access_op, mem_access_op, IN, ANY, op_access),
    ROW(reserved_device_memory_map, reserved_device_memory_map, INOUT, ANY, op_reserved_memory),
    ROW(get_vnumainfo, vnuma_topology_info, IN, TARGET, op_not_offered),
    ROW(acquire_resource, mem_acquire_resource, INOUT, ANY, memory_op_acquire_resource),
    ROW(machphys_compat_mfn_list, machphys_mfn_list, NONE, ANY, op_not_offered),
};

long hypercall_memory_op(struct hypercall *c)
{
    uint32_t command = (uint32_t)c->arg[0] & MEMOP_COMMAND;
    return subop_run(c, rows, ARRAY_SIZE(rows), command, c->arg[1]);
}
