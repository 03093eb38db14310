// SPDX-License-Identifier: MIT
// Entries of page tables: which ones a guest may have, what they hold, and how they are written.
//
// What an entry holds, while it stands in a validated table (page_type.c):
//   level 2..4, present   a reference and a type reference (level - 1) on the table that it names
//   level 1, present      a reference on the frame; a WRITABLE one as well if it is writable;
//                         nothing for device memory, which has no frame and is permitted by range
//   not present           nothing; its other bits are the guest's own
// An entry that was made by a grant is no exception: it is the one place where a guest can name a frame
// of another domain that it may not map by itself, and overwriting it ends the mapping, as on Xen.
//
// Bits. The user bit is added at all levels (the guest kernel runs in ring 3), and PTE_GUEST_KERNEL
// keeps in mind that it was not there. The global bit is dropped in level 1: loading CR3 must forget
// everything of a guest (tlb.c). Cache bits are for device memory: from entries for RAM they are taken
// out, because RAM is mapped write-back as in the hypervisor's own mapping. Superpages and reserved bits
// are refused.
//
// A write: acquire for the new entry; lock the table, see that it still is one; exchange; unlock; release
// for the old entry. The exchange loops over accessed and dirty bits that the hardware sets meanwhile.
// When old and new level-1 entry name the same frame and differ in nothing but the bits of ENTRY_SOFT,
// they hold the same, and the exchange is all there is to do. When they differ in the right to write as
// well, the WRITABLE use is taken or dropped under the lock, if that can be done without waiting. Higher
// levels have no such short way.
#include "hypervisor/page_entry.h"

#include "hypervisor/domain.h"

// Linear addresses: an index of 9 bits a level, from bit 47 down.
#define INDEX_BITS 9
#define INDEX_TOP_SHIFT 16
#define INDEX_DOWN_SHIFT (64 - INDEX_BITS)

#define PTE_AD (PTE_ACCESSED | PTE_DIRTY)
#define PTE_CACHE (PTE_PWT | PTE_PCD | PTE_PAT)
#define PTE_AVAIL_HIGH 0x7ff0000000000000
#define ENTRY_TABLE_FORBIDDEN (PTE_PWT | PTE_PCD | PTE_PSE | PTE_GLOBAL)
#define ENTRY_SOFT (PTE_AD | PTE_AVAIL | PTE_AVAIL_HIGH | PTE_USER | PTE_NX | PTE_GLOBAL)

static mfn_t entry_mfn(uint64_t e)
{
    return MFN((e & PTE_ADDRESS) >> PAGE_SHIFT);
}

// The form in which a guest's present level-1 entry stands in the table.
static uint64_t entry_adjust_l1(uint64_t e)
{
    if (!(e & PTE_USER))
        e |= PTE_USER | PTE_GUEST_KERNEL;
    return e & ~(uint64_t)PTE_GLOBAL;
}

// --- level 1

// Device memory: both who maps and whose frames they are said to be must have access. What may be seen
// only (MSI-X tables) is mapped read-only, whatever was asked for.
static enum refusal acquire_device(const struct entry_context *c, uint64_t *e)
{
    uint64_t mfn = entry_mfn(*e).v;
    const struct domain *owner = c->frame_owner == &domain_io ? c->table_owner : c->frame_owner;

    if (mfn == PTE_ADDRESS >> PAGE_SHIFT)
        return REFUSE_FRAME_NOT_RAM; // what an entry for no frame at all looks like
    if (mfn >> (cpu_features.phys_bits - PAGE_SHIFT) ||
        !access_iomem_readable(c->table_owner, mfn, mfn))
        return REFUSE_MAP_DEVICE_DENIED;
    if (owner != c->table_owner && !access_iomem_readable(owner, mfn, mfn))
        return REFUSE_MAP_DEVICE_DENIED;
    if (*e & PTE_RW && !access_iomem_permitted(c->table_owner, mfn, mfn))
        *e &= ~(uint64_t)PTE_RW;
    *e = entry_adjust_l1(*e);
    return REFUSE_NONE;
}

static __attribute__((always_inline)) inline enum refusal acquire_l1(const struct entry_context *c,
                                                                     uint64_t *e, bool is_foreign)
{
    uint64_t value = *e;
    struct frame *f = frame_from_mfn(entry_mfn(value));

    if (__builtin_expect(value & PTE_CACHE, 0) && !access_has_devices(c->table_owner))
        return REFUSE_ENTRY_BAD_FLAGS;
    if (!f)
        return acquire_device(c, e);
    value &= ~(uint64_t)PTE_CACHE;
    enum refusal r = frame_get(f, c->frame_owner);
    if (r)
        return r == REFUSE_FRAME_NOT_OWNED ? REFUSE_MAP_NOT_OWNED : r;
    if (value & PTE_RW && !page_type_try_writable(f)) {
        r = frame_get_type(f, PAGE_TYPE_WRITABLE, NULL);
        if (r) {
            frame_put(f);
            return r == REFUSE_TYPE_CONFLICT ? REFUSE_MAP_NOT_WRITABLE : r;
        }
    }
    if (value & PTE_RW && is_foreign)
        frame_note_foreign(f);
    *e = entry_adjust_l1(value);
    return REFUSE_NONE;
}

static __attribute__((always_inline)) inline void release_l1(uint64_t e)
{
    if (!(e & PTE_PRESENT))
        return;
    struct frame *f = frame_from_mfn(entry_mfn(e));
    if (!f)
        return;
    if (e & PTE_RW)
        frame_put_type(f, NULL);
    frame_put(f);
}

enum refusal page_entry_acquire_l1(const struct entry_context *c, uint64_t *table, unsigned *index)
{
    for (; *index < PAGE_ENTRIES; ++*index) {
        uint64_t e = __atomic_load_n(&table[*index], __ATOMIC_RELAXED), adjusted = e;
        if (!(e & PTE_PRESENT))
            continue;
        enum refusal r = acquire_l1(c, &adjusted, false);
        if (r)
            return r;
        if (adjusted != e)
            __atomic_store_n(&table[*index], adjusted, __ATOMIC_RELAXED);
    }
    return REFUSE_NONE;
}

void page_entry_release_l1(const uint64_t *table, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        release_l1(__atomic_load_n(&table[i], __ATOMIC_RELAXED));
}

// --- all levels

enum refusal page_entry_acquire(const struct entry_context *c, unsigned level, uint64_t *e)
{
    if (level == PAGE_TYPE_L1)
        return acquire_l1(c, e, c->frame_owner != c->table_owner);
    if (*e & ENTRY_TABLE_FORBIDDEN)
        return REFUSE_ENTRY_BAD_FLAGS;
    struct frame *f = frame_from_mfn(entry_mfn(*e));
    enum refusal r = frame_get_and_type(f, c->table_owner, (enum page_type)(level - 1), c->work);
    if (r == REFUSE_NONE)
        *e |= PTE_USER;
    return r;
}

void page_entry_release(unsigned level, uint64_t e, struct type_work *w)
{
    if (level == PAGE_TYPE_L1) {
        release_l1(e);
        return;
    }
    if (!(e & PTE_PRESENT))
        return;
    struct frame *f = frame_from_mfn(entry_mfn(e));
    BUG_ON(!f);
    frame_put_and_type(f, w);
}

// Store `value` if the entry is still `*expected` (NULL: whatever it is), accessed and dirty bits aside.
// *found is what was there. The table's lock is held.
static bool entry_exchange(uint64_t *slot, uint64_t value, bool keep_ad, const uint64_t *expected,
                           uint64_t *found)
{
    if (!expected && !keep_ad) {
        *found = __atomic_exchange_n(slot, value, __ATOMIC_SEQ_CST);
        return true;
    }
    *found = __atomic_load_n(slot, __ATOMIC_RELAXED);
    do {
        if (expected && (*found ^ *expected) & ~(uint64_t)PTE_AD)
            return false;
    } while (!__atomic_compare_exchange_n(slot, found, value | (keep_ad ? *found & PTE_AD : 0),
                                          true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    return true;
}

// The right to write comes or goes with an entry that goes on naming its frame. The table's lock is
// held, so the entry keeps its reference; nothing here waits. False: the long way has to do it.
static bool change_writable(const struct entry_context *c, uint64_t *slot, uint64_t old,
                            uint64_t value)
{
    struct frame *f = frame_from_mfn(entry_mfn(old));
    uint64_t found = __atomic_load_n(slot, __ATOMIC_RELAXED);

    // `old` was read without the lock: the frame is held only if the entry names it still.
    if ((found ^ old) & ~(uint64_t)PTE_AD)
        return false;
    if (!f || f->owner != c->frame_owner || (value & PTE_RW && !page_type_try_writable(f)))
        return false;
    if (value & PTE_RW && c->frame_owner != c->table_owner)
        frame_note_foreign(f);
    bool done = entry_exchange(slot, value, c->keep_ad, &old, &found);
    if (done == !(value & PTE_RW))
        frame_put_type(f, NULL);
    return done;
}

// The short way, for a level-1 entry that goes on naming its frame. True when the write is done or *r
// says that it is refused.
static bool write_same_frame(const struct entry_context *c, struct frame *table, uint64_t *slot,
                             uint64_t value, enum refusal *r)
{
    uint64_t old = __atomic_load_n(slot, __ATOMIC_RELAXED), found;

    if (!(old & value & PTE_PRESENT))
        return false;
    value = entry_adjust_l1(value);
    if ((old ^ value) & ~(ENTRY_SOFT | PTE_RW))
        return false;
    if (!page_type_lock_table(table, PAGE_TYPE_L1)) {
        *r = REFUSE_TABLE_NOT_VALID;
        return true;
    }
    bool done = (old ^ value) & PTE_RW ? change_writable(c, slot, old, value)
                                       : entry_exchange(slot, value, c->keep_ad, &old, &found);
    page_type_unlock_table(table);
    *r = REFUSE_NONE;
    return done;
}

enum refusal page_entry_write(const struct entry_context *c, struct frame *table, unsigned index,
                              uint64_t value, uint64_t *expected)
{
    uint64_t word = __atomic_load_n(&table->type, __ATOMIC_RELAXED), found;
    uint64_t *slot = (uint64_t *)frame_to_virt(table) + index;
    unsigned level = page_type_of(word);
    enum refusal r = REFUSE_NONE;

    if (!(word & TYPE_VALIDATED) || level < PAGE_TYPE_L1 || level > PAGE_TYPE_L4)
        return REFUSE_TABLE_NOT_VALID;
    if (level == PAGE_TYPE_L4 && page_entry_slot_is_ours(index))
        return REFUSE_ENTRY_RESERVED_SLOT;
    if (level > PAGE_TYPE_L1 && c->frame_owner != c->table_owner)
        return REFUSE_FRAME_NOT_OWNED; // only pages can be mapped from elsewhere
    if (level > PAGE_TYPE_L1 && !c->work)
        return REFUSE_TABLE_NOT_VALID; // the caller expects a level-1 table
    if (level == PAGE_TYPE_L1 && !expected && write_same_frame(c, table, slot, value, &r))
        return r;
    if (value & PTE_PRESENT) {
        r = page_entry_acquire(c, level, &value);
        if (r)
            return r;
    }
    if (!page_type_lock_table(table, level))
        r = REFUSE_TABLE_NOT_VALID;
    else {
        if (!entry_exchange(slot, value, c->keep_ad, expected, &found)) {
            r = REFUSE_ENTRY_CHANGED;
            *expected = found;
        }
        page_type_unlock_table(table);
    }
    page_entry_release(level, r ? value : found, c->work);
    return r;
}

// --- by linear address

// The level-1 entry that maps a canonical address, found by going down from the root of `v`, and its
// table; NULL if there is none. Tables on the way may change under us: frames are looked up as RAM
// before they are read, and what is found is checked when it is used.
static uint64_t *walk(const struct vcpu *v, uint64_t address, mfn_t *table)
{
    mfn_t mfn = v->in_kernel ? v->root_kernel : v->root_user;
    uint64_t indices =
        address << INDEX_TOP_SHIFT; // the index of each level comes to the top in turn

    if (page_entry_slot_is_ours(indices >> INDEX_DOWN_SHIFT))
        return NULL;
    for (unsigned level = PAGE_TYPE_L4; frame_from_mfn(mfn); level--) {
        uint64_t *slot = (uint64_t *)mfn_to_virt(mfn) + (indices >> INDEX_DOWN_SHIFT);
        if (level == PAGE_TYPE_L1) {
            *table = mfn;
            return slot;
        }
        uint64_t e = __atomic_load_n(slot, __ATOMIC_RELAXED);
        if ((e & (PTE_PRESENT | PTE_PSE)) != PTE_PRESENT)
            return NULL;
        mfn = entry_mfn(e);
        indices <<= INDEX_BITS;
    }
    return NULL;
}

enum refusal page_entry_find(const struct vcpu *v, uint64_t address, struct frame **table,
                             unsigned *index)
{
    mfn_t mfn;
    if (!is_canonical(address) || !walk(v, address, &mfn))
        return REFUSE_ENTRY_NO_TABLE;
    *table = frame_from_mfn(mfn);
    *index = address >> PAGE_SHIFT & (PAGE_ENTRIES - 1);
    return frame_get(*table, v->domain) ? REFUSE_ENTRY_NO_TABLE : REFUSE_NONE;
}

uint64_t page_entry_read(const struct vcpu *v, uint64_t address)
{
    mfn_t mfn;
    const uint64_t *slot = is_canonical(address) ? walk(v, address, &mfn) : NULL;
    uint64_t e = slot ? __atomic_load_n(slot, __ATOMIC_RELAXED) : 0;
    return e & PTE_PRESENT ? e : 0;
}

// --- grant mappings

// The table and index meant by a grant operation; holds a reference to the table.
static enum refusal grant_entry_find(struct vcpu *v, const struct page_entry_grant *g,
                                     struct frame **table, unsigned *index)
{
    if (!g->contains_pte)
        return page_entry_find(v, g->address, table, index);
    if (g->address % sizeof(uint64_t))
        return REFUSE_TABLE_UNALIGNED;
    *table = frame_from_mfn(maddr_to_mfn(MADDR(g->address)));
    if (!*table)
        return REFUSE_FRAME_NOT_RAM;
    *index = g->address % PAGE_SIZE / sizeof(uint64_t);
    return frame_get(*table, v->domain);
}

// Exchange a level-1 entry for `value` if its bits in `mask` are those of `wanted`. Ends the reference to
// the table. What the old entry held becomes the caller's.
static enum refusal grant_entry_exchange(struct frame *table, unsigned index, uint64_t value,
                                         uint64_t mask, uint64_t wanted, uint64_t *old)
{
    uint64_t *slot = (uint64_t *)frame_to_virt(table) + index, expected;
    enum refusal r = REFUSE_TABLE_NOT_VALID;

    if (page_type_lock_table(table, PAGE_TYPE_L1)) {
        expected = __atomic_load_n(slot, __ATOMIC_RELAXED);
        bool done = ((expected ^ wanted) & mask) == 0 &&
                    entry_exchange(slot, value, false, &expected, old);
        page_type_unlock_table(table);
        r = done ? REFUSE_NONE : REFUSE_GRANT_NOT_MAPPED;
    }
    frame_put(table);
    return r;
}

enum refusal page_entry_map_grant(struct vcpu *v, const struct page_entry_grant *g)
{
    uint64_t flags = (g->flags & (PTE_RW | PTE_USER | PTE_AVAIL)) | PTE_PRESENT | PTE_AD | PTE_NX;
    uint64_t value = entry_adjust_l1(mfn_to_maddr(g->mfn).v | flags), old;
    struct frame *table;
    unsigned index;

    struct frame *f = frame_from_mfn(g->mfn);
    if (g->flags & PTE_RW && f->owner != v->domain)
        frame_note_foreign(f);
    enum refusal r = grant_entry_find(v, g, &table, &index);
    if (r == REFUSE_NONE)
        r = grant_entry_exchange(table, index, value, 0, 0, &old);
    if (r == REFUSE_NONE)
        release_l1(old);
    return r;
}

enum refusal page_entry_unmap_grant(struct vcpu *v, const struct page_entry_grant *g,
                                    uint64_t replacement)
{
    uint64_t wanted = mfn_to_maddr(g->mfn).v | PTE_PRESENT | (g->flags & PTE_RW), old;
    struct frame *table;
    unsigned index;

    enum refusal r = grant_entry_find(v, g, &table, &index);
    if (r)
        return r;
    return grant_entry_exchange(table, index, replacement, PTE_ADDRESS | PTE_PRESENT | PTE_RW,
                                wanted, &old);
}

enum refusal page_entry_take(struct vcpu *v, uint64_t address, uint64_t *entry)
{
    struct frame *table;
    unsigned index;

    enum refusal r = page_entry_find(v, address, &table, &index);
    return r ? r : grant_entry_exchange(table, index, 0, 0, 0, entry);
}
