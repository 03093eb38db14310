// SPDX-License-Identifier: MIT
// Range sets against a bitmap, with random adds and removes, and their limit.
#include "hypervisor/domain.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SPACE 200

static void check_invariants(const struct range_set *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        CU_ASSERT_FATAL(s->range[i].first <= s->range[i].last);
        if (i) // sorted, disjoint, not even touching
            CU_ASSERT_FATAL(s->range[i - 1].last + 1 < s->range[i].first);
    }
}

static void check_same(const struct range_set *s, const bool *model)
{
    for (unsigned a = 0; a < SPACE; a += 7) {
        bool all = true, any = false;
        for (unsigned b = a; b < SPACE; b++) {
            all &= model[b];
            any |= model[b];
            CU_ASSERT_EQUAL_FATAL(range_set_contains(s, a, b), all);
            CU_ASSERT_EQUAL_FATAL(range_set_overlaps(s, a, b), any);
        }
    }
}

static void random_against_model(void)
{
    struct range_set s = {0};
    bool model[SPACE] = {false};

    srand(7);
    for (unsigned round = 0; round < 3000; round++) {
        unsigned first = (unsigned)rand() % SPACE, last = first + (unsigned)rand() % 12;
        bool add = rand() & 1;
        last = MIN(last, SPACE - 1u);
        enum refusal r = add ? range_set_add(&s, first, last) : range_set_remove(&s, first, last);
        if (r == REFUSE_NONE)
            memset(model + first, add, last - first + 1);
        check_invariants(&s);
        if (round % 16 == 0)
            check_same(&s, model);
    }
}

static void limit_leaves_set_unchanged(void)
{
    struct range_set s = {0};

    for (unsigned i = 0; i < RANGE_SET_MAX; i++)
        CU_ASSERT_EQUAL(range_set_add(&s, i * 10, i * 10 + 5), REFUSE_NONE);
    struct range_set before = s;
    CU_ASSERT_EQUAL(range_set_add(&s, 1000, 1000), REFUSE_NO_MEMORY);
    CU_ASSERT_EQUAL(range_set_remove(&s, 12, 13), REFUSE_NO_MEMORY);
    CU_ASSERT_EQUAL(memcmp(&s, &before, sizeof(s)), 0);
    CU_ASSERT_EQUAL(range_set_add(&s, 0, 1000), REFUSE_NONE);
    CU_ASSERT_EQUAL(s.count, 1);
}

static void whole_space(void)
{
    struct range_set s = {0};

    CU_ASSERT_EQUAL(range_set_add(&s, 0, UINT64_MAX), REFUSE_NONE);
    CU_ASSERT(range_set_contains(&s, UINT64_MAX, UINT64_MAX));
    CU_ASSERT_EQUAL(range_set_remove(&s, 5, 5), REFUSE_NONE);
    CU_ASSERT_EQUAL(range_set_add(&s, 5, 5), REFUSE_NONE);
    CU_ASSERT_EQUAL(s.count, 1);
    CU_ASSERT_EQUAL(range_set_remove(&s, 0, UINT64_MAX), REFUSE_NONE);
    CU_ASSERT_EQUAL(s.count, 0);
    CU_ASSERT_EQUAL(range_set_add(&s, 9, 8), REFUSE_BAD_ARGUMENT);
}

// While another CPU opens and closes a gap before it, a range is always seen as a whole.
static struct domain d;
static bool stop;

static void *change_often(void *unused)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        CU_ASSERT_EQUAL_FATAL(access_change(&d.access.iomem, 105, 105, false), REFUSE_NONE);
        CU_ASSERT_EQUAL_FATAL(access_change(&d.access.iomem, 105, 105, true), REFUSE_NONE);
    }
    return unused;
}

static void asked_while_changed(void)
{
    pthread_t thread;
    unsigned missed = 0;

    host_has_threads = true;
    access_change(&d.access.iomem, 100, 110, true);
    for (unsigned i = 2; i < 20; i++)
        access_change(&d.access.iomem, i * 100, i * 100 + 10, true);
    pthread_create(&thread, NULL, change_often, NULL);
    for (unsigned i = 0; i < 2000000; i++)
        missed += !access_iomem_permitted(&d, 1900, 1910) + access_iomem_permitted(&d, 1900, 1911);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(missed, 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(random_against_model),
    REPORT_CASE(limit_leaves_set_unchanged),
    REPORT_CASE(whole_space),
    REPORT_CASE(asked_while_changed),
};

int main(void)
{
    return report_run("access", cases, ARRAY_SIZE(cases));
}
