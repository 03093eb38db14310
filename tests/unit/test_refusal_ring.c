// SPDX-License-Identifier: MIT
// The ring of refused calls: equal ones in a row, reading on by number, against a list of all calls.
#include "hypervisor/refusal_ring.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <stdlib.h>

static struct refusal_ring ring;

static void refuse(uint8_t call, uint64_t time)
{
    refusal_ring_add(&ring, &(struct refusal_record){.call = call, .time = time, .rip = 5});
}

static void flood_takes_one_place(void)
{
    struct refusal_record record;
    uint64_t next = 0, lost;

    refusal_ring_init(&ring);
    refuse(1, 10);
    for (unsigned i = 0; i < 8191; i++)
        refuse(24, 100 + i);
    refuse(2, 9000);
    CU_ASSERT_EQUAL(refusal_ring_read(&ring, &next, &record, &lost), 1);
    CU_ASSERT_EQUAL(record.call, 1);
    CU_ASSERT_EQUAL(refusal_ring_read(&ring, &next, &record, &lost), 8191);
    CU_ASSERT_EQUAL(record.call, 24);
    CU_ASSERT_EQUAL(record.time, 100 + 8190);
    CU_ASSERT_EQUAL(next, 8192);
    CU_ASSERT_EQUAL(refusal_ring_read(&ring, &next, &record, &lost), 1);
    CU_ASSERT_EQUAL(record.call, 2);
    CU_ASSERT_EQUAL(refusal_ring_read(&ring, &next, &record, &lost), 0);
    CU_ASSERT_EQUAL(next, 8193);
    CU_ASSERT_EQUAL(lost, 0);
}

// Who reads while it goes on sees what is new of a record.
static void part_of_record(void)
{
    struct refusal_record record;
    uint64_t next = 0, lost;

    refusal_ring_init(&ring);
    CU_ASSERT_EQUAL(refusal_ring_read(&ring, &next, &record, &lost), 0);
    for (unsigned round = 1; round < 5; round++) {
        for (unsigned i = 0; i < round; i++)
            refuse(7, round);
        CU_ASSERT_EQUAL(refusal_ring_read(&ring, &next, &record, &lost), round);
        CU_ASSERT_EQUAL(record.time, round);
    }
    next = UINT64_MAX;
    CU_ASSERT_EQUAL(refusal_ring_read(&ring, &next, &record, &lost), 0);
    CU_ASSERT_EQUAL(next, 10);
}

// What differs in one field only has a record of its own.
static void fields(void)
{
    static const struct refusal_record base = {
        .rip = 1, .index = 2, .subop = 3, .vcpu = 4, .refusal = 5, .call = 6};
    struct refusal_record records[] = {base, base, base, base, base, base, base};

    records[1].rip++;
    records[2].index++;
    records[3].subop++;
    records[4].vcpu++;
    records[5].refusal++;
    records[6].call++;
    refusal_ring_init(&ring);
    for (unsigned i = 0; i < 7; i++)
        for (unsigned twice = 0; twice < 2; twice++) {
            records[i].time++;
            refusal_ring_add(&ring, &records[i]);
        }
    CU_ASSERT_EQUAL(ring.records, 7);
    CU_ASSERT_EQUAL(refusal_ring_last(&ring, 2), 10);
    CU_ASSERT_EQUAL(refusal_ring_last(&ring, 7), 0);
    CU_ASSERT_EQUAL(refusal_ring_last(&ring, REFUSAL_RING), 0);
    CU_ASSERT_EQUAL(ring.calls, 14);
}

#define CALLS 4000

static void random_calls(void)
{
    static uint8_t all[CALLS];

    srand(18);
    for (unsigned round = 0; round < 200; round++) {
        uint64_t next = 0, before;
        unsigned made = 0;
        refusal_ring_init(&ring);
        while (made < CALLS) {
            for (unsigned n = (unsigned)rand() % 120; n > 0 && made < CALLS; n--) {
                all[made] = made && rand() % 3 ? all[made - 1] : (uint8_t)(rand() % 4);
                refuse(all[made], made);
                made++;
            }
            struct refusal_record record;
            uint64_t count, lost, covered = next;
            for (before = next;
                 rand() % 40 && (count = refusal_ring_read(&ring, &next, &record, &lost));
                 before = next) {
                CU_ASSERT_EQUAL_FATAL(next, before + lost + count);
                CU_ASSERT_FATAL(next <= made);
                for (uint64_t i = before + lost; i < next; i++)
                    CU_ASSERT_EQUAL_FATAL(all[i], record.call);
                CU_ASSERT_TRUE_FATAL(lost == 0 || before == covered);
            }
        }
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(flood_takes_one_place),
    REPORT_CASE(part_of_record),
    REPORT_CASE(fields),
    REPORT_CASE(random_calls),
};

int main(void)
{
    return report_run("refusal_ring", cases, sizeof(cases) / sizeof(cases[0]));
}
