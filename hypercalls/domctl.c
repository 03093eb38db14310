// SPDX-License-Identifier: MIT
// domctl (xen/domctl.h): dom0 creates, changes and destroys domains.
//
// One table of operations. The argument is copied in once; the interface version is checked; the
// target is looked up; most handlers run under domctl_lock, which is only ever tried: a busy lock
// makes the call continue, so that nobody spins while its holder waits for a vcpu to stop.
#include "hypercalls/domctl.h"
#include "hypervisor/traps.h"
#include "hypervisor/version.h"

#define KIB_PER_PAGE (PAGE_SIZE / 1024)

struct spinlock domctl_lock = SPINLOCK_INIT(LOCK_DOMCTL);

static enum refusal check_config(const struct xen_domctl_createdomain *config)
{
    unsigned grant_version = config->grant_opts & XEN_DOMCTL_GRANT_version_mask;

    // PV only, no IOMMU, no vPMU. oos_off is about shadow tables, and true of all.
    if (config->flags & ~(uint32_t)(XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_oos_off))
        return REFUSE_BAD_FLAGS;
    if (config->arch.emulation_flags)
        return REFUSE_NOT_OFFERED;
    if (config->iommu_opts || config->arch.misc_flags || config->vmtrace_size || config->cpupool_id)
        return REFUSE_BAD_ARGUMENT;
    if (!config->max_vcpus || config->max_vcpus > DOMAIN_MAX_VCPUS)
        return REFUSE_BAD_ARGUMENT;
    if (grant_version != 1 || config->grant_opts & ~(uint32_t)XEN_DOMCTL_GRANT_version_mask)
        return REFUSE_BAD_ARGUMENT;
    return REFUSE_NONE;
}

// The identifier asked for, or, for 0 and reserved numbers, the next free one.
static enum refusal create(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    static domid_t last;
    const struct xen_domctl_createdomain *config = &op->u.createdomain;
    enum refusal r = check_config(config);

    if (r != REFUSE_NONE)
        return r;
    if (op->domain > 0 && op->domain < DOMID_FIRST_RESERVED) {
        r = domain_create(op->domain, config, false, &d);
    } else {
        r = REFUSE_DOMAIN_EXISTS;
        for (unsigned tries = 0; r == REFUSE_DOMAIN_EXISTS && tries < DOMID_FIRST_RESERVED;
             tries++) {
            last = last + 1u < DOMID_FIRST_RESERVED ? (domid_t)(last + 1) : 1;
            if (!domain_table_has(last))
                r = domain_create(last, config, false, &d);
        }
    }
    if (r == REFUSE_NONE) {
        op->domain = d->id;
        op->u.createdomain.flags |= XEN_DOMCTL_CDF_oos_off;
    }
    return r;
}

static enum refusal destroy(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    return domain_kill(d);
}

static enum refusal pause(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    return domain_pause_by_controller(d);
}

static enum refusal unpause(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    return domain_unpause_by_controller(d);
}

static enum refusal resume(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    return domain_resume(d);
}

void domctl_fill_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    uint64_t now = time_now();
    bool is_running = false, is_blocked = true;

    *info = (struct xen_domctl_getdomaininfo){
        .domain = d->id,
        .tot_pages = d->tot_pages,
        .max_pages = d->max_pages,
        .outstanding_pages = d->claimed,
        .shared_info_frame = d->shared_info_mfn.v,
        .max_vcpu_id = XEN_INVALID_MAX_VCPU_ID,
        .gpaddr_bits = 64,
    };
    memcpy(info->handle, d->handle, sizeof(info->handle));
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = d->vcpu[i];
        info->cpu_time += sched_cpu_time(v, now);
        info->max_vcpu_id = i;
        if (!v->is_online)
            continue;
        info->nr_online_vcpus++;
        is_running |= v->sched.is_running;
        is_blocked &= sched_is_waiting(v);
    }
    info->flags = (d->is_dying ? XEN_DOMINF_dying : 0) |
                  (d->is_shutdown ? XEN_DOMINF_shutdown : 0) |
                  (d->controller_pause_count ? XEN_DOMINF_paused : 0);
    if (info->nr_online_vcpus)
        info->flags |= (is_running ? XEN_DOMINF_running : 0) |
                       (is_blocked ? XEN_DOMINF_blocked : 0);
    info->flags |= (d->is_shutdown ? d->shutdown_code : UINT16_MAX) << XEN_DOMINF_shutdownshift;
}

// Before 4.20 this also answers for the next higher domain: that is how lists are made.
static enum refusal getinfo(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    if (op->domain >= DOMID_FIRST_RESERVED && !ABI_GETDOMAININFO_EXACT)
        return REFUSE_BAD_ARGUMENT;
    d = domain_get_next(op->domain);
    if (!d)
        return REFUSE_NO_DOMAIN;
    if (ABI_GETDOMAININFO_EXACT && d->id != op->domain) {
        domain_put(d);
        return REFUSE_NO_DOMAIN;
    }
    domctl_fill_info(d, &op->u.getdomaininfo);
    op->domain = d->id;
    domain_put(d);
    return REFUSE_NONE;
}

static enum refusal max_mem(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    spin_lock(&d->lock);
    d->max_pages = op->u.max_mem.max_memkb / KIB_PER_PAGE;
    spin_unlock(&d->lock);
    return REFUSE_NONE;
}

static enum refusal set_handle(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
    return REFUSE_NONE;
}

static enum refusal hypercall_init(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    struct frame *f = frame_from_mfn(MFN(op->u.hypercall_init.gmfn));

    enum refusal r = f ? frame_get_writable(f, d) : REFUSE_FRAME_NOT_OWNED;
    if (r != REFUSE_NONE)
        return r;
    hypercall_page_init(mfn_to_virt(MFN(op->u.hypercall_init.gmfn)));
    frame_put_writable(f);
    return REFUSE_NONE;
}

static enum refusal set_time_offset(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    d->wallclock_offset = (uint64_t)op->u.settimeoffset.time_offset_seconds;
    domain_update_wallclock(d);
    return REFUSE_NONE;
}

static enum refusal set_address_size(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    return op->u.address_size.size == 64 ? REFUSE_NONE : REFUSE_BAD_ARGUMENT;
}

static enum refusal get_address_size(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    op->u.address_size.size = 64;
    return REFUSE_NONE;
}

// Time-stamp counters are never emulated: only domains that put up with that are accepted.
enum { TSC_DEFAULT, TSC_EMULATED, TSC_NATIVE };

static enum refusal tsc_info(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_tsc_info *t = &op->u.tsc_info;

    if (op->cmd == XEN_DOMCTL_settscinfo) {
        if (t->tsc_mode > TSC_NATIVE)
            return REFUSE_BAD_ARGUMENT;
        return t->tsc_mode == TSC_EMULATED ? REFUSE_NOT_OFFERED : REFUSE_NONE;
    }
    *t = (struct xen_domctl_tsc_info){.tsc_mode = TSC_DEFAULT,
                                      .gtsc_khz = (uint32_t)time_tsc_khz(),
                                      .incarnation = 1,
                                      .elapsed_nsec = time_now()};
    return REFUSE_NONE;
}

// The port, of the domain itself, that is sent to when it suspends itself; 0: VIRQ_DOM_EXC tells.
static enum refusal subscribe(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    d->suspend_port = op->u.subscribe.port;
    return REFUSE_NONE;
}

static enum refusal shadow_op(struct hypercall *c, struct domain *d, struct xen_domctl *op)
{
    return op->u.shadow_op.op == XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY && d->max_vcpus
               ? REFUSE_NOT_OFFERED
               : REFUSE_BAD_ARGUMENT;
}

#define OFF(cmd, why) [XEN_DOMCTL_##cmd] = {.target = DOMCTL_ANY, .off = REFUSE_##why}
#define OP(cmd, fn, target_, ...) [XEN_DOMCTL_##cmd] = {#cmd, fn, target_, __VA_ARGS__}

static const struct domctl_op ops[] = {
    OP(createdomain, create, DOMCTL_NO_TARGET, .copies_back = true),
    OP(destroydomain, destroy, DOMCTL_OTHER),
    OP(pausedomain, pause, DOMCTL_OTHER),
    OP(unpausedomain, unpause, DOMCTL_ANY),
    OP(resumedomain, resume, DOMCTL_OTHER),
    OP(getdomaininfo, getinfo, DOMCTL_NO_TARGET, .copies_back = true),
    OP(max_mem, max_mem, DOMCTL_ANY),
    OP(setdomainhandle, set_handle, DOMCTL_ANY),
    OP(hypercall_init, hypercall_init, DOMCTL_ANY),
    OP(settimeoffset, set_time_offset, DOMCTL_ANY),
    OP(set_address_size, set_address_size, DOMCTL_ANY),
    OP(get_address_size, get_address_size, DOMCTL_ANY, .copies_back = true),
    OP(max_vcpus, domctl_max_vcpus, DOMCTL_OTHER),
    OP(setvcpucontext, domctl_setvcpucontext, DOMCTL_OTHER, .takes_lock_itself = true),
    OP(getvcpucontext, domctl_getvcpucontext, DOMCTL_OTHER, .takes_lock_itself = true),
    OP(getvcpuinfo, domctl_getvcpuinfo, DOMCTL_ANY, .copies_back = true),
    OP(setvcpuaffinity, domctl_setvcpuaffinity, DOMCTL_ANY, .copies_back = true,
       .takes_lock_itself = true),
    OP(getvcpuaffinity, domctl_getvcpuaffinity, DOMCTL_ANY, .copies_back = true,
       .takes_lock_itself = true),
    OP(scheduler_op, domctl_scheduler_op, DOMCTL_ANY, .copies_back = true),
    OP(irq_permission, domctl_irq_permission, DOMCTL_ANY),
    OP(iomem_permission, domctl_iomem_permission, DOMCTL_ANY),
    OP(ioport_permission, domctl_ioport_permission, DOMCTL_ANY),
    OP(sendtrigger, domctl_sendtrigger, DOMCTL_ANY),
    OP(subscribe, subscribe, DOMCTL_ANY),
    OP(settscinfo, tsc_info, DOMCTL_OTHER),
    OP(gettscinfo, tsc_info, DOMCTL_OTHER, .copies_back = true),
    OP(setnodeaffinity, domctl_nodeaffinity, DOMCTL_ANY, .takes_lock_itself = true),
    OP(getnodeaffinity, domctl_nodeaffinity, DOMCTL_ANY, .takes_lock_itself = true),
    OP(shadow_op, shadow_op, DOMCTL_OTHER),
    // no save and restore, no debuggers, no policies of single domains
    OFF(setdebugging, NOT_OFFERED),
    OFF(getpageframeinfo3, NOT_OFFERED),
    OFF(get_ext_vcpucontext, NOT_OFFERED),
    OFF(set_ext_vcpucontext, NOT_OFFERED),
    OFF(getvcpuextstate, NOT_OFFERED),
    OFF(setvcpuextstate, NOT_OFFERED),
    OFF(get_vcpu_msrs, NOT_OFFERED),
    OFF(set_vcpu_msrs, NOT_OFFERED),
    OFF(get_cpu_policy, NOT_OFFERED),
    OFF(set_cpu_policy, NOT_OFFERED),
    OFF(soft_reset, BAD_ARGUMENT),
    OFF(set_virq_handler, BAD_ARGUMENT),
    // no HVM domains
    OFF(gethvmcontext, BAD_ARGUMENT),
    OFF(sethvmcontext, BAD_ARGUMENT),
    OFF(gethvmcontext_partial, BAD_ARGUMENT),
    OFF(memory_mapping, BAD_ARGUMENT),
    OFF(ioport_mapping, NOT_OFFERED),
    OFF(bind_pt_irq, BAD_ARGUMENT),
    OFF(unbind_pt_irq, BAD_ARGUMENT),
    OFF(set_target, NOT_OFFERED),
    OFF(debug_op, BAD_ARGUMENT),
    OFF(set_access_required, NOT_OFFERED),
    OFF(set_broken_page_p2m, BAD_ARGUMENT),
    OFF(setvnumainfo, BAD_ARGUMENT),
    OFF(monitor_op, NOT_OFFERED),
    OFF(vmtrace_op, BAD_ARGUMENT),
    OFF(get_paging_mempool_size, NOT_OFFERED),
    OFF(set_paging_mempool_size, NOT_OFFERED),
    // no IOMMU, no partitions of caches
    OFF(assign_device, NOT_OFFERED),
    OFF(test_assign_device, NOT_OFFERED),
    OFF(deassign_device, NOT_OFFERED),
    OFF(get_device_group, NOT_OFFERED),
    OFF(psr_cmt_op, NO_FEATURE),
    OFF(psr_alloc, NO_FEATURE),
};

static enum refusal run(struct hypercall *c, const struct domctl_op *row, struct domain *d,
                        struct xen_domctl *op)
{
    if (!row->handler)
        return row->off;
    if (row->takes_lock_itself)
        return row->handler(c, d, op);
    if (!spin_trylock(&domctl_lock))
        return REFUSE_CONTINUE;
    enum refusal r = row->handler(c, d, op);
    spin_unlock(&domctl_lock);
    return r;
}

long hypercall_domctl(struct hypercall *c)
{
    struct xen_domctl op;
    struct domain *d = NULL;

    if (!guest_read(&op, c->arg[0], sizeof(op)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    c->subop = op.cmd;
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return refuse(c, REFUSE_BAD_VERSION, 0);
    const struct domctl_op *row = op.cmd < ARRAY_SIZE(ops) ? &ops[op.cmd] : NULL;
    if (row && !row->handler && !row->off)
        row = NULL;
    if (!row || row->target != DOMCTL_NO_TARGET) {
        d = domain_get_by_id(op.domain);
        if (!d) // said to everybody
            return refuse(c, REFUSE_NO_DOMAIN, 0);
    }
    enum refusal r = REFUSE_NOT_PRIVILEGED;
    if (c->domain->is_privileged)
        r = !row                                            ? REFUSE_NO_SUBOP
            : row->target == DOMCTL_OTHER && d == c->domain ? REFUSE_BAD_ARGUMENT
                                                            : run(c, row, d, &op);
    if (d)
        domain_put(d);
    if (r != REFUSE_NONE)
        return refuse(c, r, 0);
    if (row->copies_back && !guest_write(c->arg[0], &op, sizeof(op)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    return 0;
}
