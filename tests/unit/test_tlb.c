// SPDX-License-Identifier: MIT
// The flush clock: who is flushed and who is not, the wrap, and for each way in which a frame changes
// its use, that a CPU which remembers the old one is flushed before.
#include "hypervisor/asm.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/page_entry.h"
#include "hypervisor/tlb.h"
#include "tests/report.h"
#include "tests/unit/host/memory.h"
#include <CUnit/CUnit.h>

#define RW (PTE_PRESENT | PTE_RW)
#define FIRST 8u
#define END 40u
#define CPUS 4
#define SOME_ROOT 0x1000

static struct domain *dom, *other;
static struct type_work work;
static unsigned flushed[CPUS]; // roots loaded on each CPU, flushes included

static void count_flush(unsigned cpu)
{
    flushed[cpu]++;
}

static void flush_on(unsigned cpu)
{
    host_cpu_current = cpu;
    tlb_flush_local();
    host_cpu_current = 0;
}

static void load_on_of(unsigned cpu, maddr_t root, const struct domain *d)
{
    host_cpu_current = cpu;
    tlb_load_root(root, d->id);
    host_cpu_current = 0;
}

static void load_on(unsigned cpu, maddr_t root)
{
    load_on_of(cpu, root, dom);
}

// All CPUs are on some guest's root and have flushed; from here on flushes are counted.
static void start(void)
{
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        load_on(cpu, MADDR(SOME_ROOT));
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        flushed[cpu] = 0;
}

static unsigned flushes(void)
{
    return flushed[0] + flushed[1] + flushed[2] + flushed[3];
}

static void only_stale_cpus_are_flushed(void)
{
    start();
    uint32_t stamp = tlb_stamp_now();
    flush_on(2);
    flushed[2] = 0;
    CU_ASSERT_EQUAL(tlb_stale_cpus(stamp, TLB_ANY_DOMAIN).bits, 0xb);
    tlb_filter(stamp, TLB_ANY_DOMAIN);
    CU_ASSERT_EQUAL(flushed[0], 1);
    CU_ASSERT_EQUAL(flushed[1], 1);
    CU_ASSERT_EQUAL(flushed[2], 0);
    CU_ASSERT_EQUAL(flushed[3], 1);
    tlb_filter(stamp, TLB_ANY_DOMAIN);
    CU_ASSERT_EQUAL(flushes(), 3);
    CU_ASSERT_EQUAL(tlb_stale_cpus(stamp, TLB_ANY_DOMAIN).bits, 0);
}

static void a_flush_that_begins_later_counts(void)
{
    start();
    flush_on(1);
    uint32_t stamp = tlb_stamp_now(); // not earlier than that flush: it proves nothing
    CU_ASSERT(cpumask_has(tlb_stale_cpus(stamp, TLB_ANY_DOMAIN), 1));
    flush_on(1);
    CU_ASSERT(!cpumask_has(tlb_stale_cpus(stamp, TLB_ANY_DOMAIN), 1));
}

static void cpus_that_are_off_are_left_alone(void)
{
    start();
    cpu_table[3].is_online = false;
    tlb_filter(tlb_stamp_now(), TLB_ANY_DOMAIN);
    CU_ASSERT_EQUAL(flushed[3], 0);
    cpu_table[3].is_online = true;
}

// A CPU on the idle root remembers nothing, until it is on a guest's root again.
static void idle_cpus_are_left_alone(void)
{
    start();
    load_on(2, idle_l4_maddr());
    flushed[2] = 0;
    uint32_t stamp = tlb_stamp_now();
    CU_ASSERT_EQUAL(tlb_stale_cpus(stamp, TLB_ANY_DOMAIN).bits, 0xb);
    tlb_filter(stamp, TLB_ANY_DOMAIN);
    CU_ASSERT_EQUAL(flushed[2], 0);
    flush_on(2);
    CU_ASSERT_EQUAL(tlb_stale_cpus(tlb_stamp_now(), TLB_ANY_DOMAIN).bits, 0xb);
    load_on(2, MADDR(SOME_ROOT));
    CU_ASSERT_EQUAL(tlb_stale_cpus(tlb_stamp_now(), TLB_ANY_DOMAIN).bits, 0xf);
}

static uint32_t stamp_seen;
static unsigned domain_seen;
static void look_at_stamp(unsigned cpu)
{
    stamp_seen = (uint32_t)cpu_table[cpu].tlb_stamp;
    domain_seen = (unsigned)(cpu_table[cpu].tlb_stamp >> TLB_DOMAIN_SHIFT);
}

// At the moment when a root of a guest is loaded after idling, others see an ordinary stamp already;
// when one is loaded after another one, they still see the old one.
static void stamps_around_a_load(void)
{
    start();
    load_on(1, idle_l4_maddr());
    host_root_loaded = look_at_stamp;
    load_on(1, MADDR(SOME_ROOT));
    CU_ASSERT_EQUAL(stamp_seen, tlb_clock);
    CU_ASSERT_EQUAL(domain_seen, dom->id);
    load_on(1, MADDR(SOME_ROOT));
    CU_ASSERT_EQUAL(stamp_seen, tlb_clock - 1);
    CU_ASSERT_EQUAL(domain_seen, dom->id);
    // One of another domain: at that moment there may be translations of either.
    load_on_of(1, MADDR(SOME_ROOT), other);
    CU_ASSERT_EQUAL(stamp_seen, tlb_clock - 1);
    CU_ASSERT_EQUAL(domain_seen, TLB_ANY_DOMAIN);
    CU_ASSERT_EQUAL(cpu_table[1].tlb_stamp >> TLB_DOMAIN_SHIFT, other->id);
    flush_on(1);
    CU_ASSERT_EQUAL(domain_seen, other->id);
    load_on(1, idle_l4_maddr()); // it is the last one's until it is done
    CU_ASSERT_EQUAL(domain_seen, other->id);
    flush_on(1);
    CU_ASSERT_EQUAL(cpu_table[1].tlb_stamp, TLB_NOTHING_CACHED);
    host_root_loaded = count_flush;
}

static void the_clock_wraps(void)
{
    start();
    tlb_clock = UINT32_MAX - 2;
    flush_on(0);
    uint32_t old = tlb_stamp_now();
    flush_on(0);
    CU_ASSERT_EQUAL(tlb_clock, UINT32_MAX);
    flush_on(1);
    CU_ASSERT_EQUAL(tlb_clock, 0);
    flush_on(2); // does not move it
    CU_ASSERT_EQUAL(tlb_clock, 0);
    uint32_t during = tlb_stamp_now();
    CU_ASSERT_EQUAL(tlb_stale_cpus(during, TLB_ANY_DOMAIN).bits, 0xf);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        flushed[cpu] = 0;
    tlb_filter(during, TLB_ANY_DOMAIN);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        CU_ASSERT_EQUAL(flushed[cpu], 1);
    CU_ASSERT_EQUAL(tlb_clock, 1);
    // From before the wrap: a flush too many, never one too few.
    CU_ASSERT_EQUAL(tlb_stale_cpus(old, TLB_ANY_DOMAIN).bits, 0xf);
    uint32_t after = tlb_stamp_now();
    CU_ASSERT_EQUAL(tlb_stale_cpus(after, TLB_ANY_DOMAIN).bits, 0xf);
    flush_on(1);
    CU_ASSERT_EQUAL(tlb_stale_cpus(after, TLB_ANY_DOMAIN).bits, 0xd);
}

// --- uses of a frame

static struct frame *take(void)
{
    return host_page(dom);
}

static void give(struct frame *f)
{
    CU_ASSERT_EQUAL(domain_free_frame(dom, frame_to_mfn(f)), REFUSE_NONE);
}

static void writable_to_table(void)
{
    struct frame *f = take();
    CU_ASSERT_EQUAL(frame_get_writable(f, dom), REFUSE_NONE);
    start();
    frame_put_writable(f);
    CU_ASSERT_EQUAL(flushes(), 0); // put off until it matters
    CU_ASSERT_EQUAL(frame_get_writable(f, dom), REFUSE_NONE);
    frame_put_writable(f);
    CU_ASSERT_EQUAL(flushes(), 0); // the same use again
    CU_ASSERT_EQUAL(page_type_pin(f, dom, 1, &work), REFUSE_NONE);
    CU_ASSERT_EQUAL(flushes(), CPUS);
    page_type_unpin(f, dom, &work);
    give(f);
}

static void table_to_writable(void)
{
    struct frame *f = take();
    CU_ASSERT_EQUAL(page_type_pin(f, dom, 2, &work), REFUSE_NONE);
    start();
    page_type_unpin(f, dom, &work);
    CU_ASSERT_EQUAL(page_type_pin(f, dom, 2, &work), REFUSE_NONE);
    page_type_unpin(f, dom, &work);
    CU_ASSERT_EQUAL(flushes(), 0);
    CU_ASSERT_EQUAL(frame_get_writable(f, dom), REFUSE_NONE);
    CU_ASSERT_EQUAL(flushes(), CPUS);
    frame_put_writable(f);
    give(f);
}

static void table_to_other_table(void)
{
    struct frame *f = take();
    CU_ASSERT_EQUAL(page_type_pin(f, dom, 2, &work), REFUSE_NONE);
    start();
    page_type_unpin(f, dom, &work);
    CU_ASSERT_EQUAL(page_type_pin(f, dom, 3, &work), REFUSE_NONE);
    CU_ASSERT_EQUAL(flushes(), CPUS);
    page_type_unpin(f, dom, &work);
    give(f);
}

static void writable_to_descriptors(void)
{
    struct frame *f = take();
    CU_ASSERT_EQUAL(frame_get_writable(f, dom), REFUSE_NONE);
    start();
    frame_put_writable(f);
    CU_ASSERT_EQUAL(frame_get_and_type(f, dom, PAGE_TYPE_SEGDESC, NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(flushes(), CPUS);
    start();
    frame_put_and_type(f, NULL);
    CU_ASSERT_EQUAL(frame_get_writable(f, dom), REFUSE_NONE);
    CU_ASSERT_EQUAL(flushes(), CPUS);
    frame_put_writable(f);
    give(f);
}

// A read-only mapping leaves no type behind, but the next owner must not be read by it.
static void to_another_owner(void)
{
    struct frame *f[END - FIRST + 1];
    unsigned n = 0;
    while ((f[n] = take()) != NULL)
        n++;
    start();
    give(f[0]);
    CU_ASSERT_EQUAL(flushes(), 0);
    struct frame *again = host_page(other);
    CU_ASSERT_PTR_EQUAL(again, f[0]);
    CU_ASSERT_EQUAL(flushes(), CPUS);
    start();
    domain_free_frame(other, frame_to_mfn(again));
    void *page = page_alloc(0); // the hypervisor is another owner too
    CU_ASSERT_EQUAL(flushes(), CPUS);
    page_free(page, 0);
    while (n-- > 1)
        give(f[n]);
}

// A table that was unhooked is remembered by walks: its pages, and it itself, are stamped after that.
static void unhooked_table(void)
{
    struct frame *l2 = take(), *l1 = take(), *page = take();
    struct entry_context c = {dom, dom, &work, false};
    ((uint64_t *)frame_to_virt(l1))[0] = frame_to_mfn(page).v << PAGE_SHIFT | RW;
    ((uint64_t *)frame_to_virt(l2))[0] = frame_to_mfn(l1).v << PAGE_SHIFT | RW;
    CU_ASSERT_EQUAL(page_type_pin(l2, dom, 2, &work), REFUSE_NONE);
    start(); // from now on CPU 1 has walked it
    CU_ASSERT_EQUAL(page_entry_write(&c, l2, 0, 0, NULL), REFUSE_NONE);
    CU_ASSERT_EQUAL(flushes(), 0);
    CU_ASSERT_EQUAL(page_type_pin(page, dom, 1, &work), REFUSE_NONE);
    CU_ASSERT_EQUAL(flushes(), CPUS);
    CU_ASSERT_EQUAL(frame_get_writable(l1, dom), REFUSE_NONE);
    CU_ASSERT_EQUAL(flushes(), CPUS); // that flush was later than the table's end, too
    frame_put_writable(l1);
    page_type_unpin(page, dom, &work);
    page_type_unpin(l2, dom, &work);
    give(page);
    give(l1);
    give(l2);
}

// The end of a table whose last entries went long before is what counts.
static void table_is_stamped_last(void)
{
    struct frame *l1 = take();
    CU_ASSERT_EQUAL(frame_get_writable(l1, dom), REFUSE_NONE);
    frame_put_writable(l1);
    CU_ASSERT_EQUAL(page_type_pin(l1, dom, 1, &work), REFUSE_NONE);
    start(); // every CPU has flushed since it was writable, and walks it now
    page_type_unpin(l1, dom, &work);
    CU_ASSERT_EQUAL(frame_get_writable(l1, dom), REFUSE_NONE);
    CU_ASSERT_EQUAL(flushes(), CPUS);
    frame_put_writable(l1);
    give(l1);
}

// --- whose translations matter

static void retype(struct frame *f)
{
    CU_ASSERT_EQUAL(frame_get_writable(f, f->owner), REFUSE_NONE);
    frame_put_writable(f);
    CU_ASSERT_EQUAL(page_type_pin(f, f->owner, 1, &work), REFUSE_NONE);
    page_type_unpin(f, f->owner, &work);
}

// CPUs 1 and 2 are on a root of another domain.
static void start_mixed(void)
{
    load_on_of(1, MADDR(SOME_ROOT), other);
    load_on_of(2, MADDR(SOME_ROOT), other);
    flush_on(0);
    flush_on(3);
    memset(flushed, 0, sizeof(flushed));
}

static void others_are_left_alone(void)
{
    struct frame *f = take();
    start();
    start_mixed();
    retype(f);
    CU_ASSERT_EQUAL(flushed[0] + flushed[3], 2);
    CU_ASSERT_EQUAL(flushed[1] + flushed[2], 0);
    // One that is between two roots counts as everybody's.
    cpu_table[1].tlb_stamp |= (uint64_t)TLB_ANY_DOMAIN << TLB_DOMAIN_SHIFT;
    CU_ASSERT_EQUAL(tlb_stale_cpus(tlb_stamp_now(), dom->id).bits, 0xb);
    CU_ASSERT_EQUAL(tlb_stale_cpus(tlb_stamp_now(), other->id).bits, 0x6);
    CU_ASSERT_EQUAL(tlb_stale_cpus(tlb_stamp_now(), 77).bits, 0x2);
    give(f);
}

// The domain of CPUs 1 and 2 maps a frame, and takes the mapping away again.
static void map_elsewhere(struct frame *f, uint64_t flags, bool by_grant)
{
    struct frame *l1 = host_page(other);
    struct entry_context c = {other, dom, &work, false};
    uint64_t machine = frame_to_mfn(f).v << PAGE_SHIFT;

    CU_ASSERT_EQUAL(page_type_pin(l1, other, 1, &work), REFUSE_NONE);
    if (by_grant) {
        struct page_entry_grant g = {frame_to_mfn(l1).v << PAGE_SHIFT, true, frame_to_mfn(f),
                                     flags};
        CU_ASSERT_EQUAL(frame_get_writable(f, dom), REFUSE_NONE);
        CU_ASSERT_EQUAL(page_entry_map_grant(other->vcpu[0], &g), REFUSE_NONE);
    } else {
        CU_ASSERT_EQUAL(page_entry_write(&c, l1, 0, machine | flags, NULL), REFUSE_NONE);
        CU_ASSERT_EQUAL(page_entry_write(&c, l1, 0, machine | PTE_PRESENT, NULL), REFUSE_NONE);
        CU_ASSERT_EQUAL(page_entry_write(&c, l1, 0, machine | flags, NULL), REFUSE_NONE);
    }
    CU_ASSERT_EQUAL(page_entry_write(&c, l1, 0, 0, NULL), REFUSE_NONE);
    page_type_unpin(l1, other, &work);
    CU_ASSERT_EQUAL(domain_free_frame(other, frame_to_mfn(l1)), REFUSE_NONE);
}

static void foreign_mappers_are_not(void)
{
    for (unsigned by_grant = 0; by_grant < 2; by_grant++) {
        struct frame *f = take();
        start();
        map_elsewhere(f, RW, by_grant);
        start_mixed();
        retype(f);
        CU_ASSERT_EQUAL(flushes(), CPUS);
        // That is known from now on; nobody has it any more.
        start_mixed();
        retype(f);
        CU_ASSERT_EQUAL(flushed[1] + flushed[2], 0);
        CU_ASSERT(flushed[0] && flushed[3]);
        give(f);
    }
}

// Reading is no conflict with any type.
static void foreign_readers_are(void)
{
    struct frame *f = take();
    start();
    map_elsewhere(f, PTE_PRESENT, false);
    start_mixed();
    retype(f);
    CU_ASSERT_EQUAL(flushed[1] + flushed[2], 0);
    give(f);
}

// The mark stays while the frame is out of its owner's hands and comes back.
static void stolen_and_given_back(void)
{
    struct frame *f = take();
    start();
    map_elsewhere(f, RW, false);
    CU_ASSERT_EQUAL(domain_steal_frame(dom, frame_to_mfn(f)), REFUSE_NONE);
    domain_unsteal_frame(dom, frame_to_mfn(f));
    start_mixed();
    retype(f);
    CU_ASSERT_EQUAL(flushes(), CPUS);
    give(f);
}

// Loading a root is a flush.
static void roots(void)
{
    struct frame *l4 = take(), *f = take();
    struct vcpu *v = dom->vcpu[0];
    v->type_work.budget = 100;
    CU_ASSERT_EQUAL(vcpu_set_root(v, frame_to_mfn(l4), false), REFUSE_NONE);
    CU_ASSERT_EQUAL(vcpu_set_root(v, frame_to_mfn(f), true), REFUSE_NONE);
    CU_ASSERT_EQUAL(vcpu_set_root(v, MFN(END + 1), false), REFUSE_FRAME_NOT_RAM);
    CU_ASSERT_EQUAL(vcpu_set_root(v, MFN_INVALID, false), REFUSE_ROOT_BAD);
    start();
    uint32_t stamp = tlb_stamp_now();
    vcpu_load_root(v);
    CU_ASSERT_EQUAL(host_cr3[0], frame_to_mfn(l4).v << PAGE_SHIFT);
    CU_ASSERT(!cpumask_has(tlb_stale_cpus(stamp, TLB_ANY_DOMAIN), 0));
    v->in_kernel = false;
    vcpu_load_root(v);
    CU_ASSERT_EQUAL(host_cr3[0], frame_to_mfn(f).v << PAGE_SHIFT);
    // The root in use is changed: the new one is loaded before the old one is released.
    host_vcpu_current = v;
    CU_ASSERT_EQUAL(vcpu_set_root(v, MFN_INVALID, true), REFUSE_NONE);
    CU_ASSERT_EQUAL(host_cr3[0], idle_l4_maddr().v);
    host_vcpu_current = NULL;
    v->in_kernel = true;
    vcpu_drop_roots(v, &work);
    CU_ASSERT_EQUAL(l4->type & TYPE_COUNT, 0);
    give(l4);
    give(f);
}

int main(void)
{
    static const struct report_case cases[] = {
        REPORT_CASE(only_stale_cpus_are_flushed),
        REPORT_CASE(a_flush_that_begins_later_counts),
        REPORT_CASE(cpus_that_are_off_are_left_alone),
        REPORT_CASE(idle_cpus_are_left_alone),
        REPORT_CASE(stamps_around_a_load),
        REPORT_CASE(the_clock_wraps),
        REPORT_CASE(writable_to_table),
        REPORT_CASE(table_to_writable),
        REPORT_CASE(table_to_other_table),
        REPORT_CASE(writable_to_descriptors),
        REPORT_CASE(to_another_owner),
        REPORT_CASE(unhooked_table),
        REPORT_CASE(table_is_stamped_last),
        REPORT_CASE(others_are_left_alone),
        REPORT_CASE(foreign_mappers_are_not),
        REPORT_CASE(foreign_readers_are),
        REPORT_CASE(stolen_and_given_back),
        REPORT_CASE(roots),
    };
    host_cpu_count = CPUS;
    host_memory_init(FIRST, END);
    host_root_loaded = count_flush;
    work.budget = INT64_MAX;
    dom = host_domain(1, 1000);
    other = host_domain(2, 1000);
    int status = report_run("tlb", cases, sizeof(cases) / sizeof(cases[0]));
    host_domain_free(dom);
    host_domain_free(other);
    return status;
}
