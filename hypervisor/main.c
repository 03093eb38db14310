// SPDX-License-Identifier: MIT
// The boot, as a list of steps. Each function named here is the entrance to one part of the
// hypervisor: read it in this order.
#include "hypervisor/acpi.h"
#include "hypervisor/apic.h"
#include "hypervisor/boot.h"
#include "hypervisor/console.h"
#include "hypervisor/context.h"
#include "hypervisor/descriptors.h"
#include "hypervisor/irq.h"
#include "hypervisor/options.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/smp.h"
#include "hypervisor/traps.h"

static void boot_continue(void) __attribute__((noreturn));

void boot_main(uint32_t magic, uint64_t info, uint64_t load_address)
{
    percpu_init_early();
    boot_info.image_start = load_address;
    boot_info.image_end = load_address + (uint64_t)(image_end - image_start);
    multiboot_parse(magic, info);
    options_parse(boot_info.cmdline);
    log_set_level(boot_options.log_level);
    console_init(boot_options.has_console, boot_options.baud);
    log_info("Paravane, loaded by %s [%s]", boot_info.loader, boot_info.cmdline);
    cpu_features_init();
    bootmem_init();
    bootmem_print();
    paging_init();
    acpi_init();
    apic_init();
    smp_init_boot_cpu(boot_continue); // on the CPU's own stack from here
}

// What dom0 must not touch even though it drives the machine.
static void protect_platform(void)
{
    access_deny_iomem(acpi_info.lapic_address >> PAGE_SHIFT, acpi_info.lapic_address >> PAGE_SHIFT);
    access_deny_ports(0x20, 0x21); // 8259s
    access_deny_ports(0xa0, 0xa1);
    access_deny_ports(0x4d0, 0x4d1);
    access_deny_ports(0x40, 0x43);   // 8254
    access_deny_ports(0x3f8, 0x3ff); // our console
    if (acpi_info.pm_timer)
        access_deny_ports(acpi_info.pm_timer, acpi_info.pm_timer + 3u);
}

static void timer_softirq(void)
{
    timers_run(this_cpu_id(), time_now());
}

static void console_input(void)
{
    domain_send_global_virq(VIRQ_CONSOLE);
}

static void cpu_init_scheduling(unsigned cpu)
{
    timers_init_cpu(cpu);
    domain_idle_init(cpu);
    sched_init_cpu(cpu, cpu_get(cpu)->idle);
}

static void boot_continue(void)
{
    descriptors_init_local(this_cpu());
    fpu_init_local();
    ipi_init();
    time_init();
    irq_enable();
    smp_prepare();
    boot_memory_describe();
    boot_memory_finish();
    log_info("%lu MiB of memory free", frames_free_count() >> 8);
    domain_init();
    sched_init();
    softirq_register(SOFTIRQ_TIMER, timer_softirq);
    softirq_register(SOFTIRQ_CONSOLE, console_input);
    softirq_register(SOFTIRQ_NMI, nmi_deferred);
    softirq_register(SOFTIRQ_SCHEDULE, sched_run);
    cpu_init_scheduling(0);
    smp_start();
    irq_init();
    protect_platform();
    console_init_irq();
    dom0_build();
    domain_unpause_by_controller(domain_dom0);
    context_start_idle();
}

void cpu_main(void)
{
    cpu_init_scheduling(this_cpu_id());
    context_start_idle();
}
