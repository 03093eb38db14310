// SPDX-License-Identifier: MIT
// Options of the hypervisor, looked up by name whenever someone asks; nothing is registered.
#include "hypervisor/boot.h"
#include "hypervisor/string.h"

static const char *text = "";

void cmdline_init(const char *from)
{
    text = from;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The next word at or after *at; its length, 0 at the end.
static size_t next_word(const char **at)
{
    size_t length = 0;
    while (is_space(**at))
        (*at)++;
    while ((*at)[length] && !is_space((*at)[length]))
        length++;
    return length;
}

bool cmdline_get(const char *name, char *value, size_t size)
{
    size_t name_length = strlen(name), length;
    bool found = false;
    for (const char *word = text; (length = next_word(&word)) != 0; word += length) {
        if (length < name_length || strncmp(word, name, name_length) != 0)
            continue;
        if (length > name_length && word[name_length] != '=')
            continue;
        size_t skip = MIN(name_length + 1, length), bytes = MIN(length - skip, size - 1);
        memcpy(value, word + skip, bytes);
        value[bytes] = 0;
        found = true;
    }
    return found;
}

bool cmdline_get_bool(const char *name, bool otherwise)
{
    static const char *const no[] = {"no", "off", "false", "0"};
    char value[8], negated[32] = "no-";
    if (cmdline_get(name, value, sizeof(value))) {
        for (unsigned i = 0; i < ARRAY_SIZE(no); i++) {
            if (strcmp(value, no[i]) == 0)
                return false;
        }
        return true;
    }
    strlcpy(negated + 3, name, sizeof(negated) - 3);
    return cmdline_get(negated, value, sizeof(value)) ? false : otherwise;
}

static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
        return (unsigned)((c | 0x20) - 'a') + 10;
    return 99;
}

// Hexadecimal after 0x, else decimal; *end is behind the last digit. Wraps.
static uint64_t number_parse(const char *s, const char **end)
{
    uint64_t value = 0;
    unsigned base = 10;
    if (s[0] == '0' && (s[1] | 0x20) == 'x' && digit_of(s[2]) < 16) {
        base = 16;
        s += 2;
    }
    for (; digit_of(*s) < base; s++)
        value = value * base + digit_of(*s);
    *end = s;
    return value;
}

uint64_t cmdline_get_number(const char *name, uint64_t otherwise)
{
    char value[32];
    const char *end;
    if (!cmdline_get(name, value, sizeof(value)))
        return otherwise;
    uint64_t number = number_parse(value, &end);
    return end == value ? otherwise : number;
}

uint64_t cmdline_get_size(const char *name, uint64_t otherwise)
{
    char value[32];
    const char *end;
    if (!cmdline_get(name, value, sizeof(value)))
        return otherwise;
    uint64_t number = number_parse(value, &end);
    if (end == value)
        return otherwise;
    switch (*end | 0x20) {
    case 'b':
        return number;
    case 'm':
        return number << 20;
    case 'g':
        return number << 30;
    case 't':
        return number << 40;
    default:
        return number << 10;
    }
}
