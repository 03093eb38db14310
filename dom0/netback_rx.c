// SPDX-License-Identifier: MIT
/*
 * Towards the guest: packets wait in a queue until the front end has posted pages, and are copied there,
 * many packets a hypercall.
 *
 * The memory for packets that wait is shared out: each connection may hold as many pages as its part of
 * the whole, and at least SHARE_MIN, so that a front end that takes nothing costs the others nothing.
 * When a connection comes and the parts shrink, queues that are too long lose their oldest packets.
 */
#include "dom0/netback_private.h"

#include <stdlib.h>
#include <string.h>

#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "pvguest/ring.h"

#define SHARE_MIN 20U /* pages: more than the largest packet */
#define SHARE_MAX 512U

/* The shares ---------------------------------------------------------------------------------------- */
static struct {
    unsigned int pages; /* that may wait for all front ends together */
    unsigned int rings;
    struct netback_ring *first;
} budget = {.pages = SHARE_MIN};

void netback_rx_budget(size_t pages)
{
    budget.pages = pages > UINT32_MAX ? UINT32_MAX : (unsigned int)pages;
}

static unsigned int share_pages(void)
{
    unsigned int share = budget.pages / (budget.rings != 0 ? budget.rings : 1);

    return share < SHARE_MIN ? SHARE_MIN : share > SHARE_MAX ? SHARE_MAX : share;
}

static struct net_packet *queue_take(struct netback_ring *ring)
{
    struct net_packet *packet = ring->queue;

    ring->queue = packet->next;
    if (ring->queue == NULL) {
        ring->queue_end = &ring->queue;
    }
    ring->queued_pages -= packet->fragment_count;
    packet->next = NULL;
    return packet;
}

static void queue_trim(struct netback_ring *ring, unsigned int pages)
{
    while (ring->queue != NULL && ring->queued_pages > pages) {
        net_packet_free(queue_take(ring)); /* the oldest, of least use by now */
    }
}

void netback_rx_drop(struct netback_ring *ring)
{
    queue_trim(ring, 0);
}

void netback_rx_attach(struct netback_ring *ring)
{
    ring->queue_end = &ring->queue;
    ring->next = budget.first;
    budget.first = ring;
    budget.rings++;
    for (struct netback_ring *r = budget.first; r != NULL; r = r->next) {
        queue_trim(r, share_pages());
    }
}

void netback_rx_detach(struct netback_ring *ring)
{
    struct netback_ring **link = &budget.first;

    while (*link != ring) {
        link = &(*link)->next;
    }
    *link = ring->next;
    budget.rings--;
    netback_rx_drop(ring);
}

/* The ring ------------------------------------------------------------------------------------------ */
static unsigned int rx_slots_for(const struct net_packet *packet)
{
    return (packet->length + PAGE_SIZE - 1) / PAGE_SIZE + (packet->segment_size != 0);
}

/* Pages that the front end has posted and that are not used yet. */
static unsigned int rx_available(struct netback_ring *ring)
{
    RING_IDX producer = __atomic_load_n(&ring->rx.sring->req_prod, __ATOMIC_ACQUIRE);
    unsigned int n = producer - ring->rx.req_cons;

    if (producer - ring->rx.rsp_prod_pvt > RING_SIZE(&ring->rx)) {
        netback_ring_break(ring, "more receive pages than the ring holds");
        return 0;
    }
    return n;
}

/* Copies for `length` bytes at `offset` of the packet into one posted page; false: batch full. */
static bool rx_add_copies(struct netback_ring *ring, const struct net_packet *packet,
                          uint32_t offset, uint32_t length, grant_ref_t ref)
{
    uint32_t to = 0;

    for (unsigned int i = 0; i < packet->fragment_count && length != 0; i++) {
        const struct net_fragment *f = &packet->fragments[i];
        if (offset >= f->length) {
            offset -= f->length;
            continue;
        }
        uint32_t n = f->length - offset < length ? f->length - offset : length;
        if (ring->copy_count == NETBACK_BATCH) {
            return false;
        }
        uint64_t maddr = virt_to_maddr(f->address + offset);
        ring->copies[ring->copy_count++] = (struct gnttab_copy){
            .source = {.u.gmfn = maddr >> PAGE_SHIFT,
                       .domid = DOMID_SELF,
                       .offset = (uint16_t)(maddr & ~PAGE_MASK)                                           },
            .dest = {.u.ref = ref,                  .domid = ring->options.domid, .offset = (uint16_t)to},
            .len = (uint16_t)n,
            .flags = GNTCOPY_dest_gref,
        };
        to += n;
        length -= n;
        offset = 0;
    }
    return true;
}

struct rx_used {
    uint16_t id, flags, size;
    struct netif_extra_info extra; /* with a type: the slot holds this and no page */
    unsigned int first_copy, copy_count;
};

static uint16_t rx_flags(const struct net_packet *packet, bool first, bool last)
{
    uint16_t flags = last ? 0 : NETRXF_more_data;

    if (first && packet->checksum == NET_CHECKSUM_BLANK) {
        flags |= NETRXF_csum_blank | NETRXF_data_validated;
    } else if (first && packet->checksum == NET_CHECKSUM_VALID) {
        flags |= NETRXF_data_validated;
    }
    return first && packet->segment_size != 0 ? flags | NETRXF_extra_info : flags;
}

/* How a large packet is to be cut stands in the slot after its first page; the page posted there is not
 * used. */
static void rx_plan_extra(struct netback_ring *ring, const struct net_packet *packet,
                          struct rx_used *used)
{
    ring->rx.req_cons++;
    *used = (struct rx_used){
        .extra = {.type = XEN_NETIF_EXTRA_TYPE_GSO,
                  .u.gso = {.size = packet->segment_size,
                            .type = net_segment_is_six(packet) ? XEN_NETIF_GSO_TYPE_TCPV6
                                                               : XEN_NETIF_GSO_TYPE_TCPV4}}
    };
}

/* Plans one packet: a posted page for each piece of it. False: the batch has no room. */
static bool rx_plan(struct netback_ring *ring, const struct net_packet *packet,
                    struct rx_used *used, unsigned int *used_count)
{
    RING_IDX start = ring->rx.req_cons;
    unsigned int copies = ring->copy_count, count = *used_count;

    if (rx_slots_for(packet) > NETBACK_BATCH - count) {
        return false;
    }
    for (uint32_t offset = 0; offset < packet->length; offset += PAGE_SIZE) {
        uint32_t left = packet->length - offset;
        uint32_t n = left < PAGE_SIZE ? left : (uint32_t)PAGE_SIZE;
        struct netif_rx_request request;
        unsigned int first = ring->copy_count;
        RING_COPY_REQUEST(&ring->rx, ring->rx.req_cons, &request);
        ring->rx.req_cons++;
        if (!rx_add_copies(ring, packet, offset, n, request.gref)) {
            ring->rx.req_cons = start;
            ring->copy_count = copies;
            return false;
        }
        used[count++] = (struct rx_used){.id = request.id,
                                         .flags = rx_flags(packet, offset == 0, left <= PAGE_SIZE),
                                         .size = (uint16_t)n,
                                         .first_copy = first,
                                         .copy_count = ring->copy_count - first};
        if (offset == 0 && packet->segment_size != 0) {
            rx_plan_extra(ring, packet, &used[count++]);
        }
    }
    *used_count = count;
    return true;
}

static void rx_answer_one(struct netback_ring *ring, const struct rx_used *used)
{
    struct netif_rx_response *response = RING_GET_RESPONSE(&ring->rx, ring->rx.rsp_prod_pvt);
    int16_t status = (int16_t)used->size;

    ring->rx.rsp_prod_pvt++;
    if (used->extra.type != XEN_NETIF_EXTRA_TYPE_NONE) {
        memcpy(response, &used->extra, sizeof(used->extra));
        return;
    }
    for (unsigned int k = 0; k < used->copy_count; k++) {
        if (ring->copies[used->first_copy + k].status != GNTST_okay) {
            status = NETIF_RSP_ERROR;
        }
    }
    *response = (struct netif_rx_response){.id = used->id, .flags = used->flags, .status = status};
}

static void rx_answer(struct netback_ring *ring, const struct rx_used *used, unsigned int count)
{
    int notify;

    for (unsigned int i = 0; i < count; i++) {
        rx_answer_one(ring, &used[i]);
    }
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring->rx, notify);
    if (notify) {
        event_send(ring->rx_port);
    }
}

bool netback_rx_run(struct netback_ring *ring)
{
    struct rx_used used[NETBACK_BATCH];
    struct net_packet *sent = NULL;
    unsigned int used_count = 0, available = rx_available(ring);

    ring->copy_count = 0;
    while (ring->queue != NULL && rx_slots_for(ring->queue) <= available - used_count &&
           rx_plan(ring, ring->queue, used, &used_count)) {
        struct net_packet *packet = queue_take(ring);
        packet->next = sent;
        sent = packet;
    }
    if (sent == NULL) {
        return false;
    }
    netback_copies_run(ring);
    rx_answer(ring, used, used_count);
    while (sent != NULL) {
        struct net_packet *next = sent->next;
        net_packet_free(sent);
        sent = next;
    }
    return ring->queue != NULL;
}

bool netback_rx_ready(struct netback_ring *ring)
{
    return ring->queue != NULL && rx_available(ring) >= rx_slots_for(ring->queue);
}

/* Sending ------------------------------------------------------------------------------------------- */
/* With multicast control the front end sees broadcasts and the groups that it has named. */
static bool group_wanted(const struct netback_ring *ring, const struct net_packet *packet)
{
    static const uint8_t everybody[NET_ADDRESS_LENGTH] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t to[NET_ADDRESS_LENGTH];

    if (!ring->options.multicast_control || !net_packet_read(packet, 0, to, sizeof(to)) ||
        (to[0] & 1) == 0 || memcmp(to, everybody, sizeof(to)) == 0) {
        return true;
    }
    for (unsigned int i = 0; i < ring->multicast_count; i++) {
        if (memcmp(ring->multicast[i], to, sizeof(to)) == 0) {
            return true;
        }
    }
    return false;
}

static bool checksum_suits(const struct netback_ring *ring, struct net_packet *packet)
{
    bool takes_blank = net_segment_is_six(packet) ? ring->options.can_csum_six
                                                  : ring->options.can_csum;

    return packet->checksum != NET_CHECKSUM_BLANK || takes_blank || net_checksum_fill(packet);
}

int netback_ring_send(struct netback_ring *ring, struct net_packet *packet)
{
    bool room = ring->queue == NULL || ring->queued_pages + packet->fragment_count <= share_pages();
    int error = ring->broken || ring->stopping                        ? -XEN_ENODEV
                : !group_wanted(ring, packet)                         ? -XEN_ENOENT
                : !room                                               ? -XEN_ENOBUFS
                : packet->length > PAGE_SIZE && !ring->options.can_sg ? -XEN_ENOBUFS
                : !checksum_suits(ring, packet)                       ? -XEN_EINVAL
                                                                      : 0;

    if (error != 0) {
        net_packet_free(packet);
        return error;
    }
    packet->next = NULL;
    *ring->queue_end = packet;
    ring->queue_end = &packet->next;
    ring->queued_pages += packet->fragment_count;
    ring->work = true;
    wake_up(&ring->wait);
    return 0;
}
