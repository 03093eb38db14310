// SPDX-License-Identifier: MIT
// Instructions that a guest's values can make fault, with a way out (recover_copy.S).
//
// Each notes its address and its recovery in the .extable section of the image; trap_from_hypervisor()
// looks there. All return false when the instruction faulted.
#pragma once

#include "hypervisor/types.h"

bool recover_copy(void *to, const void *from, size_t bytes); // may have copied a part
bool recover_clear(void *to, size_t bytes);
bool recover_write16(void *to, uint16_t value);

// Load a segment register; the null selector after a fault. recover_load_gs loads GS without
// touching the active GS base: its base goes to the inactive one.
bool recover_load_ds(uint16_t selector);
bool recover_load_es(uint16_t selector);
bool recover_load_fs(uint16_t selector);
bool recover_load_gs(uint16_t selector);

bool recover_rdmsr(uint32_t msr, uint64_t *value);

// The recovery address for a fault at `rip`, or 0.
uint64_t recover_find(uint64_t rip);
