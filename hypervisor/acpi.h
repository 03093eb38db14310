// SPDX-License-Identifier: MIT
// The ACPI tables that the hypervisor itself needs: MADT (CPUs, IO-APICs, overrides) and FADT.
// Everything else is dom0's business. Tables are untrusted in length, checked by checksum.
#pragma once

#include "hypervisor/layout.h"
#include "hypervisor/types.h"

#define ACPI_MAX_IOAPICS 8
#define ACPI_MAX_OVERRIDES 24

struct acpi_ioapic {
    uint32_t id, address, gsi_base;
};

// ISA interrupt `source` arrives at `gsi`; flags as in the MADT (bits 0-1 polarity, 2-3 trigger).
struct acpi_override {
    uint8_t source;
    uint16_t flags;
    uint32_t gsi;
};

struct acpi_info {
    uint32_t lapic_address;
    unsigned cpu_count, ioapic_count, override_count;
    uint32_t cpu_apic_id[HV_MAX_CPUS];
    struct acpi_ioapic ioapic[ACPI_MAX_IOAPICS];
    struct acpi_override override[ACPI_MAX_OVERRIDES];
    // FADT
    uint16_t pm1a_control, pm1b_control, pm_timer;
    uint16_t reset_port; // 0: none
    uint8_t reset_value;
};
extern struct acpi_info acpi_info;

void acpi_init(void);
