// SPDX-License-Identifier: MIT
// mmuext_op with hostile arguments: frames that are nobody's or another's, domains that cannot be meant, sets of
// vcpus and lists that cannot be read, descriptor tables out of place, roots that are none.
#include "tests/guest/guest.h"

#include <string.h>

#include "pvguest/start.h"

#define VGA_FRAME 0xb8UL
#define ALL_ONES_FRAME ~0UL

static struct mmuext_op op;

static long run(unsigned int command, unsigned int domain)
{
    op.cmd = command;
    return hypercall_mmuext_op(&op, 1, NULL, domain);
}

static long on_frame(unsigned int command, uint64_t mfn, unsigned int domain)
{
    memset(&op, 0, sizeof(op));
    op.arg1.mfn = mfn;
    return run(command, domain);
}

static long copy(uint64_t to, uint64_t from, unsigned int domain)
{
    memset(&op, 0, sizeof(op));
    op.arg1.mfn = to;
    op.arg2.src_mfn = from;
    return run(MMUEXT_COPY_PAGE, domain);
}

static uint64_t own_root(void)
{
    uint64_t cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    return cr3 >> PAGE_SHIFT;
}

// Frames that no operation on a frame may touch.
static void frames_that_are_none(void)
{
    static const unsigned int commands[] = {
        MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE,
        MMUEXT_UNPIN_TABLE,  MMUEXT_NEW_BASEPTR,  MMUEXT_CLEAR_PAGE,   MMUEXT_NEW_USER_BASEPTR};
    const uint64_t frames[] = {VGA_FRAME, ABSENT_FRAME, ALL_ONES_FRAME, 1UL << 40,
                               frame_of_another()};

    for (size_t c = 0; c < sizeof(commands) / sizeof(commands[0]); c++)
        for (size_t f = 0; f < sizeof(frames) / sizeof(frames[0]); f++)
            EXPECT(on_frame(commands[c], frames[f], DOMID_SELF), -XEN_EINVAL);
}

static void copies_that_are_none(void)
{
    const uint64_t frames[] = {VGA_FRAME, ABSENT_FRAME, ALL_ONES_FRAME, frame_of_another()};
    uint64_t *page = page_alloc(0);

    REQUIRE(page != NULL);
    page[0] = 7;
    for (size_t f = 0; f < sizeof(frames) / sizeof(frames[0]); f++) {
        EXPECT(copy(virt_to_mfn(page), frames[f], DOMID_SELF), -XEN_EINVAL);
        EXPECT(copy(frames[f], virt_to_mfn(page), DOMID_SELF), -XEN_EINVAL);
    }
    EXPECT(copy(virt_to_mfn(page), virt_to_mfn(page), DOMID_SELF), 0);
    EXPECT(page[0], 7);
    EXPECT(copy(virt_to_mfn(page), own_root(), DOMID_SELF), 0); // tables may be read
    EXPECT_TRUE(page[0] == ((uint64_t *)mfn_to_virt(own_root()))[0]);
    page_free(page, 0);
}

// What may not be written stays as it is: tables, descriptor pages, the page that maps them read-only is no help.
static void pages_that_are_not_written(void)
{
    uint64_t *page = table_alloc(), *other = page_alloc(0);
    uint64_t mfn = virt_to_mfn(page);

    REQUIRE(page && other);
    page[1] = 7;
    EXPECT(page_set_readonly(page), 0);
    EXPECT(on_frame(MMUEXT_CLEAR_PAGE, mfn, DOMID_SELF), 0); // read-only for us, but no table
    EXPECT(page[1], 0);
    EXPECT(hypercall_set_gdt((unsigned long *)&mfn, 512), 0);
    EXPECT(on_frame(MMUEXT_CLEAR_PAGE, mfn, DOMID_SELF), -XEN_EINVAL);
    EXPECT(copy(mfn, virt_to_mfn(other), DOMID_SELF), -XEN_EINVAL);
    EXPECT(hypercall_set_gdt(NULL, 0), 0);
    EXPECT(on_frame(MMUEXT_PIN_L3_TABLE, mfn, DOMID_SELF), 0);
    EXPECT(on_frame(MMUEXT_CLEAR_PAGE, mfn, DOMID_SELF), -XEN_EINVAL);
    EXPECT(copy(mfn, virt_to_mfn(other), DOMID_SELF), -XEN_EINVAL);
    EXPECT(on_frame(MMUEXT_UNPIN_TABLE, mfn, DOMID_SELF), 0);
    table_free(page);
    page_free(other, 0);
}

// What changes the caller itself cannot be asked for others' frames.
static void others_cannot_be_meant(void)
{
    static const unsigned int own[] = {
        MMUEXT_NEW_BASEPTR,        MMUEXT_NEW_USER_BASEPTR, MMUEXT_TLB_FLUSH_LOCAL,
        MMUEXT_INVLPG_LOCAL,       MMUEXT_TLB_FLUSH_MULTI,  MMUEXT_INVLPG_MULTI,
        MMUEXT_TLB_FLUSH_ALL,      MMUEXT_INVLPG_ALL,       MMUEXT_FLUSH_CACHE,
        MMUEXT_FLUSH_CACHE_GLOBAL, MMUEXT_SET_LDT};
    uint64_t *table = table_alloc();
    uint64_t mfn = virt_to_mfn(table);

    REQUIRE(table != NULL);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        EXPECT(on_frame(own[i], mfn, DOMID_IO), -XEN_EPERM);
        EXPECT(on_frame(own[i], mfn, 0), -XEN_ESRCH);
        EXPECT(on_frame(own[i], mfn, ABSENT_DOMAIN), -XEN_ESRCH);
    }
    EXPECT(page_set_readonly(table), 0);
    for (unsigned int pin = MMUEXT_PIN_L1_TABLE; pin <= MMUEXT_UNPIN_TABLE; pin++) {
        EXPECT(on_frame(pin, mfn, DOMID_IO), -XEN_EINVAL);
        EXPECT(on_frame(pin, mfn, DOMID_XEN), -XEN_EINVAL);
    }
    EXPECT(on_frame(MMUEXT_CLEAR_PAGE, mfn, DOMID_IO), -XEN_EINVAL);
    EXPECT(copy(mfn, mfn, DOMID_XEN), -XEN_EINVAL);
    EXPECT(on_frame(MMUEXT_MARK_SUPER, mfn, DOMID_IO), -XEN_EOPNOTSUPP);
    EXPECT(on_frame(MMUEXT_UNMARK_SUPER, ABSENT_FRAME, DOMID_SELF), -XEN_EOPNOTSUPP);
    table_free(table);
}

// Entries of a table that is pinned: a tree is only as good as its worst leaf.
static void pins_of_bad_tables(void)
{
    static const uint64_t bad_flags[] = {PTE_PWT, PTE_PCD, PTE_PSE, 1UL << 8};
    uint64_t *l1 = table_alloc(), *l2 = table_alloc();

    REQUIRE(l1 && l2);
    EXPECT(page_set_readonly(l1), 0);
    for (size_t i = 0; i < sizeof(bad_flags) / sizeof(bad_flags[0]); i++) {
        l2[i] = pte_make(virt_to_mfn(l1), PTE_TABLE | bad_flags[i]);
        EXPECT(page_set_readonly(l2), 0);
        EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), -XEN_EINVAL);
        EXPECT(page_set_writable(l2), 0);
        l2[i] = 0;
    }
    l2[0] = pte_make(ABSENT_FRAME, PTE_TABLE);
    EXPECT(page_set_readonly(l2), 0);
    EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), -XEN_EINVAL);
    EXPECT(page_set_writable(l2), 0);
    l2[0] = pte_make(frame_of_another(), PTE_TABLE);
    EXPECT(page_set_readonly(l2), 0);
    EXPECT(mmuext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), -XEN_EINVAL);
    EXPECT(page_set_writable(l1), 0);
    l1[0] = pte_make(frame_of_another(), PTE_RAM);
    EXPECT(page_set_readonly(l1), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)), -XEN_EBUSY);
    EXPECT(page_set_writable(l1), 0);
    l1[0] = pte_make(0xffffffffffUL, PTE_RAM);
    EXPECT(page_set_readonly(l1), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)), -XEN_EINVAL);
    table_free(l1);
    table_free(l2);
}

// A root needs no slots of its own for the hypervisor: what stands there is replaced.
static void roots(void)
{
    uint64_t *root = table_alloc();

    REQUIRE(root != NULL);
    EXPECT(on_frame(MMUEXT_NEW_BASEPTR, virt_to_mfn(root), DOMID_SELF), -XEN_EINVAL); // writable
    for (unsigned int slot = 256; slot < 272; slot++)
        root[slot] = pte_make(own_root(), PTE_TABLE);
    EXPECT(page_set_readonly(root), 0);
    EXPECT(on_frame(MMUEXT_PIN_L4_TABLE, virt_to_mfn(root), DOMID_SELF), 0);
    for (unsigned int slot = 256; slot < 272; slot++)
        EXPECT_TRUE(root[slot] != pte_make(own_root(), PTE_TABLE));
    EXPECT(on_frame(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(root), DOMID_SELF), 0);
    EXPECT(on_frame(MMUEXT_UNPIN_TABLE, virt_to_mfn(root), DOMID_SELF), 0);
    EXPECT(page_set_writable(root), -XEN_EBUSY); // still a root
    EXPECT(on_frame(MMUEXT_NEW_USER_BASEPTR, 0, DOMID_SELF), 0);
    table_free(root);
}

static void vcpu_sets(void)
{
    static const unsigned int commands[] = {MMUEXT_TLB_FLUSH_MULTI, MMUEXT_INVLPG_MULTI};
    char *edge = edge_alloc();
    void *bad[] = {HYPERVISOR_ADDRESS, NON_CANONICAL, NULL, edge, (void *)~0UL};
    unsigned long none = 0;

    REQUIRE(edge != NULL);
    for (size_t c = 0; c < 2; c++) {
        memset(&op, 0, sizeof(op));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            set_xen_guest_handle(op.arg2.vcpumask, bad[i]);
            EXPECT(run(commands[c], DOMID_SELF), -XEN_EINVAL);
        }
        set_xen_guest_handle(op.arg2.vcpumask, &none);
        EXPECT(run(commands[c], DOMID_SELF), 0);
    }
    edge_free(edge);
}

static void addresses_to_invalidate(void)
{
    static const uint64_t addresses[] = {0, 0xffff800000000000UL, 0x8000000000000000UL, ~0UL};
    static const unsigned int commands[] = {MMUEXT_INVLPG_LOCAL, MMUEXT_INVLPG_ALL,
                                            MMUEXT_INVLPG_MULTI};
    unsigned long all = ~0UL;

    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < 4; i++) {
            memset(&op, 0, sizeof(op));
            op.arg1.linear_addr = addresses[i];
            if (commands[c] == MMUEXT_INVLPG_MULTI)
                set_xen_guest_handle(op.arg2.vcpumask, &all);
            EXPECT(run(commands[c], DOMID_SELF), 0);
        }
}

static long set_ldt(uint64_t address, unsigned int entries)
{
    memset(&op, 0, sizeof(op));
    op.arg1.linear_addr = address;
    op.arg2.nr_ents = entries;
    return run(MMUEXT_SET_LDT, DOMID_SELF);
}

static void descriptor_tables(void)
{
    EXPECT(set_ldt(0x1000, 1), 0); // nothing is looked at before it is used
    EXPECT(set_ldt(0x1000, 8192), 0);
    EXPECT(set_ldt(0x1000, 8193), -XEN_EINVAL);
    EXPECT(set_ldt(0x1000, 0xffffffffU), -XEN_EINVAL);
    EXPECT(set_ldt(0x1001, 1), -XEN_EINVAL);
    EXPECT(set_ldt(0x1ff8, 1), -XEN_EINVAL);
    EXPECT(set_ldt((uint64_t)HYPERVISOR_ADDRESS, 1), -XEN_EINVAL);
    EXPECT(set_ldt((uint64_t)NON_CANONICAL, 1), -XEN_EINVAL);
    EXPECT(set_ldt(0xffff7ffffffff000UL, 1), -XEN_EINVAL);
    EXPECT(set_ldt(0x7ffffffff000UL, 1), 0);
    EXPECT(set_ldt(0x7ffffffff000UL, 8192), 0);
    EXPECT(set_ldt(0xfffffffffffff000UL, 8192), 0);
    EXPECT(set_ldt(0xffff800000000000UL, 1), -XEN_EINVAL);
    EXPECT(set_ldt(0xffff880000000000UL, 1), 0);
    EXPECT(set_ldt((uint64_t)HYPERVISOR_ADDRESS, 0), 0); // no table: the address does not matter
    EXPECT(set_ldt(0, 0), 0);
}

static void lists_that_end(void)
{
    char *edge = edge_alloc();
    struct mmuext_op *last;
    unsigned int done = 77;

    REQUIRE(edge != NULL);
    last = (struct mmuext_op *)edge - 1;
    last->cmd = MMUEXT_TLB_FLUSH_LOCAL;
    EXPECT(hypercall_mmuext_op(last, 1, &done, DOMID_SELF), 0);
    EXPECT(done, 1);
    EXPECT(hypercall_mmuext_op(last, 2, &done, DOMID_SELF), -XEN_EFAULT);
    EXPECT(done, 1);
    EXPECT(hypercall_mmuext_op((void *)(edge - 8), 1, &done, DOMID_SELF), -XEN_EFAULT);
    EXPECT(done, 0);
    EXPECT(hypercall_mmuext_op(last, 0x7fffffff, &done, DOMID_SELF), -XEN_EFAULT);
    EXPECT(hypercall_mmuext_op((void *)~7UL, 2, &done, DOMID_SELF), -XEN_EFAULT);
    EXPECT(hypercall_mmuext_op(last, 1, HYPERVISOR_ADDRESS, DOMID_SELF), 0);
    edge_free(edge);
}

static void commands_that_are_none(void)
{
    static const unsigned int commands[] = {21, 22, 1000, 0x80000000U, 0xffffffffU};

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        EXPECT(on_frame(commands[i], 0, DOMID_SELF), -XEN_ENOSYS);
}

static const struct report_case cases[] = {
    REPORT_CASE(frames_that_are_none),
    REPORT_CASE(copies_that_are_none),
    REPORT_CASE(pages_that_are_not_written),
    REPORT_CASE(others_cannot_be_meant),
    REPORT_CASE(pins_of_bad_tables),
    REPORT_CASE(roots),
    REPORT_CASE(vcpu_sets),
    REPORT_CASE(addresses_to_invalidate),
    REPORT_CASE(descriptor_tables),
    REPORT_CASE(lists_that_end),
    REPORT_CASE(commands_that_are_none),
};

GUEST_FAMILY(mmuext_errors, REPORT_SUITE("mmuext_op", cases));
