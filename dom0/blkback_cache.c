// SPDX-License-Identifier: MIT
/*
 * Mappings are kept in one window of addresses in the order in which they came and are found by a
 * hash of the reference. Nothing is ever taken out: the cache holds a full ring of full requests,
 * more pages than a front end that keeps to its promise can have in flight. What the domain's budget
 * (blkback_budget.h) has no room for is mapped for its request alone.
 *
 * A front end that ends such a grant finds it busy until the connection is closed; one that uses
 * the reference for another page gets its transfers from and to the old page. Both are its own loss.
 */
#include "dom0/blkback_cache.h"

#include <stdlib.h>
#include <string.h>

#include "dom0/blkback_request.h"
#include "pvguest/errno.h"
#include "pvguest/memory.h"

#define BUCKETS 256U
#define ENTRIES_MAX (32U * BLKBACK_SEGMENTS_MAX)
#define NONE UINT16_MAX

struct blkback_cache {
    domid_t domid;
    struct blkback_account *account;
    char *window;
    unsigned int used;
    uint16_t buckets[BUCKETS];
    uint16_t next[ENTRIES_MAX];
    grant_ref_t refs[ENTRIES_MAX];
    struct grant_mapping mappings[ENTRIES_MAX];
};

struct blkback_cache *blkback_cache_create(domid_t domid, struct blkback_account *account)
{
    struct blkback_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL) {
        return NULL;
    }
    cache->domid = domid;
    cache->account = account;
    memset(cache->buckets, 0xff, sizeof(cache->buckets));
    cache->window = memory_reserve(ENTRIES_MAX);
    if (cache->window == NULL) {
        free(cache);
        return NULL;
    }
    return cache;
}

void blkback_cache_destroy(struct blkback_cache *cache)
{
    if (cache != NULL) {
        grant_unmap_at(cache->mappings, cache->used);
        blkback_handles_give(cache->account, BLKBACK_HANDLES_KEPT, cache->used);
        memory_release(cache->window, ENTRIES_MAX);
        free(cache);
    }
}

static unsigned int find(const struct blkback_cache *cache, grant_ref_t ref)
{
    unsigned int entry = cache->buckets[ref % BUCKETS];
    while (entry != NONE && cache->refs[entry] != ref) {
        entry = cache->next[entry];
    }
    return entry;
}

static void insert(struct blkback_cache *cache, grant_ref_t ref)
{
    uint16_t *bucket = &cache->buckets[ref % BUCKETS];
    cache->refs[cache->used] = ref;
    cache->next[cache->used] = *bucket;
    *bucket = (uint16_t)cache->used;
    cache->used++;
}

/* References that are not mapped yet, each once. */
static size_t missing_collect(const struct blkback_cache *cache, const grant_ref_t *refs, size_t n,
                              grant_ref_t *missing)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        while (j < count && missing[j] != refs[i]) {
            j++;
        }
        if (j == count && find(cache, refs[i]) == NONE) {
            missing[count++] = refs[i];
        }
    }
    return count;
}

int blkback_cache_map(struct blkback_cache *cache, const grant_ref_t *refs, size_t n,
                      const struct grant_mapping **out)
{
    grant_ref_t missing[BLKBACK_SEGMENTS_MAX];
    size_t count = missing_collect(cache, refs, n, missing);
    if (count > ENTRIES_MAX - cache->used ||
        !blkback_handles_free(cache->account, BLKBACK_HANDLES_KEPT, (unsigned int)count)) {
        return -XEN_ENOSPC;
    }
    if (count != 0) {
        int error = grant_map_at(cache->window + cache->used * PAGE_SIZE, cache->domid, missing,
                                 count, false, &cache->mappings[cache->used]);
        if (error != 0) {
            return error;
        }
    }
    blkback_handles_take(cache->account, BLKBACK_HANDLES_KEPT, (unsigned int)count);
    for (size_t i = 0; i < count; i++) {
        insert(cache, missing[i]);
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = &cache->mappings[find(cache, refs[i])];
    }
    return 0;
}
