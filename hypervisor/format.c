// SPDX-License-Identifier: MIT
// vsnprintf: the integer, string and pointer part of the C library's (hypervisor/printk.h).
#include "hypervisor/printk.h"
#include "hypervisor/string.h"

struct output {
    char *buffer;
    size_t size, length; // length counts what did not fit, too
};

struct spec {
    bool left, zero, alternate, plus, space, upper;
    unsigned width;
    int precision;  // -1: none
    unsigned longs; // number of l; z and t count as one
    unsigned shorts;
};

static void put(struct output *o, char c)
{
    if (o->length + 1 < o->size)
        o->buffer[o->length] = c;
    o->length++;
}

static void pad(struct output *o, char c, unsigned width, size_t used)
{
    for (; used < width; used++)
        put(o, c);
}

static void put_text(struct output *o, const struct spec *s, const char *text)
{
    size_t length;
    if (!text)
        text = "(null)";
    length = s->precision >= 0 ? strnlen(text, (size_t)s->precision) : strlen(text);
    if (!s->left)
        pad(o, ' ', s->width, length);
    for (size_t i = 0; i < length; i++)
        put(o, text[i]);
    if (s->left)
        pad(o, ' ', s->width, length);
}

static void put_number(struct output *o, const struct spec *s, uint64_t value, unsigned base,
                       const char *prefix)
{
    const char *digits = s->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24];
    size_t count = 0, prefix_length = strlen(prefix), zeros = 0;
    while (value != 0) {
        text[count++] = digits[value % base];
        value /= base;
    }
    size_t wanted = s->precision >= 0 ? (size_t)s->precision : 1;
    if (s->zero && !s->left && s->precision < 0 && s->width > prefix_length)
        wanted = MAX(wanted, s->width - prefix_length);
    if (count < wanted)
        zeros = wanted - count;
    if (!s->left)
        pad(o, ' ', s->width, count + zeros + prefix_length);
    for (size_t i = 0; i < prefix_length; i++)
        put(o, prefix[i]);
    pad(o, '0', (unsigned)zeros, 0);
    for (size_t i = count; i-- > 0;)
        put(o, text[i]);
    if (s->left)
        pad(o, ' ', s->width, count + zeros + prefix_length);
}

static const char *parse_flags(const char *f, struct spec *s)
{
    for (;; f++) {
        if (*f == '-')
            s->left = true;
        else if (*f == '0')
            s->zero = true;
        else if (*f == '#')
            s->alternate = true;
        else if (*f == '+')
            s->plus = true;
        else if (*f == ' ')
            s->space = true;
        else
            return f;
    }
}

static const char *parse_width(const char *f, struct spec *s, va_list *args)
{
    if (*f == '*') {
        int width = va_arg(*args, int);
        s->left |= width < 0;
        s->width = (unsigned)(width < 0 ? -width : width);
        f++;
    }
    for (; *f >= '0' && *f <= '9'; f++)
        s->width = s->width * 10 + (unsigned)(*f - '0');
    if (*f != '.')
        return f;
    s->precision = 0;
    f++;
    if (*f == '*') {
        s->precision = va_arg(*args, int);
        return f + 1;
    }
    for (; *f >= '0' && *f <= '9'; f++)
        s->precision = s->precision * 10 + (*f - '0');
    return f;
}

static const char *parse_length(const char *f, struct spec *s)
{
    for (;; f++) {
        if (*f == 'l' || *f == 'z' || *f == 't' || *f == 'j')
            s->longs++;
        else if (*f == 'h')
            s->shorts++;
        else
            return f;
    }
}

static uint64_t take_unsigned(const struct spec *s, va_list *args)
{
    uint64_t value = s->longs ? va_arg(*args, unsigned long) : va_arg(*args, unsigned);
    if (s->shorts)
        value &= s->shorts == 1 ? 0xffff : 0xff;
    return value;
}

static void put_signed(struct output *o, const struct spec *s, va_list *args)
{
    int64_t value = s->longs ? va_arg(*args, long) : va_arg(*args, int);
    const char *sign = value < 0 ? "-" : s->plus ? "+" : s->space ? " " : "";
    put_number(o, s, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, sign);
}

static void put_conversion(struct output *o, char conversion, struct spec *s, va_list *args)
{
    char text[2] = {0};
    uint64_t value;
    switch (conversion) {
    case 'd':
    case 'i':
        put_signed(o, s, args);
        break;
    case 'u':
        put_number(o, s, take_unsigned(s, args), 10, "");
        break;
    case 'o':
        put_number(o, s, take_unsigned(s, args), 8, "");
        break;
    case 'X':
        s->upper = true; // fall through
    case 'x':
        value = take_unsigned(s, args);
        put_number(o, s, value, 16, s->alternate && value ? "0x" : "");
        break;
    case 'p':
        put_number(o, s, (uint64_t)va_arg(*args, void *), 16, "0x");
        break;
    case 'c':
        text[0] = (char)va_arg(*args, int);
        put_text(o, s, text);
        break;
    case 's':
        put_text(o, s, va_arg(*args, const char *));
        break;
    default:
        put(o, conversion);
        break;
    }
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list args)
{
    struct output o = {buffer, size, 0};
    va_list copy;
    va_copy(copy, args);
    for (const char *f = format; *f; f++) {
        struct spec s = {.precision = -1};
        if (*f != '%') {
            put(&o, *f);
            continue;
        }
        f = parse_length(parse_width(parse_flags(f + 1, &s), &s, &copy), &s);
        if (*f == 0)
            break;
        put_conversion(&o, *f, &s, &copy);
    }
    va_end(copy);
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
