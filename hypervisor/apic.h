// SPDX-License-Identifier: MIT
// The local APIC (xAPIC by MMIO, x2APIC by MSR when the firmware enabled it) and the masked 8259s.
#pragma once

#include "hypervisor/layout.h"
#include "hypervisor/types.h"

void apic_init(void);       // boot CPU: find, map, enable; mask the 8259s
void apic_init_local(void); // each CPU: enable, timer vector, spurious vector
unsigned apic_id(void);     // of the running CPU

// To one CPU: the fixed interrupt of a vector, or one of these, APIC_STARTUP with the number of a page.
#define APIC_NMI 0x400u
#define APIC_INIT 0x500u
#define APIC_STARTUP 0x600u
void apic_send(unsigned apic_id, uint32_t command);

// The timer counts down from `count` once and interrupts; 0 = off. Not with TSC-deadline mode, but for
// calibration: apic_timer_one_shot() selects counting without an interrupt, apic_init_local() ends it.
void apic_timer_one_shot(void);
void apic_timer_set(uint32_t count);
uint32_t apic_timer_get(void);

// --- Interrupt vectors 0x20..0xff: who handles which. Written at boot and by vector_alloc users, read by
// every interrupt. Exceptions (below 0x20) are not here.

// Handlers run with interrupts off on the interrupted CPU's stack.
typedef void vector_handler(uint8_t vector);

void vector_set_handler(uint8_t vector, vector_handler *handler);

// A free device vector (VECTOR_DEVICE_FIRST..LAST, never 0x80 or 0x82), 0 if there is none; the
// same on all CPUs. It belongs to `handler` until freed.
uint8_t vector_alloc(vector_handler *handler);
void vector_free(uint8_t vector);

// Called by the entry code for each interrupt; acknowledges the local APIC after the handler.
void vector_dispatch(struct cpu_user_regs *regs, uint8_t vector);
