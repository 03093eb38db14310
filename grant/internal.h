// SPDX-License-Identifier: MIT
// Inside grant/: what its files share.
#pragma once

#include "grant/grant.h"

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
