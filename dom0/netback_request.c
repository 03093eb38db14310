// SPDX-License-Identifier: MIT
/*
 * Errors come in two kinds. Where packets end on the ring is still known: that packet is answered as an
 * error and the card goes on (too many pieces, pieces that are more than the whole, a packet too short).
 * It is not known, or the entry points out of its page: no correct front end does that.
 */
#include "dom0/netback_request.h"

#define FRAGMENT_MAX 4096U /* a granted page */

static enum netback_verdict nonsense(struct netback_request *out, const char *why)
{
    out->why = why;
    return NETBACK_NONSENSE;
}

/* The slots behind the first entry that hold extra information. */
static enum netback_verdict extras_copy(struct netif_tx_back_ring *ring, RING_IDX producer,
                                        struct netback_request *out)
{
    struct netif_extra_info extra;

    do {
        struct netif_tx_request slot;
        RING_IDX at = ring->req_cons + 1 + out->extra_count;
        if (at == producer) {
            return NETBACK_PARTIAL;
        }
        if (out->extra_count == NETBACK_EXTRAS_MAX) {
            return nonsense(out, "more extra information than there are types");
        }
        RING_COPY_REQUEST(ring, at, &slot);
        memcpy(&extra, &slot, sizeof(extra));
        out->extra_count++;
        switch (extra.type) {
        case XEN_NETIF_EXTRA_TYPE_GSO:
            out->gso = extra;
            break;
        case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
        case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
            out->multicast = extra;
            break;
        case XEN_NETIF_EXTRA_TYPE_HASH: /* a hint, of no use with one queue */
            break;
        default:
            return nonsense(out, "extra information of no known type");
        }
    } while ((extra.flags & XEN_NETIF_EXTRA_FLAG_MORE) != 0);
    return NETBACK_GO;
}

static enum netback_verdict entries_copy(struct netif_tx_back_ring *ring, RING_IDX producer,
                                         struct netback_request *out)
{
    RING_IDX at = ring->req_cons;
    enum netback_verdict verdict;
    uint16_t flags;

    out->count = out->extra_count = 0;
    out->gso.type = out->multicast.type = XEN_NETIF_EXTRA_TYPE_NONE;
    do {
        if (at == producer) {
            return NETBACK_PARTIAL;
        }
        if (out->count == NETBACK_SLOTS_READ) {
            return nonsense(out, "a packet without end");
        }
        RING_COPY_REQUEST(ring, at, &out->entries[out->count]);
        flags = out->entries[out->count].flags;
        if (out->count == 0 && (flags & NETTXF_extra_info) != 0) {
            verdict = extras_copy(ring, producer, out);
            if (verdict != NETBACK_GO) {
                return verdict;
            }
            at += out->extra_count;
        }
        at++;
        out->count++;
    } while ((flags & NETTXF_more_data) != 0 && out->multicast.type == XEN_NETIF_EXTRA_TYPE_NONE);
    return NETBACK_GO;
}

/* The first entry tells the size of the whole packet, the others that of their fragment. */
static enum netback_verdict lengths_find(struct netback_request *out)
{
    uint32_t total = out->entries[0].size, rest = 0;

    for (unsigned int i = 1; i < out->count; i++) {
        out->lengths[i] = out->entries[i].size;
        rest += out->lengths[i];
    }
    out->total = total;
    out->lengths[0] = rest > total ? 0 : total - rest;
    for (unsigned int i = 0; i < out->count; i++) {
        if (out->lengths[i] > FRAGMENT_MAX ||
            out->entries[i].offset > FRAGMENT_MAX - out->lengths[i]) {
            return nonsense(out, "a fragment that does not fit its page");
        }
    }
    return rest > total || out->count > NETBACK_SLOTS_MAX || total < NET_HEADER_LENGTH
               ? NETBACK_DROP
               : NETBACK_GO;
}

enum netback_verdict netback_request_take(struct netif_tx_back_ring *ring, RING_IDX producer,
                                          struct netback_request *out)
{
    enum netback_verdict verdict = entries_copy(ring, producer, out);

    if (verdict == NETBACK_GO) {
        verdict = out->multicast.type != XEN_NETIF_EXTRA_TYPE_NONE ? NETBACK_MULTICAST
                                                                   : lengths_find(out);
    }
    if (verdict != NETBACK_PARTIAL && verdict != NETBACK_NONSENSE) {
        ring->req_cons += out->count + out->extra_count;
    }
    return verdict;
}
