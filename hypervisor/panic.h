// SPDX-License-Identifier: MIT
// Faults of our own: BUG, ASSERT, panic and the crash report. A guest can never reach one of these.
#pragma once

#include "hypervisor/printk.h"
#include "hypervisor/types.h"

struct cpu_user_regs;

// Report (registers, stack with symbols, what ran), stop the other CPUs and halt or reboot.
void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

// The same for an exception that happened in ring 0.
void panic_with_regs(const struct cpu_user_regs *regs, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

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

// "name+0x12" of a text address into `buffer`.
const char *symbol_format(uint64_t address, char *buffer, unsigned long size);

// Print registers and, for ring 0, the stack with symbols.
void regs_print(const struct cpu_user_regs *regs);

// --- Names of text addresses; symbol_format() is in hypervisor/panic.h.
bool symbol_is_text(uint64_t address);
