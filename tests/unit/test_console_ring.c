// SPDX-License-Identifier: MIT
/* The daemon's end of a console ring: wrapping, a full ring, hostile indices. */
#include <CUnit/CUnit.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/console_ring.h"
#include "tests/report.h"

static struct xencons_interface ring;
static char text[sizeof(ring.out)];

static void guest_print(const char *words, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        ring.out[MASK_XENCONS_IDX(ring.out_prod++, ring.out)] = words[i];
    }
}

static void output(void)
{
    size_t length = 1;
    memset(&ring, 0, sizeof(ring));
    ring.out_cons = ring.out_prod = 0xfffffffdU; /* wraps */
    CU_ASSERT_TRUE(console_ring_take(&ring, text, &length));
    CU_ASSERT_EQUAL(length, 0);
    guest_print("hello", 5);
    CU_ASSERT_TRUE(console_ring_take(&ring, text, &length));
    CU_ASSERT_EQUAL(length, 5);
    CU_ASSERT_EQUAL(memcmp(text, "hello", 5), 0);
    CU_ASSERT_EQUAL(ring.out_cons, ring.out_prod);
    char *full = calloc(1, sizeof(ring.out));
    guest_print(full, sizeof(ring.out));
    CU_ASSERT_TRUE(console_ring_take(&ring, text, &length));
    CU_ASSERT_EQUAL(length, sizeof(ring.out));
    free(full);
}

static void input(void)
{
    char words[sizeof(ring.in) + 10];
    memset(&ring, 0, sizeof(ring));
    memset(words, 'x', sizeof(words));
    CU_ASSERT_EQUAL(console_ring_put(&ring, "ls\r", 3), 3);
    CU_ASSERT_EQUAL(memcmp(ring.in, "ls\r", 3), 0);
    CU_ASSERT_EQUAL(console_ring_put(&ring, words, sizeof(words)), sizeof(ring.in) - 3);
    CU_ASSERT_EQUAL(console_ring_put(&ring, words, 1), 0);
    ring.in_cons += 2;
    CU_ASSERT_EQUAL(console_ring_put(&ring, words, 5), 2);
}

static void hostile(void)
{
    size_t length;
    srand(2);
    for (int i = 0; i < 100000; i++) {
        ring.out_cons = (uint32_t)rand() * 3U;
        ring.out_prod = rand() % 2 ? ring.out_cons + (uint32_t)rand() % 4000 : (uint32_t)rand();
        uint32_t waits = ring.out_prod - ring.out_cons;
        bool good = console_ring_take(&ring, text, &length);
        CU_ASSERT_EQUAL_FATAL(good, waits <= sizeof(ring.out));
        CU_ASSERT_EQUAL_FATAL(length, good ? waits : 0);
        ring.in_cons = (uint32_t)rand();
        ring.in_prod = (uint32_t)rand();
        CU_ASSERT_TRUE_FATAL(console_ring_put(&ring, "text", 4) <= 4);
    }
}

static const struct report_case cases[] = {REPORT_CASE(output), REPORT_CASE(input),
                                           REPORT_CASE(hostile)};

int main(void)
{
    return report_run("console_ring", cases, sizeof(cases) / sizeof(cases[0]));
}
