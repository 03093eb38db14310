// SPDX-License-Identifier: MIT
// Page faults: those that are ours to mend, and those that the guest has to see.
#pragma once

#include "hypervisor/types.h"

struct vcpu;

// A fault in guest mode, interrupts on: mend it, or deliver it.
void guest_page_fault(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address);

// A fault in ring 0: true when it has been mended and the instruction should run again.
bool hypervisor_page_fault(const struct cpu_user_regs *regs, uint64_t address);
