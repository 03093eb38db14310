// SPDX-License-Identifier: MIT
// multicall: lists out of place, an iret in the middle, results that are numbers, and what processors remember of
// mappings that an earlier entry has changed.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/memory.h>
#include <xen/version.h>

#define UNTOUCHED 0x5555
#define IRET_MARK 0x77

static struct multicall_entry entries[4];

static struct multicall_entry call_of(unsigned long op, unsigned long a, unsigned long b,
                                      unsigned long c, unsigned long d)
{
    return (struct multicall_entry){
        .op = op, .args = {a, b, c, d},
             .result = UNTOUCHED
    };
}

static struct multicall_entry page_size_call(void)
{
    return call_of(__HYPERVISOR_xen_version, XENVER_pagesize, 0, 0, 0);
}

static void lists_that_end(void)
{
    char *edge = edge_alloc();
    struct multicall_entry *last;

    REQUIRE(edge != NULL);
    last = (struct multicall_entry *)edge - 1;
    *last = page_size_call();
    EXPECT(hypercall_multicall(last, 1), 0);
    EXPECT(last->result, PAGE_SIZE);
    *last = page_size_call();
    EXPECT(hypercall_multicall(last, 2), -XEN_EFAULT);
    EXPECT(last->result, PAGE_SIZE); // the first has run
    *last = page_size_call();
    EXPECT(hypercall_multicall((void *)(edge - 8), 1), -XEN_EFAULT);
    EXPECT(hypercall_multicall((void *)(edge - 8), 0), 0);
    EXPECT(hypercall_multicall((void *)~7UL, 2), -XEN_EFAULT);
    EXPECT(hypercall_multicall((void *)(0x800000000000UL - 8), 1), -XEN_EFAULT);
    edge_free(edge);
}

static void list_across_pages(void)
{
    char *two = page_alloc(1);
    struct multicall_entry entry = page_size_call();

    REQUIRE(two != NULL);
    memcpy(two + PAGE_SIZE - 13, &entry, sizeof(entry)); // misaligned as well
    EXPECT(hypercall_multicall((void *)(two + PAGE_SIZE - 13), 1), 0);
    memcpy(&entry, two + PAGE_SIZE - 13, sizeof(entry));
    EXPECT(entry.result, PAGE_SIZE);
    page_free(two, 1);
}

// The number of entries has 32 bits in Xen 4.17, 64 in 4.20.
static void counts_that_wrap(void)
{
    char *edge = edge_alloc();
    long wrapped = SINCE_XEN(20) ? -XEN_EFAULT : 0;
    struct multicall_entry *last;

    REQUIRE(edge != NULL);
    last = (struct multicall_entry *)edge - 1;
    *last = page_size_call();
    EXPECT(HYPERCALL2(__HYPERVISOR_multicall, last, 1UL << 32), wrapped);
    EXPECT(last->result, wrapped ? PAGE_SIZE : UNTOUCHED);
    *last = page_size_call();
    EXPECT(HYPERCALL2(__HYPERVISOR_multicall, last, 1UL << 32 | 1), wrapped);
    EXPECT(last->result, PAGE_SIZE);
    edge_free(edge);
}

// Calls whose result is a number: extents done, reservations.
static void results_of_memory_op(void)
{
    static domid_t self = DOMID_SELF;
    static struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    xen_pfn_t frame;
    void *page = page_alloc(0);

    REQUIRE(page != NULL);
    frame = virt_to_mfn(page);
    set_xen_guest_handle(r.extent_start, &frame);
    EXPECT(page_set_absent(page), 0);
    entries[0] = call_of(__HYPERVISOR_memory_op, XENMEM_current_reservation, (unsigned long)&self,
                         0, 0);
    entries[1] = call_of(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, (unsigned long)&r, 0,
                         0);
    entries[2] = entries[0];
    EXPECT(hypercall_multicall(entries, 3), 0);
    EXPECT(entries[1].result, 1);
    EXPECT(entries[2].result, entries[0].result - 1);
    frame = virt_to_pfn(page);
    entries[1] = call_of(__HYPERVISOR_memory_op, XENMEM_populate_physmap, (unsigned long)&r, 0, 0);
    EXPECT(hypercall_multicall(&entries[1], 1), 0);
    EXPECT(entries[1].result, 1);
    memory_p2m[virt_to_pfn(page)] = frame;
    EXPECT(page_set_writable(page), 0);
    page_free(page, 0);
}

// A multicall with a frame for iret on the stack. IRET_MARK if an iret has used it, else what the call gave.
static unsigned long multicall_over_frame(struct multicall_entry *list, unsigned long count)
{
    unsigned long result;

    __asm__ volatile("movq %%rsp, %%rbx\n\t"
                     "pushq %[ss]\n\t" // ss, rsp, rflags, cs, rip
                     "pushq %%rbx\n\t"
                     "pushfq\n\t"
                     "pushq %[cs]\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "pushq $0\n\t" // flags, rcx, r11, rax
                     "pushq $0\n\t"
                     "pushq $0\n\t"
                     "pushq %[mark]\n\t"
                     "movl %[number], %%eax\n\t"
                     "syscall\n\t"
                     "movq %%rbx, %%rsp\n"
                     "1:"
                     : "=a"(result), "+D"(list), "+S"(count)
                     : [mark] "i"(IRET_MARK), [number] "i"(__HYPERVISOR_multicall),
                       [cs] "i"(FLAT_KERNEL_CS & ~3), [ss] "i"(FLAT_KERNEL_SS)
                     : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
    return result;
}

// It ends the list, and what stands behind it does not run.
static void iret_in_the_middle(void)
{
    entries[0] = page_size_call();
    entries[1] = call_of(__HYPERVISOR_iret, 0, 0, 0, 0);
    entries[2] = page_size_call();
    EXPECT(multicall_over_frame(entries, 3), IRET_MARK);
    EXPECT(entries[0].result, PAGE_SIZE);
    EXPECT(entries[2].result, UNTOUCHED);
    EXPECT(multicall_over_frame(entries, 1), 0);
}

static void entry_of_multicall_with_bad_list(void)
{
    entries[0] = call_of(__HYPERVISOR_multicall, (unsigned long)HYPERVISOR_ADDRESS, 1, 0, 0);
    entries[1] = call_of(__HYPERVISOR_multicall, (unsigned long)entries, 0, 0, 0);
    EXPECT(hypercall_multicall(entries, 2), 0);
    EXPECT(entries[0].result, -XEN_EINVAL);
    EXPECT(entries[1].result, -XEN_EINVAL);
}

static const struct report_case list_cases[] = {
    REPORT_CASE(lists_that_end),     REPORT_CASE(list_across_pages),
    REPORT_CASE(counts_that_wrap),   REPORT_CASE(results_of_memory_op),
    REPORT_CASE(iret_in_the_middle), REPORT_CASE(entry_of_multicall_with_bad_list),
};

// --- mappings that change on the way

static struct multicall_entry map_call(void *address, uint64_t entry, unsigned long flags)
{
    return call_of(__HYPERVISOR_update_va_mapping, (unsigned long)address, entry, flags, 0);
}

// What an entry writes to an address arrives in the frame that an earlier entry has put there.
static void output_to_a_new_frame(void)
{
    char *page = page_alloc(0), *other = page_alloc(0);

    REQUIRE(page && other);
    *(volatile char *)page = 0; // so that the processor remembers the old frame
    entries[0] = map_call(page, pte_make(virt_to_mfn(other), PTE_RAM | PTE_RW), UVMF_INVLPG);
    entries[1] = call_of(__HYPERVISOR_xen_version, XENVER_capabilities, (unsigned long)page, 0, 0);
    entries[2] = map_call(page, pte_make(virt_to_mfn(page), PTE_RAM | PTE_RW), UVMF_INVLPG);
    EXPECT(hypercall_multicall(entries, 3), 0);
    EXPECT(entries[1].result, 0);
    EXPECT(page[0], 0);
    EXPECT(other[0], 'x');
    page_free(page, 0);
    page_free(other, 0);
}

// A page becomes a table while the hypervisor's own translation of its address is writable, and nobody has asked
// for a flush: a store through the guest's address must not arrive in the table. What the first entry writes
// is an entry that is not present.
static void output_to_a_new_table(void)
{
    static struct mmuext_op pin = {.cmd = MMUEXT_PIN_L1_TABLE};
    char *page = (char *)table_alloc();

    REQUIRE(page != NULL);
    pin.arg1.mfn = virt_to_mfn(page);
    entries[0] = call_of(__HYPERVISOR_xen_version, XENVER_platform_parameters, (unsigned long)page,
                         0, 0);
    entries[1] = map_call(page, pte_make(virt_to_mfn(page), PTE_RAM), UVMF_NONE);
    entries[2] = call_of(__HYPERVISOR_mmuext_op, (unsigned long)&pin, 1, 0, DOMID_SELF);
    entries[3] = call_of(__HYPERVISOR_xen_version, XENVER_capabilities, (unsigned long)page, 0, 0);
    EXPECT(hypercall_multicall(entries, 4), 0);
    EXPECT(entries[0].result, 0);
    EXPECT(entries[1].result, 0);
    EXPECT(entries[2].result, 0);
    EXPECT(entries[3].result, -XEN_EFAULT);
    EXPECT_TRUE(*(uint64_t *)page == MACH2PHYS_VIRT_START);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(page)), 0);
    table_free((uint64_t *)page);
}

// The list itself goes on in another frame.
static void list_under_our_feet(void)
{
    struct multicall_entry *list = page_alloc(0), *other = page_alloc(0);

    REQUIRE(list && other);
    list[0] = map_call(list, pte_make(virt_to_mfn(other), PTE_RAM | PTE_RW), UVMF_INVLPG);
    list[1] = page_size_call();
    other[0].result = UNTOUCHED;
    other[1] = call_of(99, 0, 0, 0, 0);
    EXPECT(hypercall_multicall(list, 2), 0);
    EXPECT(other[0].result, 0);
    EXPECT(other[1].result, -XEN_ENOSYS);
    EXPECT(page_set_writable(list), 0);
    EXPECT(list[0].result, UNTOUCHED);
    EXPECT(list[1].result, UNTOUCHED);
    page_free(list, 0);
    page_free(other, 0);
}

// An entry takes away the page that its own result belongs into: the entry has run, the list cannot go on.
static void result_without_a_place(void)
{
    struct multicall_entry *list = page_alloc(0);

    REQUIRE(list != NULL);
    list[0] = map_call(list, 0, UVMF_INVLPG);
    list[1] = page_size_call();
    EXPECT(hypercall_multicall(list, 2), -XEN_EFAULT);
    EXPECT(page_set_writable(list), 0);
    EXPECT(list[1].result, UNTOUCHED);
    page_free(list, 0);
}

static const struct report_case mapping_cases[] = {
    REPORT_CASE(output_to_a_new_frame),
    REPORT_CASE(output_to_a_new_table),
    REPORT_CASE(list_under_our_feet),
    REPORT_CASE(result_without_a_place),
};

GUEST_FAMILY(multicall_errors, REPORT_SUITE("multicall", list_cases),
             REPORT_SUITE("multicall", mapping_cases));
