// SPDX-License-Identifier: MIT
// Where things lie in the hypervisor's half of the address space: L4 slots 256..271, the range that
// the PV ABI reserves for it (0xffff800000000000 up to 0xffff880000000000). docs/memory-map.md
// draws it. Usable from assembly and from the linker script, so: numbers only.
//
// Every guest L4 copies these 16 slots from the idle L4. The L3 tables under them are allocated at
// boot and the slots never change afterwards; what changes below them is seen by all roots at once.
#pragma once

#define HV_VIRT_START 0xffff800000000000
#define HV_VIRT_END 0xffff880000000000
#define HV_SLOT_FIRST 256 // L4 slots [first, last] are ours
#define HV_SLOT_LAST 271
#define HV_MAX_CPUS 64
#define HV_MAX_RAM 0x1000000000 // 64 GiB: RAM above this is left alone
#define HV_MAX_MFN 0x1000000

// Slot 256: machine-to-phys table, 8 bytes a frame, user-readable, read-only, not executable.
// Holes read as ~0.
#define M2P_START 0xffff800000000000
#define M2P_SIZE 0x8000000 // for HV_MAX_RAM
// Slot 257: the same frames for the hypervisor only; writable but for holes.
#define M2P_RW_START 0xffff808000000000

// Slot 260: per-CPU windows, CPU n at CPU_WINDOW_START + n * CPU_WINDOW_SIZE.
#define CPU_WINDOW_START 0xffff820000000000
#define CPU_WINDOW_SHIFT 20
#define CPU_WINDOW_SIZE 0x100000
// GDT: 16 pages, 14 of the guest, then ours (FIRST_RESERVED_GDT_PAGE); LDT: 16 pages.
#define CPU_WINDOW_STACK 0x20000 // 8 pages, 32 KiB aligned; top holds struct cpu_info
#define CPU_WINDOW_GDT_PAGE 0    // page indices for cpu_window_set()
#define CPU_WINDOW_LDT_PAGE 16
#define CPU_WINDOW_STACK_PAGE 32
#define CPU_WINDOW_TSS_PAGE 40

// The stack area: pages 0..3 are the IST stacks, page 4 an unmapped guard, 5..7 the main stack.
#define CPU_STACK_SIZE 0x8000
#define CPU_STACK_GUARD_PAGE 4
#define IST_NONE 0
#define IST_NMI 1 // IST n uses page n - 1; its stack starts at the end of that page
#define IST_DF 2
#define IST_MC 3
#define IST_DB 4
#define IST_COUNT 4

// Slot 261: device mappings, the image, the frame table.
#define IOREMAP_START 0xffff828000000000
#define IOREMAP_SIZE 0x1000000
#define IMAGE_VIRT_START 0xffff82d040000000
#define FRAME_TABLE_START 0xffff82e000000000

// Slots 262..: direct map of RAM, not executable.
#define DIRECT_MAP_START 0xffff830000000000

// Selectors of the reserved part of each GDT (page 14 of the window). The guest ones are the ABI's.
#define SEL_HV_CODE 0xe008
#define SEL_HV_DATA 0xe010
#define SEL_GUEST_CODE32 0xe023
#define SEL_GUEST_DATA32 0xe02b
#define SEL_GUEST_CODE64 0xe033
#define SEL_TSS 0xe040 // 16 bytes
#define SEL_LDT 0xe050 // 16 bytes

// Interrupt vectors. 0x00..0x1f are exceptions; 0x80 and 0x82 belong to guests.
#define VECTOR_DEVICE_FIRST 0x30 // IO-APIC and MSI, given out by vector_alloc()
#define VECTOR_DEVICE_LAST 0xdf
#define VECTOR_TIMER 0xf0
#define VECTOR_IPI_CALL 0xf1    // run cpu_call() functions
#define VECTOR_IPI_FLUSH 0xf2   // TLB flush
#define VECTOR_IPI_SOFTIRQ 0xf3 // look at the softirq bits
#define VECTOR_APIC_ERROR 0xfe
#define VECTOR_SPURIOUS 0xff
