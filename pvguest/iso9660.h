// SPDX-License-Identifier: MIT
/*
 * ISO 9660 (ECMA-119) volumes with Rock Ridge names: read only, on any block device. Several
 * threads may use a volume at once; there is nothing to close.
 *
 * Without Rock Ridge, names are given in lower case without the version (";1") and without a
 * trailing dot, and are found whatever their case. The image is not trusted: what does not make
 * sense is -XEN_EIO. Files of several extents (over 4 GiB) are not supported.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pvguest/block.h"

#define ISO9660_NAME_MAX 255U

struct iso9660_file {
    uint32_t extent;  /* first block, of 2048 bytes */
    uint32_t size;    /* bytes */
    int64_t modified; /* seconds since 1970, by the record's date */
    bool directory;
    bool regular; /* neither directory nor link, device, ... */
};

struct iso9660_volume {
    struct block_device *device;
    char label[33];
    struct iso9660_file root;
    uint32_t blocks;         /* of the volume */
    bool rock_ridge;         /* names and kinds of files come from system use entries */
    uint8_t rock_ridge_skip; /* bytes in front of those */
};

/* -XEN_EINVAL: the device holds no ISO 9660 volume. */
int iso9660_mount(struct iso9660_volume *volume, struct block_device *device);
/* Path from the root, with or without a leading slash; "" is the root. -XEN_ENOENT. */
int iso9660_open(const struct iso9660_volume *volume, const char *path, struct iso9660_file *file);
/* Bytes read (fewer only at the end of the file) or -XEN_E*. Fastest with a buffer aligned to 512
 * and an offset that is a multiple of 2048. */
long iso9660_read(const struct iso9660_volume *volume, const struct iso9660_file *file,
                  uint64_t offset, void *buffer, size_t length);
/* Calls visit for each entry but "." and "..", until it gives something other than 0, which becomes
 * the result. */
int iso9660_list(const struct iso9660_volume *volume, const struct iso9660_file *directory,
                 int (*visit)(void *context, const char *name, const struct iso9660_file *file),
                 void *context);
