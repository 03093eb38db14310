// SPDX-License-Identifier: MIT
// Grant tables, version 1: one domain lets another map or copy its frames.
//
// Owns: the shared grant frames, the active state behind each entry that is in use, and the handles
// (map tracking) of the domains that map.
// Invariants: the flags GTF_reading and GTF_writing of an entry are set by us when its first use of
// that kind begins and cleared when the last ends; while an entry is in use its frame is referenced
// and its active state says which frame and which domain, whatever the guest writes into the entry.
// The shared entry is hostile memory: flags and domid are read and changed as one 32-bit word by
// compare-and-exchange, the frame number is read once between two looks at the flags.
// A handle belongs to one mapping; an unmap claims it exclusively before it does anything.
// Locks: LOCK_GRANT of a domain guards its table, active entries and handles. No operation holds two
// of them, and none is held while page tables change or memory is copied.
#ifndef GRANT_GRANT_H
#define GRANT_GRANT_H

#include "hypervisor/lock.h"
#include "hypervisor/refusal.h"
#include "hypervisor/types.h"
#include <xen/grant_table.h>

struct domain;
struct vcpu;

#define GRANT_MAX_FRAMES 64 // upper bound of what createdomain may ask for
#define GRANT_ENTRIES_PER_FRAME (PAGE_SIZE / sizeof(grant_entry_v1_t))
#define GRANT_ACTIVE_PER_PAGE (PAGE_SIZE / 16)
#define GRANT_ACTIVE_PAGES (GRANT_MAX_FRAMES * GRANT_ENTRIES_PER_FRAME / GRANT_ACTIVE_PER_PAGE)
#define GRANT_TRACK_PER_PAGE (PAGE_SIZE / 8)
#define GRANT_MAX_TRACK_PAGES 1024
#define GRANT_RESERVED_ENTRIES 8 // 0 console, 1 xenstore; the guest's own use starts behind them

struct grant_active;
struct grant_track;

struct grant_domain {
    struct spinlock lock;
    unsigned max_frames, frames;
    grant_entry_v1_t **shared;        // one pointer a frame; a page
    struct grant_active **active;     // one pointer a page of entries, pages when first used; a page
    struct grant_track **track;       // one pointer a page of handles; two pages
    unsigned max_track_pages, track_pages;
    uint32_t track_free;              // first free handle, chained
    unsigned mapped;                  // handles in use
    uint32_t release_cursor;
};

// --- life cycle
// Limits as in createdomain; allocates the first frame.
enum refusal grant_domain_init(struct domain *d, int max_frames, int max_track_frames);
// Death: release what `d` has mapped of others, `budget` handles a call.
enum refusal grant_release_mappings(struct domain *d, unsigned budget);
// Death: nobody can begin to use its grants any more; REFUSE_BUSY as long as some are in use.
enum refusal grant_revoke(struct domain *d);
void grant_domain_free(struct domain *d);

// The machine frame of shared frame `index`, growing the table up to it (setup_table,
// acquire_resource, XENMAPSPACE_grant_table); invalid beyond the limit.
mfn_t grant_table_frame(struct domain *d, unsigned index);
enum refusal grant_table_grow(struct domain *d, unsigned frames);

// --- one use of a grant. `flags`: GRANT_USE_*. A use that was begun has a reference on the frame (a
// writable type reference with GRANT_USE_WRITE) and is ended by grant_use_end with the same flags.
#define GRANT_USE_WRITE 1u
#define GRANT_USE_HOST 2u   // a mapping in page tables
#define GRANT_USE_DEVICE 4u // GNTMAP_device_map
struct grant_use {
    mfn_t mfn;
    unsigned offset, length; // bytes of the frame that may be used; whole frame in version 1
};
// All of these return GNTST_*.
int grant_use_begin(struct domain *owner, domid_t user, grant_ref_t ref, unsigned flags,
                    struct grant_use *use);
void grant_use_end(struct domain *owner, grant_ref_t ref, unsigned flags);

// --- mapping, on behalf of the running vcpu `v`
int grant_map(struct vcpu *v, struct gnttab_map_grant_ref *op);
int grant_unmap(struct vcpu *v, struct gnttab_unmap_grant_ref *op);
int grant_unmap_and_replace(struct vcpu *v, struct gnttab_unmap_and_replace *op);

// --- copying and the rest
int grant_copy(struct domain *caller, struct gnttab_copy *op);
int grant_swap(struct domain *d, grant_ref_t a, grant_ref_t b);

#endif
