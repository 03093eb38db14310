// SPDX-License-Identifier: MIT
// The flush clock: when may a frame change its use although CPUs cache translations?
//
// The danger. A CPU may keep a translation (TLB entry) or a part of a walk (paging-structure cache)
// long after the entry that it came from has been changed. If a frame was mapped writable and becomes
// a page table, a stale translation lets a guest write its own page tables; if it was a page table
// and becomes writable memory, a stale partial walk lets the CPU take translations from what the
// guest writes there; if it goes to another owner, the old one can still read or write it.
//
// The rule. Nobody flushes when an entry is removed; instead
//  1. an entry is removed, or the table above it unhooked, by a locked write;
//  2. then the references that it held are dropped; when the last writable or table use of a frame
//     ends, or the frame is freed, the frame records the clock: its stamp;
//  3. before a frame is used under a conflicting type, or by another owner, the hypervisor included,
//     tlb_filter(stamp) flushes every CPU whose last complete flush is not later than the stamp, and
//     waits until they have.
//
// Why it is enough. A complete flush on CPU c is: take a new clock value e (atomic increment), flush,
// publish e as c's stamp. Let s be the stamp of a frame. If e > s, then the clock was read for s
// before it was incremented to e, so the removal (which precedes the reading) precedes the flush: after
// it c holds nothing of the removed entry and can load nothing from it again. If e <= s the order is
// unknown and c is flushed. This holds whatever c runs, for it counts flushes of CPUs, not of domains:
// foreign and grant mappers are covered, and so are CPUs that idle on a guest's root.
//
// Whose translations. Loading a root is a complete flush, so a CPU holds only what it has found in the
// tables of the domain whose root it is on; vcpus are put only on roots of their own domain, whose tables
// are all its own. That domain is published beside the stamp, in one word. When the domain changes, "any"
// is published before the load and the new one after it: who reads domain x reads of a CPU that has
// flushed since it was on another one's root, and that will not be on one before it has said so. (Saying so
// is a full barrier, and so is the removal of an entry: if tlb_filter() does not see the announcement, the
// walks behind it do not see the entry.)
// So when a frame changes its type but not its owner, CPUs matter that can hold the owner's translations,
// for it alone has had the frame in its tables; and the others only if somebody else has mapped it, a
// foreign or a grant mapper. What matters then is a mapping for writing: nobody else's walks go through it
// as a table, and reading it is no conflict with any type. Each such mapping marks the frame
// (FRAME_FOREIGN) while it holds the WRITABLE type, hence before it can be used and not while
// the type changes; a marked frame is filtered for all CPUs, and the mark taken away: there is no such
// mapping then, for the type has no use, nor a memory of one. Frames that change their owner are always
// filtered for all CPUs.
//
// Tables. When the type of a table ends, its entries' references are dropped but the entries are still
// in its memory, and a CPU with a stale partial walk may use them until it flushes. The frames they
// name have stamps taken after the table was unhooked: a CPU that has flushed since cannot reach the
// table any more, so the argument above holds with "unhooked" as the removal. The table's own stamp
// is taken last, and until tlb_filter() has used it the table is not writable and not freed for reuse;
// so the accessed and dirty bits that a stale walk may still set go into a dead table, nowhere else.
//
// Guest entries never have the global bit, and process-context identifiers are not used: loading CR3
// is a complete flush of everything that a guest has mapped. A memory clear of a freed frame comes
// after the filter, not before.
//
// The idle root maps nothing of a guest, so a CPU that is on it has nothing to flush: its stamp then is
// TLB_NOTHING_CACHED, later than all others. It gets an ordinary one before it loads a guest's root:
// that value was taken before anything could be cached, so every later stamp of a frame finds it, and the
// domain is right at once.
//
// Wrap. The clock has 32 bits, stamps as well. When it wraps it stays 0: flushes at 0 publish 0, stamps
// at 0 are 0, and tlb_filter() flushes all CPUs, after which it lets the clock go on at 1. A stamp from
// before the wrap is large, so it may only cause a flush too many; no CPU has a stamp from before the
// wrap, because all were flushed at 0. The values of a flush are taken and published with interrupts
// off, so a flush request cannot come between the two.
#include "hypervisor/tlb.h"

#include "hypervisor/paging.h"
#include "hypervisor/smp.h"

uint32_t tlb_clock = 1;

// A new clock value for a flush that begins now; 0 while the clock waits.
static uint32_t clock_tick(void)
{
    uint32_t now = __atomic_load_n(&tlb_clock, __ATOMIC_RELAXED);
    do {
        if (now == 0)
            return 0;
    } while (!__atomic_compare_exchange_n(&tlb_clock, &now, now + 1, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    return now + 1;
}

static void stamp_publish(uint64_t stamp)
{
    __atomic_store_n(&this_cpu()->tlb_stamp, stamp, __ATOMIC_SEQ_CST);
}

void tlb_load_root(maddr_t root, domid_t domain)
{
    uint64_t flags = irq_save();
    uint64_t before = this_cpu()->tlb_stamp;
    uint64_t after = (uint64_t)domain << TLB_DOMAIN_SHIFT | clock_tick();

    if (root.v == idle_l4_maddr().v)
        after = TLB_NOTHING_CACHED; // until then the old one says what may be there
    else if (before == TLB_NOTHING_CACHED)
        stamp_publish(after);
    else if ((before ^ after) >> TLB_DOMAIN_SHIFT)
        stamp_publish((uint64_t)TLB_ANY_DOMAIN << TLB_DOMAIN_SHIFT | (uint32_t)before);
    write_cr3(root.v);
    stamp_publish(after);
    irq_restore(flags);
}

// As loading the root once more; the domain stays what it is.
void tlb_flush_local(void)
{
    uint64_t flags = irq_save();
    uint64_t published = this_cpu()->tlb_stamp;
    uint32_t tick = clock_tick();

    write_cr3(read_cr3());
    if (published != TLB_NOTHING_CACHED)
        stamp_publish((published & ~(uint64_t)UINT32_MAX) | tick);
    irq_restore(flags);
}

static bool is_stale(uint64_t published, uint32_t stamp, unsigned domain)
{
    if ((uint32_t)published > stamp || published == TLB_NOTHING_CACHED)
        return false;
    uint64_t of = published >> TLB_DOMAIN_SHIFT;
    return domain == TLB_ANY_DOMAIN || of == domain || of == TLB_ANY_DOMAIN;
}

struct cpumask tlb_stale_cpus(uint32_t stamp, unsigned domain)
{
    struct cpumask stale = {0};
    bool all = __atomic_load_n(&tlb_clock, __ATOMIC_SEQ_CST) == 0;
    for (unsigned id = 0; id < cpu_count(); id++) {
        const struct cpu *cpu = cpu_get(id);
        if (!cpu->is_online)
            continue;
        if (all || is_stale(__atomic_load_n(&cpu->tlb_stamp, __ATOMIC_SEQ_CST), stamp, domain))
            cpumask_add(&stale, id);
    }
    return stale;
}

void tlb_flush_mask(struct cpumask mask)
{
    unsigned self = this_cpu_id();
    if (cpumask_has(mask, self)) {
        tlb_flush_local();
        mask.bits &= ~(1ull << self);
    }
    if (!cpumask_empty(mask))
        tlb_flush_request(mask);
}

void tlb_filter(uint32_t stamp, unsigned domain)
{
    bool wrapped = __atomic_load_n(&tlb_clock, __ATOMIC_SEQ_CST) == 0;
    struct cpumask stale = wrapped ? tlb_stale_cpus(UINT32_MAX, TLB_ANY_DOMAIN)
                                   : tlb_stale_cpus(stamp, domain);
    if (!cpumask_empty(stale))
        tlb_flush_mask(stale);
    if (wrapped) {
        uint32_t zero = 0;
        (void)__atomic_compare_exchange_n(&tlb_clock, &zero, 1, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED);
    }
}
