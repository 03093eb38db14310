// SPDX-License-Identifier: MIT
// vsnprintf: the part of the C library's that the log needs (hypervisor/printk.h).
#include "hypervisor/printk.h"
#include "hypervisor/string.h"

struct output {
    char *buffer;
    size_t size, length; // length counts what did not fit, too
};

static void put(struct output *o, char c)
{
    if (o->length + 1 < o->size)
        o->buffer[o->length] = c;
    o->length++;
}

static void put_text(struct output *o, const char *text, size_t max)
{
    for (; max > 0 && *text; max--)
        put(o, *text++);
}

// Zeros between prefix and digits make up for what is missing to `width`.
static void put_number(struct output *o, uint64_t value, unsigned base, const char *prefix,
                       size_t width)
{
    char digits[24];
    size_t count = 0, prefix_length = strlen(prefix);

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    put_text(o, prefix, prefix_length);
    for (size_t used = count + prefix_length; used < width; used++)
        put(o, '0');
    while (count > 0)
        put(o, digits[--count]);
}

int vsnprintf(char *buffer, size_t size, const char *f, va_list args)
{
    struct output o = {buffer, size, 0};

    for (; *f; f++) {
        bool is_alternate = false, is_long = false;
        size_t width = 0, max = SIZE_MAX;
        uint64_t value;
        if (*f != '%') {
            put(&o, *f);
            continue;
        }
        for (f++; *f == '#'; f++)
            is_alternate = true;
        for (; *f >= '0' && *f <= '9'; f++)
            width = width * 10 + (size_t)(*f - '0');
        if (f[0] == '.' && f[1] == '*') {
            max = va_arg(args, unsigned);
            f += 2;
        }
        for (; *f == 'l'; f++)
            is_long = true;
        switch (*f) {
        case 's':
            put_text(&o, va_arg(args, const char *), max);
            break;
        case 'd':
            value = (uint64_t)(is_long ? va_arg(args, long) : va_arg(args, int));
            put_number(&o, (int64_t)value < 0 ? -value : value, 10, (int64_t)value < 0 ? "-" : "",
                       width);
            break;
        case 'u':
        case 'x':
            value = is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned);
            put_number(&o, value, *f == 'x' ? 16 : 10, is_alternate && value ? "0x" : "", width);
            break;
        default:
            put(&o, *f);
        }
    }
    if (size > 0)
        buffer[MIN(o.length, size - 1)] = 0;
    return (int)o.length;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(buffer, size, format, args);
    va_end(args);
    return length;
}
