// SPDX-License-Identifier: MIT
// Memory that a vcpu has registered for the hypervisor to keep up to date: runstate and time.
// Registered by linear address, so written only while the vcpu's own address space is loaded.
#pragma once

struct vcpu;

// Write the current runstate and time into the areas of the running vcpu, if it has any. Interrupts
// enabled; a page that is not mapped is skipped.
void runstate_update_guest(struct vcpu *v);
