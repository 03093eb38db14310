// SPDX-License-Identifier: MIT
// Mapping granted frames and undoing it. See grant.h for the order of an unmap.
//
// A mapping may have two parts, for the CPU (host) and for devices; each is a use of its own and ends
// on its own. Without an IOMMU the device part is only the promise that the frame stays, and its
// machine address. The references of a device part are the handle's; those of a host part are the page
// table entry's, as those of all entries are: it may be overwritten or go with its table, and then the
// handle cannot be unmapped any more.
#include "hypervisor/domain.h"
#include "hypervisor/page_entry.h"
#include "hypervisor/tlb.h"

#define PARTS (GNTMAP_host_map | GNTMAP_device_map)
#define KEPT_FLAGS (PARTS | GNTMAP_readonly | GNTMAP_contains_pte)

// The guest's own bits of an entry: 9 to 11.
#define PTE_AVAIL_SHIFT 9
#define PTE_AVAIL_BITS 7u

static uint64_t entry_flags(uint32_t map_flags)
{
    uint64_t flags = (uint64_t)(map_flags >> _GNTMAP_guest_avail0 & PTE_AVAIL_BITS)
                     << PTE_AVAIL_SHIFT;
    if (!(map_flags & GNTMAP_readonly))
        flags |= PTE_RW;
    if (map_flags & GNTMAP_application_map)
        flags |= PTE_USER;
    return flags;
}

// One use for each part that is asked for; on refusal there is none.
static enum refusal begin_parts(struct grant_mapping *m, domid_t user)
{
    bool write = !(m->parts & GNTMAP_readonly);
    unsigned use = GRANT_USE_MAP | (write ? GRANT_USE_WRITE : 0u);
    enum refusal r = grant_use_begin(m->owner, user, m->ref, use, &m->mfn);
    if (r != REFUSE_NONE || (m->parts & PARTS) != PARTS)
        return r;
    r = grant_use_begin(m->owner, user, m->ref, use, &m->mfn);
    if (r != REFUSE_NONE)
        grant_use_end(m->owner, m->ref, write, m->mfn);
    return r;
}

// `host_mfn` is the frame, or MFN_INVALID when the entry of the host part keeps its references.
static void end_parts(const struct grant_mapping *m, unsigned parts, mfn_t host_mfn)
{
    bool write = !(m->parts & GNTMAP_readonly);
    if (parts & GNTMAP_host_map)
        grant_use_end(m->owner, m->ref, write, host_mfn);
    if (parts & GNTMAP_device_map)
        grant_use_end(m->owner, m->ref, write, m->mfn);
}

static struct page_entry_grant entry_of(const struct grant_mapping *m, uint64_t address,
                                        uint32_t map_flags)
{
    return (struct page_entry_grant){address, map_flags & GNTMAP_contains_pte, m->mfn,
                                     entry_flags(map_flags)};
}

static enum refusal map_of(struct vcpu *v, struct domain *owner, struct gnttab_map_grant_ref *op)
{
    struct domain *d = v->domain;
    struct grant_mapping m = {.owner = owner, .ref = op->ref, .parts = op->flags & KEPT_FLAGS};
    grant_handle_t handle;

    enum refusal r = grant_track_alloc(d, &handle);
    if (r != REFUSE_NONE)
        return r;
    r = begin_parts(&m, d->id);
    if (r == REFUSE_NONE && (op->flags & GNTMAP_host_map)) {
        struct page_entry_grant entry = entry_of(&m, op->host_addr, op->flags);
        r = page_entry_map_grant(v, &entry);
        if (r != REFUSE_NONE)
            end_parts(&m, m.parts, m.mfn);
    }
    if (r != REFUSE_NONE) {
        grant_track_free(d, handle);
        return r;
    }
    grant_track_publish(d, handle, &m);
    op->handle = handle;
    op->dev_bus_addr = mfn_to_maddr(m.mfn).v;
    return REFUSE_NONE;
}

enum refusal grant_map(struct vcpu *v, struct gnttab_map_grant_ref *op)
{
    if (!(op->flags & PARTS))
        return REFUSE_GRANT_MAP_FLAGS;
    struct domain *owner = domain_get_by_id(op->dom);
    if (!owner)
        return REFUSE_GRANT_NO_DOMAIN;
    enum refusal r = map_of(v, owner, op);
    if (r != REFUSE_NONE)
        domain_put(owner); // otherwise the handle keeps the reference
    return r;
}

enum refusal grant_unmap_begin(struct vcpu *v, const struct gnttab_unmap_grant_ref *op,
                               struct grant_unmap *u)
{
    struct domain *d = v->domain;
    const struct grant_mapping *m = &u->mapping;
    enum refusal r = REFUSE_NONE;

    u->handle = op->handle;
    if (!grant_track_claim(d, op->handle, &u->mapping))
        return REFUSE_GRANT_BAD_HANDLE;
    bool device = op->dev_bus_addr && (m->parts & GNTMAP_device_map);
    bool host = op->host_addr && (m->parts & GNTMAP_host_map);
    if (device && op->dev_bus_addr != mfn_to_maddr(m->mfn).v) {
        r = REFUSE_GRANT_BUS_ADDRESS;
    } else if (host) {
        struct page_entry_grant entry = entry_of(m, op->host_addr, m->parts);
        r = page_entry_unmap_grant(v, &entry, 0);
    }
    if (r != REFUSE_NONE)
        grant_track_publish(d, u->handle, m);
    u->ended = (host ? GNTMAP_host_map : 0u) | (device ? GNTMAP_device_map : 0u);
    return r;
}

// The entry at new_addr moves, with what it holds, to where the mapping is. If there is no such mapping
// it is gone all the same.
static enum refusal replace_entry(struct vcpu *v, const struct gnttab_unmap_and_replace *op,
                                  const struct grant_mapping *m)
{
    struct page_entry_grant entry = entry_of(m, op->host_addr, m->parts);
    uint64_t moved = 0;
    enum refusal r = REFUSE_NONE;

    if (op->new_addr && entry.contains_pte)
        return REFUSE_GRANT_NO_HOST_PART;
    if (op->new_addr)
        r = page_entry_take(v, op->new_addr, &moved);
    if (r == REFUSE_NONE)
        r = page_entry_unmap_grant(v, &entry, moved);
    if (r != REFUSE_NONE)
        page_entry_release(PAGE_TYPE_L1, moved, NULL);
    return r;
}

enum refusal grant_replace_begin(struct vcpu *v, const struct gnttab_unmap_and_replace *op,
                                 struct grant_unmap *u)
{
    enum refusal r = REFUSE_NONE;

    *u = (struct grant_unmap){.handle = op->handle};
    if (!grant_track_claim(v->domain, op->handle, &u->mapping))
        return REFUSE_GRANT_BAD_HANDLE;
    // Without a host part there is nothing to replace, which is no error.
    u->ended = op->host_addr ? u->mapping.parts & GNTMAP_host_map : 0;
    if (u->ended)
        r = replace_entry(v, op, &u->mapping);
    if (r != REFUSE_NONE)
        grant_track_publish(v->domain, u->handle, &u->mapping);
    return r;
}

void grant_unmap_finish(struct domain *d, const struct grant_unmap *u)
{
    struct grant_mapping left = u->mapping;

    end_parts(&u->mapping, u->ended, u->mapping.mfn);
    left.parts &= ~u->ended;
    if (left.parts & PARTS) {
        grant_track_publish(d, u->handle, &left);
    } else {
        grant_track_free(d, u->handle);
        domain_put(left.owner);
    }
}

enum refusal grant_release_mappings(struct domain *d, unsigned budget)
{
    struct grant_domain *g = &d->grants;

    if (g->release_cursor == 0)
        tlb_filter(tlb_stamp_now(),
                   d->id); // it runs nowhere: after this no CPU has its translations
    for (; g->release_cursor < g->track_count && g->handles_used; g->release_cursor++) {
        struct grant_mapping m;
        if (budget-- == 0)
            return REFUSE_CONTINUE;
        if (!grant_track_claim(d, g->release_cursor, &m))
            continue;
        end_parts(&m, m.parts, MFN_INVALID);
        grant_track_free(d, g->release_cursor);
        domain_put(m.owner);
    }
    return REFUSE_NONE;
}
