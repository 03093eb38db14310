// SPDX-License-Identifier: MIT
// memory_op: memory maps in the form of E820, the machine-to-phys table, frames of resources.
// Structures: xen/memory.h.
#include "hypercalls/memory_call.h"

#include "hypervisor/boot.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/version.h"

// One entry of the BIOS call's buffer.
struct memory_map_entry {
    uint64_t start, bytes;
    uint32_t type;
} __attribute__((packed));

#define MAP_MAX_ENTRIES 128
_Static_assert(MAP_MAX_ENTRIES * sizeof(struct memory_map_entry) <= PAGE_SIZE, "a map is one page");

// An entry of the domain's map, which may be replaced at any time; false behind the last one.
static bool map_entry(struct domain *d, unsigned i, struct memory_map_entry *e)
{
    spin_lock(&d->lock);
    bool exists = i < d->memory_map.count;
    if (exists)
        *e = d->memory_map.entries[i];
    spin_unlock(&d->lock);
    return exists;
}

// Give the caller as many entries as it has room for; m->nr_entries becomes their number.
long memory_op_memory_map(struct hypercall *c, void *argument)
{
    struct xen_memory_map *m = argument;
    struct memory_map_entry e;
    unsigned i;

    if (!map_entry(c->domain, 0, &e))
        return refuse(c, REFUSE_MEMORY_NO_MAP, 0);
    for (i = 0; i < m->nr_entries && map_entry(c->domain, i, &e); i++)
        if (!guest_write((uint64_t)m->buffer.p + i * sizeof(e), &e, sizeof(e)))
            return refuse(c, REFUSE_BAD_POINTER, 1);
    m->nr_entries = i;
    return 0;
}

long memory_op_machine_memory_map(struct hypercall *c, void *argument)
{
    struct xen_memory_map *m = argument;

    bool is_wanted = m->buffer.p; // without it: how many

    if (is_wanted && m->nr_entries < boot_info.region_count)
        return refuse(c, REFUSE_MEMORY_MAP_TOO_LONG, 0);
    for (unsigned i = 0; is_wanted && i < boot_info.region_count; i++) {
        const struct boot_region *r = &boot_info.region[i];
        struct memory_map_entry e = {r->start, r->end - r->start, (uint32_t)r->type};
        if (!guest_write((uint64_t)m->buffer.p + i * sizeof(e), &e, sizeof(e)))
            return refuse(c, REFUSE_BAD_POINTER, 1);
    }
    m->nr_entries = boot_info.region_count;
    return 0;
}

static enum refusal map_set(struct domain *d, const struct xen_memory_map *m)
{
    struct memory_map_entry *fresh = page_alloc(0), *old = NULL;

    if (!fresh)
        return REFUSE_NO_MEMORY;
    if (!guest_read(fresh, (uint64_t)m->buffer.p, m->nr_entries * sizeof(*fresh))) {
        page_free(fresh, 0);
        return REFUSE_BAD_POINTER;
    }
    spin_lock(&d->lock);
    if (!d->is_dying) { // else nobody would free it
        old = d->memory_map.entries;
        d->memory_map = (struct memory_map){fresh, m->nr_entries};
        fresh = NULL;
    }
    spin_unlock(&d->lock);
    page_free(old, 0);
    page_free(fresh, 0);
    return REFUSE_NONE;
}

long memory_op_set_memory_map(struct hypercall *c, void *argument)
{
    struct xen_foreign_memory_map *f = argument;
    struct domain *d;

    if (f->map.nr_entries > MAP_MAX_ENTRIES)
        return refuse(c, REFUSE_MEMORY_MAP_TOO_LONG, 0);
    enum refusal r = domain_lookup_remote(c->domain, f->domid, &d);
    if (r)
        return refuse(c, r, 0);
    r = map_set(d, &f->map);
    domain_put(d);
    return refuse(c, r, 0);
}

// --- machine-to-phys

long memory_op_machphys_mapping(struct hypercall *c, void *argument)
{
    *(struct xen_machphys_mapping *)argument = (struct xen_machphys_mapping){
        .v_start = M2P_START,
        .v_end = M2P_START + M2P_SIZE,
        .max_mfn = frame_max_mfn,
    };
    return 0;
}

// The frames of the table, one for each 2 MiB of it up to the end of RAM; 0 where there is no RAM.
long memory_op_machphys_list(struct hypercall *c, void *argument)
{
    struct xen_machphys_mfn_list *l = argument;
    uint64_t extents = (frame_max_mfn * sizeof(uint64_t)) / M2P_CHUNK_BYTES + 1;
    unsigned i;

    for (i = 0; i < l->max_extents && i < extents; i++) {
        uint64_t mfn = paging_m2p_chunk(i).v;
        if (!guest_write((uint64_t)l->extent_start.p + i * sizeof(mfn), &mfn, sizeof(mfn)))
            return refuse(c, REFUSE_BAD_POINTER, 1);
    }
    l->nr_extents = i;
    return 0;
}

// --- resources

// The frames of the grant table of another domain, growing it if needed. Without a list: how many
// there may be.
static long acquire_grant_table(struct hypercall *c, struct domain *d,
                                struct xen_mem_acquire_resource *m)
{
    uint64_t list = (uint64_t)m->frame_list.p;

    if (m->id != XENMEM_resource_grant_table_id_shared)
        return refuse(c, REFUSE_BAD_ARGUMENT, 0);
    if (!list) {
        if (m->nr_frames)
            return refuse(c, REFUSE_BAD_ARGUMENT, 0);
        m->nr_frames = d->grants.max_frames;
        return 0;
    }
    if (m->nr_frames == 0 || m->frame > d->grants.max_frames ||
        m->nr_frames > d->grants.max_frames - m->frame)
        return refuse(c, REFUSE_BAD_ARGUMENT, 0);
    for (unsigned i = 0; i < m->nr_frames; i++) {
        mfn_t mfn = grant_table_frame(d, (unsigned)m->frame + i);
        if (!mfn_is_valid(mfn))
            return refuse(c, REFUSE_BAD_ARGUMENT, i);
        if (!guest_write(list + i * sizeof(mfn.v), &mfn.v, sizeof(mfn.v)))
            return refuse(c, REFUSE_BAD_POINTER, i);
    }
    return 0;
}

long memory_op_acquire_resource(struct hypercall *c, void *argument)
{
    struct xen_mem_acquire_resource *m = argument;
    struct domain *d;
    long result;

    if (m->pad)
        return refuse(c, REFUSE_BAD_ARGUMENT, 0);
    // For the builders of other domains; not even a number of one's own is known here.
    enum refusal r = m->domid == DOMID_SELF ? REFUSE_NO_DOMAIN
                                            : domain_lookup_remote(c->domain, m->domid, &d);
    if (r)
        return refuse(c, r, 0);
    if (d == c->domain)
        result = refuse(c, REFUSE_NOT_PRIVILEGED, 0);
    else if (m->type == XENMEM_resource_grant_table)
        result = acquire_grant_table(c, d, m);
    else
        result = refuse(c,
                        m->type <= XENMEM_resource_vmtrace_buf || ABI_RESOURCE_TYPE_INVALID
                            ? REFUSE_BAD_ARGUMENT
                            : REFUSE_NOT_OFFERED,
                        0);
    domain_put(d);
    return result;
}
