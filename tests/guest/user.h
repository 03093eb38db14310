// SPDX-License-Identifier: MIT
// Going to user mode and coming back, for cases of callbacks and returns. user.S has the pictures.
#pragma once

#include <stdint.h>

// How the guest kernel was entered again.
enum user_exit { USER_SYSCALL = 1, USER_INTERRUPT = 2, USER_FAILSAFE = 3 };

struct user_frame {
    uint64_t rip, cs, rflags, rsp, ss;
};

// Leaves by the iret hypercall with this frame and `flags` (VGCF_in_syscall or 0). Returns when one of
// the entries below is called; the result is the entry, user_saved the frame that it got.
enum user_exit user_enter(const struct user_frame *frame, uint64_t flags);
extern struct user_frame user_saved;
extern uint64_t user_saved_rcx, user_saved_r11, user_saved_rax;

// Entries to be registered with the hypervisor.
void user_syscall_entry(void);
void user_interrupt_entry(void);
void user_failsafe_entry(void);

// pvguest's own entries, put back when a case is over.
void event_upcall(void);
void failsafe_upcall(void);

// Code to run in user mode.
void user_do_syscall(void);
void user_do_interrupt(void);
void user_do_privileged(void);
void user_do_flags(void);
