// SPDX-License-Identifier: MIT
// Interrupts between CPUs: kicks, calls, TLB-flush requests, and the stop of a panic.
//
// A flush request is a ticket: the requester adds one to `flush_requested` of the CPU, the CPU copies
// what it read before flushing to `flush_done`. Several requesters may wait for one flush. The
// increment (release) pairs with the load (acquire) in tlb_flush_serve(): page-table writes made
// before the request are seen by the flush. Everyone who waits here or spins for a lock with
// interrupts off serves requests, so two CPUs that request of each other both go on.
// A call uses one slot for the whole machine, guarded by a LOCK_CALL lock.
#include "hypervisor/apic.h"
#include "hypervisor/lock.h"
#include "hypervisor/panic.h"
#include "hypervisor/smp.h"
#include "hypervisor/tlb.h"

static struct spinlock call_lock = SPINLOCK_INIT(LOCK_CALL);
static struct {
    void (*fn)(void);
    uint64_t todo; // atomic: CPUs that have not finished the call
} call;

static bool is_stopping; // a panic is under way

void cpu_kick(unsigned cpu)
{
    apic_send(cpu_get(cpu)->apic_id, VECTOR_IPI_SOFTIRQ);
}

static void kick_handler(uint8_t vector)
{
    // Nothing to do: the way back looks at the softirqs.
}

// --- TLB flushes

// Interrupts are off: an interrupt between the load and the store would serve a later ticket, which
// the older store would take back.
void tlb_flush_serve(void)
{
    struct cpu *c = this_cpu();
    uint32_t requested = __atomic_load_n(&c->flush_requested, __ATOMIC_ACQUIRE);
    if (requested == c->flush_done)
        return;
    tlb_flush_local();
    __atomic_store_n(&c->flush_done, requested, __ATOMIC_RELEASE);
}

static void flush_handler(uint8_t vector)
{
    tlb_flush_serve();
}

void tlb_flush_request(struct cpumask mask)
{
    uint32_t ticket[HV_MAX_CPUS];
    uint64_t flags = irq_save(); // stays on this CPU, also when called with interrupts on
    unsigned self = this_cpu_id();
    irq_restore(flags);
    CPUMASK_FOR_EACH(id, mask)
    {
        if (id == self)
            continue;
        ticket[id] = __atomic_add_fetch(&cpu_get((unsigned)id)->flush_requested, 1,
                                        __ATOMIC_SEQ_CST);
        apic_send(cpu_get((unsigned)id)->apic_id, VECTOR_IPI_FLUSH);
    }
    if (cpumask_has(mask, self))
        tlb_flush_local();
    CPUMASK_FOR_EACH(waited, mask)
    {
        const uint32_t *done = &cpu_get((unsigned)waited)->flush_done;
        while (waited != self &&
               (int32_t)(__atomic_load_n(done, __ATOMIC_ACQUIRE) - ticket[waited]) < 0) {
            flags = irq_save();
            tlb_flush_serve();
            irq_restore(flags);
            cpu_relax();
        }
    }
}

// --- calls

static void call_handler(uint8_t vector)
{
    uint64_t bit = 1ull << this_cpu_id();
    if (!(__atomic_load_n(&call.todo, __ATOMIC_ACQUIRE) & bit))
        return;
    call.fn();
    __atomic_fetch_and(&call.todo, ~bit, __ATOMIC_RELEASE);
}

void cpu_call(struct cpumask mask, void (*fn)(void))
{
    unsigned self = this_cpu_id();
    struct cpumask others = {mask.bits & ~(1ull << self)};
    ASSERT(irq_enabled());
    spin_lock(&call_lock);
    call.fn = fn;
    __atomic_store_n(&call.todo, others.bits, __ATOMIC_RELEASE); // pairs with call_handler's load
    CPUMASK_FOR_EACH(id, others)
    apic_send(cpu_get((unsigned)id)->apic_id, VECTOR_IPI_CALL);
    if (cpumask_has(mask, self)) {
        irq_disable();
        fn();
        irq_enable();
    }
    while (__atomic_load_n(&call.todo, __ATOMIC_ACQUIRE) != 0)
        cpu_relax();
    spin_unlock(&call_lock);
}

// --- panic

void smp_stop_others(void)
{
    __atomic_store_n(&is_stopping, true, __ATOMIC_SEQ_CST);
    for (unsigned id = 0; id < cpu_count(); id++) {
        if (id != this_cpu_id() && cpu_get(id)->is_online)
            apic_send(cpu_get(id)->apic_id, APIC_NMI);
    }
}

void smp_nmi_stop(void)
{
    if (!__atomic_load_n(&is_stopping, __ATOMIC_ACQUIRE))
        return;
    irq_disable();
    for (;;)
        cpu_halt();
}

void ipi_init(void)
{
    vector_set_handler(VECTOR_IPI_SOFTIRQ, kick_handler);
    vector_set_handler(VECTOR_IPI_FLUSH, flush_handler);
    vector_set_handler(VECTOR_IPI_CALL, call_handler);
}
