// SPDX-License-Identifier: MIT
// What happens to the machine when dom0 ends.
#pragma once

#include <stdint.h>

// Restart, or, with `noreboot` on the command line, halt.
void power_restart(void) __attribute__((noreturn));

// Halt all CPUs, power stays on.
void power_halt(void) __attribute__((noreturn));

// ACPI S5. The values come from dom0, which can read the tables' byte code (the \_S5 package).
void power_off(uint16_t pm1a_control, uint16_t pm1b_control) __attribute__((noreturn));
