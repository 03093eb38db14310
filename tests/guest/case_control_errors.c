// SPDX-License-Identifier: MIT
// domctl, sysctl and physdev_op: errors that take a domain in a certain state, and pointers inside the
// argument.
#define __XEN_TOOLS__ 1
#include "tests/guest/pair.h"

#include <string.h>
#include <xen/domctl.h>
#include <xen/physdev.h>
#include <xen/sysctl.h>

#include "dom0/domctl.h"

static struct xen_domctl op;
static struct xen_sysctl sys;

static long sysctl(uint32_t command)
{
    return toolstack_sysctl(&sys, command);
}

static long create(domid_t domain)
{
    return toolstack_domctl(&op, XEN_DOMCTL_createdomain, domain);
}

// What a domain cannot be made like.
static void domains_not_made(void)
{
    toolstack_new_domain(&op);
    op.u.createdomain.max_vcpus = 0;
    EXPECT(create(0), -XEN_EINVAL);
    toolstack_new_domain(&op);
    op.u.createdomain.max_vcpus = 100000;
    EXPECT_TRUE(create(0) < 0);
    toolstack_new_domain(&op);
    op.u.createdomain.flags = 1U << 30;
    EXPECT(create(0), -XEN_EINVAL);
    toolstack_new_domain(&op);
    op.u.createdomain.flags = XEN_DOMCTL_CDF_hap; // of HVM domains
    EXPECT(create(0), -XEN_EINVAL);
    toolstack_new_domain(&op);
    op.u.createdomain.iommu_opts = 0x80;
    EXPECT(create(0), -XEN_EINVAL);
    toolstack_new_domain(&op);
    op.u.createdomain.arch.emulation_flags = 1; // nothing is emulated for PV domains
    EXPECT(create(0), -XEN_EOPNOTSUPP);
    toolstack_new_domain(&op);
    op.u.createdomain.arch.misc_flags = 0x80000000U;
    EXPECT(create(0), -XEN_EINVAL);
    toolstack_new_domain(&op);
    op.u.createdomain.grant_opts = 0; // no such version
    EXPECT(create(0), -XEN_EINVAL);
    toolstack_new_domain(&op);
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1) | 0x100;
    EXPECT(create(0), -XEN_EINVAL);
}

static void numbers_of_domains(void)
{
    const long reserved = SINCE_XEN(20) ? -XEN_ESRCH : -XEN_EINVAL;
    domid_t domain;
    uint8_t map = 1;

    toolstack_new_domain(&op);
    REQUIRE(create(0x4321) == 0);
    domain = op.domain;
    EXPECT(op.u.createdomain.flags, XEN_DOMCTL_CDF_oos_off); // said of every PV domain
    EXPECT(domain, 0x4321);
    toolstack_new_domain(&op);
    EXPECT(create(domain), -XEN_EEXIST);
    memset(&op, 0, sizeof(op));
    op.u.getvcpuinfo.vcpu = 0; // it could have one
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getvcpuinfo, domain), -XEN_ESRCH);
    op.u.getvcpuinfo.vcpu = 1;
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getvcpuinfo, domain), -XEN_EINVAL);
    memset(&op, 0, sizeof(op));
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, &map);
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getvcpuaffinity, domain), -XEN_ESRCH);
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_setvcpuaffinity, domain), -XEN_ESRCH);
    memset(&op, 0, sizeof(op));
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getdomaininfo, domain), 0);
    EXPECT(op.u.getdomaininfo.nr_online_vcpus, 0);
    // Before 4.20 the next higher domain answers for one that is not there.
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getdomaininfo, (domid_t)(domain - 1)),
           SINCE_XEN(20) ? -XEN_ESRCH : 0);
    EXPECT(domctl_destroy(domain), 0);
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getdomaininfo, DOMID_SELF), reserved);
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getdomaininfo, DOMID_FIRST_RESERVED), reserved);
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getdomaininfo, DOMID_INVALID), reserved);
}

// A domain that runs.
static void states_of_a_peer(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    memset(&op, 0, sizeof(op));
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_unpausedomain, peer->domid), -XEN_EINVAL);
    for (unsigned int i = 0; i < HOSTILE_PLACES; i++) {
        void *place = hostile_place(i, sizeof(struct vcpu_guest_context));

        set_xen_guest_handle(op.u.vcpucontext.ctxt, place);
        EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getvcpucontext, peer->domid), -XEN_EFAULT);
        if (place) // Xen resets a vcpu without a context
            EXPECT(toolstack_domctl(&op, XEN_DOMCTL_setvcpucontext, peer->domid), -XEN_EFAULT);
    }
    memset(&op, 0, sizeof(op));
    op.u.hypercall_init.gmfn = peer->root_mfn;
    EXPECT_TRUE(toolstack_domctl(&op, XEN_DOMCTL_hypercall_init, peer->domid) < 0);
    memset(&op, 0, sizeof(op));
    op.u.ioport_permission.first_port = 0x20; // the interrupt controller is the hypervisor's
    op.u.ioport_permission.nr_ports = 1;
    op.u.ioport_permission.allow_access = 1;
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_ioport_permission, peer->domid), -XEN_EPERM);
}

static void affinities(void)
{
    uint64_t map = 1;
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    memset(&op, 0, sizeof(op));
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, (uint8_t *)&map);
    op.u.vcpuaffinity.cpumap_hard.nr_bits = 64;
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getvcpuaffinity, peer->domid), -XEN_EINVAL); // no flags
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    op.u.vcpuaffinity.vcpu = 0xffffffff;
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getvcpuaffinity, peer->domid), -XEN_EINVAL);
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_setvcpuaffinity, peer->domid), -XEN_EINVAL);
    op.u.vcpuaffinity.vcpu = 0;
    op.u.vcpuaffinity.flags |= XEN_VCPUAFFINITY_SOFT; // without a map
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getvcpuaffinity, peer->domid), -XEN_EINVAL);
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    map = 1UL << 40; // no such processor
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_setvcpuaffinity, peer->domid), -XEN_EINVAL);
    for (unsigned int i = 1; i < HOSTILE_PLACES; i++) {
        void *place = hostile_place(i, sizeof(map));

        set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, place);
        EXPECT(toolstack_domctl(&op, XEN_DOMCTL_getvcpuaffinity, peer->domid), -XEN_EFAULT);
        EXPECT(toolstack_domctl(&op, XEN_DOMCTL_setvcpuaffinity, peer->domid), -XEN_EFAULT);
    }
    // A soft affinity that the hard one leaves nothing of is allowed.
    memset(&op, 0, sizeof(op));
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_SOFT;
    op.u.vcpuaffinity.cpumap_soft.nr_bits = 64;
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_soft.bitmap, (uint8_t *)&map);
    map = 1UL << 40;
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_setvcpuaffinity, peer->domid), 0);
    EXPECT(map, 0);
    map = ~0UL;
    EXPECT(toolstack_domctl(&op, XEN_DOMCTL_setvcpuaffinity, peer->domid), 0);
}

static void buffers_of_lists(void)
{
    for (unsigned int i = 1; i < HOSTILE_PLACES; i++) {
        memset(&sys, 0, sizeof(sys));
        sys.u.getcpuinfo.max_cpus = 4;
        set_xen_guest_handle(sys.u.getcpuinfo.info, hostile_place(i, sizeof(xen_sysctl_cpuinfo_t)));
        EXPECT(sysctl(XEN_SYSCTL_getcpuinfo), -XEN_EFAULT);
        memset(&sys, 0, sizeof(sys));
        sys.u.getdomaininfolist.max_domains = 4;
        set_xen_guest_handle(sys.u.getdomaininfolist.buffer,
                             hostile_place(i, sizeof(xen_domctl_getdomaininfo_t)));
        EXPECT(sysctl(XEN_SYSCTL_getdomaininfolist), -XEN_EFAULT);
        memset(&sys, 0, sizeof(sys));
        sys.u.numainfo.num_nodes = 1;
        set_xen_guest_handle(sys.u.numainfo.meminfo,
                             hostile_place(i, sizeof(xen_sysctl_meminfo_t)));
        EXPECT(sysctl(XEN_SYSCTL_numainfo), -XEN_EFAULT);
        memset(&sys, 0, sizeof(sys));
        sys.u.numainfo.num_nodes = 1;
        set_xen_guest_handle(sys.u.numainfo.distance, hostile_place(i, sizeof(uint32_t)));
        EXPECT(sysctl(XEN_SYSCTL_numainfo), -XEN_EFAULT);
        memset(&sys, 0, sizeof(sys));
        sys.u.cputopoinfo.num_cpus = 1;
        set_xen_guest_handle(sys.u.cputopoinfo.cputopo,
                             hostile_place(i, sizeof(xen_sysctl_cputopo_t)));
        EXPECT(sysctl(XEN_SYSCTL_cputopoinfo), -XEN_EFAULT);
        memset(&sys, 0, sizeof(sys));
        sys.u.readconsole.count = 16;
        set_xen_guest_handle(sys.u.readconsole.buffer, hostile_place(i, 16));
        EXPECT(sysctl(XEN_SYSCTL_readconsole), -XEN_EFAULT);
    }
}

// What is written is written whole, and nothing behind it.
static void bytes_of_lists(void)
{
    static union {
        xen_domctl_getdomaininfo_t domains[2];
        xen_sysctl_cputopo_t cpus[3];
        uint8_t bytes[2 * sizeof(xen_domctl_getdomaininfo_t)];
    } out;

    memset(&sys, 0xaa, sizeof(sys));
    memset(&out, 0xaa, sizeof(out));
    sys.u.getdomaininfolist.first_domain = 0;
    sys.u.getdomaininfolist.max_domains = 1;
    set_xen_guest_handle(sys.u.getdomaininfolist.buffer, out.domains);
    EXPECT(sysctl(XEN_SYSCTL_getdomaininfolist), 0);
    EXPECT(sys.u.getdomaininfolist.num_domains, 1);
    EXPECT(out.domains[0].domain, 0);
    EXPECT(out.domains[0].pad1, 0);
    EXPECT(out.domains[0].paged_pages, 0);
    EXPECT(out.domains[0].shr_pages, 0);
    EXPECT(out.domains[0].cpupool, 0);
    EXPECT(out.bytes[sizeof(out.domains[0])], 0xaa);
    memset(&sys, 0xaa, sizeof(sys));
    memset(&out, 0xaa, sizeof(out));
    sys.u.cputopoinfo.num_cpus = 3;
    set_xen_guest_handle(sys.u.cputopoinfo.cputopo, out.cpus);
    EXPECT(sysctl(XEN_SYSCTL_cputopoinfo), 0);
    EXPECT(sys.u.cputopoinfo.num_cpus, 2);
    EXPECT_TRUE(out.cpus[1].core < 2 && out.cpus[1].socket < 2);
    EXPECT(out.cpus[1].node, 0);
    EXPECT(out.cpus[2].core, 0xaaaaaaaa);
}

// --- physdev_op

static void functions_without_messages(void)
{
    physdev_pci_device_add_t add;
    physdev_pci_device_t device = {.seg = 0, .bus = 0, .devfn = 0};
    physdev_map_pirq_t map;

    memset(&add, 0, sizeof(add));
    EXPECT(hypercall_physdev_op(PHYSDEVOP_pci_device_add, &add), 0);
    memset(&map, 0, sizeof(map)); // the host bridge has none
    map.domid = DOMID_SELF;
    map.type = MAP_PIRQ_TYPE_MSI;
    map.index = -1;
    map.pirq = -1;
    EXPECT(hypercall_physdev_op(PHYSDEVOP_map_pirq, &map), -XEN_ENODEV);
    EXPECT(hypercall_physdev_op(PHYSDEVOP_pci_device_remove, &device), 0);
    add.seg = 5; // Xen takes any
    long result = hypercall_physdev_op(PHYSDEVOP_pci_device_add, &add);
    EXPECT_TRUE(result == 0 || result == -XEN_EINVAL);
    device.seg = 5;
    if (result == 0)
        EXPECT(hypercall_physdev_op(PHYSDEVOP_pci_device_remove, &device), 0);
}

static void tables_of_interrupts(void)
{
    void *page = page_alloc(0);
    physdev_pirq_eoi_gmfn_t table = {.gmfn = memory_pte_maddr(page) >> PAGE_SHIFT};

    REQUIRE(page);
    EXPECT(hypercall_physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v1, &table), -XEN_EINVAL); // a page table
    EXPECT(hypercall_physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v2, &table), -XEN_EINVAL);
    page_free(page, 0);
}

static const struct report_case domctl_cases[] = {
    REPORT_CASE(domains_not_made),
    REPORT_CASE(numbers_of_domains),
    REPORT_CASE(states_of_a_peer),
    REPORT_CASE(affinities),
};

static const struct report_case sysctl_cases[] = {
    REPORT_CASE(buffers_of_lists),
    REPORT_CASE(bytes_of_lists),
};

static const struct report_case physdev_cases[] = {
    REPORT_CASE(functions_without_messages),
    REPORT_CASE(tables_of_interrupts),
};

GUEST_FAMILY(control_errors, REPORT_SUITE("domctl", domctl_cases),
             REPORT_SUITE("sysctl", sysctl_cases), REPORT_SUITE("physdev_op", physdev_cases));
