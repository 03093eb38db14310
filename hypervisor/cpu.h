// SPDX-License-Identifier: MIT
// Physical CPUs: what each one owns, and how the running one finds it.
//
// GS belongs to the guest, so per-CPU data hangs off the per-CPU stack: `struct cpu_info` lies at
// the top of each 32 KiB aligned stack area (hypervisor/layout.h), IST stacks included, and is found
// by masking RSP. `struct cpu` is what other CPUs may look at too; members belong to the subsystem
// named beside them.
#pragma once

#include "hypervisor/asm.h"
#include "hypervisor/layout.h"
#include "hypervisor/lock_rank.h"
#include "hypervisor/types.h"

struct vcpu;

// x86-64 task state segment (Intel SDM vol. 3, 8.7), in a window page of its own (descriptors.c).
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7]; // ist[0] is IST 1
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_bitmap;
} __attribute__((packed));

struct cpu {
    unsigned id, apic_id;
    bool is_online;
    struct vcpu *idle;

    uint32_t softirq_pending; // atomic; bits of enum softirq

    // TLB: the value of the global flush clock when this CPU last flushed everything (tlb.c), and
    // the tickets of flush requests (ipi.c), atomic.
    uint64_t tlb_stamp;
    uint32_t flush_requested, flush_done;

    struct descriptor_pointer gdt; // for the window, limit of the reserved part
    struct tss *tss;               // in the window
    uint64_t *window_ptes;         // the entries of this CPU's window

    uint8_t locks_held[LOCK_RANK_COUNT]; // by rank, debug builds

    uint64_t deadline; // time.c: what the local timer is armed for, ns, 0 = off
} __attribute__((aligned(64)));

// Top of the stack area. `regs` is where entries from the guest leave its registers: the TSS's RSP0
// points just behind regs.ss.
struct cpu_info {
    struct cpu_user_regs regs;
    struct cpu *cpu;
    struct vcpu *current; // the vcpu that runs here, idle vcpus included; NULL early in boot
};
_Static_assert((CPU_STACK_SIZE - sizeof(struct cpu_info) + offsetof(struct cpu_user_regs, es)) %
                       16 ==
                   0,
               "the hardware aligns the frame that it pushes to 16 bytes");

static inline struct cpu_info *cpu_info(void)
{
    return (struct cpu_info *)((read_rsp() | (CPU_STACK_SIZE - 1)) + 1) - 1;
}

static inline struct cpu *this_cpu(void)
{
    return cpu_info()->cpu;
}

static inline unsigned this_cpu_id(void)
{
    return cpu_info()->cpu->id;
}

static inline struct vcpu *current_vcpu(void)
{
    return cpu_info()->current;
}

// The registers of the guest that entered last on this CPU.
static inline struct cpu_user_regs *guest_regs(void)
{
    return &cpu_info()->regs;
}

extern struct cpu cpu_table[HV_MAX_CPUS];

// CPUs that are online; ids are 0 .. cpu_count()-1, the boot CPU is 0. Final when smp_start() has
// returned.
unsigned cpu_count(void);

static inline struct cpu *cpu_get(unsigned id)
{
    return &cpu_table[id];
}

// What the CPU can do; the same on all CPUs (the boot CPU decides).
enum cpu_vendor { VENDOR_AMD = 1, VENDOR_HYGON = 2, VENDOR_INTEL = 4, VENDOR_OTHER = 8 };
struct cpu_features {
    bool smep, smap, fsgsbase, xsave, tsc_deadline, invariant_tsc, rdtscp, is_amd; // or Hygon
    bool sysenter;        // in long mode; elsewhere it is #UD
    uint64_t xcr0;        // what the hypervisor enables; 0 without XSAVE
    uint32_t xstate_size; // bytes of an XSAVE (or FXSAVE: 512) area for xcr0
    uint64_t cr4;         // our CR4 while a guest runs, without what belongs to the guest
    unsigned phys_bits, family, model, vendor; // of enum cpu_vendor
};
extern struct cpu_features cpu_features;

// Put a page into a window of CPU `cpu`: maddr and PTE bits (0: unmapped). Windows are not global;
// the caller flushes (a CR3 load or INVLPG) on that CPU. Page indices: CPU_WINDOW_*_PAGE.
static inline void cpu_window_set(struct cpu *cpu, unsigned page, uint64_t maddr, uint64_t flags)
{
    __atomic_store_n(&cpu->window_ptes[page], maddr | flags, __ATOMIC_RELEASE);
}

static inline uint64_t cpu_window_address(unsigned cpu, unsigned page)
{
    return CPU_WINDOW_START + ((uint64_t)cpu << CPU_WINDOW_SHIFT) + page * PAGE_SIZE;
}

// The GDT window of a CPU; 16 pages, the last two ours. Same for the LDT.
static inline uint64_t cpu_gdt_window(unsigned cpu)
{
    return cpu_window_address(cpu, CPU_WINDOW_GDT_PAGE);
}

static inline uint64_t cpu_ldt_window(unsigned cpu)
{
    return cpu_window_address(cpu, CPU_WINDOW_LDT_PAGE);
}

#include "hypervisor/cpumask.h"
#include "hypervisor/softirq.h"

// --- Detection of struct cpu_features (hypervisor/cpu.h) and the control registers that follow from it.
void cpu_features_init(void);  // boot CPU; panics when something indispensable is missing
void cpu_features_apply(void); // each CPU: CR0, CR4, EFER, XCR0

// --- Making a CPU's window: pages for its GDT and TSS, stacks with their struct cpu_info.

// The boot CPU's struct cpu on its first stack; before anything that takes a lock.
void percpu_init_early(void);

// Allocate (from boot memory) and map the window of CPU `id`, prepare its struct cpu_info.
void percpu_create(unsigned id);

// Where the stack pointer of CPU `id` starts.
uint64_t percpu_stack_top(unsigned id);
