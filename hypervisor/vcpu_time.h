// SPDX-License-Identifier: MIT
// System time and wall clock as guests see them (struct vcpu_time_info, xen/xen.h).
#pragma once

struct domain;
struct vcpu;

// Tell the vcpu the scale of the CPU that it is about to run on.
void vcpu_time_update(struct vcpu *v);

// Write the wall clock at system time 0 into shared_info; after time_wall_set, for all domains.
void domain_update_wallclock(struct domain *d);
