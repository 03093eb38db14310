// SPDX-License-Identifier: MIT
/* What each key takes. */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xl/xl_reader.h"

#define MEBIBYTES_MAX (1 << 24)

struct target {
    const char *key;
    bool (*take)(struct xl_reader *r, const struct xl_setting *setting,
                 const struct target *target);
    size_t offset; /* in struct xl_reader, or in struct xl_config */
    int64_t least, most;
};

/* The text of an atom; NULL after a message. */
static const char *atom(struct xl_reader *r, const struct xl_setting *setting)
{
    if (!setting->value->text) {
        xl_fail(r, setting->value->at, "%.80s takes a string or a number, not a list",
                setting->key);
    }
    return setting->value->text;
}

/* The first entry of a list of atoms in *first; false after a message. An empty string is none. */
static bool entries(struct xl_reader *r, const struct xl_setting *setting,
                    const struct xl_value **first, unsigned int *count)
{
    const struct xl_value *value = setting->value;

    *first = value->first;
    *count = 0;
    if (value->text && *value->text) {
        return xl_fail(r, value->at, "%.80s takes a list", setting->key);
    }
    for (value = value->first; value; value = value->next) {
        if (!value->text) {
            return xl_fail(r, value->at, "%.80s takes a list of strings", setting->key);
        }
        ++*count;
    }
    return true;
}

/* Zeroed room for some structures; NULL after a message. */
static void *room(struct xl_reader *r, struct xl_position at, size_t count, size_t size)
{
    void *memory = count <= SIZE_MAX / size / 2 ? xl_alloc(r->config->memory, count * size) : NULL;

    if (!memory) {
        xl_fail(r, at, "there is no memory for the configuration");
    }
    return memory;
}

static bool take_text(struct xl_reader *r, const struct xl_setting *setting,
                      const struct target *target)
{
    const char *text = atom(r, setting);

    if (text && target->most && strlen(text) > (size_t)target->most) {
        return xl_fail(r, setting->value->at, "%.80s has more than %lld characters", setting->key,
                       (long long)target->most);
    }
    memcpy((char *)r + target->offset, &text, sizeof(text));
    return text != NULL;
}

static bool number_read(const char *text, int64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoll(text, &end, 0);
    return !errno && end != text && !*end;
}

static bool take_number(struct xl_reader *r, const struct xl_setting *setting,
                        const struct target *target)
{
    const char *text = atom(r, setting);
    int64_t number;

    if (!text) {
        return false;
    }
    if (setting->added) {
        return xl_fail(r, setting->at, "%.80s is a number: += cannot add to it", setting->key);
    }
    if (!number_read(text, &number)) {
        return xl_fail(r, setting->value->at, "%.80s takes a number, not \"%.80s\"", setting->key,
                       text);
    }
    if (number < target->least || number > target->most) {
        return xl_fail(r, setting->value->at, "%.80s is out of range %lld to %lld", setting->key,
                       (long long)target->least, (long long)target->most);
    }
    memcpy((char *)r + target->offset, &number, sizeof(number));
    return true;
}

/* Any byte but those that would break lines and paths of the store. */
static bool take_name(struct xl_reader *r, const struct xl_setting *setting,
                      const struct target *target)
{
    if (!take_text(r, setting, target)) {
        return false;
    }
    for (const char *c = r->name; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f || *c == '/') {
            return xl_fail(r, setting->value->at, "a name cannot hold the byte 0x%02x",
                           (unsigned char)*c);
        }
    }
    return *r->name || xl_fail(r, setting->value->at, "the name is empty");
}

static const char *const action_names[] = {
    [XL_DESTROY] = "destroy",
    [XL_RESTART] = "restart",
    [XL_RENAME_RESTART] = "rename-restart",
    [XL_PRESERVE] = "preserve",
    [XL_COREDUMP_DESTROY] = "coredump-destroy",
    [XL_COREDUMP_RESTART] = "coredump-restart",
};
#define ACTIONS (sizeof(action_names) / sizeof(action_names[0]))

const char *xl_action_name(enum xl_action action)
{
    return action_names[action];
}

static bool take_action(struct xl_reader *r, const struct xl_setting *setting,
                        const struct target *target)
{
    const char *text = atom(r, setting);
    unsigned int i = 0;

    if (!text) {
        return false;
    }
    while (i < ACTIONS && strcmp(text, action_names[i]) != 0) {
        i++;
    }
    if (i == ACTIONS) {
        return xl_fail(r, setting->value->at, "%.80s: %s \"%.80s\"", setting->key,
                       strcmp(text, "soft-reset") == 0 ? "domains are not reset while they live:"
                                                       : "unknown action",
                       text);
    }
    if (i == XL_COREDUMP_DESTROY || i == XL_COREDUMP_RESTART) {
        xl_warn(r, setting->value->at, "%.80s: no core is written, domain 0 has no files for it",
                setting->key);
    }
    *(enum xl_action *)((char *)r->config + target->offset) = (enum xl_action)i;
    return true;
}

static bool is_beginning(const char *text, const char *of)
{
    return *text && strncmp(text, of, strlen(text)) == 0;
}

static bool take_type(struct xl_reader *r, const struct xl_setting *setting,
                      const struct target *target)
{
    const char *text = atom(r, setting);

    (void)target;
    if (!text) {
        return false;
    }
    if (is_beginning(text, "hvm") || (text[0] == 'p' && strcmp(text, "pvh") == 0)) {
        return xl_fail(r, setting->value->at, "\"%.80s\" guests cannot be run; only \"pv\"", text);
    }
    return is_beginning(text, strcmp(setting->key, "type") == 0 ? "pv" : "generic") ||
           xl_fail(r, setting->value->at, "Invalid domain type %.80s.", text);
}

static bool take_uuid(struct xl_reader *r, const struct xl_setting *setting,
                      const struct target *target)
{
    const char *text = atom(r, setting);
    unsigned int digits = 0;

    (void)target;
    memset(r->config->uuid, 0, sizeof(r->config->uuid));
    for (; text && *text; text++) {
        const char *hex = strchr("0123456789abcdef", *text | 0x20);
        if (*text == '-') {
            continue;
        }
        if (!hex || digits == 32) {
            digits = 0;
            break;
        }
        r->config->uuid[digits / 2] |= (uint8_t)((hex - "0123456789abcdef")
                                                 << (digits % 2 ? 0 : 4));
        digits++;
    }
    r->config->has_uuid = digits == 32;
    return digits == 32 || (text && xl_fail(r, setting->value->at, "no UUID"));
}

static bool take_tsc_mode(struct xl_reader *r, const struct xl_setting *setting,
                          const struct target *target)
{
    const char *text = atom(r, setting);

    (void)target;
    if (!text) {
        return false;
    }
    r->config->native_tsc = strcmp(text, "native") == 0 || strcmp(text, "2") == 0;
    return r->config->native_tsc || strcmp(text, "default") == 0 || strcmp(text, "0") == 0 ||
           xl_fail(r, setting->value->at, "tsc_mode \"%.80s\": time-stamp counters are native",
                   text);
}

/* A value that asks for no more than there is anyway: `harmless` holds one or two of them. */
static bool take_only(struct xl_reader *r, const struct xl_setting *setting,
                      const char *const harmless[2], const char *why)
{
    const struct xl_value *value = setting->value;

    if (value->text ? strcmp(value->text, harmless[0]) == 0 || strcmp(value->text, harmless[1]) == 0
                    : !value->first) {
        return true;
    }
    return xl_fail(r, value->at, "%.80s \"%.80s\": %s", setting->key,
                   value->text ? value->text : "[ ... ]", why);
}

static bool take_pool(struct xl_reader *r, const struct xl_setting *setting,
                      const struct target *target)
{
    (void)target;
    return take_only(r, setting, (const char *const[2]){"Pool-0", "0"}, "there is Pool-0 only");
}

static bool take_passthrough(struct xl_reader *r, const struct xl_setting *setting,
                             const struct target *target)
{
    (void)target;
    return take_only(r, setting, (const char *const[2]){"disabled", "unknown"},
                     "devices of the machine belong to domain 0");
}

static bool take_cpuid(struct xl_reader *r, const struct xl_setting *setting,
                       const struct target *target)
{
    (void)target;
    return take_only(r, setting, (const char *const[2]){"host", "host,"},
                     "all guests are shown the same features");
}

/* For later: it takes knowing all of the file. */
static bool take_setting(struct xl_reader *r, const struct xl_setting *setting,
                         const struct target *target)
{
    *(const struct xl_setting **)((char *)r + target->offset) = setting;
    return true;
}

static bool take_disks(struct xl_reader *r, const struct xl_setting *setting,
                       const struct target *target)
{
    struct xl_config *config = r->config;
    const struct xl_value *entry;
    struct xl_why why;
    unsigned int count;

    (void)target;
    if (!entries(r, setting, &entry, &count)) {
        return false;
    }
    config->disks = room(r, setting->at, count, sizeof(*config->disks));
    for (; config->disks && entry; entry = entry->next) {
        struct xl_disk *disk = &config->disks[config->disk_count];
        if (!xl_disk_parse(config->memory, disk, entry->text, &why)) {
            return xl_fail(r, entry->at, "disk \"%.80s\": %s", entry->text, why.text);
        }
        for (unsigned int i = 0; i < config->disk_count; i++) {
            if (config->disks[i].number == disk->number) {
                return xl_fail(r, entry->at, "two disks are called %.80s", disk->vdev);
            }
        }
        config->disk_count++;
    }
    return config->disks != NULL;
}

static bool take_vifs(struct xl_reader *r, const struct xl_setting *setting,
                      const struct target *target)
{
    struct xl_config *config = r->config;
    const struct xl_value *entry;
    struct xl_why why;
    unsigned int count;

    (void)target;
    if (!entries(r, setting, &entry, &count)) {
        return false;
    }
    config->vifs = room(r, setting->at, count, sizeof(*config->vifs));
    for (; config->vifs && entry; entry = entry->next) {
        struct xl_vif *vif = &config->vifs[config->vif_count];
        if (!xl_vif_parse(config->memory, vif, entry->text, &why)) {
            return xl_fail(r, entry->at, "vif \"%.80s\": %s", entry->text, why.text);
        }
        vif->id = vif->id == XL_VIF_ANY ? config->vif_count : vif->id;
        for (unsigned int i = 0; i < config->vif_count; i++) {
            if (config->vifs[i].id == vif->id) {
                return xl_fail(r, entry->at, "two interfaces have the devid %u", vif->id);
            }
        }
        config->vif_count++;
    }
    return config->vifs != NULL;
}

#define IN_READER(member) offsetof(struct xl_reader, member)
#define IN_CONFIG(member) offsetof(struct xl_config, member)

static const struct target targets[] = {
    {"name",                take_name,        IN_READER(name),            0,       XL_NAME_MAX - 1   },
    {"kernel",              take_text,        IN_READER(kernel),          0,       0                 },
    {"ramdisk",             take_text,        IN_READER(ramdisk),         0,       0                 },
    {"cmdline",             take_text,        IN_READER(cmdline),         0,       0                 },
    {"root",                take_text,        IN_READER(root),            0,       0                 },
    {"extra",               take_text,        IN_READER(extra),           0,       0                 },
    {"memory",              take_number,      IN_READER(memory),          1,       MEBIBYTES_MAX     },
    {"maxmem",              take_number,      IN_READER(maxmem),          1,       MEBIBYTES_MAX     },
    {"vcpus",               take_number,      IN_READER(vcpus),           1,       XL_VCPUS_MAX      },
    {"maxvcpus",            take_number,      IN_READER(maxvcpus),        1,       XL_VCPUS_MAX      },
    {"cpu_weight",          take_number,      IN_READER(weight),          1,       65535             },
    {"cap",                 take_number,      IN_READER(cap),             0,       100 * XL_VCPUS_MAX},
    {"max_grant_frames",    take_number,      IN_READER(grant_frames),    0,       INT_MAX           },
    {"max_grant_version",   take_number,      IN_READER(grant_version),   1,       INT_MAX           },
    {"max_maptrack_frames", take_number,      IN_READER(maptrack_frames), 0,       INT_MAX           },
    {"max_event_channels",  take_number,      IN_READER(event_channels),  0,       INT_MAX           },
    {"rtc_timeoffset",      take_number,      IN_READER(time_offset),     INT_MIN, INT_MAX           },
    {"on_poweroff",         take_action,      IN_CONFIG(on_poweroff),     0,       0                 },
    {"on_reboot",           take_action,      IN_CONFIG(on_reboot),       0,       0                 },
    {"on_crash",            take_action,      IN_CONFIG(on_crash),        0,       0                 },
    {"on_watchdog",         take_action,      IN_CONFIG(on_watchdog),     0,       0                 },
    {"on_soft_reset",       take_action,      IN_CONFIG(on_soft_reset),   0,       0                 },
    {"cpus",                take_setting,     IN_READER(hard),            0,       0                 },
    {"cpus_soft",           take_setting,     IN_READER(soft),            0,       0                 },
    {"vnuma",               take_setting,     IN_READER(vnuma),           0,       0                 },
    {"type",                take_type,        0,                          0,       0                 },
    {"builder",             take_type,        0,                          0,       0                 },
    {"uuid",                take_uuid,        0,                          0,       0                 },
    {"tsc_mode",            take_tsc_mode,    0,                          0,       0                 },
    {"pool",                take_pool,        0,                          0,       0                 },
    {"passthrough",         take_passthrough, 0,                          0,       0                 },
    {"cpuid",               take_cpuid,       0,                          0,       0                 },
    {"disk",                take_disks,       0,                          0,       0                 },
    {"vif",                 take_vifs,        0,                          0,       0                 },
};

bool xl_setting_take(struct xl_reader *r, const struct xl_setting *setting)
{
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        if (strcmp(targets[i].key, setting->key) == 0) {
            return targets[i].take(r, setting, &targets[i]);
        }
    }
    return xl_fail(r, setting->at, "nothing takes %.80s", setting->key);
}

/* A string is for all vcpus, a list has an entry for each of the first ones. */
bool xl_affinity_take(struct xl_reader *r, const struct xl_setting *setting, struct xl_cpus **cpus,
                      unsigned int *count)
{
    const unsigned int vcpus = r->config->maxvcpus;
    const struct xl_value *entry = setting ? setting->value : NULL;
    struct xl_why why;
    unsigned int listed;

    if (!setting) {
        return true;
    }
    if (!entry->text && !entries(r, setting, &entry, &listed)) {
        return false;
    }
    *cpus = room(r, setting->at, vcpus, sizeof(**cpus));
    if (!*cpus) {
        return false;
    }
    for (*count = 0; entry && *count < vcpus; ++*count) {
        if (!xl_cpus_parse(&(*cpus)[*count], entry->text, &why)) {
            return xl_fail(r, entry->at, "%.80s: %s", setting->key, why.text);
        }
        entry = setting->value->text ? entry : entry->next;
    }
    return true;
}
