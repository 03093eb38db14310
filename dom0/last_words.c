// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <string.h>

#include "dom0/last_words.h"

static bool contains(const char *line, size_t length, const char *mark)
{
    size_t wanted = strlen(mark);

    for (size_t at = 0; at + wanted <= length; at++) {
        if (memcmp(line + at, mark, wanted) == 0) {
            return true;
        }
    }
    return false;
}

static bool says_why(const char *line, size_t length)
{
    static const char *const marks[] = {"PANIC",          "UNHANDLED EXCEPTION", "DOUBLE FAULT",
                                        "STACK OVERFLOW", "EXIT STATUS",         "Kernel panic",
                                        "panic:"};

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (contains(line, length, marks[i])) {
            return true;
        }
    }
    return false;
}

static bool is_blank(const char *line, size_t length)
{
    while (length > 0 && (line[length - 1] <= ' ' || line[length - 1] > '~')) {
        length--;
    }
    return length == 0;
}

static void copy(const char *line, size_t length, char *words, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < length && used + 1 < size; i++) {
        bool printable = line[i] >= ' ' && line[i] <= '~';
        if (printable && (used > 0 || line[i] != ' ')) {
            words[used++] = line[i];
        }
    }
    words[used] = '\0';
}

void last_words(const char *console, size_t length, char *words, size_t size)
{
    const char *found = NULL;
    size_t found_length = 0;

    words[0] = '\0';
    while (length > 0) {
        size_t start = length;
        while (start > 0 && console[start - 1] != '\n') {
            start--;
        }
        const char *line = console + start;
        size_t line_length = length - start;
        length = start > 0 ? start - 1 : 0;
        if (says_why(line, line_length)) {
            copy(line, line_length, words, size);
            return;
        }
        if (!found && !is_blank(line, line_length)) {
            found = line;
            found_length = line_length;
        }
    }
    if (found) {
        copy(found, found_length, words, size);
    }
}
