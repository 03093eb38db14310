# SPDX-License-Identifier: MIT

CONFORMANCE_SRCS += $(wildcard tests/guest/*.c tests/guest/*.S)
ifneq ($(CONFORMANCE_SRCS),)
CONFORMANCE_SRCS += tests/report.c
endif
