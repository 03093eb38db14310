// SPDX-License-Identifier: MIT
// Options of the hypervisor, looked up by name whenever someone asks; nothing is registered.
#include "hypervisor/boot.h"
#include "hypervisor/string.h"

static const char *text = "";

void cmdline_init(const char *from)
{
    text = from;
}

bool cmdline_get(const char *name, char *value, size_t size)
{
    size_t name_length = strlen(name);
    bool found = false;

    for (const char *word = text, *end; *word; word = *end ? end + 1 : end) {
        for (end = word; *end && *end != ' '; end++)
            ;
        size_t length = (size_t)(end - word);
        if (length < name_length || strncmp(word, name, name_length) != 0 ||
            (length > name_length && word[name_length] != '='))
            continue;
        size_t skip = MIN(name_length + 1, length), bytes = MIN(length - skip, size - 1);
        memcpy(value, word + skip, bytes);
        value[bytes] = 0;
        found = true;
    }
    return found;
}

uint64_t cmdline_get_number(const char *name, unsigned bare_shift, uint64_t otherwise)
{
    static const char units[] = "bkmgt"; // each 1024 times the one before
    char value[32], *c = value;
    uint64_t number = 0;

    if (!cmdline_get(name, value, sizeof(value)))
        return otherwise;
    for (; *c >= '0' && *c <= '9'; c++)
        number = number * 10 + (uint64_t)(*c - '0');
    if (c == value)
        return otherwise;
    for (unsigned i = 0; units[i]; i++) {
        if ((*c | 0x20) == units[i])
            return number << 10 * i;
    }
    return number << bare_shift;
}
