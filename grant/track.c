// SPDX-License-Identifier: MIT
// Handles: what a domain has mapped of others.
//
// A handle is free (on the chain), private (allocated, or claimed by an unmap) or published. Only a
// published one can be claimed, so each is dealt with by one CPU at a time without holding a lock.
#include "hypervisor/domain.h"
#include "hypervisor/page_alloc.h"

struct grant_track {
    struct domain *owner;
    uint32_t ref; // or the next free handle
    uint32_t frame : 24;
    uint32_t parts : 8; // 0: free or private
};
_Static_assert(sizeof(struct grant_track) * GRANT_TRACK_PER_PAGE == PAGE_SIZE, "one page");
_Static_assert(HV_MAX_MFN <= 1 << 24, "frame numbers fit");

static struct grant_track *track_entry(struct grant_domain *g, grant_handle_t handle)
{
    return &g->track[handle / GRANT_TRACK_PER_PAGE][handle % GRANT_TRACK_PER_PAGE];
}

// One more page of free handles. Lock held.
static enum refusal track_grow(struct grant_domain *g)
{
    if (g->track_count >= g->max_track)
        return REFUSE_GRANT_NO_HANDLE;
    if (!g->track)
        g->track = page_alloc(0);
    struct grant_track *page = g->track ? page_alloc(0) : NULL;
    if (!page)
        return REFUSE_GRANT_NO_HANDLE;
    uint32_t first = g->track_count;
    for (unsigned i = 0; i < GRANT_TRACK_PER_PAGE; i++)
        page[i].ref = i + 1 < GRANT_TRACK_PER_PAGE ? first + i + 1 : GRANT_NO_HANDLE;
    g->track[first / GRANT_TRACK_PER_PAGE] = page;
    g->track_count += GRANT_TRACK_PER_PAGE;
    g->track_free = first;
    return REFUSE_NONE;
}

enum refusal grant_track_alloc(struct domain *d, grant_handle_t *handle)
{
    struct grant_domain *g = &d->grants;
    enum refusal r = REFUSE_NONE;

    spin_lock(&g->lock);
    if (d->is_dying)
        r = REFUSE_DOMAIN_DYING;
    else if (g->track_free == GRANT_NO_HANDLE)
        r = track_grow(g);
    if (r == REFUSE_NONE) {
        *handle = g->track_free;
        g->track_free = track_entry(g, *handle)->ref;
        g->handles_used++;
    }
    spin_unlock(&g->lock);
    return r;
}

void grant_track_publish(struct domain *d, grant_handle_t handle, const struct grant_mapping *m)
{
    struct grant_domain *g = &d->grants;

    spin_lock(&g->lock);
    *track_entry(g, handle) = (struct grant_track){
        .owner = m->owner,
        .ref = m->ref,
        .frame = (uint32_t)m->mfn.v & (HV_MAX_MFN - 1),
        .parts = (uint8_t)m->parts,
    };
    spin_unlock(&g->lock);
}

bool grant_track_claim(struct domain *d, grant_handle_t handle, struct grant_mapping *m)
{
    struct grant_domain *g = &d->grants;
    bool found = false;

    spin_lock(&g->lock);
    if (handle < g->track_count) {
        struct grant_track *t = track_entry(g, handle);
        *m = (struct grant_mapping){t->owner, t->ref, MFN(t->frame), t->parts};
        found = t->parts != 0;
        t->parts = 0;
    }
    spin_unlock(&g->lock);
    return found;
}

void grant_track_free(struct domain *d, grant_handle_t handle)
{
    struct grant_domain *g = &d->grants;

    spin_lock(&g->lock);
    *track_entry(g, handle) = (struct grant_track){.ref = g->track_free};
    g->track_free = handle;
    g->handles_used--;
    spin_unlock(&g->lock);
}

void grant_track_destroy(struct domain *d)
{
    struct grant_domain *g = &d->grants;

    for (unsigned i = 0; i * GRANT_TRACK_PER_PAGE < g->track_count; i++)
        page_free(g->track[i], 0);
    page_free(g->track, 0);
    g->track = NULL;
    g->track_count = 0;
}
