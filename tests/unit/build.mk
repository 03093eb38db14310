# SPDX-License-Identifier: MIT
# Host tests. For each: UNIT_TESTS += NAME, UNIT_NAME_SRCS := its sources and those under test,
# and if wanted UNIT_NAME_CFLAGS. The program becomes build/unit/NAME.
