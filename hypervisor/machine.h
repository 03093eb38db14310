// SPDX-License-Identifier: MIT
// The end of the machine: reboot and halt. Power-off goes through ACPI by dom0.
#pragma once

// Tries the ACPI reset register, port 0xcf9, the keyboard controller, then a triple fault.
void machine_reboot(void) __attribute__((noreturn));

// Stop all CPUs.
void machine_halt(void) __attribute__((noreturn));

// Busy wait that works before time is calibrated, too.
void machine_delay_us(unsigned us);
