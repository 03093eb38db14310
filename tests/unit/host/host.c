// SPDX-License-Identifier: MIT
// What the host stand-ins of this folder need behind them. Linked into every unit test of a
// hypervisor core; see tests/unit/host/hypervisor/*.h.
#include "hypervisor/cpu.h"
#include "hypervisor/lock.h"
#include "hypervisor/panic.h"
#include "hypervisor/printk.h"
#include "hypervisor/string.h"
#include <stdlib.h>

struct cpu cpu_table[HV_MAX_CPUS];
HOST_PER_THREAD unsigned host_cpu_current;
unsigned host_cpu_count = 1;
HOST_PER_THREAD struct vcpu *host_vcpu_current;
bool host_has_threads;
void (*host_irq_changed)(bool is_off);

static void (*softirq_handlers[SOFTIRQ_COUNT])(void);

void softirq_register(enum softirq s, void (*handler)(void))
{
    softirq_handlers[s] = handler;
}

void softirq_process(void)
{
    for (unsigned s = 0; s < SOFTIRQ_COUNT; s++) {
        if (!(this_cpu()->softirq_pending >> s & 1))
            continue;
        this_cpu()->softirq_pending &= ~(1u << s);
        if (softirq_handlers[s])
            softirq_handlers[s]();
    }
}

void softirq_raise_here(enum softirq s)
{
    this_cpu()->softirq_pending |= 1u << s;
}

void softirq_raise(unsigned cpu, enum softirq s)
{
    cpu_table[cpu].softirq_pending |= 1u << s;
}

void panic(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

void printk(enum log_level level, const char *format, ...)
{
    va_list args;
    (void)level;
    if (!getenv("HOST_LOG"))
        return;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
}

static void lock_take(struct spinlock *l, bool second)
{
    for (unsigned rank = l->rank + (second ? 1u : 0u); rank < LOCK_RANK_COUNT; rank++)
        ASSERT(this_cpu()->locks_held[rank] == 0);
    while (__atomic_exchange_n(&l->is_held, true, __ATOMIC_ACQUIRE))
        ASSERT(host_has_threads);
    this_cpu()->locks_held[l->rank]++;
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
    if (__atomic_exchange_n(&l->is_held, true, __ATOMIC_ACQUIRE))
        return false;
    this_cpu()->locks_held[l->rank]++;
    return true;
}

void spin_unlock(struct spinlock *l)
{
    ASSERT(spin_is_locked(l));
    ASSERT(this_cpu()->locks_held[l->rank] > 0);
    this_cpu()->locks_held[l->rank]--;
    __atomic_store_n(&l->is_held, false, __ATOMIC_RELEASE);
}

uint64_t spin_lock_irqsave(struct spinlock *l)
{
    lock_take(l, false);
    return 0;
}

void spin_unlock_irqrestore(struct spinlock *l, uint64_t flags)
{
    (void)flags;
    spin_unlock(l);
}

bool spin_is_locked(const struct spinlock *l)
{
    return __atomic_load_n(&l->is_held, __ATOMIC_RELAXED);
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);
    if (size > 0) {
        size_t n = length < size ? length : size - 1;
        memcpy(to, from, n);
        to[n] = 0;
    }
    return length;
}
