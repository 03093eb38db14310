// SPDX-License-Identifier: MIT
// xen_version (xen/version.h): version and feature queries. Outputs are zero-padded to their size.
//
// XENVER_version is the cheapest call there is: guests use it to have pending events delivered.
#include "hypercalls/call.h"
#include "hypervisor/boot.h"
#include "hypervisor/version.h"
#include <xen/version.h>

static const xen_extraversion_t extra_version = ".0-paravane";
static const xen_changeset_info_t changeset = "none";
static const xen_compile_info_t compile_info = {
    .compiler = "gcc " __VERSION__,
    .compile_by = "paravane",
    .compile_domain = "paravane",
    .compile_date = "unknown", // builds are reproducible
};
static const xen_capabilities_info_t capabilities = "xen-3.0-x86_64 ";

static long copy_out(struct hypercall *c, const void *from, size_t bytes)
{
    if (!guest_write(c->arg[1], from, bytes))
        return refuse(c, REFUSE_BAD_POINTER, 1);
    return 0;
}

static uint32_t features_of(const struct domain *d)
{
    uint32_t map = 1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_highmem_assist |
                   1u << XENFEAT_gnttab_map_avail_bits | 1u << XENFEAT_memory_op_vnode_supported |
                   1u << XENFEAT_direct_mapped;

    if (ABI_PAE_PGDIR)
        map |= 1u << XENFEAT_pae_pgdir_above_4gb;
    if (d->is_privileged)
        map |= 1u << XENFEAT_dom0;
    return map;
}

static long get_features(struct hypercall *c)
{
    struct xen_feature_info info;

    if (!guest_read(&info, c->arg[1], sizeof(info)))
        return refuse(c, REFUSE_BAD_POINTER, 1);
    if (info.submap_idx >= XENFEAT_NR_SUBMAPS)
        return refuse(c, REFUSE_BAD_ARGUMENT, 1);
    info.submap = features_of(c->domain);
    return copy_out(c, &info, sizeof(info));
}

// What boots the hypervisor may hold secrets: other domains learn nothing.
static long command_line(struct hypercall *c)
{
    static const char denied[] = "<denied>";
    const char *text = boot_info.cmdline;
    size_t length = MIN(strlen(text), sizeof(xen_commandline_t) - 1);

    if (!c->domain->is_privileged)
        return copy_out(c, denied, sizeof(denied));
    if (!guest_write(c->arg[1], text, length) ||
        !guest_clear(c->arg[1] + length, sizeof(xen_commandline_t) - length))
        return refuse(c, REFUSE_BAD_POINTER, 1);
    return 0;
}

// The note that the linker made: header, "GNU", then the identifier. NULL asks for its length.
static long build_id(struct hypercall *c)
{
    const uint32_t *note = (const uint32_t *)build_id_start;
    uint32_t name_bytes = note[0], id_bytes = note[1], room;
    const char *id = build_id_start + 3 * sizeof(*note) + name_bytes;

    if (!c->domain->is_privileged)
        return refuse(c, REFUSE_NOT_PRIVILEGED, 0);
    if (!c->arg[1])
        return id_bytes;
    if (!guest_read(&room, c->arg[1], sizeof(room)))
        return refuse(c, REFUSE_BAD_POINTER, 1);
    if (!room && !ABI_BUILD_ID_NO_ROOM)
        return refuse(c, REFUSE_BAD_ARGUMENT, 1);
    if (room < id_bytes)
        return refuse(c, REFUSE_NO_ROOM, 1);
    if (!guest_write(c->arg[1] + sizeof(room), id, id_bytes))
        return refuse(c, REFUSE_BAD_POINTER, 1);
    return id_bytes;
}

long hypercall_xen_version(struct hypercall *c)
{
    static const struct xen_platform_parameters parameters = {.virt_start = HV_VIRT_START};

    c->subop = (uint32_t)c->arg[0];
    switch (c->subop) {
    case XENVER_version:
        return ABI_VERSION_MAJOR << 16 | ABI_VERSION_MINOR;
    case XENVER_extraversion:
        return copy_out(c, extra_version, sizeof(extra_version));
    case XENVER_compile_info:
        return copy_out(c, &compile_info, sizeof(compile_info));
    case XENVER_capabilities:
        return copy_out(c, capabilities, sizeof(capabilities));
    case XENVER_changeset:
        return copy_out(c, changeset, sizeof(changeset));
    case XENVER_platform_parameters:
        return copy_out(c, &parameters, sizeof(parameters));
    case XENVER_get_features:
        return get_features(c);
    case XENVER_pagesize:
        return c->arg[1] ? refuse(c, REFUSE_BAD_ARGUMENT, 1) : (long)PAGE_SIZE;
    case XENVER_guest_handle:
        return copy_out(c, c->domain->handle, sizeof(c->domain->handle));
    case XENVER_commandline:
        return command_line(c);
    case XENVER_build_id:
        return build_id(c);
    default:
        return refuse(c, REFUSE_NO_SUBOP, 0);
    }
}
