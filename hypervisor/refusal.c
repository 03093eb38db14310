// SPDX-License-Identifier: MIT
// The table behind refusal.h: identifier -> Xen errno and words.
#include "hypervisor/refusal.h"
#include <xen/errno.h>

struct refusal_entry {
    int error;
    const char *name, *words;
};

// Row 0 is success; clang-format 14 cannot read the rest.
// clang-format off
static const struct refusal_entry table[REFUSAL_COUNT] = {
    [REFUSE_NONE] = {0, "NONE", "success"},
#define REFUSAL(id, error, words) [REFUSE_##id] = {error, #id, words},
#include "hypervisor/refusals.def"
#undef REFUSAL
};
// clang-format on

static const struct refusal_entry *entry(enum refusal r)
{
    static const struct refusal_entry unknown = {XEN_EINVAL, "UNKNOWN", "unknown refusal"};

    return (unsigned)r < REFUSAL_COUNT ? &table[r] : &unknown;
}

int refusal_errno(enum refusal r)
{
    return -entry(r)->error;
}

const char *refusal_words(enum refusal r)
{
    return entry(r)->words;
}

const char *refusal_name(enum refusal r)
{
    return entry(r)->name;
}
