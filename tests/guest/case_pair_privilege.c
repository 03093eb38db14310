// SPDX-License-Identifier: MIT
// What a guest without privileges is told by the calls of a toolstack and of a hardware domain. All of this
// runs in the peer: the case is one remote function.
#define __XEN_TOOLS__ 1
#include "tests/guest/pair.h"

#include <stdio.h>
#include <string.h>
#include <xen/domctl.h>
#include <xen/hvm/hvm_op.h>
#include <xen/kexec.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/version.h>
#include <xen/xenoprof.h>

#include "hypercalls/paravane_tests.h"
#include "pvguest/start.h"

// A remote function that needs nothing, and the case that has the peer call it.
#define REMOTE(name)                                                                               \
    static long name##_remote(long a, long b, long c);                                             \
    static void name(void)                                                                         \
    {                                                                                              \
        struct peer *peer = peer_get(0);                                                           \
                                                                                                   \
        REQUIRE(peer);                                                                             \
        EXPECT(peer_call(peer, name##_remote, peer->domid, 0, 0), 0);                              \
    }                                                                                              \
    static long name##_remote(long self, long b __attribute__((unused)),                           \
                              long c __attribute__((unused)))

// More than there are of any, so that unknown ones are among them.
#define DOMCTL_END 96
#define SYSCTL_END 40
#define PLATFORM_END 72

static struct xen_domctl op;
static struct xen_sysctl sys;
static struct xen_platform_op platform;

static long domctl(uint32_t command, long domain)
{
    memset(&op, 0, sizeof(op));
    return toolstack_domctl(&op, command, (domid_t)domain);
}

// As EXPECT, for one of many commands.
static void expect_of(unsigned int command, long result, long wanted)
{
    static char text[40];

    snprintf(text, sizeof(text), "the result of command %u", command);
    guest_expect(result, wanted, text, __FILE__, __LINE__);
}

// Whom it is about and what is asked does not matter, but who is not there cannot be asked about.
REMOTE(domctl_refused)
{
    for (uint32_t command = 0; command < DOMCTL_END; command++) {
        long result = domctl(command, 0), of_self = domctl(command, self);

        // Zeroes are bad arguments of some, and either answer is right then.
        if (result != -XEN_EINVAL && result != -XEN_EOPNOTSUPP)
            expect_of(command, result, -XEN_EPERM);
        if (of_self != -XEN_EINVAL && of_self != -XEN_EOPNOTSUPP)
            expect_of(command, of_self, -XEN_EPERM);
    }
    EXPECT(domctl(XEN_DOMCTL_pausedomain, ABSENT_DOMAIN), -XEN_ESRCH);
    EXPECT(domctl(XEN_DOMCTL_destroydomain, ABSENT_DOMAIN), -XEN_ESRCH);
    EXPECT(domctl(XEN_DOMCTL_max_mem, DOMID_SELF), -XEN_ESRCH);
    EXPECT(domctl(XEN_DOMCTL_createdomain, ABSENT_DOMAIN), -XEN_EPERM);
    EXPECT(domctl(XEN_DOMCTL_getdomaininfo, 0), -XEN_EPERM);
    EXPECT(domctl(XEN_DOMCTL_pausedomain, 0), -XEN_EPERM);
    EXPECT(domctl(XEN_DOMCTL_destroydomain, self), -XEN_EPERM);
    memset(&op, 0, sizeof(op));
    EXPECT(hypercall_domctl(&op), -XEN_EACCES);
    EXPECT(hypercall_domctl(NULL), -XEN_EFAULT);
    EXPECT(hypercall_domctl(HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_domctl(NON_CANONICAL), -XEN_EFAULT);
    return 0;
}

REMOTE(sysctl_refused)
{
    (void)self;
    for (uint32_t command = 0; command < SYSCTL_END; command++) {
        memset(&sys, 0, sizeof(sys));
        sys.cmd = command;
        expect_of(command, hypercall_sysctl(&sys), -XEN_EACCES);
        sys.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
        expect_of(command, hypercall_sysctl(&sys), -XEN_EPERM);
    }
    EXPECT(hypercall_sysctl(NULL), -XEN_EFAULT);
    EXPECT(hypercall_sysctl(HYPERVISOR_ADDRESS), -XEN_EFAULT);
    return 0;
}

REMOTE(platform_refused)
{
    (void)self;
    for (uint32_t command = 0; command < PLATFORM_END; command++) {
        memset(&platform, 0, sizeof(platform));
        platform.cmd = command;
        expect_of(command, hypercall_platform_op(&platform), -XEN_EACCES);
        platform.interface_version = XENPF_INTERFACE_VERSION;
        expect_of(command, hypercall_platform_op(&platform), -XEN_EPERM);
    }
    EXPECT(hypercall_platform_op(NULL), -XEN_EFAULT);
    EXPECT(hypercall_platform_op(HYPERVISOR_ADDRESS), -XEN_EFAULT);
    return 0;
}

// A zeroed argument and one that cannot be read. EITHER: both the pointer and the privilege are wrong.
#define EITHER 1
static const struct physdev_row {
    uint8_t command;
    int8_t zeroed, unreadable;
} physdev_rows[] = {
    {PHYSDEVOP_IRQ_UNMASK_NOTIFY,  0,           0          },
    {PHYSDEVOP_irq_status_query,   0,           -XEN_EFAULT},
    {PHYSDEVOP_set_iopl,           0,           -XEN_EFAULT},
    {PHYSDEVOP_set_iobitmap,       0,           -XEN_EFAULT},
    {PHYSDEVOP_apic_read,          -XEN_EPERM,  -XEN_EFAULT},
    {PHYSDEVOP_apic_write,         -XEN_EPERM,  -XEN_EFAULT},
    {PHYSDEVOP_dbgp_op,            -XEN_EPERM,  EITHER     },
    {PHYSDEVOP_pci_mmcfg_reserved, -XEN_EPERM,  EITHER     },
    {PHYSDEVOP_alloc_irq_vector,   -XEN_EPERM,  -XEN_EFAULT},
    {PHYSDEVOP_eoi,                -XEN_EINVAL, -XEN_EFAULT},
    {PHYSDEVOP_map_pirq,           -XEN_EPERM,  -XEN_EFAULT},
    {PHYSDEVOP_unmap_pirq,         -XEN_EPERM,  -XEN_EFAULT},
    {PHYSDEVOP_manage_pci_add,     -XEN_EPERM,  -XEN_EFAULT},
    {PHYSDEVOP_manage_pci_remove,  -XEN_EPERM,  -XEN_EFAULT},
    {PHYSDEVOP_pirq_eoi_gmfn_v1,   -XEN_EINVAL, -XEN_EFAULT},
    {18,                           -XEN_ENOSYS, -XEN_ENOSYS},
    {PHYSDEVOP_manage_pci_add_ext, -XEN_EPERM,  -XEN_EFAULT},
    {PHYSDEVOP_setup_gsi,          -XEN_EPERM,  -XEN_EFAULT},
    {22,                           -XEN_ENOSYS, -XEN_ENOSYS},
    {PHYSDEVOP_pci_device_add,     -XEN_EPERM,  -XEN_EFAULT},
    {PHYSDEVOP_pci_device_remove,  -XEN_EPERM,  -XEN_EFAULT},
    {PHYSDEVOP_pirq_eoi_gmfn_v2,   -XEN_EINVAL, -XEN_EFAULT},
    {PHYSDEVOP_prepare_msix,       -XEN_EPERM,  -XEN_EFAULT},
    {PHYSDEVOP_release_msix,       -XEN_EPERM,  -XEN_EFAULT},
    {99,                           -XEN_ENOSYS, -XEN_ENOSYS},
};

REMOTE(physdev_refused)
{
    static uint64_t argument[16];

    (void)self;
    for (size_t i = 0; i < sizeof(physdev_rows) / sizeof(physdev_rows[0]); i++) {
        const struct physdev_row *row = &physdev_rows[i];

        memset(argument, 0, sizeof(argument));
        expect_of(row->command, hypercall_physdev_op(row->command, argument), row->zeroed);
        if (row->unreadable != EITHER)
            expect_of(row->command, hypercall_physdev_op(row->command, HYPERVISOR_ADDRESS),
                      row->unreadable);
    }
    return 0;
}

// Rows of features that are off for dom0 as well, and machine checks. Profiling: an unknown command, and one
// that is the profiler's.
REMOTE(features_refused)
{
    const bool profiling = !SINCE_XEN(20);
    static uint64_t argument[32];

    (void)self;
    memset(argument, 0, sizeof(argument));
    for (unsigned int command = KEXEC_CMD_kexec; command <= KEXEC_CMD_kexec_status; command++)
        expect_of(command, HYPERCALL2(__HYPERVISOR_kexec_op, command, argument), -XEN_EPERM);
    EXPECT(HYPERCALL1(__HYPERVISOR_arch_0, argument), -XEN_EPERM);
    EXPECT(HYPERCALL1(__HYPERVISOR_arch_0, HYPERVISOR_ADDRESS), -XEN_EPERM);
    EXPECT(HYPERCALL2(__HYPERVISOR_xenoprof_op, XENOPROF_start, argument),
           profiling ? -XEN_EPERM : -XEN_ENOSYS);
    EXPECT(HYPERCALL2(__HYPERVISOR_xenoprof_op, XENOPROF_last_op + 1, argument),
           profiling ? -XEN_EINVAL : -XEN_ENOSYS);
    EXPECT(HYPERCALL3(__HYPERVISOR_dm_op, 0, 1, argument), -XEN_EINVAL);
    EXPECT(HYPERCALL3(__HYPERVISOR_dm_op, ABSENT_DOMAIN, 1, argument), -XEN_ESRCH);
    EXPECT(HYPERCALL2(__HYPERVISOR_hvm_op, HVMOP_get_param, argument), -XEN_EINVAL); // of dom0
    return 0;
}

REMOTE(console_refused)
{
    char text[] = "never seen\n";

    (void)self;
    EXPECT(hypercall_console_io(CONSOLEIO_write, sizeof(text) - 1, text), -XEN_EPERM);
    EXPECT(hypercall_console_io(CONSOLEIO_read, sizeof(text) - 1, text), -XEN_EPERM);
    EXPECT(hypercall_console_io(CONSOLEIO_write, 0x7fffffff, HYPERVISOR_ADDRESS), -XEN_EPERM);
    EXPECT(hypercall_console_io(99, 0, NULL), -XEN_EPERM);
    return 0;
}

// Calls that nobody has here.
REMOTE(absent_calls)
{
    static uint64_t argument[32];

    (void)self;
    EXPECT(HYPERCALL1(__HYPERVISOR_xsm_op, argument), -XEN_ENOSYS);
    EXPECT(HYPERCALL1(__HYPERVISOR_tmem_op, argument), -XEN_ENOSYS);
    EXPECT(HYPERCALL5(__HYPERVISOR_argo_op, 0, 0, 0, 0, 0), -XEN_ENOSYS);
    EXPECT(HYPERCALL2(__HYPERVISOR_xenpmu_op, 0, argument), -XEN_EOPNOTSUPP);
    return 0;
}

REMOTE(secrets_of_the_host)
{
    static char text[1024];

    (void)self;
    memset(text, 0x55, sizeof(text));
    EXPECT(hypercall_xen_version(XENVER_commandline, text), 0);
    EXPECT(strcmp(text, "<denied>"), 0);
    EXPECT(text[sizeof("<denied>")], 0x55); // nothing more is written
    memset(text, 0, sizeof(text));
    EXPECT(hypercall_xen_version(XENVER_build_id, text), -XEN_EPERM);
    EXPECT(hypercall_xen_version(XENVER_extraversion, text), 0);
    EXPECT_TRUE(text[0] == '.');
    EXPECT(hypercall_xen_version(XENVER_changeset, text), 0);
    EXPECT_TRUE(strcmp(text, "<denied>") != 0);
    EXPECT(hypercall_xen_version(99, text), -XEN_ENOSYS);
    return 0;
}

static long remote_shutdown(long domain)
{
    struct sched_remote_shutdown r = {.domain_id = (domid_t)domain, .reason = SHUTDOWN_poweroff};

    return hypercall_sched_op(SCHEDOP_remote_shutdown, &r);
}

// Not even oneself: that is for the toolstack.
REMOTE(shutdown_of_others)
{
    struct sched_pin_override pin = {.pcpu = 0};

    EXPECT(remote_shutdown(0), -XEN_EPERM);
    EXPECT(remote_shutdown(ABSENT_DOMAIN), -XEN_ESRCH);
    EXPECT(remote_shutdown(self), -XEN_EPERM);
    EXPECT(remote_shutdown(DOMID_SELF), -XEN_ESRCH);
    EXPECT(hypercall_sched_op(SCHEDOP_pin_override, &pin), -XEN_EPERM);
    return 0;
}

static long number_of(unsigned int command, long domain)
{
    struct xen_memory_domain m = {.domid = (domid_t)domain};

    return hypercall_memory_op(command, &m);
}

REMOTE(memory_numbers_of_others)
{
    static const uint8_t commands[] = {XENMEM_current_reservation, XENMEM_maximum_reservation,
                                       XENMEM_maximum_gpfn};

    for (size_t i = 0; i < sizeof(commands); i++) {
        EXPECT(number_of(commands[i], 0), -XEN_EPERM);
        EXPECT(number_of(commands[i], ABSENT_DOMAIN), -XEN_ESRCH);
        EXPECT(number_of(commands[i], DOMID_IO), -XEN_ESRCH);
        EXPECT_TRUE(number_of(commands[i], DOMID_SELF) >= 0);
        EXPECT_TRUE(number_of(commands[i], self) >= 0);
    }
    EXPECT_TRUE(hypercall_memory_op(XENMEM_maximum_ram_page, NULL) > 0x1000);
    return 0;
}

// What may be had of memory for others: nothing; the answers differ with the operation.
REMOTE(memory_for_others)
{
    static const domid_t others[] = {0, ABSENT_DOMAIN, DOMID_IO, DOMID_XEN};
    xen_pfn_t frame = 0;
    struct xen_memory_reservation r = {.nr_extents = 1};

    set_xen_guest_handle(r.extent_start, &frame);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        r.domid = others[i];
        EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 0);
        EXPECT(hypercall_memory_op(XENMEM_increase_reservation, &r), 0);
        EXPECT(hypercall_memory_op(XENMEM_decrease_reservation, &r), 0);
    }
    set_xen_guest_handle(r.extent_start, NULL);
    r.domid = 0;
    EXPECT(hypercall_memory_op(XENMEM_claim_pages, &r), -XEN_EPERM);
    r.domid = (domid_t)self;
    EXPECT(hypercall_memory_op(XENMEM_claim_pages, &r), -XEN_EPERM);
    return 0;
}

REMOTE(exchange_for_others)
{
    xen_pfn_t in = 0, out = 0;
    struct xen_memory_exchange x = {.in = {.nr_extents = 1}, .out = {.nr_extents = 1}};

    (void)self;
    set_xen_guest_handle(x.in.extent_start, &in);
    set_xen_guest_handle(x.out.extent_start, &out);
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_EPERM);
    x.in.domid = x.out.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_exchange, &x), -XEN_ESRCH);
    return 0;
}

REMOTE(maps_of_others)
{
    static uint64_t buffer[64];
    struct xen_foreign_memory_map f = {.domid = 0, .map = {.nr_entries = 1}};
    struct xen_memory_map m = {.nr_entries = 20};
    struct xen_add_to_physmap a = {.domid = 0};
    struct xen_remove_from_physmap gone = {.domid = 0};

    set_xen_guest_handle(f.map.buffer, buffer);
    set_xen_guest_handle(m.buffer, buffer);
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, &f), -XEN_EPERM);
    EXPECT(hypercall_memory_op(XENMEM_memory_map, &m), 0);
    EXPECT_TRUE(m.nr_entries > 0);
    f.domid = (domid_t)self; // its own it may replace
    f.map.nr_entries = 2;
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, &f), 0);
    m.nr_entries = 20;
    EXPECT(hypercall_memory_op(XENMEM_memory_map, &m), 0);
    EXPECT(m.nr_entries, 2);
    m.nr_entries = 1;
    EXPECT(hypercall_memory_op(XENMEM_memory_map, &m), 0);
    EXPECT(m.nr_entries, 1);
    f.map.nr_entries = 0;
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, &f), 0);
    EXPECT(hypercall_memory_op(XENMEM_memory_map, &m), -XEN_ENOSYS);
    f.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, &f), -XEN_ESRCH);
    f.map.nr_entries = 100000;
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, &f), -XEN_EINVAL);
    EXPECT(hypercall_memory_op(XENMEM_machine_memory_map, &m), -XEN_EPERM);
    EXPECT(hypercall_memory_op(XENMEM_add_to_physmap, &a), -XEN_EACCES);
    EXPECT(hypercall_memory_op(XENMEM_remove_from_physmap, &gone), -XEN_EACCES);
    a.domid = gone.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_add_to_physmap, &a), -XEN_ESRCH);
    EXPECT(hypercall_memory_op(XENMEM_remove_from_physmap, &gone), -XEN_ESRCH);
    return 0;
}

static long acquire(long domain, unsigned int type, unsigned int count)
{
    xen_pfn_t frames[2] = {0, 0};
    struct xen_mem_acquire_resource r = {
        .domid = (domid_t)domain, .type = (uint16_t)type, .nr_frames = count};

    set_xen_guest_handle(r.frame_list, frames);
    return hypercall_memory_op(XENMEM_acquire_resource, &r);
}

REMOTE(resources_of_others)
{
    EXPECT(acquire(0, XENMEM_resource_grant_table, 1), -XEN_EPERM);
    EXPECT(acquire(ABSENT_DOMAIN, XENMEM_resource_grant_table, 1), -XEN_ESRCH);
    EXPECT(acquire(self, XENMEM_resource_grant_table, 1), -XEN_EPERM);
    EXPECT(acquire(DOMID_SELF, XENMEM_resource_grant_table, 1), -XEN_ESRCH);
    EXPECT(acquire(DOMID_IO, XENMEM_resource_grant_table, 1), -XEN_ESRCH);
    EXPECT(acquire(0, 99, 1), -XEN_EPERM);
    return 0;
}

// Xen has no such call.
static bool is_kept_from_guests(long result)
{
    return result == -XEN_EPERM || result == -XEN_ENOSYS;
}

// Why the calls of others were refused is for those and for dom0.
REMOTE(reasons_of_others)
{
    struct paravane_refusals refusals = {.domid = 0, .count = 0, .next = ~0UL};
    struct paravane_refusals own = {.domid = (domid_t)self, .count = 0, .next = ~0UL};
    struct paravane_check_frames check = {0};
    long result;

    EXPECT_TRUE(is_kept_from_guests(hypercall_paravane_op(PARAVANE_refusals, &refusals)));
    EXPECT_TRUE(is_kept_from_guests(hypercall_paravane_op(PARAVANE_check_frames, &check)));
    result = hypercall_paravane_op(PARAVANE_refusals, &own);
    EXPECT_TRUE(result == 0 || result == -XEN_ENOSYS);
    return 0;
}

static const struct report_case cases[] = {
    REPORT_CASE(domctl_refused),           REPORT_CASE(sysctl_refused),
    REPORT_CASE(platform_refused),         REPORT_CASE(physdev_refused),
    REPORT_CASE(console_refused),          REPORT_CASE(absent_calls),
    REPORT_CASE(secrets_of_the_host),      REPORT_CASE(shutdown_of_others),
    REPORT_CASE(memory_numbers_of_others), REPORT_CASE(memory_for_others),
    REPORT_CASE(exchange_for_others),      REPORT_CASE(maps_of_others),
    REPORT_CASE(resources_of_others),      REPORT_CASE(reasons_of_others),
    REPORT_CASE(features_refused),
};

GUEST_FAMILY(pair_privilege, REPORT_SUITE("pair_privilege", cases));
