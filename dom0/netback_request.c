// SPDX-License-Identifier: MIT
#include "dom0/netback_request.h"

#define FRAGMENT_MAX 4096U /* a granted page */

static enum netback_verdict nonsense(struct netback_request *out, const char *why)
{
    out->why = why;
    return NETBACK_NONSENSE;
}

static enum netback_verdict entries_copy(struct netif_tx_back_ring *ring, RING_IDX producer,
                                         struct netback_request *out)
{
    RING_IDX at = ring->req_cons;
    uint16_t flags;

    out->count = 0;
    do {
        if (at == producer) {
            return NETBACK_PARTIAL;
        }
        if (out->count == NET_FRAGMENTS_MAX) {
            return nonsense(out, "a packet of too many fragments");
        }
        RING_COPY_REQUEST(ring, at, &out->entries[out->count]);
        flags = out->entries[out->count].flags;
        if ((flags & NETTXF_extra_info) != 0) {
            return nonsense(out, "extra information that was not negotiated");
        }
        at++;
        out->count++;
    } while ((flags & NETTXF_more_data) != 0);
    return NETBACK_GO;
}

/* The first entry tells the size of the whole packet, the others that of their fragment. */
static bool lengths_find(struct netback_request *out)
{
    uint32_t left = out->total = out->entries[0].size;

    for (unsigned int i = 1; i < out->count; i++) {
        out->lengths[i] = out->entries[i].size;
        if (out->lengths[i] >= left) {
            return false;
        }
        left -= out->lengths[i];
    }
    out->lengths[0] = left;
    for (unsigned int i = 0; i < out->count; i++) {
        uint32_t length = out->lengths[i];
        if (length == 0 || length > FRAGMENT_MAX ||
            out->entries[i].offset > FRAGMENT_MAX - length) {
            return false;
        }
    }
    return true;
}

enum netback_verdict netback_request_take(struct netif_tx_back_ring *ring, RING_IDX producer,
                                          struct netback_request *out)
{
    enum netback_verdict verdict = entries_copy(ring, producer, out);

    if (verdict != NETBACK_GO) {
        return verdict;
    }
    if (!lengths_find(out)) {
        return nonsense(out, "a fragment that does not fit its page or its packet");
    }
    ring->req_cons += out->count;
    return out->total < NET_HEADER_LENGTH ? NETBACK_DROP : NETBACK_GO;
}
