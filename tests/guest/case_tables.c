// SPDX-License-Identifier: MIT
// Descriptor tables in use: lengths and frames of the GDT, the LDT and the frames behind it, descriptors
// that become harmless on their way in.
#include "tests/guest/guest.h"

#include <string.h>

#include "pvguest/start.h"
#include "tests/guest/user.h"

#define FRAMES 15
#define PER_FRAME 512
#define MOST (14 * PER_FRAME)
#define DATA(limit) (0x0040f30000000000UL | (limit))
#define LDT_SELECTOR(i) ((uint16_t)((i)*8 + 7))
#define NO_LIMIT (~0UL)
#define PTE_FRAME 0x000ffffffffff000UL

static unsigned long limit_of(unsigned int selector)
{
    unsigned long limit = NO_LIMIT;

    __asm__ volatile("lsl %1, %k0" : "+r"(limit) : "r"(selector));
    return limit;
}

// --- GDT

static uint64_t *pages[FRAMES];
static unsigned long list[FRAMES];

// Frame i has limit i + 1 in its second entry, i + 0x101 in its last.
static bool pages_take(void)
{
    for (unsigned int i = 0; i < FRAMES; i++) {
        pages[i] = table_alloc();
        if (!EXPECT_TRUE(pages[i] != NULL))
            return false;
        pages[i][1] = DATA(i + 1);
        pages[i][PER_FRAME - 1] = DATA(i + 0x101);
        list[i] = virt_to_mfn(pages[i]);
        EXPECT(page_set_readonly(pages[i]), 0);
    }
    return true;
}

static void pages_give(void)
{
    EXPECT(hypercall_set_gdt(NULL, 0), 0);
    for (unsigned int i = 0; i < FRAMES; i++) {
        EXPECT(page_set_writable(pages[i]), 0);
        table_free(pages[i]);
    }
}

// Lengths count in frames: all of the last one can be used. Behind them everything is null.
static void gdt_lengths(void)
{
    static const unsigned int lengths[] = {1, 2, PER_FRAME, PER_FRAME + 1, MOST - 1, MOST, 0};

    REQUIRE(pages_take());
    for (size_t n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++) {
        unsigned int frames = (lengths[n] + PER_FRAME - 1) / PER_FRAME;

        EXPECT(hypercall_set_gdt(list, lengths[n]), 0);
        for (unsigned int i = 0; i < FRAMES - 1; i++) {
            unsigned int first = i * PER_FRAME * 8 + 3;

            EXPECT_TRUE(limit_of(first + 8) == (i < frames ? i + 1 : NO_LIMIT));
            EXPECT_TRUE(limit_of(first + (PER_FRAME - 1) * 8) ==
                        (i < frames ? i + 0x101 : NO_LIMIT));
        }
    }
    EXPECT(hypercall_set_gdt(list, MOST + 1), -XEN_EINVAL);
    EXPECT(hypercall_set_gdt(list, FRAMES * PER_FRAME), -XEN_EINVAL);
    EXPECT(hypercall_set_gdt(list, 0xffffffffU), -XEN_EINVAL);
    pages_give();
}

// One bad frame among good ones: the old table stays, the good frames are free again.
static void gdt_bad_frames(void)
{
    uint64_t *writable = page_alloc(0);
    const unsigned long bad[] = {virt_to_mfn(writable), ABSENT_FRAME, user_kernel_root(),
                                 (pte_read(shared_info_page) & PTE_FRAME) >> PAGE_SHIFT, ~0UL};

    REQUIRE(pages_take());
    unsigned long good = list[5];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        EXPECT(hypercall_set_gdt(list, 2), 0);
        list[5] = bad[i];
        EXPECT(hypercall_set_gdt(list, MOST), -XEN_EINVAL);
        EXPECT(limit_of(8 + 3), 1);
        EXPECT(page_set_writable(pages[1]), 0);
        EXPECT(page_set_readonly(pages[1]), 0);
        list[5] = list[4]; // the same one twice is fine
        EXPECT(hypercall_set_gdt(list, MOST), 0);
        EXPECT(page_set_writable(pages[4]), -XEN_EBUSY);
        EXPECT(limit_of(5 * PER_FRAME * 8 + 8 + 3), 5);
        list[5] = good;
    }
    EXPECT(hypercall_set_gdt(NON_CANONICAL, 1), -XEN_EFAULT);
    EXPECT(hypercall_set_gdt((void *)0xfffffffffffffff8UL, PER_FRAME * 2), -XEN_EFAULT);
    EXPECT(hypercall_set_gdt(NON_CANONICAL, 0), 0);
    pages_give();
    page_free(writable, 0);
}

// --- LDT

static long set_ldt(const void *address, unsigned int entries)
{
    struct mmuext_op op = {.cmd = MMUEXT_SET_LDT};

    op.arg1.linear_addr = (unsigned long)address;
    op.arg2.nr_ents = entries;
    return hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

static void ldt_in_use(void)
{
    uint64_t *table = table_alloc();

    REQUIRE(table != NULL);
    table[1] = DATA(0x11);
    table[PER_FRAME - 1] = DATA(0x33);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(set_ldt(table, PER_FRAME), 0);
    EXPECT(page_set_writable(table), 0); // nothing has used it yet
    EXPECT(page_set_readonly(table), 0);
    EXPECT(limit_of(LDT_SELECTOR(1)), 0x11);
    EXPECT(limit_of(LDT_SELECTOR(PER_FRAME - 1)), 0x33);
    EXPECT(page_set_writable(table), -XEN_EBUSY);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), -XEN_EINVAL);
    EXPECT(hypercall_update_descriptor(virt_to_maddr(&table[1]), DATA(0x55)), 0);
    EXPECT(limit_of(LDT_SELECTOR(1)), 0x55);
    EXPECT(set_ldt(table, 2), 0);
    EXPECT(limit_of(LDT_SELECTOR(1)), 0x55);
    EXPECT_TRUE(limit_of(LDT_SELECTOR(PER_FRAME - 1)) == NO_LIMIT);
    EXPECT(set_ldt(NULL, 0), 0);
    EXPECT_TRUE(limit_of(LDT_SELECTOR(1)) == NO_LIMIT);
    EXPECT(page_set_writable(table), 0);
    table_free(table);
}

// What is mapped stays mapped until the LDT or the root changes, whatever lies at its address by then.
static void ldt_remapped(void)
{
    uint64_t *old = table_alloc(), *fresh = table_alloc();

    REQUIRE(old && fresh);
    old[1] = DATA(0x11);
    fresh[1] = DATA(0x22);
    EXPECT(page_set_readonly(old), 0);
    EXPECT(page_set_readonly(fresh), 0);
    EXPECT(set_ldt(old, PER_FRAME), 0);
    EXPECT(limit_of(LDT_SELECTOR(1)), 0x11);
    EXPECT(hypercall_update_va_mapping(old, pte_make(virt_to_mfn(fresh), PTE_RAM),
                                       UVMF_INVLPG | UVMF_ALL),
           0);
    EXPECT(limit_of(LDT_SELECTOR(1)), 0x11);
    EXPECT(set_ldt(old, PER_FRAME), 0); // says nothing new
    EXPECT(limit_of(LDT_SELECTOR(1)), 0x11);
    EXPECT(set_ldt(old, PER_FRAME - 1), 0);
    EXPECT(limit_of(LDT_SELECTOR(1)), 0x22);
    EXPECT(page_set_readonly(old), 0);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, user_kernel_root()), 0); // nor does the same root
    EXPECT(limit_of(LDT_SELECTOR(1)), 0x22);
    EXPECT(set_ldt(NULL, 0), 0);
    table_free(old);
    table_free(fresh);
}

static void load_selector(void *arg)
{
    __asm__ volatile("movw %w0, %%ds; movw %w1, %%ds" ::"r"((unsigned int)(uintptr_t)arg), "r"(0));
}

static void look_at_selector(void *arg)
{
    limit_of((unsigned int)(uintptr_t)arg);
}

// A page that cannot be a table faults where the guest has it.
static void ldt_that_is_none(void)
{
    uint64_t *writable = page_alloc(0);
    const uint64_t places[] = {(uint64_t)writable, 0x7000};

    REQUIRE(writable != NULL);
    writable[1] = DATA(0x11);
    for (size_t i = 0; i < 2; i++) {
        EXPECT(set_ldt((void *)places[i], PER_FRAME), 0);
        EXPECT(probe_run(look_at_selector, (void *)15), PROBE_TRAP + 14);
        EXPECT(probe_address, places[i] + 8);
        EXPECT(probe_run(load_selector, (void *)15), PROBE_TRAP + 14);
        EXPECT(probe_address, places[i] + 8);
    }
    EXPECT(set_ldt((char *)writable + 8, 1), -XEN_EINVAL);
    EXPECT(set_ldt(NON_CANONICAL, 1), -XEN_EINVAL);
    EXPECT(set_ldt(HYPERVISOR_ADDRESS, 1), -XEN_EINVAL);
    EXPECT(set_ldt(writable, 8193), -XEN_EINVAL);
    EXPECT(set_ldt(writable, 8192), 0);
    EXPECT(set_ldt(NON_CANONICAL, 0), 0);
    page_free(writable, 0);
}

// --- descriptors: what is asked for, and what stands there then; 0: refused

static const struct {
    uint64_t asked, stands;
} descriptors[] = {
    {0x00cf93000000ffff, 0x00cff3000000ffff}, // data of ring 0
    {0x00cfb3000000ffff, 0x00cff3000000ffff}, // of ring 1
    {0x00af9b000000ffff, 0x00affb000000ffff}, // 64-bit code of ring 0
    {0x00ef9b000000ffff, 0x00effb000000ffff}, // 64 and 32 bits at once
    {0x00cf9f000000ffff, 0x00cfff000000ffff}, // conforming code of ring 0
    {0x0000ec000033ffff, 0x00008c000033ffff}, // call gate to a segment of its own
    {0x0000ec00e033ffff, 0x00008c00e033ffff}, // call gate to the flat code
    {0x0000ec00e008ffff, 0                 }, // to the hypervisor's code
    {0x00008c00e00bffff, 0                 },
    {0x0000ec010033e033, 0                 }, // reserved bits
    {0x0000ee00e033ffff, 0                 }, // interrupt gate
    {0x0000ef00e033ffff, 0                 }, // trap gate
    {0x0000e500e0330000, 0                 }, // task gate
    {0x0000890000000067, 0                 }, // TSS
    {0x00008b0000000067, 0                 }, // busy TSS
    {0x0000820000000fff, 0                 }, // LDT
    {0x0000800000001234, 0x0000800000001234}, // type 0
    {0x00006e00e0330000, 0x00006e00e0330000}, // an interrupt gate that is not present
};

static void descriptor_kinds(void)
{
    uint64_t *table = table_alloc();
    unsigned long mfn = virt_to_mfn(table);

    REQUIRE(table != NULL);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(hypercall_set_gdt(&mfn, PER_FRAME), 0);
    for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
        uint64_t wanted = descriptors[i].stands;

        EXPECT(hypercall_update_descriptor(virt_to_maddr(&table[9]), 0), 0);
        EXPECT(hypercall_update_descriptor(virt_to_maddr(&table[9]), descriptors[i].asked),
               wanted ? 0 : -XEN_EINVAL);
        EXPECT(table[9], wanted);
    }
    EXPECT(hypercall_set_gdt(NULL, 0), 0);
    table_free(table);
}

// Into frames that are tables, somebody else's or none.
static void descriptor_frames(void)
{
    const uint64_t root = user_kernel_root() << PAGE_SHIFT;

    EXPECT(hypercall_update_descriptor(root, DATA(1)), -XEN_EINVAL);
    EXPECT(hypercall_update_descriptor(root, 0), -XEN_EINVAL);
    EXPECT(hypercall_update_descriptor(0, DATA(1)), -XEN_EINVAL);
    EXPECT(hypercall_update_descriptor(~7UL, DATA(1)), -XEN_EINVAL);
}

static const struct report_case cases[] = {
    REPORT_CASE(gdt_lengths),       REPORT_CASE(gdt_bad_frames),   REPORT_CASE(ldt_in_use),
    REPORT_CASE(ldt_remapped),      REPORT_CASE(ldt_that_is_none), REPORT_CASE(descriptor_kinds),
    REPORT_CASE(descriptor_frames),
};

GUEST_FAMILY(tables, REPORT_SUITE("tables", cases));
