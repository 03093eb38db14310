# SPDX-License-Identifier: MIT

HV_SRCS += $(filter-out %/asm_offsets.c,$(wildcard event/*.c event/*.S))
