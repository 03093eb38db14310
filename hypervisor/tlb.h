// SPDX-License-Identifier: MIT
// The global flush clock: which CPUs may still hold translations to a frame. tlb.c has the argument.
#pragma once

#include "hypervisor/cpu.h"

extern uint32_t
    tlb_clock; // atomic; counts flushes, 0 while it waits for a global flush after a wrap

// Stamp of a CPU that is on the idle root.
#define TLB_NOTHING_CACHED (~0ull)

// What a frame records when its last writable or table use ends, or when it is freed. The entries
// that mapped it have been removed before by locked writes, which are full barriers, so the clock is
// not read before the removal is visible; pairs with the increment in clock_tick().
static inline uint32_t tlb_stamp_now(void)
{
    return __atomic_load_n(&tlb_clock, __ATOMIC_ACQUIRE);
}

// Flush every CPU that has not flushed since `stamp`. No lock that is taken with interrupts off is held.
void tlb_filter(uint32_t stamp);

// The CPUs that tlb_filter(stamp) would flush.
struct cpumask tlb_stale_cpus(uint32_t stamp);

// Forget all translations of guests on this CPU and note it for the clock. Also the handler of the
// flush interrupt. Callable with interrupts off.
void tlb_flush_local(void);

// The same as part of loading a root.
void tlb_load_root(maddr_t root);

// Flush the CPUs of the mask, the own one included if it is in it; waits.
void tlb_flush_mask(struct cpumask mask);
