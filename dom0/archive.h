// SPDX-License-Identifier: MIT
/*
 * The boot archive (dom0's initrd): a read-only file system in memory, cpio ("newc") or tar
 * (POSIX ustar). Names are looked up without leading "/" or "./". Pure: the archive is given.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct archive {
    const char *data;
    size_t size;
};

struct archive_file {
    const char *name; /* as in the archive, not terminated in a tar with 100-character names */
    size_t name_length;
    const void *data;
    size_t size;
};

/* The file after offset *at (0: the first), which moves on; false at the end or at nonsense. */
bool archive_next(const struct archive *archive, size_t *at, struct archive_file *file);
bool archive_find(const struct archive *archive, const char *name, struct archive_file *file);
