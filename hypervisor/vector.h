// SPDX-License-Identifier: MIT
// Interrupt vectors 0x20..0xff: who handles which. Written at boot and by vector_alloc users, read by
// every interrupt. Exceptions (below 0x20) are not here.
#pragma once

#include "hypervisor/layout.h"
#include "hypervisor/types.h"

// Handlers run with interrupts off on the interrupted CPU's stack.
typedef void vector_handler(uint8_t vector, struct cpu_user_regs *regs);

void vector_set_handler(uint8_t vector, vector_handler *handler);

// A free device vector (VECTOR_DEVICE_FIRST..LAST, never 0x80 or 0x82), 0 if there is none; the
// same on all CPUs. It belongs to `handler` until freed.
uint8_t vector_alloc(vector_handler *handler);
void vector_free(uint8_t vector);

// Called by the entry code for each interrupt; acknowledges the local APIC after the handler.
void vector_dispatch(struct cpu_user_regs *regs, uint8_t vector);
