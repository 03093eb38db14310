// SPDX-License-Identifier: MIT
// Two domains on simulated memory: page_type_fixture.h.
#include "tests/unit/page_type_fixture.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/page_alloc.h"
#include <CUnit/CUnit.h>

struct domain *dom[2];
struct type_work work;

uint64_t entry(const struct frame *f, uint64_t flags)
{
    return mfn_to_maddr(frame_to_mfn(f)).v | flags;
}

uint64_t *words(struct frame *f)
{
    return frame_to_virt(f);
}

struct entry_context own(struct domain *d)
{
    return (struct entry_context){d, d, &work, false};
}

void tree_make(struct domain *d, struct frame *t[5], uint64_t flags)
{
    for (unsigned i = 0; i < 5; i++) {
        t[i] = host_page(d);
        CU_ASSERT_FATAL(t[i] != NULL);
        if (i)
            words(t[i])[i] = entry(t[i - 1], i == 1 ? flags : RW);
    }
}

void begin(int64_t budget)
{
    while (type_work_begin(&work, budget)) {
    }
}

unsigned check(void)
{
    return model_check_counts(dom, 2);
}

void finish(void)
{
    begin(INT64_MAX);
    for (unsigned d = 0; d < 2; d++) {
        dom[d]->is_dying = true;
        while (memory_relinquish(dom[d], 40) == REFUSE_CONTINUE)
            CU_ASSERT_EQUAL(check(), 0);
    }
    for (unsigned d = 0; d < 2; d++) {
        CU_ASSERT_EQUAL(dom[d]->tot_pages, 0);
        CU_ASSERT_EQUAL(dom[d]->pages.count, 0);
        CU_ASSERT_EQUAL(dom[d]->ref_count, 1);
        dom[d]->is_dying = false;
        dom[d]->memory_kill = (struct memory_kill){0};
    }
    CU_ASSERT_EQUAL(frames_free_count(), END - FIRST);
}

void fixture_init(void)
{
    host_cpu_count = 3;
    host_memory_init(FIRST, END);
    for (domid_t id = 0; id < 2; id++)
        dom[id] = host_domain(id, 1000);
    dom[0]->is_privileged = true;
}

void fixture_free(void)
{
    for (unsigned i = 0; i < 2; i++)
        host_domain_free(dom[i]);
}
