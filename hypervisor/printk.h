// SPDX-License-Identifier: MIT
// The log. Each line starts with "(PV) " and goes to the serial console and to the log ring.
//
// Formats: %d %u %x %s %% with l, # and a width, which is filled with zeros; %.*s. Callable from anywhere,
// interrupts and exceptions included. Lines are not torn by other CPUs.
#pragma once

#include <stdarg.h>
#include <stddef.h>

enum log_level { LOG_NONE, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

// Messages up to `level` are shown; LOG_INFO if nobody says otherwise.
void log_set_level(enum log_level level);

void printk(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void vprintk(enum log_level level, const char *format, va_list args);

#define log_error(...) printk(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) printk(LOG_WARN, __VA_ARGS__)
#define log_info(...) printk(LOG_INFO, __VA_ARGS__)
#define log_debug(...) printk(LOG_DEBUG, __VA_ARGS__)

// As the C library's: the length that the whole text has, always terminated when size > 0.
int snprintf(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int vsnprintf(char *buffer, size_t size, const char *format, va_list args);
