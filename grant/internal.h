// SPDX-License-Identifier: MIT
// Inside grant/: what its files share.
#ifndef GRANT_INTERNAL_H
#define GRANT_INTERNAL_H

#include "grant/grant.h"

// The frame of an entry that is in use.
mfn_t grant_active_frame(struct domain *owner, grant_ref_t ref);

// --- handles (track.c)
// What a handle stands for. `parts`: GNTMAP_host_map, GNTMAP_device_map, as far as they exist, and
// GNTMAP_readonly, GNTMAP_contains_pte.
struct grant_mapping {
    domid_t owner;
    grant_ref_t ref;
    uint16_t parts;
};

// Get a handle for a new mapping; nobody else sees it until grant_track_publish.
enum refusal grant_track_alloc(struct domain *d, grant_handle_t *handle);
void grant_track_publish(struct domain *d, grant_handle_t handle, const struct grant_mapping *m);

// Take a published handle for oneself, to change or free it; false if there is no such, or somebody
// else has it.
bool grant_track_claim(struct domain *d, grant_handle_t handle, struct grant_mapping *m);
void grant_track_free(struct domain *d, grant_handle_t handle);

#endif
