// SPDX-License-Identifier: MIT
// A decoder for the instructions that the hypervisor emulates: system instructions, port I/O, and the
// stores that guests use on their page tables.
//
// Anything else is DECODE_UNKNOWN: this is a list of what is allowed, not a disassembler. Pure; the
// caller fetches the bytes.
#pragma once

#include "hypervisor/types.h"

#define INSTRUCTION_MAX_BYTES 15

enum decode_result {
    DECODE_OK,
    DECODE_UNKNOWN,   // not one of ours, or not a valid encoding
    DECODE_TRUNCATED, // more bytes are needed
};

// Opcodes: one byte, or 0x0f00 + the second byte; group 0x0f01 is told apart by `reg` and `rm`.
#define OPCODE_0F(byte) (0x0f00 | (byte))

// What an override changes: the base of FS or GS; those of the others are 0.
enum decode_segment { SEGMENT_FLAT, SEGMENT_FS, SEGMENT_GS };

#define REGISTER_NONE (-1)

struct instruction {
    uint8_t length;
    uint16_t opcode;
    bool has_modrm, is_64bit, rep, lock;
    uint8_t mod, reg, rm;  // reg and rm with their REX bits
    uint8_t operand_bytes; // 2, 4 or 8
    uint8_t address_bytes; // 2, 4 or 8
    uint8_t segment;       // override, enum decode_segment
    int32_t immediate;     // sign-extended
    // Memory operand, when has_modrm and mod != 3.
    bool rip_relative;
    int8_t base, index; // register numbers or REGISTER_NONE
    uint8_t scale;      // shift
    int32_t displacement;
};

enum decode_result decode_instruction(struct instruction *out, const uint8_t *bytes,
                                      unsigned available, bool is_64bit);
