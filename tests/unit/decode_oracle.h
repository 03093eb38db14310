// SPDX-License-Identifier: MIT
// What Zydis makes of the bytes that the small decoder has taken for an instruction.
#pragma once

#include "hypervisor/decode.h"

enum decode_verdict {
    DECODE_AGREES,
    DECODE_DIFFERS,
    DECODE_NOT_JUDGED, // an undefined encoding of a group: the emulator refuses it by its fields
};

// `bytes` has INSTRUCTION_MAX_BYTES.
enum decode_verdict decode_judge(const struct instruction *i, const uint8_t *bytes, bool is_64bit);
