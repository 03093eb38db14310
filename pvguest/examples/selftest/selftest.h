// SPDX-License-Identifier: MIT
/* A case returns NULL, or what did not hold. */
#pragma once

#include <stddef.h>

struct selftest {
    const char *name;
    const char *(*run)(void);
};

/* Ended by a NULL name. */
extern const struct selftest memory_tests[], thread_tests[], event_tests[], grant_tests[],
    device_tests[];

/* Sends with a foreign source address on its card; the status for main. */
int spoof(const char *address);

#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            return __FILE__ ":" TEXT_OF(__LINE__) ": " #condition;                                 \
        }                                                                                          \
    } while (0)
