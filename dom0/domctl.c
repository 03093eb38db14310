// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <string.h>
#include <xen/errno.h>
#include <xen/sched.h>

#include "dom0/domctl.h"
#include "pvguest/hypercall.h"

/* Event channels of a guest; back ends use a few each. */
#define PORTS_MAX 1023U
#define GRANT_FRAMES_MAX 64
#define MAPTRACK_FRAMES_MAX 1024

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

int domctl_create(const uint8_t handle[16], unsigned int vcpus, domid_t *domid)
{
    struct xen_domctl op;
    int rc;

    memset(&op, 0, sizeof(op));
    memcpy(op.u.createdomain.handle, handle, 16);
    op.u.createdomain.max_vcpus = vcpus;
    op.u.createdomain.max_evtchn_port = PORTS_MAX;
    op.u.createdomain.max_grant_frames = GRANT_FRAMES_MAX;
    op.u.createdomain.max_maptrack_frames = MAPTRACK_FRAMES_MAX;
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
