// SPDX-License-Identifier: MIT
/* Sets of processors, as cpus= and cpus_soft= name them. */
#include <stdlib.h>
#include <string.h>

#include "tools/xl/xl_config.h"

/* "5" or "2-7" */
static bool range_read(const char *text, unsigned long *first, unsigned long *last)
{
    char *end;

    *first = *last = strtoul(text, &end, 10);
    if (end == text || *first > INT32_MAX) {
        return false;
    }
    if (*end == '-') {
        text = end + 1;
        *last = strtoul(text, &end, 10);
        if (end == text || *last > INT32_MAX || *last < *first) {
            return false;
        }
    }
    return !*end;
}

static void range_set(struct xl_cpus *cpus, unsigned long first, unsigned long last, bool in)
{
    for (unsigned long cpu = first; cpu <= last && cpu < XL_CPUS_MAX; cpu++) {
        uint8_t bit = (uint8_t)(1U << cpu % 8);
        cpus->bits[cpu / 8] = (uint8_t)(in ? cpus->bits[cpu / 8] | bit
                                           : cpus->bits[cpu / 8] & ~bit);
    }
}

static bool prefix_take(const char **text, const char *prefix)
{
    size_t length = strlen(prefix);
    bool found = strncmp(*text, prefix, length) == 0;

    *text += found ? length : 0;
    return found;
}

/* One part: "[^][nodes:]RANGE" or "all". */
static bool part_read(struct xl_cpus *cpus, const char *text, struct xl_why *why)
{
    unsigned long first, last;
    const char *range = text;
    bool out = prefix_take(&range, "^");
    bool nodes = prefix_take(&range, "node:") || prefix_take(&range, "nodes:");

    if (strcmp(range, "all") == 0) {
        range_set(cpus, 0, XL_CPUS_MAX - 1, true);
        return !out || xl_because(why, "^ and all do not go together");
    }
    if (!range_read(range, &first, &last)) {
        return xl_because(why, "no range of processors: \"%.60s\"", text);
    }
    if (!nodes) {
        range_set(cpus, first, last, !out);
        return true;
    }
    if (last > 0) {
        return xl_because(why, "%.60s: there is node 0 only", text);
    }
    range_set(cpus, 0, XL_CPUS_MAX - 1, !out);
    return true;
}

bool xl_cpus_parse(struct xl_cpus *cpus, const char *text, struct xl_why *why)
{
    memset(cpus, 0, sizeof(*cpus));
    while (*text) {
        size_t length = strcspn(text, ",");
        char part[64];
        if (length >= sizeof(part)) {
            return xl_because(why, "no range of processors: \"%.60s\"", text);
        }
        memcpy(part, text, length);
        part[length] = '\0';
        text += length + (text[length] == ',');
        if (length && !part_read(cpus, part, why)) {
            return false;
        }
    }
    return true;
}
