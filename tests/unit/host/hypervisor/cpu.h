// SPDX-License-Identifier: MIT
// Host stand-in for hypervisor/cpu.h: simulated CPUs. A test chooses the running one and its vcpu by
// host_cpu_current and host_vcpu_current; softirqs are only recorded.
#pragma once

#include "hypervisor/asm.h"
#include "hypervisor/layout.h"
#include "hypervisor/lock_rank.h"
#include "hypervisor/types.h"

struct vcpu;

struct cpu {
    unsigned id;
    bool is_online;
    struct vcpu *idle;
    uint32_t softirq_pending;
    uint64_t tlb_stamp;
    uint8_t locks_held[LOCK_RANK_COUNT];
    uint64_t deadline;
};

extern struct cpu cpu_table[HV_MAX_CPUS];
// A test with threads is compiled with HOST_PER_THREAD=_Thread_local: each one is a CPU.
#ifndef HOST_PER_THREAD
#define HOST_PER_THREAD
#endif
extern HOST_PER_THREAD unsigned host_cpu_current;
extern unsigned host_cpu_count;
extern HOST_PER_THREAD struct vcpu *host_vcpu_current;

static inline struct cpu *this_cpu(void)
{
    return &cpu_table[host_cpu_current];
}

static inline unsigned this_cpu_id(void)
{
    return host_cpu_current;
}

static inline struct vcpu *current_vcpu(void)
{
    return host_vcpu_current;
}

static inline unsigned cpu_count(void)
{
    return host_cpu_count;
}

static inline struct cpu *cpu_get(unsigned id)
{
    return &cpu_table[id];
}

struct cpu_features {
    unsigned phys_bits;
};
extern struct cpu_features cpu_features; // host/memory.c

static inline void cpu_relax(void)
{
}

#include "hypervisor/cpumask.h"
#include "hypervisor/softirq.h"
