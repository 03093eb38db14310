// SPDX-License-Identifier: MIT
// Private to the boot code: collecting the memory map and what in it is taken.
#pragma once

#include "hypervisor/boot.h"

// A region of the firmware's map, in any order, overlaps allowed (the higher type wins).
void bootmem_add_region(uint64_t start, uint64_t bytes, enum boot_region_type type);

// The map is complete: sort it, find the free ranges, choose the trampoline page.
void bootmem_init(void);

void bootmem_print(void);

// All RAM is mapped: boot_alloc may use what lies above 4 GiB, too.
void bootmem_use_all(void);
