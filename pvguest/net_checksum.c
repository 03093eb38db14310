// SPDX-License-Identifier: MIT
/*
 * Checksums that a sender left to the device (NET_CHECKSUM_BLANK): finding the field in TCP or UDP
 * over IPv4 or IPv6, and filling it in. Headers come from guests: every offset is checked. The
 * Internet checksum: RFC 1071; UDP's zero: RFC 768.
 */
#include "pvguest/net.h"

#define ETHERTYPE_IPV4 0x0800U
#define ETHERTYPE_IPV6 0x86ddU
#define ETHERTYPE_VLAN 0x8100U
#define VLAN_TAG_LENGTH 4U
#define PROTOCOL_TCP 6U
#define PROTOCOL_UDP 17U
#define TCP_FIELD 16U
#define UDP_FIELD 6U
#define IPV6_HEADER_LENGTH 40U
#define IPV4_FRAGMENT_MASK 0x3fffU /* more-fragments flag and offset */

static bool read16(const struct net_packet *packet, uint32_t offset, uint16_t *value)
{
    uint8_t bytes[2];
    if (!net_packet_read(packet, offset, bytes, sizeof(bytes))) {
        return false;
    }
    *value = (uint16_t)(bytes[0] << 8 | bytes[1]);
    return true;
}

/* Transport protocol, where it starts and where the datagram ends. */
struct transport {
    uint8_t protocol;
    uint32_t start, end;
};

static bool ipv4_parse(const struct net_packet *packet, uint32_t ip, struct transport *out)
{
    uint8_t version_length;
    uint16_t total, fragment;

    if (!net_packet_read(packet, ip, &version_length, 1) || !read16(packet, ip + 2, &total) ||
        !read16(packet, ip + 6, &fragment) || !net_packet_read(packet, ip + 9, &out->protocol, 1)) {
        return false;
    }
    uint32_t header = (version_length & 0xfU) * 4;
    out->start = ip + header;
    out->end = ip + total;
    return version_length >> 4 == 4 && header >= 20 && total >= header &&
           (fragment & IPV4_FRAGMENT_MASK) == 0;
}

/* Senders of blank checksums use no extension headers. */
static bool ipv6_parse(const struct net_packet *packet, uint32_t ip, struct transport *out)
{
    uint16_t payload;
    if (!read16(packet, ip + 4, &payload) || !net_packet_read(packet, ip + 6, &out->protocol, 1)) {
        return false;
    }
    out->start = ip + IPV6_HEADER_LENGTH;
    out->end = out->start + payload;
    return true;
}

static bool transport_find(const struct net_packet *packet, struct transport *out, uint32_t *field)
{
    uint32_t ip = NET_HEADER_LENGTH;
    uint16_t type;

    if (!read16(packet, ip - 2, &type)) {
        return false;
    }
    if (type == ETHERTYPE_VLAN) {
        ip += VLAN_TAG_LENGTH;
        if (!read16(packet, ip - 2, &type)) {
            return false;
        }
    }
    if (!(type == ETHERTYPE_IPV4 && ipv4_parse(packet, ip, out)) &&
        !(type == ETHERTYPE_IPV6 && ipv6_parse(packet, ip, out))) {
        return false;
    }
    if (out->protocol != PROTOCOL_TCP && out->protocol != PROTOCOL_UDP) {
        return false;
    }
    *field = out->start + (out->protocol == PROTOCOL_TCP ? TCP_FIELD : UDP_FIELD);
    return out->end <= packet->length && *field + 2 <= out->end;
}

bool net_checksum_locate(const struct net_packet *packet, uint16_t *start, uint16_t *field)
{
    struct transport transport;
    uint32_t at;

    if (!transport_find(packet, &transport, &at)) {
        return false;
    }
    *start = (uint16_t)transport.start;
    *field = (uint16_t)at;
    return true;
}

/* Adds bytes to a sum of big-endian words; *odd says that a low byte comes next. */
static uint64_t sum_bytes(uint64_t sum, const uint8_t *bytes, uint32_t length, bool *odd)
{
    if (*odd && length > 0) {
        sum += *bytes++;
        length--;
        *odd = false;
    }
    for (; length >= 2; length -= 2, bytes += 2) {
        sum += (uint32_t)bytes[0] << 8 | bytes[1];
    }
    if (length > 0) {
        sum += (uint32_t)bytes[0] << 8;
        *odd = true;
    }
    return sum;
}

uint16_t net_checksum_range(const struct net_packet *packet, uint32_t start, uint32_t end)
{
    uint64_t sum = 0;
    uint32_t at = 0;
    bool odd = false;

    for (unsigned int i = 0; i < packet->fragment_count && at < end; i++) {
        const struct net_fragment *f = &packet->fragments[i];
        uint32_t from = start > at ? start - at : 0;
        uint32_t to = end - at < f->length ? end - at : f->length;
        if (from < to) {
            sum = sum_bytes(sum, f->address + from, to - from, &odd);
        }
        at += f->length;
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

/* The field holds the pseudo-header's sum already, so it is simply summed with the rest. */
bool net_checksum_fill(struct net_packet *packet)
{
    struct transport transport;
    uint32_t field;

    if (!transport_find(packet, &transport, &field)) {
        return false;
    }
    uint16_t value = (uint16_t)~net_checksum_range(packet, transport.start, transport.end);
    if (value == 0 && transport.protocol == PROTOCOL_UDP) {
        value = 0xffff;
    }
    const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    net_packet_write(packet, field, bytes, sizeof(bytes));
    packet->checksum = NET_CHECKSUM_VALID;
    return true;
}
