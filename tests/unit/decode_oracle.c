// SPDX-License-Identifier: MIT
#include "tests/unit/decode_oracle.h"
#include <Zydis/Zydis.h>

static bool memory_agrees(const struct instruction *i, const ZydisDecodedInstruction *z)
{
    bool has_index = z->raw.sib.offset && i->index != REGISTER_NONE;

    return i->address_bytes * 8 == z->address_width && i->mod == z->raw.modrm.mod &&
           (!z->raw.disp.size || i->displacement == (int32_t)z->raw.disp.value) &&
           (!has_index || i->scale == z->raw.sib.scale);
}

enum decode_verdict decode_judge(const struct instruction *i, const uint8_t *bytes, bool is_64bit)
{
    static ZydisDecoder decoders[2];
    static bool are_ready;
    ZydisDecodedInstruction z;

    if (!are_ready) {
        ZydisDecoderInit(&decoders[0], ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
        ZydisDecoderInit(&decoders[1], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        are_ready = true;
    }
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoders[is_64bit], NULL, bytes,
                                                    INSTRUCTION_MAX_BYTES, &z)))
        return DECODE_NOT_JUDGED;
    bool agrees = i->length == z.length && (i->opcode & 0xff) == z.opcode &&
                  (!i->has_modrm || i->mod == 3 || memory_agrees(i, &z));
    return agrees ? DECODE_AGREES : DECODE_DIFFERS;
}
