# SPDX-License-Identifier: MIT

CONFORMANCE_SRCS += $(wildcard tests/guest/*.c tests/guest/*.S)
ifneq ($(CONFORMANCE_SRCS),)
# With dom0's domain builder: the pair suites make domUs of the same image.
CONFORMANCE_SRCS += tests/report.c dom0/domctl.c dom0/guest_build.c dom0/guest_image.c dom0/guest_layout.c
endif
