// SPDX-License-Identifier: MIT
// The hypervisor's gzip reader: stays inside file and room, and what zlib unpacks it unpacks to the same (it looks
// at fewer checksums than zlib does).
#include "hypervisor/gzip.h"
#include "tests/libfuzzer/harness.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ROOM_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!gzip_is_packed(data, size))
        return 0;
    size_t room = gzip_contents_size(data, size) % (ROOM_MAX + 1);
    uint8_t *ours = malloc(room + 1), *theirs = malloc(room + 1);
    const char *wrong = gzip_unpack(ours, room, data, size);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data,
                  .avail_in = (uInt)size,
                  .next_out = theirs,
                  .avail_out = (uInt)room + 1};
    inflateInit2(&z, 16 + MAX_WBITS);
    if (inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_in == 0 && z.total_out == room)
        HARNESS_CHECK(!wrong && memcmp(ours, theirs, room) == 0);
    inflateEnd(&z);
    free(ours);
    free(theirs);
    return 0;
}

size_t harness_seed(unsigned int number, uint8_t seed[HARNESS_SEED_MAX])
{
    static const char *const texts[] = {"", "a", "abcabcabcabcabcabcabcabcabcabcabcabc",
                                        "the quick brown fox"};
    static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY};
    z_stream z = {.next_out = seed, .avail_out = HARNESS_SEED_MAX};

    if (number >= 12)
        return 0;
    z.next_in = (Bytef *)(uintptr_t)texts[number % 4];
    z.avail_in = (uInt)strlen(texts[number % 4]);
    deflateInit2(&z, number < 4 ? 0 : 9, Z_DEFLATED, 16 + MAX_WBITS, 9, strategies[number / 4]);
    deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return z.total_out;
}
