// SPDX-License-Identifier: MIT
// The debug checks of spin locks: rank order, owner, and that the locks which interrupt handlers take
// are only taken with interrupts off. Empty in release builds.
#pragma once

#include "hypervisor/cpu.h"
#include "hypervisor/lock.h"
#include "hypervisor/panic.h"

#ifdef DEBUG

static inline void lock_check_before(const struct spinlock *l, bool second)
{
    const struct cpu *c = this_cpu();
    if (l->owner == c->id + 1)
        panic("lock of rank %u taken twice", l->rank);
    for (unsigned rank = l->rank + (second ? 1u : 0u); rank < LOCK_RANK_COUNT; rank++) {
        if (c->locks_held[rank])
            panic("lock of rank %u taken while one of rank %u is held", l->rank, rank);
    }
    if (irq_enabled() && (l->rank == LOCK_EVENT || l->rank == LOCK_SCHED || l->rank == LOCK_TIMER ||
                          l->rank == LOCK_CONSOLE))
        panic("lock of rank %u taken with interrupts on", l->rank);
}

static inline void lock_check_taken(struct spinlock *l)
{
    l->owner = (uint16_t)(this_cpu_id() + 1);
    this_cpu()->locks_held[l->rank]++;
}

static inline void lock_check_release(struct spinlock *l)
{
    if (l->owner != this_cpu_id() + 1)
        panic("lock of rank %u released by CPU %u, held by %d", l->rank, this_cpu_id(),
              l->owner - 1);
    l->owner = 0;
    this_cpu()->locks_held[l->rank]--;
}

#else

static inline void lock_check_before(const struct spinlock *l, bool second)
{
    (void)l;
    (void)second;
}

static inline void lock_check_taken(struct spinlock *l)
{
    (void)l;
}

static inline void lock_check_release(struct spinlock *l)
{
    (void)l;
}

#endif
