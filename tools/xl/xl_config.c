// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xl/xl_keys.h"
#include "tools/xl/xl_reader.h"

#define MEMORY_DEFAULT_MIB 32

static const struct xl_position whole_file = {0, 0};

bool xl_because(struct xl_why *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
    return false;
}

/* True if a value of a refused key asks for nothing. */
static bool is_nothing(const struct xl_key *key, const struct xl_value *value)
{
    char *end;

    if (key->nothing == XL_NOTHING_NEVER) {
        return false;
    }
    if (!value->text) {
        return !value->first;
    }
    if (!*value->text) {
        return true;
    }
    return key->nothing == XL_NOTHING_ZERO &&
           (strcmp(value->text, "disabled") == 0 ||
            (strtoll(value->text, &end, 0) == 0 && end != value->text && !*end));
}

static bool setting_take(struct xl_reader *r, const struct xl_setting *setting)
{
    const struct xl_key *key = xl_key_find(setting->key);

    if (!key) {
        xl_warn(r, setting->at, "unknown key \"%.80s\" is ignored", setting->key);
        return true;
    }
    switch (key->fate) {
    case XL_KEY_HONOURED:
        return xl_setting_take(r, setting);
    case XL_KEY_REFUSED:
        return is_nothing(key, setting->value) ||
               xl_fail(r, setting->at, "%s: %s", key->name, key->reason);
    case XL_KEY_IDLE:
        break;
    }
    return true;
}

static const char *text_or_none(const char *text)
{
    return text ? text : "";
}

/* cmdline=, or what root= and extra= make. */
static bool cmdline_make(struct xl_reader *r)
{
    const char *root = r->root, *extra = r->extra;
    struct xl_config *config = r->config;
    size_t length;
    char *text;

    if (r->cmdline && (root || extra)) {
        xl_warn(r, whole_file, "root= and extra= are ignored in favour of cmdline=");
    }
    config->cmdline = r->cmdline ? r->cmdline : text_or_none(extra);
    if (!r->cmdline && root) {
        length = strlen(root) + strlen(text_or_none(extra)) + sizeof("root= ");
        text = xl_alloc(config->memory, length);
        if (!text) {
            return xl_fail(r, whole_file, "there is no memory for the configuration");
        }
        snprintf(text, length, "root=%s%s%s", root, extra ? " " : "", text_or_none(extra));
        config->cmdline = text;
    }
    return strlen(config->cmdline) < XL_CMDLINE_MAX ||
           xl_fail(r, whole_file, "the command line has more than %u characters",
                   XL_CMDLINE_MAX - 1);
}

static bool memory_make(struct xl_reader *r)
{
    struct xl_config *config = r->config;

    if (r->memory == XL_NO_NUMBER) {
        r->memory = r->maxmem != XL_NO_NUMBER ? r->maxmem : MEMORY_DEFAULT_MIB;
    }
    r->maxmem = r->maxmem != XL_NO_NUMBER ? r->maxmem : r->memory;
    config->memory_kib = (uint64_t)r->memory * 1024;
    config->maxmem_kib = (uint64_t)r->maxmem * 1024;
    return r->memory <= r->maxmem || xl_fail(r, whole_file, "maxmem= is less than memory=");
}

static bool vcpus_make(struct xl_reader *r)
{
    struct xl_config *config = r->config;

    config->vcpus = r->vcpus != XL_NO_NUMBER ? (unsigned int)r->vcpus : 1;
    config->maxvcpus = r->maxvcpus != XL_NO_NUMBER ? (unsigned int)r->maxvcpus : config->vcpus;
    if (config->maxvcpus < config->vcpus) {
        return xl_fail(r, whole_file, "maxvcpus= is less than vcpus=");
    }
    if (r->cap != XL_NO_NUMBER && r->cap > 100 * (int64_t)config->maxvcpus) {
        return xl_fail(r, whole_file, "cap= is more than 100 for each vcpu");
    }
    return xl_affinity_take(r, r->hard, &config->hard, &config->hard_count) &&
           xl_affinity_take(r, r->soft, &config->soft, &config->soft_count);
}

static int64_t number_or(int64_t number, int64_t otherwise)
{
    return number == XL_NO_NUMBER ? otherwise : number;
}

/* What only the whole file can tell. */
static bool finish(struct xl_reader *r)
{
    struct xl_config *config = r->config;

    config->name = text_or_none(r->name);
    config->kernel = text_or_none(r->kernel);
    config->ramdisk = text_or_none(r->ramdisk);
    config->limits = (struct xl_limits){
        .grant_frames = number_or(r->grant_frames, -1),
        .maptrack_frames = number_or(r->maptrack_frames, -1),
        .event_channels = number_or(r->event_channels, -1),
        .weight = number_or(r->weight, -1),
        .cap = number_or(r->cap, -1),
    };
    config->time_offset = number_or(r->time_offset, 0);
    if (!*config->name) {
        return xl_fail(r, whole_file, "no name=");
    }
    if (!*config->kernel) {
        return xl_fail(r, whole_file, "no kernel=");
    }
    return cmdline_make(r) && xl_vnuma_take(r, r->vnuma) && memory_make(r) && vcpus_make(r);
}

static void reader_begin(struct xl_reader *r, struct xl_config *config)
{
    r->memory = r->maxmem = r->vcpus = r->maxvcpus = XL_NO_NUMBER;
    r->weight = r->cap = r->grant_frames = r->grant_version = XL_NO_NUMBER;
    r->maptrack_frames = r->event_channels = r->time_offset = XL_NO_NUMBER;
    *config = (struct xl_config){
        .name = "",
        .kernel = "",
        .ramdisk = "",
        .cmdline = "",
        .on_reboot = XL_RESTART,
    };
}

bool xl_config_parse(struct xl_config *config, const char *file, const char *text, size_t length,
                     struct xl_messages *messages)
{
    struct xl_reader reader = {.file = file, .messages = messages, .config = config};
    struct xl_setting *setting;

    reader_begin(&reader, config);
    config->memory = xl_memory_create();
    if (!config->memory) {
        return xl_fail(&reader, whole_file, "there is no memory for the configuration");
    }
    if (!xl_syntax_read(config->memory, &setting, file, text, length, messages)) {
        return false;
    }
    for (; setting; setting = setting->next) {
        if (!setting_take(&reader, setting)) {
            return false;
        }
    }
    return finish(&reader);
}

struct xl_config xl_config_copy(const struct xl_config *config)
{
    xl_memory_get(config->memory);
    return *config;
}

void xl_config_free(struct xl_config *config)
{
    xl_memory_put(config->memory);
    config->memory = NULL;
}

bool xl_config_rename(struct xl_config *config, const char *name)
{
    const char *text = xl_text(config->memory, name, strlen(name));

    config->name = text ? text : config->name;
    return text != NULL;
}
