// SPDX-License-Identifier: MIT
// What a toolstack calls (xen/domctl.h, xen/sysctl.h): the argument is the caller's, command and interface
// version are filled in. 0 or a negative error.
#pragma once

#include "tests/guest/guest.h"

struct xen_domctl;
struct xen_sysctl;

long toolstack_domctl(struct xen_domctl *op, uint32_t command, domid_t domain);
long toolstack_sysctl(struct xen_sysctl *sys, uint32_t command);
// Zeros, and createdomain's words for a PV domain of one vcpu and a few grants.
void toolstack_new_domain(struct xen_domctl *op);
