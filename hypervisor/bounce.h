// SPDX-License-Identifier: MIT
// The frame that a guest kernel finds on its stack when an exception, a system call or an upcall
// enters it. Pure: builds on the host.
#ifndef HYPERVISOR_BOUNCE_H
#define HYPERVISOR_BOUNCE_H

#include "hypervisor/types.h"

#define BOUNCE_MAX_WORDS 12

struct bounce {
    uint64_t address; // where the guest continues
    uint32_t error_code;
    bool has_error_code;
    bool has_segments; // failsafe: ds, es, fs, gs are in the frame
    bool masks_events;
};

// What the frame shows of the vcpu besides its registers.
struct bounce_view {
    bool in_kernel;     // the code that was interrupted: kernel selectors read with RPL 0
    bool upcall_mask;   // shown in the upper half of the CS word and, inverted, as EFLAGS.IF
    uint64_t iopl_bits; // EFLAGS.IOPL to show
};

// Write the frame's words, lowest address first; returns how many. The order is
// rcx, r11, [ds, es, fs, gs,] [error code,] rip, cs, rflags, rsp, ss.
unsigned bounce_frame_build(uint64_t words[BOUNCE_MAX_WORDS], const struct cpu_user_regs *regs,
                            const struct bounce *b, const struct bounce_view *view);

// Change `regs` so that the guest continues in the handler with the frame at `frame_address`.
void bounce_registers_set(struct cpu_user_regs *regs, const struct bounce *b,
                          uint64_t frame_address);

#endif
