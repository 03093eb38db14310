# SPDX-License-Identifier: MIT
# Host tests. For each: UNIT_TESTS += NAME, UNIT_NAME_SRCS := its sources and those under test,
# and if wanted UNIT_NAME_CFLAGS. The program becomes build/unit/NAME. tests/report.c is linked into
# each: main() returns report_run("NAME", cases, count) and prints what tests/run.py reads.
