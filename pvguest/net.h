// SPDX-License-Identifier: MIT
/*
 * Network devices and packets: what netfront, virtio-net, netback and the bridge's ports offer, and
 * what the bridge and the lwIP glue use. Everything here runs in threads, never in event handlers:
 * a driver's handler wakes the driver's thread.
 *
 * A packet has one owner at any time. Who is given a packet (transmit, receive) owns it and ends
 * it by handing it on or by net_packet_free. A packet is an Ethernet frame without FCS in one or
 * more fragments; the first fragment holds at least the headers (Ethernet to TCP/UDP) if the whole
 * frame is that long.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_FRAGMENTS_MAX 18U
#define NET_ADDRESS_LENGTH 6U
#define NET_HEADER_LENGTH 14U

/* A piece of one page: never crosses a page boundary. */
struct net_fragment {
    uint8_t *address; /* mapped address of the first byte */
    uint64_t maddr;   /* machine address of the same byte; 0: not known, use virt_to_maddr */
    uint32_t length;
};

enum net_checksum {
    NET_CHECKSUM_NONE,  /* complete but not verified */
    NET_CHECKSUM_VALID, /* complete or absent, and known to be good */
    NET_CHECKSUM_BLANK  /* TCP/UDP field holds only the pseudo-header sum; the data is trusted */
};

struct net_packet {
    struct net_packet *next; /* for the owner's queues */
    uint32_t length;         /* sum of the fragments */
    uint16_t fragment_count; /* 1..NET_FRAGMENTS_MAX */
    uint16_t pending;        /* for the owner: fragments that are with a device */
    enum net_checksum checksum;
    uint16_t segment_size;  /* 0, or a TCP packet to be cut so that each has so much payload */
    uint16_t header_length; /* of such a packet: Ethernet to TCP. Its checksum is BLANK */
    struct net_fragment fragments[NET_FRAGMENTS_MAX];
    /* Gives back memory (pages, grants, the struct itself). */
    void (*release)(struct net_packet *packet);
    void *context; /* of whoever set release */
};

/* One page with room for `length` (<= 4096 - headroom) bytes in one fragment; NULL when out of
 * memory. Contents undefined. */
#define NET_HEADROOM 64U /* before fragment 0 of packets from net_packet_alloc */
struct net_packet *net_packet_alloc(uint32_t length);
/* A packet of any length up to 64 KiB, in page-sized fragments (no headroom). */
struct net_packet *net_packet_alloc_large(uint32_t length);
/* A copy that owns its memory (flooding); checksum state kept. */
struct net_packet *net_packet_copy(const struct net_packet *packet);
void net_packet_free(struct net_packet *packet);
/* Copies bytes [offset, offset+length) out of or into the fragments; false if out of range. */
bool net_packet_read(const struct net_packet *packet, uint32_t offset, void *to, uint32_t length);
bool net_packet_write(struct net_packet *packet, uint32_t offset, const void *from,
                      uint32_t length);

/* For a BLANK packet: where the sum starts and where its field is (both from the frame's start);
 * false if it is no TCP/UDP over IPv4/IPv6. For virtio-net's header. */
bool net_checksum_locate(const struct net_packet *packet, uint16_t *start, uint16_t *field);
/* Computes and stores a blank checksum; the packet becomes VALID. False: malformed, untouched. */
bool net_checksum_fill(struct net_packet *packet);

struct net_device;

/* Large TCP packets (net_segment.c). */
#define NET_SEGMENTS_MAX 256U /* that one packet is cut into */
/* Makes a packet one to be cut into segments of `size` bytes of payload, after a look at its headers:
 * TCP over IPv6 if `six`, else over IPv4. False: it is none, or too much work. */
bool net_segment_prepare(struct net_packet *packet, uint16_t size, bool six);
/* Cuts the packet and gives each segment away; then frees it. 0, or the first error of `give`. */
int net_segment(struct net_packet *packet,
                int (*give)(struct net_device *device, struct net_packet *segment),
                struct net_device *device);
bool net_segment_is_six(const struct net_packet *packet);
/* Into how many segments the packet will be cut; 1 if it is none of those. */
unsigned int net_segment_count(const struct net_packet *packet);
/* Length of the frame, or of the longest one that the packet will be cut into. */
uint32_t net_packet_frame_length(const struct net_packet *packet);
/* Sums a range of the packet as big-endian words: not complemented. */
uint16_t net_checksum_range(const struct net_packet *packet, uint32_t start, uint32_t end);

/* net_device.features */
#define NET_FEATURE_CSUM_TX 0x1U /* transmit takes NET_CHECKSUM_BLANK */
#define NET_FEATURE_CSUM_RX 0x2U /* receive may deliver NET_CHECKSUM_BLANK or VALID */
#define NET_FEATURE_SG 0x4U      /* transmit takes several fragments */
#define NET_FEATURE_TSO4 0x8U    /* transmit takes packets with segment_size: TCP over IPv4 */
#define NET_FEATURE_TSO6 0x10U   /* and over IPv6 */

struct net_device {
    char name[16]; /* unique: "eth0", "vif3.0" */
    uint8_t mac[NET_ADDRESS_LENGTH];
    uint16_t mtu; /* of the payload: 1500 */
    uint32_t features;
    bool up;
    /*
     * Takes the packet in every case. 0: on its way. -XEN_ENOBUFS: dropped, queue full.
     * -XEN_ENODEV: dropped, device closed. The caller honours features (net_transmit does).
     */
    int (*transmit)(struct net_device *device, struct net_packet *packet);
    /* Who listens: takes the packet. Set by the bridge or the stack; NULL: packets are freed. */
    void (*receive)(struct net_device *device, struct net_packet *packet);
    void *receiver; /* the listener's */
    void *driver;   /* the driver's */
    uint64_t tx_packets, tx_bytes, tx_dropped, rx_packets, rx_bytes, rx_dropped;
    struct net_device *next;
};

int net_register(struct net_device *device); /* -XEN_EEXIST: name in use */
void net_unregister(struct net_device *device);
struct net_device *net_find(const char *name);
struct net_device *net_iterate(struct net_device *previous); /* first with NULL */

/* Sends after doing in software what the device lacks (checksum, gathering); counts. */
int net_transmit(struct net_device *device, struct net_packet *packet);
/* The driver's upcall: counts and hands the packet to device->receive, or frees it. */
void net_deliver(struct net_device *device, struct net_packet *packet);

/* "00:16:3e:01:02:03"; false: it is none. */
bool net_address_parse(const char *text, uint8_t mac[NET_ADDRESS_LENGTH]);
#define NET_ADDRESS_TEXT 18 /* bytes, the final 0 among them */
void net_address_format(const uint8_t mac[NET_ADDRESS_LENGTH], char text[NET_ADDRESS_TEXT]);
