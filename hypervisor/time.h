// SPDX-License-Identifier: MIT
// System time and the local timer.
//
// System time: nanoseconds since boot, from the TSC, monotonic over all CPUs. The local timer never
// fires early in system time: its handler compares, re-arms if needed, then raises SOFTIRQ_TIMER.
#pragma once

#include "hypervisor/types.h"

#define NS_PER_S 1000000000ul
#define NS_PER_MS 1000000ul
#define NS_PER_US 1000ul
#define TIME_NEVER UINT64_MAX

void time_init(void);       // boot CPU: calibrate TSC and local timer, read the RTC
void time_init_local(void); // each other CPU, before it needs time; measures its TSC's distance
void time_sync_serve(void); // the boot CPU, while another one runs time_init_local()

uint64_t time_now(void);

// The scale of the running CPU, all but the version: ns = system_time + (((TSC - tsc_timestamp) shifted
// left by tsc_shift, right if negative) * tsc_to_system_mul) >> 32 agrees with time_now().
void time_scale_get(struct vcpu_time_info *t);

uint64_t time_tsc_khz(void);

// Wall clock in ns since 1970 (UTC) at system time 0; settime64 changes it.
uint64_t time_wall_at_boot(void);
void time_wall_set(uint64_t wall_ns, uint64_t system_ns); // wall clock was wall_ns at system_ns

// Arm the running CPU's timer for system time `ns` (TIME_NEVER: off). A time in the past fires at
// once. SOFTIRQ_TIMER is raised when it has come.
void time_deadline_set(uint64_t ns);

// Busy wait.
void time_delay_us(unsigned us);

// The battery clock in seconds since 1970, UTC; 0 if it does not answer sensibly.
uint64_t rtc_read(void);
