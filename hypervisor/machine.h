// SPDX-License-Identifier: MIT
// The end of the machine: halt, restart.
#ifndef HYPERVISOR_MACHINE_H
#define HYPERVISOR_MACHINE_H

// Stop all CPUs for good.
void machine_halt(void) __attribute__((noreturn));

// Restart by the ACPI reset register, the keyboard controller or a triple fault; with `noreboot` on
// the command line, halt instead.
void machine_restart(void) __attribute__((noreturn));

// Enter ACPI S5 with the values that dom0 read from the tables (platform_op enter_acpi_sleep).
void machine_power_off(unsigned pm1a_value, unsigned pm1b_value) __attribute__((noreturn));

#endif
