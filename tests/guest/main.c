// SPDX-License-Identifier: MIT
// The conformance guest: runs every case that a domain survives and prints the result, or one that
// it does not survive (fatal=NAME). filter=TEXT picks cases by "suite/case". In a domU it is a peer of the
// pair suites.
#include <stdio.h>
#include <stdlib.h>

#include "pvguest/start.h"
#include "tests/guest/pair.h"

#define COUNT_SUITES(family) +family##_suite_count
#define COPY_SUITES(family)                                                                        \
    for (size_t i = 0; i < family##_suite_count; i++)                                              \
        all[count++] = family##_suites[i];

static int run_cases(void)
{
    const size_t total = 0 GUEST_SUITES(COUNT_SUITES);
    struct report_suite *all = calloc(total, sizeof(*all));
    const char *fatal = start_option("fatal");
    size_t count = 0;

    if (!all)
        return 1;
    if (fatal) {
        fatal_run(fatal);
        printf("FAIL fatal/%s: the domain is still alive\n", fatal);
        return 1;
    }
    GUEST_SUITES(COPY_SUITES)
    report_case_ended = provoked_print;
    return report_run_suites(all, count, start_option("filter"));
}

int main(void)
{
    return start_is_dom0() ? run_cases() : pair_peer_main();
}
