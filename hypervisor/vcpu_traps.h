// SPDX-License-Identifier: MIT
// What a PV guest has told us about one vcpu's processor: how it wants exceptions, upcalls and
// system calls delivered, its descriptor tables, segment bases, virtual control and debug registers.
//
// Embedded in struct vcpu. Only the trap code (traps.c, bounce.c, context.c, descriptors.c,
// emulate.c, vcpu_context.c and the trap hypercalls) touches it. While the vcpu runs, the segment
// bases live in the CPU and the fields here are what was loaded last; vcpu_save_segments() refreshes
// them. Reached from its own CPU, or with the vcpu off every CPU.
#pragma once

#include "hypervisor/refusal.h"
#include "hypervisor/types.h"

#define GDT_GUEST_PAGES FIRST_RESERVED_GDT_PAGE // 14: entries 0 .. 7167 are the guest's
#define LDT_PAGES 16
#define LDT_MAX_ENTRIES 8192

// An entry point of the guest kernel; address 0 means none.
struct guest_callback {
    uint64_t address;
    bool masks_events; // upcalls are masked on entry
};

// The last page fault that was retried: page_fault.c.
struct fault_retry {
    struct cpu_user_regs regs;
    uint64_t address, time;
    unsigned count; // that were like it, in a row
};

struct vcpu_traps {
    struct trap_info table[256]; // the virtual IDT; address 0: no handler. NMIs use entry 2
    uint64_t kernel_ss, kernel_sp;
    struct guest_callback event, failsafe, syscall, syscall32, sysenter;
    bool nmi_pending; // atomic: set by anybody, looked at on the way to the guest
    bool nmi_masked;  // from delivery until the guest's iret
    bool nmi_latched; // one has arrived while masked

    // Each listed frame holds a SEG_DESC type reference.
    mfn_t gdt_frame[GDT_GUEST_PAGES];
    unsigned gdt_entries; // of the guest part
    uint64_t ldt_base;
    unsigned ldt_entries;
    // Pages of the LDT are mapped on their first fault; a valid frame here holds a SEG_DESC reference.
    mfn_t ldt_frame[LDT_PAGES];
    unsigned ldt_mapped; // number of valid frames in ldt_frame

    uint64_t fs_base, gs_base_kernel, gs_base_user;
    struct fault_retry retry;
    uint64_t cr0, cr4;               // as the guest sees them; CR0.TS here is the virtual TS
    uint64_t debugreg[8];            // 0..3 addresses, 6 status, 7 control
    uint64_t xcr0;                   // enabled extended states
    bool xcr0_is_chosen;             // by the guest: it has written it
    uint64_t mcg_status, mc_ctl2[2]; // of its machine checks: what it wrote
    uint32_t tsc_aux;                // what RDTSCP gives in RCX
    uint8_t iopl;                    // 0..3
    uint64_t io_bitmap;              // guest address of the port bitmap, one bit a port; 0 = none
    unsigned io_ports;               // number of ports it covers
    void *fpu;                       // page-aligned XSAVE or FXSAVE image
};

struct vcpu;
struct vcpu_guest_context;

// Allocate the FPU image and set power-on values. REFUSE_NO_MEMORY.
enum refusal vcpu_traps_create(struct vcpu *v);

// Give back GDT and LDT references; callable again. The vcpu is off every CPU.
void vcpu_traps_drop_descriptors(struct vcpu *v);

// Free what vcpu_traps_create allocated; after vcpu_traps_drop_descriptors.
void vcpu_traps_destroy(struct vcpu *v);

// The state of a vcpu that is off every CPU, in the form of VCPUOP_initialise and getvcpucontext.
void vcpu_get_context(struct vcpu *v, struct vcpu_guest_context *context);
