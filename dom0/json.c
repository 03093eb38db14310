// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "dom0/json.h"

static void string_print(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < 32 || c == 127) {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void lead(struct json *json, const char *key)
{
    if (!json->first) {
        putchar(',');
    }
    if (json->depth > 0) {
        printf("\n%*s", (int)json->depth * 4, "");
    }
    json->first = false;
    if (key) {
        string_print(key);
        printf(": ");
    }
}

void json_open(struct json *json, const char *key, char bracket)
{
    lead(json, key);
    putchar(bracket);
    json->depth++;
    json->first = true;
}

void json_close(struct json *json, char bracket)
{
    json->depth--;
    if (!json->first) {
        printf("\n%*s", (int)json->depth * 4, "");
    }
    putchar(bracket);
    json->first = false;
    if (json->depth == 0) {
        putchar('\n');
    }
}

void json_string(struct json *json, const char *key, const char *value)
{
    lead(json, key);
    string_print(value);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
    lead(json, key);
    printf("%llu", (unsigned long long)value);
}

void json_bool(struct json *json, const char *key, bool value)
{
    lead(json, key);
    printf(value ? "true" : "false");
}
