# SPDX-License-Identifier: MIT

DOM0_SRCS += $(wildcard dom0/*.c dom0/*.S) $(wildcard tools/xl/*.c)
