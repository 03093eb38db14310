// SPDX-License-Identifier: MIT
// Entry from a Multiboot2 loader, under BIOS and UEFI alike, up to the first line of C.
//
// The loader leaves us in 32-bit protected mode without paging, with EAX = magic, EBX = the boot
// information, and no stack. The image may lie at any 2 MiB boundary below 4 GiB (relocatable tag),
// so the 32-bit part addresses everything relative to ESI = its load address. It builds tables with
//   - the first 4 GiB one to one, at 0 and at the direct map (one L3 table for both),
//   - the image at its link address,
// in 2 MiB pages, all of them writable and executable; paging_init() replaces them. They stay in use
// for starting CPUs, whose real-mode code needs the mapping at 0.
#include "hypervisor/layout.h"
#include "hypervisor/x86.h"

#define MULTIBOOT2_MAGIC 0xe85250d6
#define MULTIBOOT2_ARCHITECTURE 0 // i386 protected mode
#define TAG_END 0
#define TAG_INFORMATION_REQUEST 1
#define TAG_MODULE_ALIGN 6
#define TAG_RELOCATABLE 10
#define INFO_CMDLINE 1
#define INFO_MODULE 3
#define INFO_MMAP 6
#define PREFER_LOWEST 1

#define BOOT_PTE (PTE_PRESENT | PTE_RW)
#define IMAGE_MAX_PAGES 4 // 2 MiB pages mapped for the image; link.ld checks the size
#define L4_INDEX(a) (((a) >> 39) & 511)
#define L3_INDEX(a) (((a) >> 30) & 511)
#define BOOT_STACK_RESERVED 0x100 // holds a struct cpu_info; checked in smp.c
#define OFFSET(symbol) (symbol - IMAGE_VIRT_START)

    .section .multiboot, "a"
    .balign 8
multiboot_header:
    .long MULTIBOOT2_MAGIC, MULTIBOOT2_ARCHITECTURE
    .long multiboot_header_end - multiboot_header
    .long -(MULTIBOOT2_MAGIC + MULTIBOOT2_ARCHITECTURE + (multiboot_header_end - multiboot_header))
    .balign 8
    .short TAG_INFORMATION_REQUEST, 0
    .long 20, INFO_CMDLINE, INFO_MODULE, INFO_MMAP
    .balign 8
    .short TAG_MODULE_ALIGN, 0
    .long 8
    .balign 8
    .short TAG_RELOCATABLE, 0
    .long 24, 0x200000, 0xffffffff, 0x200000, PREFER_LOWEST
    .balign 8
    .short TAG_END, 0
    .long 8
multiboot_header_end:

    .section .text.boot, "ax"
    .code32
    .global boot_entry
boot_entry:
    cli
    cld
    // The only memory known to be free is the reserved word of the boot information: use it as a
    // stack of one entry to find out where we are.
    leal 8(%ebx), %esp
    call 1f
1:  popl %esi
    subl $OFFSET(1b), %esi
    leal OFFSET(boot_stack_end)(%esi), %esp
    movl %eax, %ebp

    movl %ebx, %edi
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb no_long_mode
    movl $0x80000001, %eax
    cpuid
    movl %edi, %ebx
    btl $29, %edx
    jnc no_long_mode

    call build_boot_tables

    movl %cr4, %eax
    orl $CR4_PAE, %eax
    movl %eax, %cr4
    leal OFFSET(boot_l4)(%esi), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl $(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG), %eax
    movl %eax, %cr0

    leal OFFSET(boot_gdt)(%esi), %eax
    leal OFFSET(boot_gdt_pointer)(%esi), %edx
    movl %eax, 2(%edx)
    lgdtl (%edx)
    leal OFFSET(boot_long_mode)(%esi), %eax
    pushl $8
    pushl %eax
    lretl

// `count` entries of the empty table `table`, the first one (%eax) and on in steps of `step`.
.macro FILL table count step
    leal OFFSET(\table)(%esi), %edi
    movl $\count, %ecx
1:  movl %eax, (%edi)
    addl $8, %edi
    addl $\step, %eax
    loop 1b
.endm

// Clobbers EAX, ECX, EDI.
build_boot_tables:
    movl $(BOOT_PTE | PTE_PSE), %eax
    FILL boot_l2, 2048, 0x200000 // the first 4 GiB
    leal (OFFSET(boot_l2) + BOOT_PTE)(%esi), %eax
    FILL boot_l3, 4, 0x1000
    leal (BOOT_PTE | PTE_PSE)(%esi), %eax
    FILL boot_image_l2, IMAGE_MAX_PAGES, 0x200000
    leal (OFFSET(boot_image_l2) + BOOT_PTE)(%esi), %eax
    movl %eax, (OFFSET(boot_image_l3) + 8 * L3_INDEX(IMAGE_VIRT_START))(%esi)
    // the root
    leal (OFFSET(boot_l3) + BOOT_PTE)(%esi), %eax
    movl %eax, OFFSET(boot_l4)(%esi)
    movl %eax, (OFFSET(boot_l4) + 8 * L4_INDEX(DIRECT_MAP_START))(%esi)
    leal (OFFSET(boot_image_l3) + BOOT_PTE)(%esi), %eax
    movl %eax, (OFFSET(boot_l4) + 8 * L4_INDEX(IMAGE_VIRT_START))(%esi)
    ret

no_long_mode: // a 32-bit processor: nothing can be done, and there is no console yet
    hlt
    jmp no_long_mode

    .code64
boot_long_mode:
    xorl %eax, %eax // null selectors are valid in ring 0 of long mode
    .irp selector, ss, ds, es, fs, gs
    movl %eax, %\selector
    .endr
    movabsq $boot_high, %rax
    jmp *%rax
boot_high:
    leaq boot_stack_info(%rip), %rsp // below the struct cpu_info; 16-byte aligned
    movl %ebp, %edi
    movl %ebx, %ebx
    movq %rbx, %rax
    movl %esi, %edx
    movq %rax, %rsi
    xorl %ebp, %ebp
    call boot_main // (magic, information, load address)
    ud2

    .section .data.boot, "aw"
    .balign 8
    .global boot_gdt
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff // 64-bit code
    .quad 0x00cf93000000ffff // data
boot_gdt_end:
    .balign 8
    .short 0, 0, 0
boot_gdt_pointer:
    .short boot_gdt_end - boot_gdt - 1
    .quad 0

    .section .bss.boot, "aw", @nobits
    .balign 0x1000
    .global boot_l4
boot_l4:
    .skip 0x1000
boot_l3:
    .skip 0x1000
boot_l2:
    .skip 0x4000
boot_image_l3:
    .skip 0x1000
boot_image_l2:
    .skip 0x1000
    // The boot CPU's first stack, with a struct cpu_info at its top like every other.
    .balign CPU_STACK_SIZE
    .skip CPU_STACK_SIZE - BOOT_STACK_RESERVED
    .global boot_stack_info
boot_stack_info:
    .skip BOOT_STACK_RESERVED
boot_stack_end:
