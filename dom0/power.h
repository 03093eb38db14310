// SPDX-License-Identifier: MIT
/* The machine's power switch: ACPI's sleep state S5 where it can be reached, else what the
 * hypervisor makes of a dom0 that stops. */
#ifndef DOM0_POWER_H
#define DOM0_POWER_H

_Noreturn void power_off(void);
_Noreturn void power_reboot(void);

#endif
