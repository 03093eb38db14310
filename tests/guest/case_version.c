// SPDX-License-Identifier: MIT
// xen_version: what every kernel asks first.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/version.h>
#include <xen/features.h>

static void number(void)
{
    long version = hypercall_xen_version(XENVER_version, NULL);

    EXPECT(version >> 16, 4);
    EXPECT(version & 0xffff, XEN_RELEASE_MINOR);
}

static void texts(void)
{
    char text[1024];

    memset(text, 0x55, sizeof(text));
    EXPECT(hypercall_xen_version(XENVER_extraversion, text), 0);
    EXPECT_TRUE(memchr(text, 0, sizeof(xen_extraversion_t)) != NULL);
    EXPECT(text[sizeof(xen_extraversion_t)], 0x55);
    EXPECT(hypercall_xen_version(XENVER_capabilities, text), 0);
    EXPECT_TRUE(strstr(text, "xen-3.0-x86_64") != NULL);
    EXPECT(hypercall_xen_version(XENVER_changeset, text), 0);
    EXPECT_TRUE(memchr(text, 0, sizeof(xen_changeset_info_t)) != NULL);
    EXPECT(hypercall_xen_version(XENVER_commandline, text), 0);
    EXPECT_TRUE(memchr(text, 0, sizeof(xen_commandline_t)) != NULL);
}

static void compile_info(void)
{
    struct xen_compile_info info;

    memset(&info, 0x55, sizeof(info));
    EXPECT(hypercall_xen_version(XENVER_compile_info, &info), 0);
    EXPECT_TRUE(memchr(info.compiler, 0, sizeof(info.compiler)) != NULL);
    EXPECT_TRUE(memchr(info.compile_date, 0, sizeof(info.compile_date)) != NULL);
}

static void parameters(void)
{
    xen_platform_parameters_t parameters = {0};

    EXPECT(hypercall_xen_version(XENVER_platform_parameters, &parameters), 0);
    EXPECT(parameters.virt_start, 0xffff800000000000UL);
    EXPECT(hypercall_xen_version(XENVER_pagesize, NULL), PAGE_SIZE);
}

static void features(void)
{
    struct xen_feature_info info = {.submap_idx = 0};
    const uint32_t pae = 1U << XENFEAT_pae_pgdir_above_4gb;
    const uint32_t wanted = (1U << XENFEAT_mmu_pt_update_preserve_ad) | (1U << XENFEAT_dom0) |
                            (1U << XENFEAT_gnttab_map_avail_bits) | (1U << XENFEAT_direct_mapped);
    const uint32_t unwanted = (1U << XENFEAT_writable_page_tables) |
                              (1U << XENFEAT_auto_translated_physmap) |
                              (1U << XENFEAT_supervisor_mode_kernel) |
                              (1U << XENFEAT_hvm_callback_vector);

    EXPECT(hypercall_xen_version(XENVER_get_features, &info), 0);
    EXPECT(info.submap & wanted, wanted);
    EXPECT(info.submap & unwanted, 0);
    EXPECT(info.submap & pae, SINCE_XEN(20) ? 0 : pae);
    info.submap_idx = 1000;
    EXPECT(hypercall_xen_version(XENVER_get_features, &info), -XEN_EINVAL);
}

static void domain_handle(void)
{
    xen_domain_handle_t handle;

    EXPECT(hypercall_xen_version(XENVER_guest_handle, handle), 0);
}

// A hypervisor may have no build identifier; one that has must not write past the buffer.
static void build_id_too_small(void)
{
    struct {
        uint32_t length;
        unsigned char bytes[4];
    } id = {1, {0}};

    long result = hypercall_xen_version(XENVER_build_id, &id);

    EXPECT_TRUE(result == -XEN_ENOBUFS || result == -XEN_ENODATA);
    EXPECT(id.bytes[0] | id.bytes[1], 0);
}

static void bad_pointer(void)
{
    EXPECT(hypercall_xen_version(XENVER_extraversion, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_xen_version(XENVER_get_features, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_xen_version(XENVER_capabilities, NON_CANONICAL), -XEN_EFAULT);
    EXPECT(hypercall_xen_version(XENVER_capabilities, (void *)16), -XEN_EFAULT);
}

static void unknown_command(void)
{
    EXPECT(hypercall_xen_version(99, NULL), -XEN_ENOSYS);
    EXPECT(hypercall_xen_version(0xffffffffU, NULL), -XEN_ENOSYS);
}

static const struct report_case cases[] = {
    REPORT_CASE(number),
    REPORT_CASE(texts),
    REPORT_CASE(compile_info),
    REPORT_CASE(parameters),
    REPORT_CASE(features),
    REPORT_CASE(domain_handle),
    REPORT_CASE(build_id_too_small),
    REPORT_CASE(bad_pointer),
    REPORT_CASE(unknown_command),
};

GUEST_FAMILY(version, REPORT_SUITE("xen_version", cases));
