// SPDX-License-Identifier: MIT
/*
 * The one list of the keys of xl.cfg: all that xl 4.17 and 4.20 look for, and what the tools before
 * it wrote. docs/xl-cfg.md has a row for each (tests/unit/test_xl_keys.c compares). Any other key is
 * told of in a warning, and ignored.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum xl_key_fate {
    XL_KEY_HONOURED,
    XL_KEY_IDLE,    /* changes nothing here */
    XL_KEY_REFUSED, /* asks for what nothing here can give, unless its value asks for nothing */
};

/* What a value that asks for nothing looks like. */
enum xl_key_nothing {
    XL_NOTHING_NEVER,
    XL_NOTHING_EMPTY, /* a list without entries, an empty string */
    XL_NOTHING_ZERO,  /* the number 0, or empty */
};

struct xl_key {
    const char *name;
    enum xl_key_fate fate;
    enum xl_key_nothing nothing;
    const char *reason;
};

/* NULL: unknown. */
const struct xl_key *xl_key_find(const char *name);
/* All of them, for tests. */
const struct xl_key *xl_key_list(size_t *count);
