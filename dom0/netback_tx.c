// SPDX-License-Identifier: MIT
/*
 * From the guest: packets are taken off the transmit ring, their pieces are copied by grant copy, many
 * packets a hypercall, and then they are delivered. Copying keeps the guest from changing a packet
 * after it has been looked at.
 */
#include "dom0/netback_private.h"

#include <stdlib.h>
#include <string.h>

#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "pvguest/ring.h"
#include "pvguest/time.h"

/* Copies that bring `length` bytes of one request to `offset` of the packet; false: batch full. */
static bool tx_add_copies(struct netback_ring *ring, struct netback_packet *p, unsigned int i,
                          uint32_t offset, uint32_t length)
{
    uint32_t from = p->request.entries[i].offset;

    while (length != 0) {
        if (ring->copy_count == NETBACK_BATCH) {
            return false;
        }
        /* net_packet_alloc_large: page-sized fragments, each at the start of a page. */
        const struct net_fragment *f = &p->packet->fragments[offset / PAGE_SIZE];
        uint32_t in_page = offset % PAGE_SIZE;
        uint32_t n = (uint32_t)PAGE_SIZE - in_page < length ? (uint32_t)PAGE_SIZE - in_page
                                                            : length;
        uint64_t maddr = virt_to_maddr(f->address);
        ring->copies[ring->copy_count++] = (struct gnttab_copy){
            .source = {.u.ref = p->request.entries[i].gref,
                       .domid = ring->options.domid,
                       .offset = (uint16_t)from                            },
            .dest = {.u.gmfn = maddr >> PAGE_SHIFT,
                       .domid = DOMID_SELF,
                       .offset = (uint16_t)((maddr & ~PAGE_MASK) + in_page)},
            .len = (uint16_t)n,
            .flags = GNTCOPY_source_gref,
        };
        p->copy_count++;
        offset += n;
        from += n;
        length -= n;
    }
    return true;
}

/* The front end's list of group addresses it wants; 0 or -XEN_E*. */
static int multicast_change(struct netback_ring *ring, const struct netif_extra_info *extra)
{
    const uint8_t *mac = extra->u.mcast.addr;
    unsigned int i = 0;

    while (i < ring->multicast_count && memcmp(ring->multicast[i], mac, NET_ADDRESS_LENGTH) != 0) {
        i++;
    }
    if (extra->type == XEN_NETIF_EXTRA_TYPE_MCAST_DEL) {
        if (i != ring->multicast_count) {
            ring->multicast_count--;
            memmove(ring->multicast[i], ring->multicast[ring->multicast_count], NET_ADDRESS_LENGTH);
        }
        return 0;
    }
    if (i == NETBACK_MULTICAST_MAX) {
        return -XEN_ENOSPC;
    }
    memcpy(ring->multicast[i], mac, NET_ADDRESS_LENGTH);
    ring->multicast_count += i == ring->multicast_count;
    return 0;
}

/* Prepares the packet and its copies. False: the batch has no room for it. */
static bool tx_prepare(struct netback_ring *ring, struct netback_packet *p)
{
    uint32_t offset = 0;

    p->packet = net_packet_alloc_large(p->request.total);
    if (p->packet == NULL) {
        return true; /* answered as an error */
    }
    uint16_t flags = p->request.entries[0].flags;
    p->packet->checksum = (flags & NETTXF_csum_blank) != 0       ? NET_CHECKSUM_BLANK
                          : (flags & NETTXF_data_validated) != 0 ? NET_CHECKSUM_VALID
                                                                 : NET_CHECKSUM_NONE;
    for (unsigned int i = 0; i < p->request.count; i++) {
        if (!tx_add_copies(ring, p, i, offset, p->request.lengths[i])) {
            net_packet_free(p->packet);
            ring->copy_count = p->first_copy;
            return false;
        }
        offset += p->request.lengths[i];
    }
    return true;
}

/* False: notes when to go on. */
static bool rate_allows(struct netback_ring *ring, uint32_t size)
{
    uint64_t until;
    bool allowed = netback_rate_allows(ring->options.rate, size, time_now(), &until);

    ring->tx_held = allowed ? 0 : until;
    return allowed;
}

/* Takes the next packet off the ring into the batch; false: there is none, or no room. */
static bool tx_next(struct netback_ring *ring, struct netback_packet *p, RING_IDX producer)
{
    RING_IDX start = ring->tx.req_cons;

    p->packet = NULL;
    p->first_copy = ring->copy_count;
    p->copy_count = 0;
    p->status = NETIF_RSP_ERROR;
    switch (netback_request_take(&ring->tx, producer, &p->request)) {
    case NETBACK_GO:
        if (!rate_allows(ring, p->request.total) || !tx_prepare(ring, p)) {
            ring->tx.req_cons = start;
            return false;
        }
        netback_rate_count(ring->options.rate, p->request.total);
        return true;
    case NETBACK_MULTICAST:
        if (multicast_change(ring, &p->request.multicast) == 0) {
            p->status = NETIF_RSP_OKAY;
        }
        return true;
    case NETBACK_DROP:
        return true;
    case NETBACK_NONSENSE:
        netback_ring_break(ring, p->request.why);
        return false;
    default:
        return false;
    }
}

/* The slots of extra information have answers too, which say nothing. */
static void tx_answer(struct netback_ring *ring, const struct netback_packet *p)
{
    unsigned int extras = p->request.extra_count;

    for (unsigned int i = 0; i < p->request.count + extras; i++) {
        bool extra = i != 0 && i <= extras;
        unsigned int entry = i == 0 ? 0 : i - extras;
        *RING_GET_RESPONSE(&ring->tx, ring->tx.rsp_prod_pvt) = (struct netif_tx_response){
            .id = extra ? 0 : p->request.entries[entry].id,
            .status = extra ? NETIF_RSP_NULL : p->status};
        ring->tx.rsp_prod_pvt++;
    }
}

/* Large packets are looked at only now, when they cannot change any more. */
static bool gso_good(const struct netback_packet *p)
{
    const struct netif_extra_info *gso = &p->request.gso;
    uint8_t type = gso->u.gso.type;

    if (gso->type == XEN_NETIF_EXTRA_TYPE_NONE) {
        return true;
    }
    return (type == XEN_NETIF_GSO_TYPE_TCPV4 || type == XEN_NETIF_GSO_TYPE_TCPV6) &&
           net_segment_prepare(p->packet, gso->u.gso.size, type == XEN_NETIF_GSO_TYPE_TCPV6);
}

static void tx_finish(struct netback_ring *ring, struct netback_packet *p)
{
    bool ok = p->packet != NULL;

    for (unsigned int i = 0; i < p->copy_count; i++) {
        ok = ok && ring->copies[p->first_copy + i].status == GNTST_okay;
    }
    ok = ok && gso_good(p);
    if (ok) {
        p->status = NETIF_RSP_OKAY;
    }
    tx_answer(ring, p);
    if (ok) {
        /* Each segment but the first, which is counted, has a header of its own. */
        netback_rate_count(ring->options.rate,
                           (net_segment_count(p->packet) - 1) * p->packet->header_length);
        net_deliver(ring->options.net, p->packet);
    } else if (p->packet != NULL) {
        net_packet_free(p->packet);
    }
}

/* How many segments a packet will become at most. */
static unsigned int segments_claimed(const struct netback_request *request)
{
    const struct netif_extra_info *gso = &request->gso;

    if (gso->type == XEN_NETIF_EXTRA_TYPE_NONE || gso->u.gso.size == 0) {
        return 1;
    }
    uint32_t segments = request->total / gso->u.gso.size + 1;
    return segments < NET_SEGMENTS_MAX ? segments : NET_SEGMENTS_MAX;
}

/* One batch of packets; true when there may be more. It ends with the packet that makes the segments of all
 * NET_SEGMENTS_MAX: small ones are as much work as packets. */
bool netback_tx_run(struct netback_ring *ring)
{
    struct netback_packet *packets = ring->packets;
    unsigned int count = 0, segments = 0;
    RING_IDX producer = __atomic_load_n(&ring->tx.sring->req_prod, __ATOMIC_ACQUIRE);

    if (producer - ring->tx.rsp_prod_pvt > RING_SIZE(&ring->tx)) {
        netback_ring_break(ring, "more requests than the ring holds");
        return false;
    }
    ring->tx_seen = producer;
    ring->copy_count = 0;
    while (count < NETBACK_BATCH / 2 && segments < NET_SEGMENTS_MAX &&
           tx_next(ring, &packets[count], producer)) {
        segments += segments_claimed(&packets[count].request);
        count++;
    }
    if (ring->broken || count == 0) {
        for (unsigned int i = 0; i < count; i++) {
            if (packets[i].packet != NULL) {
                net_packet_free(packets[i].packet);
            }
        }
        return false;
    }
    netback_copies_run(ring);
    for (unsigned int i = 0; i < count; i++) {
        tx_finish(ring, &packets[i]);
    }
    int notify;
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring->tx, notify);
    if (notify) {
        event_send(ring->tx_port);
    }
    return true;
}
