// SPDX-License-Identifier: MIT
// Entries of page tables: what a guest may write into one, and the write itself. page_entry.c.
#pragma once

#include "hypervisor/page_type.h"

struct vcpu;

// Bits of an entry that are ours: a level-1 entry made by a grant (its references belong to the
// grant's handle), and a mark on kernel pages of the guest, as Xen's guests see it.
#define PTE_GRANT (1ull << 62)
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

// The same for a whole level-1 table: acquire from entry *index on, and set it to the entry at fault;
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

// Make a level-1 entry for a grant mapping, in place of what was there. `address` is linear, or with
// contains_pte the machine address of the entry. `flags` are PTE bits (PTE_RW, PTE_USER, ...); present
// is implied. References to `mfn` are the grant code's business, before and after.
enum refusal page_entry_map_grant(struct vcpu *v, uint64_t address, bool contains_pte, mfn_t mfn,
                                  uint64_t flags);

// Clear such an entry, provided that it still is a grant mapping of `mfn` and is writable iff `flags`
// has PTE_RW (else a read-only handle could take away a writable one's entry); GRANT_NOT_MAPPED
// otherwise. The caller drops his reference afterwards. Nothing is flushed: the frame's stamp sees to
// its next use, but a guest expects domain_flush_tlb() (domain_memory.h) at the end of its batch.
enum refusal page_entry_unmap_grant(struct vcpu *v, uint64_t address, bool contains_pte, mfn_t mfn,
                                    uint64_t flags);
