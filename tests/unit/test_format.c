// SPDX-License-Identifier: MIT
// The hypervisor's vsnprintf against the C library's.
// format.c is included, with its functions renamed, to have both beside each other.
#include "hypervisor/printk.h"
#include "hypervisor/types.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int hv_snprintf(char *buffer, size_t size, const char *format, ...);
int hv_vsnprintf(char *buffer, size_t size, const char *format, va_list args);
#define snprintf hv_snprintf
#define vsnprintf hv_vsnprintf
#include "hypervisor/format.c"
#undef snprintf
#undef vsnprintf

#define SAME(...)                                                                                  \
    do {                                                                                           \
        char ours[128], theirs[128];                                                               \
        int n = hv_snprintf(ours, sizeof(ours), __VA_ARGS__);                                      \
        int m = snprintf(theirs, sizeof(theirs), __VA_ARGS__);                                     \
        CU_ASSERT_EQUAL(n, m);                                                                     \
        CU_ASSERT_STRING_EQUAL(ours, theirs);                                                      \
    } while (0)

static void integers(void)
{
    static const long values[] = {0, 1, -1, 42, -99999, 0x7fffffff, (long)0x8000000000000000};
    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        long v = values[i];
        SAME("%ld|%012lx|%03lu", v, v, v);
        SAME("%lx|%#lx|%020lx|%#018lx", v, v, v, v);
        SAME("%d|%u|%x|%04x", (int)v, (int)v, (int)v, (int)v);
    }
}

static void texts(void)
{
    SAME("%s|%.*s|%.*s|%%", "abc", 1, "abc", 9, "abc");
    SAME("plain text");
    SAME("%s", "");
}

static void truncation(void)
{
    char small[4] = "xyz";
    CU_ASSERT_EQUAL(hv_snprintf(small, sizeof(small), "%d", 123456), 6);
    CU_ASSERT_STRING_EQUAL(small, "123");
    CU_ASSERT_EQUAL(hv_snprintf(small, 0, "%d", 7), 1);
    CU_ASSERT_STRING_EQUAL(small, "123");
    CU_ASSERT_EQUAL(hv_snprintf(small, 1, "ab"), 2);
    CU_ASSERT_STRING_EQUAL(small, "");
}

static const struct report_case cases[] = {
    REPORT_CASE(integers),
    REPORT_CASE(texts),
    REPORT_CASE(truncation),
};

int main(void)
{
    return report_run("format", cases, sizeof(cases) / sizeof(cases[0]));
}
