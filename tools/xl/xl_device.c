// SPDX-License-Identifier: MIT
/* Entries of disk= (xl-disk-configuration) and vif= (xl-network-configuration). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/xl/xl_config.h"

static bool complain(char *why, size_t size, const char *text, const char *word)
{
    snprintf(why, size, "%s%s%.60s%s", text, word ? " '" : "", word ? word : "", word ? "'" : "");
    return false;
}

/* Cuts the next part (up to a comma) off *text, without blanks around it; NULL at the end. */
static char *part_next(char **text)
{
    char *part = *text, *end;

    if (!part) {
        return NULL;
    }
    end = strchr(part, ',');
    *text = end ? end + 1 : NULL;
    if (!end) {
        end = part + strlen(part);
    }
    while (end > part && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    *end = '\0';
    return part + strspn(part, " \t");
}

static bool copy(char *to, size_t size, const char *from)
{
    if (strlen(from) >= size) {
        return false;
    }
    strcpy(to, from);
    return true;
}

/* Letters "a".."zz" to 0..; the rest goes to *end. */
static bool disk_letters(const char *text, unsigned int *disk, const char **end)
{
    unsigned int value = 0, letters = 0;

    for (; *text >= 'a' && *text <= 'z' && letters < 2; text++, letters++) {
        value = value * 26 + (unsigned int)(*text - 'a') + 1;
    }
    *disk = value - 1;
    *end = text;
    return letters > 0;
}

/* Numbers as in xen-vbd-interface(7). */
bool xl_vdev_number(const char *vdev, uint32_t *number)
{
    unsigned int disk, partition = 0;
    const char *rest = vdev;
    char *end;

    if (vdev[0] == 'd' && vdev[1] >= '0' && vdev[1] <= '9') {
        disk = (unsigned int)strtoul(vdev + 1, &end, 10);
        if (*end == 'p' && end[1]) {
            partition = (unsigned int)strtoul(end + 1, &end, 10);
        }
        vdev = "xvd";
        rest = end;
    } else if ((strncmp(vdev, "xvd", 3) == 0 && disk_letters(vdev + 3, &disk, &rest)) ||
               ((strncmp(vdev, "sd", 2) == 0 || strncmp(vdev, "hd", 2) == 0) &&
                disk_letters(vdev + 2, &disk, &rest))) {
        partition = (unsigned int)strtoul(rest, &end, 10);
        if (end == rest + 0 ? *rest != '\0' : partition == 0) {
            return false;
        }
        rest = end;
    } else {
        return false;
    }
    if (*rest || disk >= (1U << 20) || partition > 255) {
        return false;
    }
    if (vdev[0] == 'x' && (disk >= 16 || partition >= 16)) {
        *number = (1U << 28) | (disk << 8) | partition;
    } else if (vdev[0] == 'x') {
        *number = (202U << 8) | (disk << 4) | partition;
    } else if (vdev[0] == 's' && disk < 16 && partition < 16) {
        *number = (8U << 8) | (disk << 4) | partition;
    } else if (vdev[0] == 'h' && disk < 4 && partition < 64) {
        *number = ((disk < 2 ? 3U : 22U) << 8) | ((disk & 1) << 6) | partition;
    } else {
        return false;
    }
    return true;
}

struct disk_parser {
    struct xl_disk *disk;
    bool prefix; /* "phy:" and the like stand for the format */
    unsigned int position;
    char *why;
    size_t why_size;
};

static bool disk_format(struct disk_parser *d, const char *format)
{
    if (*format && strcmp(format, "raw") != 0) {
        return complain(d->why, d->why_size, "only the format raw is known, not", format);
    }
    return true;
}

static bool disk_access(struct disk_parser *d, const char *access)
{
    if (strcmp(access, "r") == 0 || strcmp(access, "ro") == 0) {
        d->disk->readonly = true;
    } else if (*access && strcmp(access, "w") != 0 && strcmp(access, "rw") != 0) {
        return complain(d->why, d->why_size, "access is r or w, not", access);
    }
    return true;
}

static bool disk_key(struct disk_parser *d, const char *key, const char *value)
{
    if (strcmp(key, "vdev") == 0) {
        return copy(d->disk->vdev, sizeof(d->disk->vdev), value) ||
               complain(d->why, d->why_size, "no device name:", value);
    }
    if (strcmp(key, "format") == 0) {
        return disk_format(d, value);
    }
    if (strcmp(key, "access") == 0) {
        return disk_access(d, value);
    }
    if (strcmp(key, "devtype") == 0) {
        d->disk->cdrom = strcmp(value, "cdrom") == 0;
        return d->disk->cdrom || strcmp(value, "disk") == 0 ||
               complain(d->why, d->why_size, "devtype is disk or cdrom, not", value);
    }
    if (strcmp(key, "backendtype") == 0) {
        return strcmp(value, "phy") == 0 ||
               complain(d->why, d->why_size, "backendtype is phy, not", value);
    }
    return complain(d->why, d->why_size, "unknown parameter", key);
}

static bool disk_target(struct disk_parser *d, const char *target)
{
    static const char *const prefixes[] = {"phy:", "file:", "raw:"};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(target, prefixes[i], strlen(prefixes[i])) == 0) {
            target += strlen(prefixes[i]);
            d->prefix = true;
            break;
        }
    }
    if (strncmp(target, "/dev/", 5) == 0) {
        target += 5; /* volumes are named without a folder here */
    }
    return copy(d->disk->target, sizeof(d->disk->target), target) ||
           complain(d->why, d->why_size, "target is too long:", target);
}

/* Positions: target, format, vdev, access; with a prefix: target, vdev, access. */
static bool disk_positional(struct disk_parser *d, char *part)
{
    char *suffix;

    switch (d->position++) {
    case 0:
        if (!disk_target(d, part)) {
            return false;
        }
        d->position += d->prefix;
        return true;
    case 1:
        return disk_format(d, part);
    case 2:
        suffix = strchr(part, ':');
        if (suffix && strcmp(suffix, ":cdrom") == 0) {
            *suffix = '\0';
            d->disk->cdrom = true;
        }
        return copy(d->disk->vdev, sizeof(d->disk->vdev), part) ||
               complain(d->why, d->why_size, "no device name:", part);
    case 3:
        return disk_access(d, part);
    default:
        return complain(d->why, d->why_size, "one part too many:", part);
    }
}

bool xl_disk_parse(struct xl_disk *disk, const char *text, char *why, size_t why_size)
{
    struct disk_parser d = {.disk = disk, .why = why, .why_size = why_size};
    char buffer[1024], *state = buffer;

    memset(disk, 0, sizeof(*disk));
    snprintf(buffer, sizeof(buffer), "%s", text);
    while (state) {
        char *start = state + strspn(state, " \t");
        if (strncmp(start, "target=", 7) == 0) { /* takes the rest, commas and all */
            if (!disk_target(&d, start + 7)) {
                return false;
            }
            break;
        }
        char *part = part_next(&state);
        char *value = strchr(part, '=');
        if (strcmp(part, "cdrom") == 0) {
            disk->cdrom = true;
        } else if (value) {
            *value++ = '\0';
            if (!disk_key(&d, part, value)) {
                return false;
            }
        } else if (!disk_positional(&d, part)) {
            return false;
        }
    }
    disk->readonly |= disk->cdrom;
    if (!disk->target[0]) {
        return complain(why, why_size, "no target", NULL);
    }
    if (!xl_vdev_number(disk->vdev, &disk->number)) {
        return disk->vdev[0] ? complain(why, why_size, "no device name:", disk->vdev)
                             : complain(why, why_size, "no vdev", NULL);
    }
    return true;
}

static bool mac_parse(const char *text, uint8_t mac[6])
{
    for (unsigned int i = 0; i < 6; i++) {
        char *end;
        unsigned long byte = strtoul(text, &end, 16);
        if (end != text + 2 || byte > 255 || *end != (i < 5 ? ':' : '\0')) {
            return false;
        }
        mac[i] = (uint8_t)byte;
        text = end + 1;
    }
    return (mac[0] & 1) == 0; /* no group addresses */
}

bool xl_vif_parse(struct xl_vif *vif, const char *text, char *why, size_t why_size)
{
    char buffer[1024], *state = buffer, *part;

    memset(vif, 0, sizeof(*vif));
    snprintf(buffer, sizeof(buffer), "%s", text);
    while ((part = part_next(&state)) != NULL) {
        char *value = strchr(part, '=');
        bool good = true;
        if (!*part) {
            continue;
        }
        if (!value) {
            return complain(why, why_size, "expected key=value, found", part);
        }
        *value++ = '\0';
        if (strcmp(part, "mac") == 0) {
            good = vif->has_mac = mac_parse(value, vif->mac);
        } else if (strcmp(part, "bridge") == 0) {
            good = copy(vif->bridge, sizeof(vif->bridge), value);
        } else if (strcmp(part, "ip") == 0) {
            good = copy(vif->ip, sizeof(vif->ip), value);
        } else if (strcmp(part, "script") == 0) {
            good = copy(vif->script, sizeof(vif->script), value);
        } else if (strcmp(part, "type") != 0 && strcmp(part, "model") != 0) {
            return complain(why, why_size, "unknown parameter", part);
        }
        if (!good) {
            return complain(why, why_size, "impossible value", value);
        }
    }
    return true;
}
