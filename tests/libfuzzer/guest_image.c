// SPDX-License-Identifier: MIT
// dom0's reader of guest kernels: what it says is in the file must be there.
#include "dom0/guest_image.h"
#include "tests/libfuzzer/harness.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guest_image image;
    struct guest_error error = {{0}};

    if (guest_image_parse(&image, data, size, &error) != 0) {
        HARNESS_CHECK(error.text[0] && memchr(error.text, 0, sizeof(error.text)));
        return 0;
    }
    HARNESS_CHECK(image.segment_count > 0 && image.segment_count <= GUEST_SEGMENTS_MAX);
    HARNESS_CHECK(image.virt_start < image.virt_end);
    HARNESS_CHECK(image.virt_end <= GUEST_RESERVED_START || image.virt_start >= GUEST_RESERVED_END);
    for (unsigned int i = 0; i < image.segment_count; i++) {
        const struct guest_segment *s = &image.segments[i];
        HARNESS_CHECK(s->file_size <= s->memory_size);
        HARNESS_CHECK(s->virt >= image.virt_start && s->virt <= image.virt_end);
        HARNESS_CHECK(s->memory_size <= image.virt_end - s->virt);
        harness_read(s->data, s->file_size);
    }
    return 0;
}

size_t harness_seed(unsigned int number, uint8_t seed[HARNESS_SEED_MAX])
{
    return elf_seed(number, seed);
}
