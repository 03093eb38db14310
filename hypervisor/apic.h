// SPDX-License-Identifier: MIT
// The local APIC (xAPIC by MMIO, x2APIC by MSR when the firmware enabled it) and the masked 8259s.
#ifndef HYPERVISOR_APIC_H
#define HYPERVISOR_APIC_H

#include "hypervisor/types.h"

void apic_init(void);       // boot CPU: find, map, enable; mask the 8259s
void apic_init_local(void); // each CPU: enable, timer vector, spurious vector
unsigned apic_id(void);     // of the running CPU
void apic_eoi(void);

// Fixed interrupt `vector`, INIT, or start-up IPI at page `page` (SIPI), to one CPU.
void apic_send(unsigned apic_id, uint8_t vector);
void apic_send_nmi(unsigned apic_id);
void apic_send_init(unsigned apic_id);
void apic_send_startup(unsigned apic_id, uint8_t page);

// One-shot timer in the units given by apic_timer_calibrated(): initial count, 0 = off.
void apic_timer_set(uint32_t count);
uint32_t apic_timer_get(void);

#define APIC_DEFAULT_BASE 0xfee00000

#endif
