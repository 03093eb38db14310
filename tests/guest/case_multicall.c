// SPDX-License-Identifier: MIT
// multicall: results of each call, a call that fails, nesting, continuation, bad lists.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/version.h>

#define MANY 512

static struct multicall_entry entries[MANY];

static void fill(unsigned int count)
{
    memset(entries, 0, sizeof(entries));
    for (unsigned int i = 0; i < count; i++) {
        entries[i].op = __HYPERVISOR_xen_version;
        entries[i].args[0] = XENVER_pagesize;
        entries[i].result = 0x5555;
    }
}

static void results(void)
{
    fill(3);
    entries[1].args[0] = 99;
    EXPECT(hypercall_multicall(entries, 3), 0);
    EXPECT(entries[0].result, PAGE_SIZE);
    EXPECT(entries[1].result, -XEN_ENOSYS);
    EXPECT(entries[2].result, PAGE_SIZE);
}

static void empty(void)
{
    EXPECT(hypercall_multicall(entries, 0), 0);
    EXPECT(hypercall_multicall(NULL, 0), 0);
}

static void many(void)
{
    unsigned int good = 0;

    fill(MANY);
    EXPECT(hypercall_multicall(entries, MANY), 0);
    for (unsigned int i = 0; i < MANY; i++)
        good += entries[i].result == PAGE_SIZE;
    EXPECT(good, MANY);
}

static void unknown_hypercall(void)
{
    fill(2);
    entries[0].op = 60;
    entries[1].op = 100000;
    EXPECT(hypercall_multicall(entries, 2), 0);
    EXPECT(entries[0].result, -XEN_ENOSYS);
    EXPECT(entries[1].result, -XEN_ENOSYS);
}

static void nested(void)
{
    static struct multicall_entry inner[2];

    memset(inner, 0, sizeof(inner));
    inner[0].op = __HYPERVISOR_xen_version;
    inner[0].args[0] = XENVER_pagesize;
    fill(1);
    entries[0].op = __HYPERVISOR_multicall;
    entries[0].args[0] = (unsigned long)inner;
    entries[0].args[1] = 1;
    EXPECT(hypercall_multicall(entries, 1), 0);
    EXPECT(entries[0].result, -XEN_EINVAL);
    EXPECT(inner[0].result, 0);
}

static void bad_pointer(void)
{
    EXPECT(hypercall_multicall(HYPERVISOR_ADDRESS, 1), -XEN_EFAULT);
    EXPECT(hypercall_multicall(NON_CANONICAL, 1), -XEN_EFAULT);
    EXPECT(hypercall_multicall((void *)4096, 1), -XEN_EFAULT);
}

static void read_only_list(void)
{
    struct multicall_entry *list = page_alloc(0);

    REQUIRE(list != NULL);
    list[0].op = __HYPERVISOR_xen_version;
    list[0].args[0] = XENVER_pagesize;

    EXPECT(page_set_readonly(list), 0);
    EXPECT(hypercall_multicall(list, 1), -XEN_EFAULT);
    EXPECT(page_set_writable(list), 0);
    EXPECT(list[0].result, 0);
    page_free(list, 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(results),           REPORT_CASE(empty),  REPORT_CASE(many),
    REPORT_CASE(unknown_hypercall), REPORT_CASE(nested), REPORT_CASE(bad_pointer),
    REPORT_CASE(read_only_list),
};

GUEST_FAMILY(multicall, REPORT_SUITE("multicall", cases));
