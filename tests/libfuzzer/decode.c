// SPDX-License-Identifier: MIT
// The decoder of the hypervisor against Zydis. The first byte says whether the code is 64-bit.
#include "tests/libfuzzer/harness.h"

#include <string.h>

#include "tests/unit/decode_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[INSTRUCTION_MAX_BYTES] = {0};
    struct instruction i;

    if (size < 2)
        return 0;
    bool is_64bit = data[0] & 1;
    unsigned int available = (unsigned int)(size - 1 < sizeof(bytes) ? size - 1 : sizeof(bytes));
    enum decode_result r = decode_instruction(&i, data + 1, available, is_64bit);
    HARNESS_CHECK(r != DECODE_TRUNCATED || available < sizeof(bytes));
    if (r != DECODE_OK)
        return 0;
    HARNESS_CHECK(i.length > 0 && i.length <= available);
    memcpy(bytes, data + 1, available);
    HARNESS_CHECK(decode_judge(&i, bytes, is_64bit) != DECODE_DIFFERS);
    return 0;
}

size_t harness_seed(unsigned int number, uint8_t seed[HARNESS_SEED_MAX])
{
    // Stores of all kinds, port I/O, control registers, CPUID; with prefixes, SIB bytes, displacements.
    static const char codes[][16] = {
        "\x48\x89\x07",
        "\x48\xc7\x04\xc8\x78\x56\x34\x12",
        "\x88\x47\x80",
        "\x48\x87\x07",
        "\xf0\x48\x0f\xb1\x0f",
        "\xf0\x48\x81\x4c\x24\x40\x67",
        "\xf0\x0f\xba\x37",
        "\xf0\x48\x0f\xc1\x05\x01\x02\x03",
        "\x66\xef",
        "\xe4\x61",
        "\xf3\x6c",
        "\x0f\x22\xd8",
        "\x0f\x01\x38",
        "\x0f\xa2",
        "\x0f\x30",
        "\x0f\xc3\x07",
        "\xf3\x48\xab",
        "\x67\x41\x0f\x23\xfb",
    };

    if (number >= 2 * sizeof(codes) / sizeof(codes[0]))
        return 0;
    seed[0] = number % 2;
    memcpy(seed + 1, codes[number / 2], sizeof(codes[0]));
    return 1 + sizeof(codes[0]);
}
