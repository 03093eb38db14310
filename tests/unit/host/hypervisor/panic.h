// SPDX-License-Identifier: MIT
// Host stand-in for hypervisor/panic.h: our own faults end the test program.
#pragma once

#include "hypervisor/printk.h"

void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define BUG() panic("BUG at %s:%d", __FILE__, __LINE__)
#define BUG_ON(condition)                                                                          \
    do {                                                                                           \
        if (condition)                                                                             \
            panic("BUG at %s:%d: %s", __FILE__, __LINE__, #condition);                             \
    } while (0)
#define ASSERT(condition) BUG_ON(!(condition))
