// SPDX-License-Identifier: MIT
// The words of a PV exception frame (bounce.h). Pure.
#include "hypervisor/bounce.h"
#include "hypervisor/traps.h"
#include "hypervisor/x86.h"

#define CS_MASK_SHIFT 32

unsigned bounce_frame_build(uint64_t words[BOUNCE_MAX_WORDS], const struct cpu_user_regs *regs,
                            const struct bounce *b, const struct bounce_view *view)
{
    unsigned n = 0;
    uint64_t cs = view->in_kernel ? regs->cs & ~3u : regs->cs;

    words[n++] = regs->rcx;
    words[n++] = regs->r11;
    if (b->has_segments) {
        words[n++] = regs->ds;
        words[n++] = regs->es;
        words[n++] = regs->fs;
        words[n++] = regs->gs;
    }
    if (b->has_error_code)
        words[n++] = b->error_code;
    words[n++] = regs->rip;
    words[n++] = cs | (uint64_t)view->upcall_mask << CS_MASK_SHIFT;
    words[n++] = (regs->rflags & ~(uint64_t)(EFLAGS_IF | EFLAGS_IOPL)) | view->iopl_bits |
                 (view->upcall_mask ? 0 : EFLAGS_IF);
    words[n++] = regs->rsp;
    words[n++] = regs->ss;
    return n;
}

void bounce_registers_set(struct cpu_user_regs *regs, const struct bounce *b,
                          uint64_t frame_address)
{
    regs->rip = b->address;
    regs->cs = SEL_GUEST_CODE64;
    regs->rsp = frame_address;
    regs->ss = SEL_GUEST_DATA32;
    regs->rflags &= ~(uint64_t)(EFLAGS_AC | EFLAGS_VM | EFLAGS_RF | EFLAGS_NT | EFLAGS_TF |
                                EFLAGS_IOPL);
    // The frame holds RCX and R11, so the faster return will do; but only IRET unblocks NMIs.
    if (regs->entry_vector != X86_NMI)
        regs->entry_vector = ENTRY_SYSCALL;
}
