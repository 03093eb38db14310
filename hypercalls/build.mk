# SPDX-License-Identifier: MIT

HV_SRCS += $(filter-out %/asm_offsets.c,$(wildcard hypercalls/*.c hypercalls/*.S))
