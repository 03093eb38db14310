// SPDX-License-Identifier: MIT
// Spin locks with a rank (hypervisor/lock_rank.h). Ticket locks: fair, so that no CPU starves.
//
// Locks of ranks that interrupt handlers take (LOCK_SCHED, LOCK_TIMER, LOCK_CONSOLE) are taken with
// interrupts off: spin_lock_irqsave. Debug builds assert rank, owner and this. While a CPU spins with
// interrupts off it serves TLB-flush requests, so whoever waits for such a request must hold no lock
// that is taken with interrupts off.
#pragma once

#include "hypervisor/lock_rank.h"
#include "hypervisor/types.h"

struct spinlock {
    uint16_t next, serving; // atomic tickets
    uint16_t owner;         // CPU id + 1, debug builds
    uint8_t rank;           // enum lock_rank
};

#define SPINLOCK(r) ((struct spinlock){.rank = (r)})
#define SPINLOCK_INIT(r)                                                                           \
    {                                                                                              \
        .rank = (r)                                                                                \
    } // for static objects

static inline void spin_lock_init(struct spinlock *l, enum lock_rank rank)
{
    *l = SPINLOCK(rank);
}

void spin_lock(struct spinlock *l);
void spin_lock_second(struct spinlock *l); // a lock of the same rank is already held
bool spin_trylock(struct spinlock *l);
void spin_unlock(struct spinlock *l);

// With interrupts off; the returned flags go to spin_unlock_irqrestore.
uint64_t spin_lock_irqsave(struct spinlock *l);
void spin_unlock_irqrestore(struct spinlock *l, uint64_t flags);
