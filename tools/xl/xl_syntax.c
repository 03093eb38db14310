// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xl/xl_syntax.h"

struct reader {
    struct xl_memory *memory;
    const char *file;
    const char *next, *end;
    struct xl_position at; /* of *next */
    struct xl_messages *messages;
    struct xl_setting *settings, **tail;
};

bool xl_say(struct xl_messages *messages, const char *file, struct xl_position at,
            const char *format, ...)
{
    char text[400], line[560];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (at.line) {
        snprintf(line, sizeof(line), "%.100s:%u:%u: %s", file, at.line, at.column, text);
    } else {
        snprintf(line, sizeof(line), "%.100s: %s", file, text);
    }
    messages->print(messages, line);
    return false;
}

#define fail(r, at, format, ...)                                                                   \
    xl_say((r)->messages, (r)->file, (at), "error: " format __VA_OPT__(, ) __VA_ARGS__)

static void *take_memory(struct reader *r, size_t size)
{
    void *memory = xl_alloc(r->memory, size);

    if (!memory) {
        fail(r, r->at, "there is no memory for the configuration");
    }
    return memory;
}

static int peek(const struct reader *r)
{
    return r->next < r->end ? (unsigned char)*r->next : -1;
}

static int take(struct reader *r)
{
    int c = peek(r);

    if (c == '\n') {
        r->at.line++;
        r->at.column = 1;
    } else {
        r->at.column++;
    }
    r->next += c >= 0;
    return c;
}

/* Blanks and comments; newlines too if `lines`. */
static void skip(struct reader *r, bool lines)
{
    for (;;) {
        int c = peek(r);
        if (c == '#') {
            while (peek(r) >= 0 && peek(r) != '\n') {
                take(r);
            }
        } else if (c == ' ' || c == '\t' || c == '\r' || (lines && c == '\n')) {
            take(r);
        } else {
            return;
        }
    }
}

/* A few printable words for what stands at the next character. */
static const char *seen(const struct reader *r)
{
    static char text[12];
    int c = peek(r);

    if (c < 0) {
        return "end of file";
    }
    if (c == '\n') {
        return "end of line";
    }
    snprintf(text, sizeof(text), c > 32 && c < 127 ? "'%c'" : "byte 0x%02x", c);
    return text;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_number(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || c == 'x';
}

static bool is_key(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '.' || c == '_';
}

/* The run of such characters at the next one, as a string; NULL after a message. */
static char *run_read(struct reader *r, bool (*is_part)(int c))
{
    const char *start = r->next;
    char *text;

    while (is_part(peek(r))) {
        take(r);
    }
    text = take_memory(r, (size_t)(r->next - start) + 1);
    if (text) {
        memcpy(text, start, (size_t)(r->next - start));
    }
    return text;
}

/* Up to `most` digits of a base; -1: none. */
static int digits_read(struct reader *r, unsigned int most, unsigned int base)
{
    unsigned int count = 0, value = 0;

    for (; count < most; count++) {
        int c = peek(r) | 0x20;
        unsigned int digit = is_digit(peek(r))      ? (unsigned int)peek(r) - '0'
                             : c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a') + 10
                                                    : 99;
        if (digit >= base) {
            break;
        }
        value = value * base + digit;
        take(r);
    }
    return count ? (int)(value & 0xff) : -1;
}

/* What stands behind a backslash; -1: nothing known. */
static int escape_read(struct reader *r)
{
    static const char letters[] = "abfnrtv\\\"'", meant[] = "\a\b\f\n\r\t\v\\\"'";
    const char *letter;
    int c = peek(r);

    if (c >= '0' && c <= '7') {
        return digits_read(r, 3, 8);
    }
    if (c <= 0) {
        return -1;
    }
    letter = strchr(letters, c);
    take(r);
    if (c == 'x') {
        return digits_read(r, 2, 16);
    }
    return letter ? (unsigned char)meant[letter - letters] : -1;
}

/* Decoded, a string is never longer than its source: `room` is what lies up to the closing quote. */
static const char *string_read(struct reader *r)
{
    const struct xl_position start = r->at;
    const int quote = take(r);
    const char *close = r->next;
    size_t used = 0;
    char *text;

    while (close < r->end && *close != quote && *close != '\n') {
        close += *close == '\\' && close + 1 < r->end && close[1] != '\n' ? 2 : 1;
    }
    if (close >= r->end || *close != quote) {
        fail(r, start, "string has no closing %c", quote);
        return NULL;
    }
    text = take_memory(r, (size_t)(close - r->next) + 1);
    while (text && r->next < close) {
        const struct xl_position at = r->at;
        int c = take(r);
        if (c == '\\') {
            c = escape_read(r);
        }
        if (c <= 0) {
            fail(r, at, "%s",
                 c ? "nothing is known that begins with this backslash"
                   : "a string cannot hold a byte 0");
            return NULL;
        }
        text[used++] = (char)c;
    }
    take(r);
    return text;
}

static struct xl_value *value_make(struct reader *r, struct xl_value *parent)
{
    struct xl_value *value = take_memory(r, sizeof(*value));

    if (value) {
        value->at = r->at;
        value->parent = parent;
    }
    return value;
}

static void list_append(struct xl_value *list, struct xl_value *first, struct xl_value *last)
{
    if (!first) {
        return;
    }
    if (list->last) {
        list->last->next = first;
    } else {
        list->first = first;
    }
    list->last = last;
}

/* An atom, or a list of which only the bracket has been taken. */
static struct xl_value *value_begin(struct reader *r, struct xl_value *parent)
{
    struct xl_value *value = value_make(r, parent);
    int c = peek(r);

    if (!value) {
        return NULL;
    }
    if (c == '[') {
        take(r);
        return value;
    }
    if (c == '"' || c == '\'') {
        value->text = string_read(r);
    } else if (is_digit(c)) {
        value->text = run_read(r, is_number);
    } else {
        fail(r, r->at, "expected a number, a string or a list, found %s", seen(r));
    }
    return value->text ? value : NULL;
}

/* The next thing in an open list: its end, or a value and the comma behind it. *list moves into and
 * out of inner lists. */
static bool list_step(struct reader *r, struct xl_value **list, bool *comma)
{
    struct xl_value *value;

    skip(r, true);
    if (peek(r) == ']') {
        take(r);
        *list = (*list)->parent;
        *comma = false;
    } else if (peek(r) < 0) {
        return fail(r, (*list)->at, "list has no closing ]");
    } else if (!*comma) {
        return fail(r, r->at, "expected , or ] in the list, found %s", seen(r));
    } else {
        value = value_begin(r, *list);
        if (!value) {
            return false;
        }
        list_append(*list, value, value);
        *comma = value->text == NULL; /* an inner list begins like any */
        *list = value->text ? *list : value;
        if (*comma) {
            return true;
        }
    }
    if (*list) {
        skip(r, true);
        if (peek(r) == ',') {
            take(r);
            *comma = true;
        }
    }
    return true;
}

static struct xl_value *value_read(struct reader *r)
{
    struct xl_value *value = value_begin(r, NULL), *list = value && !value->text ? value : NULL;
    bool comma = true; /* a value may come */

    while (list) {
        if (!list_step(r, &list, &comma)) {
            return NULL;
        }
    }
    return value;
}

static struct xl_setting *setting_find(struct reader *r, const char *key)
{
    struct xl_setting *setting = r->settings;

    while (setting && strcmp(setting->key, key) != 0) {
        setting = setting->next;
    }
    return setting;
}

static bool setting_add(struct reader *r, struct xl_setting *setting, struct xl_value *value)
{
    struct xl_value *old = setting->value;

    if (!old->text != !value->text) {
        return fail(r, value->at, "+= cannot add a %s to a %s", value->text ? "string" : "list",
                    old->text ? "string" : "list");
    }
    if (value->text) {
        size_t before = strlen(old->text), length = strlen(value->text);
        char *text = take_memory(r, before + length + 1);
        if (!text) {
            return false;
        }
        memcpy(text, old->text, before);
        memcpy(text + before, value->text, length);
        old->text = text;
    } else {
        list_append(old, value->first, value->last);
    }
    return true;
}

static bool setting_store(struct reader *r, const char *key, struct xl_position at,
                          struct xl_value *value, bool added)
{
    struct xl_setting *setting = setting_find(r, key);

    if (!setting) {
        setting = take_memory(r, sizeof(*setting));
        if (!setting) {
            return false;
        }
        *setting = (struct xl_setting){.key = key, .value = value};
        *r->tail = setting;
        r->tail = &setting->next;
    } else if (added && !setting_add(r, setting, value)) {
        return false;
    } else if (!added) {
        setting->value = value;
    }
    setting->at = at;
    setting->added = added;
    return true;
}

static bool assignment(struct reader *r)
{
    const struct xl_position start = r->at;
    struct xl_value *value;
    bool added = false;
    const char *key;

    if (peek(r) < 'a' || peek(r) > 'z') {
        return fail(r, start, "expected a key, found %s", seen(r));
    }
    key = run_read(r, is_key);
    if (!key) {
        return false;
    }
    skip(r, false);
    if (peek(r) == '+' && r->next + 1 < r->end && r->next[1] == '=') {
        added = true;
        take(r);
    }
    if (peek(r) != '=') {
        return fail(r, r->at, "expected = after \"%.80s\", found %s", key, seen(r));
    }
    take(r);
    skip(r, false);
    value = value_read(r);
    if (!value) {
        return false;
    }
    skip(r, false);
    if (peek(r) >= 0 && peek(r) != '\n' && peek(r) != ';') {
        return fail(r, r->at, "expected the end of the line, found %s", seen(r));
    }
    return setting_store(r, key, start, value, added);
}

bool xl_syntax_read(struct xl_memory *memory, struct xl_setting **settings, const char *file,
                    const char *text, size_t length, struct xl_messages *messages)
{
    struct reader reader = {
        .memory = memory,
        .file = file,
        .next = text,
        .end = text + length,
        .at = {1, 1},
        .messages = messages,
        .tail = &reader.settings,
    };

    *settings = NULL;
    for (;;) {
        skip(&reader, true);
        while (peek(&reader) == ';') {
            take(&reader);
            skip(&reader, true);
        }
        if (peek(&reader) < 0) {
            *settings = reader.settings;
            return true;
        }
        if (!assignment(&reader)) {
            return false;
        }
    }
}
