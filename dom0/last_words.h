// SPDX-License-Identifier: MIT
/*
 * How a guest has ended, in its own words: the line of its console that says so. Kernels say it in a line
 * that registers and stacks follow ("PANIC", "STACK OVERFLOW", "EXIT STATUS", "Kernel panic"); without such a line
 * it is the last one. The text is the guest's, and hostile: only printable ASCII is taken over.
 *
 * Pure.
 */
#pragma once

#include <stddef.h>

/* `words` gets what fits, "" if there is no line. */
void last_words(const char *console, size_t length, char *words, size_t size);
