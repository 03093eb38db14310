// SPDX-License-Identifier: MIT
// The table of interrupt handlers by vector (hypervisor/vector.h).
//
// Lock: LOCK_IRQ_LINE guards the choice of free vectors. Dispatch reads the table without it: a handler is
// stored before its vector is programmed anywhere, and freed after it has been taken out.
#include "hypervisor/apic.h"
#include "hypervisor/cpu.h"
#include "hypervisor/lock.h"
#include "hypervisor/printk.h"

static vector_handler *handlers[256];
static struct spinlock lock = SPINLOCK_INIT(LOCK_IRQ_LINE);

void vector_set_handler(uint8_t vector, vector_handler *handler)
{
    __atomic_store_n(&handlers[vector], handler, __ATOMIC_RELEASE);
}

uint8_t vector_alloc(vector_handler *handler)
{
    uint8_t found = 0;
    uint64_t flags = spin_lock_irqsave(&lock);
    for (unsigned v = VECTOR_DEVICE_FIRST; v <= VECTOR_DEVICE_LAST && !found; v++) {
        if (!handlers[v] && v != 0x80 && v != 0x82)
            found = (uint8_t)v;
    }
    if (found)
        vector_set_handler(found, handler);
    spin_unlock_irqrestore(&lock, flags);
    return found;
}

void vector_free(uint8_t vector)
{
    uint64_t flags = spin_lock_irqsave(&lock);
    vector_set_handler(vector, NULL);
    spin_unlock_irqrestore(&lock, flags);
}

void vector_dispatch(struct cpu_user_regs *regs, uint8_t vector)
{
    vector_handler *handler = __atomic_load_n(&handlers[vector], __ATOMIC_ACQUIRE);
    if (handler)
        handler(vector);
    else if (vector != VECTOR_SPURIOUS && vector >= VECTOR_DEVICE_FIRST)
        log_debug("interrupt %#x without a handler on CPU %u", vector, this_cpu_id());
    // The spurious vector, and the 8259s', must not be acknowledged.
    if (vector != VECTOR_SPURIOUS && vector >= VECTOR_DEVICE_FIRST)
        apic_eoi();
}
