// SPDX-License-Identifier: MIT
// The table of domains: look-ups by id and in order, and a structure that is freed only when no look-up
// can be about to take a reference, with CPUs that look up while others create and destroy.
#include "hypervisor/domain.h"
#include "hypervisor/smp.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define READERS 3
#define ROUNDS 1000
#define ID_FIRST 62 // over the border of a word of bits
#define ID_COUNT 4

static bool irq_is_off[READERS + 1]; // atomic; by CPU
static unsigned waits;

static void irq_changed(bool is_off)
{
    __atomic_store_n(&irq_is_off[host_cpu_current], is_off, __ATOMIC_SEQ_CST);
}

// An interrupt to each CPU, answered once it lets interrupts in.
void cpu_call(struct cpumask mask, void (*fn)(void))
{
    __atomic_fetch_add(&waits, 1, __ATOMIC_RELAXED);
    CU_ASSERT_FALSE(irq_is_off[host_cpu_current]);
    CPUMASK_FOR_EACH(id, mask)
    {
        while (__atomic_load_n(&irq_is_off[id], __ATOMIC_SEQ_CST))
            sched_yield();
        fn();
    }
}

// As hypervisor/domain.c does, but at once.
void domain_put(struct domain *d)
{
    if (__atomic_sub_fetch(&d->ref_count, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    domain_table_remove(d);
    domain_table_wait();
    memset(d, 0x6b, sizeof(*d));
    free(d);
}

static struct domain *make(domid_t id)
{
    struct domain *d = calloc(1, sizeof(*d));

    d->id = id;
    d->ref_count = 1;
    return d;
}

static struct domain *insert(domid_t id)
{
    struct domain *d = make(id);

    CU_ASSERT_EQUAL_FATAL(domain_table_insert(d), REFUSE_NONE);
    return d;
}

static void found_by_id(void)
{
    struct domain *d = insert(7), *other = make(7);

    CU_ASSERT_PTR_EQUAL(domain_get_by_id(7), d);
    CU_ASSERT_EQUAL(d->ref_count, 2);
    CU_ASSERT_PTR_NULL(domain_get_by_id(8));
    CU_ASSERT_PTR_NULL(domain_get_by_id(DOMID_FIRST_RESERVED));
    CU_ASSERT_PTR_NULL(domain_get_by_id(DOMID_SELF));
    CU_ASSERT_PTR_NULL(domain_get_by_id(UINT16_MAX));
    CU_ASSERT_EQUAL(domain_table_insert(other), REFUSE_DOMAIN_EXISTS);
    CU_ASSERT(domain_table_has(7) && !domain_table_has(8));
    free(other);
    domain_put(d);
    CU_ASSERT_PTR_EQUAL(domain_get_by_id(7), d); // a zombie is found
    domain_put(d);
    domain_put(d);
    CU_ASSERT_PTR_NULL(domain_get_by_id(7));
    CU_ASSERT(!domain_table_has(7));
    domain_put(insert(7)); // the id is free again
}

// None left, or as many as a look-up may make there be.
static void references_end(void)
{
    struct domain *d = insert(9);

    d->ref_count = 0;
    CU_ASSERT_PTR_NULL(domain_get_by_id(9));
    CU_ASSERT_PTR_NULL(domain_get_next(0));
    CU_ASSERT_FALSE(domain_get_below(d, UINT32_MAX));
    d->ref_count = 0x80000000u;
    CU_ASSERT_PTR_NULL(domain_get_by_id(9));
    CU_ASSERT(domain_get_below(d, UINT32_MAX)); // one who has a reference is not refused by that
    d->ref_count = UINT32_MAX;
    CU_ASSERT_FALSE(domain_get_below(d, UINT32_MAX));
    d->ref_count = 1;
    domain_put(d);
}

static void in_order(void)
{
    static const domid_t ids[] = {0, 1, 63, 64, 65, 128, 4000, DOMID_FIRST_RESERVED - 1};
    struct domain *d[ARRAY_SIZE(ids)];
    unsigned n = 0;

    for (unsigned i = ARRAY_SIZE(ids); i-- > 0;)
        d[i] = insert(ids[i]);
    for (unsigned first = 0; first <= UINT16_MAX; first++) {
        struct domain *next = domain_get_next((domid_t)first);
        while (n < ARRAY_SIZE(ids) && ids[n] < first)
            n++;
        CU_ASSERT_PTR_EQUAL(next, n < ARRAY_SIZE(ids) ? d[n] : NULL);
        if (next)
            domain_put(next);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
        domain_put(d[i]);
    CU_ASSERT_PTR_NULL(domain_get_next(0));
}

// --- many CPUs

static unsigned wrong, found;
static bool stop;

static void *look_up(void *cpu)
{
    host_cpu_current = (unsigned)(uintptr_t)cpu;
    for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
        domid_t id = (domid_t)(ID_FIRST + i % ID_COUNT);
        struct domain *d = i & ID_COUNT ? domain_get_by_id(id) : domain_get_next(id);
        if (!d)
            continue;
        if (d->ref_count == 0 || d->id < id || d->id >= ID_FIRST + ID_COUNT)
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&found, 1, __ATOMIC_RELAXED);
        domain_put(d); // may be the last one
    }
    return NULL;
}

static void looked_up_while_freed(void)
{
    pthread_t thread[READERS];
    struct domain *d[ID_COUNT] = {NULL};

    waits = 0;
    host_has_threads = true;
    host_cpu_count = READERS + 1;
    host_irq_changed = irq_changed;
    for (unsigned i = 0; i < READERS; i++)
        pthread_create(&thread[i], NULL, look_up, (void *)(uintptr_t)(i + 1));
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct domain **one = &d[i % ID_COUNT];
        if (*one)
            domain_put(*one);
        *one = make((domid_t)(ID_FIRST + i % ID_COUNT));
        while (domain_table_insert(*one) != REFUSE_NONE)
            sched_yield(); // a reader has the last reference to its predecessor
    }
    for (unsigned i = 0; i < ID_COUNT; i++)
        domain_put(d[i]);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(thread[i], NULL);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(waits, ROUNDS);
    CU_ASSERT(found > 0);
    CU_ASSERT_PTR_NULL(domain_get_next(0));
    host_irq_changed = NULL;
}

int main(void)
{
    static const struct report_case cases[] = {
        REPORT_CASE(found_by_id),
        REPORT_CASE(references_end),
        REPORT_CASE(in_order),
        REPORT_CASE(looked_up_while_freed),
    };
    return report_run("domain_table", cases, ARRAY_SIZE(cases));
}
