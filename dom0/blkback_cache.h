// SPDX-License-Identifier: MIT
/*
 * Grants that stay mapped (feature-persistent of xen/io/blkif.h): a front end that uses the same
 * pages again and again spares us a map and an unmap for each.
 */
#pragma once

#include "dom0/blkback_budget.h"
#include "pvguest/grant.h"

struct blkback_cache;

/* NULL when out of memory. The account is the domain's, and outlives the cache. */
struct blkback_cache *blkback_cache_create(domid_t domid, struct blkback_account *account);
/* Unmaps everything. NULL is allowed. */
void blkback_cache_destroy(struct blkback_cache *cache);
/*
 * Finds or maps n references (at most BLKBACK_SEGMENTS_MAX), writable; out[i] points to the mapping
 * of refs[i], which lives until the destruction. 0; -XEN_ENOSPC: the cache or the budget is full, map them in
 * another way; or what grant_map_at gave.
 */
int blkback_cache_map(struct blkback_cache *cache, const grant_ref_t *refs, size_t n,
                      const struct grant_mapping **out);
