// SPDX-License-Identifier: MIT
/*
 * The ELF notes, the first instruction, the entries for exceptions and events, and the switch of
 * stacks.
 *
 * The hypervisor enters on the interrupted stack (kernel mode never switches stacks) with
 *
 *      rsp -> rcx  r11  [error code]  rip  cs  rflags  rsp  ss
 *
 * and the processor's rcx and r11 lost. We return without the iret hypercall: an exception does not
 * change the upcall mask, and an upcall clears it itself (see event_upcall). Ring and segments do
 * not change either, so POPFQ and RET from the interrupted stack do what IRETQ would, in a fraction
 * of its time, and they also work where an emulator gets IRETQ in ring 3 wrong (only a debug
 * exception needs it). Nothing of ours uses the bytes below its stack pointer (no red zone), so the
 * two words fit there:
 *
 *      interrupted rsp -> ...
 *                   -8 -> rip
 *                  -16 -> rflags
 */
#include <xen/elfnote.h>

        .macro  NOTE type, kind, value:vararg
        .pushsection .note.Xen, "a", @note
        .balign 4
        .long   4, 2f - 1f, \type
        .asciz  "Xen"
1:      \kind   \value
2:      .balign 4
        .popsection
        .endm

        NOTE    XEN_ELFNOTE_GUEST_OS, .asciz, "pvguest"
        NOTE    XEN_ELFNOTE_GUEST_VERSION, .asciz, "1"
        NOTE    XEN_ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
        NOTE    XEN_ELFNOTE_LOADER, .asciz, "generic"
        NOTE    XEN_ELFNOTE_PAE_MODE, .asciz, "yes"
        NOTE    XEN_ELFNOTE_VIRT_BASE, .quad, 0xffffffff80000000
        NOTE    XEN_ELFNOTE_PADDR_OFFSET, .quad, 0
        NOTE    XEN_ELFNOTE_ENTRY, .quad, _start
        NOTE    XEN_ELFNOTE_HYPERCALL_PAGE, .quad, hypercall_page
        NOTE    XEN_ELFNOTE_FEATURES, .asciz, "!writable_page_tables|pae_pgdir_above_4gb"
        NOTE    XEN_ELFNOTE_SUPPORTED_FEATURES, .long, (1 << XENFEAT_DOM0)

/* xen/features.h has C only; this is XENFEAT_dom0. */
        .equ    XENFEAT_DOM0, 11
        .equ    DEBUG_VECTOR, 1

        .section .text.start, "ax", @progbits
        .globl  _start
/* rsi: start_info; rsp: the hypervisor's small stack. */
_start:
        cld
        mov     $boot_stack_end, %rsp
        xor     %ebp, %ebp
        mov     %rsi, %rdi
        call    start_main
        ud2

        .section .text.hypercall_page, "ax", @progbits
        .balign 4096
        .globl  hypercall_page
hypercall_page:
        .fill   4096, 1, 0xcc

        .bss
        .balign 16
boot_stack:
        .skip   8192
boot_stack_end:

/* The shared info frame is mapped over this page. */
        .section .bss.page, "aw", @nobits
        .balign 4096
        .globl  shared_info_area
shared_info_area:
        .skip   4096
        .equ    upcall_pending, shared_info_area        /* vcpu_info[0].evtchn_upcall_pending */
        .equ    upcall_mask, shared_info_area + 1       /* vcpu_info[0].evtchn_upcall_mask */

/*
 * SSE registers around a call of C: 16 of them and MXCSR, below an aligned stack pointer. The old
 * stack pointer is kept in rbx. FUNCTION_returns is where the call comes back to (trap.c).
 */
        .macro  CALL_WITH_SSE_SAVED function
        mov     %rsp, %rbx
        and     $-16, %rsp
        sub     $272, %rsp
        .irp    i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
        movaps  %xmm\i, 16*\i(%rsp)
        .endr
        stmxcsr 256(%rsp)
        cld
        call    \function
\function\()_returns:
        ldmxcsr 256(%rsp)
        .irp    i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
        movaps  16*\i(%rsp), %xmm\i
        .endr
        mov     %rbx, %rsp
        .endm

/*
 * Puts rip and rflags of the hypervisor's frame, at `offset` from rsp, onto the interrupted stack, and
 * the address of the two into the frame's cs. They may lie over the frame's rsp and ss. Scratch:
 * rax, rcx, rdx. IF is set: it means the mask here, and no POPFQ may ever clear the real one.
 */
        .macro  RETURN_PREPARE offset
        mov     \offset(%rsp), %rax
        mov     \offset+16(%rsp), %rdx
        mov     \offset+24(%rsp), %rcx
        or      $0x200, %edx
        mov     %rax, -8(%rcx)
        mov     %rdx, -16(%rcx)
        sub     $16, %rcx
        mov     %rcx, \offset+8(%rsp)
        .endm

        .text
/* One stub a vector: makes the top of struct trap_frame out of the hypervisor's frame. */
        .macro  EXCEPTION vector, has_error
trap_entry_\vector:
        mov     (%rsp), %rcx
        mov     8(%rsp), %r11
        .if     \has_error
        add     $8, %rsp
        .else
        movq    $0, 8(%rsp)
        .endif
        movq    $\vector, (%rsp)
        jmp     trap_common
        .pushsection .rodata
        .quad   trap_entry_\vector
        .popsection
        .endm

        .section .rodata
        .balign 8
        .globl  trap_entries
trap_entries:
        .text
        .irp    v, 0,1,2,3,4,5,6,7
        EXCEPTION \v, 0
        .endr
        EXCEPTION 8, 1
        EXCEPTION 9, 0
        .irp    v, 10,11,12,13,14
        EXCEPTION \v, 1
        .endr
        .irp    v, 15,16
        EXCEPTION \v, 0
        .endr
        EXCEPTION 17, 1
        .irp    v, 18,19,20
        EXCEPTION \v, 0
        .endr
        EXCEPTION 21, 1
        .irp    v, 22,23,24,25,26,27,28,29,30,31
        EXCEPTION \v, 0
        .endr

/* Stack: struct trap_frame from `vector` on. */
trap_common:
        push    %rdi
        push    %rsi
        push    %rdx
        push    %rcx
        push    %rax
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, %rdi
        .globl  trap_dispatch_returns
        CALL_WITH_SSE_SAVED trap_dispatch
        cmpq    $DEBUG_VECTOR, 120(%rsp)
        je      1f
        RETURN_PREPARE 136
1:      pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rax
        pop     %rcx
        pop     %rdx
        pop     %rsi
        pop     %rdi
        cmpq    $DEBUG_VECTOR, (%rsp)
        je      2f
        add     $16, %rsp
        mov     8(%rsp), %rsp
        popfq
        ret
/* A debug exception: only IRETQ honours RF, and runs one instruction before TF stops it again. */
2:      add     $16, %rsp
        orb     $3, 8(%rsp)
        orb     $3, 32(%rsp)
        iretq

/*
 * Event upcall. Entered with upcalls masked. All registers but rflags and rip are back before the
 * mask is cleared. An event that comes between the clearing and the RET finds those two on the
 * stack; it takes them into its own frame and returns in our place, so such upcalls do not pile up.
 */
        .globl  event_upcall, upcall_window_start, upcall_window_pop, upcall_window_ret
event_upcall:
        mov     (%rsp), %rcx
        mov     8(%rsp), %r11
        cmpq    $upcall_window_start, 16(%rsp)
        jb      1f
        cmpq    $upcall_window_end, 16(%rsp)
        jb      5f
1:      add     $16, %rsp
/* Stack: rip cs rflags rsp ss. */
2:      push    %rdi
        push    %rsi
        push    %rdx
        push    %rcx
        push    %rax
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %rbx
        CALL_WITH_SSE_SAVED event_dispatch
        RETURN_PREPARE 80
        pop     %rbx
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rax
        pop     %rcx
        pop     %rdx
        pop     %rsi
        pop     %rdi
        mov     8(%rsp), %rsp
        movb    $0, upcall_mask
upcall_window_start:
        testb   $0xff, upcall_pending
        jnz     3f
upcall_window_pop:
        popfq
upcall_window_ret:
        ret
3:      movb    $1, upcall_mask
upcall_window_end:
/* Stack: rflags rip. Makes a frame of them again, with everything masked, and goes round. */
        sub     $40, %rsp
        push    %rax
        mov     56(%rsp), %rax
        mov     %rax, 8(%rsp)
        mov     48(%rsp), %rax
        mov     %rax, 24(%rsp)
        lea     64(%rsp), %rax
        mov     %rax, 32(%rsp)
        pop     %rax
        jmp     2b
/* Interrupted in the window. Stack: rcx r11 rip cs rflags rsp ss; rcx and r11 are loaded already and
 * lend us their places. */
5:      mov     %rax, (%rsp)
        mov     %rbx, 8(%rsp)
        mov     40(%rsp), %rax
        cmpq    $upcall_window_ret, 16(%rsp)
        je      6f
        mov     (%rax), %rbx
        mov     %rbx, 32(%rsp)
        add     $8, %rax
6:      mov     (%rax), %rbx
        mov     %rbx, 16(%rsp)
        add     $8, %rax
        mov     %rax, 40(%rsp)
        mov     (%rsp), %rax
        mov     8(%rsp), %rbx
        jmp     1b

/* A return by the hypervisor failed (bad selector): never in a kernel without user mode. */
        .globl  failsafe_upcall
failsafe_upcall:
        call    trap_failsafe
        ud2

/*
 * Called first by every function of a guest's own code (-mfentry), before its frame is made. Below
 * thread_stack_limit lies the last page of the running thread's stack, kept for what such a function calls
 * and for saying that the stack has overflown: the hypervisor could not tell us, because it cannot put a
 * frame onto a guard page. Other stacks, also those that lie below, are left alone. r11 is free here.
 */
        .equ    STACK_RESERVE, 4096                     /* as in thread.c */
        .globl  __fentry__
__fentry__:
        cmp     thread_stack_limit, %rsp
        jb      1f
        ret
1:      mov     thread_stack_limit, %r11
        sub     %rsp, %r11
        cmp     $STACK_RESERVE, %r11
        jbe     2f
        ret
2:      movq    $0, thread_stack_limit
        movb    $1, upcall_mask
        mov     %rsp, %rdi
        mov     $boot_stack_end, %rsp           /* unused since the first thread runs */
        call    trap_stack_overflow
        ud2

/* void thread_switch_stack(uint64_t *save_rsp, uint64_t new_rsp) */
        .globl  thread_switch_stack
thread_switch_stack:
        push    %rbp
        push    %rbx
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, (%rdi)
        mov     %rsi, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbx
        pop     %rbp
        ret

/* bool priv_read_safe(const uint64_t *from, uint64_t *value): false if reading faults. */
        .globl  priv_read_safe, priv_read_safe_access, priv_read_safe_fixup
priv_read_safe:
priv_read_safe_access:
        mov     (%rdi), %rax
        mov     %rax, (%rsi)
        mov     $1, %eax
        ret
priv_read_safe_fixup:
        xor     %eax, %eax
        ret

        .section .note.GNU-stack, "", @progbits
