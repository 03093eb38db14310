// SPDX-License-Identifier: MIT
// Page types on simulated memory: long random sequences of everything that guests can do with their memory,
// against the account of page_type_model.c and against the worst that the translation caches of three
// CPUs may hold.
#include "hypervisor/asm.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/page_entry.h"
#include "hypervisor/tlb.h"
#include "tests/report.h"
#include "tests/unit/page_type_fixture.h"
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

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
        tlb_load_root(idle_l4_maddr(), DOMID_IDLE);
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
                tlb_load_root(idle_l4_maddr(), DOMID_IDLE);
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
        REPORT_CASE(random_sequences),
    };
    fixture_init();
    int status = report_run("page_random", cases, sizeof(cases) / sizeof(cases[0]));
    fixture_free();
    return status;
}
