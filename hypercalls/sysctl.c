// SPDX-License-Identifier: MIT
// sysctl (xen/sysctl.h): what the toolstack wants to know of the host.
#include "hypercalls/domctl.h"
#include "hypervisor/boot.h"
#include "hypervisor/console.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/traps.h"
#include <xen/sysctl.h>

#define ADDRESS_BITS_MAX 52

typedef enum refusal sysctl_handler(struct hypercall *c, struct xen_sysctl *op);

static enum refusal read_console(struct hypercall *c, struct xen_sysctl *op)
{
    struct xen_sysctl_readconsole *rc = &op->u.readconsole;
    uint64_t to = (uint64_t)rc->buffer.p;
    uint32_t index = rc->index, total = 0;
    char chunk[256];

    while (total < rc->count) {
        size_t n = console_ring_read(chunk, MIN(rc->count - total, sizeof(chunk)), &index, false,
                                     rc->incremental || total);
        if (!n)
            break;
        if (!guest_write(to + total, chunk, n))
            return REFUSE_BAD_POINTER;
        total += (uint32_t)n;
    }
    if (rc->clear)
        console_ring_read(NULL, 0, &index, true, true);
    rc->index = index;
    rc->count = total;
    return REFUSE_NONE;
}

// Word `i` of a feature set (xen/arch-x86/cpufeatureset.h): of the machine, or of what a vcpu is shown.
#define FEATURE_WORDS 19
static uint32_t feature_word(unsigned i, struct vcpu *shown_to)
{
    enum { A, B, C, D };
    static const struct {
        uint32_t leaf;
        uint8_t subleaf, reg;
    } words[] = {
        {1,          0, D},
        {1,          0, C},
        {0x80000001, 0, D},
        {0x80000001, 0, C},
        {0xd,        1, A},
        {7,          0, B},
        {7,          0, C},
        {0x80000007, 0, D},
        {0x80000008, 0, B},
        {7,          0, D},
        {7,          1, A},
        {0x80000021, 0, A},
        {7,          1, B},
        {7,          2, D},
        {7,          1, C},
        {7,          1, D}
    };

    if (i >= ARRAY_SIZE(words)) // of model-specific registers
        return 0;
    struct cpuid_result r = shown_to ? cpuid_for_guest(shown_to, words[i].leaf, words[i].subleaf)
                                     : cpuid_of_machine(words[i].leaf, words[i].subleaf);
    const uint32_t registers[] = {r.a, r.b, r.c, r.d};
    return registers[words[i].reg];
}

static enum refusal feature_set(struct hypercall *c, struct xen_sysctl *op)
{
    struct xen_sysctl_cpu_featureset *f = &op->u.cpu_featureset;
    uint32_t words[FEATURE_WORDS] = {0};

    if (f->index > XEN_SYSCTL_cpu_featureset_hvm_max)
        return REFUSE_BAD_ARGUMENT;
    bool is_hvm = f->index == XEN_SYSCTL_cpu_featureset_hvm ||
                  f->index == XEN_SYSCTL_cpu_featureset_hvm_max;
    bool is_machine = f->index <= XEN_SYSCTL_cpu_featureset_host;
    for (unsigned i = 0; i < FEATURE_WORDS && !is_hvm; i++)
        words[i] = feature_word(i, is_machine ? NULL : c->vcpu);
    uint32_t room = f->features.p ? f->nr_features : FEATURE_WORDS;
    f->nr_features = FEATURE_WORDS;
    if (f->features.p &&
        !guest_write((uint64_t)f->features.p, words, MIN(room, FEATURE_WORDS) * sizeof(words[0])))
        return REFUSE_BAD_POINTER;
    return room < FEATURE_WORDS ? REFUSE_NO_ROOM : REFUSE_NONE;
}

static enum refusal physinfo(struct hypercall *c, struct xen_sysctl *op)
{
    op->u.physinfo = (struct xen_sysctl_physinfo){
        .threads_per_core = 1,
        .cores_per_socket = cpu_count(),
        .nr_cpus = cpu_count(),
        .max_cpu_id = cpu_count() - 1,
        .nr_nodes = 1,
        .cpu_khz = (uint32_t)time_tsc_khz(),
        .capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1,
        .total_pages = boot_info.ram_bytes >> PAGE_SHIFT,
        .free_pages = frames_free_count(),
        .max_mfn = (boot_info.ram_end >> PAGE_SHIFT) - 1,
    };
    for (unsigned i = 0; i < ARRAY_SIZE(op->u.physinfo.hw_cap); i++)
        op->u.physinfo.hw_cap[i] = feature_word(i, NULL);
    return REFUSE_NONE;
}

static enum refusal sched_id(struct hypercall *c, struct xen_sysctl *op)
{
    op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT;
    return REFUSE_NONE;
}

static enum refusal domain_info_list(struct hypercall *c, struct xen_sysctl *op)
{
    struct xen_sysctl_getdomaininfolist *l = &op->u.getdomaininfolist;
    uint64_t to = (uint64_t)l->buffer.p;
    uint32_t id = l->first_domain;

    l->num_domains = 0;
    while (l->num_domains < l->max_domains && id < DOMID_FIRST_RESERVED) {
        struct xen_domctl_getdomaininfo info;
        struct domain *d = domain_get_next((domid_t)id);
        if (!d)
            break;
        domctl_fill_info(d, &info);
        id = d->id + 1u;
        domain_put(d);
        if (!guest_write(to, &info, sizeof(info)))
            return REFUSE_BAD_POINTER;
        to += sizeof(info);
        l->num_domains++;
    }
    return REFUSE_NONE;
}

static enum refusal processor_info(struct hypercall *c, struct xen_sysctl *op)
{
    struct xen_sysctl_getcpuinfo *i = &op->u.getcpuinfo;
    unsigned count = MIN(i->max_cpus, cpu_count());

    for (unsigned cpu = 0; cpu < count; cpu++) {
        struct xen_sysctl_cpuinfo one = {
            .idletime = sched_cpu_time(cpu_get(cpu)->idle, time_now())};
        if (!guest_write((uint64_t)i->info.p + cpu * sizeof(one), &one, sizeof(one)))
            return REFUSE_BAD_POINTER;
    }
    i->nr_cpus = count;
    return REFUSE_NONE;
}

static enum refusal available_heap(struct hypercall *c, struct xen_sysctl *op)
{
    struct xen_sysctl_availheap *h = &op->u.availheap;
    bool is_ours = (!h->node || h->node == -1) && h->min_bitwidth <= ADDRESS_BITS_MAX;

    h->avail_bytes = is_ours ? frames_free_count() << PAGE_SHIFT : 0;
    return REFUSE_NONE;
}

static enum refusal cpu_topology(struct hypercall *c, struct xen_sysctl *op)
{
    struct xen_sysctl_cputopoinfo *t = &op->u.cputopoinfo;
    uint64_t to = (uint64_t)t->cputopo.p;

    for (unsigned cpu = 0; to && cpu < MIN(t->num_cpus, cpu_count()); cpu++) {
        struct xen_sysctl_cputopo one = {.core = cpu};
        if (!guest_write(to + cpu * sizeof(one), &one, sizeof(one)))
            return REFUSE_BAD_POINTER;
    }
    t->num_cpus = to ? MIN(t->num_cpus, cpu_count()) : cpu_count();
    return REFUSE_NONE;
}

static enum refusal numa_info(struct hypercall *c, struct xen_sysctl *op)
{
    struct xen_sysctl_numainfo *n = &op->u.numainfo;
    const struct xen_sysctl_meminfo info = {
        .memsize = boot_info.ram_bytes,
        .memfree = frames_free_count() << PAGE_SHIFT,
    };
    const uint32_t distance = 10; // to itself

    if (n->num_nodes) {
        if (n->meminfo.p && !guest_write((uint64_t)n->meminfo.p, &info, sizeof(info)))
            return REFUSE_BAD_POINTER;
        if (n->distance.p && !guest_write((uint64_t)n->distance.p, &distance, sizeof(distance)))
            return REFUSE_BAD_POINTER;
    }
    n->num_nodes = n->meminfo.p || n->distance.p ? MIN(n->num_nodes, 1) : 1;
    return REFUSE_NONE;
}

// --- what could be changed about processors, and is not

static enum refusal power_state(struct hypercall *c, struct xen_sysctl *op)
{
    return op->u.get_pmstat.cpuid >= cpu_count() ? REFUSE_BAD_ARGUMENT : REFUSE_NO_FEATURE;
}

static enum refusal power_setting(struct hypercall *c, struct xen_sysctl *op)
{
    const struct xen_sysctl_pm_op *p = &op->u.pm_op;

    if (p->cpuid >= cpu_count() || (p->cmd & PM_PARA_CATEGORY_MASK) == CPUFREQ_PARA)
        return REFUSE_BAD_ARGUMENT;
    return REFUSE_NO_SUBOP;
}

static enum refusal hot_plug(struct hypercall *c, struct xen_sysctl *op)
{
    const struct xen_sysctl_cpu_hotplug *h = &op->u.cpu_hotplug;

    if (h->op > XEN_SYSCTL_CPU_HOTPLUG_OFFLINE)
        return REFUSE_NOT_OFFERED;
    if (h->cpu >= cpu_count())
        return REFUSE_BAD_ARGUMENT;
    return h->op == XEN_SYSCTL_CPU_HOTPLUG_ONLINE ? REFUSE_ALREADY : REFUSE_NOT_OFFERED;
}

// One pool has all processors and all domains.
static enum refusal cpu_pool(struct hypercall *c, struct xen_sysctl *op)
{
    struct xen_sysctl_cpupool_op *p = &op->u.cpupool_op;
    struct domain *d = domain_get_next(0);

    p->n_dom = 0;
    while (d) {
        domid_t next = (domid_t)(d->id + 1);
        p->n_dom++;
        domain_put(d);
        d = domain_get_next(next);
    }
    switch (p->op) {
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        if (p->cpupool_id)
            return REFUSE_NOT_FOUND;
        p->sched_id = XEN_SCHEDULER_CREDIT;
        return domctl_bitmap_write(&p->cpumap, domctl_online_cpus()) ? REFUSE_NONE
                                                                     : REFUSE_BAD_POINTER;
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
        return domctl_bitmap_write(&p->cpumap, 0) ? REFUSE_NONE : REFUSE_BAD_POINTER;
    case XEN_SYSCTL_CPUPOOL_OP_CREATE:
        return REFUSE_NOT_OFFERED;
    case XEN_SYSCTL_CPUPOOL_OP_DESTROY:
    case XEN_SYSCTL_CPUPOOL_OP_ADDCPU:
    case XEN_SYSCTL_CPUPOOL_OP_RMCPU:
        return p->cpupool_id ? REFUSE_NOT_FOUND : REFUSE_BUSY;
    case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
        return p->domid == c->domain->id ? REFUSE_NOT_PERMITTED : REFUSE_NOT_OFFERED;
    default:
        return REFUSE_NO_SUBOP;
    }
}

static enum refusal scheduler(struct hypercall *c, struct xen_sysctl *op)
{
    struct xen_sysctl_scheduler_op *s = &op->u.scheduler_op;

    if (s->cmd > XEN_SYSCTL_SCHEDOP_getinfo)
        return REFUSE_BAD_ARGUMENT;
    if (s->cpupool_id)
        return REFUSE_NO_DOMAIN;
    if (s->sched_id != XEN_SCHEDULER_CREDIT)
        return REFUSE_BAD_ARGUMENT;
    if (s->cmd == XEN_SYSCTL_SCHEDOP_putinfo)
        return REFUSE_NOT_OFFERED;
    s->u.sched_credit = (struct xen_sysctl_credit_schedule){.tslice_ms = SCHED_CREDIT_SLICE_MS};
    return REFUSE_NONE;
}

// No key is bound to anything.
static enum refusal debug_keys(struct hypercall *c, struct xen_sysctl *op)
{
    const struct xen_sysctl_debug_keys *k = &op->u.debug_keys;
    char key;

    return !k->nr_keys || guest_read(&key, (uint64_t)k->keys.p, 1) ? REFUSE_NONE
                                                                   : REFUSE_BAD_POINTER;
}

// There are no trace buffers, and there is nothing to trace.
static enum refusal trace_buffers(struct hypercall *c, struct xen_sysctl *op)
{
    struct xen_sysctl_tbuf_op *t = &op->u.tbuf_op;

    if (t->cmd != XEN_SYSCTL_TBUFOP_get_info)
        return t->cmd == XEN_SYSCTL_TBUFOP_disable ? REFUSE_NONE : REFUSE_BAD_ARGUMENT;
    t->evt_mask = t->size = 0;
    t->buffer_mfn = 0;
    return REFUSE_NONE;
}

static enum refusal no_levelling(struct hypercall *c, struct xen_sysctl *op)
{
    op->u.cpu_levelling_caps.caps = 0;
    return REFUSE_NONE;
}

struct sysctl_op {
    sysctl_handler *handler;
    enum refusal off; // instead of a handler: what Xen answers without the feature
};
#define OP(cmd, fn) [XEN_SYSCTL_##cmd] = {.handler = fn}
#define OFF(cmd, why) [XEN_SYSCTL_##cmd] = {.off = REFUSE_##why}

static const struct sysctl_op ops[] = {
    OP(readconsole, read_console),
    OP(physinfo, physinfo),
    OP(sched_id, sched_id),
    OP(getdomaininfolist, domain_info_list),
    OP(getcpuinfo, processor_info),
    OP(availheap, available_heap),
    OP(cputopoinfo, cpu_topology),
    OP(numainfo, numa_info),
    OP(get_cpu_featureset, feature_set),
    OP(get_pmstat, power_state),
    OP(pm_op, power_setting),
    OP(cpu_hotplug, hot_plug),
    OP(cpupool_op, cpu_pool),
    OP(scheduler_op, scheduler),
    OP(debug_keys, debug_keys),
    OP(tbuf_op, trace_buffers),
    OP(get_cpu_levelling_caps, no_levelling),
    OFF(page_offline_op, NOT_OFFERED),
    OFF(coverage_op, NOT_OFFERED),
    OFF(pcitopoinfo, NOT_OFFERED),
    OFF(get_cpu_policy, NOT_OFFERED),
    OFF(psr_cmt_op, NO_FEATURE),
    OFF(psr_alloc, NO_FEATURE),
};

long hypercall_sysctl(struct hypercall *c)
{
    struct xen_sysctl op;

    if (!guest_read(&op, c->arg[0], sizeof(op)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    c->subop = op.cmd;
    if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
        return refuse(c, REFUSE_BAD_VERSION, 0);
    if (!c->domain->is_privileged)
        return refuse(c, REFUSE_NOT_PRIVILEGED, 0);
    const struct sysctl_op *row = op.cmd < ARRAY_SIZE(ops) ? &ops[op.cmd] : NULL;
    if (!row || (!row->handler && !row->off))
        return refuse(c, REFUSE_NO_SUBOP, 0);
    enum refusal r = row->handler ? row->handler(c, &op) : row->off;
    if (r != REFUSE_NONE)
        return refuse(c, r, 0);
    if (!guest_write(c->arg[0], &op, sizeof(op)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    return 0;
}
