// SPDX-License-Identifier: MIT
// The end of the machine: halt, restart, power off.
#include "hypervisor/power.h"
#include "hypervisor/acpi.h"
#include "hypervisor/options.h"
#include "hypervisor/printk.h"
#include "hypervisor/smp.h"
#include "hypervisor/time.h"

#define RESET_CONTROL 0xcf9
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define PM1_SLEEP_ENABLE 0x2000
#define WAIT_US 100000 // for the machine to obey

void power_halt(void)
{
    irq_disable();
    smp_stop_others();
    for (;;)
        cpu_halt();
}

void power_restart(unsigned delay_us)
{
    static const struct descriptor_pointer no_idt;

    if (boot_options.noreboot) {
        log_info("Halted (noreboot).");
        power_halt();
    }
    irq_disable();
    time_delay_us(delay_us);
    if (acpi_info.reset_port)
        out8(acpi_info.reset_port, acpi_info.reset_value);
    time_delay_us(WAIT_US);
    out8(RESET_CONTROL, 0x02);
    out8(RESET_CONTROL, 0x06);
    time_delay_us(WAIT_US);
    out8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    time_delay_us(WAIT_US);
    lidt(&no_idt);
    __asm__ volatile("int3");
    power_halt();
}

void power_off(uint16_t pm1a_control, uint16_t pm1b_control)
{
    irq_disable();
    if (acpi_info.pm1a_control)
        out16(acpi_info.pm1a_control, pm1a_control | PM1_SLEEP_ENABLE);
    if (acpi_info.pm1b_control)
        out16(acpi_info.pm1b_control, pm1b_control | PM1_SLEEP_ENABLE);
    time_delay_us(WAIT_US);
    log_warn("the machine does not power off");
    power_halt();
}
