// SPDX-License-Identifier: MIT
/*
 * Packets and the list of network devices. Our own packets are made of pages; the struct is in a
 * small cache, because one is needed for every frame that passes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "pvguest/net.h"

#define CACHE_MAX 64U
#define PACKET_LENGTH_MAX 65535U

static struct net_device *devices;
static struct net_packet *cache;
static unsigned int cached;

/* Packets --------------------------------------------------------------------------------------- */

static struct net_packet *packet_new(void)
{
    struct net_packet *packet = cache;
    if (packet == NULL) {
        packet = malloc(sizeof(*packet));
        if (packet == NULL) {
            return NULL;
        }
    } else {
        cache = packet->next;
        cached--;
    }
    packet->next = NULL;
    packet->length = 0;
    packet->fragment_count = 0;
    packet->checksum = NET_CHECKSUM_NONE;
    packet->segment_size = packet->header_length = 0;
    packet->context = NULL;
    return packet;
}

static void packet_delete(struct net_packet *packet)
{
    if (cached >= CACHE_MAX) {
        free(packet);
        return;
    }
    packet->next = cache;
    cache = packet;
    cached++;
}

static void pages_release(struct net_packet *packet)
{
    for (unsigned int i = 0; i < packet->fragment_count; i++) {
        page_free((void *)((uint64_t)packet->fragments[i].address & PAGE_MASK), 0);
    }
    packet_delete(packet);
}

static bool page_append(struct net_packet *packet, uint32_t headroom, uint32_t length)
{
    uint8_t *page = page_alloc_dirty(0);
    if (page == NULL) {
        return false;
    }
    packet->fragments[packet->fragment_count++] = (struct net_fragment){
        page + headroom, virt_to_maddr(page) + headroom, length};
    packet->length += length;
    return true;
}

struct net_packet *net_packet_alloc(uint32_t length)
{
    struct net_packet *packet = length > PAGE_SIZE - NET_HEADROOM ? NULL : packet_new();
    if (packet == NULL) {
        return NULL;
    }
    packet->release = pages_release;
    if (!page_append(packet, NET_HEADROOM, length)) {
        packet_delete(packet);
        return NULL;
    }
    return packet;
}

struct net_packet *net_packet_alloc_large(uint32_t length)
{
    struct net_packet *packet = length > PACKET_LENGTH_MAX ? NULL : packet_new();
    if (packet == NULL) {
        return NULL;
    }
    packet->release = pages_release;
    while (packet->length < length) {
        uint32_t piece = length - packet->length;
        if (!page_append(packet, 0, piece < PAGE_SIZE ? piece : (uint32_t)PAGE_SIZE)) {
            pages_release(packet);
            return NULL;
        }
    }
    return packet;
}

void net_packet_free(struct net_packet *packet)
{
    if (packet != NULL) {
        packet->release(packet);
    }
}

struct net_packet *net_packet_copy(const struct net_packet *packet)
{
    struct net_packet *copy = packet->length <= PAGE_SIZE - NET_HEADROOM
                                  ? net_packet_alloc(packet->length)
                                  : net_packet_alloc_large(packet->length);
    if (copy == NULL) {
        return NULL;
    }
    uint32_t offset = 0;
    for (unsigned int i = 0; i < packet->fragment_count; i++) {
        net_packet_write(copy, offset, packet->fragments[i].address, packet->fragments[i].length);
        offset += packet->fragments[i].length;
    }
    copy->checksum = packet->checksum;
    copy->segment_size = packet->segment_size;
    copy->header_length = packet->header_length;
    return copy;
}

/* Copies between the fragments and a flat buffer, in the direction that `write` says. */
static bool packet_access(const struct net_packet *packet, uint32_t offset, uint8_t *buffer,
                          uint32_t length, bool write)
{
    if (offset > packet->length || length > packet->length - offset) {
        return false;
    }
    for (const struct net_fragment *f = packet->fragments; length > 0; f++) {
        if (offset >= f->length) {
            offset -= f->length;
            continue;
        }
        uint32_t piece = f->length - offset < length ? f->length - offset : length;
        memcpy(write ? f->address + offset : buffer, write ? buffer : f->address + offset, piece);
        buffer += piece;
        length -= piece;
        offset = 0;
    }
    return true;
}

bool net_packet_read(const struct net_packet *packet, uint32_t offset, void *to, uint32_t length)
{
    return packet_access(packet, offset, to, length, false);
}

bool net_packet_write(struct net_packet *packet, uint32_t offset, const void *from, uint32_t length)
{
    return packet_access(packet, offset, (uint8_t *)(uintptr_t)from, length, true);
}

/* Devices --------------------------------------------------------------------------------------- */

int net_register(struct net_device *device)
{
    if (net_find(device->name) != NULL) {
        return -XEN_EEXIST;
    }
    struct net_device **link = &devices;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    device->next = NULL;
    *link = device;
    return 0;
}

void net_unregister(struct net_device *device)
{
    for (struct net_device **link = &devices; *link != NULL; link = &(*link)->next) {
        if (*link == device) {
            *link = device->next;
            return;
        }
    }
}

struct net_device *net_find(const char *name)
{
    for (struct net_device *device = devices; device != NULL; device = device->next) {
        if (strcmp(device->name, name) == 0) {
            return device;
        }
    }
    return NULL;
}

struct net_device *net_iterate(struct net_device *previous)
{
    return previous == NULL ? devices : previous->next;
}

/* What the device cannot do is done here. Gives back the packet to send, NULL if that failed. */
static struct net_packet *packet_prepare(const struct net_device *device, struct net_packet *packet)
{
    if (packet->checksum == NET_CHECKSUM_BLANK && (device->features & NET_FEATURE_CSUM_TX) == 0 &&
        !net_checksum_fill(packet)) {
        net_packet_free(packet);
        return NULL;
    }
    if (packet->fragment_count <= 1 || (device->features & NET_FEATURE_SG) != 0) {
        return packet;
    }
    struct net_packet *flat = packet->length <= PAGE_SIZE - NET_HEADROOM ? net_packet_copy(packet)
                                                                         : NULL;
    net_packet_free(packet);
    return flat;
}

static bool must_be_cut(const struct net_device *device, const struct net_packet *packet)
{
    uint32_t wanted = net_segment_is_six(packet) ? NET_FEATURE_TSO6 : NET_FEATURE_TSO4;

    return packet->segment_size != 0 && (device->features & wanted) == 0;
}

int net_transmit(struct net_device *device, struct net_packet *packet)
{
    if (must_be_cut(device, packet)) {
        return net_segment(packet, net_transmit, device);
    }
    uint32_t length = packet->length;
    int rc = -XEN_ENOBUFS;

    packet = packet_prepare(device, packet);
    if (packet != NULL) {
        rc = device->transmit(device, packet);
    }
    if (rc != 0) {
        device->tx_dropped++;
        return rc;
    }
    device->tx_packets++;
    device->tx_bytes += length;
    return 0;
}

void net_deliver(struct net_device *device, struct net_packet *packet)
{
    if (device->receive == NULL || packet->length < NET_HEADER_LENGTH) {
        device->rx_dropped++;
        net_packet_free(packet);
        return;
    }
    device->rx_packets++;
    device->rx_bytes += packet->length;
    device->receive(device, packet);
}

bool net_address_parse(const char *text, uint8_t mac[NET_ADDRESS_LENGTH])
{
    unsigned int b[NET_ADDRESS_LENGTH];
    int end = 0;

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) !=
            NET_ADDRESS_LENGTH ||
        text[end] != '\0') {
        return false;
    }
    for (unsigned int i = 0; i < NET_ADDRESS_LENGTH; i++) {
        mac[i] = (uint8_t)b[i];
    }
    return true;
}

void net_address_format(const uint8_t mac[NET_ADDRESS_LENGTH], char text[NET_ADDRESS_TEXT])
{
    snprintf(text, NET_ADDRESS_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
             mac[3], mac[4], mac[5]);
}
