// SPDX-License-Identifier: MIT
// Host stand-in for hypervisor/asm.h: what the cores under test use of it, on simulated CPUs
// (tests/unit/host/memory.c).
#pragma once

#include "hypervisor/layout.h"
#include "hypervisor/x86.h"
#include <stdbool.h>
#include <stdint.h>

extern uint64_t host_cr3[HV_MAX_CPUS];

// Called after a root has been loaded on the running CPU.
extern void (*host_root_loaded)(unsigned cpu);

static inline bool irq_enabled(void)
{
    return true;
}

// Called when interrupts go off and on, unless NULL.
extern void (*host_irq_changed)(bool is_off);

static inline uint64_t irq_save(void)
{
    if (host_irq_changed)
        host_irq_changed(true);
    return 0;
}

static inline void irq_restore(uint64_t flags)
{
    (void)flags;
    if (host_irq_changed)
        host_irq_changed(false);
}

uint64_t read_cr3(void);
void write_cr3(uint64_t root);
