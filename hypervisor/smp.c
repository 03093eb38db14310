// SPDX-License-Identifier: MIT
// Starting the other CPUs: INIT to all, then for each the trampoline's parameters and a start-up IPI.
//
// One CPU is started at a time, because the trampoline page has one set of parameters; the waits that
// the INIT protocol asks for (Intel SDM vol. 3, 9.4.4) are paid once for all. A CPU reports by setting
// is_online; from then on it may take locks, interrupts and softirqs.
#include "hypervisor/smp.h"
#include "hypervisor/acpi.h"
#include "hypervisor/apic.h"
#include "hypervisor/boot.h"
#include "hypervisor/context.h"
#include "hypervisor/descriptors.h"

#define INIT_WAIT_US 10000
#define STARTUP_WAIT_US 1000 // then it is sent again: a CPU still busy with INIT loses it
#define STARTUP_ATTEMPTS 500

// At trampoline_parameters in the page; trampoline.S.
struct trampoline_parameters {
    uint32_t cr3, efer;
    uint64_t stack, root, entry;
};

void smp_entry(void); // trampoline.S, in the image
void smp_main(void) __attribute__((noreturn));

static unsigned cpus = 1, prepared = 1; // atomic: online; windows made

unsigned cpu_count(void)
{
    return __atomic_load_n(&cpus, __ATOMIC_ACQUIRE);
}

// The boot CPU's window and stack; `next` runs on it.
void smp_init_boot_cpu(void (*next)(void))
{
    cpu_get(0)->apic_id = apic_id();
    percpu_create(0);
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "call *%1\n\t"
                     "ud2" ::"r"(percpu_stack_top(0)),
                     "r"(next)
                     : "memory");
    __builtin_unreachable();
}

// Meanwhile the new CPU measures its TSC against ours.
static bool wait_online(const struct cpu *c, uint64_t us)
{
    uint64_t end = time_now() + us * NS_PER_US;
    do {
        if (__atomic_load_n(&c->is_online, __ATOMIC_ACQUIRE))
            return true;
        time_sync_serve();
        cpu_relax();
    } while (time_now() < end);
    return false;
}

void smp_prepare(void)
{
    for (unsigned i = 0; i < acpi_info.cpu_count; i++) {
        if (acpi_info.cpu_apic_id[i] != cpu_get(0)->apic_id)
            percpu_create(prepared++);
    }
}

static bool cpu_start(unsigned id, unsigned apic, struct trampoline_parameters *parameters)
{
    struct cpu *c = cpu_get(id);
    c->apic_id = apic;
    parameters->cr3 = (uint32_t)image_to_maddr(boot_l4).v;
    parameters->efer = (uint32_t)(rdmsr(MSR_EFER) & (EFER_LME | EFER_NXE | EFER_SCE));
    parameters->stack = percpu_stack_top(id);
    parameters->root = idle_l4_maddr().v;
    __atomic_store_n(&parameters->entry, (uint64_t)smp_entry, __ATOMIC_SEQ_CST);
    for (unsigned attempt = 0; attempt < STARTUP_ATTEMPTS; attempt++) {
        apic_send(apic, APIC_STARTUP | (uint32_t)(boot_info.trampoline >> PAGE_SHIFT));
        if (wait_online(c, STARTUP_WAIT_US))
            return true;
    }
    return false;
}

void smp_start(void)
{
    if (boot_info.trampoline == 0) {
        log_warn("smp: no RAM below 640 KiB, running on one CPU");
        return;
    }
    char *page = maddr_to_virt(MADDR(boot_info.trampoline));
    struct trampoline_parameters *parameters = (void *)(page +
                                                        (trampoline_parameters - trampoline_start));
    memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    for (unsigned i = 0; i < acpi_info.cpu_count && prepared > 1; i++) {
        if (acpi_info.cpu_apic_id[i] != cpu_get(0)->apic_id)
            apic_send(acpi_info.cpu_apic_id[i], APIC_INIT);
    }
    if (prepared > 1)
        time_delay_us(INIT_WAIT_US);
    for (unsigned i = 0; i < acpi_info.cpu_count && cpus < prepared; i++) {
        unsigned apic = acpi_info.cpu_apic_id[i];
        if (apic == cpu_get(0)->apic_id)
            continue;
        if (cpu_start(cpus, apic, parameters))
            __atomic_store_n(&cpus, cpus + 1, __ATOMIC_RELEASE);
        else
            log_warn("smp: the CPU with APIC id %u does not start", apic);
    }
    boot_l4[0] = 0; // the mapping at 0 was for the trampoline only
    log_info("%u CPU%s online", cpus, cpus == 1 ? "" : "s");
}

// On the new CPU, on its own stack and the idle root.
void smp_main(void)
{
    cpu_features_apply();
    descriptors_init_local(this_cpu());
    fpu_init_local();
    apic_init_local();
    time_init_local();
    __atomic_store_n(&this_cpu()->is_online, true, __ATOMIC_RELEASE);
    cpu_main();
}

// --- Per-CPU windows (hypervisor/layout.h): a GDT that a guest's frames can be put in front of, room
// for its LDT, the stacks, the TSS. What stands in GDT and TSS is descriptors.c's.
//
// Of the stack area the guard page below the main stack is never mapped: an overflow becomes a double
// fault on its own stack. The second reserved page of the GDT stays unmapped, beyond the limit.

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
