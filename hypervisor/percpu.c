// SPDX-License-Identifier: MIT
// Per-CPU windows (hypervisor/layout.h): a GDT that a guest's frames can be put in front of, room
// for its LDT, the stacks, the TSS. What stands in GDT and TSS is descriptors.c's.
//
// Of the stack area the guard page below the main stack is never mapped: an overflow becomes a double
// fault on its own stack. The second reserved page of the GDT stays unmapped, beyond the limit.
#include "hypervisor/cpu.h"
#include "hypervisor/boot.h"
#include "hypervisor/paging.h"

#define BOOT_STACK_RESERVED 0x100 // boot.S

_Static_assert(sizeof(struct cpu_info) <= BOOT_STACK_RESERVED, "boot.S reserves less");
_Static_assert(BOOT_STACK_RESERVED % 16 == 0, "the boot stack must be aligned");
_Static_assert(sizeof(struct tss) == 104, "architectural");
_Static_assert(HV_MAX_CPUS <= 64, "struct cpumask is one word");

struct cpu cpu_table[HV_MAX_CPUS];

static void window_map(struct cpu *c, unsigned page)
{
    cpu_window_set(c, page, mfn_to_maddr(boot_alloc_frame()).v,
                   PTE_PRESENT | PTE_RW | PTE_ACCESSED | PTE_DIRTY | PTE_NX);
}

void percpu_init_early(void)
{
    cpu_table[0].is_online = true;
    cpu_info()->cpu = &cpu_table[0];
}

static struct cpu_info *info_of(unsigned id)
{
    return (struct cpu_info *)(cpu_window_address(id, CPU_WINDOW_STACK_PAGE) + CPU_STACK_SIZE) - 1;
}

uint64_t percpu_stack_top(unsigned id)
{
    return (uint64_t)info_of(id) & ~15ul;
}

void percpu_create(unsigned id)
{
    struct cpu *c = cpu_get(id);
    c->id = id;
    c->window_ptes = paging_l1_entry(cpu_window_address(id, 0));
    for (unsigned page = 0; page < CPU_STACK_SIZE / PAGE_SIZE; page++) {
        if (page != CPU_STACK_GUARD_PAGE)
            window_map(c, CPU_WINDOW_STACK_PAGE + page);
    }
    window_map(c, CPU_WINDOW_TSS_PAGE);
    window_map(c, CPU_WINDOW_GDT_PAGE + FIRST_RESERVED_GDT_PAGE);
    info_of(id)->cpu = c;
}
