// SPDX-License-Identifier: MIT
// The first code of every other CPU: real mode at a page below 1 MiB, straight to long mode.
//
// smp.c copies [trampoline_start, trampoline_end) to the page and fills the parameters at its end.
// It loads the boot tables (they map the page one to one), jumps to the image, and there takes the
// idle root and its own stack, whose struct cpu_info is ready.
#include "hypervisor/x86.h"

#define REL(symbol) (symbol - trampoline_start)

    .section .rodata.trampoline, "a"
    .balign 16
    .global trampoline_start, trampoline_end, trampoline_parameters
    .code16
trampoline_start:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    movzwl %ax, %ebx
    shll $4, %ebx // EBX = address of the page
    // The far pointer and the GDT pointer need linear addresses.
    leal REL(trampoline_gdt)(%ebx), %eax
    movl %eax, REL(trampoline_gdt_pointer) + 2
    leal REL(trampoline_long)(%ebx), %eax
    movl %eax, REL(trampoline_far)
    lgdtl REL(trampoline_gdt_pointer)

    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl REL(parameter_cr3), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    movl REL(parameter_efer), %eax
    xorl %edx, %edx
    wrmsr
    movl $(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG), %eax
    movl %eax, %cr0
    ljmpl *REL(trampoline_far)

    .code64
trampoline_long:
    xorl %eax, %eax // null selectors are valid in ring 0 of long mode
    .irp selector, ss, ds, es, fs, gs
    movl %eax, %\selector
    .endr
    movq REL(parameter_stack)(%rbx), %rsp
    movq REL(parameter_root)(%rbx), %rdi
    movq REL(parameter_entry)(%rbx), %rax
    jmp *%rax

    .balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
trampoline_gdt_end:
trampoline_gdt_pointer:
    .short trampoline_gdt_end - trampoline_gdt - 1
    .long 0
trampoline_far:
    .long 0
    .short 8
    .balign 8
trampoline_parameters: // struct trampoline_parameters of smp.c
parameter_cr3:
    .long 0
parameter_efer:
    .long 0
parameter_stack:
    .quad 0
parameter_root:
    .quad 0
parameter_entry:
    .quad 0
trampoline_end:

    .section .text.boot, "ax"
    .global smp_entry
smp_entry: // RDI = idle root; on the stack of this CPU
    movq %rdi, %cr3
    xorl %ebp, %ebp
    call smp_main
    ud2
