// SPDX-License-Identifier: MIT
// Copying between frames, each named by a grant or, when it is the caller's own, by its number.
//
// Both sides are acquired first; the copy runs without locks and on memory that its owners may be
// changing, so its result is theirs to judge.
#include "hypervisor/domain.h"

// One side of a copy, as long as it is held.
struct side {
    struct domain *owner; // referenced, unless NULL
    grant_ref_t ref;
    bool is_grant, write;
    bool is_held; // the frame is
    mfn_t mfn;
};

static enum refusal side_acquire_own(struct side *s, struct domain *d, uint64_t mfn)
{
    struct frame *f = frame_from_mfn(MFN(mfn));
    if (!f || frame_get(f, d) != REFUSE_NONE)
        return REFUSE_GRANT_BAD_PAGE;
    if (s->write && frame_get_type(f, PAGE_TYPE_WRITABLE, NULL) != REFUSE_NONE) {
        frame_put(f);
        return REFUSE_GRANT_BAD_FRAME;
    }
    s->mfn = MFN(mfn);
    return REFUSE_NONE;
}

// Whose frame it is; first for both sides, then the frames.
static enum refusal side_find_owner(struct side *s, struct domain *caller,
                                    const struct gnttab_copy_ptr *p)
{
    s->owner = domain_get_by_id(p->domid == DOMID_SELF ? caller->id : p->domid);
    return s->owner ? REFUSE_NONE : REFUSE_GRANT_NO_DOMAIN;
}

static enum refusal side_acquire(struct side *s, struct domain *caller,
                                 const struct gnttab_copy_ptr *p)
{
    enum refusal r;

    if (p->domid != DOMID_SELF && !s->is_grant)
        return REFUSE_GRANT_NOT_ALLOWED;
    if (s->is_grant) {
        s->ref = p->u.ref;
        r = grant_use_begin(s->owner, caller->id, s->ref, s->write ? GRANT_USE_WRITE : 0u, &s->mfn);
    } else {
        r = side_acquire_own(s, caller, p->u.gmfn);
    }
    s->is_held = r == REFUSE_NONE;
    return r;
}

static void side_release(const struct side *s)
{
    if (s->is_held && s->is_grant)
        grant_use_end(s->owner, s->ref, s->write, s->mfn);
    else if (s->is_held && s->write)
        frame_put_writable(frame_from_mfn(s->mfn));
    else if (s->is_held)
        frame_put(frame_from_mfn(s->mfn));
    if (s->owner)
        domain_put(s->owner);
}

enum refusal grant_copy(struct domain *caller, const struct gnttab_copy *op)
{
    struct side from = {.is_grant = op->flags & GNTCOPY_source_gref};
    struct side to = {.is_grant = op->flags & GNTCOPY_dest_gref, .write = true};

    enum refusal r = side_find_owner(&from, caller, &op->source);
    if (r == REFUSE_NONE)
        r = side_find_owner(&to, caller, &op->dest);
    if (r == REFUSE_NONE)
        r = side_acquire(&from, caller, &op->source);
    if (r == REFUSE_NONE)
        r = side_acquire(&to, caller, &op->dest);
    if (r == REFUSE_NONE && ((uint32_t)op->source.offset + op->len > PAGE_SIZE ||
                             (uint32_t)op->dest.offset + op->len > PAGE_SIZE))
        r = REFUSE_GRANT_COPY_RANGE;
    if (r == REFUSE_NONE)
        memmove((char *)mfn_to_virt(to.mfn) + op->dest.offset,
                (const char *)mfn_to_virt(from.mfn) + op->source.offset, op->len);
    side_release(&to);
    side_release(&from);
    return r;
}
