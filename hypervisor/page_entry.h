// SPDX-License-Identifier: MIT
// Entries of page tables: what a guest may write into one, and the write itself. page_entry.c.
#pragma once

#include "hypervisor/page_type.h"

struct vcpu;

// A bit of an entry that is ours: a mark on kernel pages of the guest, as Xen's guests see it.
#define PTE_GUEST_KERNEL (1ull << 52)

// Who may name what: the tables belong to `table_owner`, the frames that level-1 entries map to
// `frame_owner`; they are the same but for foreign mappings by a privileged domain.
struct entry_context {
    const struct domain *table_owner;
    const struct domain *frame_owner;
    struct type_work *work; // NULL: level-1 tables only
    bool keep_ad;           // take over the accessed and dirty bits of the old entry
};

// Replace entry `index` of a table on which the caller holds a reference. TABLE_NOT_VALID when it is
// no validated table; REFUSE_CONTINUE: nothing has been written yet, call again with fresh budget.
// With `expected` not NULL the write happens only if the entry is still *expected (but for accessed
// and dirty bits), else ENTRY_CHANGED and *expected is what was found.
enum refusal page_entry_write(const struct entry_context *c, struct frame *table, unsigned index,
                              uint64_t value, uint64_t *expected);

#define PAGE_ENTRIES 512

// Slots of a level-4 table that the hypervisor fills.
static inline bool page_entry_slot_is_ours(unsigned index)
{
    return index >= HV_SLOT_FIRST && index <= HV_SLOT_LAST;
}

// The same for a whole level-1 table, whose owner's the frames are: acquire from entry *index on, and set it to the entry at fault;
// release entries [0, count).
enum refusal page_entry_acquire_l1(const struct entry_context *c, uint64_t *table, unsigned *index);
void page_entry_release_l1(const uint64_t *table, unsigned count);

// Acquire and release what a present entry of a table of `level` holds. Acquiring adjusts *e.
enum refusal page_entry_acquire(const struct entry_context *c, unsigned level, uint64_t *e);
void page_entry_release(unsigned level, uint64_t e, struct type_work *w);

// The level-1 table and the index in it that map `address` in the address space that `v` runs on (or
// would run on). On success the caller holds a reference to *table. ENTRY_NO_TABLE.
enum refusal page_entry_find(const struct vcpu *v, uint64_t address, struct frame **table,
                             unsigned *index);

// The entry that maps `address` for `v`, 0 if there is none; it may be out of date at once.
uint64_t page_entry_read(const struct vcpu *v, uint64_t address);

// A level-1 entry that maps a granted frame.
struct page_entry_grant {
    uint64_t address; // linear, or with contains_pte the machine address of the entry
    bool contains_pte;
    mfn_t mfn;
    uint64_t flags; // PTE_RW, PTE_USER, ...; present is implied
};

// Make such an entry in place of what was there. It takes over a reference to the frame, and a WRITABLE
// use with PTE_RW, from the caller; from then on it is an entry like any other.
enum refusal page_entry_map_grant(struct vcpu *v, const struct page_entry_grant *g);

// Put `replacement` in the place of such an entry, provided that it maps the frame and is writable iff
// `flags` has PTE_RW (else a read-only handle could take away a writable one's entry);
// GRANT_NOT_MAPPED otherwise. What the entry held becomes the caller's. Nothing is flushed: the frame's
// stamp sees to its next use, but a guest expects domain_flush_tlb() (domain_memory.h) at the end of its
// batch.
enum refusal page_entry_unmap_grant(struct vcpu *v, const struct page_entry_grant *g,
                                    uint64_t replacement);

// Take the level-1 entry that maps `address` out of its table; what it holds becomes the caller's, to
// put it elsewhere or to page_entry_release() it.
enum refusal page_entry_take(struct vcpu *v, uint64_t address, uint64_t *entry);
