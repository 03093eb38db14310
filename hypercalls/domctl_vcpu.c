// SPDX-License-Identifier: MIT
// domctl operations on vcpus: contexts, affinity, scheduling parameters.
#include "hypercalls/domctl.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/traps.h"

// A vcpu_guest_context is larger than what the stack should hold.
#define CONTEXT_ORDER 1
_Static_assert(sizeof(struct vcpu_guest_context) <= (PAGE_SIZE << CONTEXT_ORDER), "it fits");

enum refusal domctl_max_vcpus(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    unsigned count = op->u.max_vcpus.max;

    if (count != d->vcpu_limit || (d->is_dying && !d->max_vcpus))
        return REFUSE_BAD_ARGUMENT;
    return d->max_vcpus ? REFUSE_NONE : domain_alloc_vcpus(d, count); // all at once
}

static enum refusal set_context(struct vcpu *v, struct vcpu_guest_context *context)
{
    struct domain *d = v->domain;

    if (!spin_trylock(&domctl_lock))
        return REFUSE_CONTINUE;
    domain_pause(d);
    enum refusal r = d->is_dying ? REFUSE_DOMAIN_DYING : vcpu_initialise(v, context);
    if (r == REFUSE_NONE)
        v->is_online = (context->flags & VGCF_online) != 0;
    domain_unpause(d);
    spin_unlock(&domctl_lock);
    return r;
}

enum refusal domctl_setvcpucontext(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);
    enum refusal r = REFUSE_BAD_POINTER;

    if (!v)
        return REFUSE_BAD_ARGUMENT;
    struct vcpu_guest_context *context = page_alloc(CONTEXT_ORDER);
    if (!context)
        return REFUSE_NO_MEMORY;
    if (guest_read(context, (uint64_t)op->u.vcpucontext.ctxt.p, sizeof(*context)))
        r = set_context(v, context);
    if (r == REFUSE_NONE && v->id == 0)
        domain_update_wallclock(d); // toolstacks clear the shared page before they set the context
    page_free(context, CONTEXT_ORDER);
    return r;
}

enum refusal domctl_getvcpucontext(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);

    if (!v)
        return REFUSE_BAD_ARGUMENT;
    if (!v->is_initialised)
        return REFUSE_NO_CONTEXT;
    struct vcpu_guest_context *context = page_alloc(CONTEXT_ORDER);
    if (!context)
        return REFUSE_NO_MEMORY;
    vcpu_pause(v);
    vcpu_get_context(v, context);
    vcpu_unpause(v);
    bool written = guest_write((uint64_t)op->u.vcpucontext.ctxt.p, context, sizeof(*context));
    page_free(context, CONTEXT_ORDER);
    return written ? REFUSE_NONE : REFUSE_BAD_POINTER;
}

enum refusal domctl_getvcpuinfo(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_getvcpuinfo *info = &op->u.getvcpuinfo;
    struct vcpu *v = domain_vcpu(d, info->vcpu);

    if (!v)
        return info->vcpu < d->vcpu_limit ? REFUSE_NO_DOMAIN : REFUSE_BAD_ARGUMENT;
    info->online = v->is_online;
    info->blocked = sched_is_waiting(v);
    info->running = v->sched.is_running;
    info->cpu_time = sched_cpu_time(v, time_now());
    info->cpu = v->sched.cpu;
    return REFUSE_NONE;
}

// --- affinity: bitmaps of CPUs behind pointers

#define BITMAP_MAX_BITS 8192 // what a caller may ask us to clear

static bool bitmap_read(const struct xenctl_bitmap *map, uint64_t *bits)
{
    unsigned bytes = MIN((map->nr_bits + 7) / 8, sizeof(*bits));

    *bits = 0;
    if (!guest_read(bits, (uint64_t)map->bitmap.p, bytes))
        return false;
    if (map->nr_bits < 64)
        *bits &= (1ull << map->nr_bits) - 1;
    return true;
}

bool domctl_bitmap_write(const struct xenctl_bitmap *map, uint64_t bits)
{
    unsigned wanted = (map->nr_bits + 7) / 8, bytes = MIN(wanted, sizeof(bits));
    uint64_t at = (uint64_t)map->bitmap.p;

    if (map->nr_bits < 64)
        bits &= (1ull << map->nr_bits) - 1;
    return map->nr_bits <= BITMAP_MAX_BITS && guest_write(at, &bits, bytes) &&
           guest_clear(at + bytes, wanted - bytes);
}

uint64_t domctl_online_cpus(void)
{
    return cpu_count() < 64 ? (1ull << cpu_count()) - 1 : ~0ull;
}

static enum refusal affinity_check(struct domain *d, const struct xen_domctl_vcpuaffinity *a)
{
    bool no_hard = a->flags & XEN_VCPUAFFINITY_HARD && !a->cpumap_hard.bitmap.p;
    bool no_soft = a->flags & XEN_VCPUAFFINITY_SOFT && !a->cpumap_soft.bitmap.p;

    if (a->vcpu >= d->vcpu_limit || !a->flags || no_hard || no_soft)
        return REFUSE_BAD_ARGUMENT;
    return domain_vcpu(d, a->vcpu) ? REFUSE_NONE : REFUSE_NO_DOMAIN;
}

enum refusal domctl_setvcpuaffinity(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    enum refusal r = affinity_check(d, a);

    if (r != REFUSE_NONE)
        return r;
    struct vcpu *v = d->vcpu[a->vcpu];
    uint64_t hard = v->sched.hard_affinity, soft = v->sched.soft_affinity;
    if (a->flags & XEN_VCPUAFFINITY_HARD && !bitmap_read(&a->cpumap_hard, &hard))
        return REFUSE_BAD_POINTER;
    if (a->flags & XEN_VCPUAFFINITY_SOFT && !bitmap_read(&a->cpumap_soft, &soft))
        return REFUSE_BAD_POINTER;
    if (!spin_trylock(&domctl_lock))
        return REFUSE_CONTINUE;
    r = sched_set_affinity(v, hard, soft);
    spin_unlock(&domctl_lock);
    if (r != REFUSE_NONE)
        return r;
    if (a->flags & XEN_VCPUAFFINITY_HARD &&
        !domctl_bitmap_write(&a->cpumap_hard, hard & domctl_online_cpus()))
        return REFUSE_BAD_POINTER;
    if (a->flags & XEN_VCPUAFFINITY_SOFT &&
        !domctl_bitmap_write(&a->cpumap_soft, soft & hard & domctl_online_cpus()))
        return REFUSE_BAD_POINTER;
    return REFUSE_NONE;
}

enum refusal domctl_getvcpuaffinity(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    enum refusal r = affinity_check(d, a);

    if (r != REFUSE_NONE)
        return r;
    const struct sched_vcpu *s = &d->vcpu[a->vcpu]->sched;
    if (a->flags & XEN_VCPUAFFINITY_HARD && !domctl_bitmap_write(&a->cpumap_hard, s->hard_affinity))
        return REFUSE_BAD_POINTER;
    if (a->flags & XEN_VCPUAFFINITY_SOFT && !domctl_bitmap_write(&a->cpumap_soft, s->soft_affinity))
        return REFUSE_BAD_POINTER;
    return REFUSE_NONE;
}

// There is one node: every domain is on it.
enum refusal domctl_nodeaffinity(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    const struct xenctl_bitmap *map = &op->u.nodeaffinity.nodemap;
    uint64_t nodes;

    if (op->cmd == XEN_DOMCTL_getnodeaffinity)
        return domctl_bitmap_write(map, 1) ? REFUSE_NONE : REFUSE_BAD_POINTER;
    if (!bitmap_read(map, &nodes))
        return REFUSE_BAD_POINTER;
    return nodes & 1 ? REFUSE_NONE : REFUSE_BAD_ARGUMENT;
}

enum refusal domctl_sendtrigger(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    struct vcpu *v = domain_vcpu(d, op->u.sendtrigger.vcpu);

    if (!v)
        return REFUSE_NO_DOMAIN;
    switch (op->u.sendtrigger.trigger) {
    case XEN_DOMCTL_SENDTRIGGER_NMI:
        guest_raise_nmi(v);
        return REFUSE_NONE;
    case XEN_DOMCTL_SENDTRIGGER_POWER:
    case XEN_DOMCTL_SENDTRIGGER_SLEEP:
        return REFUSE_BAD_ARGUMENT; // buttons of HVM domains
    default:
        return REFUSE_NO_SUBOP;
    }
}

enum refusal domctl_scheduler_op(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_scheduler_op *s = &op->u.scheduler_op;

    if (s->sched_id != XEN_SCHEDULER_CREDIT)
        return REFUSE_BAD_ARGUMENT;
    switch (s->cmd) {
    case XEN_DOMCTL_SCHEDOP_getinfo:
        s->u.credit.weight = d->sched.weight;
        s->u.credit.cap = d->sched.cap;
        return REFUSE_NONE;
    case XEN_DOMCTL_SCHEDOP_putinfo:
        // 0 and 0xffff mean: leave as it is.
        return sched_set_weight_cap(d, s->u.credit.weight ? s->u.credit.weight : d->sched.weight,
                                    s->u.credit.cap != 0xffff ? s->u.credit.cap : d->sched.cap);
    default:
        return REFUSE_BAD_ARGUMENT;
    }
}
