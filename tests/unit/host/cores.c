// SPDX-License-Identifier: MIT
// See cores.h. Memory comes from the C library, so the sanitizers watch it.
#include "tests/unit/host/cores.h"
#include "hypervisor/cpu.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/panic.h"
#include "hypervisor/smp.h"
#include "hypervisor/time.h"
#include <stdlib.h>

uint64_t host_now = 1000;
unsigned host_pages, host_kicks[HV_MAX_CPUS];
bool host_no_pages;
static struct domain *domains[16];

uint64_t time_now(void)
{
    return host_now;
}

void time_deadline_set(uint64_t ns)
{
    this_cpu()->deadline = ns;
}

void cpu_kick(unsigned cpu)
{
    host_kicks[cpu]++;
}

void *page_alloc(unsigned order)
{
    if (host_no_pages)
        return NULL;
    host_pages++;
    return calloc(1, PAGE_SIZE << order);
}

void page_free(void *pages, unsigned order)
{
    (void)order;
    host_pages -= pages != NULL;
    free(pages);
}

bool domain_get(struct domain *d)
{
    unsigned before = __atomic_fetch_add(&d->ref_count, 1, __ATOMIC_SEQ_CST);
    ASSERT(before > 0);
    return true;
}

void domain_put(struct domain *d)
{
    unsigned before = __atomic_fetch_sub(&d->ref_count, 1, __ATOMIC_SEQ_CST);
    ASSERT(before > 1);
}

struct domain *domain_get_by_id(domid_t id)
{
    for (unsigned i = 0; i < ARRAY_SIZE(domains); i++)
        if (domains[i] && domains[i]->id == id && domain_get(domains[i]))
            return domains[i];
    return NULL;
}

struct vcpu *domain_vcpu(struct domain *d, unsigned id)
{
    return id < d->max_vcpus ? d->vcpu[id] : NULL;
}

struct domain *host_domain_make(domid_t id, unsigned vcpus)
{
    struct domain *d = calloc(1, sizeof(*d));
    d->id = id;
    d->ref_count = 1;
    d->max_vcpus = vcpus;
    d->shared_info = calloc(1, PAGE_SIZE);
    for (unsigned i = 0; i < vcpus; i++) {
        struct vcpu *v = d->vcpu[i] = calloc(1, sizeof(*v));
        v->id = i;
        v->domain = d;
        v->info = (struct vcpu_info *)&d->shared_info->vcpu_info[i];
    }
    for (unsigned i = 0; i < ARRAY_SIZE(domains); i++) {
        if (!domains[i]) {
            domains[i] = d;
            return d;
        }
    }
    abort();
}

void host_domain_drop(struct domain *d)
{
    ASSERT(d->ref_count == 1);
    for (unsigned i = 0; i < ARRAY_SIZE(domains); i++)
        if (domains[i] == d)
            domains[i] = NULL;
    for (unsigned i = 0; i < d->max_vcpus; i++)
        free(d->vcpu[i]);
    free(d->shared_info);
    free(d);
}

unsigned host_random(unsigned below)
{
    static uint64_t state = 0x9e3779b97f4a7c15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state % below);
}
