// SPDX-License-Identifier: MIT
// Where a vcpu's struct vcpu_info lies: in shared_info, or in a page that the guest registered.
#pragma once

#include "hypervisor/refusal.h"
#include "hypervisor/types.h"

struct vcpu;

// VCPUOP_register_vcpu_info: move it to `offset` of frame `mfn`, once and for good. The frame gets a
// writable reference until the domain dies. The vcpu is the caller or is down.
enum refusal vcpu_info_map(struct vcpu *v, mfn_t mfn, unsigned offset);

// Back to shared_info; the vcpu runs nowhere.
void vcpu_info_unmap(struct vcpu *v);
