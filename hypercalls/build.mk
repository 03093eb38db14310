# SPDX-License-Identifier: MIT

HV_SRCS += $(filter-out %/asm_offsets.c $(HV_WAITING),$(wildcard hypercalls/*.c hypercalls/*.S))
