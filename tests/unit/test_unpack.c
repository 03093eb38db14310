// SPDX-License-Identifier: MIT
// Packed guest kernels: whole, damaged, truncated, with lies about their length.
#include "dom0/unpack.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define CONTENTS 50000U
static uint8_t contents[CONTENTS], file[2 * CONTENTS];
static struct guest_error error;

static size_t pack(void)
{
    z_stream z = {
        .next_in = contents, .avail_in = CONTENTS, .next_out = file, .avail_out = sizeof(file)};

    for (size_t i = 0; i < CONTENTS; i++)
        contents[i] = (uint8_t)(rand() % 5);
    deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
    deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return z.total_out;
}

// The buffer is exactly as long as said, so that the sanitizer sees every byte beyond.
static uint8_t *unpack(size_t size, size_t *length)
{
    uint8_t *copy = malloc(size);

    memcpy(copy, file, size);
    error.text[0] = 0;
    uint8_t *got = unpack_gzip(copy, size, length, &error);
    free(copy);
    CU_ASSERT_TRUE(got || error.text[0]);
    return got;
}

static void whole(void)
{
    size_t size = pack(), length;
    uint8_t *got = unpack(size, &length);

    CU_ASSERT_TRUE(unpack_is_packed(file, size));
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    CU_ASSERT_EQUAL(length, CONTENTS);
    CU_ASSERT_EQUAL(memcmp(got, contents, CONTENTS), 0);
    free(got);
    CU_ASSERT_FALSE(unpack_is_packed("\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\0\0\0", 19));
    CU_ASSERT_FALSE(unpack_is_packed(file, 17));
}

static void lies(void)
{
    static const uint32_t lengths[] = {
        0, 1, CONTENTS - 1, CONTENTS + 1, UNPACK_MAX, UNPACK_MAX + 1, UINT32_MAX};
    size_t size = pack(), length;

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        memcpy(file + size - 4, &lengths[i], 4);
        CU_ASSERT_PTR_NULL(unpack(size, &length));
    }
}

static void damage(void)
{
    size_t size = pack(), length;

    for (size_t cut = 18; cut < size; cut += 1 + cut / 50)
        CU_ASSERT_PTR_NULL(unpack(cut, &length));
    for (unsigned int round = 0; round < 300; round++) {
        size_t at = 10 + (size_t)rand() % (size - 18);
        file[at] ^= 0x10;
        uint8_t *got = unpack(size, &length);
        CU_ASSERT_TRUE(!got || memcmp(got, contents, CONTENTS) == 0);
        free(got);
        file[at] ^= 0x10;
    }
    file[size] = 0; // bytes behind the end
    CU_ASSERT_PTR_NULL(unpack(size + 1, &length));
}

static const struct report_case cases[] = {REPORT_CASE(whole), REPORT_CASE(lies),
                                           REPORT_CASE(damage)};

int main(void)
{
    return report_run("unpack", cases, sizeof(cases) / sizeof(cases[0]));
}
