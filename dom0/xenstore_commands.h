// SPDX-License-Identifier: MIT
/*
 * The xenstore-* commands: ls, read, write, rm, list, exists, chmod, watch, with the options of
 * Xen's own that make sense without files.
 */
#pragma once

#include <stdbool.h>

/* True if argv[0] is one of them; then *status is its exit status. */
bool xenstore_command(int argc, char **argv, int *status);
