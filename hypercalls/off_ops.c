// SPDX-License-Identifier: MIT
// Calls of features that are off here: profiling, HVM guests, crash kernels, device models, shadow
// tables, counters of guests. They answer what Xen answers on a machine, or for a PV domain, without the feature.
#include "hypercalls/call.h"
#include "hypervisor/version.h"
#include <xen/hvm/dm_op.h>
#include <xen/hvm/params.h>
#include <xen/kexec.h>
#include <xen/xenoprof.h>

#define DM_BUFFERS_MAX 2
#define TRACE_EVENT_MAX 0xfff

static long off_invalid(struct hypercall *c, void *argument)
{
    return refuse(c, REFUSE_BAD_ARGUMENT, 0);
}

static long off_not_offered(struct hypercall *c, void *argument)
{
    return refuse(c, REFUSE_NOT_OFFERED, 0);
}

// --- xenoprof_op: the processor has no counters that are known

long hypercall_xenoprof_op(struct hypercall *c)
{
    struct xenoprof_init init;

    if (ABI_NO_PROFILING)
        return refuse(c, REFUSE_NO_HYPERCALL, 0);
    c->subop = (uint32_t)c->arg[0];
    if (c->subop > XENOPROF_last_op)
        return refuse(c, REFUSE_BAD_ARGUMENT, 0);
    if (c->subop != XENOPROF_init && c->subop != XENOPROF_get_buffer)
        return refuse(c, REFUSE_NOT_PERMITTED, 0); // nobody is the profiler
    if (!guest_read(&init, c->arg[1], sizeof(init)))
        return refuse(c, REFUSE_BAD_POINTER, 1);
    return refuse(c, REFUSE_NO_FEATURE, 0);
}

// --- hvm_op: every domain is a PV domain

static bool domain_is_there(domid_t id)
{
    struct domain *d = domain_get_by_id(id);

    if (d)
        domain_put(d);
    return d;
}

// The structures begin with the domain that is meant.
static long hvm_of_domain(struct hypercall *c, void *argument)
{
    domid_t id = *(const domid_t *)argument;

    if (id != DOMID_SELF && !domain_is_there(id))
        return refuse(c, REFUSE_NO_DOMAIN, 1);
    return refuse(c, REFUSE_BAD_ARGUMENT, 1);
}

static long hvm_get_time(struct hypercall *c, void *argument)
{
    ((struct xen_hvm_get_time *)argument)->now = time_now();
    return 0;
}

// A record for a trace that is not being taken.
static long hvm_xentrace(struct hypercall *c, void *argument)
{
    const struct xen_hvm_xentrace *t = argument;

    if (t->extra_bytes > sizeof(t->extra) || t->event > TRACE_EVENT_MAX)
        return refuse(c, REFUSE_BAD_ARGUMENT, 1);
    return 0;
}

// A request to whoever watches the domain: nobody.
static long hvm_request(struct hypercall *c, void *argument)
{
    return c->arg[1] ? refuse(c, REFUSE_BAD_ARGUMENT, 1) : 0;
}

long hypercall_hvm_op(struct hypercall *c)
{
    static const struct subop rows[] = {
        SUBOP(HVMOP_set_param, struct xen_hvm_param, IN, ANY, hvm_of_domain),
        SUBOP(HVMOP_get_param, struct xen_hvm_param, IN, ANY, hvm_of_domain),
        SUBOP_BARE(HVMOP_flush_tlbs, off_invalid),
        SUBOP(HVMOP_pagetable_dying, struct xen_hvm_pagetable_dying, IN, ANY, hvm_of_domain),
        SUBOP(HVMOP_get_time, struct xen_hvm_get_time, OUT, ANY, hvm_get_time),
        SUBOP(HVMOP_xentrace, struct xen_hvm_xentrace, IN, ANY, hvm_xentrace),
        SUBOP(HVMOP_get_mem_type, struct xen_hvm_get_mem_type, IN, ANY, hvm_of_domain),
        SUBOP_BARE(HVMOP_set_evtchn_upcall_vector, off_invalid),
        SUBOP_BARE(HVMOP_guest_request_vm_event, hvm_request),
        SUBOP_BARE(HVMOP_altp2m, off_not_offered),
    };

    return subop_run(c, rows, ARRAY_SIZE(rows), (uint32_t)MIN(c->arg[0], UINT32_MAX), c->arg[1]);
}

// --- kexec_op: no memory is set aside for another kernel, so none is ever loaded

static long kexec_unloaded(struct hypercall *c, void *argument)
{
    bool is_word = c->subop == KEXEC_CMD_kexec;
    uint32_t type = is_word ? *(const uint32_t *)argument : *(const uint8_t *)argument;

    if (type > KEXEC_TYPE_CRASH)
        return refuse(c, REFUSE_BAD_ARGUMENT, 1);
    return c->subop == KEXEC_CMD_kexec ? refuse(c, REFUSE_NOT_FOUND, 1) : 0;
}

static long kexec_get_range(struct hypercall *c, void *argument)
{
    struct xen_kexec_range *r = argument;

    if (r->range != KEXEC_RANGE_MA_CRASH)
        return refuse(c, REFUSE_BAD_ARGUMENT, 1);
    r->start = r->size = 0;
    return 0;
}

long hypercall_kexec_op(struct hypercall *c)
{
    static const struct subop rows[] = {
        SUBOP(KEXEC_CMD_kexec, struct xen_kexec_exec, IN, PRIVILEGED, kexec_unloaded),
        SUBOP(KEXEC_CMD_kexec_load_v1, struct xen_kexec_load_v1, IN, PRIVILEGED, off_invalid),
        SUBOP(KEXEC_CMD_kexec_unload_v1, struct xen_kexec_load_v1, IN, PRIVILEGED, kexec_unloaded),
        SUBOP(KEXEC_CMD_kexec_get_range, struct xen_kexec_range, INOUT, PRIVILEGED,
              kexec_get_range),
        SUBOP(KEXEC_CMD_kexec_load, struct xen_kexec_load, IN, PRIVILEGED, off_invalid),
        SUBOP(KEXEC_CMD_kexec_unload, struct xen_kexec_unload, IN, PRIVILEGED, kexec_unloaded),
        SUBOP(KEXEC_CMD_kexec_status, struct xen_kexec_status, IN, PRIVILEGED, kexec_unloaded),
    };

    if (ABI_KEXEC_UNSUPPORTED && c->domain->is_privileged && c->arg[0] > KEXEC_CMD_kexec_status)
        return refuse(c, REFUSE_NOT_OFFERED, 0);
    return subop_run(c, rows, ARRAY_SIZE(rows), (uint32_t)MIN(c->arg[0], UINT32_MAX), c->arg[1]);
}

// --- dm_op: only HVM domains have device models

long hypercall_dm_op(struct hypercall *c)
{
    struct xen_dm_op_buf buffers[DM_BUFFERS_MAX];
    uint32_t count = (uint32_t)c->arg[1];
    domid_t id = (domid_t)c->arg[0];

    if (!count)
        return refuse(c, REFUSE_NO_DATA, 1);
    if (count > DM_BUFFERS_MAX)
        return refuse(c, REFUSE_TOO_BIG, 1);
    if (!guest_read(buffers, c->arg[2], count * sizeof(buffers[0])))
        return refuse(c, REFUSE_BAD_POINTER, 2);
    if (id == c->domain->id)
        return refuse(c, REFUSE_NOT_PERMITTED, 0);
    return refuse(c, domain_is_there(id) ? REFUSE_BAD_ARGUMENT : REFUSE_NO_DOMAIN, 0);
}

// --- arch_1: Xen's own, to go on with changes of shadow tables

long hypercall_arch_1(struct hypercall *c)
{
    struct xen_domctl op;

    return refuse(
        c, guest_read(&op, c->arg[0], sizeof(op)) ? REFUSE_NOT_OFFERED : REFUSE_BAD_POINTER, 0);
}

// --- xenpmu_op: performance counters for guests, as by a Xen that was started without them

long hypercall_xenpmu_op(struct hypercall *c)
{
    c->subop = (uint32_t)c->arg[0];
    return refuse(c, REFUSE_NOT_OFFERED, 0);
}
