// SPDX-License-Identifier: MIT
// Copying between frames, each named by a grant or, when it is the caller's own, by its number.
//
// Both sides are acquired first; the copy runs without locks and on memory that its owners may be
// changing, so its result is theirs to judge.
//
// What is kept from one copy to the next. A side stays acquired: its domain with a reference (the caller
// needs none for itself), its frame with a reference or a use of the grant, for writing on the side that is
// written. If the next copy names the same frame in the same way, that is what it would acquire again; what
// the owner may have done to the grant meanwhile waits for the end of a use, as it does during one copy.
// All else is checked for each copy. A copy that fails keeps what it has acquired, nothing else.
#include "hypervisor/domain.h"

static enum refusal acquire_own(struct grant_copy_side *s, struct domain *d)
{
    struct frame *f = frame_from_mfn(MFN(s->name.u.gmfn));
    if (!f || frame_get(f, d) != REFUSE_NONE)
        return REFUSE_GRANT_BAD_PAGE;
    if (s->write && frame_get_type(f, PAGE_TYPE_WRITABLE, NULL) != REFUSE_NONE) {
        frame_put(f);
        return REFUSE_GRANT_BAD_FRAME;
    }
    s->mfn = MFN(s->name.u.gmfn);
    return REFUSE_NONE;
}

static enum refusal side_acquire(struct grant_copy_side *s, struct domain *caller)
{
    enum refusal r;

    if (s->is_held)
        return REFUSE_NONE;
    if (s->name.domid != DOMID_SELF && !s->is_grant)
        return REFUSE_GRANT_NOT_ALLOWED;
    if (s->is_grant)
        r = grant_use_begin(s->owner, caller->id, s->name.u.ref, s->write ? GRANT_USE_WRITE : 0u,
                            &s->mfn);
    else
        r = acquire_own(s, caller);
    s->is_held = r == REFUSE_NONE;
    if (s->is_held)
        s->page = mfn_to_virt(s->mfn);
    return r;
}

static void side_release(struct grant_copy_side *s)
{
    if (s->is_held && s->is_grant)
        grant_use_end(s->owner, s->name.u.ref, s->write, s->mfn);
    else if (s->is_held && s->write)
        frame_put_writable(frame_from_mfn(s->mfn));
    else if (s->is_held)
        frame_put(frame_from_mfn(s->mfn));
    s->is_held = false;
}

static void owner_release(struct grant_copy_side *s, const struct domain *caller)
{
    if (s->owner && s->owner != caller)
        domain_put(s->owner);
    s->owner = NULL;
}

// Whose frame it is; first for both sides, then the frames.
static enum refusal side_find_owner(struct grant_copy_side *s, struct domain *caller,
                                    const struct gnttab_copy_ptr *p, bool is_grant)
{
    bool is_same = s->owner && s->name.domid == p->domid;

    if (s->is_held && is_same && s->is_grant == is_grant && s->name.u.gmfn == p->u.gmfn)
        return REFUSE_NONE;
    side_release(s);
    s->is_grant = is_grant;
    s->name = *p;
    if (is_same)
        return REFUSE_NONE;
    owner_release(s, caller);
    s->owner = p->domid == DOMID_SELF || p->domid == caller->id ? caller
                                                                : domain_get_by_id(p->domid);
    return s->owner ? REFUSE_NONE : REFUSE_GRANT_NO_DOMAIN;
}

enum refusal grant_copy_acquire(struct grant_copier *c, const struct gnttab_copy *op)
{
    c->are_held = false;
    enum refusal r = side_find_owner(&c->from, c->caller, &op->source,
                                     op->flags & GNTCOPY_source_gref);
    if (r == REFUSE_NONE)
        r = side_find_owner(&c->to, c->caller, &op->dest, op->flags & GNTCOPY_dest_gref);
    if (r == REFUSE_NONE)
        r = side_acquire(&c->from, c->caller);
    if (r == REFUSE_NONE)
        r = side_acquire(&c->to, c->caller);
    if (r != REFUSE_NONE)
        return r;
    c->flags = op->flags;
    c->are_held = true;
    return REFUSE_NONE;
}

void grant_copy_end(struct grant_copier *c)
{
    side_release(&c->to);
    side_release(&c->from);
    owner_release(&c->to, c->caller);
    owner_release(&c->from, c->caller);
}
