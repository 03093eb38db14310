// SPDX-License-Identifier: MIT
// Page types under real concurrency: four threads play the CPUs of a guest that does everything at
// once to the same few frames, tables half validated and half taken down included. Afterwards every
// count must be what page_type_model.c works out, and death must give everything back. (What CPUs may
// cache is the business of test_page_type.c.)
#include "hypervisor/cpu.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/page_entry.h"
#include "tests/report.h"
#include "tests/unit/page_type_model.h"
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RW (PTE_PRESENT | PTE_RW)
#define FIRST 8u
#define END 90u
#define THREADS 4
#define ROUNDS 12
#define POOL 40

static struct domain *dom;
static struct frame *pool[POOL]; // atomic
static struct type_work work[THREADS];

static unsigned pick(unsigned n)
{
    return (unsigned)(host_random() % n);
}

static unsigned pick_index(void)
{
    return pick(15) ? pick(3) : 511;
}

// Places of the pool mostly serve as one level.
static struct frame *pick_level(unsigned level)
{
    unsigned i = pick(POOL);
    while (pick(20) && i % 5 != level)
        i = pick(POOL);
    return __atomic_load_n(&pool[i], __ATOMIC_ACQUIRE);
}

static uint64_t pick_entry(unsigned level)
{
    struct frame *f = pick_level(level ? level - 1 : 0);
    return f && pick(5) ? frame_to_mfn(f).v << PAGE_SHIFT | PTE_PRESENT | (pick(2) ? PTE_RW : 0)
                        : 0;
}

static void op_fill(struct type_work *w)
{
    unsigned level = 1 + pick(4);
    struct frame *f = pick_level(level);
    (void)w;
    if (!f || frame_get_writable(f, dom))
        return;
    uint64_t *words = frame_to_virt(f);
    memset(words, 0, PAGE_SIZE);
    for (unsigned i = 0; i < 3; i++)
        words[pick_index()] = pick_entry(level);
    frame_put_writable(f);
}

static void op_entry(struct type_work *w)
{
    unsigned level = 1 + pick(4);
    struct frame *f = pick_level(level);
    struct entry_context c = {dom, dom, w, pick(2)};
    uint64_t expected = 0;

    if (!f || frame_get(f, dom))
        return;
    page_entry_write(&c, f, pick_index(), pick_entry(level), pick(4) ? NULL : &expected);
    frame_put(f);
}

static void op_pin(struct type_work *w)
{
    unsigned level = 1 + pick(4);
    struct frame *f = pick_level(level);
    if (f && pick(2))
        page_type_pin(f, dom, level, w);
    else if (f)
        page_type_unpin(f, dom, w);
}

static void op_give_and_take(struct type_work *w)
{
    unsigned i = pick(POOL);
    struct frame *f = __atomic_exchange_n(&pool[i], NULL, __ATOMIC_ACQ_REL);
    (void)w; // what is in use stays: given back it would be lost to the test until the end
    if (!f)
        f = host_page(dom);
    else if (frame_refs(f) == 1 && pick(3) == 0 &&
             domain_free_frame(dom, frame_to_mfn(f)) == REFUSE_NONE)
        f = NULL;
    else if (domain_steal_frame(dom, frame_to_mfn(f)) == REFUSE_NONE)
        domain_unsteal_frame(dom, frame_to_mfn(f));
    // Another thread may have filled the place meanwhile: then this one gives its frame back.
    struct frame *empty = NULL;
    if (f && !__atomic_compare_exchange_n(&pool[i], &empty, f, false, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED))
        domain_free_frame(dom, frame_to_mfn(f));
}

static void op_root(struct type_work *w)
{
    struct vcpu *v = dom->vcpu[host_cpu_current];
    struct frame *f = pick_level(4);
    if (!f)
        return;
    v->type_work = *w;
    vcpu_set_root(v, frame_to_mfn(f), pick(2));
    *w = v->type_work;
    v->type_work = (struct type_work){0};
}

static void *run(void *argument)
{
    static void (*const ops[])(struct type_work * w) = {
        op_fill, op_fill, op_entry, op_entry, op_entry,        op_entry,
        op_pin,  op_pin,  op_pin,   op_root,  op_give_and_take};
    const char *steps = getenv("STEPS");
    unsigned long count = steps ? strtoul(steps, NULL, 0) : 20000;

    host_cpu_current = (unsigned)(uintptr_t)argument;
    struct type_work *w = &work[host_cpu_current];
    for (unsigned long i = 0; i < count; i++) {
        while (type_work_begin(w, 1 + pick(1200))) {
        }
        ops[pick(sizeof(ops) / sizeof(ops[0]))](w);
    }
    return NULL;
}

static void round_of_threads(void)
{
    pthread_t thread[THREADS];

    host_has_threads = true;
    for (uintptr_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, run, (void *)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    host_has_threads = false;
}

static void everything_at_once(void)
{
    struct frame *f;

    for (unsigned i = 0; i < ROUNDS; i++) {
        round_of_threads();
        CU_ASSERT_EQUAL_FATAL(model_check_counts(&dom, 1), 0);
        for (unsigned t = 0; t < THREADS; t++)
            while (type_work_begin(&work[t], 100)) {
            }
        CU_ASSERT_EQUAL_FATAL(model_check_counts(&dom, 1), 0);
    }
    dom->is_dying = true;
    while (memory_relinquish(dom, 50)) {
    }
    for (f = page_list_first(&dom->pages); f; f = page_list_next(f))
        printf("  left: frame %lu count %x type %lx\n", frame_to_mfn(f).v, f->count, f->type);
    CU_ASSERT_EQUAL(dom->tot_pages, 0);
    CU_ASSERT_EQUAL(dom->ref_count, 1);
    CU_ASSERT_EQUAL(frames_free_count(), END - FIRST);
}

// One thread lets go of pages whose last reference is a read-only entry, the other makes the entry that
// it has seen writable: it must not touch a page that the entry does not name any more.
static struct frame *last_table;
static volatile uint64_t last_entry;
static volatile bool last_done;

static void *entry_raiser(void *argument)
{
    struct entry_context c = {dom, dom, &work[1], false};

    host_cpu_current = (unsigned)(uintptr_t)argument;
    while (!last_done) {
        uint64_t e = last_entry;
        if (e)
            page_entry_write(&c, last_table, 0, e | PTE_RW, NULL);
    }
    return NULL;
}

static void last_reference_is_an_entry(void)
{
    struct entry_context c = {dom, dom, &work[0], false};
    pthread_t thread;

    work[0] = work[1] = (struct type_work){.budget = INT64_MAX};
    dom->is_dying = false;
    last_table = host_page(dom);
    CU_ASSERT_FATAL(last_table != NULL);
    CU_ASSERT_EQUAL(page_type_pin(last_table, dom, 1, &work[0]), REFUSE_NONE);
    host_has_threads = true;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, entry_raiser, (void *)1), 0);
    for (unsigned i = 0; i < 100000; i++) {
        struct frame *f = host_page(dom);
        uint64_t e = frame_to_mfn(f).v << PAGE_SHIFT | PTE_PRESENT;
        frame_get_writable(f, dom);
        frame_put_writable(f);
        page_entry_write(&c, last_table, 0, e, NULL);
        last_entry = e;
        domain_free_frame(dom, frame_to_mfn(f));
        page_entry_write(&c, last_table, 0, 0, NULL);
    }
    last_done = true;
    pthread_join(thread, NULL);
    host_has_threads = false;
    page_entry_write(&c, last_table, 0, 0, NULL);
    page_type_unpin(last_table, dom, &work[0]);
    domain_free_frame(dom, frame_to_mfn(last_table));
    CU_ASSERT_EQUAL(dom->tot_pages, 0);
    CU_ASSERT_EQUAL(frames_free_count(), END - FIRST);
}

int main(void)
{
    static const struct report_case cases[] = {REPORT_CASE(everything_at_once),
                                               REPORT_CASE(last_reference_is_an_entry)};

    host_cpu_count = THREADS;
    host_memory_init(FIRST, END);
    dom = host_domain(1, 1000);
    for (unsigned i = 1; i < THREADS; i++) {
        dom->vcpu[i] = calloc(1, sizeof(struct vcpu));
        *dom->vcpu[i] = *dom->vcpu[0];
        dom->vcpu[i]->id = i;
    }
    dom->max_vcpus = THREADS;
    int status = report_run("page_race", cases, sizeof(cases) / sizeof(cases[0]));
    for (unsigned i = 1; i < THREADS; i++)
        free(dom->vcpu[i]);
    host_domain_free(dom);
    return status;
}
