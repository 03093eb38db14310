// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "dom0/unpack.h"

#define GZIP_SMALLEST 18U /* header and trailer */
#define GZIP_WINDOW (16 + MAX_WBITS)

bool unpack_is_packed(const void *data, size_t size)
{
    return size >= GZIP_SMALLEST && memcmp(data, "\x1f\x8b\x08", 3) == 0;
}

/* The file's last four bytes say how long the contents are; a lie is found out while unpacking. */
static uint32_t promised_size(const uint8_t *data, size_t size)
{
    const uint8_t *last = data + size - 4;

    return last[0] | (uint32_t)last[1] << 8 | (uint32_t)last[2] << 16 | (uint32_t)last[3] << 24;
}

static bool inflate_all(void *to, uint32_t room, const void *data, size_t size,
                        struct guest_error *error)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data,
                       .avail_in = (uInt)size,
                       .next_out = to,
                       .avail_out = room};
    int rc = inflateInit2(&stream, GZIP_WINDOW);

    if (rc == Z_OK) {
        rc = inflate(&stream, Z_FINISH);
        inflateEnd(&stream);
    }
    if (rc == Z_STREAM_END && stream.total_out == room && stream.avail_in == 0) {
        return true;
    }
    snprintf(error->text, sizeof(error->text), "the packed file is damaged: %s",
             rc == Z_MEM_ERROR ? "out of memory"
             : stream.msg      ? stream.msg
                               : "it does not end where its contents end");
    return false;
}

void *unpack_gzip(const void *data, size_t size, size_t *contents_size, struct guest_error *error)
{
    uint32_t room = promised_size(data, size);

    if (room == 0 || room > UNPACK_MAX || size > UNPACK_MAX) {
        snprintf(error->text, sizeof(error->text),
                 "unpacked it would have %u KiB, from 1 to %u may be", (unsigned int)(room >> 10),
                 UNPACK_MAX >> 10);
        return NULL;
    }
    void *contents = malloc(room);
    if (!contents) {
        snprintf(error->text, sizeof(error->text), "dom0 has no memory for %u KiB, unpacked",
                 (unsigned int)(room >> 10));
        return NULL;
    }
    if (!inflate_all(contents, room, data, size, error)) {
        free(contents);
        return NULL;
    }
    *contents_size = room;
    return contents;
}
