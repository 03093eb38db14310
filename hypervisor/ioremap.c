// SPDX-License-Identifier: MIT
// The window for device memory (and for tables outside RAM): filled from its start, never emptied.
//
// Its tables are made at boot, so mapping needs no memory. Lock: LOCK_ALLOC rank, so callers may hold
// domain and interrupt locks.
#include "hypervisor/lock.h"
#include "hypervisor/cpu.h"
#include "hypervisor/paging.h"

#define WINDOW_PAGES (IOREMAP_SIZE / PAGE_SIZE)

static struct spinlock lock = SPINLOCK_INIT(LOCK_ALLOC);
static uint64_t *l1[WINDOW_PAGES / PTES];
static unsigned used; // pages from the start

static uint64_t *entry_of(unsigned page)
{
    return &l1[page / PTES][page % PTES];
}

void ioremap_init(void)
{
    for (unsigned i = 0; i < WINDOW_PAGES; i += PTES)
        l1[i / PTES] = paging_l1_entry(IOREMAP_START + i * PAGE_SIZE);
}

// First page of a run that already maps these frames, or `used`.
static unsigned find_mapped(uint64_t first, unsigned pages)
{
    unsigned run = 0;
    for (unsigned page = 0; page < used; page++) {
        bool match = (*entry_of(page) & PTE_ADDRESS) == first + run * PAGE_SIZE;
        run = match ? run + 1 : (*entry_of(page) & PTE_ADDRESS) == first;
        if (run == pages)
            return page + 1 - pages;
    }
    return used;
}

void *ioremap(maddr_t maddr, size_t bytes)
{
    uint64_t first = maddr.v & PAGE_MASK, offset = maddr.v & ~PAGE_MASK;
    const uint64_t flags = PTE_PRESENT | PTE_RW | PTE_PCD | PTE_PWT | PTE_ACCESSED | PTE_DIRTY |
                           PTE_NX | PTE_GLOBAL;
    void *result = NULL;
    // An address that no entry can hold may come from a device's base register.
    if (bytes == 0 || bytes > IOREMAP_SIZE || maddr.v >> cpu_features.phys_bits ||
        (maddr.v + bytes - 1) >> cpu_features.phys_bits)
        return NULL;
    unsigned pages = (unsigned)((offset + bytes + PAGE_SIZE - 1) >> PAGE_SHIFT);
    uint64_t irq = spin_lock_irqsave(&lock);
    unsigned page = find_mapped(first, pages);
    if (page + pages <= WINDOW_PAGES) {
        for (; used < page + pages; used++)
            *entry_of(used) = (first + (used - page) * PAGE_SIZE) | flags;
        result = (void *)(IOREMAP_START + page * PAGE_SIZE + offset);
    }
    spin_unlock_irqrestore(&lock, irq);
    return result;
}
