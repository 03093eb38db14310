// SPDX-License-Identifier: MIT
/*
 * Prints JSON to stdout, one value after another, with commas and indentation where they belong.
 * A key of NULL is for the elements of an array.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct json {
    unsigned int depth;
    bool first; /* no comma before the next value */
};

#define JSON_INIT                                                                                  \
    {                                                                                              \
        0, true                                                                                    \
    }

void json_open(struct json *json, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json *json, char bracket);                 /* '}' or ']' */
void json_string(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, uint64_t value);
void json_bool(struct json *json, const char *key, bool value);
