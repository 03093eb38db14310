// SPDX-License-Identifier: MIT
// The log: formats a message and hands it to the console as one line.
#include "hypervisor/printk.h"
#include "hypervisor/console.h"
#include "hypervisor/string.h"

#define PREFIX "(PV) "
#define LINE_MAX 480

static enum log_level log_level = LOG_INFO;

void log_set_level(enum log_level level)
{
    log_level = level;
}

// One console_log() call, so that other CPUs do not tear the line.
void vprintk(enum log_level level, const char *format, va_list args)
{
    char line[LINE_MAX] = PREFIX;
    const size_t prefix = sizeof(PREFIX) - 1, room = sizeof(line) - prefix - 1;
    if (level > log_level)
        return;
    size_t length = (size_t)vsnprintf(line + prefix, room, format, args);
    length = prefix + MIN(length, room - 1);
    line[length] = '\n';
    console_log(line, length + 1);
}

void printk(enum log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintk(level, format, args);
    va_end(args);
}
