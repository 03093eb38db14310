// SPDX-License-Identifier: MIT
// System time and wall clock as guests see them (struct vcpu_time_info, xen/xen.h).
#ifndef HYPERVISOR_VCPU_TIME_H
#define HYPERVISOR_VCPU_TIME_H

#include <stdint.h>

struct domain;
struct vcpu;

// Tell the vcpu the scale of the CPU that it is about to run on.
void vcpu_time_update(struct vcpu *v);

// Make its single-shot and periodic timers, stopped (domain.h: singleshot_timer, periodic_timer).
// When one expires the vcpu gets VIRQ_TIMER. vcpu_timers_stop waits for a running callback.
void vcpu_timers_init(struct vcpu *v);
void vcpu_timers_stop(struct vcpu *v);

// Arm or (0) stop the periodic timer; `period` in ns.
void vcpu_periodic_set(struct vcpu *v, uint64_t period);

// Write the wall clock at system time 0 into shared_info; after time_wall_set, for all domains.
void domain_update_wallclock(struct domain *d);

#endif
