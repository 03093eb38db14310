// SPDX-License-Identifier: MIT
/* vnuma= describes virtual nodes. There is one here, so one that has all is what there is anyway. */
#include <stdlib.h>
#include <string.h>

#include "tools/xl/xl_reader.h"

/* The value of "KEY = VALUE", without blanks in front; NULL if it is another key. */
static const char *value_of(const char *text, const char *key)
{
    text += strspn(text, " \t");
    if (strncmp(text, key, strlen(key)) != 0) {
        return NULL;
    }
    text += strlen(key);
    text += strspn(text, " \t");
    return *text == '=' ? text + 1 + strspn(text + 1, " \t") : NULL;
}

/* How many vcpus "0-3,5" names; 0 if it is no such list. */
static unsigned long vcpus_count(const char *text)
{
    unsigned long count = 0;
    char *end = (char *)text;

    do {
        const char *part = end + (end != text);
        unsigned long first = strtoul(part, &end, 10), last = first;
        if (end == part) {
            return 0;
        }
        if (*end == '-') {
            part = end + 1;
            last = strtoul(part, &end, 10);
        }
        if (end == part || last < first || last >= XL_VCPUS_MAX) {
            return 0;
        }
        count += last - first + 1;
    } while (*end == ',');
    return *end == '\0' || *end == ' ' ? count : 0;
}

/* The node's words into its size (MiB) and number of vcpus, 0 where it does not say. */
static bool node_read(struct xl_reader *r, const struct xl_value *node, unsigned long *size,
                      unsigned long *vcpus)
{
    for (const struct xl_value *word = node->first; word; word = word->next) {
        const char *value;
        if (!word->text) {
            continue;
        }
        if ((value = value_of(word->text, "pnode")) != NULL && strtoul(value, NULL, 10) != 0) {
            return xl_fail(r, word->at, "vnuma: there is node 0 only");
        }
        if ((value = value_of(word->text, "size")) != NULL) {
            *size = strtoul(value, NULL, 10);
        }
        if ((value = value_of(word->text, "vcpus")) != NULL) {
            *vcpus = vcpus_count(value);
        }
    }
    return true;
}

bool xl_vnuma_take(struct xl_reader *r, const struct xl_setting *setting)
{
    const struct xl_value *node = setting ? setting->value->first : NULL;
    unsigned long size = 0, vcpus = 0;

    if (!node) {
        return true;
    }
    if (node->next) {
        return xl_fail(r, setting->value->at, "vnuma: a guest has one node");
    }
    if (node->text) {
        return xl_fail(r, node->at, "vnuma takes a list of lists");
    }
    if (!node_read(r, node, &size, &vcpus)) {
        return false;
    }
    if (size == 0 || size > 1UL << 24 || vcpus == 0) {
        return xl_fail(r, node->at, "vnuma: a node has size= and vcpus=");
    }
    if ((r->maxmem != XL_NO_NUMBER && (unsigned long)r->maxmem != size) ||
        (r->maxvcpus != XL_NO_NUMBER && (unsigned long)r->maxvcpus != vcpus)) {
        return xl_fail(r, node->at, "vnuma: maxmem= or maxvcpus= says something else");
    }
    r->maxmem = (int64_t)size;
    r->maxvcpus = (int64_t)vcpus;
    return true;
}
