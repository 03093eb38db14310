# SPDX-License-Identifier: MIT

CONFORMANCE_SRCS += $(wildcard tests/guest/*.c tests/guest/*.S)
