// SPDX-License-Identifier: MIT
// The small decoder: a table of known instructions, then random bytes around its opcodes against
// Zydis. Every buffer ends where its bytes end, so that the sanitizers see a read too far.
#include "hypervisor/decode.h"
#include "tests/report.h"
#include "tests/unit/decode_oracle.h"
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 400000

// Decode from a heap buffer of exactly `available` bytes.
static enum decode_result decode_exact(struct instruction *i, const uint8_t *bytes,
                                       unsigned available, bool is_64bit)
{
    uint8_t *copy = malloc(available ? available : 1);

    memcpy(copy, bytes, available);
    enum decode_result r = decode_instruction(i, copy, available, is_64bit);
    free(copy);
    return r;
}

static const struct known {
    uint8_t bytes[12];
    uint8_t length, reg, rm, operand_bytes;
    uint16_t opcode;
} known[] = {
    {{0x0f, 0x20, 0xc0},                   3, 0, 0,  4, OPCODE_0F(0x20)}, // mov %cr0, %rax
    {{0x41, 0x0f, 0x22, 0xdf},             4, 3, 15, 4, OPCODE_0F(0x22)}, // mov %r15, %cr3
    {{0x44, 0x0f, 0x20, 0xc0},             4, 8, 0,  4, OPCODE_0F(0x20)}, // mov %cr8, %rax
    {{0x0f, 0x23, 0xfb},                   3, 7, 3,  4, OPCODE_0F(0x23)}, // mov %rbx, %db7
    {{0x0f, 0x01, 0x38},                   3, 7, 0,  4, OPCODE_0F(0x01)}, // invlpg (%rax)
    {{0x66, 0xef},                         2, 0, 0,  2, 0xef           }, // out %ax, (%dx)
    {{0xf3, 0x48, 0x6d},                   3, 0, 0,  8, 0x6d           }, // rep ins with REX.W
    {{0x48, 0x66, 0xef},                   3, 0, 0,  2, 0xef           }, // REX before a prefix is void
    {{0x0f, 0x01, 0xb4, 0x88, 1, 2, 3, 4}, 8, 6, 4,  4, OPCODE_0F(0x01)}, // lmsw disp32(%rax,%rcx,4)
};

static void known_instructions(void)
{
    for (unsigned n = 0; n < ARRAY_SIZE(known); n++) {
        const struct known *k = &known[n];
        struct instruction i;
        CU_ASSERT_EQUAL_FATAL(decode_exact(&i, k->bytes, k->length, true), DECODE_OK);
        CU_ASSERT_EQUAL(i.length, k->length);
        CU_ASSERT_EQUAL(i.opcode, k->opcode);
        CU_ASSERT_EQUAL(i.operand_bytes, k->operand_bytes);
        if (i.has_modrm) {
            CU_ASSERT_EQUAL(i.reg, k->reg);
            CU_ASSERT_EQUAL(i.rm, k->rm);
        }
        for (unsigned less = 0; less < k->length; less++)
            CU_ASSERT_EQUAL(decode_exact(&i, k->bytes, less, true), DECODE_TRUNCATED);
    }
}

static void foreign_instructions(void)
{
    // nop, syscall, int3, iret, ud2, lar, call, popf
    static const char codes[][4] = {"\x90",     "\x0f\x05", "\xcc",     "\xcf",
                                    "\x0f\x0b", "\x0f\x02", "\xff\xd0", "\x9d"};
    uint8_t prefixes[20];
    struct instruction i;

    for (unsigned n = 0; n < ARRAY_SIZE(codes); n++)
        CU_ASSERT_EQUAL(decode_exact(&i, (const uint8_t *)codes[n], 4, true), DECODE_UNKNOWN);
    memset(prefixes, 0x66, sizeof(prefixes));
    CU_ASSERT_EQUAL(decode_exact(&i, prefixes, sizeof(prefixes), true), DECODE_UNKNOWN);
}

static const uint8_t prefix_pool[] = {0x66, 0x67, 0xf2, 0xf3, 0x26, 0x2e, 0x36,
                                      0x3e, 0x64, 0x65, 0x48, 0x41, 0x44, 0x4f};
static const uint8_t plain_opcodes[] = {0x6c, 0x6d, 0x6e, 0x6f, 0xe4, 0xe5, 0xe6,
                                        0xe7, 0xec, 0xed, 0xee, 0xef, 0xfa, 0xfb};
static const uint8_t escaped_opcodes[] = {0x00, 0x01, 0x06, 0x09, 0x20, 0x21,
                                          0x22, 0x23, 0x30, 0x31, 0x32, 0xa2};

// Some prefixes, one of our opcodes, random bytes behind it.
static void random_bytes(uint8_t bytes[INSTRUCTION_MAX_BYTES])
{
    unsigned n = 0;

    for (unsigned i = 0; i < INSTRUCTION_MAX_BYTES; i++)
        bytes[i] = (uint8_t)rand();
    for (unsigned p = (unsigned)rand() % 4; p > 0; p--)
        bytes[n++] = prefix_pool[(unsigned)rand() % sizeof(prefix_pool)];
    if (rand() & 1) {
        bytes[n] = plain_opcodes[(unsigned)rand() % sizeof(plain_opcodes)];
    } else {
        bytes[n++] = 0x0f;
        bytes[n] = escaped_opcodes[(unsigned)rand() % sizeof(escaped_opcodes)];
    }
}

static void against_zydis(bool is_64bit)
{
    unsigned compared = 0;

    srand(3);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t bytes[INSTRUCTION_MAX_BYTES];
        struct instruction i;
        random_bytes(bytes);
        if (decode_exact(&i, bytes, sizeof(bytes), is_64bit) != DECODE_OK)
            continue;
        enum decode_verdict verdict = decode_judge(&i, bytes, is_64bit);
        CU_ASSERT_NOT_EQUAL_FATAL(verdict, DECODE_DIFFERS);
        compared += verdict == DECODE_AGREES;
    }
    CU_ASSERT(compared > ROUNDS / 4);
}

static void zydis_64bit(void)
{
    against_zydis(true);
}

static void zydis_32bit(void)
{
    against_zydis(false);
}

static void any_bytes(void)
{
    srand(5);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t bytes[INSTRUCTION_MAX_BYTES];
        struct instruction i;
        unsigned n = (unsigned)rand() % (sizeof(bytes) + 1);
        random_bytes(bytes);
        enum decode_result r = decode_exact(&i, bytes, n, rand() & 1);
        if (r == DECODE_OK)
            CU_ASSERT_FATAL(i.length > 0 && i.length <= n);
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(known_instructions), REPORT_CASE(foreign_instructions),
    REPORT_CASE(zydis_64bit),        REPORT_CASE(zydis_32bit),
    REPORT_CASE(any_bytes),
};

int main(void)
{
    return report_run("decode", cases, ARRAY_SIZE(cases));
}
