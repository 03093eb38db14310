// SPDX-License-Identifier: MIT
// The one way in which C tests report, on the host and in a guest: CUnit runs the cases, each gives a
// line "PASS suite/case" or "FAIL suite/case: reason", the last line is "RESULT n passed, m failed".
#pragma once

#include <stddef.h>

struct report_case {
    const char *name;
    void (*run)(void);
};

// Called when a case has run, before its line is printed; NULL at first.
extern void (*report_case_ended)(const char *suite, const char *name);

struct report_suite {
    const char *name;
    const struct report_case *cases;
    size_t count;
};

#define REPORT_CASE(name)                                                                          \
    {                                                                                              \
#name, name                                                                                \
    }
#define REPORT_SUITE(suite, table)                                                                 \
    {                                                                                              \
        suite, table, sizeof(table) / sizeof((table)[0])                                           \
    }

// Runs the suites in order; only those whose "suite/case" contains `filter`, if that is not NULL.
// Returns 0 when all passed, 1 otherwise: the exit status of main().
int report_run_suites(const struct report_suite *suites, size_t count, const char *filter);

// Runs one suite; what a host test's main() returns.
int report_run(const char *suite, const struct report_case *cases, size_t count);
