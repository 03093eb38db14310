// SPDX-License-Identifier: MIT
// mmu_update and update_va_mapping with hostile arguments: frames of others, of nobody and of no RAM, entries
// of every level that may not stand there, lists that end in nothing, domains that a guest cannot mean.
#include "tests/guest/guest.h"

#include <string.h>

#include "pvguest/start.h"

#define VGA_FRAME 0xb8UL           // device memory that the hardware domain may map
#define LOCAL_APIC_FRAME 0xfee00UL // device memory that nobody may map
#define TABLE_OWNER(domain) ((((domain) + 1UL) & 0xffff) << 16)
#define ALL_ONES_FRAME 0xffffffffffUL // what an entry for "no frame" holds

static uint64_t *page;
static uint64_t page_mfn, entry, good;

static bool take_page(void)
{
    page = page_alloc(0);
    if (!page)
        return false;
    page_mfn = virt_to_mfn(page);
    entry = memory_pte_maddr(page);
    good = pte_make(page_mfn, PTE_RAM | PTE_RW);
    return true;
}

static void give_page(void)
{
    EXPECT(page_set_writable(page), 0);
    page_free(page, 0);
}

// `domains` in full: whose frames, and above bit 16 whose tables.
static long update(uint64_t ptr, uint64_t val, unsigned long domains)
{
    struct mmu_update u = {.ptr = ptr, .val = val};

    return HYPERCALL4(__HYPERVISOR_mmu_update, &u, 1, 0, domains);
}

static uint64_t own_root(void)
{
    uint64_t cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    return cr3 >> PAGE_SHIFT;
}

// --- who is meant

static void foreign_domains(void)
{
    REQUIRE(take_page());
    EXPECT(update(entry, good, 0), -XEN_ESRCH); // one's own number: DOMID_SELF is meant to be used
    EXPECT(update(entry, good, ABSENT_DOMAIN), -XEN_ESRCH);
    EXPECT(update(entry, good, DOMID_COW), -XEN_ESRCH);
    EXPECT(update(entry, good, DOMID_INVALID), -XEN_ESRCH);
    EXPECT(update(entry, good, DOMID_IDLE), -XEN_ESRCH);
    EXPECT(update(entry, good, 0xffff), -XEN_ESRCH);
    EXPECT(pte_write(entry, 0), 0);
    // Frames are the named domain's: one of ours is not device memory, nor the hypervisor's.
    EXPECT(update(entry, good, DOMID_IO), -XEN_EBUSY);
    EXPECT(update(entry, good, DOMID_XEN), -XEN_EBUSY);
    EXPECT(pte_read(page), 0);
    give_page();
}

static void table_owners(void)
{
    REQUIRE(take_page());
    EXPECT(update(entry, good, DOMID_SELF | TABLE_OWNER(0)), 0);
    EXPECT(update(entry, good, DOMID_SELF | TABLE_OWNER(ABSENT_DOMAIN)), -XEN_ESRCH);
    EXPECT(update(entry, good, DOMID_SELF | TABLE_OWNER(DOMID_SELF)), -XEN_ESRCH);
    EXPECT(update(entry, good, DOMID_SELF | TABLE_OWNER(DOMID_IO)), -XEN_ESRCH);
    EXPECT(update(entry, good, DOMID_SELF | TABLE_OWNER(DOMID_XEN)), -XEN_ESRCH);
    EXPECT(update(entry, good, ABSENT_DOMAIN | TABLE_OWNER(ABSENT_DOMAIN)), -XEN_ESRCH);
    give_page();
}

// --- where the entry is said to be

static void entries_nowhere(void)
{
    static const uint64_t frames[] = {VGA_FRAME, LOCAL_APIC_FRAME, ABSENT_FRAME, ALL_ONES_FRAME,
                                      1UL << 51};

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        EXPECT(update(frames[i] << PAGE_SHIFT, 0, DOMID_SELF), -XEN_EINVAL);
        EXPECT(update(frames[i] << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 0, DOMID_SELF), -XEN_EINVAL);
        EXPECT(update(frames[i] << PAGE_SHIFT | MMU_PT_UPDATE_PRESERVE_AD, 0, DOMID_SELF),
               -XEN_EINVAL);
    }
}

static void entries_of_the_hypervisor(void)
{
    uint64_t shared = start_info_page->shared_info;
    uint64_t frame = frame_of_another();

    REQUIRE(frame != 0);
    EXPECT(update(frame << PAGE_SHIFT, 0, DOMID_SELF), -XEN_EINVAL);
    EXPECT(update(frame << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 0, DOMID_SELF), -XEN_EINVAL);
    // The shared page is writable data, whatever the command.
    EXPECT(update(shared + 0xf00, 0x1234, DOMID_SELF), 0);
    EXPECT(update(shared + 0xf00, 0, DOMID_SELF), 0);
}

// The low three bits are the command; there are four of them.
static void commands_that_are_none(void)
{
    REQUIRE(take_page());
    for (uint64_t command = 4; command < 8; command++)
        EXPECT(update(entry | command, good, DOMID_SELF), -XEN_ENOSYS);
    give_page();
}

// --- the list

static void lists_that_end(void)
{
    char *edge = edge_alloc();
    struct mmu_update *last;
    unsigned int done = 77;

    REQUIRE(edge && take_page());
    last = (struct mmu_update *)edge - 1;
    *last = (struct mmu_update){entry, good};
    EXPECT(hypercall_mmu_update(last, 1, &done, DOMID_SELF), 0);
    EXPECT(done, 1);
    EXPECT(hypercall_mmu_update(last, 2, &done, DOMID_SELF), -XEN_EFAULT);
    EXPECT(done, 1);
    done = 77;
    EXPECT(hypercall_mmu_update((void *)(edge - 8), 1, &done, DOMID_SELF), -XEN_EFAULT);
    EXPECT(done, 0);
    EXPECT(hypercall_mmu_update((void *)(edge - 8), 0, &done, DOMID_SELF), 0);
    EXPECT(hypercall_mmu_update(last, 0x7fffffff, &done, DOMID_SELF), -XEN_EFAULT);
    EXPECT(done, 1);
    edge_free(edge);
    give_page();
}

static void lists_at_strange_places(void)
{
    char *two = page_alloc(1);
    struct mmu_update *list;
    unsigned int done = 77;

    REQUIRE(two && take_page());
    list = (struct mmu_update *)(two + PAGE_SIZE - 12); // misaligned, across two pages
    memcpy(list, &(struct mmu_update){entry, good}, sizeof(*list));
    EXPECT(hypercall_mmu_update(list, 1, &done, DOMID_SELF), 0);
    EXPECT(done, 1);
    list = (struct mmu_update *)two;
    *list = (struct mmu_update){entry, good};
    EXPECT(page_set_readonly(two), 0);
    EXPECT(hypercall_mmu_update(list, 1, NULL, DOMID_SELF), 0);
    EXPECT(page_set_writable(two), 0);
    EXPECT(hypercall_mmu_update((void *)(0xffff800000000000UL - 16), 2, NULL, DOMID_SELF),
           -XEN_EFAULT);
    EXPECT(hypercall_mmu_update((void *)~15UL, 2, NULL, DOMID_SELF), -XEN_EFAULT);
    page_free(two, 1);
    give_page();
}

// Where the number done cannot be written, nobody is told.
static void count_goes_nowhere(void)
{
    struct mmu_update u;
    unsigned int *readonly = page_alloc(0);

    REQUIRE(readonly && take_page());
    u = (struct mmu_update){entry, good};
    EXPECT(hypercall_mmu_update(&u, 1, HYPERVISOR_ADDRESS, DOMID_SELF), 0);
    EXPECT(hypercall_mmu_update(&u, 1, NON_CANONICAL, DOMID_SELF), 0);
    EXPECT(hypercall_mmu_update(&u, 1, (void *)16, DOMID_SELF), 0);
    EXPECT(page_set_readonly(readonly), 0);
    EXPECT(hypercall_mmu_update(&u, 1, readonly, DOMID_SELF), 0);
    EXPECT(page_set_writable(readonly), 0);
    EXPECT(readonly[0], 0);
    page_free(readonly, 0);
    give_page();
}

// --- entries of level 1

static void frames_of_others(void)
{
    REQUIRE(take_page());
    EXPECT(update(entry, pte_make(LOCAL_APIC_FRAME, PTE_RAM | PTE_RW), DOMID_SELF), -XEN_EPERM);
    EXPECT(update(entry, pte_make(LOCAL_APIC_FRAME, PTE_RAM), DOMID_IO), -XEN_EPERM);
    EXPECT(update(entry, pte_make(ALL_ONES_FRAME, PTE_RAM), DOMID_SELF), -XEN_EINVAL);
    EXPECT(update(entry, pte_make(own_root(), PTE_RAM | PTE_RW), DOMID_SELF), -XEN_EBUSY);
    EXPECT(update(entry, pte_make(own_root(), PTE_RAM), DOMID_SELF), 0);
    EXPECT(update(entry | MMU_PT_UPDATE_PRESERVE_AD, pte_make(own_root(), PTE_RAM | PTE_RW),
                  DOMID_SELF),
           -XEN_EBUSY);
    EXPECT(update(entry | MMU_PT_UPDATE_NO_TRANSLATE, pte_make(own_root(), PTE_RAM | PTE_RW),
                  DOMID_SELF),
           -XEN_EBUSY);
    EXPECT(update(entry, pte_make(VGA_FRAME, PTE_RAM | PTE_RW), DOMID_SELF), 0);
    EXPECT(update(entry, pte_make(VGA_FRAME, PTE_RAM | PTE_RW), DOMID_IO), 0);
    give_page();
}

// --- entries of higher levels

// Slot 0 of a pinned table of level 2, 3 or 4 takes or refuses an entry for `lower`.
static void table_entry(unsigned int pin)
{
    uint64_t *table = table_alloc(), *lower = table_alloc();
    uint64_t slot, ok;

    REQUIRE(table && lower);
    slot = virt_to_maddr(table);
    ok = pte_make(virt_to_mfn(lower), PTE_TABLE);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(mmuext(pin, virt_to_mfn(table)), 0);
    EXPECT(update(slot, ok, DOMID_SELF), -XEN_EINVAL); // `lower` is mapped writable
    EXPECT(page_set_readonly(lower), 0);
    EXPECT(update(slot, ok | PTE_PSE, DOMID_SELF), -XEN_EINVAL);
    EXPECT(update(slot, ok | PTE_PWT, DOMID_SELF), -XEN_EINVAL);
    EXPECT(update(slot, ok | PTE_PCD, DOMID_SELF), -XEN_EINVAL);
    EXPECT(update(slot, ok | 1UL << 8, DOMID_SELF), -XEN_EINVAL);
    EXPECT(update(slot, pte_make(ABSENT_FRAME, PTE_TABLE), DOMID_SELF), -XEN_EINVAL);
    EXPECT(update(slot, pte_make(VGA_FRAME, PTE_TABLE), DOMID_SELF), -XEN_EINVAL);
    EXPECT(update(slot, pte_make(virt_to_mfn(table), PTE_TABLE), DOMID_SELF), -XEN_EINVAL);
    EXPECT(update(slot, pte_make(virt_to_mfn(table), PTE_TABLE & ~PTE_RW), DOMID_SELF),
           -XEN_EINVAL);
    EXPECT(
        update(slot, pte_make(start_info_page->shared_info >> PAGE_SHIFT, PTE_TABLE), DOMID_SELF),
        -XEN_EINVAL);
    EXPECT(update(slot, ok, DOMID_IO), -XEN_EINVAL); // only level 1 maps what is another's
    EXPECT(table[0], 0);
    EXPECT(update(slot, ok, DOMID_SELF), 0);
    EXPECT(update(slot | MMU_PT_UPDATE_PRESERVE_AD, ok | PTE_AVAIL, DOMID_SELF), 0);
    EXPECT(page_set_writable(lower), -XEN_EBUSY);
    EXPECT(update(slot, 0xdeadbee0, DOMID_SELF), 0); // not present: anything
    EXPECT(page_set_writable(lower), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
    table_free(lower);
    table_free(table);
}

static void entries_of_level_2(void)
{
    table_entry(MMUEXT_PIN_L2_TABLE);
}

static void entries_of_level_3(void)
{
    table_entry(MMUEXT_PIN_L3_TABLE);
}

static void entries_of_level_4(void)
{
    table_entry(MMUEXT_PIN_L4_TABLE);
}

static const struct report_case update_cases[] = {
    REPORT_CASE(foreign_domains),         REPORT_CASE(table_owners),
    REPORT_CASE(entries_nowhere),         REPORT_CASE(entries_of_the_hypervisor),
    REPORT_CASE(commands_that_are_none),  REPORT_CASE(lists_that_end),
    REPORT_CASE(lists_at_strange_places), REPORT_CASE(count_goes_nowhere),
    REPORT_CASE(frames_of_others),        REPORT_CASE(entries_of_level_2),
    REPORT_CASE(entries_of_level_3),      REPORT_CASE(entries_of_level_4),
};

// --- by linear address

static void va_frames(void)
{
    REQUIRE(take_page());
    EXPECT(hypercall_update_va_mapping(page, pte_make(own_root(), PTE_RAM | PTE_RW), 0),
           -XEN_EBUSY);
    EXPECT(hypercall_update_va_mapping(page, pte_make(ALL_ONES_FRAME, PTE_RAM), 0), -XEN_EINVAL);
    EXPECT(hypercall_update_va_mapping(page, pte_make(LOCAL_APIC_FRAME, PTE_RAM), 0), -XEN_EPERM);
    EXPECT(hypercall_update_va_mapping(page, pte_make(own_root(), PTE_RAM), UVMF_INVLPG), 0);
    EXPECT(*(volatile uint64_t *)page, *(volatile uint64_t *)mfn_to_virt(own_root()));
    give_page();
}

// The set of vcpus may be any; one that cannot be read is noticed after the entry has been written.
static void va_flush_sets(void)
{
    unsigned long vcpus = ~0UL, none = 0;
    char *edge = edge_alloc();

    REQUIRE(edge && take_page());
    EXPECT(hypercall_update_va_mapping(page, good, UVMF_INVLPG | (unsigned long)&vcpus), 0);
    EXPECT(hypercall_update_va_mapping(page, good, UVMF_TLB_FLUSH | (unsigned long)&vcpus), 0);
    EXPECT(hypercall_update_va_mapping(page, good, UVMF_INVLPG | (unsigned long)&none), 0);
    EXPECT(hypercall_update_va_mapping(page, good, UVMF_NONE | (unsigned long)HYPERVISOR_ADDRESS),
           0);
    EXPECT(hypercall_update_va_mapping(page, pte_make(page_mfn, PTE_RAM),
                                       UVMF_INVLPG | (unsigned long)HYPERVISOR_ADDRESS),
           -XEN_EFAULT);
    EXPECT(pte_read(page) & PTE_RW, 0);
    EXPECT(hypercall_update_va_mapping(page, good, UVMF_TLB_FLUSH | (unsigned long)NON_CANONICAL),
           -XEN_EFAULT);
    EXPECT(hypercall_update_va_mapping(page, good, UVMF_TLB_FLUSH | (unsigned long)edge),
           -XEN_EFAULT);
    EXPECT(hypercall_update_va_mapping(page, good, UVMF_FLUSHTYPE_MASK), 0); // no such flush
    edge_free(edge);
    give_page();
}

// An address in the middle of a page means the page.
static void va_misaligned(void)
{
    REQUIRE(take_page());
    EXPECT(
        hypercall_update_va_mapping((char *)page + 123, pte_make(page_mfn, PTE_RAM), UVMF_INVLPG),
        0);
    EXPECT(pte_read(page) & PTE_RW, 0);
    EXPECT(hypercall_update_va_mapping((void *)0xffff87fffffff000UL, good, 0), -XEN_EINVAL);
    EXPECT(hypercall_update_va_mapping((void *)0x800000000000UL, good, 0), -XEN_EINVAL);
    EXPECT(hypercall_update_va_mapping((void *)~0UL, good, 0), -XEN_EINVAL);
    give_page();
}

static const struct report_case va_cases[] = {
    REPORT_CASE(va_frames),
    REPORT_CASE(va_flush_sets),
    REPORT_CASE(va_misaligned),
};

#define OTHER(address, value, flags, domain)                                                       \
    hypercall_update_va_mapping_otherdomain(address, value, flags, domain)

static void other_domains(void)
{
    REQUIRE(take_page());
    EXPECT(OTHER(page, good, UVMF_INVLPG, 0), -XEN_ESRCH);
    EXPECT(OTHER(page, good, UVMF_INVLPG, DOMID_COW), -XEN_ESRCH);
    EXPECT(OTHER(page, good, UVMF_INVLPG, DOMID_INVALID), -XEN_ESRCH);
    EXPECT(OTHER(page, 0, UVMF_INVLPG, DOMID_SELF), 0);
    EXPECT(OTHER(page, good, UVMF_INVLPG, DOMID_IO), -XEN_EBUSY);
    EXPECT(OTHER(page, good, UVMF_INVLPG, DOMID_XEN), -XEN_EBUSY);
    EXPECT(OTHER(page, pte_make(own_root(), PTE_RAM | PTE_RW), 0, DOMID_SELF), -XEN_EBUSY);
    EXPECT(OTHER(page, pte_make(ALL_ONES_FRAME, PTE_RAM), 0, DOMID_IO), -XEN_EINVAL);
    EXPECT(OTHER(page, pte_make(LOCAL_APIC_FRAME, PTE_RAM), 0, DOMID_IO), -XEN_EPERM);
    EXPECT(OTHER(HYPERVISOR_ADDRESS, good, 0, DOMID_SELF), -XEN_EINVAL);
    EXPECT(OTHER(NON_CANONICAL, good, 0, DOMID_SELF), -XEN_EINVAL);
    EXPECT(OTHER(page, good, UVMF_INVLPG | (unsigned long)HYPERVISOR_ADDRESS, DOMID_SELF),
           -XEN_EFAULT);
    EXPECT(OTHER(page, pte_make(VGA_FRAME, PTE_RAM | PTE_RW), UVMF_INVLPG, DOMID_IO), 0);
    EXPECT_TRUE(probe_read(page, NULL));
    give_page();
}

static const struct report_case other_cases[] = {REPORT_CASE(other_domains)};

GUEST_FAMILY(mmu_errors, REPORT_SUITE("mmu_update", update_cases),
             REPORT_SUITE("update_va_mapping", va_cases),
             REPORT_SUITE("update_va_mapping_otherdomain", other_cases));
