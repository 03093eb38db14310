// SPDX-License-Identifier: MIT
/*
 * Large TCP packets: a sender gives 64 KiB at once and says how much payload a segment may have. They
 * are cut here when they go to something that does not take them whole. Headers come from guests:
 * net_segment_prepare checks all that net_segment relies on. A packet becomes at most NET_SEGMENTS_MAX
 * segments, one after the other, so that neither work nor memory is the sender's to choose.
 *
 * Fields: RFC 9293 (sequence number, FIN and PSH in the last segment), RFC 3168 (CWR in the first),
 * RFC 6864 (each fragment of an IPv4 stream has an identification of its own).
 */
#include "pvguest/errno.h"
#include "pvguest/memory.h"
#include "pvguest/net.h"

#define ETHERTYPE_AT 12U
#define ETHERTYPE_IPV4 0x0800U
#define ETHERTYPE_IPV6 0x86ddU
#define ETHERTYPE_VLAN 0x8100U
#define VLAN_TAG_LENGTH 4U
#define PROTOCOL_TCP 6U
#define IPV4_HEADER_MIN 20U
#define IPV6_HEADER_LENGTH 40U
#define TCP_HEADER_MIN 20U
#define HEADERS_MAX (NET_HEADER_LENGTH + VLAN_TAG_LENGTH + 60U + 60U)
#define IPV4_FRAGMENT_MASK 0x3fffU
#define TCP_FIN 0x01U
#define TCP_PSH 0x08U
#define TCP_CWR 0x80U

/* Headers of a packet, and where they are in it. */
struct headers {
    uint8_t bytes[HEADERS_MAX];
    uint32_t ip, tcp, end; /* offsets */
    bool six;
};

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static uint32_t sum_words(const uint8_t *bytes, uint32_t length)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < length; i += 2) {
        sum += get16(bytes + i);
    }
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

/* Reads Ethernet, VLAN and the fixed part of IP; sets where TCP starts. */
static bool ip_parse(struct headers *h, uint32_t available)
{
    uint16_t type = get16(&h->bytes[ETHERTYPE_AT]);

    h->ip = NET_HEADER_LENGTH;
    if (type == ETHERTYPE_VLAN) {
        type = get16(&h->bytes[ETHERTYPE_AT + VLAN_TAG_LENGTH]);
        h->ip += VLAN_TAG_LENGTH;
    }
    h->six = type == ETHERTYPE_IPV6;
    const uint8_t *ip = &h->bytes[h->ip];
    if (h->six) {
        h->tcp = h->ip + IPV6_HEADER_LENGTH;
        return h->tcp <= available && ip[0] >> 4 == 6 && ip[6] == PROTOCOL_TCP;
    }
    uint32_t length = (ip[0] & 0xfU) * 4;
    h->tcp = h->ip + length;
    return type == ETHERTYPE_IPV4 && h->tcp <= available && ip[0] >> 4 == 4 &&
           length >= IPV4_HEADER_MIN && ip[9] == PROTOCOL_TCP &&
           (get16(ip + 6) & IPV4_FRAGMENT_MASK) == 0;
}

static bool headers_read(const struct net_packet *packet, struct headers *h)
{
    uint32_t available = packet->length < HEADERS_MAX ? packet->length : HEADERS_MAX;

    if (available < NET_HEADER_LENGTH + IPV4_HEADER_MIN + TCP_HEADER_MIN ||
        !net_packet_read(packet, 0, h->bytes, available) || !ip_parse(h, available) ||
        h->tcp + TCP_HEADER_MIN > available) {
        return false;
    }
    uint32_t length = (h->bytes[h->tcp + 12] >> 4) * 4U;
    h->end = h->tcp + length;
    return length >= TCP_HEADER_MIN && h->end <= available;
}

/* Lengths and sums for a packet of `payload` bytes; the sum of TCP is left blank. */
static void lengths_set(struct headers *h, uint32_t payload)
{
    uint8_t *ip = &h->bytes[h->ip];
    uint32_t tcp_length = h->end - h->tcp + payload;
    uint32_t addresses;

    if (h->six) {
        put16(ip + 4, tcp_length);
        addresses = sum_words(ip + 8, 32);
    } else {
        put16(ip + 2, h->tcp - h->ip + tcp_length);
        put16(ip + 10, 0);
        put16(ip + 10, (uint16_t)~fold(sum_words(ip, h->tcp - h->ip)));
        addresses = sum_words(ip + 12, 8);
    }
    put16(&h->bytes[h->tcp + 16], fold(addresses + PROTOCOL_TCP + tcp_length));
}

bool net_segment_prepare(struct net_packet *packet, uint16_t size, bool six)
{
    struct headers h = {.bytes = {0}};

    if (size == 0 || !headers_read(packet, &h) || h.six != six ||
        h.end + size > PAGE_SIZE - NET_HEADROOM) {
        return false;
    }
    uint32_t payload = packet->length - h.end;
    if (payload > size * NET_SEGMENTS_MAX || packet->length - h.ip > UINT16_MAX) {
        return false;
    }
    lengths_set(&h, payload);
    net_packet_write(packet, 0, h.bytes, h.end);
    packet->checksum = NET_CHECKSUM_BLANK;
    packet->header_length = (uint16_t)h.end;
    packet->segment_size = payload > size ? size : 0; /* one segment is an ordinary packet */
    return true;
}

bool net_segment_is_six(const struct net_packet *packet)
{
    uint8_t version = 0;

    /* The header's length tells where IP starts only together with the tag; the tag is looked at. */
    uint8_t type[2] = {0};
    (void)net_packet_read(packet, ETHERTYPE_AT, type, sizeof(type));
    (void)net_packet_read(packet,
                          NET_HEADER_LENGTH + (get16(type) == ETHERTYPE_VLAN ? VLAN_TAG_LENGTH : 0),
                          &version, 1);
    return version >> 4 == 6;
}

uint32_t net_packet_frame_length(const struct net_packet *packet)
{
    return packet->segment_size != 0 ? packet->header_length + packet->segment_size
                                     : packet->length;
}

/* The segment whose payload starts `at` bytes into the packet's. */
static struct net_packet *segment_make(const struct net_packet *packet, const struct headers *all,
                                       uint32_t at, unsigned int number)
{
    struct headers h = *all;
    uint32_t left = packet->length - h.end - at;
    uint32_t payload = left < packet->segment_size ? left : packet->segment_size;
    uint8_t *tcp = &h.bytes[h.tcp];
    struct net_packet *segment = net_packet_alloc(h.end + payload);

    if (segment == NULL) {
        return NULL;
    }
    uint32_t sequence = ((uint32_t)get16(tcp + 4) << 16 | get16(tcp + 6)) + at;
    put16(tcp + 4, sequence >> 16);
    put16(tcp + 6, sequence);
    if (payload != left) {
        tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    }
    if (at != 0) {
        tcp[13] &= (uint8_t)~TCP_CWR;
    }
    if (!h.six) {
        put16(&h.bytes[h.ip + 4], get16(&h.bytes[h.ip + 4]) + number);
    }
    lengths_set(&h, payload);
    net_packet_write(segment, 0, h.bytes, h.end);
    net_packet_read(packet, h.end + at, segment->fragments[0].address + h.end, payload);
    segment->checksum = NET_CHECKSUM_BLANK;
    return segment;
}

int net_segment(struct net_packet *packet,
                int (*give)(struct net_device *device, struct net_packet *segment),
                struct net_device *device)
{
    struct headers h = {.bytes = {0}};
    int error = headers_read(packet, &h) ? 0 : -XEN_EINVAL;
    uint32_t payload = packet->length - h.end;

    for (uint32_t at = 0, i = 0; error == 0 && at < payload; at += packet->segment_size, i++) {
        struct net_packet *segment = segment_make(packet, &h, at, i);
        error = segment == NULL ? -XEN_ENOMEM : give(device, segment);
    }
    net_packet_free(packet);
    return error;
}

unsigned int net_segment_count(const struct net_packet *packet)
{
    const uint32_t payload = packet->length - packet->header_length;

    return packet->segment_size == 0 ? 1
                                     : (payload + packet->segment_size - 1) / packet->segment_size;
}
