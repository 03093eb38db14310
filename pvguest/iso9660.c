// SPDX-License-Identifier: MIT
/*
 * Reader of ISO 9660 volumes. Sources: ECMA-119 (volume descriptors, section 8; directory records,
 * section 9.1), IEEE P1281 (system use entries SP, CE, ST) and P1282 (Rock Ridge entries NM, PX).
 *
 * Directories are read block by block into the stack; a record never crosses a block. All offsets
 * and lengths in a record are checked against the block before they are used, all extents against
 * the volume.
 */
#include "pvguest/iso9660.h"

#include <string.h>
#include <xen/errno.h>

#include "pvguest/calendar.h"

#define BLOCK_SIZE 2048U
#define SECTORS_PER_BLOCK (BLOCK_SIZE / BLOCK_SECTOR_SIZE)

/* Volume descriptors */
#define DESCRIPTOR_FIRST 16U
#define DESCRIPTOR_LAST 64U /* that many are enough */
#define DESCRIPTOR_PRIMARY 1U
#define DESCRIPTOR_END 255U
#define PRIMARY_LABEL 40U
#define PRIMARY_BLOCKS 80U
#define PRIMARY_BLOCK_SIZE 128U
#define PRIMARY_ROOT 156U

/* Directory record */
#define RECORD_LENGTH 0U
#define RECORD_EXTENT 2U
#define RECORD_SIZE 10U
#define RECORD_DATE                                                                                \
    18U /* years from 1900, month, day, hour, minute, second, quarters of an hour from UTC */
#define RECORD_FLAGS 25U
#define FLAG_DIRECTORY 0x02U
#define FLAG_MORE_EXTENTS 0x80U
#define RECORD_NAME_LENGTH 32U
#define RECORD_NAME 33U

/* System use entries */
#define ENTRY_HEADER 4U
#define NM_FLAGS 4U
#define NM_NAME 5U
#define NM_CURRENT 0x02U
#define NM_PARENT 0x04U
#define PX_MODE 4U
#define MODE_KIND 0170000U
#define MODE_REGULAR 0100000U
#define CONTINUATIONS_MAX 8U

struct entry {
    char name[ISO9660_NAME_MAX + 1];
    struct iso9660_file file;
};

struct block {
    uint8_t bytes[BLOCK_SIZE];
} __attribute__((aligned(BLOCK_SECTOR_SIZE)));

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) | (uint32_t)get16(bytes + 2) << 16;
}

static int64_t record_time(const uint8_t *date)
{
    return calendar_days(1900 + date[0], date[1], date[2]) * 86400 + date[3] * 3600 + date[4] * 60 +
           date[5] - (int8_t)date[6] * 15 * 60;
}

static int block_load(const struct iso9660_volume *volume, uint32_t block, struct block *data)
{
    if (block >= volume->blocks) {
        return -XEN_EIO;
    }
    return block_read(volume->device, (uint64_t)block * SECTORS_PER_BLOCK, data->bytes,
                      SECTORS_PER_BLOCK);
}

/* Rock Ridge -------------------------------------------------------------------------------------- */
/* A run of system use entries: in a record, or where a CE entry says that it goes on. */
struct entries {
    const uint8_t *bytes;
    size_t length;
};

/* Where the entries go on. */
struct continuation {
    uint32_t block; /* 0: nowhere */
    uint32_t offset;
    uint32_t length;
};

static void name_append(struct entry *entry, const uint8_t *bytes, size_t length)
{
    size_t used = strlen(entry->name);
    size_t room = ISO9660_NAME_MAX - used;
    length = length < room ? length : room;
    memcpy(entry->name + used, bytes, length);
    entry->name[used + length] = '\0';
}

/* Takes what one run of entries says. */
static void entries_parse(const struct entries *run, struct entry *entry, struct continuation *next)
{
    size_t at = 0;
    next->block = 0;
    while (at + ENTRY_HEADER <= run->length) {
        const uint8_t *use = run->bytes + at;
        size_t length = use[2];
        if (length < ENTRY_HEADER || at + length > run->length ||
            (use[0] == 'S' && use[1] == 'T')) {
            return;
        }
        if (use[0] == 'N' && use[1] == 'M' && length > NM_NAME &&
            (use[NM_FLAGS] & (NM_CURRENT | NM_PARENT)) == 0) {
            name_append(entry, use + NM_NAME, length - NM_NAME);
        } else if (use[0] == 'P' && use[1] == 'X' && length >= PX_MODE + 4) {
            entry->file.regular = (get32(use + PX_MODE) & MODE_KIND) == MODE_REGULAR;
        } else if (use[0] == 'C' && use[1] == 'E' && length >= 28) {
            next->block = get32(use + 4);
            next->offset = get32(use + 12);
            next->length = get32(use + 20);
        }
        at += length;
    }
}

/* Reads all system use entries of a record; entry->name stays empty if there is no name. */
static int rock_ridge_parse(const struct iso9660_volume *volume, struct entries run,
                            struct entry *entry)
{
    struct continuation next;
    struct block data;
    entry->name[0] = '\0';
    entries_parse(&run, entry, &next);
    for (unsigned int i = 0; i < CONTINUATIONS_MAX && next.block != 0; i++) {
        if (next.offset > BLOCK_SIZE || next.length > BLOCK_SIZE - next.offset) {
            return -XEN_EIO;
        }
        int error = block_load(volume, next.block, &data);
        if (error != 0) {
            return error;
        }
        run = (struct entries){data.bytes + next.offset, next.length};
        entries_parse(&run, entry, &next);
    }
    return 0;
}

/* The first record of the root starts with SP if the volume has system use entries at all. */
static void rock_ridge_detect(struct iso9660_volume *volume)
{
    struct block data;
    if (block_load(volume, volume->root.extent, &data) != 0) {
        return;
    }
    const uint8_t *record = data.bytes;
    size_t at = (RECORD_NAME + record[RECORD_NAME_LENGTH] + 1U) & ~1U;
    const uint8_t *use = record + at;
    if (at + 7 <= record[RECORD_LENGTH] && use[0] == 'S' && use[1] == 'P' && use[2] >= 7 &&
        use[4] == 0xbe && use[5] == 0xef) {
        volume->rock_ridge = true;
        volume->rock_ridge_skip = use[6];
    }
}

/* Directory records ------------------------------------------------------------------------------- */
/* A plain name: "INDEX.HTM;1" becomes "index.htm". */
static void name_plain(struct entry *entry, const uint8_t *bytes, size_t length)
{
    size_t used = 0;
    for (size_t i = 0; i < length && bytes[i] != ';'; i++) {
        char c = (char)bytes[i];
        entry->name[used++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    if (used != 0 && entry->name[used - 1] == '.') {
        used--;
    }
    entry->name[used] = '\0';
}

/* Where and how big; -XEN_EIO if that is not in the volume. */
static int file_parse(const struct iso9660_volume *volume, const uint8_t *record,
                      struct iso9660_file *file)
{
    uint64_t blocks;
    file->extent = get32(record + RECORD_EXTENT);
    file->size = get32(record + RECORD_SIZE);
    file->modified = record_time(record + RECORD_DATE);
    file->directory = (record[RECORD_FLAGS] & FLAG_DIRECTORY) != 0;
    file->regular = !file->directory;
    blocks = ((uint64_t)file->size + BLOCK_SIZE - 1) / BLOCK_SIZE;
    return blocks == 0 || file->extent + blocks <= volume->blocks ? 0 : -XEN_EIO;
}

/* 1: an entry; 0: one to skip ("." and "..", part of a file of several extents). */
static int record_parse(const struct iso9660_volume *volume, const uint8_t *record,
                        struct entry *entry)
{
    size_t length = record[RECORD_LENGTH];
    size_t name_length = record[RECORD_NAME_LENGTH];
    const uint8_t *name = record + RECORD_NAME;
    if (length < RECORD_NAME + name_length || name_length == 0) {
        return -XEN_EIO;
    }
    if ((name_length == 1 && name[0] <= 1) || (record[RECORD_FLAGS] & FLAG_MORE_EXTENTS) != 0) {
        return 0;
    }
    int error = file_parse(volume, record, &entry->file);
    if (error != 0) {
        return error;
    }
    entry->name[0] = '\0';
    size_t use = ((RECORD_NAME + name_length + 1) & ~1UL) + volume->rock_ridge_skip;
    if (volume->rock_ridge && use < length) {
        error = rock_ridge_parse(volume, (struct entries){record + use, length - use}, entry);
    }
    if (error == 0 && entry->name[0] == '\0') {
        name_plain(entry, name, name_length);
    }
    return error != 0 ? error : 1;
}

int iso9660_list(const struct iso9660_volume *volume, const struct iso9660_file *directory,
                 int (*visit)(void *context, const char *name, const struct iso9660_file *file),
                 void *context)
{
    if (!directory->directory) {
        return -XEN_ENOTDIR;
    }
    for (uint32_t at = 0; at < directory->size; at += BLOCK_SIZE) {
        struct block data;
        int result = block_load(volume, directory->extent + at / BLOCK_SIZE, &data);
        for (size_t offset = 0; result == 0 && offset + RECORD_NAME < BLOCK_SIZE;) {
            const uint8_t *record = data.bytes + offset;
            if (record[RECORD_LENGTH] == 0) {
                break; /* the rest of the block is empty */
            }
            if (offset + record[RECORD_LENGTH] > BLOCK_SIZE) {
                return -XEN_EIO;
            }
            struct entry entry;
            result = record_parse(volume, record, &entry);
            if (result == 1) {
                result = visit(context, entry.name, &entry.file);
            }
            offset += record[RECORD_LENGTH];
        }
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

/* Paths ------------------------------------------------------------------------------------------- */
struct search {
    const char *name;
    size_t length;
    bool exact;
    struct iso9660_file file;
};

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static int search_visit(void *context, const char *name, const struct iso9660_file *file)
{
    struct search *search = context;
    if (strlen(name) != search->length) {
        return 0;
    }
    for (size_t i = 0; i < search->length; i++) {
        if (name[i] != search->name[i] && (search->exact || name[i] != lower(search->name[i]))) {
            return 0;
        }
    }
    search->file = *file;
    return 1;
}

int iso9660_open(const struct iso9660_volume *volume, const char *path, struct iso9660_file *file)
{
    *file = volume->root;
    for (;;) {
        path += strspn(path, "/");
        if (*path == '\0') {
            return 0;
        }
        struct search search = {
            .name = path, .length = strcspn(path, "/"), .exact = volume->rock_ridge};
        int found = iso9660_list(volume, file, search_visit, &search);
        if (found <= 0) {
            return found == 0 ? -XEN_ENOENT : found;
        }
        *file = search.file;
        path += search.length;
    }
}

/* Contents ---------------------------------------------------------------------------------------- */
long iso9660_read(const struct iso9660_volume *volume, const struct iso9660_file *file,
                  uint64_t offset, void *buffer, size_t length)
{
    char *to = buffer;
    if (offset >= file->size) {
        return 0;
    }
    length = length < file->size - offset ? length : (size_t)(file->size - offset);
    size_t left = length;
    while (left != 0) {
        uint64_t block = file->extent + offset / BLOCK_SIZE;
        size_t skip = offset % BLOCK_SIZE;
        size_t whole = left / BLOCK_SIZE;
        size_t piece;
        int error;
        if (skip == 0 && whole != 0 && (uintptr_t)to % BLOCK_SECTOR_SIZE == 0) {
            piece = whole * BLOCK_SIZE;
            error = block_read(volume->device, block * SECTORS_PER_BLOCK, to,
                               whole * SECTORS_PER_BLOCK);
        } else {
            struct block data;
            piece = BLOCK_SIZE - skip < left ? BLOCK_SIZE - skip : left;
            error = block_load(volume, (uint32_t)block, &data);
            if (error == 0) {
                memcpy(to, data.bytes + skip, piece);
            }
        }
        if (error != 0) {
            return error;
        }
        to += piece;
        offset += piece;
        left -= piece;
    }
    return (long)length;
}

/* Mounting ---------------------------------------------------------------------------------------- */
static void label_take(struct iso9660_volume *volume, const uint8_t *bytes)
{
    size_t length = sizeof(volume->label) - 1;
    while (length != 0 && bytes[length - 1] == ' ') {
        length--;
    }
    memcpy(volume->label, bytes, length);
    volume->label[length] = '\0';
}

/* 1: this is the primary descriptor and it makes sense; 0: look at the next. */
static int descriptor_take(struct iso9660_volume *volume, const uint8_t *bytes)
{
    if (memcmp(bytes + 1, "CD001", 5) != 0 || bytes[0] == DESCRIPTOR_END) {
        return -XEN_EINVAL;
    }
    if (bytes[0] != DESCRIPTOR_PRIMARY) {
        return 0;
    }
    uint32_t blocks = get32(bytes + PRIMARY_BLOCKS);
    if (get16(bytes + PRIMARY_BLOCK_SIZE) != BLOCK_SIZE || blocks > volume->blocks) {
        return -XEN_EINVAL;
    }
    volume->blocks = blocks;
    label_take(volume, bytes + PRIMARY_LABEL);
    if (file_parse(volume, bytes + PRIMARY_ROOT, &volume->root) != 0 || !volume->root.directory) {
        return -XEN_EINVAL;
    }
    rock_ridge_detect(volume);
    return 1;
}

int iso9660_mount(struct iso9660_volume *volume, struct block_device *device)
{
    uint64_t blocks = device->sectors / SECTORS_PER_BLOCK;
    *volume = (struct iso9660_volume){
        .device = device, .blocks = blocks < UINT32_MAX ? (uint32_t)blocks : UINT32_MAX};
    for (uint32_t at = DESCRIPTOR_FIRST; at < DESCRIPTOR_LAST; at++) {
        struct block data;
        if (at >= volume->blocks) {
            break;
        }
        int result = block_load(volume, at, &data);
        if (result == 0) {
            result = descriptor_take(volume, data.bytes);
        }
        if (result != 0) {
            return result < 0 ? result : 0;
        }
    }
    return -XEN_EINVAL;
}
