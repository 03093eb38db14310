// SPDX-License-Identifier: MIT
// Paravane's own hypercall: each refused call leaves a record. On Xen there is no such call, and that
// is all there is to see there.
#include "tests/guest/pair.h"

#include <string.h>
#include <xen/version.h>

#include "hypercalls/paravane_tests.h"

#define RECORDS 64

static struct paravane_refusal records[RECORDS];

// Number of records from `next` on, which is set behind the last of them.
static long read_from(uint64_t *next)
{
    struct paravane_refusals op = {
        .domid = DOMID_SELF, .count = RECORDS, .next = *next, .buffer = (uint64_t)records};
    long result = hypercall_paravane_op(PARAVANE_refusals, &op);

    *next = op.next;
    return result < 0 ? result : op.count;
}

static void refused_call_leaves_record(void)
{
    uint64_t next = 0;
    extern char image_start[], image_text_end[];

    if (!guest_is_on_paravane())
        return;
    EXPECT_TRUE(read_from(&next) >= 0);
    EXPECT(hypercall_xen_version(99, NULL), -XEN_ENOSYS);
    EXPECT(hypercall_mmuext_op((void *)16, 1, NULL, DOMID_SELF), -XEN_EFAULT);
    EXPECT(read_from(&next), 2);
    EXPECT(records[0].call, __HYPERVISOR_xen_version);
    EXPECT(records[0].subop, 99);
    EXPECT(-records[0].error, XEN_ENOSYS);
    EXPECT(strcmp(records[0].call_name, "xen_version"), 0);
    EXPECT(strcmp(records[0].name, "NO_SUBOP"), 0);
    EXPECT_TRUE(records[0].words[0] != '\0');
    EXPECT_TRUE(records[0].rip >= (uint64_t)image_start &&
                records[0].rip < (uint64_t)image_text_end);
    EXPECT(records[1].call, __HYPERVISOR_mmuext_op);
    EXPECT(-records[1].error, XEN_EFAULT);
    EXPECT_TRUE(records[1].time >= records[0].time);
}

static void successful_call_leaves_none(void)
{
    uint64_t next = 0;

    if (!guest_is_on_paravane())
        return;
    EXPECT_TRUE(read_from(&next) >= 0);
    EXPECT_TRUE(hypercall_xen_version(XENVER_version, NULL) > 0);
    EXPECT(read_from(&next), 0);
}

// Equal calls in a row take one place, and do not wash out what was before. Reading on shows what is new.
static void equal_calls_are_counted(void)
{
    uint64_t next = 0;

    if (!guest_is_on_paravane())
        return;
    EXPECT_TRUE(read_from(&next) >= 0);
    hypercall_xen_version(98, NULL);
    for (unsigned int i = 0; i < 5000; i++)
        hypercall_xen_version(99, NULL);
    uint64_t before = next;
    EXPECT(read_from(&next), 2);
    EXPECT(next, before + 5001);
    EXPECT(records[0].subop, 98);
    EXPECT(records[0].count, 1);
    EXPECT(records[1].subop, 99);
    EXPECT(records[1].count, 5000);
    before += 4000;
    EXPECT(read_from(&before), 1);
    EXPECT(records[0].count, 1001);
}

static void old_records_are_lost(void)
{
    uint64_t next = 0;

    if (!guest_is_on_paravane())
        return;
    EXPECT_TRUE(read_from(&next) >= 0);
    for (unsigned int i = 0; i < 100; i++)
        hypercall_xen_version(200 + i, NULL);
    struct paravane_refusals op = {
        .domid = DOMID_SELF, .count = RECORDS, .next = next, .buffer = (uint64_t)records};
    EXPECT(hypercall_paravane_op(PARAVANE_refusals, &op), 0);
    EXPECT(op.lost + op.count, 100);
    EXPECT_TRUE(op.lost > 0);
    EXPECT(op.next, next + 100);
    EXPECT(records[op.count - 1].subop, 299);
}

// After all that the other cases have done: the counts of the frames cover what the tables hold.
static void frames_are_counted_right(void)
{
    struct paravane_check_frames check = {.bad = 77};

    if (!guest_is_on_paravane())
        return;
    EXPECT(hypercall_paravane_op(PARAVANE_check_frames, &check), 0);
    EXPECT_TRUE(check.checked > 1000);
    EXPECT(check.bad, 0);
    EXPECT(hypercall_paravane_op(PARAVANE_check_frames, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

// Only builds with TIMED=1 measure.
static void longest_stretches(void)
{
    struct paravane_longest_call longest = {.call = 9999}, own = {.call = __HYPERVISOR_paravane_op};

    if (!guest_is_on_paravane())
        return;
    EXPECT(hypercall_paravane_op(PARAVANE_longest_call, &longest), -XEN_ENOSYS);
    EXPECT(hypercall_paravane_op(PARAVANE_longest_call, &own), 0);
    EXPECT(hypercall_paravane_op(PARAVANE_longest_call, NON_CANONICAL), -XEN_EFAULT);
}

static void hostile_arguments(void)
{
    struct paravane_refusals op = {.domid = ABSENT_DOMAIN};
    struct paravane_exit_reason reason = {.domid = DOMID_SELF};

    if (!guest_is_on_paravane())
        return;
    EXPECT(hypercall_paravane_op(PARAVANE_refusals, &op), -XEN_ESRCH);
    EXPECT(hypercall_paravane_op(PARAVANE_refusals, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    op = (struct paravane_refusals){
        .domid = DOMID_SELF, .count = 1, .buffer = (uint64_t)HYPERVISOR_ADDRESS};
    EXPECT(hypercall_paravane_op(PARAVANE_refusals, &op), -XEN_EFAULT);
    op = (struct paravane_refusals){.domid = DOMID_SELF, .count = ~0U, .next = ~0UL, .buffer = 16};
    EXPECT(hypercall_paravane_op(PARAVANE_refusals, &op), 0);
    EXPECT(op.count, 0);
    EXPECT(hypercall_paravane_op(PARAVANE_exit_reason, &reason), 0);
    EXPECT(reason.text[0], '\0');
    EXPECT(hypercall_paravane_op(77, &op), -XEN_ENOSYS);
}

// In the peer: asks about dom0, and what only a control domain may.
static long ask_about(long domain, long b, long c)
{
    struct paravane_refusals op = {.domid = (domid_t)domain};
    struct paravane_exit_reason reason = {.domid = (domid_t)domain};
    struct paravane_check_frames check;
    bool absent = !guest_is_on_paravane();

    (void)b, (void)c;
    EXPECT(hypercall_paravane_op(PARAVANE_refusals, &op), absent ? -XEN_ENOSYS : -XEN_EPERM);
    EXPECT(hypercall_paravane_op(PARAVANE_exit_reason, &reason), absent ? -XEN_ENOSYS : -XEN_EPERM);
    EXPECT(hypercall_paravane_op(PARAVANE_check_frames, &check), absent ? -XEN_ENOSYS : -XEN_EPERM);
    op.domid = DOMID_SELF;
    EXPECT(hypercall_paravane_op(PARAVANE_refusals, &op), absent ? -XEN_ENOSYS : 0);
    return 0;
}

static void others_are_not_told(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, ask_about, 0, 0, 0), 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(refused_call_leaves_record), REPORT_CASE(successful_call_leaves_none),
    REPORT_CASE(old_records_are_lost),       REPORT_CASE(frames_are_counted_right),
    REPORT_CASE(longest_stretches),          REPORT_CASE(others_are_not_told),
    REPORT_CASE(equal_calls_are_counted),    REPORT_CASE(hostile_arguments),
};

GUEST_FAMILY(why, REPORT_SUITE("paravane_op", cases));
