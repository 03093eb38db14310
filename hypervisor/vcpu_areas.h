// SPDX-License-Identifier: MIT
// Memory that a vcpu has registered for the hypervisor to keep up to date: runstate and time.
// Registered by linear address, so written only while the vcpu's own address space is loaded.
#ifndef HYPERVISOR_VCPU_AREAS_H
#define HYPERVISOR_VCPU_AREAS_H

#include "hypervisor/refusal.h"
#include "hypervisor/types.h"

struct vcpu;

// Write the current runstate and time into the areas of the running vcpu, if it has any. Interrupts
// enabled; a page that is not mapped is skipped.
void runstate_update_guest(struct vcpu *v);

// Put vcpu_info into frame `mfn` of the vcpu's domain at byte `offset`, keeping its contents. The
// vcpu is the running one or not online. Once in its life.
enum refusal vcpu_info_register(struct vcpu *v, uint64_t mfn, unsigned offset);
void vcpu_info_unregister(struct vcpu *v); // death: gives the frame back

#endif
