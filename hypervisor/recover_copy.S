// SPDX-License-Identifier: MIT
// Instructions that may fault on a guest's values, and where to go on when they have (recover.h).

.macro FUNCTION name
    .text
    .balign 16
    .globl \name
    .hidden \name
    .type \name, @function
\name:
.endm

// A fault at `from` continues at `to`; 32-bit distances, so that the table needs no relocation.
.macro RECOVER from to
    .section .extable, "a", @progbits
    .long \from - .
    .long \to - .
    .text
.endm

// (to, from, bytes)
FUNCTION recover_copy
    movq %rdx, %rcx
    shrq $3, %rcx
    andl $7, %edx
1:  rep movsq
    movl %edx, %ecx
2:  rep movsb
    movl $1, %eax
    ret
    RECOVER 1b, recover_failed
    RECOVER 2b, recover_failed

// (to, value)
FUNCTION recover_write16
1:  movw %si, (%rdi)
    movl $1, %eax
    ret
    RECOVER 1b, recover_failed

// (to, bytes)
FUNCTION recover_clear
    movq %rsi, %rcx
    xorl %eax, %eax
    shrq $3, %rcx
    andl $7, %esi
1:  rep stosq
    movl %esi, %ecx
2:  rep stosb
    movl $1, %eax
    ret
    RECOVER 1b, recover_failed
    RECOVER 2b, recover_failed

FUNCTION recover_failed
    xorl %eax, %eax
    ret

.macro LOAD_SEGMENT name
FUNCTION recover_load_\name
1:  movw %di, %\name
    movl $1, %eax
    ret
2:  xorl %eax, %eax
    movw %ax, %\name
    ret
    RECOVER 1b, 2b
.endm

LOAD_SEGMENT ds
LOAD_SEGMENT es
LOAD_SEGMENT fs

// Interrupts are off, so that the swapped bases are seen by nobody; NMI and #MC do not look at GS.
FUNCTION recover_load_gs
    pushfq
    cli
    swapgs
1:  movw %di, %gs
    movl $1, %eax
2:  swapgs
    popfq
    ret
3:  xorl %eax, %eax
    movw %ax, %gs
    jmp 2b
    RECOVER 1b, 3b

// (msr, *value)
FUNCTION recover_rdmsr
    movl %edi, %ecx
1:  rdmsr
    movl %eax, (%rsi)
    movl %edx, 4(%rsi)
    movl $1, %eax
    ret
    RECOVER 1b, recover_failed

    .section .note.GNU-stack, "", @progbits
