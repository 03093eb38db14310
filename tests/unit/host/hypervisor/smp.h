// SPDX-License-Identifier: MIT
// Host stand-in for hypervisor/smp.h: a flush request is served at once, as the other CPU.
#pragma once

#include "hypervisor/cpu.h"

void tlb_flush_request(struct cpumask mask);
void tlb_flush_serve(void);
void cpu_kick(unsigned cpu);
void cpu_call(struct cpumask mask, void (*fn)(void)); // a test that needs it brings it along
