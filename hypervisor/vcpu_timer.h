// SPDX-License-Identifier: MIT
// The two timers of a vcpu, both of which end in VIRQ_TIMER: one-shot and periodic.
//
// The periodic one ticks only while the vcpu runs; a tick that was due in the meantime comes when it
// runs again. Guests start with a period of 10 ms, as on Xen.
#pragma once

#include "hypervisor/types.h"

struct vcpu;

void vcpu_timers_init(struct vcpu *v); // before it runs for the first time
void vcpu_timers_stop(struct vcpu *v); // for good; off every CPU; waits for callbacks

// One shot at `deadline` (ns of system time); in the past: at once. 0: disarm. On the CPU of `v`.
void vcpu_timer_set_oneshot(struct vcpu *v, uint64_t deadline, uint64_t now);

// `period` in ns, 0 = off; ticks begin one period from now.
void vcpu_timer_set_period(struct vcpu *v, uint64_t period, uint64_t now);

// The vcpu is about to run here, or no longer runs.
void vcpu_timers_enter(struct vcpu *v, uint64_t now);
void vcpu_timers_leave(struct vcpu *v);
