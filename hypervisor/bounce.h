// SPDX-License-Identifier: MIT
// The frame that a guest kernel finds on its stack when an exception, a system call or an upcall
// enters it. Pure: builds on the host.
//
//     lowest address                                                              highest
//     rcx, r11, [ds, es, fs, gs,] [error code,] rip, cs, rflags, rsp, ss
#pragma once

#include "hypervisor/traps.h"

#define BOUNCE_MAX_WORDS 12

// What is in the frame besides the seven words that always are, and what changes on entry.
#define BOUNCE_ERROR_CODE 1u
#define BOUNCE_SEGMENTS 2u // the failsafe callback sees the selectors
#define BOUNCE_MASKS_EVENTS 4u

// The code that is interrupted, as the frame shows it.
struct bounce_view {
    bool in_kernel;     // kernel selectors read with RPL 0
    bool upcall_mask;   // in the upper half of the CS word and, inverted, as EFLAGS.IF
    uint64_t iopl_bits; // EFLAGS.IOPL to show
};

#define BOUNCE_CS_MASK_SHIFT 32

// Fill the end of `words`; returns the number of words. Inline: every exception of every guest passes
// here.
static inline unsigned bounce_frame_build(uint64_t words[BOUNCE_MAX_WORDS],
                                          const struct cpu_user_regs *regs, unsigned flags,
                                          uint32_t error_code, struct bounce_view view)
{
    uint64_t *w = words + BOUNCE_MAX_WORDS;
    uint64_t cs = view.in_kernel ? regs->cs & ~3u : regs->cs;
    uint64_t rflags = regs->rflags & ~(uint64_t)(EFLAGS_IF | EFLAGS_IOPL);

    *--w = regs->ss;
    *--w = regs->rsp;
    *--w = rflags | view.iopl_bits | (view.upcall_mask ? 0 : EFLAGS_IF);
    *--w = cs | (uint64_t)view.upcall_mask << BOUNCE_CS_MASK_SHIFT;
    *--w = regs->rip;
    if (flags & BOUNCE_ERROR_CODE)
        *--w = error_code;
    if (flags & BOUNCE_SEGMENTS) {
        *--w = regs->gs;
        *--w = regs->fs;
        *--w = regs->es;
        *--w = regs->ds;
    }
    *--w = regs->r11;
    *--w = regs->rcx;
    return (unsigned)(words + BOUNCE_MAX_WORDS - w);
}

// Change `regs` so that the guest continues at `address` with the frame at `frame_address`. The frame
// holds RCX and R11, so the faster return will do.
static inline void bounce_registers_set(struct cpu_user_regs *regs, uint64_t address,
                                        uint64_t frame_address)
{
    regs->rip = address;
    regs->cs = SEL_GUEST_CODE64;
    regs->rsp = frame_address;
    regs->ss = SEL_GUEST_DATA32;
    regs->rflags &= ~(uint64_t)(EFLAGS_AC | EFLAGS_VM | EFLAGS_RF | EFLAGS_NT | EFLAGS_TF |
                                EFLAGS_IOPL);
    regs->entry_vector = ENTRY_SYSCALL;
}
