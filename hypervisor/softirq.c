// SPDX-License-Identifier: MIT
// Softirqs: one word of pending bits a CPU, one handler a bit (hypervisor/softirq.h).
//
// A bit is cleared before its handler runs, so whoever raises it again afterwards is served again.
#include "hypervisor/panic.h"
#include "hypervisor/smp.h"

static void (*handlers[SOFTIRQ_COUNT])(void);

void softirq_register(enum softirq s, void (*handler)(void))
{
    handlers[s] = handler;
}

void softirq_raise_here(enum softirq s)
{
    __atomic_fetch_or(&this_cpu()->softirq_pending, 1u << s, __ATOMIC_RELEASE);
}

void softirq_raise(unsigned cpu, enum softirq s)
{
    uint32_t bit = 1u << s;
    uint32_t old = __atomic_fetch_or(&cpu_get(cpu)->softirq_pending, bit, __ATOMIC_SEQ_CST);
    if (!(old & bit) && cpu != this_cpu_id())
        cpu_kick(cpu);
}

void softirq_process(void)
{
    uint32_t *pending = &this_cpu()->softirq_pending, now;
    while ((now = __atomic_load_n(pending, __ATOMIC_ACQUIRE)) != 0) {
        unsigned s = (unsigned)__builtin_ctz(now);
        __atomic_fetch_and(pending, ~(1u << s), __ATOMIC_ACQ_REL);
        ASSERT(irq_enabled());
        if (handlers[s])
            handlers[s]();
    }
}
