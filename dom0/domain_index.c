// SPDX-License-Identifier: MIT
#include "dom0/domain_index.h"

#include <stdlib.h>
#include <string.h>

#include "dom0/domain.h"

#define ROOM_MIN 16U

/* How many have a lower number. */
static size_t position(const struct domain_index *index, unsigned int domid)
{
    size_t low = 0, high = index->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->table[middle]->domid < domid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool domain_index_insert(struct domain_index *index, struct domain *domain)
{
    const size_t at = position(index, domain->domid);

    if (index->count == index->room) {
        size_t room = index->room ? 2 * index->room : ROOM_MIN;
        struct domain **table = realloc(index->table, room * sizeof(*table));
        if (!table) {
            return false;
        }
        index->table = table;
        index->room = room;
    }
    memmove(&index->table[at + 1], &index->table[at], (index->count - at) * sizeof(domain));
    index->table[at] = domain;
    index->count++;
    return true;
}

void domain_index_remove(struct domain_index *index, const struct domain *domain)
{
    const size_t at = position(index, domain->domid);

    index->count--;
    memmove(&index->table[at], &index->table[at + 1], (index->count - at) * sizeof(domain));
}

struct domain *domain_index_from(const struct domain_index *index, unsigned int first)
{
    const size_t at = position(index, first);

    return at < index->count ? index->table[at] : NULL;
}

struct domain *domain_index_find(const struct domain_index *index, domid_t domid)
{
    struct domain *domain = domain_index_from(index, domid);

    return domain && domain->domid == domid ? domain : NULL;
}
