// SPDX-License-Identifier: MIT
// IO-APICs (Intel 82093AA data sheet). See ioapic.h.
//
// Lock: LOCK_IRQ_LINE, interrupts off, a leaf: index and data register are used as a pair, also from
// interrupt handlers.
#include "hypervisor/ioapic.h"
#include "hypervisor/access.h"
#include "hypervisor/acpi.h"
#include "hypervisor/lock.h"
#include "hypervisor/panic.h"
#include "hypervisor/paging.h"
#include "hypervisor/printk.h"

#define REGISTER_SELECT 0x00
#define REGISTER_DATA 0x10
#define INDEX_VERSION 1
#define INDEX_REDIRECTION 0x10 // two registers a line
#define ENTRY_LOW_ACTIVE (1u << 13)
#define ENTRY_LEVEL (1u << 15)
#define ENTRY_MASKED (1u << 16)
#define DESTINATION_SHIFT 24

#define MADT_POLARITY_MASK 3
#define MADT_POLARITY_LOW 3
#define MADT_TRIGGER_MASK (3 << 2)
#define MADT_TRIGGER_LEVEL (3 << 2)

struct ioapic {
    volatile uint8_t *base;
    uint64_t address;
    unsigned first_gsi, lines;
};

static struct ioapic ioapics[ACPI_MAX_IOAPICS];
static unsigned ioapic_count;
static struct spinlock lock = SPINLOCK_INIT(LOCK_IRQ_LINE);

static uint32_t reg_read(const struct ioapic *io, unsigned index)
{
    *(volatile uint32_t *)(io->base + REGISTER_SELECT) = index;
    return *(volatile uint32_t *)(io->base + REGISTER_DATA);
}

static void reg_write(const struct ioapic *io, unsigned index, uint32_t value)
{
    *(volatile uint32_t *)(io->base + REGISTER_SELECT) = index;
    *(volatile uint32_t *)(io->base + REGISTER_DATA) = value;
}

static const struct ioapic *find(unsigned gsi, unsigned *line)
{
    for (unsigned i = 0; i < ioapic_count; i++) {
        const struct ioapic *io = &ioapics[i];
        if (gsi >= io->first_gsi && gsi - io->first_gsi < io->lines) {
            *line = gsi - io->first_gsi;
            return io;
        }
    }
    return NULL;
}

void ioapic_init(void)
{
    for (unsigned i = 0; i < acpi_info.ioapic_count; i++) {
        struct ioapic *io = &ioapics[ioapic_count];
        io->address = acpi_info.ioapic[i].address;
        io->first_gsi = acpi_info.ioapic[i].gsi_base;
        // Before anything else, and whether we can use it or not: dom0 has access to all other device memory.
        BUG_ON(access_protect_iomem(io->address >> PAGE_SHIFT, io->address >> PAGE_SHIFT));
        io->base = ioremap(MADDR(io->address), PAGE_SIZE);
        if (!io->base) {
            log_warn("IO-APIC at %#lx cannot be mapped", io->address);
            continue;
        }
        io->lines = (reg_read(io, INDEX_VERSION) >> 16 & 0xff) + 1;
        for (unsigned line = 0; line < io->lines; line++)
            reg_write(io, INDEX_REDIRECTION + 2 * line, ENTRY_MASKED);
        ioapic_count++;
    }
}

unsigned ioapic_gsi_count(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ioapic_count; i++)
        count = MAX(count, ioapics[i].first_gsi + ioapics[i].lines);
    return count;
}

bool ioapic_route(unsigned gsi, const struct ioapic_route *route)
{
    unsigned line;
    const struct ioapic *io = find(gsi, &line);

    if (!io)
        return false;
    uint32_t entry = route->vector | ENTRY_MASKED | (route->is_level ? ENTRY_LEVEL : 0) |
                     (route->is_low ? ENTRY_LOW_ACTIVE : 0);
    uint64_t flags = spin_lock_irqsave(&lock);
    reg_write(io, INDEX_REDIRECTION + 2 * line, entry);
    reg_write(io, INDEX_REDIRECTION + 2 * line + 1, (uint32_t)route->apic_id << DESTINATION_SHIFT);
    spin_unlock_irqrestore(&lock, flags);
    return true;
}

void ioapic_set_masked(unsigned gsi, bool masked)
{
    unsigned line;
    const struct ioapic *io = find(gsi, &line);

    if (!io)
        return;
    uint64_t flags = spin_lock_irqsave(&lock);
    uint32_t entry = reg_read(io, INDEX_REDIRECTION + 2 * line);
    entry = masked ? entry | ENTRY_MASKED : entry & ~ENTRY_MASKED;
    reg_write(io, INDEX_REDIRECTION + 2 * line, entry);
    spin_unlock_irqrestore(&lock, flags);
}

unsigned ioapic_isa_gsi(unsigned isa_irq, struct ioapic_route *route)
{
    route->is_level = route->is_low = false;
    for (unsigned i = 0; i < acpi_info.override_count; i++) {
        const struct acpi_override *o = &acpi_info.override[i];
        if (o->source != isa_irq)
            continue;
        route->is_low = (o->flags & MADT_POLARITY_MASK) == MADT_POLARITY_LOW;
        route->is_level = (o->flags & MADT_TRIGGER_MASK) == MADT_TRIGGER_LEVEL;
        return o->gsi;
    }
    return isa_irq;
}

bool ioapic_read_register(uint64_t address, unsigned index, uint32_t *value)
{
    for (unsigned i = 0; i < ioapic_count; i++) {
        if (ioapics[i].address != address)
            continue;
        uint64_t flags = spin_lock_irqsave(&lock);
        *value = reg_read(&ioapics[i], index);
        spin_unlock_irqrestore(&lock, flags);
        return true;
    }
    return false;
}
