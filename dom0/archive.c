// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <string.h>

#include "dom0/archive.h"

#define CPIO_HEADER 110U
#define TAR_BLOCK 512U
#define MODE_FORMAT 0170000U
#define MODE_REGULAR 0100000U

/* `digits` digits to the given base; stops at anything else. */
static uint64_t number(const char *text, unsigned int digits, unsigned int base)
{
    uint64_t value = 0;

    for (unsigned int i = 0; i < digits; i++) {
        unsigned int c = (unsigned char)text[i] | 0x20U;
        unsigned int digit = c >= '0' && c <= '9'   ? c - '0'
                             : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                                    : 99;
        if (digit >= base) {
            break;
        }
        value = value * base + digit;
    }
    return value;
}

static bool inside(const struct archive *archive, size_t at, uint64_t length)
{
    return at <= archive->size && length <= archive->size - at;
}

/* One record of either format; *regular says whether it is a file. */
static bool cpio_record(const struct archive *archive, size_t *at, struct archive_file *file,
                        bool *regular)
{
    const char *header = archive->data + *at;
    uint64_t name_size, name_at, data_at;

    if (!inside(archive, *at, CPIO_HEADER) || memcmp(header, "07070", 5) != 0) {
        return false;
    }
    name_size = number(header + 94, 8, 16);
    file->size = number(header + 54, 8, 16);
    name_at = *at + CPIO_HEADER;
    data_at = (name_at + name_size + 3) & ~3ULL;
    if (name_size < 2 || !inside(archive, name_at, name_size) ||
        !inside(archive, data_at, file->size)) {
        return false;
    }
    file->name = archive->data + name_at;
    file->name_length = strnlen(file->name, name_size);
    file->data = archive->data + data_at;
    *regular = (number(header + 14, 8, 16) & MODE_FORMAT) == MODE_REGULAR;
    *at = (data_at + file->size + 3) & ~3ULL;
    return strncmp(file->name, "TRAILER!!!", name_size) != 0;
}

static bool tar_record(const struct archive *archive, size_t *at, struct archive_file *file,
                       bool *regular)
{
    const char *header = archive->data + *at;

    if (!inside(archive, *at, TAR_BLOCK) || memcmp(header + 257, "ustar", 5) != 0) {
        return false;
    }
    file->size = number(header + 124, 11, 8);
    if (!inside(archive, *at + TAR_BLOCK, file->size)) {
        return false;
    }
    file->name = header;
    file->name_length = strnlen(header, 100);
    file->data = header + TAR_BLOCK;
    *regular = header[156] == '0' || header[156] == '\0';
    *at += TAR_BLOCK + ((file->size + TAR_BLOCK - 1) & ~(size_t)(TAR_BLOCK - 1));
    return true;
}

bool archive_next(const struct archive *archive, size_t *at, struct archive_file *file)
{
    bool regular = false;

    while (!regular) {
        bool cpio = inside(archive, *at, 5) && memcmp(archive->data + *at, "07070", 5) == 0;
        if (!(cpio ? cpio_record : tar_record)(archive, at, file, &regular)) {
            return false;
        }
    }
    return true;
}

static const char *name_bare(const char *name, size_t *length)
{
    while (*length > 0 && (name[0] == '/' || (name[0] == '.' && *length > 1 && name[1] == '/'))) {
        name++;
        (*length)--;
    }
    return name;
}

bool archive_find(const struct archive *archive, const char *name, struct archive_file *file)
{
    size_t length = strlen(name);
    size_t at = 0;

    name = name_bare(name, &length);
    while (archive_next(archive, &at, file)) {
        size_t size = file->name_length;
        const char *bare = name_bare(file->name, &size);
        if (size == length && memcmp(bare, name, length) == 0) {
            return true;
        }
    }
    return false;
}
