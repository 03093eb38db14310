// SPDX-License-Identifier: MIT
// The global flush clock: which CPUs may still hold translations to a frame, and whose. tlb.c has the
// argument.
#pragma once

#include "hypervisor/cpu.h"

extern uint32_t
    tlb_clock; // atomic; counts flushes, 0 while it waits for a global flush after a wrap

// What a CPU publishes (tlb_stamp of struct cpu): the clock of its last flush, and above it the domain whose
// translations alone it can hold, or that they may be anybody's.
#define TLB_DOMAIN_SHIFT 32
#define TLB_ANY_DOMAIN 0xfffeu
#define TLB_NOTHING_CACHED (~0ull) // it is on the idle root

// What a frame records when its last writable or table use ends, or when it is freed. The entries
// that mapped it have been removed before by locked writes, which are full barriers, so the clock is
// not read before the removal is visible; pairs with the increment in clock_tick().
static inline uint32_t tlb_stamp_now(void)
{
    return __atomic_load_n(&tlb_clock, __ATOMIC_ACQUIRE);
}

// Flush every CPU that has not flushed since `stamp` and can hold translations of `domain`
// (TLB_ANY_DOMAIN: of any). No lock that is taken with interrupts off is held.
void tlb_filter(uint32_t stamp, unsigned domain);

// The CPUs that tlb_filter(stamp, domain) would flush.
struct cpumask tlb_stale_cpus(uint32_t stamp, unsigned domain);

// Forget all translations of guests on this CPU and note it for the clock. Also the handler of the
// flush interrupt. Callable with interrupts off.
void tlb_flush_local(void);

// The same as part of loading a root of `domain`, or the idle root.
void tlb_load_root(maddr_t root, domid_t domain);

// Flush the CPUs of the mask, the own one included if it is in it; waits.
void tlb_flush_mask(struct cpumask mask);
