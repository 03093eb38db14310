// SPDX-License-Identifier: MIT
// Probes, and the entry points that cases register in place of pvguest's own.

    .text

// int probe_enter(fn, arg): calls fn(arg). 0 if it returned, 1 if probe_recover ended it.
//
//   probe_stack -> | r15 r14 r13 r12 rbx rbp | return address |
    .globl probe_enter
    .type probe_enter, @function
probe_enter:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, probe_stack
    movq %rdi, %rax
    movq %rsi, %rdi
    subq $8, %rsp
    callq *%rax
    addq $8, %rsp
    xorl %eax, %eax
    jmp 1f
    .globl probe_recover
probe_recover:
    movl $1, %eax
1:  movq $0, probe_stack
    cld
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size probe_enter, . - probe_enter

    .section .note.GNU-stack, "", @progbits
