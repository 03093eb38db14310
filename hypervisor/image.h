// SPDX-License-Identifier: MIT
// Symbols of the link script and of the boot code.
#pragma once

#include "hypervisor/types.h"

extern char image_start[], image_end[];
extern char text_start[], text_end[], entry_text_start[], entry_text_end[];
extern char rodata_start[], rodata_end[], data_start[];
extern char symbols_start[], symbols_end[];
extern char build_id_start[], build_id_end[]; // the linker's note (gABI, "Note Section")
extern uint64_t boot_l4[];
extern char trampoline_start[], trampoline_end[], trampoline_parameters[];
