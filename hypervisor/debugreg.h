// SPDX-License-Identifier: MIT
// The debug registers of a guest: which values may stand in them. debugreg.c.
#ifndef HYPERVISOR_DEBUGREG_H
#define HYPERVISOR_DEBUGREG_H

#include "hypervisor/refusal.h"
#include "hypervisor/types.h"

struct vcpu;

// DEBUG_REGISTER_UNKNOWN, DEBUG_REGISTER_VALUE. Takes effect at once when v is the running vcpu.
enum refusal debugreg_set(struct vcpu *v, unsigned index, uint64_t value);

enum refusal debugreg_get(const struct vcpu *v, unsigned index, uint64_t *value);

#endif
