// SPDX-License-Identifier: MIT
// Host stand-in for hypervisor/lock.h: most tests run on one thread, so a lock only checks its use
// (never taken twice, always released by its taker, rank order kept) and stops the test when broken.
// In a test with threads (host_has_threads) it waits, too.
#pragma once

#include "hypervisor/lock_rank.h"
#include "hypervisor/types.h"

struct spinlock {
    bool is_held;
    uint8_t rank;
};

#define SPINLOCK(r) ((struct spinlock){.rank = (r)})
#define SPINLOCK_INIT(r)                                                                           \
    {                                                                                              \
        .rank = (r)                                                                                \
    }

static inline void spin_lock_init(struct spinlock *l, enum lock_rank rank)
{
    *l = SPINLOCK(rank);
}

extern bool host_has_threads;

void spin_lock(struct spinlock *l);
void spin_lock_second(struct spinlock *l);
bool spin_trylock(struct spinlock *l);
void spin_unlock(struct spinlock *l);
uint64_t spin_lock_irqsave(struct spinlock *l);
void spin_unlock_irqrestore(struct spinlock *l, uint64_t flags);
bool spin_is_locked(const struct spinlock *l);
