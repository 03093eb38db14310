// SPDX-License-Identifier: MIT
/*
 * The grammar of xl.cfg, as libxlutil of Xen 4.17 reads it (tests/libfuzzer/xl_oracle.c compares):
 *
 *   file       = [ assignment ] { ( newline | ";" ) [ assignment ] }
 *   assignment = key ( "=" | "+=" ) value           key: [a-z][a-z0-9._]*
 *   value      = string | number | list             number: [0-9][0-9a-fx]*
 *   list       = "[" [ value { "," value } [ "," ] ] "]"
 *
 * Strings and numbers are the same thing, an atom; what a text means, its key decides. Newlines may
 * stand in a list wherever blanks may. The last assignment to a key counts; "+=" puts an atom's text
 * or a list's entries behind what the key had. Lengths and depths are bounded by memory alone.
 *
 * Different on purpose: see docs/xl-cfg.md. No recursion: depth costs no stack.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tools/xl/xl_memory.h"

struct xl_position {
    unsigned int line, column; /* from 1; line 0: the file as a whole */
};

struct xl_value {
    const char *text; /* NULL: a list */
    struct xl_position at;
    struct xl_value *first, *last; /* of a list */
    struct xl_value *next;         /* in a list */
    struct xl_value *parent;
};

struct xl_setting {
    struct xl_setting *next; /* in the order of their first assignment */
    const char *key;
    struct xl_position at; /* of the last assignment */
    struct xl_value *value;
    bool added; /* its last assignment was "+=" */
};

/* Where messages go: warnings are followed by success, an error is the last. */
struct xl_messages {
    void (*print)(struct xl_messages *messages, const char *line);
    void *context;
};

/* One message with its place, "FILE:LINE:COLUMN: text". Always false. */
bool xl_say(struct xl_messages *messages, const char *file, struct xl_position at,
            const char *format, ...) __attribute__((format(printf, 4, 5)));

/* False after an error, which was printed. `file` is only for messages. *settings: NULL if there are
 * none; they live as long as `memory`. */
bool xl_syntax_read(struct xl_memory *memory, struct xl_setting **settings, const char *file,
                    const char *text, size_t length, struct xl_messages *messages);
