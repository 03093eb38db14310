// SPDX-License-Identifier: MIT
// Memory and string functions, as in the C library.
#pragma once

#include "hypervisor/types.h"

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strncmp(const char *a, const char *b, size_t max);
size_t strlcpy(char *to, const char *from, size_t size);
