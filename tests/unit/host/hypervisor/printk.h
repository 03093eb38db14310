// SPDX-License-Identifier: MIT
// Host stand-in for hypervisor/printk.h: the log goes to stderr when HOST_LOG is in the environment.
#pragma once

#include <stdarg.h>
#include <stdio.h>

enum log_level { LOG_NONE, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void printk(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) printk(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) printk(LOG_WARN, __VA_ARGS__)
#define log_info(...) printk(LOG_INFO, __VA_ARGS__)
#define log_debug(...) printk(LOG_DEBUG, __VA_ARGS__)
