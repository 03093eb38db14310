// SPDX-License-Identifier: MIT
// Going to user mode and coming back, for cases of callbacks and returns. user_entry.S has the pictures.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// How the guest kernel was entered again.
enum user_exit {
    USER_SYSCALL = 1,
    USER_INTERRUPT = 2,
    USER_FAILSAFE = 3,
    USER_SYSCALL32 = 4,
    USER_SYSENTER = 5
};

#define FLAG_CF 0x1UL
#define FLAG_TF 0x100UL
#define FLAG_IF 0x200UL
#define FLAG_DF 0x400UL
#define FLAG_IOPL 0x3000UL
#define FLAG_NT 0x4000UL
#define FLAG_RF 0x10000UL
#define FLAG_VM 0x20000UL
#define FLAG_AC 0x40000UL

struct user_frame {
    uint64_t rip, cs, rflags, rsp, ss;
};

// Registers the entries below, a kernel stack and the kernel's own root for user mode (all pages of a
// 64-bit PV guest are user pages to the processor); and back.
void user_begin(void);
void user_end(void);
extern uint64_t user_kernel_stack_top;

// Registers one callback.
long user_callback(uint16_t type, void (*address)(void), uint16_t flags);

// A frame that runs 64-bit code at `rip` on a stack of its own.
struct user_frame user_frame_at(uint64_t rip);

// Leaves by the iret hypercall with this frame and `flags` (VGCF_in_syscall or 0). Returns how user mode
// ended: PROBE_TRAP + vector (the frame is in probe_frame) or enum user_exit. Upcalls are masked.
unsigned int user_visit(const struct user_frame *frame, uint64_t flags);

// True if that return was refused: by the failsafe callback, or by #GP at the address returned to.
// Processors differ in where IRET notices: before it leaves ring 0 or after.
bool user_is_refused(const struct user_frame *frame, uint64_t flags);

// The bare way: returns when one of the entries below is called; the result is the entry.
enum user_exit user_enter(const struct user_frame *frame, uint64_t flags);
extern uint64_t user_call[3];        // the hypercall that leaves and its first words: iret
extern struct user_frame user_saved; // what the entry found on its stack
extern uint64_t user_saved_rcx, user_saved_r11, user_saved_rax, user_entry_rflags;
extern unsigned int user_entry_mask; // the upcall mask on entry

// A root of its own for user mode, as kernels have it: the kernel's addresses, and one page of 32-bit code
// and stack at a low address. The last bytes of the lower half are a SYSCALL. False: out of memory. user_root_use() makes
// it the root of user mode, user_root_free() puts the shared one back.
bool user_root_build(void);
bool user_root_use(void);
void user_root_free(void);
extern uint64_t *user_root;      // its page, read-only
uint64_t user_kernel_root(void); // frame number

// A frame that runs code of the low page, given by its symbol below, in 32-bit mode.
struct user_frame user32_frame_at(const void *code);

// Entries to be registered with the hypervisor.
void user_syscall_entry(void);
void user_interrupt_entry(void);
void user_failsafe_entry(void);
void user_syscall32_entry(void);
void user_sysenter_entry(void);

// pvguest's own entries, put back when a case is over.
void event_upcall(void);
void failsafe_upcall(void);

// Code to run in user mode.
void user_do_syscall(void);
void user_do_interrupt(void);
void user_do_privileged(void);
void user_do_flags(void);
void user_do_syscall_now(void);
void user_do_sysenter(void);
void user_do_read_m2p(void);
void user_do_port(void);
void user_do_interrupts_off(void);
void user_do_breakpoint(void);
extern const char user32_begin[], user32_end[], user32_syscall[], user32_sysenter[],
    user32_interrupt[], user32_overflow[], user32_undefined[];
