// SPDX-License-Identifier: MIT
// sysctl (xen/sysctl.h): what the toolstack wants to know of the host.
#include "hypercalls/domctl.h"
#include "hypervisor/boot.h"
#include "hypervisor/console.h"
#include "hypervisor/page_alloc.h"
#include <xen/sysctl.h>

typedef enum refusal sysctl_handler(struct hypercall *c, struct xen_sysctl *op);

static enum refusal read_console(struct hypercall *c, struct xen_sysctl *op)
{
    (void)c;
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

// CPUID feature words in the order of the feature set (xen/arch-x86/cpufeatureset.h, words 0..7).
static void fill_hw_cap(uint32_t cap[8])
{
    enum { A, B, C, D };
    static const struct {
        uint32_t leaf, subleaf;
        unsigned reg;
    } words[8] = {
        {1,          0, D},
        {1,          0, C},
        {0x80000001, 0, D},
        {0x80000001, 0, C},
        {0xd,        1, A},
        {7,          0, B},
        {7,          0, C},
        {0x80000007, 0, D}
    };
    uint32_t r[4];

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        cpuid(words[i].leaf & 0x80000000, 0, r);
        cap[i] = 0;
        if (words[i].leaf > r[A])
            continue;
        cpuid(words[i].leaf, words[i].subleaf, r);
        cap[i] = r[words[i].reg];
    }
}

static enum refusal physinfo(struct hypercall *c, struct xen_sysctl *op)
{
    (void)c;
    op->u.physinfo = (struct xen_sysctl_physinfo){
        .threads_per_core = 1,
        .cores_per_socket = cpu_count(),
        .nr_cpus = cpu_count(),
        .max_cpu_id = cpu_count() - 1,
        .nr_nodes = 1,
        .cpu_khz = (uint32_t)time_tsc_khz(),
        .capabilities = XEN_SYSCTL_PHYSCAP_pv,
        .total_pages = boot_info.ram_bytes >> PAGE_SHIFT,
        .free_pages = frames_free_count(),
        .max_mfn = (boot_info.ram_end >> PAGE_SHIFT) - 1,
    };
    fill_hw_cap(op->u.physinfo.hw_cap);
    return REFUSE_NONE;
}

static enum refusal sched_id(struct hypercall *c, struct xen_sysctl *op)
{
    (void)c;
    op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT;
    return REFUSE_NONE;
}

static enum refusal domain_info_list(struct hypercall *c, struct xen_sysctl *op)
{
    (void)c;
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
    (void)c;
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
    (void)c;
    op->u.availheap.avail_bytes = frames_free_count() << PAGE_SHIFT;
    return REFUSE_NONE;
}

static enum refusal cpu_topology(struct hypercall *c, struct xen_sysctl *op)
{
    (void)c;
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
    (void)c;
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
    n->num_nodes = 1;
    return REFUSE_NONE;
}

static sysctl_handler *const ops[] = {
    [XEN_SYSCTL_readconsole] = read_console,  [XEN_SYSCTL_physinfo] = physinfo,
    [XEN_SYSCTL_sched_id] = sched_id,         [XEN_SYSCTL_getdomaininfolist] = domain_info_list,
    [XEN_SYSCTL_getcpuinfo] = processor_info, [XEN_SYSCTL_availheap] = available_heap,
    [XEN_SYSCTL_cputopoinfo] = cpu_topology,  [XEN_SYSCTL_numainfo] = numa_info,
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
    if (op.cmd >= ARRAY_SIZE(ops) || !ops[op.cmd])
        return refuse(c, REFUSE_NO_SUBOP, 0);
    enum refusal r = ops[op.cmd](c, &op);
    if (r != REFUSE_NONE)
        return refuse(c, r, 0);
    if (!guest_write(c->arg[0], &op, sizeof(op)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    return 0;
}
