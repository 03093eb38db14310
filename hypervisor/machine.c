// SPDX-License-Identifier: MIT
// Rebooting and halting the PC.
#include "hypervisor/power.h"
#include "hypervisor/acpi.h"
#include "hypervisor/smp.h"
#include "hypervisor/time.h"

#define RESET_CONTROL 0xcf9
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define ADDRESS_SPACE_IO 1
#define DELAY_PORT 0x80 // a write takes about a microsecond on the bus

void machine_delay_us(unsigned us)
{
    if (time_tsc_khz() != 0) {
        time_delay_us(us);
        return;
    }
    while (us-- > 0)
        out8(DELAY_PORT, 0);
}

void machine_halt(void)
{
    irq_disable();
    smp_stop_others();
    for (;;)
        cpu_halt();
}

void machine_reboot(void)
{
    static const struct descriptor_pointer no_idt = {0, 0};
    irq_disable();
    if (acpi_info.has_reset_register && acpi_info.reset_space == ADDRESS_SPACE_IO)
        out8((uint16_t)acpi_info.reset_address, acpi_info.reset_value);
    machine_delay_us(10000);
    out8(RESET_CONTROL, 0x02);
    out8(RESET_CONTROL, 0x06);
    machine_delay_us(10000);
    out8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    machine_delay_us(10000);
    lidt(&no_idt);
    __asm__ volatile("int3");
    for (;;)
        cpu_halt();
}
