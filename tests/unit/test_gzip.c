// SPDX-License-Identifier: MIT
// The hypervisor's gzip reader against what zlib packs, and against damage.
#include "hypervisor/gzip.h"
#include "hypervisor/string.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <zlib.h>

#define CONTENTS_MAX 200000
static uint8_t contents[CONTENTS_MAX], packed[2 * CONTENTS_MAX];

static void noise(size_t size)
{
    for (size_t i = 0; i < size; i++)
        contents[i] = (uint8_t)rand();
}

static void runs(size_t size)
{
    for (size_t i = 0; i < size;) {
        uint8_t byte = (uint8_t)(rand() % 7);
        for (int n = rand() % 400; n >= 0 && i < size; n--)
            contents[i++] = byte;
    }
}

static void words(size_t size)
{
    static const char *const some[] = {"frame ", "grant ", "event ", "domain ", "vcpu\n"};
    size_t at = 0;

    while (at < size) {
        const char *word = some[rand() % 5];
        for (; *word && at < size; word++)
            contents[at++] = (uint8_t)*word;
    }
}

static void zeroes(size_t size)
{
    memset(contents, 0, size);
}

// Length of the file.
static size_t pack(size_t size, int level, int strategy, gz_header *header)
{
    z_stream z = {.next_in = contents,
                  .avail_in = (uInt)size,
                  .next_out = packed,
                  .avail_out = sizeof(packed)};

    deflateInit2(&z, level, Z_DEFLATED, 16 + MAX_WBITS, 9, strategy);
    if (header)
        deflateSetHeader(&z, header);
    deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return z.total_out;
}

// Both buffers are exactly as long as said, so that the sanitizer sees every byte beyond.
static const char *unpack(size_t room, size_t size, bool is_compared)
{
    uint8_t *file = malloc(size ? size : 1), *to = malloc(room ? room : 1);

    memcpy(file, packed, size);
    const char *wrong = gzip_unpack(to, room, file, size);
    if (!wrong && is_compared)
        CU_ASSERT_EQUAL(memcmp(to, contents, room), 0);
    free(file);
    free(to);
    return wrong;
}

static void as_packed(void)
{
    static void (*const fill[])(size_t) = {noise, runs, words, zeroes};
    static const size_t sizes[] = {0, 1, 2, 100, 4096, 70000, CONTENTS_MAX};
    static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED};

    for (unsigned f = 0; f < ARRAY_SIZE(fill); f++) {
        for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
            fill[f](sizes[i]);
            for (unsigned level = 0; level <= 9; level += 3) {
                size_t size = pack(sizes[i], (int)level, strategies[level / 3], NULL);
                CU_ASSERT_TRUE(gzip_is_packed(packed, size));
                CU_ASSERT_EQUAL(gzip_contents_size(packed, size), sizes[i]);
                CU_ASSERT_PTR_NULL(unpack(sizes[i], size, true));
            }
        }
    }
}

static void headers(void)
{
    static Bytef name[] = "vmlinux", comment[] = "a kernel", extra[300] = {1, 2, 3};
    gz_header header = {
        .name = name, .comment = comment, .extra = extra, .extra_len = 300, .hcrc = 1};

    words(5000);
    size_t size = pack(5000, 9, Z_DEFAULT_STRATEGY, &header);
    CU_ASSERT_PTR_NULL(unpack(5000, size, true));
    packed[3] |= 0x80;
    CU_ASSERT_PTR_NOT_NULL(unpack(5000, size, false));
    packed[3] &= 0x7f;
    memset(packed + 10, 0xff, 2); // an extra field longer than the file
    CU_ASSERT_PTR_NOT_NULL(unpack(5000, size, false));
}

static void not_packed(void)
{
    CU_ASSERT_FALSE(gzip_is_packed("\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\0\0\0\0", 20));
    CU_ASSERT_FALSE(gzip_is_packed("\x1f\x8b\x08", 3));
}

static void wrong_room(void)
{
    words(5000);
    size_t size = pack(5000, 9, Z_DEFAULT_STRATEGY, NULL);
    CU_ASSERT_PTR_NOT_NULL(unpack(4999, size, false));
    CU_ASSERT_PTR_NOT_NULL(unpack(5001, size, false));
    CU_ASSERT_PTR_NOT_NULL(unpack(0, size, false));
}

static void truncated(void)
{
    words(3000);
    size_t size = pack(3000, 6, Z_DEFAULT_STRATEGY, NULL);
    for (size_t cut = 18; cut < size; cut++)
        CU_ASSERT_PTR_NOT_NULL(unpack(3000, cut, false));
}

// Damage is noticed, by the checksum at the latest, or does not matter (bits that fill the last byte).
static void damaged(void)
{
    static void (*const fill[])(size_t) = {runs, words};

    srand(2);
    for (unsigned round = 0; round < 4000; round++) {
        size_t bytes = (size_t)rand() % 3000;
        fill[round % 2](bytes);
        size_t size = pack(bytes, 9, round & 2 ? Z_FIXED : Z_DEFAULT_STRATEGY, NULL);
        size_t at = 10 + (size_t)rand() % (size - 10);
        packed[at] ^= (uint8_t)(1 << rand() % 8);
        unpack(bytes, size, true);
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(as_packed),  REPORT_CASE(headers),   REPORT_CASE(not_packed),
    REPORT_CASE(wrong_room), REPORT_CASE(truncated), REPORT_CASE(damaged),
};

int main(void)
{
    return report_run("gzip", cases, ARRAY_SIZE(cases));
}
