// SPDX-License-Identifier: MIT
/* The machine's power switch: ACPI's sleep state S5 where it can be reached, else what the
 * hypervisor makes of a dom0 that stops. */
#pragma once

_Noreturn void power_off(void);
_Noreturn void power_reboot(void);
