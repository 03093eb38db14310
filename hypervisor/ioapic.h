// SPDX-License-Identifier: MIT
// IO-APICs: routing of global system interrupts (GSIs) to vectors.
#pragma once

#include "hypervisor/types.h"

struct ioapic_route {
    uint8_t vector;
    uint8_t apic_id;
    bool is_level, is_low; // trigger and polarity
};

// Map all IO-APICs of the MADT, mask every line, and keep guests from writing to them.
void ioapic_init(void);

// One more than the highest GSI; 0 without IO-APIC.
unsigned ioapic_gsi_count(void);

// Program a line; it stays masked. False if there is no such line.
bool ioapic_route(unsigned gsi, const struct ioapic_route *route);
void ioapic_set_masked(unsigned gsi, bool masked);

// The GSI of an ISA interrupt line, and its trigger and polarity in *route.
unsigned ioapic_isa_gsi(unsigned isa_irq, struct ioapic_route *route);

// Register access for physdev_op: `address` is the IO-APIC's machine address. False if there is none.
bool ioapic_read_register(uint64_t address, unsigned index, uint32_t *value);
