// SPDX-License-Identifier: MIT
// Faults of our own: BUG, ASSERT, panic and the crash report. A guest can never reach one of these.
#pragma once

#include "hypervisor/printk.h"
#include "hypervisor/types.h"

// Report (the registers of an exception in ring 0 or NULL, stack with symbols, what ran), stop the other
// CPUs and halt or restart.
void panic_with_regs(const struct cpu_user_regs *regs, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

#define panic(...) panic_with_regs(NULL, __VA_ARGS__)
#define BUG() panic("BUG at %s:%d", __FILE__, __LINE__)
#define BUG_ON(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!!(condition), 0))                                                    \
            panic("BUG at %s:%d: %s", __FILE__, __LINE__, #condition);                             \
    } while (0)

// Checked in debug builds; compiled, but not evaluated, in release builds.
#ifdef DEBUG
#define ASSERT(condition) BUG_ON(!(condition))
#else
#define ASSERT(condition) ((void)sizeof(!(condition)))
#endif
