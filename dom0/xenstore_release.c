// SPDX-License-Identifier: MIT
/*
 * What a dead domain leaves: its nodes, and rights that others have given to its number, which a later
 * domain of that number must not have.
 *
 * One walk over the tree as it was when the domain went finds both; it goes on in turns, and each
 * find is a change of the store's own, of which watches are told as of any other. Domain numbers
 * come again only after all others, so no new domain of the number is there before the walk is over.
 */
#include <stdlib.h>

#include "dom0/xenstore.h"

#define PURGE_BATCH 16U /* nodes that are changed together */

/* Rights that do not stand at a node: the target of SET_TARGET, and the special watches. */
static void rights_forget(struct xenstore *store, uint16_t domid)
{
    for (struct xenstore_connection *c = store->connections; c; c = c->next) {
        if (c->target == domid) {
            c->target = c->domid;
        }
    }
    for (unsigned int i = 0; i < 2; i++) {
        if (store->special[i][1].domid == domid) {
            store->special[i][1] = (struct xenstore_perm){0, 0};
        }
    }
}

static void purge_start(struct xenstore *store, uint16_t domid)
{
    struct xenstore_domain *domain = xenstore_domain_find(store, domid, true);

    rights_forget(store, domid);
    store->released = ++store->generation;
    if (!domain || domain->purging) {
        return;
    }
    domain->introduced = false;
    domain->purging = true;
    domain->purge_tree = xenstore_tree_copy(&store->tree);
    store->purges++;
}

void xenstore_domain_release(struct xenstore *store, uint16_t domid, bool gone)
{
    if (gone) {
        purge_start(store, domid);
        xenstore_turn(store);
        xenstore_purge(store);
    }
    xenstore_watch_fire_special(store, 1, domid);
}

/* The change that takes a domain's rights from a node; its permissions without these are the data. */
static struct xenstore_record *rights_strip(const char *path, const struct xenstore_node *node,
                                            uint16_t domid)
{
    struct xenstore_perm *perms = malloc(node->perm_count * sizeof(*perms));
    struct xenstore_change change = {.kind = XENSTORE_CHANGE_PERMS, .path = path, .data = perms};
    struct xenstore_record *record = NULL;

    for (uint32_t i = 0; perms && i < node->perm_count; i++) {
        if (i == 0 || node->perms[i].domid != domid) {
            perms[change.size++] = node->perms[i];
        }
    }
    if (perms) {
        record = xenstore_record_alloc(&change);
    }
    free(perms);
    return record;
}

static bool named(const struct xenstore_node *node, uint16_t domid)
{
    for (uint32_t i = 0; i < node->perm_count; i++) {
        if (node->perms[i].domid == domid) {
            return true;
        }
    }
    return false;
}

/* Looks at what stands at the place of the walk's node now; what is to be done joins the batch. False: no
 * memory, to be tried again. */
static bool node_purge(struct xenstore *store, struct xenstore_domain *domain)
{
    const char *path = domain->purge_walk->path;
    const struct xenstore_change removal = {.kind = XENSTORE_CHANGE_REMOVE, .path = path};
    const struct xenstore_node *node = NULL;
    struct xenstore_record *record;

    if (named(domain->purge_node, domain->domid)) {
        node = xenstore_tree_find(&store->tree, path);
    }
    if (!node || !named(node, domain->domid)) {
        return true;
    }
    const bool owned = node->perms[0].domid == domain->domid;
    record = owned ? xenstore_record_alloc(&removal) : rights_strip(path, node, domain->domid);
    if (!record) {
        return false;
    }
    if (owned) {
        xenstore_walk_skip(domain->purge_walk);
    }
    record->next = domain->purge_batch;
    domain->purge_batch = record;
    domain->purge_count++;
    return true;
}

/* The store has no memory for the batch now, and may be another when it has: what it meant is looked for anew. */
static void batch_drop(struct xenstore *store, struct xenstore_domain *domain)
{
    while (domain->purge_batch) {
        struct xenstore_record *record = domain->purge_batch;
        domain->purge_batch = record->next;
        xenstore_record_free(store, record);
    }
    domain->purge_count = 0;
    xenstore_walk_start(domain->purge_walk, domain->purge_tree.root, "/");
    domain->purge_node = xenstore_walk_next(domain->purge_walk);
}

/* Makes the changes of a batch: together, so that a directory is copied once for all of them. */
static bool batch_commit(struct xenstore *store, struct xenstore_domain *domain)
{
    if (domain->purge_batch && xenstore_commit(store->self, domain->purge_batch)) {
        batch_drop(store, domain);
        return false;
    }
    domain->purge_batch = NULL;
    domain->purge_count = 0;
    return xenstore_fire(store->self);
}

/* The store may change between two turns, so a batch does not outlive one. */
static bool domain_purge(struct xenstore *store, struct xenstore_domain *domain)
{
    struct xenstore_walk *walk = domain->purge_walk;

    if (!walk) {
        walk = domain->purge_walk = malloc(sizeof(*walk));
        if (!walk) {
            return false;
        }
        xenstore_walk_start(walk, domain->purge_tree.root, "/");
        domain->purge_node = xenstore_walk_next(walk);
    }
    if (!xenstore_fire(store->self)) {
        return false;
    }
    while (domain->purge_node && !xenstore_turn_over(store) && domain->purge_count < PURGE_BATCH &&
           node_purge(store, domain)) {
        store->books.work++;
        domain->purge_node = xenstore_walk_next(walk);
    }
    return batch_commit(store, domain) && !domain->purge_node;
}

/* True: the domain is forgotten. */
static bool purge_end(struct xenstore *store, struct xenstore_domain **slot)
{
    struct xenstore_domain *domain = *slot;

    free(domain->purge_walk);
    domain->purge_walk = NULL;
    xenstore_tree_free(&domain->purge_tree);
    domain->purging = false;
    store->purges--;
    if (domain->introduced || domain->nodes > 0) {
        return false;
    }
    *slot = domain->next;
    free(domain);
    return true;
}

bool xenstore_purge(struct xenstore *store)
{
    for (unsigned int i = 0; i < XENSTORE_HASH && store->purges > 0; i++) {
        struct xenstore_domain **slot = &store->domains[i];
        while (*slot) {
            if ((*slot)->purging && !domain_purge(store, *slot)) {
                return false;
            }
            if (!(*slot)->purging || !purge_end(store, slot)) {
                slot = &(*slot)->next;
            }
        }
    }
    return true;
}
