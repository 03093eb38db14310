// SPDX-License-Identifier: MIT
// CUnit's completion handlers print each case as one line. The reason of a failure is the first
// assertion that did not hold, with its file and line.
#include "tests/report.h"

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <stdio.h>
#include <string.h>

void (*report_case_ended)(const char *suite, const char *name);

static void report_case_done(const CU_pTest test, const CU_pSuite suite,
                             const CU_pFailureRecord failure)
{
    if (report_case_ended)
        report_case_ended(suite->pName, test->pName);
    if (!failure) {
        printf("PASS %s/%s\n", suite->pName, test->pName);
    } else {
        printf("FAIL %s/%s: %s:%u: %s\n", suite->pName, test->pName, failure->strFileName,
               failure->uiLineNumber, failure->strCondition);
    }
    fflush(stdout);
}

static int report_matches(const char *suite, const char *name, const char *filter)
{
    char full[160];

    snprintf(full, sizeof(full), "%s/%s", suite, name);
    return !filter || strstr(full, filter);
}

static int report_add_suite(const struct report_suite *suite, const char *filter)
{
    CU_pSuite handle = NULL;

    for (size_t i = 0; i < suite->count; i++) {
        const struct report_case *c = &suite->cases[i];

        if (!report_matches(suite->name, c->name, filter))
            continue;
        if (!handle)
            handle = CU_add_suite(suite->name, NULL, NULL);
        if (!handle || !CU_add_test(handle, c->name, c->run)) {
            printf("FAIL %s/%s: %s\n", suite->name, c->name, CU_get_error_msg());
            return -1;
        }
    }
    return 0;
}

int report_run_suites(const struct report_suite *suites, size_t count, const char *filter)
{
    unsigned int failed, run;

    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    for (size_t i = 0; i < count; i++)
        if (report_add_suite(&suites[i], filter) < 0)
            return 1;
    CU_set_test_complete_handler(report_case_done);
    CU_run_all_tests();
    run = CU_get_number_of_tests_run();
    failed = CU_get_number_of_tests_failed();
    CU_cleanup_registry();
    printf("RESULT %u passed, %u failed\n", run - failed, failed);
    fflush(stdout);
    return failed != 0;
}

int report_run(const char *suite, const struct report_case *cases, size_t count)
{
    const struct report_suite one = {suite, cases, count};

    return report_run_suites(&one, 1, NULL);
}
