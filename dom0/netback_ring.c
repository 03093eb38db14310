// SPDX-License-Identifier: MIT
/*
 * The data path of netback.
 *
 * From the guest: the thread takes packets off the transmit ring, copies their fragments by grant
 * copy, many packets a hypercall, and delivers them. Towards the guest: packets wait in a bounded
 * queue until the front end has posted pages, and are copied there, many packets a hypercall.
 * Copying keeps the guest from changing a packet after it has been looked at, and a guest that dies
 * leaves nothing behind.
 * The rings are hostile: entries are copied once before they are looked at, producer indices are
 * checked, sizes are checked against the page and each other. Nonsense closes the card.
 */
#include "dom0/netback_ring.h"

#include <stdlib.h>
#include <string.h>

#include "dom0/netback_request.h"

#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "pvguest/ring.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include <xen/io/netif.h>

#define BATCH 64U /* copies in one hypercall */
#define QUEUE_MAX 512U
/* Free pages below which no packet waits for a front end: the front ends that take nothing must not
 * use up dom0's memory together. */
#define PAGES_KEPT 1024U

/* A packet of the guest on its way through a batch. */
struct tx_packet {
    struct netback_request request;
    unsigned int first_copy, copy_count; /* in the batch */
    struct net_packet *packet;           /* NULL: dropped */
};

struct netback_ring {
    struct netback_ring_options options;
    struct netif_tx_back_ring tx;
    struct netif_rx_back_ring rx;
    struct grant_mapping tx_mapping, rx_mapping;
    evtchn_port_t port;
    struct wait_queue wait;
    volatile bool work; /* set by the event handler and by send */
    bool stopping, running, broken;
    struct net_packet *queue, **queue_end; /* towards the guest */
    unsigned int queued;

    /* one batch */
    struct gnttab_copy copies[BATCH];
    unsigned int copy_count;
    struct tx_packet packets[BATCH / 2];
    RING_IDX tx_seen; /* the producer index that the last look was for */
    uint64_t tx_held; /* 0, or when the rate lets the next packet of the guest pass */
};

static void ring_break(struct netback_ring *ring, const char *why)
{
    if (!ring->broken) {
        ring->broken = true;
        console_printf("%s: %s; closed\n", ring->options.net->name, why);
        ring->options.broken(ring->options.context);
    }
}

/* From the guest ------------------------------------------------------------------------------------ */
/* Copies that bring `length` bytes of one request to `offset` of the packet; false: batch full. */
static bool tx_add_copies(struct netback_ring *ring, struct tx_packet *p, unsigned int i,
                          uint32_t offset, uint32_t length)
{
    uint32_t from = p->request.entries[i].offset;

    while (length != 0) {
        if (ring->copy_count == BATCH) {
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

/* Prepares the packet and its copies. False: the batch has no room for it. */
static bool tx_prepare(struct netback_ring *ring, struct tx_packet *p)
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
static bool tx_next(struct netback_ring *ring, struct tx_packet *p, RING_IDX producer)
{
    RING_IDX start = ring->tx.req_cons;

    p->packet = NULL;
    p->first_copy = ring->copy_count;
    p->copy_count = 0;
    switch (netback_request_take(&ring->tx, producer, &p->request)) {
    case NETBACK_GO:
        if (!rate_allows(ring, p->request.total) || !tx_prepare(ring, p)) {
            ring->tx.req_cons = start;
            return false;
        }
        netback_rate_count(ring->options.rate, p->request.total);
        return true;
    case NETBACK_DROP:
        return true;
    case NETBACK_NONSENSE:
        ring_break(ring, p->request.why);
        return false;
    default:
        return false;
    }
}

static void tx_answer(struct netback_ring *ring, const struct tx_packet *p, int16_t status)
{
    for (unsigned int i = 0; i < p->request.count; i++) {
        *RING_GET_RESPONSE(&ring->tx, ring->tx.rsp_prod_pvt) = (struct netif_tx_response){
            .id = p->request.entries[i].id, .status = status};
        ring->tx.rsp_prod_pvt++;
    }
}

static void tx_finish(struct netback_ring *ring, struct tx_packet *p)
{
    bool ok = p->packet != NULL;

    for (unsigned int i = 0; i < p->copy_count; i++) {
        ok = ok && ring->copies[p->first_copy + i].status == GNTST_okay;
    }
    tx_answer(ring, p, ok ? NETIF_RSP_OKAY : NETIF_RSP_ERROR);
    if (ok) {
        net_deliver(ring->options.net, p->packet);
    } else if (p->packet != NULL) {
        net_packet_free(p->packet);
    }
}

/* One batch of packets; true when there may be more. */
static bool tx_run(struct netback_ring *ring)
{
    struct tx_packet *packets = ring->packets;
    unsigned int count = 0;
    RING_IDX producer = __atomic_load_n(&ring->tx.sring->req_prod, __ATOMIC_ACQUIRE);

    if (producer - ring->tx.rsp_prod_pvt > RING_SIZE(&ring->tx)) {
        ring_break(ring, "more requests than the ring holds");
        return false;
    }
    ring->tx_seen = producer;
    ring->copy_count = 0;
    while (count < BATCH / 2 && tx_next(ring, &packets[count], producer)) {
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
    if (ring->copy_count != 0 && grant_copy(ring->copies, ring->copy_count) != 0) {
        for (unsigned int i = 0; i < ring->copy_count; i++) {
            ring->copies[i].status = GNTST_general_error;
        }
    }
    for (unsigned int i = 0; i < count; i++) {
        tx_finish(ring, &packets[i]);
    }
    int notify;
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring->tx, notify);
    if (notify) {
        event_send(ring->port);
    }
    return true;
}

/* Towards the guest --------------------------------------------------------------------------------- */
static unsigned int rx_slots_for(const struct net_packet *packet)
{
    return (packet->length + PAGE_SIZE - 1) / PAGE_SIZE;
}

/* Pages that the front end has posted and that are not used yet. */
static unsigned int rx_available(struct netback_ring *ring)
{
    RING_IDX producer = __atomic_load_n(&ring->rx.sring->req_prod, __ATOMIC_ACQUIRE);
    unsigned int n = producer - ring->rx.req_cons;

    if (producer - ring->rx.rsp_prod_pvt > RING_SIZE(&ring->rx)) {
        ring_break(ring, "more receive pages than the ring holds");
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
        if (ring->copy_count == BATCH) {
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
    return flags;
}

/* Plans one packet: a posted page for each piece of it. False: the batch has no room. */
static bool rx_plan(struct netback_ring *ring, const struct net_packet *packet,
                    struct rx_used *used, unsigned int *used_count)
{
    RING_IDX start = ring->rx.req_cons;
    unsigned int copies = ring->copy_count, count = *used_count;

    for (uint32_t offset = 0; offset < packet->length; offset += PAGE_SIZE) {
        uint32_t left = packet->length - offset;
        uint32_t n = left < PAGE_SIZE ? left : (uint32_t)PAGE_SIZE;
        struct netif_rx_request request;
        unsigned int first = ring->copy_count;
        if (count == BATCH) {
            break;
        }
        RING_COPY_REQUEST(&ring->rx, ring->rx.req_cons, &request);
        ring->rx.req_cons++;
        if (!rx_add_copies(ring, packet, offset, n, request.gref)) {
            count = BATCH;
            break;
        }
        used[count++] = (struct rx_used){request.id,
                                         rx_flags(packet, offset == 0, left <= PAGE_SIZE),
                                         (uint16_t)n, first, ring->copy_count - first};
        if (left <= PAGE_SIZE) {
            *used_count = count;
            return true;
        }
    }
    ring->rx.req_cons = start;
    ring->copy_count = copies;
    return false;
}

static void rx_answer(struct netback_ring *ring, const struct rx_used *used, unsigned int count)
{
    int notify;

    for (unsigned int i = 0; i < count; i++) {
        int16_t status = (int16_t)used[i].size;
        for (unsigned int k = 0; k < used[i].copy_count; k++) {
            if (ring->copies[used[i].first_copy + k].status != GNTST_okay) {
                status = NETIF_RSP_ERROR;
            }
        }
        *RING_GET_RESPONSE(&ring->rx, ring->rx.rsp_prod_pvt) = (struct netif_rx_response){
            .id = used[i].id, .flags = used[i].flags, .status = status};
        ring->rx.rsp_prod_pvt++;
    }
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring->rx, notify);
    if (notify) {
        event_send(ring->port);
    }
}

static struct net_packet *queue_take(struct netback_ring *ring)
{
    struct net_packet *packet = ring->queue;

    ring->queue = packet->next;
    if (ring->queue == NULL) {
        ring->queue_end = &ring->queue;
    }
    ring->queued--;
    packet->next = NULL;
    return packet;
}

/* One batch; true when there may be more to do at once. */
static bool rx_run(struct netback_ring *ring)
{
    struct rx_used used[BATCH];
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
    if (grant_copy(ring->copies, ring->copy_count) != 0) {
        for (unsigned int i = 0; i < ring->copy_count; i++) {
            ring->copies[i].status = GNTST_general_error;
        }
    }
    rx_answer(ring, used, used_count);
    while (sent != NULL) {
        struct net_packet *next = sent->next;
        net_packet_free(sent);
        sent = next;
    }
    return ring->queue != NULL;
}

int netback_ring_send(struct netback_ring *ring, struct net_packet *packet)
{
    if (ring->broken || ring->stopping) {
        net_packet_free(packet);
        return -XEN_ENODEV;
    }
    if (ring->queued == QUEUE_MAX || page_free_count() < PAGES_KEPT ||
        (rx_slots_for(packet) > 1 && !ring->options.can_sg)) {
        net_packet_free(packet);
        return -XEN_ENOBUFS;
    }
    if (packet->checksum == NET_CHECKSUM_BLANK && !ring->options.can_csum &&
        !net_checksum_fill(packet)) {
        net_packet_free(packet);
        return -XEN_EINVAL;
    }
    packet->next = NULL;
    *ring->queue_end = packet;
    ring->queue_end = &packet->next;
    ring->queued++;
    ring->work = true;
    wake_up(&ring->wait);
    return 0;
}

/* The thread ---------------------------------------------------------------------------------------- */
static void ring_event(evtchn_port_t port, void *arg)
{
    struct netback_ring *ring = arg;

    (void)port;
    ring->work = true;
    wake_up(&ring->wait);
}

/* Asks for an event when something more arrives; true if something has arrived meanwhile. The first
 * fragments of a packet whose last ones are still to come are nothing new. */
static bool ring_rearm(struct netback_ring *ring)
{
    ring->tx.sring->req_event = ring->tx_seen + 1;
    ring->rx.sring->req_event = ring->rx.req_cons + 1;
    xen_mb();
    bool rx_more = ring->queue != NULL && rx_available(ring) >= rx_slots_for(ring->queue);
    return ring->tx.sring->req_prod != ring->tx_seen || rx_more;
}

/* For something to do; while the rate holds packets back, no longer than that. */
static void ring_wait(struct netback_ring *ring)
{
    uint64_t now = time_now(), held = ring->tx_held;

    ring->tx_held = 0;
    if (held == 0) {
        wait_event(&ring->wait, ring->work || ring->stopping);
    } else if (held > now) {
        (void)wait_event_timeout(&ring->wait, ring->work || ring->stopping, held - now);
    }
}

static void ring_thread(void *arg)
{
    struct netback_ring *ring = arg;

    while (!ring->stopping && !ring->broken) {
        ring_wait(ring);
        ring->work = false;
        while (!ring->stopping && !ring->broken) {
            bool more = tx_run(ring);
            more |= rx_run(ring);
            if (!more) {
                break;
            }
            thread_yield();
        }
        if (!ring->broken && !ring->stopping && ring_rearm(ring)) {
            ring->work = true;
            thread_yield();
        }
    }
    ring->running = false;
    wake_up(&ring->wait);
}

/* Opening and closing ------------------------------------------------------------------------------- */
static int ring_map(struct netback_ring *ring)
{
    const struct netback_ring_options *o = &ring->options;
    int error = grant_map(o->domid, &o->tx_grant, 1, false, &ring->tx_mapping);

    if (error != 0) {
        return error;
    }
    error = grant_map(o->domid, &o->rx_grant, 1, false, &ring->rx_mapping);
    if (error != 0) {
        grant_unmap(&ring->tx_mapping, 1);
        return error;
    }
    BACK_RING_INIT(&ring->tx, (struct netif_tx_sring *)ring->tx_mapping.address, PAGE_SIZE);
    BACK_RING_INIT(&ring->rx, (struct netif_rx_sring *)ring->rx_mapping.address, PAGE_SIZE);
    return 0;
}

static void ring_free(struct netback_ring *ring)
{
    while (ring->queue != NULL) {
        net_packet_free(queue_take(ring));
    }
    grant_unmap(&ring->tx_mapping, 1);
    grant_unmap(&ring->rx_mapping, 1);
    free(ring);
}

int netback_ring_open(const struct netback_ring_options *options, struct netback_ring **out)
{
    struct netback_ring *ring = calloc(1, sizeof(*ring));

    if (ring == NULL) {
        return -XEN_ENOMEM;
    }
    ring->options = *options;
    ring->queue_end = &ring->queue;
    int error = ring_map(ring);
    if (error != 0) {
        free(ring);
        return error;
    }
    int port = event_bind_interdomain(options->domid, options->port, ring_event, ring);
    if (port < 0) {
        ring_free(ring);
        return port;
    }
    ring->port = (evtchn_port_t)port;
    ring->work = ring->running = true;
    if (thread_create(options->net->name, ring_thread, ring) == NULL) {
        event_unbind(ring->port);
        ring_free(ring);
        return -XEN_ENOMEM;
    }
    *out = ring;
    return 0;
}

void netback_ring_close(struct netback_ring *ring)
{
    ring->stopping = true;
    wake_up(&ring->wait);
    wait_event(&ring->wait, !ring->running);
    event_unbind(ring->port);
    ring_free(ring);
}
