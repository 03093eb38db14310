// SPDX-License-Identifier: MIT
// Simulated CPUs that run the scheduler by the clock of the test (host_now), for test_sched.c and
// test_sched_race.c. One host_cpu_current at a time does everything, unless a test has threads of its own.
#pragma once

#include "hypervisor/cpu.h"
#include "hypervisor/domain.h"
#include "sched/sched.h"
#include "tests/unit/host/cores.h"

#define MS 1000000ull
#define MAX_CPUS 8

extern struct vcpu idle[MAX_CPUS];
extern struct vcpu *current[MAX_CPUS]; // what each CPU runs
extern uint64_t slice_end[MAX_CPUS];
extern unsigned switches; // how often a CPU got another vcpu

// Each is called once, before and after a wait has looked whether an event is pending.
extern void (*before_look)(void), (*after_look)(void);

// All CPUs are idle.
void machine_start(unsigned cpus);
// A domain whose vcpus all want to run.
struct domain *domain_start(domid_t id, unsigned vcpus, unsigned weight, unsigned cap);
// It is paused; its vcpus leave with the next settle().
void domain_stop(struct domain *d);
// Stopped, settled and freed.
void domain_end(struct domain *d);

// This CPU picks, and has saved who ran before.
void schedule(unsigned cpu);
// Serve softirqs until there are none; who may look first is random.
void settle(void);
// The clock goes on in steps; timers and slices end at theirs.
void advance(uint64_t ns, uint64_t step);
