// SPDX-License-Identifier: MIT
// User mode of the conformance guest: one way in, and entries that all come back to user_enter.
#include <xen/xen.h>

    .text

// enum user_exit user_enter(const struct user_frame *frame, uint64_t flags)
//
// The iret hypercall takes from the stack, lowest first:
//   | rax r11 rcx flags | rip cs rflags rsp ss |
// The other registers are cleared: no pointer into the kernel goes out.
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
    xorl %edi, %edi
    xorl %esi, %esi
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
    movl $__HYPERVISOR_iret, %eax
    syscall
    ud2
    .size user_enter, . - user_enter

// Each entry gets from the hypervisor, lowest first:
//   syscall, interrupt: | rcx r11 | rip cs rflags rsp ss |
//   failsafe:           | rcx r11 ds es fs gs | rip cs rflags rsp ss |
    .globl user_syscall_entry, user_interrupt_entry, user_failsafe_entry
user_syscall_entry:
    movl $1, user_exit
    jmp user_back
user_interrupt_entry:
    movl $2, user_exit
    jmp user_back
user_failsafe_entry:
    movl $3, user_exit
    popq user_saved_rcx
    popq user_saved_r11
    addq $16, %rsp
user_back:
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
user_do_syscall:
    movl $0x5a5a, %eax
    syscall
user_do_interrupt:
    int $0x80
user_do_privileged:
    cli
user_do_flags:
    pushq $0x44246
    popfq
    syscall

    .bss
    .balign 8
user_stack:
    .skip 8
user_exit:
    .skip 8
    .globl user_saved, user_saved_rcx, user_saved_r11, user_saved_rax
user_saved:
    .skip 40
user_saved_rcx:
    .skip 8
user_saved_r11:
    .skip 8
user_saved_rax:
    .skip 8

    .section .note.GNU-stack, "", @progbits
