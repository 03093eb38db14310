// SPDX-License-Identifier: MIT
// Between the parts of the emulator: emulate.c (fetching, registers, system instructions),
// emulate_io.c (ports), emulate_msr.c (MSRs), emulate_store.c (stores to page tables).
#pragma once

#include "hypervisor/decode.h"
#include "hypervisor/domain.h"

enum emulated {
    EMULATED_DONE,    // go on behind the instruction
    EMULATED_STAYS,   // run it again (a string that has not ended), or an exception is delivered
    EMULATED_REFUSED, // the guest gets its #GP
};

struct emulation {
    struct vcpu *v;
    struct cpu_user_regs *regs;
    struct instruction insn;
    uint64_t code_base;   // of the code segment; 0 in 64-bit code
    unsigned breakpoints; // on ports, that the instruction has hit: bits 0..3
};

// General register by number, 0..15.
uint64_t *emulate_register(struct cpu_user_regs *regs, unsigned number);

// Write a register as an instruction with this operand size does: 4 bytes clear the upper half.
void emulate_register_write(uint64_t *r, unsigned bytes, uint64_t value);

// Fetch and decode the instruction at regs->rip; false when it is none that can be emulated.
bool emulate_fetch(struct emulation *e);

// Base of the segment that the instruction names, and linear address of its memory operand.
uint64_t emulate_segment_base(struct emulation *e);
uint64_t emulate_operand_address(struct emulation *e);

// The instruction has been executed: advance, and what the processor does at its end.
void emulate_retire(struct emulation *e);

enum emulated emulate_port(struct emulation *e);        // in, out
enum emulated emulate_port_string(struct emulation *e); // ins, outs

// The value of an MSR as the running guest sees it; false: #GP.
bool msr_read(struct vcpu *v, uint32_t msr, uint64_t *value);
bool msr_write(struct vcpu *v, uint32_t msr, uint64_t value);

// A write fault of the guest kernel on a page that it maps read-only. If the page is one of its level-1
// tables, do the store through the page-type machine. True: done, or to be run again. False: the fault
// is the guest's own.
bool emulate_table_store(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address);
