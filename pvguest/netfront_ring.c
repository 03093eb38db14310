// SPDX-License-Identifier: MIT
/*
 * Transmit and receive of netfront. The contract is in netfront.c.
 */
#include "pvguest/netfront_ring.h"

#include <stdlib.h>

#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/time.h"
#include "pvguest/xenbus_device.h"

#define BUDGET 64U /* packets between two yields */
#define REFILL_NS (20 * NSEC_PER_MSEC)

struct wait_queue netfront_state_queue;

static void front_break(struct netfront *front, const char *why)
{
    if (!front->broken) {
        front->broken = true;
        front->net.up = false;
        console_printf("%s: %s; closed\n", front->net.name, why);
        xenbus_device_poke(front->device);
    }
}

/* Transmit ------------------------------------------------------------------------------------------ */
/* A page that the peer still has mapped although it has answered, or the card is gone. */
struct kept {
    struct kept *next;
    grant_ref_t grant;
    struct net_packet *packet;
};

static struct kept *kept_list;

/* One fragment less is with the back end. */
static void packet_put(struct net_packet *packet)
{
    if (--packet->pending == 0) {
        net_packet_free(packet);
    }
}

/* Ends the grant of a fragment. The packet lives for as long as the peer sees a page of it: if it
 * does not let go now, this is tried again whenever a card has work. False: it has not let go. */
static bool fragment_release(grant_ref_t grant, struct net_packet *packet)
{
    if (grant_end(grant)) {
        packet_put(packet);
        return true;
    }
    struct kept *kept = malloc(sizeof(*kept));
    if (kept != NULL) { /* else both are lost, but nothing is corrupted */
        *kept = (struct kept){kept_list, grant, packet};
        kept_list = kept;
    }
    return false;
}

static void kept_retry(void)
{
    struct kept **link = &kept_list;

    while (*link != NULL) {
        struct kept *kept = *link;
        if (!grant_end(kept->grant)) {
            link = &kept->next;
            continue;
        }
        *link = kept->next;
        packet_put(kept->packet);
        free(kept);
    }
}

static void tx_slot_release(struct netfront *front, uint16_t id)
{
    struct netfront_tx_slot *slot = &front->tx_slots[id];
    struct net_packet *packet = slot->packet;

    slot->in_use = false;
    slot->packet = NULL;
    slot->next_free = front->tx_free;
    front->tx_free = id;
    front->tx_free_count++;
    if (!fragment_release(slot->grant, packet)) {
        front_break(front, "the back end keeps a page that it has answered");
    }
}

static void tx_reap(struct netfront *front)
{
    int more;

    do {
        RING_IDX producer = __atomic_load_n(&front->tx.sring->rsp_prod, __ATOMIC_ACQUIRE);
        if (producer - front->tx.rsp_cons > front->tx.req_prod_pvt - front->tx.rsp_cons) {
            front_break(front, "more answers than requests");
            return;
        }
        while (front->tx.rsp_cons != producer) {
            struct netif_tx_response answer;
            RING_COPY_RESPONSE(&front->tx, front->tx.rsp_cons, &answer);
            front->tx.rsp_cons++;
            if (answer.status == NETIF_RSP_NULL) {
                continue;
            }
            if (answer.id >= TX_SLOTS || !front->tx_slots[answer.id].in_use) {
                front_break(front, "an answer to nothing");
                return;
            }
            tx_slot_release(front, answer.id);
        }
        RING_FINAL_CHECK_FOR_RESPONSES(&front->tx, more);
    } while (more);
}

static int tx_add_fragment(struct netfront *front, struct net_packet *packet, unsigned int index)
{
    const struct net_fragment *f = &packet->fragments[index];
    uint64_t maddr = f->maddr != 0 ? f->maddr : virt_to_maddr(f->address);
    int grant = grant_access(front->device->peer_domid, maddr >> PAGE_SHIFT, true);

    if (grant < 0) {
        return grant;
    }
    uint16_t id = front->tx_free;
    struct netfront_tx_slot *slot = &front->tx_slots[id];
    front->tx_free = slot->next_free;
    front->tx_free_count--;
    slot->in_use = true;
    slot->grant = (grant_ref_t)grant;
    slot->packet = packet;
    packet->pending++;
    uint16_t flags = index + 1U < packet->fragment_count ? NETTXF_more_data : 0;
    if (index == 0 && packet->checksum == NET_CHECKSUM_BLANK) {
        flags |= NETTXF_csum_blank | NETTXF_data_validated;
    }
    *RING_GET_REQUEST(&front->tx, front->tx.req_prod_pvt) = (struct netif_tx_request){
        .gref = (grant_ref_t)grant,
        .offset = (uint16_t)(maddr & ~PAGE_MASK),
        .flags = flags,
        .id = id,
        /* The first entry tells the size of the whole packet, the others that of their fragment. */
        .size = (uint16_t)(index == 0 ? packet->length : f->length),
    };
    front->tx.req_prod_pvt++;
    return id;
}

/* Takes the packet in every case. */
static int tx_add(struct netfront *front, struct net_packet *packet)
{
    RING_IDX start = front->tx.req_prod_pvt;
    uint16_t ids[NET_FRAGMENTS_MAX]; /* the ring's own copies are the peer's to write */
    unsigned int count = 0;
    int id = 0;

    packet->pending = 1; /* ours */
    while (count < packet->fragment_count && (id = tx_add_fragment(front, packet, count)) >= 0) {
        ids[count++] = (uint16_t)id;
    }
    if (id < 0) { /* nothing was pushed yet */
        front->tx.req_prod_pvt = start;
        while (count != 0) {
            tx_slot_release(front, ids[--count]);
        }
    }
    packet_put(packet);
    return id < 0 ? id : 0;
}

int netfront_transmit(struct net_device *net, struct net_packet *packet)
{
    struct netfront *front = net->driver;

    if (!front->connected || front->broken) {
        net_packet_free(packet);
        return -XEN_ENODEV;
    }
    kept_retry();
    if (front->tx_free_count < packet->fragment_count) {
        tx_reap(front);
    }
    if (packet->length > XEN_NETIF_MAX_TX_SIZE || front->tx_free_count < packet->fragment_count) {
        net_packet_free(packet);
        return -XEN_ENOBUFS;
    }
    if (tx_add(front, packet) != 0) {
        return -XEN_ENOBUFS;
    }
    int notify;
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&front->tx, notify);
    if (notify) {
        event_send(front->tx_port);
    }
    return 0;
}

/* Receive ------------------------------------------------------------------------------------------- */
static bool rx_post(struct netfront *front)
{
    RING_IDX index = front->rx.req_prod_pvt;
    uint16_t id = (uint16_t)(index & (RX_SLOTS - 1));
    struct netfront_rx_slot *slot = &front->rx_slots[id];
    void *page = slot->page == NULL ? page_alloc_dirty(0) : NULL;

    if (page == NULL) {
        return false;
    }
    int grant = grant_access(front->device->peer_domid, virt_to_mfn(page), false);
    if (grant < 0) {
        page_free(page, 0);
        return false;
    }
    *slot = (struct netfront_rx_slot){page, (grant_ref_t)grant};
    *RING_GET_REQUEST(&front->rx, index) = (struct netif_rx_request){.id = id,
                                                                     .gref = (grant_ref_t)grant};
    front->rx.req_prod_pvt++;
    return true;
}

void netfront_rx_refill(struct netfront *front)
{
    int notify;

    while (front->rx.req_prod_pvt - front->rx.rsp_cons < front->rx_target && rx_post(front)) {
    }
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&front->rx, notify);
    if (notify) {
        event_send(front->rx_port);
    }
}

static bool rx_starved(const struct netfront *front)
{
    return front->rx.req_prod_pvt - front->rx.rsp_cons < front->rx_target / 4;
}

static void rx_release(struct net_packet *packet)
{
    for (unsigned int i = 0; i < packet->fragment_count; i++) {
        page_free((void *)((uintptr_t)packet->fragments[i].address & PAGE_MASK), 0);
    }
    free(packet);
}

static enum net_checksum rx_checksum(uint16_t flags)
{
    return (flags & NETRXF_csum_blank) != 0       ? NET_CHECKSUM_BLANK
           : (flags & NETRXF_data_validated) != 0 ? NET_CHECKSUM_VALID
                                                  : NET_CHECKSUM_NONE;
}

/* One filled page: a whole packet or a part of one. False: the back end talks nonsense. */
static bool rx_page(struct netfront *front, void *page, const struct netif_rx_response *answer)
{
    bool ok = answer->status > 0 && answer->offset <= PAGE_SIZE &&
              answer->status <= (int)(PAGE_SIZE - answer->offset);

    if (front->partial == NULL && !front->partial_bad) {
        front->partial = calloc(1, sizeof(*front->partial));
        if (front->partial != NULL) {
            front->partial->release = rx_release;
            front->partial->checksum = rx_checksum(answer->flags);
        }
    }
    struct net_packet *packet = front->partial;
    if (packet == NULL || !ok || packet->fragment_count == NET_FRAGMENTS_MAX) {
        front->partial_bad = true;
        page_free(page, 0);
    } else {
        packet->fragments[packet->fragment_count++] = (struct net_fragment){
            .address = (uint8_t *)page + answer->offset,
            .length = (uint32_t)answer->status,
        };
        packet->length += (uint32_t)answer->status;
    }
    if ((answer->flags & NETRXF_more_data) != 0) {
        return true;
    }
    front->partial = NULL;
    if (packet != NULL && !front->partial_bad) {
        net_deliver(&front->net, packet);
    } else {
        front->net.rx_dropped++;
        if (packet != NULL) {
            net_packet_free(packet);
        }
    }
    front->partial_bad = false;
    return answer->status <= (int)PAGE_SIZE;
}

static bool rx_answer(struct netfront *front, const struct netif_rx_response *answer,
                      uint16_t expected)
{
    struct netfront_rx_slot *slot = &front->rx_slots[expected];

    /* Answers come in the order of the requests (xen/io/netif.h). */
    if (answer->id != expected || slot->page == NULL || (answer->flags & NETRXF_extra_info) != 0) {
        front_break(front, "a receive answer that fits no request");
        return false;
    }
    void *page = slot->page;
    slot->page = NULL;
    if (!grant_end(slot->grant)) {
        grant_end_later(slot->grant, page);
        front_break(front, "the back end keeps a page that it has answered");
        return false;
    }
    if (!rx_page(front, page, answer)) {
        front_break(front, "a receive answer larger than its page");
        return false;
    }
    return true;
}

/* True when there may be more. */
static bool rx_run(struct netfront *front)
{
    unsigned int count = 0;
    int more = 0;

    do {
        RING_IDX producer = __atomic_load_n(&front->rx.sring->rsp_prod, __ATOMIC_ACQUIRE);
        if (producer - front->rx.rsp_cons > front->rx.req_prod_pvt - front->rx.rsp_cons) {
            front_break(front, "more receive answers than requests");
            return false;
        }
        while (front->rx.rsp_cons != producer && count < BUDGET) {
            struct netif_rx_response answer;
            uint16_t expected = (uint16_t)(front->rx.rsp_cons & (RX_SLOTS - 1));
            RING_COPY_RESPONSE(&front->rx, front->rx.rsp_cons, &answer);
            front->rx.rsp_cons++;
            count++;
            if (!rx_answer(front, &answer, expected)) {
                return false;
            }
        }
        netfront_rx_refill(front);
        if (count >= BUDGET) {
            return true;
        }
        RING_FINAL_CHECK_FOR_RESPONSES(&front->rx, more);
    } while (more);
    return false;
}

/* The thread ---------------------------------------------------------------------------------------- */
void netfront_event(evtchn_port_t port, void *arg)
{
    struct netfront *front = arg;

    (void)port;
    front->work = true;
    wake_up(&front->wait);
}

void netfront_thread(void *arg)
{
    struct netfront *front = arg;

    for (;;) {
        /* With few pages posted for lack of memory there may be no event to post more. */
        if (rx_starved(front)) {
            (void)wait_event_timeout(&front->wait, front->work || !front->connected, REFILL_NS);
        } else {
            wait_event(&front->wait, front->work || !front->connected);
        }
        if (!front->connected || front->broken) {
            break;
        }
        front->work = false;
        kept_retry();
        tx_reap(front);
        if (!front->broken && rx_run(front)) {
            front->work = true;
            thread_yield();
        }
    }
    front->running = false;
    wake_up(&netfront_state_queue);
}

void netfront_slots_release(struct netfront *front)
{
    for (uint16_t i = 0; i < TX_SLOTS; i++) {
        struct netfront_tx_slot *slot = &front->tx_slots[i];
        if (slot->in_use) {
            (void)fragment_release(slot->grant, slot->packet);
            slot->in_use = false;
            slot->packet = NULL;
        }
    }
    for (unsigned int i = 0; i < RX_SLOTS; i++) {
        struct netfront_rx_slot *slot = &front->rx_slots[i];
        if (slot->page != NULL) {
            grant_end_later(slot->grant, slot->page);
            slot->page = NULL;
        }
    }
    if (front->partial != NULL) {
        net_packet_free(front->partial);
        front->partial = NULL;
    }
}
