# SPDX-License-Identifier: MIT

HV_SRCS += $(filter-out %/asm_offsets.c,$(wildcard sched/*.c sched/*.S))
