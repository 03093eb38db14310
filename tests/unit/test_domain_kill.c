// SPDX-License-Identifier: MIT
// The death of a domain with something pending all the time: every stage is left and entered again, a call
// that is to go on finds the domain still listed, and the call that ends it says so.
#include <string.h>

#include <CUnit/CUnit.h>

#include "hypervisor/domain.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/irq.h"
#include "hypervisor/cpu.h"
#include "tests/report.h"

#define CALLS_MAX 1000
#define NO_DOMAIN (-3L)
#define GOES_ON 1L

// Rounds that each stage still needs, and what the stages have done.
static unsigned events_left, mappings_left, memory_left;
static unsigned revoked, unmapped, virqs, listed;

enum refusal event_domain_close(struct domain *d, unsigned budget)
{
    CU_ASSERT(d->is_dying);
    return events_left && events_left-- ? REFUSE_CONTINUE : REFUSE_NONE;
}

void irq_unmap_all(struct domain *d)
{
    CU_ASSERT_EQUAL(events_left, 0);
    unmapped++;
}

enum refusal grant_release_mappings(struct domain *d, unsigned budget)
{
    return mappings_left && mappings_left-- ? REFUSE_CONTINUE : REFUSE_NONE;
}

enum refusal grant_revoke(struct domain *d)
{
    CU_ASSERT_EQUAL(mappings_left, 0);
    revoked++;
    return REFUSE_NONE;
}

enum refusal memory_relinquish(struct domain *d, int64_t budget)
{
    CU_ASSERT_EQUAL(revoked, 1);
    return memory_left && memory_left-- ? REFUSE_CONTINUE : REFUSE_NONE;
}

void domain_pause(struct domain *d)
{
}

void vcpu_timers_stop(struct vcpu *v)
{
}

void vcpu_traps_drop_descriptors(struct vcpu *v)
{
}

void vcpu_info_unmap(struct vcpu *v)
{
}

void domain_put(struct domain *d)
{
    listed--;
}

void domain_send_global_virq(unsigned virq)
{
    CU_ASSERT_EQUAL(virq, VIRQ_DOM_EXC);
    CU_ASSERT_EQUAL(listed, 0);
    virqs++;
}

// As domctl does: each round looks the domain up.
static long destroy_once(struct domain *d)
{
    if (!listed)
        return NO_DOMAIN;
    return domain_kill(d) == REFUSE_CONTINUE ? GOES_ON : 0;
}

static unsigned destroy(struct domain *d, long *result)
{
    unsigned calls = 0;

    do
        *result = destroy_once(d);
    while (++calls < CALLS_MAX && *result == GOES_ON);
    return calls;
}

static void destroy_with(unsigned rounds, bool pending, unsigned *calls)
{
    struct domain d = {.lock = SPINLOCK_INIT(LOCK_DOMAIN)};
    long result;

    events_left = mappings_left = memory_left = rounds;
    revoked = unmapped = virqs = 0;
    listed = 1;
    if (pending)
        softirq_raise_here(SOFTIRQ_SCHEDULE);
    else
        this_cpu()->softirq_pending = 0;
    *calls = destroy(&d, &result);
    CU_ASSERT_EQUAL(result, 0);
    CU_ASSERT_EQUAL(events_left + mappings_left + memory_left, 0);
    CU_ASSERT_EQUAL(revoked, 1);
    CU_ASSERT_EQUAL(unmapped, 1);
    CU_ASSERT_EQUAL(virqs, 1);
    CU_ASSERT_EQUAL(domain_kill(&d), REFUSE_NONE); // who still has it may ask again
    CU_ASSERT_EQUAL(virqs, 1);
}

static void nothing_pending(void)
{
    unsigned calls;

    destroy_with(0, false, &calls);
    CU_ASSERT_EQUAL(calls, 1);
    destroy_with(7, false, &calls);
    CU_ASSERT_EQUAL(calls, 1 + 3 * 7);
}

static void always_pending(void)
{
    unsigned calls;

    destroy_with(0, true, &calls);
    CU_ASSERT(calls > 1);
    destroy_with(7, true, &calls);
    CU_ASSERT(calls > 3 * 7);
}

static const struct report_case cases[] = {
    REPORT_CASE(nothing_pending),
    REPORT_CASE(always_pending),
};

int main(void)
{
    return report_run("domain_kill", cases, sizeof(cases) / sizeof(cases[0]));
}
