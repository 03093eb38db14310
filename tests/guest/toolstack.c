// SPDX-License-Identifier: MIT
// The calls of a toolstack. See toolstack.h.
#define __XEN_TOOLS__ 1
#include "tests/guest/toolstack.h"

#include <string.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>

long toolstack_domctl(struct xen_domctl *op, uint32_t command, domid_t domain)
{
    op->cmd = command;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = domain;
    return hypercall_domctl(op);
}

long toolstack_sysctl(struct xen_sysctl *sys, uint32_t command)
{
    sys->cmd = command;
    sys->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return hypercall_sysctl(sys);
}

void toolstack_new_domain(struct xen_domctl *op)
{
    memset(op, 0, sizeof(*op));
    op->u.createdomain.max_vcpus = 1;
    op->u.createdomain.max_evtchn_port = -1;
    op->u.createdomain.max_grant_frames = 4;
    op->u.createdomain.max_maptrack_frames = 16;
    op->u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
}
