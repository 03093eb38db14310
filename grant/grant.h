// SPDX-License-Identifier: MIT
// Grant tables, version 1: one domain lets another map or copy its frames.
//
// Owns: the shared grant frames, the active state behind each entry that is in use, and the handles
// (map tracking) of the domains that map.
// Invariants: the flags GTF_reading and GTF_writing of an entry are set by us when its first use of
// that kind begins and cleared when the last ends. While an entry is in use the active state says which
// frame and which domain, whatever the guest writes. Each use has a reference to the frame; that of a
// mapping is its page table entry's (page_entry.h), so it may end before the use does.
// The shared entry is hostile memory: flags and domid are read and changed as one 32-bit word by
// compare-and-exchange; the frame number is read once, after the flags have been set.
// A handle belongs to one mapping and holds a reference to the granting domain; who unmaps claims it
// exclusively before doing anything.
// Order of an unmap: entry cleared, translations flushed, then the references dropped and the flags
// cleared: an owner who sees the flags gone has the frame for himself.
// Locks: LOCK_GRANT_TABLE of a domain guards its table, active entries and handles. No operation
// holds two of them, and none is held while page tables change or memory is copied.
#pragma once

#include "hypervisor/lock.h"
#include "hypervisor/refusal.h"
#include "hypervisor/string.h"
#include "hypervisor/types.h"
#include "hypervisor/version.h"
#include <xen/grant_table.h>

struct domain;
struct vcpu;

#define GRANT_MAX_FRAMES 64
#define GRANT_ENTRIES_PER_FRAME 512
#define GRANT_ACTIVE_PER_PAGE 256
#define GRANT_ACTIVE_PAGES (GRANT_MAX_FRAMES * GRANT_ENTRIES_PER_FRAME / GRANT_ACTIVE_PER_PAGE)
#define GRANT_TRACK_PER_PAGE 256
#define GRANT_TRACK_PAGES 512

struct grant_active;
struct grant_track;

// One page: where the pages of a domain's table are. NULL where there is none yet.
struct grant_directory {
    grant_entry_v1_t *shared[GRANT_MAX_FRAMES];
    struct grant_active *active[GRANT_ACTIVE_PAGES];
};

struct grant_domain {
    struct spinlock lock;
    struct grant_directory *directory;
    struct grant_track **track;  // a page: where the pages of handles are; from the first map on
    unsigned max_frames, frames; // shared frames: limit, in use
    unsigned max_track, track_count; // handles: limit, those that have memory
    uint32_t track_free;             // first free handle, chained; GRANT_NO_HANDLE ends it
    unsigned handles_used;
    unsigned uses; // of its entries, by anybody
    uint32_t release_cursor;
};

#define GRANT_NO_HANDLE (~0u)

// --- life cycle
// Limits as in createdomain (negative: the default); allocates the first frame.
enum refusal grant_domain_init(struct domain *d, int max_frames, int max_track_frames);
// Death: release what `d` has mapped of others, `budget` handles a call. It runs nowhere any more.
enum refusal grant_release_mappings(struct domain *d, unsigned budget);
// Death, when it is marked dying: from here on nobody begins to use its grants. REFUSE_BUSY as long
// as some are in use.
enum refusal grant_revoke(struct domain *d);
void grant_domain_free(struct domain *d);

// The machine frame of shared frame `index`, growing the table up to it (setup_table,
// acquire_resource, add_to_physmap); invalid beyond the limit.
mfn_t grant_table_frame(struct domain *d, unsigned index);
enum refusal grant_table_grow(struct domain *d, unsigned frames);

// --- one use of an entry by domain `user`: refers to the frame, for writing too with GRANT_USE_WRITE.
// What is granted in part only (GTF_sub_page) can be copied but not mapped. Ended by grant_use_end,
// `write` as it began; MFN_INVALID when an entry of a page table keeps what the use held of the frame.
#define GRANT_USE_WRITE 1u
#define GRANT_USE_MAP 2u
enum refusal grant_use_begin(struct domain *owner, domid_t user, grant_ref_t ref, unsigned use,
                             mfn_t *mfn);
void grant_use_end(struct domain *owner, grant_ref_t ref, bool write, mfn_t mfn);

// --- mapping, by the running vcpu `v`. The structures are copies; `status` is left to the caller.
enum refusal grant_map(struct vcpu *v, struct gnttab_map_grant_ref *op);

// Unmapping is in two steps with a flush of translations between them, so that one flush serves a
// batch. grant_unmap_finish is called for each that has begun.
struct grant_mapping {
    struct domain *owner; // referenced as long as the handle exists
    grant_ref_t ref;
    mfn_t mfn;
    unsigned
        parts; // GNTMAP_host_map, GNTMAP_device_map as far as they exist, _readonly, _contains_pte
};
struct grant_unmap {
    struct grant_mapping mapping;
    grant_handle_t handle;
    unsigned ended; // the parts that are gone
};
enum refusal grant_unmap_begin(struct vcpu *v, const struct gnttab_unmap_grant_ref *op,
                               struct grant_unmap *unmap);
enum refusal grant_replace_begin(struct vcpu *v, const struct gnttab_unmap_and_replace *op,
                                 struct grant_unmap *unmap);
void grant_unmap_finish(struct domain *d, const struct grant_unmap *unmap);

// --- copying: any number of copies by one domain, which keep what they have acquired until the end.
struct grant_copy_side {
    struct domain *owner; // referenced unless it is the caller; NULL: there is none
    struct gnttab_copy_ptr name;
    bool is_grant, write;
    bool is_held; // the frame is
    mfn_t mfn;
    char *page; // in the hypervisor's mapping
};
struct grant_copier {
    struct domain *caller;
    bool are_held;  // both sides, named by the copy before this one,
    uint16_t flags; // which had these GNTCOPY_*
    struct grant_copy_side from, to;
};
#define GRANT_COPIER(d) ((struct grant_copier){.caller = (d), .to.write = true})
enum refusal grant_copy_acquire(struct grant_copier *c, const struct gnttab_copy *op);

// A grant's number is half of the word that is compared; if the other half changes, what is held is
// acquired anew, for nothing.
static inline bool grant_copy_names(const struct grant_copy_side *s,
                                    const struct gnttab_copy_ptr *p)
{
    return s->name.u.gmfn == p->u.gmfn && s->name.domid == p->domid;
}

static inline enum refusal grant_copy(struct grant_copier *c, const struct gnttab_copy *op)
{
    if (ABI_COPY_OF_NOTHING && !op->len)
        return REFUSE_NONE;
    bool is_ready = c->are_held && c->flags == op->flags &&
                    grant_copy_names(&c->from, &op->source) && grant_copy_names(&c->to, &op->dest);
    enum refusal r = __builtin_expect(is_ready, 1) ? REFUSE_NONE : grant_copy_acquire(c, op);

    if (__builtin_expect(r != REFUSE_NONE, 0))
        return r;
    if (__builtin_expect((uint32_t)op->source.offset + op->len > PAGE_SIZE ||
                             (uint32_t)op->dest.offset + op->len > PAGE_SIZE,
                         0))
        return REFUSE_GRANT_COPY_RANGE;
    memmove(c->to.page + op->dest.offset, c->from.page + op->source.offset, op->len);
    return REFUSE_NONE;
}
void grant_copy_end(struct grant_copier *c);

// --- the rest
// The frame goes to another domain for good (or is lost, when refused after it was given up).
enum refusal grant_transfer(struct domain *d, const struct gnttab_transfer *op);
enum refusal grant_swap(struct domain *d, grant_ref_t a, grant_ref_t b);

// The GNTST_* value of a refusal, for the status fields of the operations.
int16_t grant_status(enum refusal r);

// --- Inside grant/: what its files share.

// The shared entry, NULL if there is no such reference. Lock held; it stays as long as the domain.
grant_entry_v1_t *grant_shared_entry(struct domain *d, grant_ref_t ref);

// --- handles (track.c)
// Get a handle for a new mapping; nobody else sees it until grant_track_publish.
enum refusal grant_track_alloc(struct domain *d, grant_handle_t *handle);
void grant_track_publish(struct domain *d, grant_handle_t handle, const struct grant_mapping *m);

// Take a published handle for oneself, to change or free it; false if there is no such, or somebody
// else has it.
bool grant_track_claim(struct domain *d, grant_handle_t handle, struct grant_mapping *m);
void grant_track_free(struct domain *d, grant_handle_t handle);
void grant_track_destroy(struct domain *d); // with no handle in use
