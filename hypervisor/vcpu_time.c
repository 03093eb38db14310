// SPDX-License-Identifier: MIT
// Writers of the time fields that guests read without a lock. See vcpu_time.h.
//
// Version protocol: odd while the fields change. The guest's reads pair with the release fences here.
// The guest can write to the page; only its own view of time suffers.
#include "hypervisor/domain.h"

static uint32_t version_begin(uint32_t *version)
{
    uint32_t odd = (__atomic_load_n(version, __ATOMIC_RELAXED) + 1) | 1;

    __atomic_store_n(version, odd, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    return odd;
}

static void version_end(uint32_t *version, uint32_t odd)
{
    __atomic_store_n(version, odd + 1, __ATOMIC_RELEASE);
}

void vcpu_time_update(struct vcpu *v)
{
    struct vcpu_time_info *t = &v->info->time;
    uint32_t odd = version_begin(&t->version);

    time_scale_get(t);
    version_end(&t->version, odd);
}

void domain_update_wallclock(struct domain *d)
{
    struct shared_info *s = d->shared_info;
    uint64_t wall = time_wall_at_boot();
    uint64_t seconds = wall / NS_PER_S + d->wallclock_offset;
    uint32_t odd = version_begin(&s->wc_version);

    s->wc_sec = (uint32_t)seconds;
    s->wc_sec_hi = (uint32_t)(seconds >> 32);
    s->wc_nsec = (uint32_t)(wall % NS_PER_S);
    version_end(&s->wc_version, odd);
}
