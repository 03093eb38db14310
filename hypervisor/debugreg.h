// SPDX-License-Identifier: MIT
// The debug registers of a guest: which values may stand in them. debugreg.c.
#pragma once

#include "hypervisor/refusal.h"
#include "hypervisor/types.h"

struct vcpu;

// DEBUG_REGISTER_UNKNOWN, DEBUG_REGISTER_VALUE, BAD_ARGUMENT. Takes effect at once when v is the running vcpu.
enum refusal debugreg_set(struct vcpu *v, unsigned index, uint64_t value);

enum refusal debugreg_get(const struct vcpu *v, unsigned index, uint64_t *value);

// DR7 as it is loaded into the CPU for `v`.
uint64_t debugreg_hardware_dr7(const struct vcpu *v);

// Which breakpoints (bits 0..3) an access to these ports hits.
unsigned debugreg_check_port(const struct vcpu *v, unsigned port, unsigned bytes);
