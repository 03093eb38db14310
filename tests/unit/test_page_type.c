// SPDX-License-Identifier: MIT
// Page types on simulated memory: the rules one by one, then long random sequences of everything that
// guests can do with their memory, against the account of page_type_model.c and against the worst
// that the translation caches of three CPUs may hold.
#include "hypervisor/asm.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/page_entry.h"
#include "hypervisor/tlb.h"
#include "tests/report.h"
#include "tests/unit/page_type_model.h"
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#define RW (PTE_PRESENT | PTE_RW)
#define FIRST 8u
#define END 116u

static struct domain *dom[2]; // 0 is privileged
static struct type_work work;

static uint64_t entry(const struct frame *f, uint64_t flags)
{
    return mfn_to_maddr(frame_to_mfn(f)).v | flags;
}

static uint64_t *words(struct frame *f)
{
    return frame_to_virt(f);
}

static struct entry_context own(struct domain *d)
{
    return (struct entry_context){d, d, &work, false};
}

// A tree of one table a level over one page; [0] is the page, [4] the root.
static void tree_make(struct domain *d, struct frame *t[5], uint64_t flags)
{
    for (unsigned i = 0; i < 5; i++) {
        t[i] = host_page(d);
        CU_ASSERT_FATAL(t[i] != NULL);
        if (i)
            words(t[i])[i] = entry(t[i - 1], i == 1 ? flags : RW);
    }
}

static void begin(int64_t budget)
{
    while (type_work_begin(&work, budget)) {
    }
}

static unsigned check(void)
{
    return model_check_counts(dom, 2);
}

static void finish(void)
{
    begin(INT64_MAX);
    for (unsigned d = 0; d < 2; d++) {
        dom[d]->is_dying = true;
        while (memory_relinquish(dom[d], 40) == REFUSE_CONTINUE)
            CU_ASSERT_EQUAL(check(), 0);
    }
    for (unsigned d = 0; d < 2; d++) {
        CU_ASSERT_EQUAL(dom[d]->tot_pages, 0);
        CU_ASSERT_EQUAL(dom[d]->pages.count, 0);
        CU_ASSERT_EQUAL(dom[d]->ref_count, 1);
        dom[d]->is_dying = false;
        dom[d]->memory_kill = (struct memory_kill){0};
    }
    CU_ASSERT_EQUAL(frames_free_count(), END - FIRST);
}

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

// --- random sequences

#define POOL 48
static struct frame *pool[2][POOL]; // what each domain owns, NULL: given back

static unsigned pick(unsigned n)
{
    return (unsigned)(host_random() % n);
}

// Mostly low indices, so that sequences meet; sometimes ours, sometimes the last.
static unsigned pick_index(void)
{
    unsigned r = pick(20);
    return r == 0 ? 256 + pick(16) : r == 1 ? 511 : pick(4);
}

// What a place of the pool mostly serves as, so that whole trees come about: 0 data, 1..4 a table.
static unsigned level_of(unsigned i)
{
    static const uint8_t level[8] = {0, 0, 0, 1, 1, 2, 3, 4};
    return level[i % 8];
}

static unsigned pick_place(unsigned level)
{
    unsigned i = pick(POOL);
    while (pick(15) && level_of(i) != level)
        i = pick(POOL);
    return i;
}

// An entry for a table of `level`.
static uint64_t pick_entry(unsigned d, unsigned level)
{
    struct frame *f = pool[pick(12) ? d : !d][pick_place(level ? level - 1 : 0)];
    uint64_t flags = PTE_PRESENT | (pick(2) ? PTE_RW : 0) | (pick(2) ? PTE_USER : 0);

    if (pick(40) == 0)
        flags |= host_random() & 0xfff;
    if (pick(10) == 0)
        flags |= pick(2) ? PTE_AVAIL : PTE_NX;
    if (pick(30) == 0)
        return (HOST_DEVICE_FIRST + pick(0x101)) << PAGE_SHIFT | flags;
    return f && pick(8) ? entry(f, flags) : host_random() & ~(uint64_t)PTE_PRESENT;
}

// What a guest does through a writable mapping of its own.
static void op_write_page(unsigned d)
{
    unsigned place = pick(POOL);
    struct frame *f = pool[d][place];

    if (!f || frame_get_writable(f, dom[d]))
        return;
    if (pick(4) == 0)
        memset(words(f), 0, PAGE_SIZE);
    for (unsigned i = pick(4); i > 0; i--)
        words(f)[pick_index()] = pick_entry(d, level_of(place));
    frame_put_writable(f);
}

static void op_entry(unsigned d)
{
    unsigned place = pick(POOL);
    struct frame *f = pool[d][place];
    struct entry_context c = {dom[d], dom[d], &work, pick(2)};

    if (!f || frame_get(f, dom[d]))
        return;
    if (d == 0 && pick(4) == 0)
        c.frame_owner = pick(2) ? dom[1] : &domain_io;
    page_entry_write(&c, f, pick_index(), pick_entry(d, level_of(place)), NULL);
    frame_put(f);
}

static void op_pin(unsigned d)
{
    unsigned place = pick(POOL);
    struct frame *f = pool[d][place];

    if (!f)
        return;
    if (pick(level_of(place) ? 2 : 12) == 0)
        page_type_pin(f, dom[d], level_of(place) && pick(9) ? level_of(place) : 1 + pick(4), &work);
    else
        page_type_unpin(f, dom[d], &work);
}

static void set_root(struct vcpu *v, mfn_t mfn, bool user)
{
    v->type_work = work;
    vcpu_set_root(v, mfn, user);
    work = v->type_work;
    v->type_work = (struct type_work){0};
}

static void op_root(unsigned d)
{
    struct frame *f = pool[d][pick_place(4)];

    if (f && pick(4) == 0)
        set_root(dom[d]->vcpu[0], frame_to_mfn(f), pick(3) == 0);
}

// Something to be mapped: any place outside of the group whose frame is no table now, if there is one.
static unsigned pick_data(unsigned d, unsigned group)
{
    for (unsigned tries = 0; tries < 20; tries++) {
        unsigned i = pick(POOL);
        struct frame *f = pool[d][i];
        if (f && i / 8 != group / 8 &&
            (!(f->type & TYPE_COUNT) || page_type_of(f->type) == PAGE_TYPE_WRITABLE))
            return i;
    }
    return group;
}

// Five places of a group of eight become a tree: two tables of level 1, one of each above.
static void op_tree(unsigned d)
{
    static const uint8_t child[8][2] = {
        [5] = {3, 4},
          [6] = {5, 5},
          [7] = {6, 6}
    };
    unsigned group = pick(POOL / 8) * 8;

    for (unsigned i = 3; i < 8; i++) {
        struct frame *f = pool[d][group + i];
        if (!f || frame_get_writable(f, dom[d]))
            continue;
        memset(words(f), 0, PAGE_SIZE);
        for (unsigned n = 0; n < 2; n++) {
            unsigned place = i > 4 ? group + child[i][n] : pick_data(d, group);
            struct frame *c = pool[d][place];
            words(f)[n] = c ? entry(c, i > 4 || pick(4) ? RW : PTE_PRESENT) : 0;
        }
        frame_put_writable(f);
    }
    struct frame *root = pool[d][group + 7];
    work.budget = 100000;
    if (root && pick(6))
        page_type_pin(root, dom[d], 4, &work);
    else if (root)
        set_root(dom[d]->vcpu[0], frame_to_mfn(root), pick(2));
}

// And is no tree any more: its frames are free for other uses, while CPUs may remember it.
static void op_dismantle(unsigned d)
{
    unsigned group = pick(POOL / 8) * 8;

    for (unsigned i = 0; i < 8; i++) {
        struct frame *f = pool[d][group + i];
        work.budget = 100000;
        if (f)
            page_type_unpin(f, dom[d], &work);
    }
}

// A CPU switches to a vcpu or to idle. CPU 2 stays where it is for long, as one that idles does.
static void op_schedule(unsigned d)
{
    unsigned cpu = pick(8) ? 0 : pick(8) ? 1 : 2;
    struct vcpu *v = dom[d]->vcpu[0];

    host_cpu_current = cpu;
    v->in_kernel = pick(2);
    vcpu_load_root(v);
    v->in_kernel = true;
    host_cpu_current = 0;
}

// Roots in use must not go away under a CPU: the hypervisor loads another one first.
static void leave_dead_roots(void)
{
    for (unsigned cpu = 0; cpu < host_cpu_count; cpu++) {
        uint64_t mfn = host_cr3[cpu] >> PAGE_SHIFT;
        bool alive = mfn == 0;
        for (unsigned d = 0; d < 2; d++)
            alive |= mfn == dom[d]->vcpu[0]->root_kernel.v || mfn == dom[d]->vcpu[0]->root_user.v;
        if (alive)
            continue;
        host_cpu_current = cpu;
        tlb_load_root(idle_l4_maddr());
    }
    host_cpu_current = 0;
}

static void op_give_and_take(unsigned d)
{
    unsigned i = pick(POOL);

    for (unsigned n = 0; n < POOL; n++)
        pool[d][n] = pool[d][n] ? pool[d][n] : host_page(dom[d]);
    if (!pool[d][i])
        return;
    if (pick(4) == 0) {
        mfn_t mfn = frame_to_mfn(pool[d][i]);
        if (domain_steal_frame(dom[d], mfn) == REFUSE_NONE)
            domain_unsteal_frame(dom[d], mfn);
    } else {
        CU_ASSERT_EQUAL(domain_free_frame(dom[d], frame_to_mfn(pool[d][i])), REFUSE_NONE);
        pool[d][i] = NULL;
    }
}

// Grants of one domain's frames in the other one's tables. An unmap takes any entry that looks like it.
static void op_grant(unsigned d)
{
    struct frame *table = pool[d][pick_place(1)], *f = pool[!d][pick(POOL)];
    bool writable = pick(2);

    if (!table || !f)
        return;
    struct page_entry_grant g = {frame_to_mfn(table).v << PAGE_SHIFT, true, frame_to_mfn(f),
                                 writable ? PTE_RW : 0};
    if (pick(2)) {
        g.address += pick_index() * 8;
        if (writable ? frame_get_writable(f, dom[!d]) : frame_get(f, dom[!d]))
            return;
        if (page_entry_map_grant(dom[d]->vcpu[0], &g) == REFUSE_NONE)
            return;
    } else {
        while (page_entry_unmap_grant(dom[d]->vcpu[0], &g, 0)) {
            g.address += 8;
            if (g.address % PAGE_SIZE == 0)
                return;
        }
    }
    writable ? frame_put_writable(f) : frame_put(f);
}

static void random_step(void)
{
    static void (*const ops[])(unsigned d) = {
        op_write_page, op_write_page, op_entry,         op_entry,         op_entry,
        op_entry,      op_pin,        op_pin,           op_root,          op_schedule,
        op_schedule,   op_tree,       op_tree,          op_tree,          op_dismantle,
        op_dismantle,  op_grant,      op_give_and_take, op_give_and_take,
    };
    begin(pick(2) ? 1 + pick(1500) : 8000);
    ops[pick(sizeof(ops) / sizeof(ops[0]))](pick(2));
    leave_dead_roots();
    model_tlb_walk(pick(3));
}

static void random_sequences(void)
{
    const char *steps = getenv("STEPS");
    unsigned long rounds = steps ? strtoul(steps, NULL, 0) : 30000;

    host_root_loaded = model_tlb_forget;
    for (unsigned long i = 0; i < rounds; i++) {
        random_step();
        unsigned wrong = (i % 4 == 0 ? check() : 0) + model_tlb_check();
        CU_ASSERT_EQUAL_FATAL(wrong, 0);
        if (i % 3000 == 2999) {                              // now and then a domain dies
            tlb_clock = i % 2 ? UINT32_MAX - 40 : tlb_clock; // and the clock wraps
            for (unsigned cpu = 0; cpu < host_cpu_count; cpu++) {
                host_cpu_current = cpu;
                tlb_load_root(idle_l4_maddr());
            }
            host_cpu_current = 0;
            memset(pool, 0, sizeof(pool));
            finish();
        }
    }
    host_root_loaded = NULL;
    finish();
}

int main(void)
{
    static const struct report_case cases[] = {
        REPORT_CASE(writable_is_no_table),
        REPORT_CASE(linear_tables_are_refused),
        REPORT_CASE(entry_bits),
        REPORT_CASE(foreign_and_device_frames),
        REPORT_CASE(grants_in_tables),
        REPORT_CASE(work_is_continued),
        REPORT_CASE(limits),
        REPORT_CASE(descriptor_pages),
        REPORT_CASE(random_sequences),
    };
    host_cpu_count = 3;
    host_memory_init(FIRST, END);
    for (domid_t id = 0; id < 2; id++)
        dom[id] = host_domain(id, 1000);
    dom[0]->is_privileged = true;
    int status = report_run("page_type", cases, sizeof(cases) / sizeof(cases[0]));
    for (unsigned i = 0; i < 2; i++)
        host_domain_free(dom[i]);
    return status;
}
