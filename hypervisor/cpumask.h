// SPDX-License-Identifier: MIT
// Sets of CPUs. Comes with hypervisor/cpu.h.
#pragma once

#include "hypervisor/cpu.h"

struct cpumask {
    uint64_t bits;
};

static inline struct cpumask cpumask_of(unsigned id)
{
    return (struct cpumask){1ull << id};
}

static inline void cpumask_add(struct cpumask *m, unsigned id)
{
    m->bits |= 1ull << id;
}

static inline bool cpumask_has(struct cpumask m, unsigned id)
{
    return m.bits >> id & 1;
}

static inline bool cpumask_empty(struct cpumask m)
{
    return m.bits == 0;
}

static inline struct cpumask cpumask_all(void)
{
    unsigned n = cpu_count();
    return (struct cpumask){n == 64 ? ~0ull : (1ull << n) - 1};
}

#define CPUMASK_FOR_EACH(id, mask)                                                                 \
    for (uint64_t id##_rest = (mask).bits, id = 0;                                                 \
         id##_rest && ((id = (uint64_t)__builtin_ctzll(id##_rest)), 1);                            \
         id##_rest &= id##_rest - 1)
