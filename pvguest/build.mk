# SPDX-License-Identifier: MIT

PVGUEST_SRCS += $(filter-out %/asm_offsets.c,$(wildcard pvguest/*.c pvguest/*.S))
