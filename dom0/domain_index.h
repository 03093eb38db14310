// SPDX-License-Identifier: MIT
/*
 * Domains by number: a sorted table. Finding one takes a number of steps that grows with the logarithm
 * of how many there are, the next one a single look more.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <xen/xen.h>

struct domain;

struct domain_index {
    struct domain **table; /* by domid; zero-initialised is empty */
    size_t count, room;
};

/* False without memory. The number must not be there yet. */
bool domain_index_insert(struct domain_index *index, struct domain *domain);
void domain_index_remove(struct domain_index *index, const struct domain *domain);
struct domain *domain_index_find(const struct domain_index *index, domid_t domid);
/* The one of the lowest number from `first` on; NULL. */
struct domain *domain_index_from(const struct domain_index *index, unsigned int first);
