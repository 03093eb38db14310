// SPDX-License-Identifier: MIT
// The account: what every frame's counts must be, worked out from the contents of memory; and the
// worst that the translation caches of the CPUs may hold.
#include "tests/unit/page_type_model.h"

#include "hypervisor/asm.h"
#include "hypervisor/cpu.h"
#include "hypervisor/page_entry.h"
#include "hypervisor/page_type.h"
#include <stdio.h>
#include <string.h>

unsigned model_extra_refs[HOST_FRAMES], model_extra_types[HOST_FRAMES];

static unsigned refs[HOST_FRAMES], types[HOST_FRAMES], faults;

static void fault(const char *what, uint64_t mfn, uint64_t a, uint64_t b)
{
    if (faults++ < 5)
        printf("  frame %lu: %s: %lx, expected %lx\n", mfn, what, a, b);
}

static const uint64_t *entries_of(uint64_t mfn)
{
    return (const uint64_t *)host_ram[mfn];
}

// Entries of a table that hold references: all, or those that were reached before it stopped.
static unsigned held_entries(const struct frame *f)
{
    if (!(f->type & TYPE_COUNT) || page_type_of(f->type) < 1 || page_type_of(f->type) > 4)
        return 0;
    return f->type & TYPE_VALIDATED ? PAGE_ENTRIES
                                    : (unsigned)((f->type & TYPE_INDEX) >> TYPE_INDEX_SHIFT);
}

static void count_entry(uint64_t mfn, unsigned level, unsigned i, uint64_t e)
{
    uint64_t target = (e & PTE_ADDRESS) >> PAGE_SHIFT;

    if (!(e & PTE_PRESENT) || (level == 4 && page_entry_slot_is_ours(i)))
        return;
    if (!(e & PTE_USER) || (level > 1 && e & PTE_PSE) || e & PTE_GLOBAL)
        fault("entry with bad bits", mfn, e, 0);
    if (target >= HOST_FRAMES) {
        if (level > 1 || target < HOST_DEVICE_FIRST || target > HOST_DEVICE_LAST)
            fault("entry to nowhere", mfn, e, 0);
        return;
    }
    refs[target]++;
    if (level > 1 && page_type_of(FRAME_TABLE[target].type) != level - 1)
        fault("entry names no table of the level below", mfn, e, level);
    if (level > 1 || e & PTE_RW)
        types[target]++;
}

static void count_frame(uint64_t mfn)
{
    const struct frame *f = &FRAME_TABLE[mfn];
    unsigned level = page_type_of(f->type);

    if (f->count & FRAME_ALLOCATED)
        refs[mfn]++;
    if (f->type & TYPE_COUNT && f->type & TYPE_PINNED) {
        refs[mfn]++;
        types[mfn]++;
    }
    if (f->type & TYPE_COUNT && f->type & TYPE_PARTIAL) {
        refs[mfn]++;
        types[mfn]++;
    }
    for (unsigned i = 0; i < held_entries(f); i++)
        count_entry(mfn, level, i, entries_of(mfn)[i]);
    if (level == 4 && f->type & TYPE_COUNT && f->type & TYPE_VALIDATED)
        for (unsigned i = HV_SLOT_FIRST; i <= HV_SLOT_LAST; i++)
            if (entries_of(mfn)[i] != HOST_OUR_SLOT)
                fault("slot of the hypervisor", mfn, entries_of(mfn)[i], HOST_OUR_SLOT);
}

static void count_root(mfn_t root)
{
    if (!mfn_is_valid(root))
        return;
    refs[root.v]++;
    types[root.v]++;
    if (page_type_of(FRAME_TABLE[root.v].type) != 4 || !(FRAME_TABLE[root.v].type & TYPE_VALIDATED))
        fault("root is no level-4 table", root.v, FRAME_TABLE[root.v].type, 0);
}

unsigned model_check_counts(struct domain *const *domains, unsigned count)
{
    faults = 0;
    memcpy(refs, model_extra_refs, sizeof(refs));
    memcpy(types, model_extra_types, sizeof(types));
    for (unsigned i = 0; i < count; i++) {
        for (unsigned v = 0; v < domains[i]->max_vcpus; v++) {
            count_root(domains[i]->vcpu[v]->root_kernel);
            count_root(domains[i]->vcpu[v]->root_user);
        }
        if (domains[i]->memory_kill.cursor) // the frame that destruction stands on
            refs[domains[i]->memory_kill.cursor]++;
    }
    for (uint64_t mfn = 1; mfn < HOST_FRAMES; mfn++)
        if (frame_from_mfn(MFN(mfn)) && FRAME_TABLE[mfn].owner)
            count_frame(mfn);
    for (uint64_t mfn = 1; mfn < HOST_FRAMES; mfn++) {
        const struct frame *f = frame_from_mfn(MFN(mfn));
        if (!f || !f->owner)
            continue;
        if (frame_refs(f) != refs[mfn])
            fault("references", mfn, frame_refs(f), refs[mfn]);
        if ((f->type & TYPE_COUNT) != types[mfn])
            fault("type references", mfn, f->type, types[mfn]);
        if (f->type & TYPE_LOCKED)
            fault("left locked", mfn, f->type, 0);
    }
    return faults;
}

// --- translation caches

struct cached {
    struct domain *owner; // of the frame when it was cached
    bool reads, writes;
    uint8_t levels; // bit n: used as a table of level n
};
static struct cached cache[4][HOST_FRAMES];

void model_tlb_forget(unsigned cpu)
{
    memset(cache[cpu], 0, sizeof(cache[cpu]));
}

static void cache_table(unsigned cpu, uint64_t mfn, unsigned level)
{
    struct cached *c = &cache[cpu][mfn];

    if (mfn >= HOST_FRAMES || c->levels >> level & 1)
        return;
    c->owner = FRAME_TABLE[mfn].owner;
    c->levels |= (uint8_t)(1u << level);
}

static void cache_entries(unsigned cpu, uint64_t mfn, unsigned level)
{
    for (unsigned i = 0; i < PAGE_ENTRIES; i++) {
        uint64_t e = entries_of(mfn)[i], target = (e & PTE_ADDRESS) >> PAGE_SHIFT;
        if (!(e & PTE_PRESENT) || target >= HOST_FRAMES ||
            (level == 4 && page_entry_slot_is_ours(i)))
            continue;
        if (level > 1) {
            cache_table(cpu, target, level - 1);
            continue;
        }
        struct cached *c = &cache[cpu][target];
        if (!c->reads && !c->levels)
            c->owner = FRAME_TABLE[target].owner;
        c->reads = true;
        c->writes |= (e & PTE_RW) != 0;
    }
}

void model_tlb_walk(unsigned cpu)
{
    if (host_cr3[cpu])
        cache_table(cpu, host_cr3[cpu] >> PAGE_SHIFT, 4);
    for (unsigned level = 4; level >= 1; level--)
        for (uint64_t mfn = 1; mfn < HOST_FRAMES; mfn++)
            if (cache[cpu][mfn].levels >> level & 1)
                cache_entries(cpu, mfn, level);
}

static bool is_in_use_as_table(const struct frame *f)
{
    return f->type & TYPE_COUNT && page_type_of(f->type) >= 1 &&
           page_type_of(f->type) <= PAGE_TYPE_SEGDESC;
}

static void check_cached(uint64_t mfn, const struct cached *c)
{
    const struct frame *f = &FRAME_TABLE[mfn];
    bool in_use = frame_refs(f) > 0;

    if (in_use && f->owner != c->owner)
        fault("cached, but another owner's", mfn, (uint64_t)f->owner, (uint64_t)c->owner);
    if (c->writes && in_use && is_in_use_as_table(f))
        fault("table can be written by a stale translation", mfn, f->type, 0);
    if (c->levels && in_use && f->type & TYPE_COUNT && page_type_of(f->type) == PAGE_TYPE_WRITABLE)
        fault("writable page is walked by a stale translation", mfn, f->type, c->levels);
}

unsigned model_tlb_check(void)
{
    faults = 0;
    for (unsigned cpu = 0; cpu < host_cpu_count; cpu++)
        for (uint64_t mfn = 1; mfn < HOST_FRAMES; mfn++)
            if (cache[cpu][mfn].reads || cache[cpu][mfn].levels)
                check_cached(mfn, &cache[cpu][mfn]);
    return faults;
}
