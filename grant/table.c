// SPDX-License-Identifier: MIT
// The table of a domain: its shared frames, growth, and uses of its entries.
//
// Protocol of a shared entry (xen/grant_table.h): the owner fills in domid and frame, then the type;
// we set GTF_reading or GTF_writing in the same 32-bit word in which we have checked type and domid,
// so that a change behind our back makes the compare fail. Who sees our flags must leave the entry
// alone; who does not, gains nothing: the frame that was read is checked for ownership and
// referenced, and the active state remembers it.
#include "hypervisor/domain.h"
#include "hypervisor/page_alloc.h"

#define USES_LIMIT 0x7fff
#define CLAIM_RETRIES 5
#define TRACK_FRAMES_DEFAULT 1024
#define HANDLES_PER_TRACK_FRAME 512 // Xen's unit of max_maptrack_frames, whatever ours take

struct grant_active {
    uint32_t frame;
    domid_t user;
    uint16_t uses, writers; // writers are among the uses
    bool is_partial;        // GTF_sub_page, when the first use began
    uint8_t pad[5];
};
_Static_assert(sizeof(struct grant_active) * GRANT_ACTIVE_PER_PAGE == PAGE_SIZE, "one page");
_Static_assert(sizeof(grant_entry_v1_t) * GRANT_ENTRIES_PER_FRAME == PAGE_SIZE, "one page");
_Static_assert(sizeof(struct grant_directory) <= PAGE_SIZE, "one page");

enum refusal grant_domain_init(struct domain *d, int max_frames, int max_track_frames)
{
    struct grant_domain *g = &d->grants;

    *g = (struct grant_domain){.track_free = GRANT_NO_HANDLE};
    spin_lock_init(&g->lock, LOCK_GRANT_TABLE);
    if (max_frames > GRANT_MAX_FRAMES)
        return REFUSE_GRANT_LIMIT;
    g->max_frames = max_frames < 0 ? GRANT_MAX_FRAMES : (unsigned)max_frames;
    unsigned track = max_track_frames < 0 ? TRACK_FRAMES_DEFAULT : (unsigned)max_track_frames;
    g->max_track = MIN(track, GRANT_TRACK_PAGES * GRANT_TRACK_PER_PAGE / HANDLES_PER_TRACK_FRAME) *
                   HANDLES_PER_TRACK_FRAME;
    g->directory = page_alloc(0);
    if (!g->directory)
        return REFUSE_NO_MEMORY;
    enum refusal r = g->max_frames ? grant_table_grow(d, 1) : REFUSE_NONE;
    if (r != REFUSE_NONE)
        grant_domain_free(d);
    return r;
}

void grant_domain_free(struct domain *d)
{
    struct grant_domain *g = &d->grants;

    if (!g->directory)
        return;
    for (unsigned i = 0; i < g->frames; i++)
        frame_unshare(frame_from_mfn(virt_to_mfn(g->directory->shared[i])));
    for (unsigned i = 0; i < GRANT_ACTIVE_PAGES; i++)
        page_free(g->directory->active[i], 0);
    grant_track_destroy(d);
    page_free(g->directory, 0);
    g->directory = NULL;
    g->frames = 0;
}

// Sharing a frame takes the domain's lock, which comes before ours: so each frame is made first, and
// taken back when somebody else was faster.
enum refusal grant_table_grow(struct domain *d, unsigned frames)
{
    struct grant_domain *g = &d->grants;

    if (frames > g->max_frames)
        return REFUSE_GRANT_LIMIT;
    while (__atomic_load_n(&g->frames, __ATOMIC_ACQUIRE) < frames) {
        grant_entry_v1_t *entries = page_alloc(0);
        if (!entries)
            return REFUSE_NO_MEMORY;
        struct frame *f = frame_from_mfn(virt_to_mfn(entries));
        frame_share_with_guest(f, d, false);
        spin_lock(&g->lock);
        bool is_wanted = g->frames < frames;
        if (is_wanted) { // who sees the number sees the frame
            g->directory->shared[g->frames] = entries;
            __atomic_store_n(&g->frames, g->frames + 1, __ATOMIC_RELEASE);
        }
        spin_unlock(&g->lock);
        if (!is_wanted)
            frame_unshare(f);
    }
    return REFUSE_NONE;
}

mfn_t grant_table_frame(struct domain *d, unsigned index)
{
    if (index >= d->grants.max_frames || grant_table_grow(d, index + 1) != REFUSE_NONE)
        return MFN_INVALID;
    return virt_to_mfn(d->grants.directory->shared[index]);
}

static grant_entry_v1_t *shared_entry(struct grant_domain *g, grant_ref_t ref)
{
    return &g->directory->shared[ref / GRANT_ENTRIES_PER_FRAME][ref % GRANT_ENTRIES_PER_FRAME];
}

static bool ref_exists(const struct grant_domain *g, grant_ref_t ref)
{
    return ref / GRANT_ENTRIES_PER_FRAME < g->frames;
}

grant_entry_v1_t *grant_shared_entry(struct domain *d, grant_ref_t ref)
{
    return ref_exists(&d->grants, ref) ? shared_entry(&d->grants, ref) : NULL;
}

// The active state of an entry, NULL when it has no memory.
static struct grant_active *active_entry(struct grant_domain *g, grant_ref_t ref)
{
    struct grant_active *page = g->directory->active[ref / GRANT_ACTIVE_PER_PAGE];
    return page ? &page[ref % GRANT_ACTIVE_PER_PAGE] : NULL;
}

static struct grant_active *active_entry_make(struct grant_domain *g, grant_ref_t ref)
{
    struct grant_active **page = &g->directory->active[ref / GRANT_ACTIVE_PER_PAGE];
    if (!*page)
        *page = page_alloc(0);
    return active_entry(g, ref);
}

// Check type and domid and set our flags, in one step. With `is_first` no use has been checked yet.
// *flags is what the entry had.
static enum refusal entry_claim(grant_entry_v1_t *entry, domid_t user, unsigned use, bool is_first,
                                uint16_t *flags)
{
    const unsigned kind = GTF_type_mask | (use & GRANT_USE_MAP ? GTF_sub_page : 0u);
    const bool write = use & GRANT_USE_WRITE;
    uint32_t *word = (uint32_t *)entry; // flags below, domid above
    uint32_t seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; i < CLAIM_RETRIES; i++) {
        *flags = (uint16_t)seen;
        if (is_first && (*flags & kind) != GTF_permit_access)
            return REFUSE_GRANT_NOT_OFFERED;
        if (is_first && (domid_t)(seen >> 16) != user)
            return REFUSE_GRANT_OTHER_DOMAIN;
        if (write && (*flags & GTF_readonly))
            return REFUSE_GRANT_READONLY;
        uint32_t claimed = seen | GTF_reading | (write ? GTF_writing : 0u);
        // Pairs with the owner, who looks at the flags before he takes the entry back.
        if (__atomic_compare_exchange_n(word, &seen, claimed, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_ACQUIRE))
            return REFUSE_NONE;
    }
    return REFUSE_GRANT_UNSTABLE;
}

static enum refusal frame_reference(struct domain *owner, mfn_t mfn, bool write)
{
    struct frame *f = frame_from_mfn(mfn);

    if (!f || frame_get(f, owner) != REFUSE_NONE)
        return REFUSE_GRANT_BAD_PAGE;
    if (write && !page_type_try_writable(f) &&
        frame_get_type(f, PAGE_TYPE_WRITABLE, NULL) != REFUSE_NONE) {
        frame_put(f);
        return REFUSE_GRANT_BAD_FRAME;
    }
    return REFUSE_NONE;
}

static void frame_dereference(mfn_t mfn, bool write)
{
    if (write)
        frame_put_writable(frame_from_mfn(mfn));
    else
        frame_put(frame_from_mfn(mfn));
}

// Count one more use, with our flags set in the entry. From then on its frame is fixed.
static enum refusal use_count(struct domain *owner, domid_t user, grant_ref_t ref, unsigned use,
                              mfn_t *mfn)
{
    struct grant_domain *g = &owner->grants;
    const bool write = use & GRANT_USE_WRITE;

    if (__atomic_load_n(&owner->is_dying, __ATOMIC_ACQUIRE))
        return REFUSE_GRANT_NO_DOMAIN;
    if (!ref_exists(g, ref))
        return REFUSE_GRANT_BAD_REF;
    struct grant_active *a = active_entry_make(g, ref);
    if (!a)
        return REFUSE_NO_MEMORY;
    bool is_first = a->uses == 0;
    if (!is_first && a->user != user)
        return REFUSE_GRANT_OTHER_DOMAIN;
    if (!is_first && a->is_partial && use & GRANT_USE_MAP)
        return REFUSE_GRANT_NOT_OFFERED;
    if (a->uses >= USES_LIMIT)
        return REFUSE_GRANT_OVERFLOW;

    grant_entry_v1_t *entry = shared_entry(g, ref);
    enum refusal r = REFUSE_NONE;
    uint16_t flags;
    if (is_first || (write && !a->writers))
        r = entry_claim(entry, user, use, is_first, &flags);
    if (r != REFUSE_NONE)
        return r;
    if (is_first) {
        a->frame = __atomic_load_n(&entry->frame, __ATOMIC_ACQUIRE);
        a->user = user;
        a->is_partial = flags & GTF_sub_page;
    }
    a->uses++;
    a->writers = (uint16_t)(a->writers + write);
    g->uses++;
    *mfn = MFN(a->frame);
    return REFUSE_NONE;
}

static void use_uncount(struct domain *owner, grant_ref_t ref, bool write)
{
    struct grant_domain *g = &owner->grants;

    spin_lock(&g->lock);
    struct grant_active *a = active_entry(g, ref);
    a->uses--;
    a->writers = (uint16_t)(a->writers - write);
    g->uses--;
    uint16_t unused = (uint16_t)((a->uses ? 0u : GTF_reading) | (a->writers ? 0u : GTF_writing));
    if (unused)
        __atomic_fetch_and(&shared_entry(g, ref)->flags, (uint16_t)~unused, __ATOMIC_SEQ_CST);
    spin_unlock(&g->lock);
}

// References are taken and dropped outside the lock, between counting and uncounting: the last one of
// a frame frees it, which is the business of its owner's lock.
enum refusal grant_use_begin(struct domain *owner, domid_t user, grant_ref_t ref, unsigned use,
                             mfn_t *mfn)
{
    const bool write = use & GRANT_USE_WRITE;

    spin_lock(&owner->grants.lock);
    enum refusal r = use_count(owner, user, ref, use, mfn);
    spin_unlock(&owner->grants.lock);
    if (r != REFUSE_NONE)
        return r;
    r = frame_reference(owner, *mfn, write);
    if (r != REFUSE_NONE)
        use_uncount(owner, ref, write);
    return r;
}

void grant_use_end(struct domain *owner, grant_ref_t ref, bool write, mfn_t mfn)
{
    if (mfn_is_valid(mfn))
        frame_dereference(mfn, write);
    use_uncount(owner, ref, write);
}

enum refusal grant_revoke(struct domain *d)
{
    // A use that had begun before the domain was marked dying is visible once we have had the lock.
    spin_lock(&d->grants.lock);
    bool in_use = d->grants.uses != 0;
    spin_unlock(&d->grants.lock);
    return in_use ? REFUSE_BUSY : REFUSE_NONE;
}

enum refusal grant_swap(struct domain *d, grant_ref_t ref_a, grant_ref_t ref_b)
{
    struct grant_domain *g = &d->grants;
    enum refusal r = REFUSE_NONE;

    spin_lock(&g->lock);
    if (!ref_exists(g, ref_a) || !ref_exists(g, ref_b)) {
        r = REFUSE_GRANT_BAD_REF;
    } else if (ref_a != ref_b) {
        const struct grant_active *a = active_entry(g, ref_a), *b = active_entry(g, ref_b);
        grant_entry_v1_t *shared_a = shared_entry(g, ref_a), *shared_b = shared_entry(g, ref_b);
        if ((a && a->uses) || (b && b->uses)) {
            r = REFUSE_GRANT_IN_USE;
        } else {
            grant_entry_v1_t swap = *shared_a;
            *shared_a = *shared_b;
            *shared_b = swap;
        }
    }
    spin_unlock(&g->lock);
    return r;
}

int16_t grant_status(enum refusal r)
{
    switch (r) {
    case REFUSE_NONE:
        return GNTST_okay;
    case REFUSE_GRANT_NO_DOMAIN:
    case REFUSE_NO_DOMAIN:
        return GNTST_bad_domain;
    case REFUSE_GRANT_BAD_REF:
    case REFUSE_GRANT_MAP_FLAGS:
        return GNTST_bad_gntref;
    case REFUSE_GRANT_BAD_HANDLE:
        return GNTST_bad_handle;
    case REFUSE_GRANT_NO_HANDLE:
        return GNTST_no_space;
    case REFUSE_GRANT_NOT_ALLOWED:
    case REFUSE_NOT_PRIVILEGED:
        return GNTST_permission_denied;
    case REFUSE_GRANT_BAD_PAGE:
        return GNTST_bad_page;
    case REFUSE_GRANT_COPY_RANGE:
        return GNTST_bad_copy_arg;
    case REFUSE_GRANT_IN_USE:
        return GNTST_eagain;
    case REFUSE_GRANT_BUS_ADDRESS:
        return GNTST_bad_dev_addr;
    case REFUSE_BAD_POINTER:
        return GNTST_bad_virt_addr;
    default:
        return GNTST_general_error;
    }
}
