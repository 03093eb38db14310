// SPDX-License-Identifier: MIT
// Making a CPU's window: pages for its GDT and TSS, stacks with their struct cpu_info.
#pragma once

#include "hypervisor/cpu.h"

// The boot CPU's struct cpu on its first stack; before anything that takes a lock.
void percpu_init_early(void);

// Allocate (from boot memory) and map the window of CPU `id`, prepare its struct cpu_info.
void percpu_create(unsigned id);

// Where the stack pointer of CPU `id` starts.
uint64_t percpu_stack_top(unsigned id);
