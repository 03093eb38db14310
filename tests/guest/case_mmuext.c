// SPDX-License-Identifier: MIT
// mmuext_op: pins, roots, flushes, the descriptor table, page operations; and what is refused.
#include "tests/guest/guest.h"

#include <string.h>

static struct mmuext_op op;

static long run_op(unsigned int command)
{
    op.cmd = command;
    return hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

static uint64_t own_root(void)
{
    uint64_t cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    return cr3 >> PAGE_SHIFT;
}

static void pin_each_level(void)
{
    static const unsigned int pins[] = {MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
                                        MMUEXT_PIN_L3_TABLE, MMUEXT_PIN_L4_TABLE};
    uint64_t *table = table_alloc();

    REQUIRE(table != NULL);
    EXPECT(page_set_readonly(table), 0);
    for (size_t i = 0; i < 4; i++) {
        EXPECT(mmuext(pins[i], virt_to_mfn(table)), 0);
        EXPECT(page_set_writable(table), -XEN_EBUSY);
        EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
    }
    table_free(table);
}

static void pin_twice(void)
{
    uint64_t *table = table_alloc();
    uint64_t mfn = virt_to_mfn(table);

    REQUIRE(table != NULL);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, mfn), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, mfn), -XEN_EINVAL);
    table_free(table);
}

static void pin_needs_readonly(void)
{
    uint64_t *table = table_alloc();

    REQUIRE(table != NULL);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(table)), -XEN_EINVAL);
    table_free(table);
}

static void pin_bad_frame(void)
{
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, ABSENT_FRAME), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, ABSENT_FRAME), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, ABSENT_FRAME), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, ABSENT_FRAME), -XEN_EINVAL);
}

static void new_roots(void)
{
    uint64_t *root = table_alloc();
    const uint64_t *now = mfn_to_virt(own_root());
    uint64_t old = own_root();

    REQUIRE(root != NULL && now != NULL);
    memcpy(root, now, PAGE_SIZE);
    memset(&root[256], 0, 16 * sizeof(root[0]));
    EXPECT(page_set_readonly(root), 0);
    EXPECT(mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(root)), 0);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(root)), 0);
    EXPECT(own_root(), virt_to_mfn(root));
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, old), 0);
    EXPECT(own_root(), old);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(root)), 0);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, old), 0);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(root)), 0);
    table_free(root);
}

static void root_must_be_l4(void)
{
    uint64_t *table = table_alloc();

    REQUIRE(table != NULL);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0);
    EXPECT(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(table)), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(table)), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
    table_free(table);
}

static void flushes(void)
{
    unsigned long all = ~0UL;
    uint64_t *page = page_alloc(0);

    REQUIRE(page != NULL);
    memset(&op, 0, sizeof(op));
    EXPECT(run_op(MMUEXT_TLB_FLUSH_LOCAL), 0);
    EXPECT(run_op(MMUEXT_TLB_FLUSH_ALL), 0);
    op.arg1.linear_addr = (unsigned long)page;
    EXPECT(run_op(MMUEXT_INVLPG_LOCAL), 0);
    EXPECT(run_op(MMUEXT_INVLPG_ALL), 0);
    set_xen_guest_handle(op.arg2.vcpumask, &all);
    EXPECT(run_op(MMUEXT_INVLPG_MULTI), 0);
    EXPECT(run_op(MMUEXT_TLB_FLUSH_MULTI), 0);
    set_xen_guest_handle(op.arg2.vcpumask, HYPERVISOR_ADDRESS);
    EXPECT(run_op(MMUEXT_TLB_FLUSH_MULTI), -XEN_EINVAL);
    op.arg1.linear_addr = (unsigned long)NON_CANONICAL;
    EXPECT(run_op(MMUEXT_INVLPG_LOCAL), 0);
    page_free(page, 0);
}

static void cache_flush(void)
{
    memset(&op, 0, sizeof(op));
    EXPECT(run_op(MMUEXT_FLUSH_CACHE), 0);
    EXPECT(run_op(MMUEXT_FLUSH_CACHE_GLOBAL), 0);
}

static void clear_and_copy(void)
{
    uint64_t *from = page_alloc(0), *to = page_alloc(0);

    REQUIRE(from != NULL && to != NULL);
    memset(from, 0x5a, PAGE_SIZE);
    memset(&op, 0, sizeof(op));
    op.arg1.mfn = virt_to_mfn(to);
    op.arg2.src_mfn = virt_to_mfn(from);
    EXPECT(run_op(MMUEXT_COPY_PAGE), 0);
    EXPECT(memcmp(from, to, PAGE_SIZE), 0);
    EXPECT(run_op(MMUEXT_CLEAR_PAGE), 0);
    EXPECT(to[0] | to[511], 0);
    op.arg1.mfn = own_root();
    EXPECT(run_op(MMUEXT_CLEAR_PAGE), -XEN_EINVAL);
    EXPECT(run_op(MMUEXT_COPY_PAGE), -XEN_EINVAL);
    page_free(from, 0);
    page_free(to, 0);
}

// Superpages are not for guests: the marks on their frames are refused.
static void superpage_marks(void)
{
    memset(&op, 0, sizeof(op));
    op.arg1.mfn = own_root();
    EXPECT(run_op(MMUEXT_MARK_SUPER), -XEN_EOPNOTSUPP);
    EXPECT(run_op(MMUEXT_UNMARK_SUPER), -XEN_EOPNOTSUPP);
}

static void done_counts(void)
{
    struct mmuext_op ops[3];
    unsigned int done = 99;

    memset(ops, 0, sizeof(ops));
    ops[0].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    ops[1].cmd = 1000;
    ops[2].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    EXPECT(hypercall_mmuext_op(ops, 3, &done, DOMID_SELF), -XEN_ENOSYS);
    EXPECT(done, 1);
    EXPECT(hypercall_mmuext_op(ops, 1, &done, DOMID_SELF), 0);
    EXPECT(done, 1);
    EXPECT(hypercall_mmuext_op(ops, 0, &done, DOMID_SELF), 0);
}

static void bad_arguments(void)
{
    memset(&op, 0, sizeof(op));
    EXPECT(hypercall_mmuext_op(HYPERVISOR_ADDRESS, 1, NULL, DOMID_SELF), -XEN_EFAULT);
    EXPECT(hypercall_mmuext_op(NON_CANONICAL, 1, NULL, DOMID_SELF), -XEN_EFAULT);
    op.cmd = MMUEXT_TLB_FLUSH_LOCAL;
    EXPECT(hypercall_mmuext_op(&op, 1, NULL, ABSENT_DOMAIN), -XEN_ESRCH);
}

// What is left of a call whose list is done, when a large table is still being taken down: its result, whatever
// has become of the foreign domain.
static void call_that_is_over(void)
{
    const unsigned int over = 0x80000000U; // MMU_UPDATE_PREEMPTED
    uint32_t done = 77;

    for (int result = 0; result < 3; result++) {
        EXPECT(hypercall_mmuext_op(NULL, over, NULL, (domid_t)result), (domid_t)result);
        EXPECT(HYPERCALL4(__HYPERVISOR_mmuext_op, NULL, over, &done, result), result);
        EXPECT(HYPERCALL4(__HYPERVISOR_mmu_update, NULL, over, &done, result), result);
    }
    EXPECT(done, 77);
    EXPECT(HYPERCALL4(__HYPERVISOR_mmuext_op, &op, over, NULL, ABSENT_DOMAIN), -XEN_ESRCH);
    EXPECT(HYPERCALL4(__HYPERVISOR_mmu_update, &op, over, NULL, ABSENT_DOMAIN), -XEN_ESRCH);
    EXPECT(HYPERCALL4(__HYPERVISOR_mmuext_op, NULL, 0, NULL, ABSENT_DOMAIN), -XEN_ESRCH);
    EXPECT(HYPERCALL4(__HYPERVISOR_mmu_update, NULL, 0, NULL, ABSENT_DOMAIN), -XEN_ESRCH);
}

static void descriptor_table(void)
{
    uint64_t *table = page_alloc(0);

    REQUIRE(table != NULL);
    EXPECT(page_set_readonly(table), 0);
    memset(&op, 0, sizeof(op));
    op.arg1.linear_addr = (unsigned long)table;
    op.arg2.nr_ents = 512;
    EXPECT(run_op(MMUEXT_SET_LDT), 0);
    op.arg1.linear_addr = (unsigned long)table + 8;
    EXPECT(run_op(MMUEXT_SET_LDT), -XEN_EINVAL);
    op.arg1.linear_addr = (unsigned long)table;
    op.arg2.nr_ents = 8193;
    EXPECT(run_op(MMUEXT_SET_LDT), -XEN_EINVAL);
    op.arg2.nr_ents = 0;
    op.arg1.linear_addr = 0;
    EXPECT(run_op(MMUEXT_SET_LDT), 0);
    table_free(table);
}

static const struct report_case cases[] = {
    REPORT_CASE(pin_each_level),   REPORT_CASE(pin_twice),         REPORT_CASE(pin_needs_readonly),
    REPORT_CASE(pin_bad_frame),    REPORT_CASE(new_roots),         REPORT_CASE(root_must_be_l4),
    REPORT_CASE(flushes),          REPORT_CASE(cache_flush),       REPORT_CASE(clear_and_copy),
    REPORT_CASE(superpage_marks),  REPORT_CASE(done_counts),       REPORT_CASE(bad_arguments),
    REPORT_CASE(descriptor_table), REPORT_CASE(call_that_is_over),
};

GUEST_FAMILY(mmuext, REPORT_SUITE("mmuext_op", cases));
