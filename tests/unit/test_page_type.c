// SPDX-License-Identifier: MIT
// Page types on simulated memory: the rules one by one, against the account of page_type_model.c.
#include "hypervisor/asm.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/page_entry.h"
#include "hypervisor/tlb.h"
#include "tests/report.h"
#include "tests/unit/page_type_fixture.h"
#include <CUnit/CUnit.h>
#include <string.h>

static void writable_is_no_table(void)
{
    struct frame *t[5];
    begin(10000);
    tree_make(dom[1], t, RW);
    CU_ASSERT_EQUAL(page_type_pin(t[4], dom[1], 4, &work), REFUSE_NONE);
    CU_ASSERT_EQUAL(check(), 0);
    for (unsigned i = 1; i < 5; i++)
        CU_ASSERT_EQUAL(frame_get_writable(t[i], dom[1]), REFUSE_TYPE_CONFLICT);
    CU_ASSERT_EQUAL(page_type_pin(t[0], dom[1], 1, &work), REFUSE_TYPE_CONFLICT);
    // A writable entry for a table is refused, a read-only one is fine.
    struct entry_context c = own(dom[1]);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 5, entry(t[2], RW), NULL), REFUSE_MAP_NOT_WRITABLE);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 5, entry(t[2], PTE_PRESENT), NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 5, entry(t[2], RW), NULL), REFUSE_MAP_NOT_WRITABLE);
    CU_ASSERT_EQUAL(check(), 0);
    CU_ASSERT_EQUAL(page_type_pin(t[4], dom[1], 4, &work), REFUSE_PIN_TWICE);
    CU_ASSERT_EQUAL(page_type_unpin(t[4], dom[1], &work), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_type_unpin(t[4], dom[1], &work), REFUSE_PIN_NONE);
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(t[i]->type & TYPE_COUNT, 0);
    finish();
}

static void linear_tables_are_refused(void)
{
    struct frame *t[5];
    begin(10000);
    tree_make(dom[1], t, RW);
    words(t[4])[17] = entry(t[4], RW);
    CU_ASSERT_EQUAL(page_type_pin(t[4], dom[1], 4, &work), REFUSE_TYPE_CONFLICT);
    CU_ASSERT_EQUAL(check(), 0);
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(t[i]->type & TYPE_COUNT, 0);
    words(t[4])[17] = 0;
    words(t[3])[400] = entry(t[3], RW);
    CU_ASSERT_EQUAL(page_type_pin(t[4], dom[1], 4, &work), REFUSE_TYPE_CONFLICT);
    words(t[3])[400] = entry(t[4], RW);
    CU_ASSERT_EQUAL(page_type_pin(t[4], dom[1], 4, &work), REFUSE_TYPE_CONFLICT);
    CU_ASSERT_EQUAL(check(), 0);
    finish();
}

static void entry_bits(void)
{
    struct frame *t[5];
    struct entry_context c = own(dom[1]);
    begin(10000);
    tree_make(dom[1], t, RW);
    CU_ASSERT_EQUAL(page_type_pin(t[4], dom[1], 4, &work), REFUSE_NONE);
    uint64_t page = entry(t[0], RW);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 9, page | PTE_PCD, NULL), REFUSE_ENTRY_BAD_FLAGS);
    dom[1]->is_privileged = true; // what has devices may say how memory is cached
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 9, page | PTE_PCD | PTE_PAT, NULL), REFUSE_NONE);
    dom[1]->is_privileged = false;
    CU_ASSERT_EQUAL(((uint64_t *)frame_to_virt(t[1]))[9] & (PTE_PCD | PTE_PAT),
                    0); // RAM: write-back
    CU_ASSERT_EQUAL(page_entry_write(&c, t[2], 9, page | PTE_PSE, NULL), REFUSE_ENTRY_BAD_FLAGS);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[4], 256, 0, NULL), REFUSE_ENTRY_RESERVED_SLOT);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[4], 271, 0, NULL), REFUSE_ENTRY_RESERVED_SLOT);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[0], 9, 0, NULL), REFUSE_TABLE_NOT_VALID);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 9, page | PTE_GLOBAL, NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(words(t[1])[9], page | PTE_USER | PTE_GUEST_KERNEL);
    // Accessed and dirty bits: kept when asked for, the guest's own otherwise.
    words(t[1])[9] |= PTE_DIRTY;
    c.keep_ad = true;
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 9, page | PTE_NX, NULL), REFUSE_NONE);
    CU_ASSERT(words(t[1])[9] & PTE_DIRTY);
    c.keep_ad = false;
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 9, page, NULL), REFUSE_NONE);
    CU_ASSERT(!(words(t[1])[9] & (PTE_DIRTY | PTE_NX)));
    // Compare and exchange.
    uint64_t expected = 1;
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 9, 0, &expected), REFUSE_ENTRY_CHANGED);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 9, 0, &expected), REFUSE_NONE);
    // What is not present is the guest's own.
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 9, ~1ull, NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(words(t[1])[9], ~1ull);
    CU_ASSERT_EQUAL(check(), 0);
    finish();
}

static void foreign_and_device_frames(void)
{
    struct frame *t[5], *other, *shared = NULL;
    begin(10000);
    tree_make(dom[0], t, RW);
    CU_ASSERT_EQUAL(page_type_pin(t[4], dom[0], 4, &work), REFUSE_NONE);
    other = host_page(dom[1]);
    struct entry_context c = own(dom[0]);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 1, entry(other, RW), NULL), REFUSE_MAP_NOT_OWNED);
    c.frame_owner = dom[1];
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 1, entry(other, RW), NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[2], 1, entry(other, RW), NULL), REFUSE_FRAME_NOT_OWNED);
    c.frame_owner = dom[0];
    uint64_t device = HOST_DEVICE_FIRST << PAGE_SHIFT | RW;
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 2, device | PTE_PCD, NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 3, HOST_DEVICE_LAST << PAGE_SHIFT | RW, NULL),
                    REFUSE_NONE);
    CU_ASSERT(!(words(t[1])[3] & PTE_RW));
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 4, (HOST_DEVICE_LAST + 1) << PAGE_SHIFT | RW, NULL),
                    REFUSE_MAP_DEVICE_DENIED);
    c.frame_owner = &domain_io;
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 4, device, NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 5, entry(t[0], RW), NULL), REFUSE_MAP_NOT_OWNED);
    // A frame of the hypervisor's own, then shared read-only, then no more.
    shared = page_alloc_frames(0, 64);
    c.frame_owner = dom[0];
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 6, entry(shared, PTE_PRESENT), NULL),
                    REFUSE_MAP_NOT_OWNED);
    frame_share_with_guest(shared, dom[0], true);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 6, entry(shared, RW), NULL),
                    REFUSE_MAP_NOT_WRITABLE);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 6, entry(shared, PTE_PRESENT), NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_type_pin(shared, dom[0], 1, &work), REFUSE_TYPE_CONFLICT);
    CU_ASSERT_EQUAL(domain_free_frame(dom[0], frame_to_mfn(shared)), REFUSE_FRAME_NOT_OWNED);
    model_extra_refs[frame_to_mfn(shared).v] = model_extra_types[frame_to_mfn(shared).v] = 1;
    CU_ASSERT_EQUAL(check(), 0);
    model_extra_refs[frame_to_mfn(shared).v] = model_extra_types[frame_to_mfn(shared).v] = 0;
    frame_unshare(shared);
    CU_ASSERT_EQUAL(check(), 0);
    // The other domain dies; its frame lives on while it is mapped here.
    dom[1]->is_dying = true;
    while (memory_relinquish(dom[1], 100)) {
    }
    CU_ASSERT_EQUAL(dom[1]->tot_pages, 1);
    CU_ASSERT_EQUAL(dom[1]->ref_count, 2);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 1, 0, NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(dom[1]->tot_pages, 0);
    CU_ASSERT_EQUAL(dom[1]->ref_count, 1);
    dom[1]->is_dying = false;
    dom[1]->memory_kill = (struct memory_kill){0};
    finish();
}

// A root with as many references as a frame may have is taken down at its domain's death all the same.
static void death_at_the_limit(void)
{
    for (uint32_t below = 0; below < 2; below++) {
        struct frame *t[5];
        begin(10000);
        tree_make(dom[1], t, RW);
        CU_ASSERT_EQUAL(page_type_pin(t[4], dom[1], 4, &work), REFUSE_NONE);
        const uint32_t others = FRAME_REFS_LIMIT - below - frame_refs(t[4]);
        t[4]->count += others;
        CU_ASSERT_EQUAL(page_type_unpin(t[4], dom[1], &work),
                        below ? REFUSE_NONE : REFUSE_FRAME_OVERFLOW);
        if (below) // once more, now one below the limit
            CU_ASSERT_EQUAL(page_type_pin(t[4], dom[1], 4, &work), REFUSE_NONE);
        dom[1]->is_dying = true;
        while (memory_relinquish(dom[1], 100)) {
        }
        CU_ASSERT_EQUAL(t[4]->type & (TYPE_PINNED | TYPE_COUNT), 0);
        CU_ASSERT_EQUAL(dom[1]->tot_pages, 1);
        CU_ASSERT_EQUAL(frame_refs(t[4]), others);
        t[4]->count -= others - 1;
        frame_put(t[4]);
        dom[1]->is_dying = false;
        dom[1]->memory_kill = (struct memory_kill){0};
        finish();
    }
}

static void grants_in_tables(void)
{
    struct frame *t[5], *g;
    struct vcpu *v = dom[1]->vcpu[0];
    uint64_t taken;
    begin(10000);
    tree_make(dom[1], t, RW);
    g = host_page(dom[0]);
    CU_ASSERT_EQUAL(vcpu_set_root(v, frame_to_mfn(t[4]), false), REFUSE_NONE);
    uint64_t address = (4ull << 39 | 3ull << 30 | 2ull << 21 | 7ull << 12) + 0x123;
    mfn_t mfn = frame_to_mfn(g);
    const struct page_entry_grant at = {address, false, mfn, PTE_RW},
                                  readonly = {address, false, mfn, 0},
                                  next = {address, false, MFN(mfn.v + 1), PTE_RW};
    CU_ASSERT_EQUAL(frame_get_writable(g, dom[0]), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_map_grant(v, &at), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_read(v, address) & PTE_ADDRESS, mfn.v << PAGE_SHIFT);
    CU_ASSERT_EQUAL(page_entry_unmap_grant(v, &readonly, 0), REFUSE_GRANT_NOT_MAPPED);
    CU_ASSERT_EQUAL(page_entry_unmap_grant(v, &next, 0), REFUSE_GRANT_NOT_MAPPED);
    // Flags of it may change, but not the right to write; a copy of it is nobody's to make.
    struct entry_context c = own(dom[1]);
    uint64_t e = words(t[1])[7];
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 7, e & ~(uint64_t)PTE_NX, NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 7, e & ~(uint64_t)PTE_RW, NULL),
                    REFUSE_MAP_NOT_OWNED);
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 8, e, NULL), REFUSE_MAP_NOT_OWNED);
    CU_ASSERT_EQUAL(check(), 0);
    // Overwritten: the reference goes with it, and the handle cannot find its entry any more.
    CU_ASSERT_EQUAL(page_entry_write(&c, t[1], 7, 0, NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(frame_refs(g), 1);
    CU_ASSERT_EQUAL(page_entry_unmap_grant(v, &at, 0), REFUSE_GRANT_NOT_MAPPED);
    // By machine address of the entry.
    uint64_t pte = frame_to_mfn(t[1]).v << PAGE_SHIFT | 9 * 8;
    const struct page_entry_grant odd = {pte + 1, true, mfn, 0}, by_pte = {pte, true, mfn, 0};
    CU_ASSERT_EQUAL(frame_get(g, dom[0]), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_map_grant(v, &odd), REFUSE_TABLE_UNALIGNED);
    CU_ASSERT_EQUAL(page_entry_map_grant(v, &by_pte), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_unmap_grant(v, &by_pte, 0), REFUSE_NONE);
    CU_ASSERT_EQUAL(words(t[1])[9], 0);
    // Moved in place of another entry.
    CU_ASSERT_EQUAL(page_entry_map_grant(v, &readonly), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_take(v, address, &taken), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_read(v, address), 0);
    CU_ASSERT_EQUAL(frame_get(g, dom[0]), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_map_grant(v, &by_pte), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_entry_unmap_grant(v, &by_pte, taken), REFUSE_NONE);
    CU_ASSERT_EQUAL(words(t[1])[9], taken);
    frame_put(g); // of the one unmapped
    CU_ASSERT_EQUAL(frame_refs(g), 2);
    CU_ASSERT_EQUAL(check(), 0);
    finish();
}

// A wide tree that a small budget takes many steps for, up, down, and half-way up and down.
static void work_is_continued(void)
{
    struct frame *t[5], *l1[40];
    unsigned steps = 0;
    begin(10000);
    tree_make(dom[1], t, RW);
    for (unsigned i = 0; i < 40; i++) {
        l1[i] = host_page(dom[1]);
        words(l1[i])[i] = entry(t[0], RW);
        words(t[2])[100 + i] = entry(l1[i], RW);
    }
    enum refusal r;
    for (;; steps++) {
        begin(600);
        r = page_type_pin(t[4], dom[1], 4, &work);
        CU_ASSERT_EQUAL(check(), 0);
        if (r != REFUSE_CONTINUE)
            break;
    }
    CU_ASSERT_EQUAL(r, REFUSE_NONE);
    CU_ASSERT(steps > 5);
    begin(600);
    CU_ASSERT_EQUAL(page_type_unpin(t[4], dom[1], &work), REFUSE_NONE);
    CU_ASSERT(type_work_is_pending(&work));
    // While it goes down it cannot be had.
    struct type_work other = {.budget = 10000};
    CU_ASSERT_EQUAL(page_type_pin(t[4], dom[1], 4, &other), REFUSE_TYPE_BUSY);
    for (steps = 0; type_work_begin(&work, 600); steps++)
        CU_ASSERT_EQUAL(check(), 0);
    CU_ASSERT(steps > 5);
    // A bad entry behind good ones: refused, and everything taken back, in steps.
    words(t[2])[300] = entry(t[4], RW);
    do {
        begin(600);
        r = page_type_pin(t[4], dom[1], 4, &work);
    } while (r == REFUSE_CONTINUE);
    CU_ASSERT_EQUAL(r, REFUSE_TYPE_CONFLICT);
    CU_ASSERT_EQUAL(check(), 0);
    begin(600);
    for (unsigned i = 0; i < 40; i++)
        CU_ASSERT_EQUAL(l1[i]->type & TYPE_COUNT, 0);
    // Begun and given up: only the death of the domain ends it.
    words(t[2])[300] = 0;
    begin(600);
    CU_ASSERT_EQUAL(page_type_pin(t[4], dom[1], 4, &work), REFUSE_CONTINUE);
    CU_ASSERT_EQUAL(check(), 0);
    finish();
}

static void limits(void)
{
    struct frame *f;
    begin(10000);
    f = host_page(dom[1]);
    f->count = (f->count & ~FRAME_REFS) | FRAME_REFS_LIMIT;
    CU_ASSERT_EQUAL(frame_get(f, dom[1]), REFUSE_FRAME_OVERFLOW);
    f->count = (f->count & ~FRAME_REFS) | 1;
    CU_ASSERT_EQUAL(frame_get_writable(f, dom[1]), REFUSE_NONE);
    f->type = (f->type & ~TYPE_COUNT) | TYPE_COUNT_LIMIT;
    CU_ASSERT_EQUAL(frame_get_writable(f, dom[1]), REFUSE_TYPE_OVERFLOW);
    f->type = (f->type & ~TYPE_COUNT) | 1;
    frame_put_writable(f);
    CU_ASSERT_EQUAL(check(), 0);
    finish();
}

static void descriptor_pages(void)
{
    struct frame *f;
    begin(10000);
    f = host_page(dom[1]);
    words(f)[0] = HOST_BAD_DESCRIPTOR;
    CU_ASSERT_EQUAL(frame_get_and_type(f, dom[1], PAGE_TYPE_SEGDESC, NULL), REFUSE_BAD_ARGUMENT);
    CU_ASSERT_EQUAL(frame_get_writable(f, dom[1]), REFUSE_NONE);
    CU_ASSERT_EQUAL(frame_get_and_type(f, dom[1], PAGE_TYPE_SEGDESC, NULL), REFUSE_TYPE_CONFLICT);
    frame_put_writable(f);
    words(f)[0] = 0;
    CU_ASSERT_EQUAL(frame_get_and_type(f, dom[1], PAGE_TYPE_SEGDESC, NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(frame_get_writable(f, dom[1]), REFUSE_TYPE_CONFLICT);
    frame_put_and_type(f, NULL);
    CU_ASSERT_EQUAL(check(), 0);
    finish();
}

int main(void)
{
    static const struct report_case cases[] = {
        REPORT_CASE(writable_is_no_table), REPORT_CASE(linear_tables_are_refused),
        REPORT_CASE(entry_bits),           REPORT_CASE(foreign_and_device_frames),
        REPORT_CASE(death_at_the_limit),   REPORT_CASE(grants_in_tables),
        REPORT_CASE(work_is_continued),    REPORT_CASE(limits),
        REPORT_CASE(descriptor_pages),
    };
    fixture_init();
    int status = report_run("page_type", cases, sizeof(cases) / sizeof(cases[0]));
    fixture_free();
    return status;
}
