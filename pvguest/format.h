// SPDX-License-Identifier: MIT
/* A small printf for places where newlib's cannot be used: start-up, handlers, crash reports. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* %c %s %d %i %u %x %X %p %%, flags 0 and -, width, precision for %s, lengths h l ll z. Writes at
 * most size bytes with the final zero (size > 0), drops what does not fit; returns the length
 * written. */
size_t format_text(char *buffer, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
