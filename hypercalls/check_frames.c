// SPDX-License-Identifier: MIT
// paravane_op check_frames: do the counts of the frames cover what the page tables hold?
//
// The first pass goes through every validated table and counts, for each frame, the references and the
// uses of its type that entries and pins stand for (page_entry.c says what an entry holds). The second
// compares: others hold references and uses too (roots, descriptor tables, grants, areas of vcpus), so the
// counts of a frame may be larger but never smaller. Smaller means that something was dropped that is
// still in use: the fault that lets a guest write a page table. Grant mappings are left out, for their
// handles hold them.
#include "hypercalls/call.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/page_entry.h"

struct tally {
    uint32_t references, uses;
};

static bool is_table(uint64_t word)
{
    enum page_type type = page_type_of(word);

    return type >= PAGE_TYPE_L1 && type <= PAGE_TYPE_L4;
}

static bool is_in_use(const struct frame *f)
{
    return f && f->owner && frame_refs(f);
}

static void count_table(struct tally *tally, const struct frame *table, unsigned level)
{
    const uint64_t *entries = frame_to_virt(table);

    for (unsigned i = 0; i < PAGE_ENTRIES; i++) {
        uint64_t e = __atomic_load_n(&entries[i], __ATOMIC_RELAXED);
        if (!(e & PTE_PRESENT) || e & PTE_GRANT ||
            (level == PAGE_TYPE_L4 && page_entry_slot_is_ours(i)))
            continue;
        struct frame *f = frame_from_mfn(MFN((e & PTE_ADDRESS) >> PAGE_SHIFT));
        if (!f)
            continue; // device memory
        struct tally *t = &tally[frame_to_mfn(f).v];
        t->references++;
        t->uses += level > PAGE_TYPE_L1 || e & PTE_RW;
    }
}

static void count_all(struct tally *tally)
{
    for (uint64_t mfn = 0; mfn <= frame_max_mfn; mfn++) {
        const struct frame *f = frame_from_mfn(MFN(mfn));
        if (!is_in_use(f) || !is_table(f->type))
            continue;
        if (f->type & TYPE_VALIDATED)
            count_table(tally, f, page_type_of(f->type));
        if (f->type & TYPE_PINNED) {
            tally[mfn].references++;
            tally[mfn].uses++;
        }
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

enum refusal check_frames(struct paravane_check_frames *result)
{
    unsigned order = 0;
    while (PAGE_SIZE << order < (frame_max_mfn + 1) * sizeof(struct tally))
        order++;
    struct tally *tally = page_alloc(order);
    if (!tally)
        return REFUSE_NO_MEMORY;

    *result = (struct paravane_check_frames){0};
    count_all(tally);
    for (uint64_t mfn = 0; mfn <= frame_max_mfn; mfn++) {
        const struct frame *f = frame_from_mfn(MFN(mfn));
        if (!is_in_use(f))
            continue;
        result->checked++;
        if (is_good(f, &tally[mfn]))
            continue;
        result->bad++;
        result->mfn = mfn;
        result->count = f->count;
        result->type = f->type;
        result->table_references = tally[mfn].references;
        result->table_uses = tally[mfn].uses;
    }
    page_free(tally, order);
    return REFUSE_NONE;
}
