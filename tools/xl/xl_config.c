// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xl/xl_config.h"

#define LIST_MAX 16U
#define TEXT_MAX 1024U

enum kind { KIND_NUMBER, KIND_STRING, KIND_LIST };

struct position {
    unsigned int line, column;
};

struct value {
    enum kind kind;
    struct position at;
    uint64_t number;
    unsigned int count; /* of a list */
    struct position items_at[LIST_MAX];
    char items[LIST_MAX][TEXT_MAX]; /* a string is items[0] */
};

struct parser {
    const char *file;
    const char *next, *end;
    struct position at; /* of *next */
    struct xl_messages *messages;
    struct xl_config *config;
    char root[128], extra[XL_CMDLINE_MAX];
    struct value value;
};

static void say(struct parser *p, struct position at, const char *prefix, const char *format,
                va_list args)
{
    char text[200], line[320];

    vsnprintf(text, sizeof(text), format, args);
    if (at.line) {
        snprintf(line, sizeof(line), "%s:%u:%u: %s%s", p->file, at.line, at.column, prefix, text);
    } else {
        snprintf(line, sizeof(line), "%s: %s%s", p->file, prefix, text);
    }
    p->messages->print(p->messages, line);
}

static bool fail(struct parser *p, struct position at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(struct parser *p, struct position at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(p, at, "error: ", format, args);
    va_end(args);
    return false;
}

static void warn(struct parser *p, struct position at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void warn(struct parser *p, struct position at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(p, at, "warning: ", format, args);
    va_end(args);
}

static int peek(const struct parser *p)
{
    return p->next < p->end ? (unsigned char)*p->next : -1;
}

static int take(struct parser *p)
{
    int c = peek(p);

    if (c == '\n') {
        p->at.line++;
        p->at.column = 1;
    } else {
        p->at.column++;
    }
    p->next += c >= 0;
    return c;
}

/* Blanks and comments; line ends too if `lines`. */
static void skip(struct parser *p, bool lines)
{
    for (;;) {
        int c = peek(p);
        if (c == '#') {
            while (peek(p) >= 0 && peek(p) != '\n') {
                take(p);
            }
        } else if (c == ' ' || c == '\t' || c == '\r' || (lines && (c == '\n' || c == ';'))) {
            take(p);
        } else {
            return;
        }
    }
}

/* A few printable words for what stands at the next character. */
static const char *seen(const struct parser *p)
{
    static char text[12];
    int c = peek(p);

    if (c < 0) {
        return "end of file";
    }
    if (c == '\n') {
        return "end of line";
    }
    snprintf(text, sizeof(text), c > 32 && c < 127 ? "'%c'" : "byte 0x%02x", c);
    return text;
}

static bool is_word(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool string_read(struct parser *p, char *text)
{
    struct position start = p->at;
    int quote = take(p);
    size_t used = 0;

    for (;;) {
        int c = peek(p);
        if (c < 0 || c == '\n') {
            return fail(p, start, "string has no closing %c", quote);
        }
        take(p);
        if (c == quote) {
            break;
        }
        if (c == '\\') {
            c = take(p);
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
            if (c < 0) {
                return fail(p, start, "string has no closing %c", quote);
            }
        }
        if (used + 1 >= TEXT_MAX || c == '\0') {
            return fail(p, start,
                        c ? "string is longer than %u characters" : "string holds byte %u",
                        c ? TEXT_MAX - 1 : 0);
        }
        text[used++] = (char)c;
    }
    text[used] = '\0';
    return true;
}

static bool number_read(struct parser *p, uint64_t *number)
{
    struct position start = p->at;
    char text[24];
    size_t used = 0;
    char *end;

    while (is_word(peek(p))) {
        int c = take(p);
        if (used < sizeof(text) - 1) {
            text[used++] = (char)c;
        }
    }
    text[used] = '\0';
    *number = strtoull(text, &end, 0);
    if (*end || used >= 20) {
        return fail(p, start, "'%s' is no number", text);
    }
    return true;
}

static bool list_read(struct parser *p, struct value *value)
{
    struct position start = p->at;

    take(p);
    for (;;) {
        skip(p, true);
        int c = peek(p);
        if (c == ']') {
            take(p);
            return true;
        }
        if (c < 0) {
            return fail(p, start, "list has no closing ]");
        }
        if (c != '"' && c != '\'') {
            return fail(p, p->at, "expected a string or ] in the list, found %s", seen(p));
        }
        if (value->count == LIST_MAX) {
            return fail(p, p->at, "list has more than %u entries", LIST_MAX);
        }
        value->items_at[value->count] = p->at;
        if (!string_read(p, value->items[value->count])) {
            return false;
        }
        value->count++;
        skip(p, true);
        if (peek(p) == ',') {
            take(p);
        } else if (peek(p) != ']') {
            return fail(p, p->at, "expected , or ] in the list, found %s", seen(p));
        }
    }
}

static bool value_read(struct parser *p, struct value *value)
{
    int c = peek(p);

    value->at = p->at;
    value->count = 0;
    if (c == '"' || c == '\'') {
        value->kind = KIND_STRING;
        return string_read(p, value->items[0]);
    }
    if (c == '[') {
        value->kind = KIND_LIST;
        return list_read(p, value);
    }
    if (c >= '0' && c <= '9') {
        value->kind = KIND_NUMBER;
        return number_read(p, &value->number);
    }
    return fail(p, p->at, "expected a number, a string or a list, found %s", seen(p));
}

/* --- keys ------------------------------------------------------------------------------------ */

static const char *const action_names[] = {
    [XL_DESTROY] = "destroy",
    [XL_RESTART] = "restart",
    [XL_RENAME_RESTART] = "rename-restart",
    [XL_PRESERVE] = "preserve",
};

const char *xl_action_name(enum xl_action action)
{
    return action_names[action];
}

static bool set_text(struct parser *p, char *to, size_t size)
{
    if (strlen(p->value.items[0]) >= size) {
        return fail(p, p->value.at, "longer than %zu characters", size - 1);
    }
    strcpy(to, p->value.items[0]);
    return true;
}

static bool set_action(struct parser *p, enum xl_action *action)
{
    for (size_t i = 0; i < sizeof(action_names) / sizeof(action_names[0]); i++) {
        if (strcmp(p->value.items[0], action_names[i]) == 0) {
            *action = (enum xl_action)i;
            return true;
        }
    }
    return fail(p, p->value.at, "\"%s\" is none of destroy, restart, rename-restart, preserve",
                p->value.items[0]);
}

static bool key_name(struct parser *p)
{
    const char *name = p->value.items[0];

    if (!*name || strspn(name, "0123456789") == strlen(name)) {
        return fail(p, p->value.at, "a name needs a letter");
    }
    for (const char *c = name; *c; c++) {
        if (!is_word(*c) && !strchr("-.:+", *c)) {
            return fail(p, p->value.at, "a name cannot hold '%c'", *c);
        }
    }
    return set_text(p, p->config->name, sizeof(p->config->name));
}

static bool key_kernel(struct parser *p)
{
    return set_text(p, p->config->kernel, sizeof(p->config->kernel));
}

static bool key_ramdisk(struct parser *p)
{
    return set_text(p, p->config->ramdisk, sizeof(p->config->ramdisk));
}

static bool key_cmdline(struct parser *p)
{
    return set_text(p, p->config->cmdline, sizeof(p->config->cmdline));
}

static bool key_extra(struct parser *p)
{
    return set_text(p, p->extra, sizeof(p->extra));
}

static bool key_root(struct parser *p)
{
    return set_text(p, p->root, sizeof(p->root));
}

static bool set_memory(struct parser *p, uint64_t *kib)
{
    if (p->value.number == 0 || p->value.number > (1ULL << 24)) {
        return fail(p, p->value.at, "%llu MiB of memory is out of range",
                    (unsigned long long)p->value.number);
    }
    *kib = p->value.number * 1024;
    return true;
}

static bool key_memory(struct parser *p)
{
    return set_memory(p, &p->config->memory_kib);
}

static bool key_maxmem(struct parser *p)
{
    return set_memory(p, &p->config->maxmem_kib);
}

static bool set_vcpus(struct parser *p, unsigned int *count)
{
    if (p->value.number == 0 || p->value.number > 32) {
        return fail(p, p->value.at, "%llu vcpus is out of range 1-32",
                    (unsigned long long)p->value.number);
    }
    *count = (unsigned int)p->value.number;
    return true;
}

static bool key_vcpus(struct parser *p)
{
    return set_vcpus(p, &p->config->vcpus);
}

static bool key_maxvcpus(struct parser *p)
{
    return set_vcpus(p, &p->config->maxvcpus);
}

static bool key_on_poweroff(struct parser *p)
{
    return set_action(p, &p->config->on_poweroff);
}

static bool key_on_reboot(struct parser *p)
{
    return set_action(p, &p->config->on_reboot);
}

static bool key_on_crash(struct parser *p)
{
    return set_action(p, &p->config->on_crash);
}

static bool key_type(struct parser *p)
{
    if (strcmp(p->value.items[0], "pv") != 0 && strcmp(p->value.items[0], "generic") != 0) {
        return fail(p, p->value.at, "\"%s\" guests cannot be run; only \"pv\"", p->value.items[0]);
    }
    return true;
}

static bool key_uuid(struct parser *p)
{
    const char *text = p->value.items[0];
    unsigned int digits = 0;

    memset(p->config->uuid, 0, sizeof(p->config->uuid));
    for (; *text; text++) {
        if (*text == '-') {
            continue;
        }
        const char *hex = strchr("0123456789abcdef", *text | 0x20);
        if (!hex || digits == 32) {
            return fail(p, p->value.at, "no UUID");
        }
        p->config->uuid[digits / 2] |= (uint8_t)((hex - "0123456789abcdef")
                                                 << (digits % 2 ? 0 : 4));
        digits++;
    }
    p->config->has_uuid = digits == 32;
    return digits == 32 || fail(p, p->value.at, "no UUID");
}

static bool key_disk(struct parser *p)
{
    struct xl_config *config = p->config;
    char why[120];

    config->disk_count = 0;
    for (unsigned int i = 0; i < p->value.count; i++) {
        struct xl_disk *disk = &config->disks[config->disk_count];
        if (!xl_disk_parse(disk, p->value.items[i], why, sizeof(why))) {
            return fail(p, p->value.items_at[i], "disk \"%.80s\": %s", p->value.items[i], why);
        }
        for (unsigned int j = 0; j < config->disk_count; j++) {
            if (config->disks[j].number == disk->number) {
                return fail(p, p->value.items_at[i], "two disks are called %s", disk->vdev);
            }
        }
        config->disk_count++;
    }
    return true;
}

static bool key_vif(struct parser *p)
{
    struct xl_config *config = p->config;
    char why[120];

    config->vif_count = 0;
    for (unsigned int i = 0; i < p->value.count; i++) {
        if (i == XL_VIFS_MAX) {
            return fail(p, p->value.items_at[i], "more than %u network interfaces", XL_VIFS_MAX);
        }
        if (!xl_vif_parse(&config->vifs[i], p->value.items[i], why, sizeof(why))) {
            return fail(p, p->value.items_at[i], "vif \"%.80s\": %s", p->value.items[i], why);
        }
        config->vif_count++;
    }
    return true;
}

static const struct key {
    const char *name;
    enum kind kind;
    bool (*set)(struct parser *p);
} keys[] = {
    {"name",        KIND_STRING, key_name       },
    {"kernel",      KIND_STRING, key_kernel     },
    {"ramdisk",     KIND_STRING, key_ramdisk    },
    {"cmdline",     KIND_STRING, key_cmdline    },
    {"extra",       KIND_STRING, key_extra      },
    {"root",        KIND_STRING, key_root       },
    {"memory",      KIND_NUMBER, key_memory     },
    {"maxmem",      KIND_NUMBER, key_maxmem     },
    {"vcpus",       KIND_NUMBER, key_vcpus      },
    {"maxvcpus",    KIND_NUMBER, key_maxvcpus   },
    {"disk",        KIND_LIST,   key_disk       },
    {"vif",         KIND_LIST,   key_vif        },
    {"on_poweroff", KIND_STRING, key_on_poweroff},
    {"on_reboot",   KIND_STRING, key_on_reboot  },
    {"on_crash",    KIND_STRING, key_on_crash   },
    {"type",        KIND_STRING, key_type       },
    {"builder",     KIND_STRING, key_type       },
    {"uuid",        KIND_STRING, key_uuid       },
};

static bool statement(struct parser *p)
{
    static const char *const kinds[] = {"a number", "a string", "a list"};
    struct position start = p->at;
    char name[32];
    size_t used = 0;

    while (is_word(peek(p)) && used < sizeof(name) - 1) {
        name[used++] = (char)take(p);
    }
    name[used] = '\0';
    if (used == 0) {
        return fail(p, start, "expected a key, found %s", seen(p));
    }
    skip(p, false);
    if (peek(p) != '=') {
        return fail(p, p->at, "expected = after \"%s\", found %s", name, seen(p));
    }
    take(p);
    skip(p, false);
    if (!value_read(p, &p->value)) {
        return false;
    }
    skip(p, false);
    if (peek(p) >= 0 && peek(p) != '\n' && peek(p) != ';') {
        return fail(p, p->at, "expected the end of the line, found %s", seen(p));
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i].name, name) != 0) {
            continue;
        }
        if (keys[i].kind != p->value.kind) {
            return fail(p, p->value.at, "%s takes %s", name, kinds[keys[i].kind]);
        }
        return keys[i].set(p);
    }
    warn(p, start, "unknown key \"%s\" is ignored", name);
    return true;
}

/* What only the whole file can tell. */
static bool finish(struct parser *p)
{
    const struct position whole = {0, 0};
    struct xl_config *config = p->config;

    if (!config->name[0]) {
        return fail(p, whole, "no name=");
    }
    if (!config->kernel[0]) {
        return fail(p, whole, "no kernel=");
    }
    if (!config->cmdline[0]) {
        int length = snprintf(config->cmdline, sizeof(config->cmdline), "%s%s%s%s",
                              p->root[0] ? "root=" : "", p->root,
                              p->root[0] && p->extra[0] ? " " : "", p->extra);
        if ((size_t)length >= sizeof(config->cmdline)) {
            return fail(p, whole, "root= and extra= are longer than %u characters",
                        XL_CMDLINE_MAX - 1);
        }
    }
    config->maxvcpus = config->maxvcpus < config->vcpus ? config->vcpus : config->maxvcpus;
    if (config->maxmem_kib && config->maxmem_kib < config->memory_kib) {
        return fail(p, whole, "maxmem= is less than memory=");
    }
    config->maxmem_kib = config->maxmem_kib ? config->maxmem_kib : config->memory_kib;
    return true;
}

bool xl_config_parse(struct xl_config *config, const char *file, const char *text, size_t length,
                     struct xl_messages *messages)
{
    struct parser *p = calloc(1, sizeof(*p));
    bool good = p != NULL;

    memset(config, 0, sizeof(*config));
    config->memory_kib = 32 * 1024;
    config->vcpus = 1;
    config->on_reboot = XL_RESTART;
    if (!p) {
        messages->print(messages, "out of memory");
        return false;
    }
    *p = (struct parser){
        .file = file,
        .next = text,
        .end = text + length,
        .at = {1, 1},
        .messages = messages,
        .config = config
    };
    skip(p, true);
    while (good && peek(p) >= 0) {
        good = statement(p);
        skip(p, true);
    }
    good = good && finish(p);
    free(p);
    return good;
}
