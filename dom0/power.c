// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <xen/sched.h>

#include "dom0/power.h"
#include "pvguest/start.h"

void power_off(void)
{
    start_shutdown(SHUTDOWN_poweroff);
}

void power_reboot(void)
{
    start_shutdown(SHUTDOWN_reboot);
}
