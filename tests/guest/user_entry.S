// SPDX-License-Identifier: MIT
// User mode of the conformance guest: one way in, and entries that all come back to user_enter.
#include <xen/xen.h>

#define MACH2PHYS_VIRT_START_ADDRESS 0xffff800000000000

    .text

// enum user_exit user_enter(const struct user_frame *frame, uint64_t flags)
//
// The iret hypercall takes from the stack, lowest first:
//   | rax r11 rcx flags | rip cs rflags rsp ss |
// user_call is the call and its first two words: iret, or a multicall with one in it.
    .globl user_enter
    .type user_enter, @function
user_enter:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, user_stack
    pushq 32(%rdi)
    pushq 24(%rdi)
    pushq 16(%rdi)
    pushq 8(%rdi)
    pushq 0(%rdi)
    pushq %rsi
    pushq $0
    pushq $0
    pushq $0x1234
    xorl %edx, %edx
    xorl %ebx, %ebx
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    movq user_call, %rax
    movq user_call + 8, %rdi
    movq user_call + 16, %rsi
    syscall
    ud2
    .size user_enter, . - user_enter

// Each entry gets from the hypervisor, lowest first:
//   failsafe:   | rcx r11 ds es fs gs | rip cs rflags rsp ss |
//   the others: | rcx r11 | rip cs rflags rsp ss |
// user_entry_rflags are the flags that it is entered with.
    .globl user_syscall_entry, user_interrupt_entry, user_failsafe_entry
    .globl user_syscall32_entry, user_sysenter_entry
user_syscall_entry:
    movl $1, user_exit
    jmp user_back
user_interrupt_entry:
    movl $2, user_exit
    jmp user_back
user_syscall32_entry:
    movl $4, user_exit
    jmp user_back
user_sysenter_entry:
    movl $5, user_exit
    jmp user_back
user_failsafe_entry:
    movl $3, user_exit
    popq user_saved_rcx
    popq user_saved_r11
    leaq 16(%rsp), %rsp
user_back:
    pushfq
    popq user_entry_rflags
    movq %rax, user_saved_rax
    popq user_saved_rcx
    popq user_saved_r11
    popq user_saved
    popq user_saved + 8
    popq user_saved + 16
    popq user_saved + 24
    popq user_saved + 32
    movq user_stack, %rsp
    movl user_exit, %eax
    cld
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

    .globl user_do_syscall, user_do_interrupt, user_do_privileged, user_do_flags
    .globl user_do_port, user_do_interrupts_off, user_do_syscall_now, user_do_read_m2p, user_do_sysenter, user_do_breakpoint
user_do_syscall:
    movl $0x5a5a, %eax
user_do_syscall_now:
    syscall
user_do_interrupt:
    int $0x80
user_do_privileged:
    cli
user_do_flags:
    pushq $0x44246
    popfq
    syscall

user_do_sysenter:
    sysenter
user_do_breakpoint:
    int3
user_do_port:
    movl $0x61, %edx
    inb %dx, %al
    syscall
user_do_interrupts_off:
    cli
    sti
    syscall
user_do_read_m2p:
    movabsq MACH2PHYS_VIRT_START_ADDRESS, %rax
    syscall

// The same for 32-bit user mode, copied to where that can run.
    .globl user32_begin, user32_end
    .globl user32_syscall, user32_sysenter, user32_interrupt, user32_overflow, user32_undefined
    .code32
user32_begin:
user32_syscall:
    syscall
user32_sysenter:
    sysenter
user32_interrupt:
    int $0x80
user32_overflow:
    movb $0x7f, %al
    addb $1, %al
    into
user32_undefined:
    ud2
user32_end:
    .code64

    .data
    .balign 8
    .globl user_call
user_call:
    .quad __HYPERVISOR_iret, 0, 0

    .bss
    .balign 8
user_stack:
    .skip 8
user_exit:
    .skip 8
    .globl user_saved, user_saved_rcx, user_saved_r11, user_saved_rax, user_entry_rflags
user_entry_rflags:
    .skip 8
user_saved:
    .skip 40
user_saved_rcx:
    .skip 8
user_saved_r11:
    .skip 8
user_saved_rax:
    .skip 8

    .section .note.GNU-stack, "", @progbits
