// SPDX-License-Identifier: MIT
// Ticket spin locks with rank checks (hypervisor/lock.h).
//
// The take (acquire on `serving`) pairs with the release store in unlock. While it spins, a CPU serves
// TLB-flush requests: with interrupts on by the interrupt, with interrupts off from here.
#include "hypervisor/lock.h"
#include "hypervisor/lockcheck.h"
#include "hypervisor/smp.h"

static void lock_take(struct spinlock *l)
{
    uint16_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket) {
        if (!irq_enabled())
            tlb_flush_serve();
        cpu_relax();
    }
}

void spin_lock(struct spinlock *l)
{
    lock_check_before(l, false);
    lock_take(l);
    lock_check_taken(l);
}

void spin_lock_second(struct spinlock *l)
{
    lock_check_before(l, true);
    lock_take(l);
    lock_check_taken(l);
}

bool spin_trylock(struct spinlock *l)
{
    uint16_t serving = __atomic_load_n(&l->serving, __ATOMIC_RELAXED), ticket = serving;
    if (!__atomic_compare_exchange_n(&l->next, &ticket, (uint16_t)(serving + 1), false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return false;
    lock_check_taken(l);
    return true;
}

void spin_unlock(struct spinlock *l)
{
    lock_check_release(l);
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
