// SPDX-License-Identifier: MIT
// The local APIC: one register file, reached by MMIO (xAPIC) or by MSRs (x2APIC) - Intel SDM vol. 3,
// chapter 10. x2APIC is used when the firmware has enabled it, and is never required. The 8259s are
// moved away from the exception vectors and masked for good.
#include "hypervisor/apic.h"
#include "hypervisor/cpu.h"
#include "hypervisor/lock.h"
#include "hypervisor/paging.h"
#include "hypervisor/panic.h"

#define BASE_ENABLE (1ul << 11)
#define BASE_X2APIC (1ul << 10)

enum apic_register {
    APIC_ID = 0x20,
    APIC_VERSION = 0x30,
    APIC_TPR = 0x80,
    APIC_EOI = 0xb0,
    APIC_LDR = 0xd0,
    APIC_SPURIOUS = 0xf0,
    APIC_ESR = 0x280,
    APIC_ICR = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_LVT_ERROR = 0x370,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
};

#define SPURIOUS_ENABLE 0x100u
#define LVT_MASKED 0x10000u
#define LVT_NMI 0x400u
#define LVT_TSC_DEADLINE 0x40000u
#define ICR_BUSY 0x1000u
#define ICR_ASSERT 0x4000u
#define TIMER_DIVIDE_1 0xbu

static volatile uint32_t *mmio;
static bool is_x2apic;

static uint32_t apic_read(enum apic_register r)
{
    return is_x2apic ? (uint32_t)rdmsr(MSR_X2APIC_FIRST + r / 16) : mmio[r / 4];
}

static void apic_write(enum apic_register r, uint32_t value)
{
    if (is_x2apic)
        wrmsr(MSR_X2APIC_FIRST + r / 16, value);
    else
        mmio[r / 4] = value;
}

unsigned apic_id(void)
{
    uint32_t id = apic_read(APIC_ID);
    return is_x2apic ? id : id >> 24;
}

static void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

// The two halves of the command belong together: interrupts are off in between.
void apic_send(unsigned target, uint32_t command)
{
    command |= ICR_ASSERT;
    uint64_t flags = irq_save();
    if (is_x2apic) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST); // an MSR write does not order earlier stores
        wrmsr(MSR_X2APIC_FIRST + APIC_ICR / 16, (uint64_t)target << 32 | command);
    } else {
        while (mmio[APIC_ICR / 4] & ICR_BUSY)
            cpu_relax();
        mmio[APIC_ICR_HIGH / 4] = target << 24;
        mmio[APIC_ICR / 4] = command;
    }
    irq_restore(flags);
}

void apic_timer_set(uint32_t count)
{
    apic_write(APIC_TIMER_INITIAL, count);
}

uint32_t apic_timer_get(void)
{
    return apic_read(APIC_TIMER_CURRENT);
}

// Vectors 0x20..0x2f for the 8259s, should one of them send a spurious interrupt; all lines masked.
static void pic_mask(void)
{
    static const uint16_t init[] = {0x2011, 0x2120, 0x2104, 0x2101, 0x21ff, // port, value
                                    0xa011, 0xa128, 0xa102, 0xa101, 0xa1ff};
    for (unsigned i = 0; i < ARRAY_SIZE(init); i++)
        out8(init[i] >> 8, (uint8_t)init[i]);
}

static void error_handler(uint8_t vector)
{
    apic_write(APIC_ESR, 0);
    log_warn("apic: error %#x on CPU %u", apic_read(APIC_ESR), this_cpu_id());
}

void apic_init_local(void)
{
    if (is_x2apic) // the firmware may have switched the boot CPU only
        wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BASE_ENABLE | BASE_X2APIC);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_LVT_LINT0, LVT_MASKED);
    apic_write(APIC_LVT_LINT1, LVT_NMI);
    apic_write(APIC_LVT_ERROR, VECTOR_APIC_ERROR);
    apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_1);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER | (cpu_features.tsc_deadline ? LVT_TSC_DEADLINE : 0));
}

void apic_timer_one_shot(void)
{
    apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
}

void apic_init(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);
    pic_mask();
    if (!(base & BASE_ENABLE))
        panic("the firmware has switched the local APIC off");
    is_x2apic = base & BASE_X2APIC;
    if (!is_x2apic)
        mmio = ioremap(MADDR(base & PTE_ADDRESS), PAGE_SIZE);
    vector_set_handler(VECTOR_APIC_ERROR, error_handler);
    apic_init_local();
    log_info("Local APIC: id %u, version %#x, %s", apic_id(), apic_read(APIC_VERSION) & 0xff,
             is_x2apic ? "x2APIC" : "xAPIC");
}

// --- handlers by vector. Lock: LOCK_IRQ_LINE guards the choice of free vectors. Dispatch reads the table
// without it: a handler is stored before its vector is programmed anywhere, and freed after it has been
// taken out.

static vector_handler *handlers[256];
static struct spinlock vector_lock = SPINLOCK_INIT(LOCK_IRQ_LINE);

void vector_set_handler(uint8_t vector, vector_handler *handler)
{
    __atomic_store_n(&handlers[vector], handler, __ATOMIC_RELEASE);
}

uint8_t vector_alloc(vector_handler *handler)
{
    uint8_t found = 0;
    uint64_t flags = spin_lock_irqsave(&vector_lock);
    for (unsigned v = VECTOR_DEVICE_FIRST; v <= VECTOR_DEVICE_LAST && !found; v++) {
        if (!handlers[v] && v != 0x80 && v != 0x82)
            found = (uint8_t)v;
    }
    if (found)
        vector_set_handler(found, handler);
    spin_unlock_irqrestore(&vector_lock, flags);
    return found;
}

void vector_free(uint8_t vector)
{
    uint64_t flags = spin_lock_irqsave(&vector_lock);
    vector_set_handler(vector, NULL);
    spin_unlock_irqrestore(&vector_lock, flags);
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
