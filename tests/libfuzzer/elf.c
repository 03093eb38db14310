// SPDX-License-Identifier: MIT
// The hypervisor's ELF reader: what it says is in the file must be there.
#include "hypervisor/elf.h"
#include "hypervisor/layout.h"
#include "tests/libfuzzer/harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct elf_image image;
    struct elf_piece piece;

    if (elf_parse(&image, data, size))
        return 0;
    HARNESS_CHECK(image.start < image.end);
    HARNESS_CHECK(image.end <= HV_VIRT_START || image.start >= HV_VIRT_END);
    for (unsigned int i = 0; elf_piece(&image, i, &piece); i++) {
        HARNESS_CHECK(piece.file_bytes <= piece.memory_bytes);
        HARNESS_CHECK(piece.address >= image.start && piece.address <= image.end);
        HARNESS_CHECK(piece.memory_bytes <= image.end - piece.address);
        harness_read(piece.source, piece.file_bytes);
    }
    return 0;
}

size_t harness_seed(unsigned int number, uint8_t seed[HARNESS_SEED_MAX])
{
    return elf_seed(number, seed);
}
