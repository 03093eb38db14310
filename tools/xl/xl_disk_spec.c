// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "tools/xl/xl_disk_spec.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct words {
    struct xl_memory *memory;
    struct xl_disk_spec *spec;
    struct xl_why *why;
    bool had_prefix; /* stands for the format */
    bool had_access;
};

static bool set_text(struct words *w, const char **to, const char *value, const char *what)
{
    if (*to && **to) {
        return xl_because(w->why, "%s is given twice", what);
    }
    *to = xl_text(w->memory, value, strlen(value));
    return *to || xl_because(w->why, "there is no memory");
}

static bool set_format(struct words *w, const char *value)
{
    static const struct {
        const char *name;
        enum xl_disk_format format;
    } formats[] = {
        {"",      XL_RAW  },
        {"raw",   XL_RAW  },
        {"qcow",  XL_QCOW },
        {"qcow2", XL_QCOW2},
        {"vhd",   XL_VHD  },
        {"empty", XL_EMPTY},
        {"qed",   XL_QED  }
    };

    for (size_t i = 0; i < COUNT(formats); i++) {
        if (strcmp(value, formats[i].name) != 0) {
            continue;
        }
        if (w->spec->format != XL_FORMAT_UNKNOWN && w->spec->format != formats[i].format) {
            return xl_because(w->why, "format is given twice");
        }
        w->spec->format = formats[i].format;
        return true;
    }
    return xl_because(w->why, "unknown format \"%.60s\"", value);
}

static bool set_access(struct words *w, const char *value)
{
    if (strcmp(value, "r") == 0 || strcmp(value, "ro") == 0) {
        w->spec->readonly = true;
    } else if (strcmp(value, "w") == 0 || strcmp(value, "rw") == 0 || !*value) {
        w->spec->readonly = false;
    } else {
        return xl_because(w->why, "access is r or w, not \"%.60s\"", value);
    }
    return true;
}

static bool set_devtype(struct words *w, const char *value)
{
    w->spec->cdrom = strcmp(value, "cdrom") == 0;
    return w->spec->cdrom || strcmp(value, "disk") == 0 ||
           xl_because(w->why, "devtype is disk or cdrom, not \"%.60s\"", value);
}

static bool set_backendtype(struct words *w, const char *value)
{
    static const char *const names[] = {
        [XL_PHY] = "phy", [XL_TAP] = "tap", [XL_QDISK] = "qdisk", [XL_STANDALONE] = "standalone"};

    for (size_t i = XL_PHY; i < COUNT(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            if (w->spec->backendtype != XL_BACKEND_UNKNOWN && w->spec->backendtype != i) {
                return xl_because(w->why, "backendtype is given twice");
            }
            w->spec->backendtype = (enum xl_disk_backend)i;
            return true;
        }
    }
    return xl_because(w->why, "unknown backendtype \"%.60s\"", value);
}

static bool set_specification(struct words *w, const char *value)
{
    bool is_virtio = strcmp(value, "virtio") == 0;

    if (!is_virtio && strcmp(value, "xen") != 0) {
        return xl_because(w->why, "specification is xen or virtio, not \"%.60s\"", value);
    }
    if (w->spec->has_specification && w->spec->virtio != is_virtio) {
        return xl_because(w->why, "specification is given twice");
    }
    w->spec->has_specification = true;
    w->spec->virtio = is_virtio;
    return true;
}

static bool set_colo_port(struct words *w, const char *value)
{
    w->spec->colo_port = atoi(value);
    return w->spec->colo_port || xl_because(w->why, "no colo-port: \"%.60s\"", value);
}

static bool set_vdev(struct words *w, const char *value)
{
    return set_text(w, &w->spec->vdev, value, "vdev");
}

static bool set_script(struct words *w, const char *value)
{
    return set_text(w, &w->spec->script, value, "script");
}

static bool set_backend(struct words *w, const char *value)
{
    return set_text(w, &w->spec->backend, value, "backend");
}

static bool set_colo_host(struct words *w, const char *value)
{
    return set_text(w, &w->spec->colo_host, value, "colo-host");
}

static bool set_colo_export(struct words *w, const char *value)
{
    return set_text(w, &w->spec->colo_export, value, "colo-export");
}

static bool set_active_disk(struct words *w, const char *value)
{
    return set_text(w, &w->spec->active_disk, value, "active-disk");
}

static bool set_hidden_disk(struct words *w, const char *value)
{
    return set_text(w, &w->spec->hidden_disk, value, "hidden-disk");
}

static const struct {
    const char *key;
    bool (*set)(struct words *w, const char *value);
} valued[] = {
    {"access",        set_access       },
    {"active-disk",   set_active_disk  },
    {"backend",       set_backend      },
    {"backendtype",   set_backendtype  },
    {"colo-export",   set_colo_export  },
    {"colo-host",     set_colo_host    },
    {"colo-port",     set_colo_port    },
    {"devtype",       set_devtype      },
    {"format",        set_format       },
    {"hidden-disk",   set_hidden_disk  },
    {"script",        set_script       },
    {"specification", set_specification},
    {"vdev",          set_vdev         },
};

/* A word without a value; false if it is none of them. */
static bool flag_set(struct xl_disk_spec *spec, const char *word)
{
    const struct {
        const char *word;
        enum xl_choice *choice;
        enum xl_choice value;
    } choices[] = {
        {"discard",    &spec->discard, XL_YES},
        {"no-discard", &spec->discard, XL_NO },
        {"colo",       &spec->colo,    XL_YES},
        {"no-colo",    &spec->colo,    XL_NO },
        {"trusted",    &spec->trusted, XL_YES},
        {"untrusted",  &spec->trusted, XL_NO },
    };

    for (size_t i = 0; i < COUNT(choices); i++) {
        if (strcmp(word, choices[i].word) == 0) {
            *choices[i].choice = choices[i].value;
            return true;
        }
    }
    if (strcmp(word, "cdrom") == 0) {
        spec->cdrom = true;
    } else if (strcmp(word, "direct-io-safe") == 0) {
        spec->direct_io_safe = true;
    } else {
        return false;
    }
    return true;
}

/* "hdc:cdrom": cuts the type off. */
static bool vdev_with_type(struct words *w, char *word)
{
    char *colon = strrchr(word, ':');

    if (!colon) {
        return set_vdev(w, word);
    }
    *colon = '\0';
    return set_vdev(w, word) && set_devtype(w, colon + 1);
}

static bool positional(struct words *w, char *word)
{
    struct xl_disk_spec *spec = w->spec;

    if (!spec->target) {
        return set_text(w, &spec->target, word, "target");
    }
    if (!w->had_prefix && spec->format == XL_FORMAT_UNKNOWN) {
        if (*spec->target || !strchr(word, ':')) {
            return set_format(w, word);
        }
        spec->format = XL_EMPTY; /* ",hdc:cdrom" */
        return vdev_with_type(w, word);
    }
    if (!spec->vdev) {
        return vdev_with_type(w, word);
    }
    if (!w->had_access) {
        w->had_access = true;
        return set_access(w, word);
    }
    return xl_because(w->why, "one word too many: \"%.60s\"", word);
}

enum prefix { PREFIX_PLAIN, PREFIX_FORMAT, PREFIX_SCRIPT };

static const struct {
    const char *name;
    enum prefix meaning;
} prefixes[] = {
    {"aio",     PREFIX_PLAIN },
    {"drbd",    PREFIX_SCRIPT},
    {"enbd",    PREFIX_SCRIPT},
    {"file",    PREFIX_PLAIN },
    {"ioemu",   PREFIX_PLAIN },
    {"iscsi",   PREFIX_SCRIPT},
    {"nbd",     PREFIX_SCRIPT},
    {"phy",     PREFIX_PLAIN },
    {"qcow",    PREFIX_FORMAT},
    {"qcow2",   PREFIX_FORMAT},
    {"raw",     PREFIX_FORMAT},
    {"tap",     PREFIX_PLAIN },
    {"tap2",    PREFIX_PLAIN },
    {"tapdisk", PREFIX_PLAIN },
    {"vhd",     PREFIX_FORMAT},
};

static bool prefix_set(struct words *w, const char *name, enum prefix meaning)
{
    char script[16] = "block-";

    w->had_prefix = true;
    switch (meaning) {
    case PREFIX_FORMAT:
        return set_format(w, name);
    case PREFIX_SCRIPT:
        return set_script(w, strcat(script, name));
    case PREFIX_PLAIN:
        break;
    }
    return true;
}

/* Takes "phy:" and the like off *text. *found: there was one, and another may follow. */
static bool prefix_take(struct words *w, const char **text, bool *found)
{
    const char *name = *text;
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");
    int next = name[length] == ':' ? (unsigned char)name[length + 1] : -1;

    *found = false;
    if (next < 0 || *name < 'a' || *name > 'z') {
        return true;
    }
    for (size_t i = 0; i < COUNT(prefixes); i++) {
        if (length == strlen(prefixes[i].name) && memcmp(name, prefixes[i].name, length) == 0) {
            *found = true;
            *text = name + length + 1;
            return prefix_set(w, prefixes[i].name, prefixes[i].meaning);
        }
    }
    /* A letter or digit behind the colon: "xvda:cdrom", no prefix. */
    return (next >= 'a' && next <= 'z') || (next >= '0' && next <= '9') ||
           xl_because(w->why, "unknown prefix \"%.*s:\"", (int)(length < 60 ? length : 60), name);
}

static bool word_read(struct words *w, char *word)
{
    char *value = strchr(word, '=');

    if (!value) {
        return flag_set(w->spec, word) || positional(w, word);
    }
    *value++ = '\0';
    for (size_t i = 0; i < COUNT(valued); i++) {
        if (strcmp(word, valued[i].key) == 0) {
            return valued[i].set(w, value);
        }
    }
    return xl_because(w->why, "unknown parameter \"%.60s\"", word);
}

/* One word of *text, which moves behind the comma. */
static bool word_take(struct words *w, const char **text)
{
    bool prefix;

    do {
        if (!prefix_take(w, text, &prefix)) {
            return false;
        }
        *text += prefix ? strspn(*text, " \t") : 0;
    } while (prefix);
    if (!**text) {
        return true;
    }
    if (strncmp(*text, "target=", 7) == 0) { /* the rest, commas and all */
        const char *target = *text + 7;
        size_t length = strlen(target);
        *text = target + length;
        char *copy = xl_text(w->memory, target,
                             length && target[length - 1] == ',' ? length - 1 : length);
        return copy ? set_text(w, &w->spec->target, copy, "target")
                    : xl_because(w->why, "there is no memory");
    }
    const char *word = *text;
    size_t length = strcspn(word, ",");
    char *copy = xl_text(w->memory, word, length);
    *text = word + length + (word[length] == ',');
    return copy ? word_read(w, copy) : xl_because(w->why, "there is no memory");
}

bool xl_disk_spec_read(struct xl_memory *memory, struct xl_disk_spec *spec, const char *text,
                       struct xl_why *why)
{
    struct words w = {.memory = memory, .spec = spec, .why = why};

    memset(spec, 0, sizeof(*spec));
    if (strchr(text, '\n')) {
        return xl_because(why, "a line ends in it");
    }
    for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
        if (!word_take(&w, &text)) {
            return false;
        }
    }
    if (spec->format == XL_FORMAT_UNKNOWN) {
        spec->format = XL_RAW;
    }
    if (spec->cdrom) {
        spec->readonly = true;
        if (!spec->target || !*spec->target) {
            spec->format = XL_EMPTY;
        }
    }
    if (!spec->vdev) {
        return xl_because(why, "no vdev");
    }
    if (!spec->target && !spec->cdrom) {
        return xl_because(why, "no target");
    }
    return true;
}
