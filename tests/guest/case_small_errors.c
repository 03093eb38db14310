// SPDX-License-Identifier: MIT
// The small calls with hostile arguments: xen_version (outputs are filled to their size and no further),
// console_io, sched_op, set_timer_op, nmi_op, descriptors.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/nmi.h>
#include <xen/sched.h>
#include <xen/version.h>

#include "pvguest/event.h"
#include "pvguest/time.h"

#define FILL 0x55
#define FLOOD_BYTES (4 * PAGE_SIZE)
#define NEVER_PORT 0xffffffffU

// --- xen_version

static const struct output {
    unsigned int command, size;
    bool is_text;
} outputs[] = {
    {XENVER_extraversion,        sizeof(xen_extraversion_t),        true },
    {XENVER_compile_info,        sizeof(xen_compile_info_t),        false},
    {XENVER_capabilities,        sizeof(xen_capabilities_info_t),   true },
    {XENVER_changeset,           sizeof(xen_changeset_info_t),      true },
    {XENVER_platform_parameters, sizeof(xen_platform_parameters_t), false},
    {XENVER_guest_handle,        sizeof(xen_domain_handle_t),       false},
    {XENVER_commandline,         sizeof(xen_commandline_t),         true },
};
#define OUTPUTS (sizeof(outputs) / sizeof(outputs[0]))

// Nothing of the hypervisor's own behind a text, nothing written behind the output.
static void outputs_are_clean(void)
{
    static unsigned char buffer[2048];

    for (size_t i = 0; i < OUTPUTS; i++) {
        const struct output *o = &outputs[i];
        unsigned int dirty = 0;

        memset(buffer, FILL, sizeof(buffer));
        EXPECT(hypercall_xen_version(o->command, buffer), 0);
        EXPECT(buffer[o->size], FILL);
        for (size_t b = strlen((char *)buffer); o->is_text && b < o->size; b++)
            dirty += buffer[b] != 0;
        EXPECT(dirty, 0);
    }
}

static void outputs_at_the_edge(void)
{
    char *edge = edge_alloc();

    REQUIRE(edge != NULL);
    for (size_t i = 0; i < OUTPUTS; i++) {
        const struct output *o = &outputs[i];

        EXPECT(hypercall_xen_version(o->command, edge - o->size), 0);
        EXPECT(hypercall_xen_version(o->command, edge - o->size + 1), -XEN_EFAULT);
        EXPECT(hypercall_xen_version(o->command, edge), -XEN_EFAULT);
        EXPECT(hypercall_xen_version(o->command, NULL), -XEN_EFAULT);
        EXPECT(hypercall_xen_version(o->command, HYPERVISOR_ADDRESS), -XEN_EFAULT);
        EXPECT(hypercall_xen_version(o->command, NON_CANONICAL), -XEN_EFAULT);
    }
    edge_free(edge);
}

static void outputs_read_only(void)
{
    void *page = page_alloc(0);

    REQUIRE(page != NULL);
    EXPECT(page_set_readonly(page), 0);
    for (size_t i = 0; i < OUTPUTS; i++)
        EXPECT(hypercall_xen_version(outputs[i].command, page), -XEN_EFAULT);
    EXPECT(page_set_writable(page), 0);
    page_free(page, 0);
}

static void questions_with_wrong_arguments(void)
{
    struct xen_feature_info info = {.submap_idx = XENFEAT_NR_SUBMAPS};

    EXPECT(hypercall_xen_version(XENVER_get_features, &info), -XEN_EINVAL);
    info.submap_idx = 0xffffffffU;
    EXPECT(hypercall_xen_version(XENVER_get_features, &info), -XEN_EINVAL);
    EXPECT(hypercall_xen_version(XENVER_pagesize, &info), -XEN_EINVAL);
    EXPECT_TRUE(hypercall_xen_version(XENVER_version, NON_CANONICAL) > 0);
    EXPECT(hypercall_xen_version(SINCE_XEN(20) ? 15 : 11, NULL),
           -XEN_ENOSYS); // the first that is none
}

static void build_identifiers(void)
{
    static struct {
        uint32_t length;
        unsigned char bytes[64];
    } id;
    char *edge = edge_alloc();
    long length = hypercall_xen_version(XENVER_build_id, NULL);

    REQUIRE(edge && length > 0 && length <= (long)sizeof(id.bytes));
    id.length = 0;
    EXPECT(hypercall_xen_version(XENVER_build_id, &id), SINCE_XEN(20) ? -XEN_ENOBUFS : -XEN_EINVAL);
    id.length = (uint32_t)length - 1;
    EXPECT(hypercall_xen_version(XENVER_build_id, &id), -XEN_ENOBUFS);
    id.length = (uint32_t)length;
    memset(id.bytes, FILL, sizeof(id.bytes));
    EXPECT(hypercall_xen_version(XENVER_build_id, &id), length);
    EXPECT(id.bytes[length], FILL);
    memcpy(edge - 4, &id.length, 4);
    EXPECT(hypercall_xen_version(XENVER_build_id, edge - 4), -XEN_EFAULT);
    EXPECT(hypercall_xen_version(XENVER_build_id, edge - 2), -XEN_EFAULT);
    EXPECT(hypercall_xen_version(XENVER_build_id, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    edge_free(edge);
}

static const struct report_case version_cases[] = {
    REPORT_CASE(outputs_are_clean), REPORT_CASE(outputs_at_the_edge),
    REPORT_CASE(outputs_read_only), REPORT_CASE(questions_with_wrong_arguments),
    REPORT_CASE(build_identifiers),
};

// --- console_io

// More than any buffer holds, in one call, over and over: it takes as long as it takes, and ends.
static void console_flood(void)
{
    static char text[FLOOD_BYTES];

    memset(text, 0, sizeof(text)); // zeros are not shown
    for (unsigned int i = 0; i < 4; i++)
        EXPECT(hypercall_console_io(CONSOLEIO_write, sizeof(text), text), 0);
}

static void console_edges(void)
{
    char *edge = edge_alloc();

    REQUIRE(edge != NULL);
    edge[-1] = '\n';
    EXPECT(hypercall_console_io(CONSOLEIO_write, 1, edge - 1), 0);
    EXPECT(hypercall_console_io(CONSOLEIO_write, 2, edge - 1), -XEN_EFAULT);
    EXPECT(hypercall_console_io(CONSOLEIO_write, 1, edge), -XEN_EFAULT);
    EXPECT(hypercall_console_io(CONSOLEIO_write, 1, NON_CANONICAL), -XEN_EFAULT);
    EXPECT(hypercall_console_io(CONSOLEIO_write, 1, (char *)~0UL), -XEN_EFAULT);
    EXPECT(hypercall_console_io(CONSOLEIO_read, 0, NULL), 0);
    EXPECT(hypercall_console_io(CONSOLEIO_write, 0, NULL), 0);
    EXPECT(hypercall_console_io(2, 0, NULL), -XEN_ENOSYS);
    edge_free(edge);
}

static const struct report_case console_cases[] = {
    REPORT_CASE(console_edges),
    REPORT_CASE(console_flood),
};

// --- sched_op and timers

static long poll(evtchn_port_t *ports, unsigned int count, uint64_t timeout)
{
    struct sched_poll p = {.nr_ports = count, .timeout = timeout};

    set_xen_guest_handle(p.ports, ports);
    return hypercall_sched_op(SCHEDOP_poll, &p);
}

static void polls(void)
{
    static evtchn_port_t ports[129];
    char *edge = edge_alloc();
    int port = event_bind_ipi(NULL, NULL);

    REQUIRE(edge && port > 0);
    event_mask(port);
    for (size_t i = 0; i < 129; i++)
        ports[i] = (evtchn_port_t)port;
    EXPECT(poll(ports, 128, 1), 0); // the time has passed already
    EXPECT(poll(ports, 129, 1), -XEN_EINVAL);
    EXPECT(poll(ports, 0xffffffffU, 1), -XEN_EINVAL);
    EXPECT(poll(NULL, 0, 1), 0);
    EXPECT(poll(HYPERVISOR_ADDRESS, 0, 1), -XEN_EFAULT);
    EXPECT(poll((evtchn_port_t *)edge, 1, 1), -XEN_EFAULT);
    ports[0] = NEVER_PORT;
    memcpy(edge - sizeof(ports[0]), &ports[0], sizeof(ports[0]));
    EXPECT(poll((evtchn_port_t *)(edge - 4), 1, 1), -XEN_EINVAL);
    memcpy(edge - sizeof(ports[0]), &ports[1], sizeof(ports[0]));
    EXPECT(poll((evtchn_port_t *)(edge - 4), 2, 1), -XEN_EFAULT);
    ports[0] = (evtchn_port_t)port;
    EXPECT(poll(NON_CANONICAL, 1, 1), -XEN_EFAULT);
    ports[1] = NEVER_PORT;
    EXPECT(poll(ports, 2, 1), -XEN_EINVAL);
    EXPECT(hypercall_sched_op(SCHEDOP_poll, edge - 8), -XEN_EFAULT);
    event_unbind(port);
    edge_free(edge);
}

static void watchdogs(void)
{
    struct sched_watchdog w = {.id = 0, .timeout = 1000};
    long first, second;

    first = hypercall_sched_op(SCHEDOP_watchdog, &w);
    second = hypercall_sched_op(SCHEDOP_watchdog, &w);
    EXPECT(first, 1);
    EXPECT(second, 2);
    EXPECT((int)hypercall_sched_op(SCHEDOP_watchdog, &w), -XEN_ENOSPC); // Xen gives 32 bits of it
    w.id = 3;
    EXPECT(hypercall_sched_op(SCHEDOP_watchdog, &w), -XEN_EINVAL);
    w.id = 0xffffffffU;
    EXPECT(hypercall_sched_op(SCHEDOP_watchdog, &w), -XEN_EINVAL);
    w.timeout = 1000000;
    w.id = 1;
    EXPECT(hypercall_sched_op(SCHEDOP_watchdog, &w), 0);
    w.timeout = 0;
    EXPECT(hypercall_sched_op(SCHEDOP_watchdog, &w), 0);
    EXPECT(hypercall_sched_op(SCHEDOP_watchdog, &w), -XEN_EINVAL); // ended already
    w.id = 2;
    EXPECT(hypercall_sched_op(SCHEDOP_watchdog, &w), 0);
    EXPECT(hypercall_sched_op(SCHEDOP_watchdog, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void shutdowns_of_nobody(void)
{
    static const domid_t domains[] = {ABSENT_DOMAIN, DOMID_SELF, DOMID_IO, DOMID_XEN,
                                      DOMID_INVALID};

    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        struct sched_remote_shutdown r = {.domain_id = domains[i], .reason = SHUTDOWN_crash};

        EXPECT(hypercall_sched_op(SCHEDOP_remote_shutdown, &r), -XEN_ESRCH);
    }
    EXPECT(hypercall_sched_op(SCHEDOP_remote_shutdown, NON_CANONICAL), -XEN_EFAULT);
    EXPECT(hypercall_sched_op(SCHEDOP_shutdown, NON_CANONICAL), -XEN_EFAULT);
    EXPECT(hypercall_sched_op(0xffffffffU, NULL), -XEN_ENOSYS);
}

static void processors_to_pin_to(void)
{
    static const int32_t cpus[] = {2, 63, 64, 0x7fffffff};
    struct sched_pin_override p;

    for (size_t i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
        p.pcpu = cpus[i];
        EXPECT(hypercall_sched_op(SCHEDOP_pin_override, &p), -XEN_EINVAL);
    }
    p.pcpu = (int32_t)0x80000000;
    EXPECT(hypercall_sched_op(SCHEDOP_pin_override, &p), -XEN_EINVAL);
}

static const struct report_case sched_cases[] = {
    REPORT_CASE(polls),
    REPORT_CASE(watchdogs),
    REPORT_CASE(shutdowns_of_nobody),
    REPORT_CASE(processors_to_pin_to),
};

// Each of these times gives an event, now or within the second.
static void timers_in_the_past(void)
{
    const uint64_t times[] = {1, time_now() - 1, time_now(), ~0UL, 1UL << 63, 1UL << 62};

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        unsigned long saved = event_save();
        uint64_t start = time_now();

        EXPECT(hypercall_set_timer_op(times[i]), 0);
        EXPECT(hypercall_sched_op(SCHEDOP_block, NULL), 0);
        event_restore(saved);
        EXPECT_TRUE(time_now() - start < NSEC_PER_SEC);
    }
}

static const struct report_case timer_cases[] = {REPORT_CASE(timers_in_the_past)};

// --- nmi_op, descriptors

static void nmi_entry_points(void)
{
    struct xennmi_callback callback = {.handler_address = (unsigned long)NON_CANONICAL};

    EXPECT(hypercall_nmi_op(XENNMI_register_callback, &callback), -XEN_EINVAL);
    EXPECT(hypercall_nmi_op(XENNMI_register_callback, NON_CANONICAL), -XEN_EFAULT);
    EXPECT(hypercall_nmi_op(XENNMI_unregister_callback, HYPERVISOR_ADDRESS), 0);
}

static const struct report_case nmi_cases[] = {REPORT_CASE(nmi_entry_points)};

static void descriptors_in_strange_frames(void)
{
    uint64_t *table = table_alloc();
    unsigned long frame = frame_of_another();

    REQUIRE(table && frame);
    EXPECT(hypercall_update_descriptor(frame << PAGE_SHIFT, 0), -XEN_EINVAL);
    EXPECT(hypercall_update_descriptor(0xb8000, 0), -XEN_EINVAL);
    EXPECT(hypercall_update_descriptor(~7UL, 0), -XEN_EINVAL);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0);
    EXPECT(hypercall_update_descriptor(virt_to_maddr(table), 0), -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
    table_free(table);
}

static const struct report_case descriptor_cases[] = {REPORT_CASE(descriptors_in_strange_frames)};

static void tables_in_strange_frames(void)
{
    unsigned long frames[] = {frame_of_another(), 0xb8, ABSENT_FRAME, ~0UL};

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
        EXPECT(hypercall_set_gdt(&frames[i], 512), -XEN_EINVAL);
}

static const struct report_case gdt_cases[] = {REPORT_CASE(tables_in_strange_frames)};

GUEST_FAMILY(small_errors, REPORT_SUITE("xen_version", version_cases),
             REPORT_SUITE("console_io", console_cases), REPORT_SUITE("sched_op", sched_cases),
             REPORT_SUITE("set_timer_op", timer_cases), REPORT_SUITE("nmi_op", nmi_cases),
             REPORT_SUITE("update_descriptor", descriptor_cases),
             REPORT_SUITE("set_gdt", gdt_cases));
