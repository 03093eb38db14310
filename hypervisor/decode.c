// SPDX-License-Identifier: MIT
// The small decoder (decode.h): prefixes, opcode, ModRM with SIB and displacement, one immediate.
// Pure.
#include "hypervisor/decode.h"

#define PREFIX_OPERAND 0x66
#define PREFIX_ADDRESS 0x67
#define PREFIX_LOCK 0xf0
#define PREFIX_REPNE 0xf2
#define PREFIX_REP 0xf3

#define REX_FIRST 0x40
#define REX_LAST 0x4f
#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

#define ESCAPE 0x0f
#define RM_SIB 4
#define RM_DISP32 5

// What follows the opcode, as bits; FORM_FULL is an immediate of the operand's size, 4 at most.
enum { FORM_UNKNOWN = 0, FORM_KNOWN = 1, FORM_MODRM = 2, FORM_BYTE = 4, FORM_FULL = 8 };

struct cursor {
    const uint8_t *bytes;
    unsigned at, available;
    bool truncated;
};

static uint8_t next_byte(struct cursor *c)
{
    if (c->at >= c->available) {
        c->truncated = true;
        return 0;
    }
    return c->bytes[c->at++];
}

static uint32_t next_bytes(struct cursor *c, unsigned count)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < count; i++)
        value |= (uint32_t)next_byte(c) << (8 * i);
    return value;
}

static unsigned form_of_system(uint16_t opcode)
{
    switch (opcode) {
    case 0x6c ... 0x6f:   // ins, outs
    case 0xec ... 0xef:   // in, out by DX
    case 0xfa:            // cli
    case 0xfb:            // sti
    case OPCODE_0F(0x06): // clts
    case OPCODE_0F(0x08): // invd
    case OPCODE_0F(0x09): // wbinvd
    case OPCODE_0F(0x30): // wrmsr
    case OPCODE_0F(0x31): // rdtsc
    case OPCODE_0F(0x32): // rdmsr
    case OPCODE_0F(0xa2): // cpuid
        return FORM_KNOWN;
    case 0xe4 ... 0xe7: // in, out by immediate
        return FORM_KNOWN | FORM_BYTE;
    case OPCODE_0F(0x01):                    // xsetbv, rdtscp
    case OPCODE_0F(0x20)... OPCODE_0F(0x23): // mov to and from control and debug registers
        return FORM_KNOWN | FORM_MODRM;
    default:
        return FORM_UNKNOWN;
    }
}

static unsigned form_of_store(uint16_t opcode)
{
    switch (opcode) {
    case 0x08 ... 0x09:                      // or
    case 0x20 ... 0x21:                      // and
    case 0x30 ... 0x31:                      // xor
    case 0x86 ... 0x87:                      // xchg
    case 0x88 ... 0x89:                      // mov
    case OPCODE_0F(0xb0)... OPCODE_0F(0xb1): // cmpxchg
    case OPCODE_0F(0xc3):                    // movnti
        return FORM_KNOWN | FORM_MODRM;
    case 0x80:            // group of and, or, xor, ...
    case 0x83:            // the same with a sign-extended byte
    case 0xc6:            // mov
    case OPCODE_0F(0xba): // bts, btr, btc
        return FORM_KNOWN | FORM_MODRM | FORM_BYTE;
    case 0x81:
    case 0xc7:
        return FORM_KNOWN | FORM_MODRM | FORM_FULL;
    case 0xaa ... 0xab: // stos
        return FORM_KNOWN;
    default:
        return FORM_UNKNOWN;
    }
}

static bool take_prefix(struct instruction *i, uint8_t byte, bool *operand, bool *address)
{
    switch (byte) {
    case PREFIX_OPERAND:
        *operand = true;
        return true;
    case PREFIX_ADDRESS:
        *address = true;
        return true;
    case PREFIX_LOCK:
        i->lock = true;
        return true;
    case PREFIX_REP:
    case PREFIX_REPNE: // port string instructions do not tell them apart
        i->rep = true;
        return true;
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        i->segment = SEGMENT_FLAT;
        return true;
    case 0x64:
        i->segment = SEGMENT_FS;
        return true;
    case 0x65:
        i->segment = SEGMENT_GS;
        return true;
    default:
        return false;
    }
}

// Prefixes and the first opcode byte, which is returned. A REX prefix counts only right before it.
static uint8_t decode_prefixes(struct instruction *i, struct cursor *c, uint8_t *rex)
{
    bool operand = false, address = false;
    uint8_t byte = next_byte(c);

    *rex = 0;
    for (;; byte = next_byte(c)) {
        if (i->is_64bit && byte >= REX_FIRST && byte <= REX_LAST)
            *rex = byte;
        else if (take_prefix(i, byte, &operand, &address))
            *rex = 0;
        else
            break;
        if (c->truncated)
            break;
    }
    i->operand_bytes = *rex & REX_W ? 8 : operand ? 2 : 4;
    i->address_bytes = i->is_64bit ? (address ? 4 : 8) : (address ? 2 : 4);
    return byte;
}

static void decode_sib(struct instruction *i, struct cursor *c, uint8_t rex)
{
    uint8_t sib = next_byte(c);
    uint8_t index = (sib >> 3 & 7) | (rex & REX_X ? 8 : 0);

    i->scale = sib >> 6;
    i->index = index == 4 ? REGISTER_NONE : (int8_t)index;
    if ((sib & 7) == 5 && i->mod == 0) {
        i->base = REGISTER_NONE;
        i->displacement = (int32_t)next_bytes(c, 4);
    } else {
        i->base = (int8_t)((sib & 7) | (rex & REX_B ? 8 : 0));
    }
}

// 16-bit addressing is refused: no kernel that we run has it.
static bool decode_modrm(struct instruction *i, struct cursor *c, uint8_t rex)
{
    uint8_t modrm = next_byte(c);

    i->has_modrm = true;
    i->mod = modrm >> 6;
    i->reg = (modrm >> 3 & 7) | (rex & REX_R ? 8 : 0);
    i->rm = (modrm & 7) | (rex & REX_B ? 8 : 0);
    // The control and debug register moves ignore mod: they never have a memory operand.
    if (i->opcode >= OPCODE_0F(0x20) && i->opcode <= OPCODE_0F(0x23))
        i->mod = 3;
    if (i->mod == 3)
        return true;
    if (i->address_bytes == 2)
        return false;
    i->base = (int8_t)i->rm;
    if ((modrm & 7) == RM_SIB) {
        decode_sib(i, c, rex);
    } else if ((modrm & 7) == RM_DISP32 && i->mod == 0) {
        i->base = REGISTER_NONE;
        i->rip_relative = i->is_64bit;
        i->displacement = (int32_t)next_bytes(c, 4);
    }
    if (i->mod == 1)
        i->displacement = (int8_t)next_byte(c);
    else if (i->mod == 2)
        i->displacement = (int32_t)next_bytes(c, 4);
    return true;
}

enum decode_result decode_instruction(struct instruction *out, const uint8_t *bytes,
                                      unsigned available, bool is_64bit)
{
    struct instruction i = {.is_64bit = is_64bit, .base = REGISTER_NONE, .index = REGISTER_NONE};
    struct cursor c = {.bytes = bytes,
                       .available = MIN(available, (unsigned)INSTRUCTION_MAX_BYTES)};
    uint8_t rex;

    i.opcode = decode_prefixes(&i, &c, &rex);
    if (i.opcode == ESCAPE)
        i.opcode = OPCODE_0F(next_byte(&c));
    unsigned form = form_of_system(i.opcode) | form_of_store(i.opcode);
    if (form == FORM_UNKNOWN && !c.truncated)
        return DECODE_UNKNOWN;
    if (form & FORM_MODRM && !decode_modrm(&i, &c, rex))
        return DECODE_UNKNOWN;
    if (form & FORM_BYTE)
        i.immediate = (int8_t)next_byte(&c);
    if (form & FORM_FULL)
        i.immediate = i.operand_bytes == 2 ? (int16_t)next_bytes(&c, 2)
                                           : (int32_t)next_bytes(&c, 4);
    if (c.truncated)
        return c.available == INSTRUCTION_MAX_BYTES ? DECODE_UNKNOWN : DECODE_TRUNCATED;
    i.length = (uint8_t)c.at;
    *out = i;
    return DECODE_OK;
}
