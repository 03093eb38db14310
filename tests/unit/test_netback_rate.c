// SPDX-License-Identifier: MIT
/* rate= of network interfaces: what passes in simulated time. */
#include <CUnit/CUnit.h>

#include "dom0/netback_rate.h"
#include "tests/report.h"

#define SECOND 1000000000UL
#define BURST 131072U

static bool take(struct netback_rate *rate, uint32_t size, uint64_t now, uint64_t *until)
{
    if (!netback_rate_allows(rate, size, now, until)) {
        return false;
    }
    netback_rate_count(rate, size);
    return true;
}

/* Sends packets of a size as fast as they are let go, for ten seconds; the bytes that went. */
static uint64_t sent(const char *text, uint32_t size)
{
    struct netback_rate rate;
    uint64_t now = 7 * SECOND, end = 17 * SECOND, total = 0, until;

    CU_ASSERT_TRUE_FATAL(netback_rate_read(&rate, text, now));
    while (now < end) {
        if (take(&rate, size, now, &until)) {
            total += size;
            continue;
        }
        CU_ASSERT_TRUE_FATAL(until > now); /* it goes on at some time, and not at once */
        now = until;
    }
    return total;
}

static void steady(void)
{
    CU_ASSERT_EQUAL(sent("5000,50000", 1000), 5000 * 200);
    CU_ASSERT_EQUAL(sent("500000,50000", 1500) / 1500, 500000 * 200 / 1500);
    /* Packets larger than an interval's bytes wait for several. */
    CU_ASSERT_EQUAL(sent("1000,1000", 65535), 65535UL * (1000 * 10000 / 65535));
    CU_ASSERT_EQUAL(sent("1,1", 60), 60UL * (10000000 / 60));
}

static void burst(void)
{
    struct netback_rate rate;
    uint64_t until = 0, total = 0;

    CU_ASSERT_TRUE(netback_rate_read(&rate, "1000,1000000", 0));
    while (take(&rate, 100, 100000 * SECOND, &until)) {
        total += 100;
    }
    CU_ASSERT_EQUAL(total, (BURST + 1000) / 100 * 100); /* no more, after however long a silence */
    CU_ASSERT_EQUAL(until, 100001 * SECOND);
}

/* What went beyond the credit is paid before anything else goes. */
static void debt(void)
{
    struct netback_rate rate;
    uint64_t until = 0;

    CU_ASSERT_TRUE(netback_rate_read(&rate, "1000,1000000", 0));
    CU_ASSERT_TRUE(take(&rate, 300, 0, &until));
    netback_rate_count(&rate, 13700); /* its segments' headers */
    for (unsigned int i = 1; i <= 13; i++) {
        CU_ASSERT_FALSE(take(&rate, 1, i * SECOND - 1, &until));
    }
    CU_ASSERT_TRUE(take(&rate, 1, 14 * SECOND, &until));
    netback_rate_count(&rate, UINT32_MAX);
    CU_ASSERT_FALSE(take(&rate, 1, 4000000 * SECOND, &until));
    CU_ASSERT_TRUE(take(&rate, 1, 5000000 * SECOND, &until));
}

static void unlimited(void)
{
    struct netback_rate rate = {0};
    uint64_t until;

    for (int i = 0; i < 1000; i++) {
        CU_ASSERT_TRUE(take(&rate, 65535, 0, &until));
    }
}

static void extremes(void)
{
    static const char *const bad[] = {
        "",    "1",    "1,",   ",1",           "0,1",
        "1,0", "1,1x", "-1,1", "1,4294967296", "18446744073709551615,1"};
    struct netback_rate rate;
    uint64_t until;

    CU_ASSERT_TRUE(netback_rate_read(&rate, "9223372036854775807,4294967295", 0));
    CU_ASSERT_TRUE(take(&rate, 65535, UINT64_MAX, &until));
    CU_ASSERT_TRUE(netback_rate_read(&rate, "1,1", 0));
    CU_ASSERT_TRUE(take(&rate, 65535, UINT64_MAX, &until));
    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_FALSE(netback_rate_read(&rate, bad[i], 0));
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(steady),    REPORT_CASE(burst),    REPORT_CASE(debt),
    REPORT_CASE(unlimited), REPORT_CASE(extremes),
};

int main(void)
{
    return report_run("netback_rate", cases, sizeof(cases) / sizeof(cases[0]));
}
