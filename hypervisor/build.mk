# SPDX-License-Identifier: MIT

HV_SRCS += $(filter-out %/asm_offsets.c,$(wildcard hypervisor/*.c hypervisor/*.S))
