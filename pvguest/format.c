// SPDX-License-Identifier: MIT
/* The small printf of format.h. No state, no allocation. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "pvguest/format.h"

struct output {
    char *at, *end; /* one byte before the end stays free for the zero */
};

struct spec {
    bool left, zero;
    int width, precision; /* -1: none */
    int longs;
};

static void put(struct output *out, char c)
{
    if (out->at < out->end) {
        *out->at++ = c;
    }
}

static void put_padded(struct output *out, const struct spec *spec, const char *text, size_t length)
{
    size_t width = spec->width > 0 ? (size_t)spec->width : 0;
    size_t padding = width > length ? width - length : 0;
    bool zero = spec->zero && !spec->left;

    if (zero && length > 0 && *text == '-') {
        put(out, *text++);
        length--;
    }
    for (; !spec->left && padding > 0; padding--) {
        put(out, zero ? '0' : ' ');
    }
    for (; length > 0; length--) {
        put(out, *text++);
    }
    for (; padding > 0; padding--) {
        put(out, ' ');
    }
}

static void put_number(struct output *out, const struct spec *spec, uint64_t value, bool negative,
                       unsigned int base, bool upper)
{
    char digits[24];
    char *at = &digits[sizeof(digits)];
    const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";

    do {
        *--at = alphabet[value % base];
        value /= base;
    } while (value != 0);
    if (negative) {
        *--at = '-';
    }
    put_padded(out, spec, at, (size_t)(&digits[sizeof(digits)] - at));
}

static int parse_number(const char **format, va_list *args)
{
    int n = 0;
    if (**format == '*') {
        (*format)++;
        return va_arg(*args, int);
    }
    while (**format >= '0' && **format <= '9') {
        n = n * 10 + *(*format)++ - '0';
    }
    return n;
}

static struct spec parse_spec(const char **format, va_list *args)
{
    struct spec spec = {.precision = -1};
    for (;; (*format)++) {
        if (**format == '-') {
            spec.left = true;
        } else if (**format == '0') {
            spec.zero = true;
        } else if (**format != '#' && **format != '+' && **format != ' ') {
            break;
        }
    }
    spec.width = parse_number(format, args);
    if (**format == '.') {
        (*format)++;
        spec.precision = parse_number(format, args);
    }
    for (; **format == 'l' || **format == 'z' || **format == 'h' || **format == 'j'; (*format)++) {
        spec.longs += **format != 'h';
    }
    return spec;
}

static void put_conversion(struct output *out, char conversion, const struct spec *spec,
                           va_list *args)
{
    const char *text;
    size_t length;
    int64_t value;
    char c;

    switch (conversion) {
    case 'c':
        c = (char)va_arg(*args, int);
        put_padded(out, spec, &c, 1);
        break;
    case 's':
        text = va_arg(*args, const char *);
        text = text == NULL ? "(null)" : text;
        length = spec->precision >= 0 ? strnlen(text, (size_t)spec->precision) : strlen(text);
        put_padded(out, spec, text, length);
        break;
    case 'd':
    case 'i':
        value = spec->longs > 0 ? va_arg(*args, long) : va_arg(*args, int);
        put_number(out, spec, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0, 10, false);
        break;
    case 'u':
    case 'x':
    case 'X':
        put_number(out, spec,
                   spec->longs > 0 ? va_arg(*args, unsigned long) : va_arg(*args, unsigned int),
                   false, conversion == 'u' ? 10 : 16, conversion == 'X');
        break;
    case 'p':
        put(out, '0');
        put(out, 'x');
        put_number(out, spec, va_arg(*args, unsigned long), false, 16, false);
        break;
    default: /* "%%" and what we do not know */
        put(out, conversion);
        break;
    }
}

size_t format_text(char *buffer, size_t size, const char *format, va_list args)
{
    struct output out = {buffer, buffer + size - 1};
    va_list copy;

    va_copy(copy, args);
    while (*format != '\0') {
        if (*format != '%') {
            put(&out, *format++);
            continue;
        }
        format++;
        struct spec spec = parse_spec(&format, &copy);
        if (*format != '\0') {
            put_conversion(&out, *format++, &spec, &copy);
        }
    }
    va_end(copy);
    *out.at = '\0';
    return (size_t)(out.at - buffer);
}
