// SPDX-License-Identifier: MIT
// The page-type machine: what keeps a guest from writing its own page tables.
//
// The hardware walks the page tables that a guest has filled. So the hypervisor has to know of every
// frame whether it is a table, and that every table in use holds only entries that it has checked;
// and a frame that is a table (or holds descriptors) must not be writable through any mapping.
//
// Types. A frame has one type at a time: NONE, L1..L4 table, SEGDESC, WRITABLE, and counts its uses:
//   WRITABLE  one for each entry (or grant, or area of a vcpu) through which it can be written
//   SEGDESC   one for each descriptor table of a vcpu that lists it
//   L1..L3    one for each entry of a higher table that names it, one for a pin
//   L4        one for each root of a vcpu, one for a pin
// Read-only mappings are references without a type. The type changes only at count 0. Since a writable
// entry needs a WRITABLE use and a table entry a table use, no frame is both. Level n entries name
// level n-1 tables only; a table that names itself or its own level is a conflict, so recursive
// ("linear") tables are refused, tables form a tree of 4 levels, and recursion here ends.
//
// States of a table type (bits of frame.type):
//   unvalidated  count 0                                  nobody uses it, entries hold nothing
//   busy         count 1, neither VALIDATED nor PARTIAL   one CPU works on it; others that want it wait
//   partial      count 1, PARTIAL                         entries [0, index) hold references
//   validated    count >= 1, VALIDATED                    all present entries hold references
// Transitions: unvalidated -> busy (first get) -> validated, or -> partial (budget used up);
// partial -> busy (the next get of the same type goes on) -> ...; validated -> busy (last put) ->
// unvalidated, or -> partial and DOWN. The claim of a busy table is a compare-and-exchange, and who
// has it writes the word alone: nobody else changes a word that is busy. Whoever waits for a busy
// table holds busy tables of higher levels only, so nobody waits in a circle.
//
// A partial table holds exactly one type reference and one reference, and it is clear whose they are:
//   on the way up  the table's own. The caller of the get has been told REFUSE_CONTINUE and has none.
//                  Whoever gets the type next takes the type reference over. If nobody does, the
//                  death of the domain takes the table down (page_type_abandon).
//   on the way down  those of the struct type_work that lists it. Nobody gets a type on it meanwhile
//                  (TYPE_BUSY). It got there by a last put, or because an entry turned out to be bad.
// So a put always succeeds for its caller, and nobody drops a reference that he did not take.
//
// Stale translations. A frame whose use changes type is flushed from the CPUs that may remember the
// old one before it is VALIDATED under the new one, and so before anybody else can get it; tlb.c.
//
// Entry writes (page_entry.c) set LOCKED in the word of a validated table: the lock of this table. The
// last put waits for it. It is innermost: nothing is taken and nothing waited for while it is held.
//
// Preemption. Work is counted in entries; L2..L4 stop between two entries when the budget is used up.
// An L1 table is done in one go. Each call makes progress by at least one entry.
#include "hypervisor/page_type.h"

#include "hypervisor/descriptors.h"
#include "hypervisor/domain.h"
#include "hypervisor/page_entry.h"
#include "hypervisor/smp.h"
#include "hypervisor/tlb.h"

static bool type_is_table(enum page_type type)
{
    return type >= PAGE_TYPE_L1 && type <= PAGE_TYPE_L4;
}

static bool type_change(struct frame *f, uint64_t *old, uint64_t new)
{
    return __atomic_compare_exchange_n(&f->type, old, new, true, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

// For the one who works on a busy frame.
static void type_set(struct frame *f, uint64_t word)
{
    __atomic_store_n(&f->type, word, __ATOMIC_RELEASE);
}

static void type_set_partial(struct frame *f, unsigned level, unsigned index, uint64_t direction)
{
    type_set(f,
             TYPE_WORD(level) | TYPE_PARTIAL | direction | (uint64_t)index << TYPE_INDEX_SHIFT | 1);
}

static unsigned type_index(uint64_t word)
{
    return (unsigned)((word & TYPE_INDEX) >> TYPE_INDEX_SHIFT);
}

// --- the way down

// Release what entries [0, *index) of a busy table hold, from the end. False when the budget is used
// up; *index says what is left.
static bool table_release(struct frame *f, unsigned level, unsigned *index, struct type_work *w)
{
    const uint64_t *table = frame_to_virt(f);

    if (level == PAGE_TYPE_L1) {
        w->budget -= *index;
        page_entry_release_l1(table, *index);
        *index = 0;
        return true;
    }
    for (unsigned i = *index; i-- > 0; *index = i) {
        uint64_t e = __atomic_load_n(&table[i], __ATOMIC_RELAXED);
        if (!(e & PTE_PRESENT) || (level == PAGE_TYPE_L4 && page_entry_slot_is_ours(i)))
            continue;
        if (w->budget <= 0)
            return false;
        w->budget--;
        page_entry_release(level, e, w);
    }
    *index = 0;
    return true;
}

// Nothing uses the busy frame any more; entries of a table hold nothing. The stamp is taken while it is
// busy: read any earlier it could miss a use that has come and gone since.
static void type_finish(struct frame *f, enum page_type type)
{
    f->stamp = tlb_stamp_now();
    type_set(f, TYPE_WORD(type));
}

// Take a busy table down whose entries [0, index) hold references; what is left over goes to `w`.
static void table_take_down(struct frame *f, unsigned level, unsigned index, struct type_work *w)
{
    if (w->pending[level] && w->budget <= 0)
        w->budget = INT64_MAX; // its place is taken: do it at once
    if (table_release(f, level, &index, w)) {
        type_finish(f, level);
        return;
    }
    frame_hold(f);
    w->pending[level] = (uint32_t)frame_to_mfn(f).v;
    type_set_partial(f, level, index, TYPE_DOWN);
}

// One step: false when the budget ended before the table of this level was down.
static bool work_resume(struct type_work *w, unsigned level)
{
    if (!w->pending[level])
        return true;
    struct frame *f = &FRAME_TABLE[w->pending[level]];
    uint64_t word = __atomic_load_n(&f->type, __ATOMIC_ACQUIRE);
    unsigned index = type_index(word);
    BUG_ON((word & (TYPE_PARTIAL | TYPE_DOWN)) != (TYPE_PARTIAL | TYPE_DOWN));
    BUG_ON(page_type_of(word) != level);

    if (!table_release(f, level, &index, w)) {
        type_set_partial(f, level, index, TYPE_DOWN);
        return false;
    }
    w->pending[level] = 0;
    type_finish(f, level);
    frame_put(f);
    return true;
}

enum refusal type_work_begin(struct type_work *w, int64_t budget)
{
    w->budget = budget;
    if (!type_work_is_pending(w))
        return REFUSE_NONE;
    // Work at one level can leave work at the level below, whose place is free by then.
    for (unsigned level = PAGE_TYPE_L2; level <= PAGE_TYPE_L4; level++)
        if (!work_resume(w, level))
            break;
    return type_work_is_pending(w) ? REFUSE_CONTINUE : REFUSE_NONE;
}

void frame_put_type(struct frame *f, struct type_work *w)
{
    struct type_work unlimited = {.budget = INT64_MAX};
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_RELAXED);
    enum page_type type = page_type_of(old);

    for (;;) {
        uint64_t new = old - 1;
        BUG_ON((old & TYPE_COUNT) == 0);
        if ((new &TYPE_COUNT) == 0) {
            if (old & TYPE_LOCKED) { // an entry is being written
                cpu_relax();
                old = __atomic_load_n(&f->type, __ATOMIC_RELAXED);
                continue;
            }
            BUG_ON(old & TYPE_PINNED || !(old & TYPE_VALIDATED));
            new = TYPE_WORD(type) | 1; // busy
        }
        if (type_change(f, &old, new))
            break;
    }
    if ((old & TYPE_COUNT) != 1)
        return;
    if (type_is_table(type))
        table_take_down(f, type, PAGE_ENTRIES, w ? w : &unlimited);
    else
        type_finish(f, type);
}

// --- the way up

// Acquire what the present entries from *index on need. On any refusal *index says how far it got.
static enum refusal table_acquire(struct frame *f, unsigned level, unsigned *index,
                                  struct type_work *w)
{
    struct entry_context c = {.table_owner = f->owner, .frame_owner = f->owner, .work = w};
    uint64_t *table = frame_to_virt(f);
    const unsigned first = *index;

    if (level == PAGE_TYPE_L1) {
        w->budget -= PAGE_ENTRIES;
        return page_entry_acquire_l1(&c, table, index);
    }
    for (; *index < PAGE_ENTRIES; ++*index) {
        uint64_t e = __atomic_load_n(&table[*index], __ATOMIC_RELAXED), adjusted = e;
        if (!(e & PTE_PRESENT) || (level == PAGE_TYPE_L4 && page_entry_slot_is_ours(*index)))
            continue;
        if (w->budget <= 0 && *index != first)
            return REFUSE_CONTINUE;
        w->budget--;
        enum refusal r = page_entry_acquire(&c, level, &adjusted);
        if (r)
            return r;
        if (adjusted != e)
            __atomic_store_n(&table[*index], adjusted, __ATOMIC_RELAXED);
    }
    if (level == PAGE_TYPE_L4)
        paging_copy_slots(table, domain_assisted(f->owner, VMASST_TYPE_m2p_strict));
    return REFUSE_NONE;
}

// Validate a busy table from entry `index` on. `resumed`: it was partial, with references of its own.
static enum refusal table_validate(struct frame *f, unsigned level, unsigned index, bool resumed,
                                   struct type_work *w)
{
    enum refusal r = table_acquire(f, level, &index, w);

    if (r == REFUSE_NONE) {
        type_set(f, TYPE_WORD(level) | TYPE_VALIDATED | 1);
    } else if (r == REFUSE_CONTINUE) {
        if (!resumed)
            frame_hold(f);
        type_set_partial(f, level, index, 0);
        return r;
    } else {
        table_take_down(f, level, index, w);
    }
    if (resumed)
        frame_put(f); // the caller has one of his own
    return r;
}

// Nobody holds translations of the frame's last type any more.
static void forget_old_type(struct frame *f)
{
    bool is_foreign = __atomic_load_n(&f->count, __ATOMIC_ACQUIRE) & FRAME_FOREIGN;

    tlb_filter(f->stamp, is_foreign ? TLB_ANY_DOMAIN : f->owner->id);
    if (is_foreign)
        __atomic_fetch_and(&f->count, ~FRAME_FOREIGN, __ATOMIC_RELEASE);
}

// The frame is claimed (busy): make it what the new type asks for.
static enum refusal type_enter(struct frame *f, enum page_type type, uint64_t old,
                               struct type_work *w)
{
    struct type_work unlimited = {.budget = INT64_MAX};
    bool resumed = (old & TYPE_COUNT) != 0;
    enum page_type before = page_type_of(old);

    if (!resumed && before != type && before != PAGE_TYPE_NONE)
        forget_old_type(f);
    if (type_is_table(type))
        return table_validate(f, type, resumed ? type_index(old) : 0, resumed, w ? w : &unlimited);
    if (type == PAGE_TYPE_SEGDESC) {
        enum refusal r = descriptor_page_sanitise(frame_to_virt(f));
        if (r) {
            type_set(f, TYPE_WORD(type));
            return r;
        }
    }
    type_set(f, TYPE_WORD(type) | TYPE_VALIDATED | 1);
    return REFUSE_NONE;
}

// Nothing has to be done before the first use of `type` after `old`.
static bool type_is_ready(uint64_t old, enum page_type type)
{
    enum page_type before = page_type_of(old);
    return type == PAGE_TYPE_WRITABLE && (before == type || before == PAGE_TYPE_NONE);
}

enum refusal frame_get_type(struct frame *f, enum page_type type, struct type_work *w)
{
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_RELAXED), new;

    do {
        while ((old & TYPE_COUNT) && page_type_of(old) == type &&
               !(old & (TYPE_VALIDATED | TYPE_PARTIAL))) {
            // Another CPU works on it, and may wait for us to flush. Who comes from a fault on an LDT page
            // has interrupts off.
            if (!irq_enabled())
                tlb_flush_serve();
            cpu_relax();
            old = __atomic_load_n(&f->type, __ATOMIC_ACQUIRE);
        }
        if ((old & TYPE_COUNT) == 0)
            new = TYPE_WORD(type) | (type_is_ready(old, type) ? TYPE_VALIDATED : 0) | 1;
        else if (page_type_of(old) != type)
            return REFUSE_TYPE_CONFLICT;
        else if ((old & TYPE_COUNT) >= TYPE_COUNT_LIMIT)
            return REFUSE_TYPE_OVERFLOW;
        else if (old & TYPE_VALIDATED)
            new = old + 1;
        else if (old & TYPE_DOWN)
            return REFUSE_TYPE_BUSY;
        else
            new = TYPE_WORD(type) | 1;
    } while (!type_change(f, &old, new));
    return new &TYPE_VALIDATED ? REFUSE_NONE : type_enter(f, type, old, w);
}

bool page_type_abandon(struct frame *f, struct type_work *w)
{
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_RELAXED);

    do {
        if ((old & (TYPE_PARTIAL | TYPE_DOWN)) != TYPE_PARTIAL)
            return false;
    } while (!type_change(f, &old, TYPE_WORD(page_type_of(old)) | 1));
    table_take_down(f, page_type_of(old), type_index(old), w);
    frame_put(f);
    return true;
}

// --- both references; pins

enum refusal frame_get_and_type(struct frame *f, const struct domain *d, enum page_type type,
                                struct type_work *w)
{
    enum refusal r = f ? frame_get(f, d) : REFUSE_FRAME_NOT_RAM;
    if (r)
        return r;
    r = frame_get_type(f, type, w);
    if (r)
        frame_put(f);
    return r;
}

void frame_put_and_type(struct frame *f, struct type_work *w)
{
    frame_put_type(f, w);
    frame_put(f);
}

enum refusal page_type_pin(struct frame *f, const struct domain *d, unsigned level,
                           struct type_work *w)
{
    enum refusal r = frame_get_and_type(f, d, (enum page_type)level, w);
    if (r)
        return r;
    if (__atomic_fetch_or(&f->type, TYPE_PINNED, __ATOMIC_ACQ_REL) & TYPE_PINNED) {
        frame_put_and_type(f, w);
        return REFUSE_PIN_TWICE;
    }
    return REFUSE_NONE;
}

enum refusal page_type_unpin_held(struct frame *f, struct type_work *w)
{
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_RELAXED);

    do {
        if (!(old & TYPE_PINNED))
            return REFUSE_PIN_NONE;
    } while (!type_change(f, &old, old & ~TYPE_PINNED));
    frame_put_and_type(f, w); // the pin's
    return REFUSE_NONE;
}

enum refusal page_type_unpin(struct frame *f, const struct domain *d, struct type_work *w)
{
    enum refusal r = f ? frame_get(f, d) : REFUSE_FRAME_NOT_RAM;

    if (r != REFUSE_NONE)
        return r;
    r = page_type_unpin_held(f, w);
    frame_put(f);
    return r;
}

// --- the lock of a table

bool page_type_lock_table(struct frame *f, unsigned level)
{
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_RELAXED);

    do {
        while (old & TYPE_LOCKED) {
            cpu_relax();
            old = __atomic_load_n(&f->type, __ATOMIC_RELAXED);
        }
        if (page_type_of(old) != level || !(old & TYPE_VALIDATED))
            return false;
    } while (!type_change(f, &old, old | TYPE_LOCKED));
    return true;
}

void page_type_unlock_table(struct frame *f)
{
    __atomic_fetch_and(&f->type, ~TYPE_LOCKED, __ATOMIC_RELEASE);
}
