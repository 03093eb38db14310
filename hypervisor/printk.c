// SPDX-License-Identifier: MIT
// The log: formats a message, puts the prefix before each of its lines, hands it to the console.
#include "hypervisor/printk.h"
#include "hypervisor/boot.h"
#include "hypervisor/console.h"
#include "hypervisor/string.h"

#define PREFIX "(PV) "
#define MESSAGE_MAX 480

enum log_level log_level = LOG_INFO;

void log_init(void)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char value[16];
    if (!cmdline_get("loglvl", value, sizeof(value)))
        return;
    if (strcmp(value, "all") == 0)
        log_level = LOG_DEBUG;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(value, names[i]) == 0)
            log_level = (enum log_level)i;
    }
}

// A message becomes one console_log() call, so that other CPUs do not tear it.
void vprintk(enum log_level level, const char *format, va_list args)
{
    char message[MESSAGE_MAX], text[MESSAGE_MAX + 64];
    size_t used = 0;
    if (level > log_level)
        return;
    vsnprintf(message, sizeof(message), format, args);
    for (const char *line = message; *line;) {
        const char *end = strchr(line, '\n');
        size_t length = end ? (size_t)(end - line) : strlen(line);
        if (used + sizeof(PREFIX) + length + 1 > sizeof(text))
            break;
        memcpy(text + used, PREFIX, sizeof(PREFIX) - 1);
        memcpy(text + used + sizeof(PREFIX) - 1, line, length);
        used += sizeof(PREFIX) - 1 + length;
        text[used++] = '\n';
        line += length + (end ? 1 : 0);
    }
    console_log(text, used);
}

void printk(enum log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintk(level, format, args);
    va_end(args);
}
