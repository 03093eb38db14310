// SPDX-License-Identifier: MIT
// domctl and sysctl, the rest: vcpus, affinity, scheduling, access to devices; facts about the host.
#define __XEN_TOOLS__ 1
#include "tests/guest/toolstack.h"

#include <string.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sysctl.h>

#include "dom0/domctl.h"

static struct xen_domctl op;
static struct xen_sysctl sys;
static long domain; // of the case that runs

static long domctl(uint32_t command)
{
    return toolstack_domctl(&op, command, (domid_t)domain);
}

// The same with an argument of zeros.
static long domctl_empty(uint32_t command)
{
    memset(&op, 0, sizeof(op));
    return domctl(command);
}

static long sysctl(uint32_t command)
{
    return toolstack_sysctl(&sys, command);
}

// A domain with one vcpu and room for a page.
static bool create(void)
{
    domain = 0;
    toolstack_new_domain(&op);
    if (domctl(XEN_DOMCTL_createdomain) != 0)
        return false;
    domain = op.domain;
    memset(&op, 0, sizeof(op));
    op.u.max_vcpus.max = 1;
    EXPECT(domctl(XEN_DOMCTL_max_vcpus), 0);
    memset(&op, 0, sizeof(op));
    op.u.max_mem.max_memkb = 4;
    return domctl(XEN_DOMCTL_max_mem) == 0;
}

static void destroy(void)
{
    EXPECT(domctl_destroy((domid_t)domain), 0);
}

static void handle_and_time(void)
{
    REQUIRE(create());
    memset(&op, 0, sizeof(op));
    memset(op.u.setdomainhandle.handle, 0x5a, sizeof(op.u.setdomainhandle.handle));
    EXPECT(domctl(XEN_DOMCTL_setdomainhandle), 0);
    EXPECT(domctl_empty(XEN_DOMCTL_getdomaininfo), 0);
    EXPECT(op.u.getdomaininfo.handle[15], 0x5a);
    memset(&op, 0, sizeof(op));
    op.u.settimeoffset.time_offset_seconds = 3600;
    EXPECT(domctl(XEN_DOMCTL_settimeoffset), 0);
    EXPECT(domctl_empty(XEN_DOMCTL_resumedomain), 0);
    destroy();
}

static void address_size(void)
{
    REQUIRE(create());
    EXPECT(domctl_empty(XEN_DOMCTL_get_address_size), 0);
    EXPECT(op.u.address_size.size, 64);
    memset(&op, 0, sizeof(op));
    op.u.address_size.size = 64;
    EXPECT(domctl(XEN_DOMCTL_set_address_size), 0);
    op.u.address_size.size = 16;
    EXPECT(domctl(XEN_DOMCTL_set_address_size), -XEN_EINVAL);
    destroy();
}

static void page_of_hypercalls(void)
{
    xen_pfn_t frame = 0;
    struct xen_memory_reservation r = {.nr_extents = 1};

    REQUIRE(create());
    set_xen_guest_handle(r.extent_start, &frame);
    r.domid = (domid_t)domain;
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 1);
    memset(&op, 0, sizeof(op));
    op.u.hypercall_init.gmfn = frame;
    EXPECT(domctl(XEN_DOMCTL_hypercall_init), 0);
    op.u.hypercall_init.gmfn = ABSENT_FRAME;
    EXPECT_TRUE(domctl(XEN_DOMCTL_hypercall_init) < 0);
    destroy();
}

static void vcpu_info(void)
{
    static struct vcpu_guest_context context;

    REQUIRE(create());
    EXPECT(domctl_empty(XEN_DOMCTL_getvcpuinfo), 0);
    EXPECT(op.u.getvcpuinfo.running, 0);
    EXPECT(op.u.getvcpuinfo.online, 0);
    op.u.getvcpuinfo.vcpu = 1000;
    EXPECT(domctl(XEN_DOMCTL_getvcpuinfo), -XEN_EINVAL);
    memset(&op, 0, sizeof(op));
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    EXPECT(domctl(XEN_DOMCTL_getvcpucontext), -XEN_ENODATA);
    destroy();
}

static void affinity(void)
{
    uint64_t hard = 1, soft = 0;

    REQUIRE(create());
    memset(&op, 0, sizeof(op));
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    op.u.vcpuaffinity.cpumap_hard.nr_bits = 64;
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, (uint8_t *)&hard);
    EXPECT(domctl(XEN_DOMCTL_setvcpuaffinity), 0);
    hard = 0;
    EXPECT(domctl(XEN_DOMCTL_getvcpuaffinity), 0);
    EXPECT(hard & 0xff, 1);
    hard = 0;
    EXPECT(domctl(XEN_DOMCTL_setvcpuaffinity), -XEN_EINVAL);
    op.u.vcpuaffinity.flags = 0;
    EXPECT(domctl(XEN_DOMCTL_setvcpuaffinity), -XEN_EINVAL);
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_SOFT;
    op.u.vcpuaffinity.cpumap_soft.nr_bits = 8;
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_soft.bitmap, (uint8_t *)&soft);
    EXPECT(domctl(XEN_DOMCTL_getvcpuaffinity), 0);
    EXPECT_TRUE(soft & 1);
    op.u.vcpuaffinity.vcpu = 1000;
    EXPECT_TRUE(domctl(XEN_DOMCTL_getvcpuaffinity) < 0);
    EXPECT_TRUE(domctl(XEN_DOMCTL_setvcpuaffinity) < 0);
    destroy();
}

static void scheduling(void)
{
    uint32_t id;

    REQUIRE(create());
    memset(&sys, 0, sizeof(sys));
    EXPECT(sysctl(XEN_SYSCTL_sched_id), 0);
    id = sys.u.sched_id.sched_id;
    memset(&op, 0, sizeof(op));
    op.u.scheduler_op.sched_id = id;
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    EXPECT(domctl(XEN_DOMCTL_scheduler_op), 0);
    EXPECT(op.u.scheduler_op.u.credit.weight, 256);
    EXPECT(op.u.scheduler_op.u.credit.cap, 0);
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    op.u.scheduler_op.u.credit.weight = 512;
    EXPECT(domctl(XEN_DOMCTL_scheduler_op), 0);
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    EXPECT(domctl(XEN_DOMCTL_scheduler_op), 0);
    EXPECT(op.u.scheduler_op.u.credit.weight, 512);
    op.u.scheduler_op.cmd = 99;
    EXPECT(domctl(XEN_DOMCTL_scheduler_op), -XEN_EINVAL);
    op.u.scheduler_op.sched_id = 99;
    EXPECT(domctl(XEN_DOMCTL_scheduler_op), -XEN_EINVAL);
    destroy();
}

static void ports(void)
{
    REQUIRE(create());
    memset(&op, 0, sizeof(op));
    op.u.ioport_permission.first_port = 0x80;
    op.u.ioport_permission.nr_ports = 1;
    op.u.ioport_permission.allow_access = 1;
    EXPECT(domctl(XEN_DOMCTL_ioport_permission), 0);
    op.u.ioport_permission.allow_access = 0;
    EXPECT(domctl(XEN_DOMCTL_ioport_permission), 0);
    op.u.ioport_permission.first_port = 0xffff;
    op.u.ioport_permission.nr_ports = 2;
    EXPECT(domctl(XEN_DOMCTL_ioport_permission), -XEN_EINVAL);
    destroy();
}

static void device_memory(void)
{
    REQUIRE(create());
    memset(&op, 0, sizeof(op));
    op.u.iomem_permission.first_mfn = 0xa0;
    op.u.iomem_permission.nr_mfns = 1;
    op.u.iomem_permission.allow_access = 1;
    EXPECT(domctl(XEN_DOMCTL_iomem_permission), 0);
    op.u.iomem_permission.allow_access = 0;
    EXPECT(domctl(XEN_DOMCTL_iomem_permission), 0);
    op.u.iomem_permission.first_mfn = ~0UL;
    op.u.iomem_permission.nr_mfns = 2;
    EXPECT(domctl(XEN_DOMCTL_iomem_permission), -XEN_EINVAL);
    op.u.iomem_permission.first_mfn = 0xfee00; // the local APIC is nobody's
    op.u.iomem_permission.nr_mfns = 1;
    op.u.iomem_permission.allow_access = 1;
    EXPECT(domctl(XEN_DOMCTL_iomem_permission), -XEN_EPERM);
    destroy();
}

static void interrupts(void)
{
    physdev_map_pirq_t map = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 9, .pirq = 9};
    physdev_unmap_pirq_t unmap = {.domid = DOMID_SELF, .pirq = 9};

    REQUIRE(create());
    EXPECT(hypercall_physdev_op(PHYSDEVOP_map_pirq, &map), 0);
    memset(&op, 0, sizeof(op));
    op.u.irq_permission.pirq = 9;
    op.u.irq_permission.allow_access = 1;
    EXPECT(domctl(XEN_DOMCTL_irq_permission), 0);
    op.u.irq_permission.allow_access = 0;
    EXPECT(domctl(XEN_DOMCTL_irq_permission), 0);
    op.u.irq_permission.pirq = 0xffffffff;
    op.u.irq_permission.allow_access = 1;
    EXPECT(domctl(XEN_DOMCTL_irq_permission), -XEN_EINVAL);
    EXPECT(hypercall_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), 0);
    destroy();
}

// A line that is bound to a port, or is another domain's: in use here, on Xen shared and unbound by force.
static void interrupts_in_use(void)
{
    physdev_map_pirq_t map = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 10, .pirq = 10};
    physdev_unmap_pirq_t unmap = {.domid = DOMID_SELF, .pirq = 10};
    struct evtchn_bind_pirq bind = {.pirq = 10};
    struct evtchn_close close;
    long result;

    REQUIRE(create());
    EXPECT(hypercall_physdev_op(PHYSDEVOP_map_pirq, &map), 0);
    memset(&op, 0, sizeof(op));
    op.u.irq_permission.pirq = 10;
    op.u.irq_permission.allow_access = 1;
    EXPECT(domctl(XEN_DOMCTL_irq_permission), 0);
    map.domid = domain;
    result = hypercall_physdev_op(PHYSDEVOP_map_pirq, &map);
    EXPECT_TRUE(result == 0 || result == -XEN_EBUSY);
    EXPECT(hypercall_event_channel_op(EVTCHNOP_bind_pirq, &bind), 0);
    result = hypercall_physdev_op(PHYSDEVOP_unmap_pirq, &unmap);
    EXPECT_TRUE(result == 0 || result == -XEN_EBUSY);
    close.port = bind.port;
    EXPECT(hypercall_event_channel_op(EVTCHNOP_close, &close), 0);
    EXPECT(hypercall_physdev_op(PHYSDEVOP_unmap_pirq, &unmap), result ? 0 : -XEN_EINVAL);
    destroy();
}

static void cpus(void)
{
    static xen_sysctl_cpuinfo_t info[4];
    static xen_sysctl_cputopo_t topology[4];

    memset(&sys, 0, sizeof(sys));
    sys.u.getcpuinfo.max_cpus = 4;
    set_xen_guest_handle(sys.u.getcpuinfo.info, info);
    EXPECT(sysctl(XEN_SYSCTL_getcpuinfo), 0);
    EXPECT(sys.u.getcpuinfo.nr_cpus, 2);
    memset(&sys, 0, sizeof(sys));
    EXPECT(sysctl(XEN_SYSCTL_cputopoinfo), 0); // without a list: how many
    EXPECT_TRUE(sys.u.cputopoinfo.num_cpus >= 2);
    sys.u.cputopoinfo.num_cpus = 2;
    set_xen_guest_handle(sys.u.cputopoinfo.cputopo, topology);
    EXPECT(sysctl(XEN_SYSCTL_cputopoinfo), 0);
    EXPECT(topology[0].node, 0);
    set_xen_guest_handle(sys.u.cputopoinfo.cputopo, HYPERVISOR_ADDRESS);
    EXPECT(sysctl(XEN_SYSCTL_cputopoinfo), -XEN_EFAULT);
}

static void host_memory(void)
{
    static xen_sysctl_meminfo_t memory[2];
    static uint32_t distance[4];

    memset(&sys, 0, sizeof(sys));
    EXPECT(sysctl(XEN_SYSCTL_availheap), 0);
    EXPECT_TRUE(sys.u.availheap.avail_bytes > 0);
    memset(&sys, 0, sizeof(sys));
    EXPECT(sysctl(XEN_SYSCTL_numainfo), 0); // without lists: how many
    EXPECT_TRUE(sys.u.numainfo.num_nodes >= 1);
    sys.u.numainfo.num_nodes = 1;
    set_xen_guest_handle(sys.u.numainfo.meminfo, memory);
    set_xen_guest_handle(sys.u.numainfo.distance, distance);
    EXPECT(sysctl(XEN_SYSCTL_numainfo), 0);
    EXPECT_TRUE(memory[0].memsize > memory[0].memfree);
    EXPECT_TRUE(distance[0] > 0);
}

static const struct report_case domctl_cases[] = {
    REPORT_CASE(handle_and_time),
    REPORT_CASE(address_size),
    REPORT_CASE(page_of_hypercalls),
    REPORT_CASE(vcpu_info),
    REPORT_CASE(affinity),
    REPORT_CASE(scheduling),
    REPORT_CASE(ports),
    REPORT_CASE(device_memory),
    REPORT_CASE(interrupts),
    REPORT_CASE(interrupts_in_use),
};

static const struct report_case sysctl_cases[] = {
    REPORT_CASE(cpus),
    REPORT_CASE(host_memory),
};

GUEST_FAMILY(control_ops, REPORT_SUITE("domctl", domctl_cases),
             REPORT_SUITE("sysctl", sysctl_cases));
