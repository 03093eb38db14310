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

// --- The end of the machine: reboot and halt. Power-off goes through ACPI by dom0.

// Tries the ACPI reset register, port 0xcf9, the keyboard controller, then a triple fault.
void machine_reboot(void) __attribute__((noreturn));

// Stop all CPUs.
void machine_halt(void) __attribute__((noreturn));

// Busy wait that works before time is calibrated, too.
void machine_delay_us(unsigned us);
