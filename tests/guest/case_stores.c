// SPDX-License-Identifier: MIT
// Writable page tables: stores of the kernel into its level-1 tables, done for it by the hypervisor; and
// its answers to values that may not stand there.
#include "tests/guest/guest.h"
#include <xen/xen.h>

static uint64_t *page;
static uint64_t page_mfn;
static uint64_t *entry; // of `page`, in the level-1 table as we map it: read-only

static bool stores_begin(void)
{
    page = page_alloc(0);
    if (!page)
        return false;
    uint64_t maddr = memory_pte_maddr(page);
    page_mfn = virt_to_mfn(page);
    entry = (uint64_t *)((char *)mfn_to_virt(maddr >> PAGE_SHIFT) + (maddr & (PAGE_SIZE - 1)));
    page[0] = 7;
    return EXPECT(hypercall_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
}

static void stores_end(void)
{
    EXPECT(hypercall_vm_assist(VMASST_CMD_disable, VMASST_TYPE_writable_pagetables), 0);
    EXPECT(page_set_writable(page), 0);
    EXPECT(page[0], 7);
    page_free(page, 0);
}

static uint64_t value(uint64_t flags)
{
    return pte_make(page_mfn, flags);
}

static void plain_store(void)
{
    REQUIRE(stores_begin());
    *(volatile uint64_t *)entry = value(PTE_RAM);
    EXPECT(*entry & (PTE_P | PTE_RW), PTE_P);
    *(volatile uint64_t *)entry = 0;
    EXPECT(*entry, 0);
    __asm__ volatile("movnti %1, %0" : "=m"(*entry) : "r"(value(PTE_RAM | PTE_RW)));
    EXPECT(*entry & (PTE_P | PTE_RW), PTE_P | PTE_RW);
    stores_end();
}

static void partial_store(void)
{
    REQUIRE(stores_begin());
    *(volatile uint8_t *)entry = (uint8_t)(PTE_RAM & 0xff);
    EXPECT(*entry & (PTE_P | PTE_RW), PTE_P);
    *(volatile uint32_t *)entry = 0;
    EXPECT(*entry & PTE_P, 0);
    stores_end();
}

static void exchange(void)
{
    uint64_t v, old;
    bool done;

    REQUIRE(stores_begin());
    v = 0;
    __asm__ volatile("xchgq %0, %1" : "+r"(v), "+m"(*entry));
    EXPECT(v >> PAGE_SHIFT & 0xffffffffff, page_mfn);
    EXPECT(*entry, 0);
    old = 5; // what is not there
    __asm__ volatile("lock cmpxchgq %3, %1; setz %2"
                     : "+a"(old), "+m"(*entry), "=q"(done)
                     : "r"(value(PTE_RAM)));
    EXPECT_TRUE(!done);
    EXPECT(old, 0);
    __asm__ volatile("lock cmpxchgq %3, %1; setz %2"
                     : "+a"(old), "+m"(*entry), "=q"(done)
                     : "r"(value(PTE_RAM)));
    EXPECT_TRUE(done);
    EXPECT(*entry & PTE_P, PTE_P);
    stores_end();
}

static void bits(void)
{
    bool carry;

    REQUIRE(stores_begin());
    __asm__ volatile("lock btrq $1, %0; setc %1" : "+m"(*entry), "=q"(carry));
    EXPECT_TRUE(carry);
    EXPECT(*entry & PTE_RW, 0);
    __asm__ volatile("lock andb $0xbf, %0" : "+m"(*(uint8_t *)entry));
    EXPECT(*entry & PTE_D, 0);
    __asm__ volatile("lock orq %1, %0" : "+m"(*entry) : "r"(PTE_RW));
    EXPECT(*entry & PTE_RW, PTE_RW);
    stores_end();
}

static void store_to(void *arg)
{
    *(volatile uint64_t *)entry = *(uint64_t *)arg;
}

// The store is then an ordinary page fault of the kernel, and the entry is what it was.
static void bad_values(void)
{
    uint64_t bad[] = {pte_make(ABSENT_FRAME, PTE_RAM), value(PTE_RAM | PTE_PSE | 1UL << 51),
                      pte_make((uint64_t)0, PTE_RAM | PTE_RW)};
    uint64_t table_mfn, before;

    REQUIRE(stores_begin());
    table_mfn = virt_to_mfn((void *)((uintptr_t)entry & ~(PAGE_SIZE - 1)));
    bad[2] = pte_make(table_mfn, PTE_RAM | PTE_RW); // a table, writable
    before = *entry;
    EXPECT(probe_run(store_to, &bad[0]), PROBE_TRAP + 14);
    EXPECT(probe_run(store_to, &bad[2]), PROBE_TRAP + 14);
    EXPECT(probe_address, (uint64_t)entry);
    EXPECT(probe_frame.error_code & 7, 3);
    EXPECT(*entry, before);
    stores_end();
}

// The switch of that name changes nothing.
static void assist_is_not_needed(void)
{
    uint64_t v;

    REQUIRE(stores_begin());
    EXPECT(hypercall_vm_assist(VMASST_CMD_disable, VMASST_TYPE_writable_pagetables), 0);
    v = value(PTE_RAM);
    EXPECT(probe_run(store_to, &v), 0);
    EXPECT(*entry & (PTE_P | PTE_RW), PTE_P);
    stores_end();
}

// A table of level 2 is changed by hypercall only.
static void higher_table(void)
{
    uint64_t *l2 = table_alloc();
    uint64_t zero = 0;

    REQUIRE(l2 != NULL);
    REQUIRE(stores_begin());
    EXPECT(page_set_readonly(l2), 0);
    EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), 0);
    entry = l2;
    EXPECT(probe_run(store_to, &zero), PROBE_TRAP + 14);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l2)), 0);
    stores_end();
    table_free(l2);
}

static const struct report_case store_cases[] = {
    REPORT_CASE(plain_store),  REPORT_CASE(partial_store), REPORT_CASE(exchange),
    REPORT_CASE(bits),         REPORT_CASE(bad_values),    REPORT_CASE(assist_is_not_needed),
    REPORT_CASE(higher_table),
};

GUEST_FAMILY(stores, REPORT_SUITE("writable_pagetables", store_cases));
