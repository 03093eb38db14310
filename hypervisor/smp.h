// SPDX-License-Identifier: MIT
// Starting the other CPUs, and interrupts between CPUs.
#pragma once

#include "hypervisor/cpu.h"

// Make the boot CPU's struct cpu and its window, and move to the stack in it; then `next` runs.
void smp_init_boot_cpu(void (*next)(void)) __attribute__((noreturn));

// Make the windows of all CPUs of the MADT, while there is boot memory.
void smp_prepare(void);

// Start every CPU of the MADT. Each one sets itself up and ends in cpu_main() (main.c), which
// idles. Returns when all are online; a CPU that does not answer is left out with a warning.
void smp_start(void);

// Run fn on each CPU of the mask, with interrupts off; returns when all have run it. The caller has
// interrupts on and holds no lock that is taken with interrupts off.
void cpu_call(struct cpumask mask, void (*fn)(void));

// Ask the CPUs of the mask to run tlb_flush_local() (tlb.c) and wait until they have. Callable with
// interrupts off; a CPU that spins with interrupts off serves the request.
void tlb_flush_request(struct cpumask mask);

// Serve a flush request made to this CPU, if there is one; from spin loops.
void tlb_flush_serve(void);

// Make the other CPU leave its guest or its halt and look at its softirqs.
void cpu_kick(unsigned cpu);

// For panic: stop all others for good, by NMI.
void smp_stop_others(void);

// --- Set-up of the interrupts between CPUs; their users include hypervisor/smp.h.
void ipi_init(void);

// The NMI handler calls this first: does not return while a panic stops the machine.
void smp_nmi_stop(void);
