// SPDX-License-Identifier: MIT
// mmu_update, update_va_mapping and update_va_mapping_otherdomain: what they do and what they refuse.
#include "tests/guest/guest.h"

#include <string.h>

#define BATCH 1500

// The machine address of the entry for a fresh page; the page stays mapped.
static uint64_t *page;
static uint64_t page_mfn;
static uint64_t entry;

static bool take_page(void)
{
    page = page_alloc(0);
    if (!page)
        return false;
    page_mfn = virt_to_mfn(page);
    entry = memory_pte_maddr(page);
    return true;
}

static void give_page(void)
{
    EXPECT(pte_write(entry, pte_make(page_mfn, PTE_RAM | PTE_RW)), 0);
    page_free(page, 0);
}

static void normal_update(void)
{
    REQUIRE(take_page());
    EXPECT(pte_write(entry, pte_make(page_mfn, PTE_RAM)), 0);
    EXPECT(pte_read(page) & (PTE_RW | PTE_P), PTE_P);
    EXPECT(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    EXPECT_TRUE(!probe_write(page, 1));
    EXPECT(pte_write(entry, pte_make(page_mfn, PTE_RAM | PTE_RW)), 0);
    EXPECT_TRUE(probe_write(page, 2));
    EXPECT(page[0], 2);
    give_page();
}

static void user_bit_is_added(void)
{
    REQUIRE(take_page());
    EXPECT(pte_write(entry, pte_make(page_mfn, PTE_P | PTE_RW | PTE_A | PTE_D)), 0);
    EXPECT(pte_read(page) & (PTE_P | PTE_RW | PTE_US), PTE_P | PTE_RW | PTE_US);
    give_page();
}

static void preserve_accessed_dirty(void)
{
    struct mmu_update request;

    REQUIRE(take_page());
    page[0] = 1;
    request.ptr = entry | MMU_PT_UPDATE_PRESERVE_AD;
    request.val = pte_make(page_mfn, PTE_P | PTE_RW | PTE_US);
    EXPECT(hypercall_mmu_update(&request, 1, NULL, DOMID_SELF), 0);
    EXPECT(pte_read(page) & (PTE_A | PTE_D), PTE_A | PTE_D);
    give_page();
}

// There is nothing to translate for a guest of this kind: an update as any other.
static void no_translation(void)
{
    struct mmu_update request;

    REQUIRE(take_page());
    request.ptr = entry | MMU_PT_UPDATE_NO_TRANSLATE;
    request.val = pte_make(page_mfn, PTE_P | PTE_US);
    EXPECT(hypercall_mmu_update(&request, 1, NULL, DOMID_SELF), 0);
    EXPECT(pte_read(page) & PTE_RW, 0);
    give_page();
}

static void machphys_update(void)
{
    const uint64_t *m2p = (const uint64_t *)MACH2PHYS_VIRT_START;
    struct mmu_update request;
    uint64_t pfn;

    REQUIRE(take_page());
    pfn = m2p[page_mfn];
    EXPECT(pfn, virt_to_pfn(page));
    request.ptr = (page_mfn << PAGE_SHIFT) | MMU_MACHPHYS_UPDATE;
    request.val = 0x1234;
    EXPECT(hypercall_mmu_update(&request, 1, NULL, DOMID_SELF), 0);
    EXPECT(m2p[page_mfn], 0x1234);
    request.val = pfn;
    EXPECT(hypercall_mmu_update(&request, 1, NULL, DOMID_SELF), 0);
    EXPECT(m2p[page_mfn], pfn);
    give_page();
}

static void done_counts(void)
{
    struct mmu_update requests[3];
    unsigned int done = 77;

    REQUIRE(take_page());
    requests[0].ptr = entry | MMU_NORMAL_PT_UPDATE;
    requests[0].val = pte_make(page_mfn, PTE_RAM);
    requests[1].ptr = entry | MMU_NORMAL_PT_UPDATE;
    requests[1].val = pte_make(ABSENT_FRAME, PTE_RAM);
    requests[2] = requests[0];
    EXPECT(hypercall_mmu_update(requests, 3, &done, DOMID_SELF), -XEN_EPERM);
    EXPECT(done, 1);
    EXPECT(pte_read(page) & PTE_RW, 0);
    EXPECT(hypercall_mmu_update(requests, 0, &done, DOMID_SELF), 0);
    EXPECT(done, 0);
    give_page();
}

static void long_batch(void)
{
    static struct mmu_update requests[BATCH];
    unsigned int done = 0;

    REQUIRE(take_page());
    for (unsigned int i = 0; i < BATCH; i++) {
        requests[i].ptr = entry | MMU_NORMAL_PT_UPDATE;
        requests[i].val = pte_make(page_mfn, PTE_RAM | (i & 1 ? PTE_RW : 0));
    }
    EXPECT(hypercall_mmu_update(requests, BATCH, &done, DOMID_SELF), 0);
    EXPECT(done, BATCH);
    EXPECT(pte_read(page) & PTE_RW, PTE_RW);
    give_page();
}

static void bad_arguments(void)
{
    struct mmu_update request;

    REQUIRE(take_page());
    request.ptr = entry;
    request.val = pte_make(page_mfn, PTE_RAM);
    EXPECT(hypercall_mmu_update(HYPERVISOR_ADDRESS, 1, NULL, DOMID_SELF), -XEN_EFAULT);
    EXPECT(hypercall_mmu_update(NON_CANONICAL, 1, NULL, DOMID_SELF), -XEN_EFAULT);
    EXPECT(hypercall_mmu_update(&request, 1, NULL, ABSENT_DOMAIN), -XEN_ESRCH);
    request.ptr = 0xfffffffff000UL;
    EXPECT(hypercall_mmu_update(&request, 1, NULL, DOMID_SELF), -XEN_EINVAL);
    request.ptr = (page_mfn << PAGE_SHIFT);
    EXPECT(hypercall_mmu_update(&request, 1, NULL, DOMID_SELF), 0);
    EXPECT(page[0], request.val);
    page[0] = 0;
    give_page();
}

// An entry address with low bits between the command bits and eight: the store is at the aligned word.
static void misaligned_entry(void)
{
    struct mmu_update request;
    uint64_t next;

    REQUIRE(take_page());
    request.ptr = (entry + 4) | MMU_NORMAL_PT_UPDATE;
    request.val = pte_make(page_mfn, PTE_RAM);
    next = pte_read((const char *)page + PAGE_SIZE);
    hypercall_mmu_update(&request, 1, NULL, DOMID_SELF);
    EXPECT(pte_read((const char *)page + PAGE_SIZE), next);
    EXPECT((pte_read(page) & ~(PTE_RW | PTE_A | PTE_D | PTE_US | PTE_NX)) >> PAGE_SHIFT, page_mfn);
    give_page();
}

static void bad_entries(void)
{
    REQUIRE(take_page());
    EXPECT(pte_write(entry, pte_make(ABSENT_FRAME, PTE_RAM)), -XEN_EPERM);
    EXPECT(pte_write(entry, pte_make(page_mfn, PTE_RAM) | (1UL << 52)), 0);
    EXPECT(pte_write(entry, pte_make(page_mfn, PTE_RAM | PTE_RW) | (1UL << 48)), -XEN_EPERM);
    give_page();
}

static void not_present_takes_anything(void)
{
    REQUIRE(take_page());
    EXPECT(pte_write(entry, 0xdeadbeef12345670UL), 0);
    EXPECT(pte_read(page), 0xdeadbeef12345670UL);
    give_page();
}

static void va_mapping(void)
{
    REQUIRE(take_page());
    page[0] = 7;
    EXPECT(hypercall_update_va_mapping(page, pte_make(page_mfn, PTE_RAM), UVMF_INVLPG), 0);
    EXPECT_TRUE(!probe_write(page, 1));
    EXPECT(hypercall_update_va_mapping(page, 0, UVMF_INVLPG | UVMF_ALL), 0);
    EXPECT_TRUE(!probe_read(page, NULL));
    EXPECT(hypercall_update_va_mapping(page, pte_make(page_mfn, PTE_RAM | PTE_RW), UVMF_NONE), 0);
    EXPECT(page[0], 7);
    EXPECT(hypercall_update_va_mapping(page, pte_make(page_mfn, PTE_RAM), UVMF_TLB_FLUSH), 0);
    EXPECT_TRUE(!probe_write(page, 1));
    EXPECT(hypercall_update_va_mapping(page, pte_make(page_mfn, PTE_RAM | PTE_RW),
                                       UVMF_TLB_FLUSH | UVMF_ALL),
           0);
    EXPECT_TRUE(probe_write(page, 1));
    give_page();
}

// What was read through an address must not be read there any more once it maps another frame.
static void no_stale_translation(void)
{
    uint64_t *other = page_alloc(0);

    REQUIRE(other != NULL && take_page());
    page[0] = 1;
    other[0] = 2;
    for (int i = 0; i < 20; i++) {
        EXPECT(
            hypercall_update_va_mapping(page, pte_make(virt_to_mfn(other), PTE_RAM), UVMF_INVLPG),
            0);
        EXPECT(*(volatile uint64_t *)page, 2);
        EXPECT(hypercall_update_va_mapping(page, pte_make(page_mfn, PTE_RAM), UVMF_INVLPG), 0);
        EXPECT(*(volatile uint64_t *)page, 1);
    }
    give_page();
    page_free(other, 0);
}

static void va_mapping_refused(void)
{
    uint64_t good;

    REQUIRE(take_page());
    good = pte_make(page_mfn, PTE_RAM | PTE_RW);
    EXPECT(hypercall_update_va_mapping(HYPERVISOR_ADDRESS, good, 0), -XEN_EINVAL);
    EXPECT(hypercall_update_va_mapping((void *)MACH2PHYS_VIRT_START, good, 0), -XEN_EINVAL);
    EXPECT(hypercall_update_va_mapping(NON_CANONICAL, good, 0), -XEN_EINVAL);
    EXPECT(hypercall_update_va_mapping((void *)0x7f0000000000UL, good, 0), -XEN_EINVAL);
    EXPECT(hypercall_update_va_mapping(page, pte_make(ABSENT_FRAME, PTE_RAM), 0), -XEN_EPERM);
    give_page();
}

static void other_domain(void)
{
    uint64_t good;

    REQUIRE(take_page());
    good = pte_make(page_mfn, PTE_RAM | PTE_RW);
    EXPECT(hypercall_update_va_mapping_otherdomain(page, good, UVMF_INVLPG, ABSENT_DOMAIN),
           -XEN_ESRCH);
    EXPECT(hypercall_update_va_mapping_otherdomain(page, good, UVMF_INVLPG, DOMID_SELF), 0);
    give_page();
}

// Frames of the hypervisor's own belong to nobody that a guest may name.
static void hypervisor_frames(void)
{
    uint64_t mfn, refused = 0;

    REQUIRE(take_page());
    for (mfn = 0; mfn < 0x40000; mfn += 64) {
        const uint64_t *m2p = (const uint64_t *)MACH2PHYS_VIRT_START;
        uint64_t pfn = m2p[mfn];

        if (pfn < memory_page_count() && memory_p2m[pfn] == mfn)
            continue;
        if (pte_write(entry, pte_make(mfn, PTE_RAM | PTE_RW)) != 0)
            refused++;
    }
    EXPECT_TRUE(refused > 0);
    give_page();
}

static const struct report_case update_cases[] = {
    REPORT_CASE(normal_update),
    REPORT_CASE(user_bit_is_added),
    REPORT_CASE(preserve_accessed_dirty),
    REPORT_CASE(no_translation),
    REPORT_CASE(machphys_update),
    REPORT_CASE(done_counts),
    REPORT_CASE(long_batch),
    REPORT_CASE(bad_arguments),
    REPORT_CASE(misaligned_entry),
    REPORT_CASE(bad_entries),
    REPORT_CASE(not_present_takes_anything),
    REPORT_CASE(hypervisor_frames),
};

static const struct report_case va_cases[] = {
    REPORT_CASE(va_mapping),
    REPORT_CASE(no_stale_translation),
    REPORT_CASE(va_mapping_refused),
};

static const struct report_case other_cases[] = {REPORT_CASE(other_domain)};

GUEST_FAMILY(mmu, REPORT_SUITE("mmu_update", update_cases),
             REPORT_SUITE("update_va_mapping", va_cases),
             REPORT_SUITE("update_va_mapping_otherdomain", other_cases));
