// SPDX-License-Identifier: MIT
// The harness without libFuzzer: NAME runs some thousand damaged seeds, always the same ones; NAME FOLDER
// writes the seeds there, for libFuzzer to begin with.
#include "tests/libfuzzer/harness.h"

#include <string.h>

#include "tests/report.h"

#define ROUNDS 4000U
#define DAMAGES_MAX 8U

static uint64_t state = 1;

static uint32_t any(uint32_t below)
{
    state = state * 6364136223846793005UL + 1442695040888963407UL;
    return (uint32_t)(state >> 33) % below;
}

static size_t damage(uint8_t *input, size_t size)
{
    static const uint64_t odd[] = {
        0,          1,          0x7f,       0x80,      0xff,      0x7fff,    0xffff,   4096,
        0x7fffffff, 0x80000000, 0xffffffff, 1UL << 40, ~0UL >> 1, 1UL << 63, ~0UL - 7, ~0UL};
    size_t at = any((uint32_t)size), length = 1U << any(4), other;

    switch (any(6)) {
    case 0:
        input[at] ^= (uint8_t)(1U << any(8));
        return size;
    case 1:
        input[at] = (uint8_t)any(256);
        return size;
    case 2: // a number of 1 to 8 bytes
        at = at / length * length;
        if (at + length <= size)
            memcpy(input + at, &odd[any(sizeof(odd) / sizeof(odd[0]))], length);
        return size;
    case 3: // a piece comes twice
        other = any((uint32_t)size);
        length = any(64);
        if (at + length <= size && other + length <= size)
            memmove(input + at, input + other, length);
        return size;
    case 4: // the end is missing
        return any(8) ? size : 1 + at;
    default: // a piece is missing
        length = any(16);
        if (at + length >= size)
            return size;
        memmove(input + at, input + at + length, size - at - length);
        return size - length;
    }
}

static void damaged_seeds(void)
{
    static uint8_t seed[HARNESS_SEED_MAX];
    unsigned int seeds = 0;

    while (harness_seed(seeds, seed))
        seeds++;
    for (unsigned int round = 0; round < ROUNDS; round++) {
        size_t size = harness_seed(round % seeds, seed);
        for (unsigned int n = round < seeds ? 0 : 1 + any(DAMAGES_MAX); n > 0; n--)
            size = damage(seed, size);
        uint8_t *input = malloc(size); // the sanitizer sees a read behind its end
        memcpy(input, seed, size);
        LLVMFuzzerTestOneInput(input, size);
        free(input);
    }
}

static int seeds_write(const char *folder)
{
    static uint8_t seed[HARNESS_SEED_MAX];
    size_t size;

    for (unsigned int number = 0; (size = harness_seed(number, seed)) > 0; number++) {
        char name[512];
        snprintf(name, sizeof(name), "%s/seed%u", folder, number);
        FILE *file = fopen(name, "wb");
        if (!file || fwrite(seed, 1, size, file) != size || fclose(file))
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct report_case cases[] = {REPORT_CASE(damaged_seeds)};

    return argc > 1 ? seeds_write(argv[1]) : report_run(HARNESS_NAME, cases, 1);
}
