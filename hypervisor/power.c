// SPDX-License-Identifier: MIT
// Restart, halt, power off. See power.h.
#include "hypervisor/power.h"
#include "hypervisor/acpi.h"
#include "hypervisor/asm.h"
#include "hypervisor/boot.h"
#include "hypervisor/printk.h"

#define PM1_SLEEP_ENABLE 0x2000

void power_halt(void)
{
    machine_halt();
}

void power_restart(void)
{
    if (cmdline_get_bool("noreboot", false)) {
        log_info("noreboot: the machine is halted\n");
        machine_halt();
    }
    machine_reboot();
}

void power_off(uint16_t pm1a_control, uint16_t pm1b_control)
{
    irq_disable();
    if (acpi_info.pm1a_control)
        out16(acpi_info.pm1a_control, pm1a_control | PM1_SLEEP_ENABLE);
    if (acpi_info.pm1b_control)
        out16(acpi_info.pm1b_control, pm1b_control | PM1_SLEEP_ENABLE);
    machine_delay_us(100000);
    log_warn("the machine does not power off\n");
    machine_halt();
}
