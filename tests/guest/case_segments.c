// SPDX-License-Identifier: MIT
// set_gdt, update_descriptor and set_segment_base.
#include "tests/guest/guest.h"

#include <string.h>

#define ENTRIES 512
#define DATA_DPL3 0x00cff3000000ffffUL
#define CODE64_DPL3 0x00affb000000ffffUL
#define DATA_DPL0 0x00cf93000000ffffUL
#define INTERRUPT_GATE_DPL3 0x0000ee000008ffffUL
#define TSS_DPL0 0x00008900000000ffUL

static uint64_t *table;
static unsigned long frame;

static bool take_table(void)
{
    table = table_alloc();
    if (!table)
        return false;
    frame = virt_to_mfn(table);
    return EXPECT(page_set_readonly(table), 0);
}

static void give_table(void)
{
    EXPECT(hypercall_set_gdt(NULL, 0), 0);
    table_free(table);
}

static void load_gdt(void)
{
    REQUIRE(take_table());
    EXPECT(hypercall_set_gdt(&frame, ENTRIES), 0);
    EXPECT(hypercall_set_gdt(&frame, 1), 0);
    EXPECT(hypercall_set_gdt(&frame, ENTRIES), 0);
    give_table();
}

static void refused_gdt(void)
{
    unsigned long absent = ABSENT_FRAME;

    EXPECT(hypercall_set_gdt(&absent, ENTRIES), -XEN_EINVAL);
    EXPECT(hypercall_set_gdt(&absent, 8192), -XEN_EINVAL);
    EXPECT(hypercall_set_gdt(HYPERVISOR_ADDRESS, ENTRIES), -XEN_EFAULT);
}

static void writable_gdt(void)
{
    uint64_t *page = page_alloc(0);
    unsigned long mfn = virt_to_mfn(page);

    REQUIRE(page != NULL);
    EXPECT(hypercall_set_gdt(&mfn, ENTRIES), -XEN_EINVAL);
    page_free(page, 0);
}

// A page with descriptors that would be a way into ring 0 is no descriptor page.
static void gdt_with_gate(void)
{
    uint64_t *page = table_alloc();
    unsigned long mfn = virt_to_mfn(page);

    REQUIRE(page != NULL);
    page[2] = INTERRUPT_GATE_DPL3;
    EXPECT(page_set_readonly(page), 0);
    EXPECT(hypercall_set_gdt(&mfn, ENTRIES), -XEN_EINVAL);
    REQUIRE(EXPECT(page_set_writable(page), 0));
    page[2] = TSS_DPL0;
    EXPECT(page_set_readonly(page), 0);
    EXPECT(hypercall_set_gdt(&mfn, ENTRIES), -XEN_EINVAL);
    table_free(page);
}

static void descriptors(void)
{
    REQUIRE(take_table());
    EXPECT(hypercall_set_gdt(&frame, ENTRIES), 0);
    EXPECT(hypercall_update_descriptor(virt_to_maddr(&table[5]), DATA_DPL3), 0);
    EXPECT(table[5], DATA_DPL3);
    EXPECT(hypercall_update_descriptor(virt_to_maddr(&table[6]), CODE64_DPL3), 0);
    EXPECT(hypercall_update_descriptor(virt_to_maddr(&table[5]), 0), 0);
    EXPECT(table[5], 0);
    give_table();
}

static void load_selector(void *arg)
{
    uint16_t selector = *(const uint16_t *)arg;

    __asm__ volatile("movw %0, %%ds; movw %1, %%ds" ::"r"(selector), "r"((uint16_t)0));
}

static void descriptor_is_loaded(void)
{
    uint16_t selector = 5 * 8 + 3, beyond = 100 * 8 + 3;

    REQUIRE(take_table());
    EXPECT(hypercall_set_gdt(&frame, 16), 0);
    EXPECT(hypercall_update_descriptor(virt_to_maddr(&table[5]), DATA_DPL3), 0);
    EXPECT(probe_run(load_selector, &selector), 0);
    EXPECT(probe_run(load_selector, &beyond), PROBE_TRAP + 13);
    give_table();
}

static void refused_descriptors(void)
{
    REQUIRE(take_table());
    EXPECT(hypercall_set_gdt(&frame, ENTRIES), 0);
    EXPECT(hypercall_update_descriptor(virt_to_maddr(&table[5]) + 4, DATA_DPL3), -XEN_EINVAL);
    EXPECT(hypercall_update_descriptor(virt_to_maddr(&table[5]), INTERRUPT_GATE_DPL3), -XEN_EINVAL);
    EXPECT(hypercall_update_descriptor(virt_to_maddr(&table[5]), TSS_DPL0), -XEN_EINVAL);
    EXPECT(table[5], 0);
    EXPECT(hypercall_update_descriptor(ABSENT_FRAME << PAGE_SHIFT, DATA_DPL3), -XEN_EINVAL);
    give_table();
}

// A descriptor for ring 0 is taken for ring 1 or refused, never kept.
static void ring_zero_descriptor(void)
{
    long result;

    REQUIRE(take_table());
    EXPECT(hypercall_set_gdt(&frame, ENTRIES), 0);
    result = hypercall_update_descriptor(virt_to_maddr(&table[5]), DATA_DPL0);
    if (result == 0)
        EXPECT_TRUE(((table[5] >> 45) & 3) != 0);
    give_table();
}

static uint64_t read_fs_word(void)
{
    uint64_t value;

    __asm__ volatile("movq %%fs:0, %0" : "=r"(value));
    return value;
}

static uint64_t read_gs_word(void)
{
    uint64_t value;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
    return value;
}

static void bases(void)
{
    static uint64_t words[2] = {0x1111, 0x2222};

    EXPECT(hypercall_set_segment_base(SEGBASE_FS, (unsigned long)&words[0]), 0);
    EXPECT(hypercall_set_segment_base(SEGBASE_GS_KERNEL, (unsigned long)&words[1]), 0);
    EXPECT(hypercall_set_segment_base(SEGBASE_GS_USER, (unsigned long)&words[0]), 0);
    EXPECT(read_fs_word(), 0x1111);
    EXPECT(read_gs_word(), 0x2222);
    hypercall_sched_op(0, NULL);
    EXPECT(read_fs_word(), 0x1111);
    EXPECT(read_gs_word(), 0x2222);
    EXPECT(hypercall_set_segment_base(SEGBASE_FS, 0), 0);
    EXPECT(hypercall_set_segment_base(SEGBASE_GS_KERNEL, 0), 0);
    EXPECT(hypercall_set_segment_base(SEGBASE_GS_USER, 0), 0);
    EXPECT(hypercall_set_segment_base(SEGBASE_GS_USER_SEL, 0), 0);
}

static void refused_bases(void)
{
    EXPECT(hypercall_set_segment_base(SEGBASE_FS, (unsigned long)NON_CANONICAL), -XEN_EINVAL);
    EXPECT(hypercall_set_segment_base(SEGBASE_GS_KERNEL, 0x0000800000000000UL), -XEN_EINVAL);
    EXPECT(hypercall_set_segment_base(SEGBASE_GS_USER, 0xffff7fffffffffffUL), -XEN_EINVAL);
    EXPECT(hypercall_set_segment_base(99, 0), -XEN_EINVAL);
}

// Any canonical address may be a base, the hypervisor's too: reading through it faults as usual.
static void base_in_hypervisor(void)
{
    EXPECT(hypercall_set_segment_base(SEGBASE_GS_KERNEL, 0xffff830000000000UL), 0);
    EXPECT_TRUE(!probe_read((void *)0xffff830000000000UL, NULL));
    hypercall_sched_op(0, NULL);
    EXPECT(hypercall_set_segment_base(SEGBASE_GS_KERNEL, 0), 0);
}

static const struct report_case gdt_cases[] = {
    REPORT_CASE(load_gdt),
    REPORT_CASE(refused_gdt),
    REPORT_CASE(writable_gdt),
    REPORT_CASE(gdt_with_gate),
};

static const struct report_case descriptor_cases[] = {
    REPORT_CASE(descriptors),
    REPORT_CASE(descriptor_is_loaded),
    REPORT_CASE(refused_descriptors),
    REPORT_CASE(ring_zero_descriptor),
};

static const struct report_case base_cases[] = {
    REPORT_CASE(bases),
    REPORT_CASE(refused_bases),
    REPORT_CASE(base_in_hypervisor),
};

GUEST_FAMILY(segments, REPORT_SUITE("set_gdt", gdt_cases),
             REPORT_SUITE("update_descriptor", descriptor_cases),
             REPORT_SUITE("set_segment_base", base_cases));
