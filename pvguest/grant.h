// SPDX-License-Identifier: MIT
/*
 * Grant tables, version 1.
 *
 * Granting: references are taken from a free list (entries 0-7 are reserved by the ABI). Mapping:
 * other domains' references, mapped at consecutive addresses of reserved space.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/grant_table.h>

/* Lets `domid` map (or copy from/to) our frame; the reference, or -XEN_ENOSPC. */
int grant_access(domid_t domid, uint64_t mfn, bool readonly);
/* Ends access and frees the reference; false (and nothing done) while it is mapped. */
bool grant_end(grant_ref_t ref);
/* As grant_end; a reference in use is ended and freed later, when the peer has let go (the page
 * at `page`, order 0, is page_free'd then; may be NULL). */
void grant_end_later(grant_ref_t ref, void *page);
/* True while the peer has it mapped. */
bool grant_is_busy(grant_ref_t ref);
/* References that grant_access could still give without growing the table. */
size_t grant_free_count(void);

struct grant_mapping {
    void *address;         /* where the page is mapped; NULL if status != 0 */
    uint64_t maddr;        /* machine address, for DMA */
    grant_handle_t handle; /* for unmapping */
    int16_t status;        /* GNTST_* */
};

/*
 * Maps n references of `domid` at n consecutive pages. 0 if all are mapped; else -XEN_E* and
 * nothing is mapped (out[i].status tells which one failed).
 */
int grant_map(domid_t domid, const grant_ref_t *refs, size_t n, bool readonly,
              struct grant_mapping *out);
/* As grant_map at addresses of the caller's own memory_reserve(): for data paths that reuse them.
 */
int grant_map_at(void *address, domid_t domid, const grant_ref_t *refs, size_t n, bool readonly,
                 struct grant_mapping *out);
/* Undoes grant_map (also gives the addresses back). */
void grant_unmap(struct grant_mapping *mappings, size_t n);
/* Undoes grant_map_at (the addresses stay the caller's). Entries with status != 0 are skipped. */
void grant_unmap_at(struct grant_mapping *mappings, size_t n);

/* GNTTABOP_copy of n descriptors; 0 or -XEN_E* of the call itself: look at each op's status.
 * GNTST_eagain is retried here. */
int grant_copy(struct gnttab_copy *ops, size_t n);

/* Words for a GNTST_* status. */
const char *grant_status_text(int status);
