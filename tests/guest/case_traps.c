// SPDX-License-Identifier: MIT
// Exceptions and emulated instructions: set_trap_table, fpu_taskswitch, debug registers.
#include "tests/guest/guest.h"

#include <string.h>

#define EFER_MSR 0xc0000080U
#define FS_BASE_MSR 0xc0000100U
#define CR0_TS 0x8UL

static void divide(void *arg)
{
    (void)arg;
    __asm__ volatile("xorl %%edx, %%edx; movl $1, %%eax; xorl %%ecx, %%ecx; divl %%ecx" ::
                         : "eax", "ecx", "edx");
}

static void undefined(void *arg)
{
    (void)arg;
    __asm__ volatile("ud2");
}

static void breakpoint(void *arg)
{
    (void)arg;
    __asm__ volatile("int3");
}

static void general_protection(void *arg)
{
    (void)arg;
    __asm__ volatile("movw %0, %%ds" ::"r"((uint16_t)0xffff));
}

static void page_fault(void *arg)
{
    (void)*(volatile uint64_t *)arg;
}

static void page_fault_write(void *arg)
{
    *(volatile uint64_t *)arg = 1;
}

static void exceptions(void)
{
    EXPECT(probe_run(divide, NULL), PROBE_TRAP + 0);
    EXPECT(probe_run(undefined, NULL), PROBE_TRAP + 6);
    EXPECT(probe_run(breakpoint, NULL), PROBE_TRAP + 3);
    EXPECT(probe_run(general_protection, NULL), PROBE_TRAP + 13);
    EXPECT(probe_frame.error_code, 0xfffc);
}

static void page_faults(void)
{
    uint64_t *page = page_alloc(0);

    REQUIRE(page != NULL);
    EXPECT(probe_run(page_fault, (void *)0x10), PROBE_TRAP + 14);
    EXPECT(probe_address, 0x10);
    EXPECT(probe_frame.error_code & 3, 0);
    EXPECT(page_set_readonly(page), 0);
    EXPECT(probe_run(page_fault_write, page), PROBE_TRAP + 14);
    EXPECT(probe_address, (uint64_t)page);
    EXPECT(probe_frame.error_code & 3, 3);
    EXPECT(page_set_writable(page), 0);
    page_free(page, 0);
}

// The hypervisor's own range: readable only where the machine-to-phys table is.
static void hypervisor_range(void)
{
    EXPECT_TRUE(probe_read((void *)MACH2PHYS_VIRT_START, NULL));
    EXPECT_TRUE(!probe_write((void *)MACH2PHYS_VIRT_START, 1));
    EXPECT(probe_run(page_fault, HYPERVISOR_ADDRESS), PROBE_TRAP + 14);
    EXPECT(probe_run(page_fault_write, HYPERVISOR_ADDRESS), PROBE_TRAP + 14);
    EXPECT(probe_run(page_fault, (void *)0xffff82d040000000UL), PROBE_TRAP + 14);
    EXPECT(probe_run(page_fault, NON_CANONICAL), PROBE_TRAP + 13);
}

static void call_address(void *arg)
{
    ((void (*)(void))arg)();
}

static void machphys_is_not_executable(void)
{
    EXPECT(probe_run(call_address, (void *)MACH2PHYS_VIRT_START), PROBE_TRAP + 14);
}

static void trap_table_refused(void)
{
    static struct trap_info bad[2];

    bad[0].vector = 0x90;
    bad[0].cs = FLAT_KERNEL_CS;
    bad[0].address = 0x8000000000000000UL;
    EXPECT(hypercall_set_trap_table(bad), -XEN_EINVAL);
    EXPECT(hypercall_set_trap_table(HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_set_trap_table((void *)NON_CANONICAL), -XEN_EFAULT);
}

static void forced_cpuid(void)
{
    uint32_t a = 0, b, c = 0, d;
    char text[13] = {0};

    __asm__ volatile("ud2a; .ascii \"xen\"; cpuid"
                     : "=a"(a), "=b"(b), "=c"(c), "=d"(d)
                     : "0"(0x40000000), "2"(0));
    memcpy(text, &b, 4);
    memcpy(text + 4, &c, 4);
    memcpy(text + 8, &d, 4);
    EXPECT(strcmp(text, "XenVMMXenVMM"), 0);
    EXPECT_TRUE(a >= 0x40000002U);
    __asm__ volatile("ud2a; .ascii \"xen\"; cpuid"
                     : "=a"(a), "=b"(b), "=c"(c), "=d"(d)
                     : "0"(0x40000001), "2"(0));
    EXPECT(a >> 16, 4);
    EXPECT(a & 0xffff, XEN_RELEASE_MINOR);
}

static void control_registers(void)
{
    uint64_t cr0, cr4;

    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    EXPECT(cr0 & 0x80000001UL, 0x80000001UL);
    EXPECT(cr4 & 0x20, 0x20);
}

static void write_cr4(void *arg)
{
    (void)arg;
    __asm__ volatile("movq %0, %%cr4" ::"r"(0UL));
}

static void control_register_writes(void)
{
    unsigned int result = probe_run(write_cr4, NULL);

    EXPECT_TRUE(result == 0 || result == PROBE_TRAP + 13);
}

static void read_msr(void *arg)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(*(const uint32_t *)arg));
    *((uint64_t *)arg + 1) = low | (uint64_t)high << 32;
}

static void model_specific_registers(void)
{
    uint64_t request[2] = {EFER_MSR, 0};

    EXPECT(probe_run(read_msr, request), 0);
    EXPECT(request[1] & 0x501, 0x501);
    request[0] = 0x12345678;
    EXPECT(probe_run(read_msr, request), PROBE_TRAP + 13);
}

static void write_efer(void *arg)
{
    (void)arg;
    __asm__ volatile("wrmsr" ::"c"(EFER_MSR), "a"(0), "d"(0));
}

static void write_lstar(void *arg)
{
    (void)arg;
    __asm__ volatile("wrmsr" ::"c"(0xc0000082U), "a"(0), "d"(0));
}

// Whether such a write faults or is dropped, the machine's own registers stay as they are.
static void msr_writes_do_nothing(void)
{
    uint64_t request[2] = {EFER_MSR, 0};

    probe_run(write_efer, NULL);
    probe_run(write_lstar, NULL);
    EXPECT(probe_run(read_msr, request), 0);
    EXPECT(request[1] & 0x501, 0x501);
}

static void load_descriptor_table(void *arg)
{
    __asm__ volatile("lgdt (%0)" ::"r"(arg));
}

static void invalidate_caches(void *arg)
{
    (void)arg;
    __asm__ volatile("invd");
}

static void privileged_instructions(void)
{
    static unsigned char pointer[10];

    EXPECT(probe_run(load_descriptor_table, pointer), PROBE_TRAP + 13);
    EXPECT(probe_run(invalidate_caches, NULL), SINCE_XEN(20) ? 0 : PROBE_TRAP + 13);
}

// No privilege is needed for these, whatever the processor could refuse (UMIP).
static void table_registers_can_be_read(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {0};
    uint64_t word = ~0UL;
    uint16_t stored = 0xffff;

    __asm__ volatile("sgdt %0" : "=m"(pointer));
    EXPECT_TRUE(pointer.base >= 0xffff800000000000UL);
    __asm__ volatile("sidt %0" : "=m"(pointer));
    EXPECT_TRUE(pointer.base >= 0xffff800000000000UL);
    __asm__ volatile("str %k0" : "=r"(word));
    EXPECT_TRUE(word <= 0xffff);
    __asm__ volatile("sldt %0" : "=m"(stored));
    EXPECT(stored, 0);
    __asm__ volatile("smsw %k0" : "=r"(word));
    EXPECT(word & 1, 1);
}

static void use_fpu(void *arg)
{
    (void)arg;
    __asm__ volatile("fninit");
}

// With the virtual task-switched flag set, the next FPU instruction gives #NM and clears it.
static void task_switched(void)
{
    uint64_t cr0;

    EXPECT(hypercall_fpu_taskswitch(1), 0);
    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    EXPECT(cr0 & CR0_TS, CR0_TS);
    EXPECT(probe_run(use_fpu, NULL), PROBE_TRAP + 7);
    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    EXPECT(cr0 & CR0_TS, 0);
    EXPECT(hypercall_fpu_taskswitch(1), 0);
    __asm__ volatile("clts");
    EXPECT(probe_run(use_fpu, NULL), 0);
    EXPECT(hypercall_fpu_taskswitch(0), 0);
}

static void vector_registers_survive(void)
{
    uint64_t in = 0x0123456789abcdefUL, out = 0;

    __asm__ volatile("movq %0, %%xmm7" ::"r"(in) : "xmm7");
    for (int i = 0; i < 100; i++)
        HYPERCALL2(__HYPERVISOR_sched_op, 0, 0);
    __asm__ volatile("movq %%xmm7, %0" : "=r"(out));
    EXPECT(out, in);
}

static void debug_registers(void)
{
    uint64_t word = 0;

    EXPECT(hypercall_set_debugreg(0, (unsigned long)&word), 0);
    EXPECT(hypercall_get_debugreg(0), (long)&word);
    EXPECT(hypercall_set_debugreg(0, 0), 0);
    EXPECT(hypercall_get_debugreg(0), 0);
}

static void debug_registers_refused(void)
{
    EXPECT(hypercall_set_debugreg(0, 0xffff830000000000UL), -XEN_EPERM);
    EXPECT(hypercall_set_debugreg(0, (unsigned long)NON_CANONICAL), -XEN_EPERM);
    EXPECT(hypercall_set_debugreg(4, 0), 0);
    EXPECT(hypercall_set_debugreg(8, 0), -XEN_ENODEV);
    EXPECT(hypercall_set_debugreg(7, 0xffffffff00000000UL), -XEN_EINVAL);
    EXPECT(hypercall_get_debugreg(8), -XEN_ENODEV);
}

static void watch_write(void *arg)
{
    *(volatile uint64_t *)arg = 1;
    __asm__ volatile("nop");
}

static void watchpoint(void)
{
    static uint64_t word;

    EXPECT(hypercall_set_debugreg(0, (unsigned long)&word), 0);
    EXPECT(hypercall_set_debugreg(7, 0x90001), 0);
    EXPECT(probe_run(watch_write, &word), PROBE_TRAP + 1);
    EXPECT(hypercall_get_debugreg(6) & 1, 1);
    EXPECT(hypercall_set_debugreg(7, 0), 0);
    EXPECT(hypercall_set_debugreg(0, 0), 0);
}

static const struct report_case table_cases[] = {
    REPORT_CASE(exceptions),         REPORT_CASE(page_faults),
    REPORT_CASE(hypervisor_range),   REPORT_CASE(machphys_is_not_executable),
    REPORT_CASE(trap_table_refused),
};

static const struct report_case emulation_cases[] = {
    REPORT_CASE(forced_cpuid),
    REPORT_CASE(control_registers),
    REPORT_CASE(control_register_writes),
    REPORT_CASE(model_specific_registers),
    REPORT_CASE(msr_writes_do_nothing),
    REPORT_CASE(privileged_instructions),
    REPORT_CASE(table_registers_can_be_read),
};

static const struct report_case fpu_cases[] = {
    REPORT_CASE(task_switched),
    REPORT_CASE(vector_registers_survive),
};

static const struct report_case set_debug_cases[] = {
    REPORT_CASE(debug_registers_refused),
    REPORT_CASE(watchpoint),
};

static const struct report_case get_debug_cases[] = {REPORT_CASE(debug_registers)};

GUEST_FAMILY(traps, REPORT_SUITE("set_trap_table", table_cases),
             REPORT_SUITE("emulation", emulation_cases), REPORT_SUITE("fpu_taskswitch", fpu_cases),
             REPORT_SUITE("set_debugreg", set_debug_cases),
             REPORT_SUITE("get_debugreg", get_debug_cases));
