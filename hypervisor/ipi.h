// SPDX-License-Identifier: MIT
// Set-up of the interrupts between CPUs; their users include hypervisor/smp.h.
#pragma once

void ipi_init(void);

// The NMI handler calls this first: does not return while a panic stops the machine.
void smp_nmi_stop(void);
