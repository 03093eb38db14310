// SPDX-License-Identifier: MIT
// memory_op: the less used commands. Questions, maps of memory, claims, resources of other domains,
// and what only translated guests have.
#define __XEN_TOOLS__ 1
#include "tests/guest/toolstack.h"

#include <string.h>
#include <xen/domctl.h>
#include <xen/memory.h>

#include "dom0/domctl.h"

#define UNKNOWN_RESOURCE (SINCE_XEN(20) ? -XEN_EINVAL : -XEN_EOPNOTSUPP)

static domid_t self = DOMID_SELF;
static domid_t absent = ABSENT_DOMAIN;

// A new domain without memory or vcpus; its number, or the error.
static long domain_create(void)
{
    static struct xen_domctl op;

    toolstack_new_domain(&op);
    long result = toolstack_domctl(&op, XEN_DOMCTL_createdomain, 0);
    return result < 0 ? result : op.domain;
}

static void domain_destroy(long domain)
{
    EXPECT(domctl_destroy((domid_t)domain), 0);
}

static void increase(void)
{
    xen_pfn_t frame = 0;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    long before = hypercall_memory_op(XENMEM_current_reservation, &self);
    long most = hypercall_memory_op(XENMEM_maximum_reservation, &self);

    set_xen_guest_handle(r.extent_start, &frame);
    if (most <= before) {
        EXPECT(hypercall_memory_op(XENMEM_increase_reservation, &r), 0);
        return;
    }
    EXPECT(hypercall_memory_op(XENMEM_increase_reservation, &r), 1);
    EXPECT_TRUE(frame != 0);
    EXPECT(hypercall_memory_op(XENMEM_current_reservation, &self), before + 1);
    EXPECT(hypercall_memory_op(XENMEM_decrease_reservation, &r), 1);
    EXPECT(hypercall_memory_op(XENMEM_current_reservation, &self), before);
    r.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_increase_reservation, &r), 0);
    EXPECT(hypercall_memory_op(XENMEM_increase_reservation, HYPERVISOR_ADDRESS), 0);
}

static void machphys_frames(void)
{
    xen_pfn_t frames[4] = {~0UL, ~0UL, ~0UL, ~0UL};
    struct xen_machphys_mfn_list list = {.max_extents = 1};

    set_xen_guest_handle(list.extent_start, frames);
    EXPECT(hypercall_memory_op(XENMEM_machphys_mfn_list, &list), 0);
    EXPECT(list.nr_extents, 1);
    EXPECT_TRUE(frames[0] != ~0UL && frames[1] == ~0UL);
    list.max_extents = 0;
    EXPECT(hypercall_memory_op(XENMEM_machphys_mfn_list, &list), 0);
    EXPECT(list.nr_extents, 0);
    list.max_extents = 1;
    set_xen_guest_handle(list.extent_start, HYPERVISOR_ADDRESS);
    EXPECT(hypercall_memory_op(XENMEM_machphys_mfn_list, &list), -XEN_EFAULT);
    EXPECT(hypercall_memory_op(XENMEM_machphys_mfn_list, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

// The hardware domain has no map of its own unless somebody sets one: it reads the machine's.
static void map_that_was_not_set(void)
{
    unsigned char entries[20];
    struct xen_memory_map map = {.nr_entries = 1};

    set_xen_guest_handle(map.buffer, entries);
    EXPECT(hypercall_memory_op(XENMEM_memory_map, &map), -XEN_ENOSYS);
    EXPECT(hypercall_memory_op(XENMEM_memory_map, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void machine_map_too_short(void)
{
    unsigned char entries[20];
    struct xen_memory_map map = {.nr_entries = 1};

    set_xen_guest_handle(map.buffer, entries);
    EXPECT(hypercall_memory_op(XENMEM_machine_memory_map, &map), -XEN_EINVAL);
    set_xen_guest_handle(map.buffer, NULL); // how many
    EXPECT(hypercall_memory_op(XENMEM_machine_memory_map, &map), 0);
    EXPECT_TRUE(map.nr_entries > 1);
}

static void map_of_another(void)
{
    static unsigned char entries[20];
    struct xen_foreign_memory_map map = {.domid = ABSENT_DOMAIN, .map = {.nr_entries = 1}};
    long domain = domain_create();

    REQUIRE(domain > 0);
    set_xen_guest_handle(map.map.buffer, entries);
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, &map), -XEN_ESRCH);
    map.domid = (domid_t)domain;
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, &map), 0);
    map.map.nr_entries = 100000;
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, &map), -XEN_EINVAL);
    map.map.nr_entries = 1;
    set_xen_guest_handle(map.map.buffer, HYPERVISOR_ADDRESS);
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, &map), -XEN_EFAULT);
    EXPECT(hypercall_memory_op(XENMEM_set_memory_map, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    domain_destroy(domain);
}

static void maximum_frame(void)
{
    EXPECT_TRUE(hypercall_memory_op(XENMEM_maximum_gpfn, &self) >= 0);
    EXPECT(hypercall_memory_op(XENMEM_maximum_gpfn, &absent), -XEN_ESRCH);
    EXPECT(hypercall_memory_op(XENMEM_maximum_gpfn, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void sharing(void)
{
    EXPECT(hypercall_memory_op(XENMEM_get_sharing_freed_pages, NULL), 0);
    EXPECT(hypercall_memory_op(XENMEM_get_sharing_shared_pages, NULL), 0);
}

static void physmap_of_translated_guests(void)
{
    struct xen_add_to_physmap add = {.domid = DOMID_SELF, .space = XENMAPSPACE_grant_table};
    struct xen_remove_from_physmap out = {.domid = DOMID_SELF, .gpfn = 1};
    struct xen_add_to_physmap_batch batch = {.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn};

    EXPECT(hypercall_memory_op(XENMEM_add_to_physmap, &add), -XEN_EACCES);
    EXPECT(hypercall_memory_op(XENMEM_remove_from_physmap, &out), -XEN_EACCES);
    EXPECT(hypercall_memory_op(XENMEM_add_to_physmap_batch, &batch), -XEN_EACCES);
    add.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_add_to_physmap, &add), -XEN_ESRCH);
    out.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_remove_from_physmap, &out), -XEN_ESRCH);
    batch.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_add_to_physmap_batch, &batch), -XEN_ESRCH);
    EXPECT(hypercall_memory_op(XENMEM_add_to_physmap, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_memory_op(XENMEM_remove_from_physmap, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_memory_op(XENMEM_add_to_physmap_batch, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void switched_off(void)
{
    xen_pfn_t frame;
    struct xen_machphys_mfn_list list = {.max_extents = 1};
    struct xen_vnuma_topology_info nodes;

    set_xen_guest_handle(list.extent_start, &frame);
    EXPECT(hypercall_memory_op(XENMEM_machphys_compat_mfn_list, &list), -XEN_EOPNOTSUPP);
    memset(&nodes, 0, sizeof(nodes));
    nodes.domid = DOMID_SELF;
    EXPECT(hypercall_memory_op(XENMEM_get_vnumainfo, &nodes), -XEN_EOPNOTSUPP);
    nodes.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_get_vnumainfo, &nodes), -XEN_ESRCH);
    EXPECT(hypercall_memory_op(XENMEM_get_vnumainfo, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

// Populated on demand, watched: memory of HVM domains. No device has memory of its own in RAM.
static void memory_of_hvm_domains(void)
{
    struct xen_pod_target target = {.domid = DOMID_SELF};
    struct xen_mem_access_op access = {.domid = 0};
    struct xen_reserved_device_memory_map reserved = {.nr_entries = 77};
    long domain = domain_create();

    REQUIRE(domain > 0);
    EXPECT(hypercall_memory_op(XENMEM_set_pod_target, &target), -XEN_EINVAL);
    EXPECT(hypercall_memory_op(XENMEM_get_pod_target, &target), -XEN_EINVAL);
    target.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_set_pod_target, &target), -XEN_ESRCH);
    EXPECT(hypercall_memory_op(XENMEM_get_pod_target, &target), -XEN_ESRCH);
    EXPECT(hypercall_memory_op(XENMEM_access_op, &access), -XEN_EPERM); // the caller itself
    access.domid = ABSENT_DOMAIN;
    EXPECT(hypercall_memory_op(XENMEM_access_op, &access), -XEN_ESRCH);
    access.domid = (domid_t)domain;
    EXPECT(hypercall_memory_op(XENMEM_access_op, &access), -XEN_EINVAL);
    domain_destroy(domain);
    EXPECT(hypercall_memory_op(XENMEM_reserved_device_memory_map, &reserved), 0);
    EXPECT(reserved.nr_entries, 0);
    reserved.flags = 2;
    EXPECT(hypercall_memory_op(XENMEM_reserved_device_memory_map, &reserved), -XEN_EINVAL);
    for (unsigned int i = 0; i < HOSTILE_PLACES; i++) {
        void *place = hostile_place(i, sizeof(target));
        EXPECT(hypercall_memory_op(XENMEM_set_pod_target, place), -XEN_EFAULT);
        EXPECT(hypercall_memory_op(XENMEM_get_pod_target, place), -XEN_EFAULT);
        place = hostile_place(i, sizeof(access));
        EXPECT(hypercall_memory_op(XENMEM_access_op, place), -XEN_EFAULT);
        place = hostile_place(i, sizeof(reserved));
        EXPECT(hypercall_memory_op(XENMEM_reserved_device_memory_map, place), -XEN_EFAULT);
    }
}

static void unknown_memory_commands(void)
{
    static const unsigned int unknown[] = {8, 20, 22, 29, 30, 31, 40, 63};
    uint64_t argument[16] = {0};

    for (unsigned int i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        EXPECT(hypercall_memory_op(unknown[i], argument), -XEN_ENOSYS);
}

static void claims(void)
{
    xen_pfn_t frame = 0;
    struct xen_memory_reservation r = {.domid = ABSENT_DOMAIN};
    long domain = domain_create();

    REQUIRE(domain > 0);
    EXPECT(hypercall_memory_op(XENMEM_claim_pages, &r), -XEN_EINVAL);
    r.domid = (domid_t)domain;
    r.nr_extents = 4;
    EXPECT(hypercall_memory_op(XENMEM_claim_pages, &r), -XEN_EINVAL); // more than its maximum
    r.nr_extents = 0;
    EXPECT(hypercall_memory_op(XENMEM_claim_pages, &r), 0);
    r.extent_order = 1;
    EXPECT(hypercall_memory_op(XENMEM_claim_pages, &r), -XEN_EINVAL);
    r.extent_order = 0;
    set_xen_guest_handle(r.extent_start, &frame);
    EXPECT(hypercall_memory_op(XENMEM_claim_pages, &r), -XEN_EINVAL);
    EXPECT(hypercall_memory_op(XENMEM_claim_pages, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    domain_destroy(domain);
}

static void grant_frames_of_another(void)
{
    static xen_pfn_t frames[8];
    struct xen_mem_acquire_resource m = {.domid = ABSENT_DOMAIN,
                                         .type = XENMEM_resource_grant_table};
    long domain = domain_create();

    REQUIRE(domain > 0);
    EXPECT(hypercall_memory_op(XENMEM_acquire_resource, &m), -XEN_ESRCH);
    m.domid = (domid_t)domain;
    EXPECT(hypercall_memory_op(XENMEM_acquire_resource, &m), 0); // how many
    EXPECT(m.nr_frames, 4);
    m.nr_frames = 1;
    set_xen_guest_handle(m.frame_list, frames);
    EXPECT(hypercall_memory_op(XENMEM_acquire_resource, &m), 0);
    EXPECT_TRUE(frames[0] != 0);
    m.frame = 4;
    EXPECT(hypercall_memory_op(XENMEM_acquire_resource, &m), -XEN_EINVAL);
    m.frame = 0;
    m.pad = 1;
    EXPECT(hypercall_memory_op(XENMEM_acquire_resource, &m), -XEN_EINVAL);
    m.pad = 0;
    m.type = 99;
    EXPECT(hypercall_memory_op(XENMEM_acquire_resource, &m), UNKNOWN_RESOURCE);
    EXPECT(hypercall_memory_op(XENMEM_acquire_resource, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    domain_destroy(domain);
}

static long acquire(domid_t domain, unsigned int type, uint32_t id, uint64_t frame, uint32_t count,
                    xen_pfn_t *list)
{
    struct xen_mem_acquire_resource m = {
        .domid = domain, .type = type, .id = id, .frame = frame, .nr_frames = count};

    set_xen_guest_handle(m.frame_list, list);
    return hypercall_memory_op(XENMEM_acquire_resource, &m);
}

static void resources_that_are_none(void)
{
    static xen_pfn_t frames[4];
    long other = domain_create();
    domid_t d = (domid_t)other;

    REQUIRE(other > 0);
    EXPECT(acquire(DOMID_SELF, XENMEM_resource_grant_table, 0, 0, 1, frames), -XEN_ESRCH);
    EXPECT(acquire(DOMID_IO, XENMEM_resource_grant_table, 0, 0, 1, frames), -XEN_ESRCH);
    EXPECT(acquire(0, XENMEM_resource_grant_table, 0, 0, 1, frames), -XEN_EPERM); // our own
    EXPECT(acquire(d, XENMEM_resource_grant_table, 7, 0, 1, frames), -XEN_EINVAL);
    EXPECT(acquire(d, XENMEM_resource_grant_table, XENMEM_resource_grant_table_id_status, 0, 1,
                   frames),
           -XEN_EINVAL);
    EXPECT(acquire(d, XENMEM_resource_grant_table, 0, 0, 1, NULL), -XEN_EINVAL);
    EXPECT(acquire(d, XENMEM_resource_grant_table, 0, 0, 0, frames), -XEN_EINVAL);
    EXPECT(acquire(d, XENMEM_resource_grant_table, 0, 4, 1, frames), -XEN_EINVAL);
    EXPECT(acquire(d, XENMEM_resource_grant_table, 0, ~0UL, 1, frames), -XEN_EINVAL);
    EXPECT(acquire(d, XENMEM_resource_grant_table, 0, 0xffffffffUL, 1, frames), -XEN_EINVAL);
    EXPECT(acquire(d, XENMEM_resource_grant_table, 0, 1UL << 32, 1, frames), -XEN_EINVAL);
    EXPECT(acquire(d, XENMEM_resource_grant_table, 0, 0, 0xffffffffU, frames), -XEN_EINVAL);
    EXPECT(acquire(d, XENMEM_resource_grant_table, 0, 0, 1, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(acquire(d, XENMEM_resource_grant_table, 0, 0, 1, (xen_pfn_t *)16), -XEN_EFAULT);
    EXPECT(acquire(d, XENMEM_resource_ioreq_server, 0, 0, 1, frames), -XEN_EINVAL);
    EXPECT(acquire(d, XENMEM_resource_vmtrace_buf, 0, 0, 1, frames), -XEN_EINVAL);
    EXPECT(acquire(d, 99, 0, 0, 1, frames), UNKNOWN_RESOURCE);
    EXPECT(frames[0], 0);
    domain_destroy(other);
}

static const struct report_case cases[] = {
    REPORT_CASE(increase),
    REPORT_CASE(machphys_frames),
    REPORT_CASE(map_that_was_not_set),
    REPORT_CASE(machine_map_too_short),
    REPORT_CASE(map_of_another),
    REPORT_CASE(maximum_frame),
    REPORT_CASE(sharing),
    REPORT_CASE(physmap_of_translated_guests),
    REPORT_CASE(switched_off),
    REPORT_CASE(memory_of_hvm_domains),
    REPORT_CASE(unknown_memory_commands),
    REPORT_CASE(claims),
    REPORT_CASE(grant_frames_of_another),
    REPORT_CASE(resources_that_are_none),
};

GUEST_FAMILY(memory_ops, REPORT_SUITE("memory_op", cases));
