// SPDX-License-Identifier: MIT
// The end of the machine.
#pragma once

#include <stdint.h>

// Stop all CPUs; power stays on.
void power_halt(void) __attribute__((noreturn));

// Restart after a while: the ACPI reset register, port 0xcf9, the keyboard controller, then a triple
// fault. With `noreboot` on the command line, halt.
void power_restart(unsigned delay_us) __attribute__((noreturn));

// ACPI S5. The values come from dom0, which can read the tables' byte code (the \_S5 package).
void power_off(uint16_t pm1a_control, uint16_t pm1b_control) __attribute__((noreturn));
