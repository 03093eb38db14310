// SPDX-License-Identifier: MIT
// The steps of the boot that other files continue with.
#pragma once

#include "hypervisor/types.h"

// From boot.S: on the first stack and the boot tables, interrupts off.
void boot_main(uint32_t magic, uint64_t info, uint64_t load_address) __attribute__((noreturn));

// Every other CPU, set up and online, interrupts off: becomes its idle vcpu.
void cpu_main(void) __attribute__((noreturn));
