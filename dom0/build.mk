# SPDX-License-Identifier: MIT

DOM0_SRCS += $(wildcard dom0/*.c dom0/*.S) tools/xl/xl_config.c tools/xl/xl_device.c
