// SPDX-License-Identifier: MIT
// All ways into and out of the hypervisor. Contract:
// - GS and FS are the guest's; nothing here looks at them. Per-CPU data is found from the stack.
// - A guest's registers always end up in struct cpu_info at the top of the CPU's main stack:
//
//        top of the stack area (32 KiB aligned)
//        current, cpu                 struct cpu_info
//        es ds fs gs                  valid only while the vcpu is switched out
//   RSP0 ss rsp rflags cs rip         pushed by the CPU, or written by the SYSCALL path
//        entry_vector:error_code      high and low half of one word
//        rdi rsi rdx rcx rax r8-r11 rbx rbp r12-r15      <- %rsp when C code is called
//
// - The IST stacks (NMI, #DF, #MC, #DB) lie in the same area. What comes from a guest is moved to the
//   main stack before C code runs; what interrupted ring 0 stays on the IST stack and only observes.
// - DF, AC and NT are clear in C code. Interrupts are off in every stub; SYSCALL enables them once the
//   frame is whole, for exceptions C code does.
// - At calls into C %rsp is 8 off a multiple of 16 (where the frame ends): nothing built with
//   -mgeneral-regs-only minds.
// - Everything is in .text.entry, so that it can be mapped apart from the rest one day.
#include "hypervisor/asm_offsets.h"
#include "hypervisor/layout.h"
#include "hypervisor/x86.h"

#define ENTRY_SYSCALL 0x100 // traps.h
#define REGS_BYTES_TO_SS (REGS_es) // r15 .. ss

    .section .text.entry, "ax", @progbits

.macro FUNCTION name
    .balign 16
    .globl \name
    .hidden \name
    .type \name, @function
\name:
.endm

// %rsp points at error_code: push the general registers below it and clear the flags that C code
// must not inherit.
.macro SAVE_GENERAL
    .irp register, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
    pushq %\register
    .endr
    cld
    cmpb $0, entry_has_smap(%rip)
    je .Lno_smap\@
    clac
.Lno_smap\@:
.endm

// All general registers but rcx and r11; %rsp does not move.
.macro LOAD_ALL_BUT_RCX_R11
    .irp register, r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rax, rdx, rsi, rdi
    movq OFFSET_REGS_\register(%rsp), %\register
    .endr
.endm

// --- SYSCALL ---------------------------------------------------------------------------------------
// SYSCALL leaves RSP alone, so each CPU has its own first instructions, which know its stack: park
// RAX where it belongs in the frame, then load the stack. 32 bytes a CPU; descriptors_init_local()
// points LSTAR and CSTAR at them.
#define STUB_BYTES 32

.macro SYSCALL_STUBS name target
    .balign STUB_BYTES
    .globl \name
    .hidden \name
\name:
    .set frame, CPU_WINDOW_START + CPU_WINDOW_STACK + CPU_STACK_SIZE - CPU_INFO_SIZE
    .rept HV_MAX_CPUS
    .balign STUB_BYTES
    movabsq %rax, frame + REGS_rax
    movq %rsp, %rax
    movabsq $frame, %rsp
    jmp \target
    .set frame, frame + CPU_WINDOW_SIZE
    .endr
    .balign STUB_BYTES
.endm

    SYSCALL_STUBS entry_syscall_stubs, syscall_common
    SYSCALL_STUBS entry_syscall32_stubs, syscall32_common

// %rsp is the frame, %rax the guest's RSP, RCX and R11 its RIP and RFLAGS. The stored RCX and R11 are
// what the guest would see after an IRET from here.
.macro SAVE_SYSCALL code_selector
    movq %rax, REGS_rsp(%rsp)
    movq $SEL_GUEST_DATA32, REGS_ss(%rsp)
    movq %r11, REGS_rflags(%rsp)
    movq %rcx, REGS_rip(%rsp)
    movq $\code_selector, REGS_cs(%rsp)
    movl $ENTRY_SYSCALL, REGS_entry_vector(%rsp)
    .irp register, rdi, rsi, rdx, rcx, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
    movq %\register, OFFSET_REGS_\register(%rsp)
    .endr
    sti
.endm

FUNCTION syscall_common
    SAVE_SYSCALL SEL_GUEST_CODE64
    movq %rsp, %rdi
    movq CPU_INFO_current(%rsp), %rax
    cmpb $0, VCPU_in_kernel(%rax)
    je 1f
    cmpl $HYPERCALL_IRET, REGS_rax(%rsp)
    je 2f
    call hypercall_dispatch
    jmp exit_to_guest
1:  call trap_guest_syscall
    jmp exit_to_guest
2:  call guest_iret
    jmp exit_to_guest

FUNCTION syscall32_common
    SAVE_SYSCALL SEL_GUEST_CODE32
    movq %rsp, %rdi
    call trap_guest_syscall32
    jmp exit_to_guest

// --- SYSENTER (on processors that have it in long mode) ------------------------------------------------
// It saves nothing and clears IF, RF and VM only. Its stack pointer is the same place of each CPU's
// frame: PUSHFQ writes regs.rflags.
//        ss                   written below
//        rsp                  written below      <- %rsp at entry
//        rflags cs rip        pushed; cs is a null selector of ring 3
// A guest that steps through it gives us #DB before and after PUSHFQ: trap_from_hypervisor() takes TF
// away after it.
FUNCTION entry_sysenter
    pushfq
    pushq $3
    pushq $0
    pushq $0
    movl $ENTRY_SYSCALL, 4(%rsp)
    SAVE_GENERAL
    orl $EFLAGS_IF, REGS_rflags(%rsp)
    movq $0, REGS_rsp(%rsp)
    movq $SEL_GUEST_DATA32, REGS_ss(%rsp)
    pushq $EFLAGS_IF
    popfq
    movq %rsp, %rdi
    call trap_guest_sysenter
    jmp exit_to_guest

// --- return to the guest ------------------------------------------------------------------------------
// %rsp is the frame at the top of the main stack. Nothing may be left to do once interrupts are off:
// after a softirq, an NMI or an upcall we look again.
FUNCTION exit_to_guest
    cli
    movq CPU_INFO_cpu(%rsp), %rax
    cmpl $0, CPU_softirq_pending(%rax)
    jne .Lreturn_work
    movq CPU_INFO_current(%rsp), %rbx
    cmpb $0, VCPU_nmi_pending(%rbx)
    jne .Lreturn_work
    movq VCPU_info(%rbx), %rax
    cmpb $0, VCPU_INFO_upcall_pending(%rax)
    je .Lno_work
    cmpb $0, VCPU_INFO_upcall_mask(%rax)
    je .Lupcall
.Lno_work:
    cmpl $ENTRY_SYSCALL, REGS_entry_vector(%rsp)
    jne .Lreturn_by_iret
    // SYSRET must not see a RIP that is not canonical (it faults in ring 0 on some CPUs), nor flags
    // that it treats otherwise than IRET. With TF it raises #DB in ring 3, before the first instruction.
    movq REGS_rip(%rsp), %rcx
    movq %rcx, %rax
    sarq $47, %rax
    incl %eax
    cmpl $1, %eax
    ja .Lreturn_by_iret_syscall
    movq REGS_rflags(%rsp), %r11
    testl $(EFLAGS_RF | EFLAGS_NT | EFLAGS_VM | EFLAGS_IOPL), %r11d
    jnz .Lreturn_by_iret_syscall
    cmpw $SEL_GUEST_CODE32, REGS_cs(%rsp) // any other selector counts as that of 64-bit code
    LOAD_ALL_BUT_RCX_R11
    movq REGS_rsp(%rsp), %rsp
    je 1f
    sysretq
1:  sysretl

// As SYSRET would have left them.
.Lreturn_by_iret_syscall:
    movq REGS_rip(%rsp), %rcx
    movq REGS_rflags(%rsp), %r11
    movq %rcx, REGS_rcx(%rsp)
    movq %r11, REGS_r11(%rsp)
.Lreturn_by_iret:
    movq REGS_rcx(%rsp), %rcx
    movq REGS_r11(%rsp), %r11
    LOAD_ALL_BUT_RCX_R11
    addq $REGS_rip, %rsp
    // A guest can make this fault; trap_from_hypervisor() knows the address. The fault's frame lies
    // below the IRET frame, which stays intact, and the registers are saved anew. To a 16-bit stack segment
    // it loads SP alone: the other bits remain ours, and tell no more than the number of the CPU (layout.h).
    .globl entry_iret_to_guest
    .hidden entry_iret_to_guest
entry_iret_to_guest:
    iretq

.Lreturn_work:
    sti
    movq %rsp, %rdi
    call trap_return_work
    jmp exit_to_guest

.Lupcall:
    sti
    movq %rsp, %rdi
    call guest_inject_event
    jmp exit_to_guest

// void stack_reset_and_jump(struct cpu_user_regs *regs, void (*target)(void)): the frame at `regs`
// becomes the only thing on the stack. `target` is entered as if it had been called from nowhere.
FUNCTION stack_reset_and_jump
    movq %rdi, %rsp
    xorl %ebp, %ebp
    call *%rsi
    jmp exit_to_guest

// --- exceptions and interrupts --------------------------------------------------------------------------
FUNCTION exception_common
    SAVE_GENERAL
    movq %rsp, %rdi
    testb $3, REGS_cs(%rsp)
    jz .Lfrom_hypervisor
    call trap_from_guest
    jmp exit_to_guest

.Lfrom_hypervisor:
    call trap_from_hypervisor
restore_hypervisor:
    movq REGS_rcx(%rsp), %rcx
    movq REGS_r11(%rsp), %r11
    LOAD_ALL_BUT_RCX_R11
    addq $REGS_rip, %rsp
    iretq

FUNCTION interrupt_common
    SAVE_GENERAL
    movq %rsp, %rdi
    movzbl REGS_entry_vector(%rsp), %esi
    call vector_dispatch
    testb $3, REGS_cs(%rsp)
    jz restore_hypervisor
    jmp exit_to_guest

// On an IST stack. Ring 0 may have been anywhere, the first instructions of SYSCALL included.
FUNCTION ist_common
    SAVE_GENERAL
    movq %rsp, %rsi
    testb $3, REGS_cs(%rsp)
    jz 1f
    // Move the frame to the main stack; from here on this is an ordinary exception.
    movq %rsp, %rdi
    orq $(CPU_STACK_SIZE - 1), %rdi
    subq $(CPU_INFO_SIZE - 1), %rdi
    movq %rdi, %rax
    movl $(REGS_BYTES_TO_SS / 8), %ecx
    rep movsq
    movq %rax, %rsp
    cmpl $X86_NMI, REGS_entry_vector(%rsp)
    jne 2f
    // The CPU blocks NMIs until the next IRET, and the way back may be a SYSRET, in another domain: so one
    // here, to the next line. A further NMI finds the IST stack free.
    movl %ss, %ecx
    pushq %rcx
    pushq %rax
    pushfq
    pushq $SEL_HV_CODE
    leaq 2f(%rip), %rcx
    pushq %rcx
    iretq
2:  movq %rsp, %rdi
    call trap_from_guest
    jmp exit_to_guest
1:  movq %rsp, %rdi
    call trap_from_hypervisor
    jmp restore_hypervisor

FUNCTION double_fault_common
    SAVE_GENERAL
    movq %rsp, %rdi
    call trap_double_fault
    ud2

// One stub a vector, 16 bytes each. The CPU pushes an error code for some exceptions, the others get
// a zero; the vector goes to the upper half of that word. #DB, NMI, #MC: IST stacks.
#define HAS_ERROR_CODE(v) ((v) == 8 || ((v) >= 10 && (v) <= 14) || (v) == 17 || (v) == 21 || \
                           (v) == 29 || (v) == 30)

    .balign 16
    .globl entry_vector_stubs
    .hidden entry_vector_stubs
entry_vector_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !HAS_ERROR_CODE(vector)
    pushq $0
    .endif
    movl $vector, 4(%rsp)
    .if vector == X86_DF
    jmp double_fault_common
    .elseif vector == X86_DB || vector == X86_NMI || vector == X86_MC
    jmp ist_common
    .elseif vector < 0x20 || vector == 0x80
    jmp exception_common
    .else
    jmp interrupt_common
    .endif
    .set vector, vector + 1
    .endr

// void entry_reload_segments(void): after LGDT. FS and GS are left to the guest's loads.
FUNCTION entry_reload_segments
    popq %rax
    pushq $SEL_HV_CODE
    pushq %rax
    movl $SEL_HV_DATA, %eax
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %ds
    movw %ax, %es
    lretq

    .section .note.GNU-stack, "", @progbits
