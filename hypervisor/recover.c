// SPDX-License-Identifier: MIT
// Finding the way out of an instruction that faulted in ring 0 (recover.h).
#include "hypervisor/recover.h"

// Both are distances from the member itself.
struct recovery {
    int32_t from, to;
};

// Made by the linker script.
extern const struct recovery extable_start[], extable_end[];

// A dozen entries, looked at only after a fault: no need for order.
uint64_t recover_find(uint64_t rip)
{
    for (const struct recovery *r = extable_start; r < extable_end; r++) {
        if ((uint64_t)&r->from + (uint64_t)(int64_t)r->from == rip)
            return (uint64_t)&r->to + (uint64_t)(int64_t)r->to;
    }
    return 0;
}
