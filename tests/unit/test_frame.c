// SPDX-License-Identifier: MIT
// Owners and references of frames: who gets one, who frees, lists and counts of domains, sharing,
// exchange. The random part is checked against a plain array of counts.
#include "hypervisor/domain_memory.h"
#include "hypervisor/page_alloc.h"
#include "tests/report.h"
#include "tests/unit/host/memory.h"
#include <CUnit/CUnit.h>

#define FIRST 16u
#define END 600u

static struct domain *a, *b;

static void expect_all_free(void)
{
    CU_ASSERT_EQUAL(frames_free_count(), END - FIRST);
    CU_ASSERT_EQUAL(a->ref_count, 1);
    CU_ASSERT_EQUAL(b->ref_count, 1);
}

static void what_is_ram(void)
{
    CU_ASSERT(frame_from_mfn(MFN(0)) == NULL);
    CU_ASSERT(frame_from_mfn(MFN(FIRST - 1)) == NULL);
    CU_ASSERT(frame_from_mfn(MFN(FIRST)) == &FRAME_TABLE[FIRST]);
    CU_ASSERT(frame_from_mfn(MFN(END - 1)) != NULL);
    CU_ASSERT(frame_from_mfn(MFN(END)) == NULL);
    CU_ASSERT(frame_from_mfn(MFN(HV_MAX_MFN)) == NULL);
    CU_ASSERT(frame_from_mfn(MFN_INVALID) == NULL);
    CU_ASSERT_EQUAL(frame_max_mfn, END - 1);
    CU_ASSERT_EQUAL(frame_to_mfn(frame_from_mfn(MFN(77))).v, 77);
}

static void references(void)
{
    struct frame *f = host_page(a);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(a->tot_pages, 1);
    CU_ASSERT_EQUAL(a->ref_count, 2);
    CU_ASSERT_EQUAL(frame_get(f, b), REFUSE_FRAME_NOT_OWNED);
    CU_ASSERT_EQUAL(frame_get(f, a), REFUSE_NONE);
    CU_ASSERT_EQUAL(frame_refs(f), 2);
    // Given back while somebody uses it: it goes with the last use, and only once.
    CU_ASSERT_EQUAL(domain_free_frame(a, frame_to_mfn(f)), REFUSE_NONE);
    CU_ASSERT_EQUAL(domain_free_frame(a, frame_to_mfn(f)), REFUSE_NONE); // changes nothing
    CU_ASSERT_EQUAL(frame_refs(f), 1);
    CU_ASSERT_EQUAL(a->tot_pages, 1);
    frame_put(f);
    CU_ASSERT_EQUAL(a->tot_pages, 0);
    CU_ASSERT_EQUAL(frame_get(f, a), REFUSE_FRAME_NOT_OWNED);
    CU_ASSERT_EQUAL(domain_free_frame(a, frame_to_mfn(f)), REFUSE_FRAME_NOT_OWNED);
    CU_ASSERT_EQUAL(domain_free_frame(a, MFN(END)), REFUSE_FRAME_NOT_RAM);
    expect_all_free();
}

static void frames_of_the_hypervisor(void)
{
    void *pages = page_alloc(2);
    struct frame *f = frame_from_mfn(virt_to_mfn(pages));
    for (unsigned i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(frame_get(&f[i], a), REFUSE_FRAME_NOT_OWNED);
        CU_ASSERT_EQUAL(frame_get(&f[i], NULL), REFUSE_FRAME_NOT_OWNED);
        CU_ASSERT_EQUAL(domain_steal_frame(a, frame_to_mfn(&f[i])), REFUSE_FRAME_NOT_OWNED);
    }
    page_free(pages, 2);
    page_free(NULL, 0);
    expect_all_free();
}

static void reservations(void)
{
    struct frame *f;
    CU_ASSERT_EQUAL(domain_alloc_frames(a, 9, 64, M2P_NONE, &f), REFUSE_RESERVATION_FULL);
    CU_ASSERT_EQUAL(domain_alloc_frames(a, PAGE_ORDER_MAX + 1, 64, M2P_NONE, &f),
                    REFUSE_ORDER_TOO_BIG);
    CU_ASSERT_EQUAL(domain_alloc_frames(a, 0, PAGE_SHIFT, M2P_NONE, &f), REFUSE_NO_MEMORY);
    CU_ASSERT_EQUAL(a->tot_pages, 0);
    CU_ASSERT_EQUAL(a->ref_count, 1);
    CU_ASSERT_EQUAL(domain_alloc_frames(a, 3, 64, 0x70, &f), REFUSE_NONE);
    CU_ASSERT_EQUAL(m2p_get(MFN(frame_to_mfn(f).v + 7)), 0x77);
    CU_ASSERT_EQUAL(a->pages.count, 8);
    a->is_dying = true;
    CU_ASSERT_EQUAL(domain_alloc_frames(a, 0, 64, M2P_NONE, &f), REFUSE_DOMAIN_DYING);
    while (memory_relinquish(a, 3)) {
    }
    a->is_dying = false;
    a->memory_kill = (struct memory_kill){0};
    expect_all_free();
}

static void claims(void)
{
    struct frame *f;
    CU_ASSERT_EQUAL(domain_claim(a, a->max_pages + 1), REFUSE_BAD_ARGUMENT);
    CU_ASSERT_EQUAL(domain_claim(a, 100), REFUSE_NONE);
    CU_ASSERT_EQUAL(domain_claim(a, 100), REFUSE_BAD_ARGUMENT);
    CU_ASSERT_EQUAL(page_alloc_claimed(), 100);
    // What is set aside for one is not there for the other.
    b->max_pages = 10000;
    CU_ASSERT_EQUAL(domain_alloc_frames(b, 9, 64, M2P_NONE, &f), REFUSE_NO_MEMORY);
    CU_ASSERT_EQUAL(domain_alloc_frames(a, 4, 64, M2P_NONE, &f), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_alloc_claimed(), 84);
    CU_ASSERT_EQUAL(domain_claim(a, 0), REFUSE_NONE);
    CU_ASSERT_EQUAL(page_alloc_claimed(), 0);
    for (unsigned i = 0; i < 16; i++)
        domain_free_frame(a, frame_to_mfn(&f[i]));
    expect_all_free();
}

static void exchange(void)
{
    struct frame *f = host_page(a);
    mfn_t mfn = frame_to_mfn(f);
    *(uint64_t *)frame_to_virt(f) = 42;
    CU_ASSERT_EQUAL(domain_steal_frame(b, mfn), REFUSE_FRAME_NOT_OWNED);
    CU_ASSERT_EQUAL(frame_get(f, a), REFUSE_NONE);
    CU_ASSERT_EQUAL(domain_steal_frame(a, mfn), REFUSE_FRAME_IN_USE);
    frame_put(f);
    CU_ASSERT_EQUAL(domain_steal_frame(a, mfn), REFUSE_NONE);
    CU_ASSERT_EQUAL(frame_get(f, a), REFUSE_FRAME_NOT_OWNED);
    CU_ASSERT_EQUAL(a->pages.count, 0);
    domain_unsteal_frame(a, mfn);
    CU_ASSERT_EQUAL(*(uint64_t *)frame_to_virt(f), 42);
    CU_ASSERT_EQUAL(domain_steal_frame(a, mfn), REFUSE_NONE);
    struct frame *fresh = page_alloc_frames(0, 64);
    domain_assign_frames(a, fresh, 0);
    domain_free_stolen(mfn);
    CU_ASSERT_EQUAL(a->tot_pages, 1);
    CU_ASSERT_EQUAL(domain_free_frame(a, frame_to_mfn(fresh)), REFUSE_NONE);
    expect_all_free();
}

static void shared_frames(void)
{
    void *page = page_alloc(0);
    struct frame *f = frame_from_mfn(virt_to_mfn(page));
    frame_share_with_guest(f, a, false);
    CU_ASSERT_EQUAL(a->xen_pages.count, 1);
    CU_ASSERT_EQUAL(a->tot_pages, 0);
    CU_ASSERT_EQUAL(domain_free_frame(a, frame_to_mfn(f)), REFUSE_FRAME_NOT_OWNED);
    CU_ASSERT_EQUAL(domain_steal_frame(a, frame_to_mfn(f)), REFUSE_FRAME_NOT_OWNED);
    CU_ASSERT_EQUAL(frame_get_writable(f, a), REFUSE_NONE);
    // Taken back while it is mapped: nobody's, until the mapping goes.
    frame_unshare(f);
    CU_ASSERT_EQUAL(a->xen_pages.count, 0);
    CU_ASSERT_EQUAL(frame_get(f, a), REFUSE_FRAME_NOT_OWNED);
    CU_ASSERT_EQUAL(frames_free_count(), END - FIRST - 1);
    frame_put_writable(f);
    expect_all_free();
}

// The owner's structure lives as long as a frame of it does.
static void zombies(void)
{
    struct frame *f = host_page(b);
    unsigned gone = host_domains_gone;
    CU_ASSERT_EQUAL(frame_get(f, b), REFUSE_NONE);
    b->is_dying = true;
    while (memory_relinquish(b, 1)) {
    }
    domain_put(b);
    CU_ASSERT_EQUAL(host_domains_gone, gone);
    frame_put(f);
    CU_ASSERT_EQUAL(host_domains_gone, gone + 1);
    b->ref_count = 1;
    b->is_dying = false;
    b->memory_kill = (struct memory_kill){0};
    expect_all_free();
}

#define MODEL_FRAMES 64
static void random_references(void)
{
    struct frame *frame[MODEL_FRAMES] = {0};
    unsigned refs[MODEL_FRAMES] = {0};
    bool owned[MODEL_FRAMES] = {0};

    for (unsigned step = 0; step < 200000; step++) {
        unsigned i = (unsigned)(host_random() % MODEL_FRAMES);
        if (!frame[i]) {
            frame[i] = host_page(a);
            owned[i] = true;
        } else if (host_random() % 3 == 0) {
            bool alive = refs[i] || owned[i];
            CU_ASSERT_EQUAL(frame_get(frame[i], a), alive ? REFUSE_NONE : REFUSE_FRAME_NOT_OWNED);
            refs[i] += alive;
        } else if (host_random() % 2 && refs[i]) {
            frame_put(frame[i]);
            refs[i]--;
        } else if (host_random() % 4 == 0 && owned[i]) {
            CU_ASSERT_EQUAL(domain_free_frame(a, frame_to_mfn(frame[i])), REFUSE_NONE);
            owned[i] = false;
        }
        if (frame[i] && !owned[i] && !refs[i])
            frame[i] = NULL;
        else
            CU_ASSERT_EQUAL_FATAL(frame_refs(frame[i]), refs[i] + owned[i]);
    }
    for (unsigned i = 0; i < MODEL_FRAMES; i++) {
        if (frame[i] && owned[i])
            domain_free_frame(a, frame_to_mfn(frame[i]));
        for (; frame[i] && refs[i]; refs[i]--)
            frame_put(frame[i]);
    }
    expect_all_free();
}

int main(void)
{
    static const struct report_case cases[] = {
        REPORT_CASE(what_is_ram),   REPORT_CASE(references), REPORT_CASE(frames_of_the_hypervisor),
        REPORT_CASE(reservations),  REPORT_CASE(claims),     REPORT_CASE(exchange),
        REPORT_CASE(shared_frames), REPORT_CASE(zombies),    REPORT_CASE(random_references),
    };
    host_memory_init(FIRST, END);
    a = host_domain(1, 400);
    b = host_domain(2, 400);
    int status = report_run("frame", cases, sizeof(cases) / sizeof(cases[0]));
    host_domain_free(a);
    host_domain_free(b);
    return status;
}
