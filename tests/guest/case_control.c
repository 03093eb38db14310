// SPDX-License-Identifier: MIT
// domctl and sysctl: what the toolstack does to another domain, from creation to destruction.
#define __XEN_TOOLS__ 1
#include "tests/guest/toolstack.h"

#include <string.h>
#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/sysctl.h>

#include "dom0/domctl.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define FEW 16

static struct xen_domctl op;
static struct xen_sysctl sys;

static long domctl(uint32_t command, domid_t domain)
{
    return toolstack_domctl(&op, command, domain);
}

static long sysctl(uint32_t command)
{
    return toolstack_sysctl(&sys, command);
}

static long create(void)
{
    long result;

    toolstack_new_domain(&op);
    result = domctl(XEN_DOMCTL_createdomain, 0);
    return result < 0 ? result : op.domain;
}

// A destroyed domain is gone at once or a little later: the last reference goes by itself.
static bool is_gone(domid_t domain)
{
    uint64_t limit = time_now() + 2 * NSEC_PER_SEC;

    do {
        memset(&op, 0, sizeof(op));
        if (domctl(XEN_DOMCTL_getdomaininfo, domain) != 0 || op.domain != domain)
            return true; // the call answers for the next higher domain
        thread_sleep(NSEC_PER_MSEC);
    } while (time_now() < limit);
    return false;
}

static void create_and_destroy(void)
{
    long domain = create();

    REQUIRE(domain > 0);
    memset(&op, 0, sizeof(op));
    EXPECT(domctl(XEN_DOMCTL_getdomaininfo, domain), 0);
    EXPECT(op.u.getdomaininfo.domain, domain);
    EXPECT(op.u.getdomaininfo.tot_pages, 0);
    EXPECT(domctl_destroy(domain), 0);
    EXPECT_TRUE(is_gone(domain));
}

static void memory_of_a_domain(void)
{
    xen_pfn_t frames[FEW];
    struct xen_memory_reservation r = {.nr_extents = FEW};
    long domain = create();

    REQUIRE(domain > 0);
    for (unsigned int i = 0; i < FEW; i++)
        frames[i] = i;
    set_xen_guest_handle(r.extent_start, frames);
    r.domid = domain;
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 0);
    memset(&op, 0, sizeof(op));
    op.u.max_mem.max_memkb = 4 * FEW;
    EXPECT(domctl(XEN_DOMCTL_max_mem, domain), 0);
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), FEW);
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 0);
    memset(&op, 0, sizeof(op));
    EXPECT(domctl(XEN_DOMCTL_getdomaininfo, domain), 0);
    EXPECT(op.u.getdomaininfo.tot_pages, FEW);
    EXPECT(domctl_destroy(domain), 0);
    EXPECT_TRUE(is_gone(domain));
}

// A frame of another domain can be mapped by number of domain, and only so.
static void foreign_mapping(void)
{
    xen_pfn_t frame = 0;
    struct xen_memory_reservation r = {.nr_extents = 1};
    uint64_t *page = page_alloc(0), mfn = virt_to_mfn(page);
    struct mmu_update request;
    long domain = create();

    REQUIRE(page && domain > 0);
    memset(&op, 0, sizeof(op));
    op.u.max_mem.max_memkb = 4;
    EXPECT(domctl(XEN_DOMCTL_max_mem, domain), 0);
    set_xen_guest_handle(r.extent_start, &frame);
    r.domid = domain;
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 1);
    request.ptr = memory_pte_maddr(page) | MMU_NORMAL_PT_UPDATE;
    request.val = pte_make(frame, PTE_RAM | PTE_RW);
    EXPECT(hypercall_mmu_update(&request, 1, NULL, DOMID_SELF), -XEN_EBUSY);
    EXPECT(hypercall_mmu_update(&request, 1, NULL, domain), 0);
    EXPECT(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    EXPECT_TRUE(probe_write(page, 0x77));
    EXPECT(page[0], 0x77);
    request.val = pte_make(mfn, PTE_RAM | PTE_RW);
    EXPECT(hypercall_mmu_update(&request, 1, NULL, DOMID_SELF), 0);
    EXPECT(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), 0);
    EXPECT(domctl_destroy(domain), 0);
    EXPECT_TRUE(is_gone(domain));
    page_free(page, 0);
}

// Identifiers and frames go round: that no frame is lost is what tests/system counts.
static void many_times(void)
{
    for (int i = 0; i < 20; i++) {
        long domain = create();

        REQUIRE(domain > 0);
        memset(&op, 0, sizeof(op));
        EXPECT(domctl(XEN_DOMCTL_max_vcpus, domain), -XEN_EINVAL);
        op.u.max_vcpus.max = 1;
        EXPECT(domctl(XEN_DOMCTL_max_vcpus, domain), 0);
        EXPECT(domctl_destroy(domain), 0);
        EXPECT_TRUE(is_gone(domain));
    }
}

static void pausing(void)
{
    long domain = create();

    REQUIRE(domain > 0);
    memset(&op, 0, sizeof(op));
    EXPECT(domctl(XEN_DOMCTL_pausedomain, domain), 0);
    EXPECT(domctl(XEN_DOMCTL_unpausedomain, domain), 0);
    EXPECT(domctl(XEN_DOMCTL_pausedomain, 0), -XEN_EINVAL);
    EXPECT(domctl(XEN_DOMCTL_pausedomain, ABSENT_DOMAIN), -XEN_ESRCH);
    EXPECT(domctl_destroy(domain), 0);
    EXPECT_TRUE(is_gone(domain));
}

static void bad_context(void)
{
    static struct vcpu_guest_context context;
    long domain = create();

    REQUIRE(domain > 0);
    memset(&op, 0, sizeof(op));
    op.u.max_vcpus.max = 1;
    EXPECT(domctl(XEN_DOMCTL_max_vcpus, domain), 0);
    memset(&context, 0, sizeof(context));
    context.ctrlreg[3] = ABSENT_FRAME << PAGE_SHIFT;
    memset(&op, 0, sizeof(op));
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    EXPECT_TRUE(domctl(XEN_DOMCTL_setvcpucontext, domain) < 0);
    op.u.vcpucontext.vcpu = 7;
    EXPECT_TRUE(domctl(XEN_DOMCTL_setvcpucontext, domain) < 0);
    EXPECT(domctl_destroy(domain), 0);
    EXPECT_TRUE(is_gone(domain));
}

static long context_with_table(long domain, uint64_t frame)
{
    static struct vcpu_guest_context context;

    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    context.gdt_ents = 1;
    context.gdt_frames[0] = frame;
    memset(&op, 0, sizeof(op));
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &context);
    return domctl(XEN_DOMCTL_setvcpucontext, (domid_t)domain);
}

// The descriptor table of another domain's vcpu: its own pages only, not writable, and of good descriptors.
static void descriptor_tables_of_contexts(void)
{
    const uint64_t interrupt_gate = 0x0000ee000008ffffUL;
    xen_pfn_t frame = 0;
    struct xen_memory_reservation r = {.nr_extents = 1};
    uint64_t *window = memory_reserve(1);
    long domain = create();

    REQUIRE(window && domain > 0);
    memset(&op, 0, sizeof(op));
    op.u.max_vcpus.max = 1;
    EXPECT(domctl(XEN_DOMCTL_max_vcpus, (domid_t)domain), 0);
    memset(&op, 0, sizeof(op));
    op.u.max_mem.max_memkb = 4;
    EXPECT(domctl(XEN_DOMCTL_max_mem, (domid_t)domain), 0);
    set_xen_guest_handle(r.extent_start, &frame);
    r.domid = (domid_t)domain;
    EXPECT(hypercall_memory_op(XENMEM_populate_physmap, &r), 1);
    EXPECT(context_with_table(domain, ABSENT_FRAME), -XEN_EINVAL);
    EXPECT(context_with_table(domain, virt_to_mfn(&op)), -XEN_EINVAL); // ours
    EXPECT(hypercall_update_va_mapping_otherdomain(window, pte_make(frame, PTE_RAM | PTE_RW), 0,
                                                   (domid_t)domain),
           0);
    EXPECT(context_with_table(domain, frame), -XEN_EINVAL); // writable
    window[100] = interrupt_gate;
    EXPECT(hypercall_update_va_mapping(window, 0, UVMF_INVLPG), 0);
    EXPECT(context_with_table(domain, frame), -XEN_EINVAL);
    EXPECT(domctl_destroy((domid_t)domain), 0);
    EXPECT_TRUE(is_gone((domid_t)domain));
    memory_release(window, 1);
}

static void domctl_refused(void)
{
    memset(&op, 0, sizeof(op));
    EXPECT(domctl(XEN_DOMCTL_destroydomain, ABSENT_DOMAIN), -XEN_ESRCH);
    EXPECT(domctl(XEN_DOMCTL_destroydomain, 0), -XEN_EINVAL);
    EXPECT(domctl(9999, 0), -XEN_ENOSYS);
    op.interface_version = 1;
    EXPECT(hypercall_domctl(&op), -XEN_EACCES);
    EXPECT(hypercall_domctl(HYPERVISOR_ADDRESS), -XEN_EFAULT);
    memset(&op, 0, sizeof(op));
    op.u.createdomain.flags = 0x80000000U;
    EXPECT(domctl(XEN_DOMCTL_createdomain, 0), -XEN_EINVAL);
}

static void machine(void)
{
    memset(&sys, 0, sizeof(sys));
    EXPECT(sysctl(XEN_SYSCTL_physinfo), 0);
    EXPECT_TRUE(sys.u.physinfo.nr_cpus >= 1);
    EXPECT_TRUE(sys.u.physinfo.total_pages > sys.u.physinfo.free_pages);
    EXPECT_TRUE(sys.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_pv);
}

static void domain_list(void)
{
    static xen_domctl_getdomaininfo_t list[4];

    memset(&sys, 0, sizeof(sys));
    sys.u.getdomaininfolist.max_domains = 4;
    set_xen_guest_handle(sys.u.getdomaininfolist.buffer, list);
    EXPECT(sysctl(XEN_SYSCTL_getdomaininfolist), 0);
    EXPECT(sys.u.getdomaininfolist.num_domains, 1);
    EXPECT(list[0].domain, 0);
    EXPECT_TRUE(list[0].tot_pages >= memory_page_count());
    EXPECT_TRUE(list[0].cpu_time > 0);
}

static void log_text(void)
{
    static char text[4096];

    memset(&sys, 0, sizeof(sys));
    sys.u.readconsole.count = sizeof(text);
    set_xen_guest_handle(sys.u.readconsole.buffer, text);
    EXPECT(sysctl(XEN_SYSCTL_readconsole), 0);
    EXPECT_TRUE(sys.u.readconsole.count > 0);
}

static void sysctl_refused(void)
{
    memset(&sys, 0, sizeof(sys));
    EXPECT(sysctl(9999), -XEN_ENOSYS);
    sys.interface_version = 1;
    EXPECT(hypercall_sysctl(&sys), -XEN_EACCES);
    EXPECT(hypercall_sysctl(HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static const struct report_case domctl_cases[] = {
    REPORT_CASE(create_and_destroy),
    REPORT_CASE(memory_of_a_domain),
    REPORT_CASE(foreign_mapping),
    REPORT_CASE(many_times),
    REPORT_CASE(pausing),
    REPORT_CASE(descriptor_tables_of_contexts),
    REPORT_CASE(bad_context),
    REPORT_CASE(domctl_refused),
};

static const struct report_case sysctl_cases[] = {
    REPORT_CASE(machine),
    REPORT_CASE(domain_list),
    REPORT_CASE(log_text),
    REPORT_CASE(sysctl_refused),
};

GUEST_FAMILY(control, REPORT_SUITE("domctl", domctl_cases), REPORT_SUITE("sysctl", sysctl_cases));
