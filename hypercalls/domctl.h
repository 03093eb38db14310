// SPDX-License-Identifier: MIT
// The shape of a domctl operation, shared by the domctl_*.c files.
#pragma once

#include "hypercalls/call.h"

// What a handler needs before it runs. `d` is the target with a reference held.
enum domctl_target {
    DOMCTL_NO_TARGET, // d is NULL
    DOMCTL_ANY,       // any domain
    DOMCTL_OTHER,     // any but the caller's
};

struct domctl_op {
    const char *name;
    enum refusal (*handler)(struct hypercall *c, struct domain *d, struct xen_domctl *op);
    enum domctl_target target;
    bool copies_back;
    // Copies through pointers in the argument: runs without the lock and takes it itself.
    bool takes_lock_itself;
    // Instead of a handler: what Xen answers for a PV domain without the feature.
    enum refusal off;
};

// Serialises changes to domains by controllers.
extern struct spinlock domctl_lock;

// Bitmaps behind pointers, of at most 64 bits that mean something; what is beyond is 0.
bool domctl_bitmap_write(const struct xenctl_bitmap *map, uint64_t bits);
uint64_t domctl_online_cpus(void);

void domctl_fill_info(struct domain *d, struct xen_domctl_getdomaininfo *info);

// vcpus and scheduling (domctl_vcpu.c)
enum refusal domctl_setvcpucontext(struct hypercall *c, struct domain *d, struct xen_domctl *op);
enum refusal domctl_getvcpucontext(struct hypercall *c, struct domain *d, struct xen_domctl *op);
enum refusal domctl_getvcpuinfo(struct hypercall *c, struct domain *d, struct xen_domctl *op);
enum refusal domctl_max_vcpus(struct hypercall *c, struct domain *d, struct xen_domctl *op);
enum refusal domctl_setvcpuaffinity(struct hypercall *c, struct domain *d, struct xen_domctl *op);
enum refusal domctl_getvcpuaffinity(struct hypercall *c, struct domain *d, struct xen_domctl *op);
enum refusal domctl_nodeaffinity(struct hypercall *c, struct domain *d, struct xen_domctl *op);
enum refusal domctl_sendtrigger(struct hypercall *c, struct domain *d, struct xen_domctl *op);
enum refusal domctl_scheduler_op(struct hypercall *c, struct domain *d, struct xen_domctl *op);

// access to devices (domctl_access.c)
enum refusal domctl_irq_permission(struct hypercall *c, struct domain *d, struct xen_domctl *op);
enum refusal domctl_iomem_permission(struct hypercall *c, struct domain *d, struct xen_domctl *op);
enum refusal domctl_ioport_permission(struct hypercall *c, struct domain *d, struct xen_domctl *op);
