// SPDX-License-Identifier: MIT
// Ticket spin locks with rank checks (hypervisor/lock.h).
//
// The take (acquire on `serving`) pairs with the release store in unlock. While it spins, a CPU serves
// TLB-flush requests: with interrupts on by the interrupt, with interrupts off from here.
#include "hypervisor/lock.h"
#include "hypervisor/panic.h"
#include "hypervisor/smp.h"

#ifdef DEBUG
#define LOCKS_CHECKED true
#else
#define LOCKS_CHECKED false
#endif

static void check_before(const struct spinlock *l, bool second)
{
    const struct cpu *c = this_cpu();

    if (!LOCKS_CHECKED)
        return;
    if (l->owner == c->id + 1)
        panic("lock of rank %u taken twice", l->rank);
    for (unsigned rank = l->rank + (second ? 1u : 0u); rank < LOCK_RANK_COUNT; rank++) {
        if (c->locks_held[rank])
            panic("lock of rank %u taken while one of rank %u is held", l->rank, rank);
    }
    if (irq_enabled() &&
        ((l->rank >= LOCK_EVENT_PORT && l->rank <= LOCK_TIMER) || l->rank == LOCK_CONSOLE))
        panic("lock of rank %u taken with interrupts on", l->rank);
}

static void note_taken(struct spinlock *l)
{
    if (!LOCKS_CHECKED)
        return;
    l->owner = (uint16_t)(this_cpu_id() + 1);
    this_cpu()->locks_held[l->rank]++;
}

static void note_released(struct spinlock *l)
{
    if (!LOCKS_CHECKED)
        return;
    if (l->owner != this_cpu_id() + 1)
        panic("lock of rank %u released by CPU %u, held by %d", l->rank, this_cpu_id(),
              l->owner - 1);
    l->owner = 0;
    this_cpu()->locks_held[l->rank]--;
}

static inline void lock_take(struct spinlock *l, bool second)
{
    check_before(l, second);
    uint16_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket) {
        if (!irq_enabled())
            tlb_flush_serve();
        cpu_relax();
    }
    note_taken(l);
}

void spin_lock(struct spinlock *l)
{
    lock_take(l, false);
}

void spin_lock_second(struct spinlock *l)
{
    lock_take(l, true);
}

bool spin_trylock(struct spinlock *l)
{
    uint16_t serving = __atomic_load_n(&l->serving, __ATOMIC_RELAXED), ticket = serving;
    if (!__atomic_compare_exchange_n(&l->next, &ticket, (uint16_t)(serving + 1), false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return false;
    note_taken(l);
    return true;
}

void spin_unlock(struct spinlock *l)
{
    note_released(l);
    __atomic_store_n(&l->serving, (uint16_t)(l->serving + 1), __ATOMIC_RELEASE);
}

uint64_t spin_lock_irqsave(struct spinlock *l)
{
    uint64_t flags = irq_save();
    spin_lock(l);
    return flags;
}

void spin_unlock_irqrestore(struct spinlock *l, uint64_t flags)
{
    spin_unlock(l);
    irq_restore(flags);
}
