// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <string.h>
#include <xen/errno.h>
#include <xen/sched.h>

#include "dom0/domctl.h"
#include "pvguest/hypercall.h"

/* Event channels of a guest; back ends use a few each. */
#define PORTS_MAX 1023
#define GRANT_FRAMES_MAX 64
#define MAPTRACK_FRAMES_MAX 1024
#define AFFINITY_CPUS_MAX 1024U
#define TSC_MODE_NATIVE 2 /* as in tsc_mode= of xl.cfg */

static int domctl_call(struct xen_domctl *op, uint32_t command, domid_t domid)
{
    long rc;

    op->cmd = command;
    op->domain = domid;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    do {
        rc = hypercall_domctl(op);
    } while (rc == -XEN_EAGAIN); /* long calls ask to be made again */
    return (int)rc;
}

static int simple(uint32_t command, domid_t domid)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    return domctl_call(&op, command, domid);
}

static int32_t limit(int64_t value, int32_t usual)
{
    return value < 0 ? usual : (int32_t)value;
}

int domctl_create(const uint8_t handle[16], const struct domctl_limits *limits, domid_t *domid)
{
    struct xen_domctl op;
    int rc;

    memset(&op, 0, sizeof(op));
    memcpy(op.u.createdomain.handle, handle, 16);
    op.u.createdomain.max_vcpus = limits->vcpus;
    op.u.createdomain.max_evtchn_port = limit(limits->event_channels, PORTS_MAX);
    op.u.createdomain.max_grant_frames = limit(limits->grant_frames, GRANT_FRAMES_MAX);
    op.u.createdomain.max_maptrack_frames = limit(limits->maptrack_frames, MAPTRACK_FRAMES_MAX);
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
    rc = domctl_call(&op, XEN_DOMCTL_createdomain, 0); /* 0: any free number */
    *domid = op.domain;
    return rc;
}

int domctl_destroy(domid_t domid)
{
    return simple(XEN_DOMCTL_destroydomain, domid);
}

int domctl_pause(domid_t domid)
{
    return simple(XEN_DOMCTL_pausedomain, domid);
}

int domctl_unpause(domid_t domid)
{
    return simple(XEN_DOMCTL_unpausedomain, domid);
}

int domctl_max_vcpus(domid_t domid, unsigned int count)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.u.max_vcpus.max = count;
    return domctl_call(&op, XEN_DOMCTL_max_vcpus, domid);
}

int domctl_max_mem(domid_t domid, uint64_t kib)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.u.max_mem.max_memkb = kib;
    return domctl_call(&op, XEN_DOMCTL_max_mem, domid);
}

int domctl_hypercall_init(domid_t domid, uint64_t mfn)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.u.hypercall_init.gmfn = mfn;
    return domctl_call(&op, XEN_DOMCTL_hypercall_init, domid);
}

int domctl_set_vcpu_context(domid_t domid, unsigned int vcpu, struct vcpu_guest_context *context)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.u.vcpucontext.vcpu = vcpu;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, context);
    return domctl_call(&op, XEN_DOMCTL_setvcpucontext, domid);
}

static void bitmap_give(struct xenctl_bitmap *map, uint8_t *copy, const uint8_t *bits,
                        unsigned int cpus)
{
    memcpy(copy, bits, (cpus + 7) / 8);
    set_xen_guest_handle(map->bitmap, copy);
    map->nr_bits = cpus;
}

int domctl_set_affinity(domid_t domid, unsigned int vcpu, const uint8_t *hard, const uint8_t *soft,
                        unsigned int cpus)
{
    uint8_t hard_copy[AFFINITY_CPUS_MAX / 8], soft_copy[AFFINITY_CPUS_MAX / 8];
    struct xen_domctl op;

    if (cpus > AFFINITY_CPUS_MAX) {
        return -XEN_E2BIG;
    }
    memset(&op, 0, sizeof(op));
    op.u.vcpuaffinity.vcpu = vcpu;
    if (hard) {
        op.u.vcpuaffinity.flags |= XEN_VCPUAFFINITY_HARD;
        bitmap_give(&op.u.vcpuaffinity.cpumap_hard, hard_copy, hard, cpus);
    }
    if (soft) {
        op.u.vcpuaffinity.flags |= XEN_VCPUAFFINITY_SOFT;
        bitmap_give(&op.u.vcpuaffinity.cpumap_soft, soft_copy, soft, cpus);
    }
    return hard || soft ? domctl_call(&op, XEN_DOMCTL_setvcpuaffinity, domid) : 0;
}

int domctl_set_share(domid_t domid, int64_t weight, int64_t cap)
{
    struct xen_domctl op;
    uint32_t scheduler;
    int rc = sysctl_scheduler(&scheduler);

    memset(&op, 0, sizeof(op));
    op.u.scheduler_op.sched_id = scheduler;
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    if (rc == 0 && scheduler != XEN_SCHEDULER_CREDIT && scheduler != XEN_SCHEDULER_CREDIT2) {
        rc = -XEN_EOPNOTSUPP;
    }
    rc = rc ? rc : domctl_call(&op, XEN_DOMCTL_scheduler_op, domid);
    if (rc) {
        return rc;
    }
    if (scheduler == XEN_SCHEDULER_CREDIT) {
        op.u.scheduler_op.u.credit.weight = (uint16_t)limit(weight,
                                                            op.u.scheduler_op.u.credit.weight);
        op.u.scheduler_op.u.credit.cap = (uint16_t)limit(cap, op.u.scheduler_op.u.credit.cap);
    } else {
        op.u.scheduler_op.u.credit2.weight = (uint16_t)limit(weight,
                                                             op.u.scheduler_op.u.credit2.weight);
        op.u.scheduler_op.u.credit2.cap = (uint16_t)limit(cap, op.u.scheduler_op.u.credit2.cap);
    }
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    return domctl_call(&op, XEN_DOMCTL_scheduler_op, domid);
}

int domctl_set_time_offset(domid_t domid, int64_t seconds)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.u.settimeoffset.time_offset_seconds = seconds;
    return domctl_call(&op, XEN_DOMCTL_settimeoffset, domid);
}

int domctl_set_native_tsc(domid_t domid)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.u.tsc_info.tsc_mode = TSC_MODE_NATIVE;
    return domctl_call(&op, XEN_DOMCTL_settscinfo, domid);
}

int domctl_get_info(domid_t domid, struct xen_domctl_getdomaininfo *info)
{
    struct xen_domctl op;
    int rc;

    memset(&op, 0, sizeof(op));
    rc = domctl_call(&op, XEN_DOMCTL_getdomaininfo, domid);
    if (rc == 0) {
        *info = op.u.getdomaininfo;
        /* The call answers for the next domain if there is none of this number. */
        rc = info->domain == domid ? 0 : -XEN_ESRCH;
    }
    return rc;
}

int domctl_get_vcpu_info(domid_t domid, unsigned int vcpu, struct xen_domctl_getvcpuinfo *info)
{
    struct xen_domctl op;
    int rc;

    memset(&op, 0, sizeof(op));
    op.u.getvcpuinfo.vcpu = vcpu;
    rc = domctl_call(&op, XEN_DOMCTL_getvcpuinfo, domid);
    *info = op.u.getvcpuinfo;
    return rc;
}

int domctl_remote_shutdown(domid_t domid, unsigned int reason)
{
    struct sched_remote_shutdown op = {.domain_id = domid, .reason = reason};

    return (int)hypercall_sched_op(SCHEDOP_remote_shutdown, &op);
}

static int sysctl_call(struct xen_sysctl *op, uint32_t command)
{
    op->cmd = command;
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return (int)hypercall_sysctl(op);
}

int sysctl_list_domains(domid_t first, struct xen_domctl_getdomaininfo *infos, unsigned int room)
{
    struct xen_sysctl op;
    int rc;

    memset(&op, 0, sizeof(op));
    op.u.getdomaininfolist.first_domain = first;
    op.u.getdomaininfolist.max_domains = room;
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, infos);
    rc = sysctl_call(&op, XEN_SYSCTL_getdomaininfolist);
    return rc ? rc : (int)op.u.getdomaininfolist.num_domains;
}

int sysctl_physinfo(struct xen_sysctl_physinfo *info)
{
    struct xen_sysctl op;
    int rc;

    memset(&op, 0, sizeof(op));
    rc = sysctl_call(&op, XEN_SYSCTL_physinfo);
    *info = op.u.physinfo;
    return rc;
}

int sysctl_read_console(char *buffer, unsigned int room, uint32_t *index)
{
    struct xen_sysctl op;
    int rc;

    memset(&op, 0, sizeof(op));
    op.u.readconsole.incremental = 1;
    op.u.readconsole.index = *index;
    op.u.readconsole.count = room;
    set_xen_guest_handle(op.u.readconsole.buffer, buffer);
    rc = sysctl_call(&op, XEN_SYSCTL_readconsole);
    *index = op.u.readconsole.index;
    return rc ? rc : (int)op.u.readconsole.count;
}

int sysctl_scheduler(uint32_t *id)
{
    struct xen_sysctl op;
    int rc;

    memset(&op, 0, sizeof(op));
    rc = sysctl_call(&op, XEN_SYSCTL_sched_id);
    *id = op.u.sched_id.sched_id;
    return rc;
}
