// SPDX-License-Identifier: MIT
// paravane_op check_frames: do the counts of the frames cover what the page tables hold?
//
// The first pass goes through every validated table and counts, for each frame, the references and the
// uses of its type that entries and pins stand for (page_entry.c says what an entry holds). The second
// compares: others hold references and uses too (roots, descriptor tables, grants, areas of vcpus), so the
// counts of a frame may be larger but never smaller. Smaller means that something was dropped that is
// still in use: the fault that lets a guest write a page table.
//
// It goes on over many rounds of the call, whose third argument says where; what does not fit to the work
// under way, begun by another caller maybe, begins anew. domctl_lock guards all of it.
#include "hypercalls/domctl.h"
#include "hypercalls/paravane_tests.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/page_entry.h"

struct tally {
    uint32_t references, uses;
};

static struct {
    uint64_t
        next; // step: one for each frame to count, then one for each to compare; 0 = none under way
    struct tally *tally;
    unsigned order;
    struct paravane_check_frames result;
} check;

static bool is_table(uint64_t word)
{
    enum page_type type = page_type_of(word);

    return type >= PAGE_TYPE_L1 && type <= PAGE_TYPE_L4;
}

static bool is_in_use(const struct frame *f)
{
    return f && f->owner && frame_refs(f);
}

static void count_table(const struct frame *table, unsigned level)
{
    const uint64_t *entries = frame_to_virt(table);

    for (unsigned i = 0; i < PAGE_ENTRIES; i++) {
        uint64_t e = __atomic_load_n(&entries[i], __ATOMIC_RELAXED);
        if (!(e & PTE_PRESENT) || (level == PAGE_TYPE_L4 && page_entry_slot_is_ours(i)))
            continue;
        struct frame *f = frame_from_mfn(MFN((e & PTE_ADDRESS) >> PAGE_SHIFT));
        if (!f)
            continue; // device memory
        struct tally *t = &check.tally[frame_to_mfn(f).v];
        t->references++;
        t->uses += level > PAGE_TYPE_L1 || e & PTE_RW;
    }
}

static void count(const struct frame *f, struct tally *t)
{
    if (!is_table(f->type))
        return;
    if (f->type & TYPE_VALIDATED)
        count_table(f, page_type_of(f->type));
    if (f->type & TYPE_PINNED) {
        t->references++;
        t->uses++;
    }
}

static bool is_good(const struct frame *f, const struct tally *t)
{
    uint64_t word = f->type, uses = word & TYPE_COUNT;
    uint64_t extra = f->count & (FRAME_ALLOCATED | FRAME_SHARED) ? 1 : 0;

    if (uses && page_type_of(word) == PAGE_TYPE_NONE && !(f->count & FRAME_SHARED))
        return false; // shared read-only: a use of no type keeps all others away
    if (word & TYPE_PINNED && !is_table(word))
        return false;
    if (word & TYPE_VALIDATED && !uses && is_table(word))
        return false;
    return uses >= t->uses && frame_refs(f) >= t->references + extra && frame_refs(f) >= uses;
}

static void compare(const struct frame *f, struct tally *t)
{
    struct paravane_check_frames *result = &check.result;

    result->checked++;
    if (is_good(f, t))
        return;
    result->bad++;
    result->mfn = frame_to_mfn(f).v;
    result->count = f->count;
    result->type = f->type;
    result->table_references = t->references;
    result->table_uses = t->uses;
}

static enum refusal check_begin(void)
{
    page_free(check.tally, check.order);
    for (check.order = 0; PAGE_SIZE << check.order < (frame_max_mfn + 1) * sizeof(struct tally);)
        check.order++;
    check.tally = page_alloc(check.order);
    check.result = (struct paravane_check_frames){0};
    check.next = 0;
    return check.tally ? REFUSE_NONE : REFUSE_NO_MEMORY;
}

// One round, up to something pending.
static enum refusal check_go_on(void)
{
    const uint64_t frames = frame_max_mfn + 1;

    do {
        uint64_t mfn = check.next % frames;
        const struct frame *f = frame_from_mfn(MFN(mfn));
        if (is_in_use(f))
            (check.next < frames ? count : compare)(f, &check.tally[mfn]);
        if (++check.next == 2 * frames)
            return REFUSE_NONE;
    } while (!call_should_yield());
    return REFUSE_CONTINUE;
}

long paravane_op_check_frames(struct hypercall *c, void *argument)
{
    enum refusal r = REFUSE_NONE;

    if (!spin_trylock(&domctl_lock))
        return CALL_CONTINUE;
    if (!check.next || c->arg[2] != check.next)
        r = check_begin();
    if (r == REFUSE_NONE)
        r = check_go_on();
    c->arg[2] = check.next;
    if (r == REFUSE_NONE) {
        *(struct paravane_check_frames *)argument = check.result;
        page_free(check.tally, check.order);
        check.tally = NULL;
        check.next = 0;
    }
    spin_unlock(&domctl_lock);
    return refuse(c, r, 1);
}
