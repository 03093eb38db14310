// SPDX-License-Identifier: MIT
/*
 * virtio-net driver (virtio 1.1, section 5.1): one queue pair, one thread a card.
 *
 * Receive: each buffer is a page, the device's header and then the frame; the page travels with the
 * packet and a fresh one takes its place, so data is not copied. Transmit: a chain of header and the
 * packet's fragments; the packet is released when the device has read it. The interrupt only wakes
 * the thread, which does all the rest, so packets are never touched in event handlers.
 * A card that answers nonsense (virtio.broken) goes down and stays so.
 */
#include "dom0/virtio_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/pci.h"
#include "dom0/virtio.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "pvguest/net.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"

#define FEATURE_CSUM (1ULL << 0)
#define FEATURE_GUEST_CSUM (1ULL << 1)
#define FEATURE_MAC (1ULL << 5)

#define HEADER_NEEDS_CSUM 1U
#define HEADER_DATA_VALID 2U

struct header { /* as the device reads and writes it */
    uint8_t flags;
    uint8_t gso_type;
    uint16_t header_length;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t buffers;
};
_Static_assert(sizeof(struct header) == 12, "virtio 1.1, 5.1.6");

#define QUEUE_RX 0U
#define QUEUE_TX 1U
#define RX_BUFFERS 128U
#define RX_BUDGET 64U  /* frames between two yields */
#define RX_STARVED 16U /* buffers: so few that the next interrupt may not come */
#define REFILL_NS (20 * NSEC_PER_MSEC)
#define MTU_DEFAULT 1500U
#define CHAIN_MAX (NET_FRAGMENTS_MAX + 1)

struct tx_slot {
    struct header header;
    uint64_t maddr; /* of the header */
    struct net_packet *packet;
    struct tx_slot *next;
};
#define SLOTS_PER_PAGE (PAGE_SIZE / sizeof(struct tx_slot))

struct card {
    struct net_device net;
    struct virtio_device virtio;
    struct virtio_queue rx, tx;
    struct tx_slot *free_slots;
    struct wait_queue wait;
    volatile bool work; /* set by the interrupt */
};

/* --- receive */

static bool rx_add_page(struct card *card)
{
    void *page = page_alloc_dirty(0);

    if (page == NULL) {
        return false;
    }
    struct virtio_buffer buffer = {virt_to_maddr(page), PAGE_SIZE};
    if (virtio_queue_add(&card->rx, &buffer, 0, 1, page) != 0) {
        page_free(page, 0);
        return false;
    }
    return true;
}

static bool rx_starved(const struct card *card)
{
    return card->rx.size < card->rx.free_count + RX_STARVED;
}

static void rx_refill(struct card *card)
{
    unsigned int keep_free = card->rx.size > RX_BUFFERS ? card->rx.size - RX_BUFFERS : 0, added = 0;

    while (card->rx.free_count > keep_free && rx_add_page(card)) {
        added++;
    }
    if (added != 0) {
        virtio_queue_kick(&card->rx);
    }
}

static void rx_release(struct net_packet *packet)
{
    page_free(packet->context, 0);
    free(packet);
}

static enum net_checksum rx_checksum(const struct header *header)
{
    if ((header->flags & HEADER_NEEDS_CSUM) != 0) {
        return NET_CHECKSUM_BLANK;
    }
    return (header->flags & HEADER_DATA_VALID) != 0 ? NET_CHECKSUM_VALID : NET_CHECKSUM_NONE;
}

static void rx_frame(struct card *card, uint8_t *page, uint32_t written)
{
    struct net_packet *packet = NULL;

    if (written > sizeof(struct header) + NET_HEADER_LENGTH && written <= PAGE_SIZE) {
        packet = calloc(1, sizeof(*packet));
    }
    if (packet == NULL) {
        card->net.rx_dropped++;
        page_free(page, 0);
        return;
    }
    packet->length = written - (uint32_t)sizeof(struct header);
    packet->checksum = rx_checksum((const struct header *)page);
    packet->fragment_count = 1;
    packet->fragments[0] = (struct net_fragment){
        .address = page + sizeof(struct header),
        .maddr = virt_to_maddr(page) + sizeof(struct header),
        .length = packet->length,
    };
    packet->release = rx_release;
    packet->context = page;
    net_deliver(&card->net, packet);
}

static bool rx_run(struct card *card)
{
    unsigned int count = 0;
    uint32_t written;
    uint8_t *page;

    while (count < RX_BUDGET && (page = virtio_queue_get(&card->rx, &written)) != NULL) {
        rx_frame(card, page, written);
        count++;
    }
    if (count != 0 || rx_starved(card)) {
        rx_refill(card);
    }
    return count == RX_BUDGET;
}

/* --- transmit */

static void tx_reap(struct card *card)
{
    struct tx_slot *slot;

    while ((slot = virtio_queue_get(&card->tx, NULL)) != NULL) {
        struct net_packet *packet = slot->packet;
        slot->next = card->free_slots;
        card->free_slots = slot;
        net_packet_free(packet);
    }
}

static void tx_header(struct header *header, const struct net_packet *packet)
{
    uint16_t start, field;

    memset(header, 0, sizeof(*header));
    if (packet->checksum == NET_CHECKSUM_BLANK && net_checksum_locate(packet, &start, &field)) {
        header->flags = HEADER_NEEDS_CSUM;
        header->csum_start = start;
        header->csum_offset = (uint16_t)(field - start);
    }
}

static int tx_add(struct card *card, struct tx_slot *slot, struct net_packet *packet)
{
    struct virtio_buffer buffers[CHAIN_MAX];
    unsigned int count = 0;

    buffers[count++] = (struct virtio_buffer){slot->maddr, sizeof(slot->header)};
    for (unsigned int i = 0; i < packet->fragment_count; i++) {
        const struct net_fragment *f = &packet->fragments[i];
        uint64_t maddr = f->maddr != 0 ? f->maddr : virt_to_maddr(f->address);
        buffers[count++] = (struct virtio_buffer){maddr, f->length};
    }
    tx_header(&slot->header, packet);
    slot->packet = packet;
    return virtio_queue_add(&card->tx, buffers, count, 0, slot);
}

static int transmit(struct net_device *device, struct net_packet *packet)
{
    struct card *card = device->driver;

    if (card->virtio.broken) {
        net_packet_free(packet);
        return -XEN_ENODEV;
    }
    tx_reap(card);
    struct tx_slot *slot = card->free_slots;
    if (slot == NULL || tx_add(card, slot, packet) != 0) {
        net_packet_free(packet);
        return -XEN_ENOBUFS;
    }
    card->free_slots = slot->next;
    virtio_queue_kick(&card->tx);
    return 0;
}

static int slots_alloc(struct card *card, unsigned int count)
{
    for (unsigned int done = 0; done < count; done += SLOTS_PER_PAGE) {
        struct tx_slot *slots = page_alloc(0);
        if (slots == NULL) {
            return -XEN_ENOMEM;
        }
        uint64_t maddr = virt_to_maddr(slots);
        for (unsigned int i = 0; i < SLOTS_PER_PAGE; i++) {
            slots[i].maddr = maddr + i * sizeof(struct tx_slot) + offsetof(struct tx_slot, header);
            slots[i].next = card->free_slots;
            card->free_slots = &slots[i];
        }
    }
    return 0;
}

/* --- the card */

static void interrupt(evtchn_port_t port, void *arg)
{
    struct card *card = arg;

    (void)port;
    card->work = true;
    wake_up(&card->wait);
}

static void card_thread(void *arg)
{
    struct card *card = arg;

    while (!card->virtio.broken) {
        if (rx_starved(card)) {
            (void)wait_event_timeout(&card->wait, card->work, REFILL_NS);
        } else {
            wait_event(&card->wait, card->work);
        }
        card->work = false;
        virtio_queue_interrupt_disable(&card->rx);
        tx_reap(card);
        bool more = rx_run(card);
        if (more || virtio_queue_interrupt_enable(&card->rx)) {
            card->work = true;
            thread_yield();
        }
    }
    card->net.up = false;
    console_printf("%s: the device broke the rules and is down\n", card->net.name);
}

static int queues_setup(struct card *card)
{
    int error = virtio_queue_init(&card->virtio, &card->rx, QUEUE_RX, VIRTIO_QUEUE_SIZE_MAX);

    if (error == 0) {
        error = virtio_queue_init(&card->virtio, &card->tx, QUEUE_TX, VIRTIO_QUEUE_SIZE_MAX);
    }
    if (error == 0) {
        error = virtio_queue_use_indirect(&card->tx, CHAIN_MAX);
    }
    if (error == 0) {
        error = virtio_queue_attach(&card->rx, interrupt, card);
    }
    if (error == 0) {
        error = virtio_queue_attach(&card->tx, interrupt, card);
    }
    return error == 0 ? slots_alloc(card, card->tx.size) : error;
}

static void device_fill(struct card *card)
{
    struct net_device *net = &card->net;

    for (unsigned int i = 0; i < NET_ADDRESS_LENGTH; i++) {
        net->mac[i] = virtio_config_read8(&card->virtio, i);
    }
    net->mtu = MTU_DEFAULT;
    net->features = NET_FEATURE_SG;
    if ((card->virtio.features & FEATURE_CSUM) != 0) {
        net->features |= NET_FEATURE_CSUM_TX;
    }
    if ((card->virtio.features & FEATURE_GUEST_CSUM) != 0) {
        net->features |= NET_FEATURE_CSUM_RX;
    }
    net->transmit = transmit;
    net->driver = card;
    net->up = true;
}

static int card_open(struct card *card, struct pci_device *pci)
{
    int error = virtio_open(&card->virtio, pci);

    if (error != 0) {
        return error;
    }
    error = virtio_negotiate(&card->virtio,
                             FEATURE_CSUM | FEATURE_GUEST_CSUM | FEATURE_MAC |
                                 VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX,
                             FEATURE_MAC);
    if (error == 0) {
        error = queues_setup(card);
    }
    if (error == 0) {
        device_fill(card);
        error = net_register(&card->net);
    }
    if (error == 0 && thread_create(card->net.name, card_thread, card) == NULL) {
        net_unregister(&card->net);
        error = -XEN_ENOMEM;
    }
    if (error != 0) {
        virtio_close(&card->virtio);
        return error;
    }
    virtio_start(&card->virtio);
    rx_refill(card);
    return 0;
}

int virtio_net_init(void)
{
    int count = 0;

    for (struct pci_device *pci = pci_iterate(NULL); pci != NULL; pci = pci_iterate(pci)) {
        if (virtio_type(pci) != VIRTIO_TYPE_NET || pci->claimed != NULL) {
            continue;
        }
        struct card *card = calloc(1, sizeof(*card));
        if (card == NULL) {
            return count;
        }
        snprintf(card->net.name, sizeof(card->net.name), "eth%d", count);
        int error = card_open(card, pci);
        if (error != 0) {
            console_printf("virtio-net: %s: %s\n", pci_name(pci), errno_name(error));
            free(card);
            continue;
        }
        pci->claimed = "virtio-net";
        count++;
        char mac[NET_ADDRESS_TEXT];
        net_address_format(card->net.mac, mac);
        console_printf("%s: virtio-net at %s, %s\n", card->net.name, pci_name(pci), mac);
    }
    return count;
}
