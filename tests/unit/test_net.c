// SPDX-License-Identifier: MIT
// Packets and blank checksums: frames whose headers lie, cut into fragments of which each is an
// allocation of its own, so that a byte too far is seen by the sanitizer.
#include "pvguest/memory.h"
#include "pvguest/net.h"
#include "tests/report.h"

#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX 1600U
#define ROUNDS 20000U

static size_t pages_out;

void *page_alloc_dirty(unsigned int order)
{
    pages_out++;
    return order == 0 ? aligned_alloc(PAGE_SIZE, PAGE_SIZE) : NULL;
}

void page_free(void *pages, unsigned int order)
{
    (void)order;
    pages_out--;
    free(pages);
}

uint64_t virt_to_maddr(const void *address)
{
    return (uint64_t)address;
}

static uint32_t random_next(void)
{
    static uint32_t state = 1;
    state = state * 1664525U + 1013904223U;
    return state >> 8;
}

// A frame in fragments of exactly their size.
static void frame_scatter(struct net_packet *packet, const uint8_t *frame, uint32_t length)
{
    memset(packet, 0, sizeof(*packet));
    packet->length = length;
    packet->checksum = NET_CHECKSUM_BLANK;
    for (uint32_t at = 0; at < length;) {
        struct net_fragment *fragment = &packet->fragments[packet->fragment_count++];
        uint32_t left = length - at;
        uint32_t size = packet->fragment_count == NET_FRAGMENTS_MAX ? left
                                                                    : 1 + random_next() % left;
        fragment->address = malloc(size);
        fragment->length = size;
        memcpy(fragment->address, frame + at, size);
        at += size;
    }
}

static void frame_gather(struct net_packet *packet, uint8_t *frame)
{
    uint32_t at = 0;
    for (unsigned int i = 0; i < packet->fragment_count; i++) {
        memcpy(frame + at, packet->fragments[i].address, packet->fragments[i].length);
        at += packet->fragments[i].length;
        free(packet->fragments[i].address);
    }
}

// The Internet checksum of RFC 1071, the plain way.
static uint16_t sum_plain(const uint8_t *bytes, uint32_t length)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < length; i++) {
        sum += (uint32_t)(i % 2 == 0 ? bytes[i] << 8 : bytes[i]);
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

// An Ethernet frame with IPv4 (or IPv6), TCP (or UDP) and `payload` bytes; gives its length and
// where the transport starts.
static uint32_t frame_make(uint8_t *frame, bool six, bool tcp, uint32_t payload, uint32_t *start)
{
    uint32_t transport = (tcp ? 20U : 8U) + payload;

    for (uint32_t i = 0; i < FRAME_MAX; i++) {
        frame[i] = (uint8_t)random_next();
    }
    frame[12] = six ? 0x86 : 0x08;
    frame[13] = six ? 0xdd : 0x00;
    *start = six ? 54 : 34;
    if (six) {
        frame[14] = 0x60;
        frame[18] = (uint8_t)(transport >> 8);
        frame[19] = (uint8_t)transport;
        frame[20] = tcp ? 6 : 17;
    } else {
        frame[14] = 0x45;
        frame[16] = (uint8_t)((transport + 20) >> 8);
        frame[17] = (uint8_t)(transport + 20);
        frame[20] = frame[21] = 0;
        frame[23] = tcp ? 6 : 17;
    }
    return *start + transport;
}

static void fill_agrees_with_plain_sum(void)
{
    uint8_t frame[FRAME_MAX], result[FRAME_MAX];
    struct net_packet packet;

    for (uint32_t round = 0; round < ROUNDS / 10; round++) {
        bool tcp = random_next() % 2, six = random_next() % 2;
        uint32_t start, length = frame_make(frame, six, tcp, random_next() % 1400, &start);
        uint32_t field = start + (tcp ? 16 : 6);
        uint16_t expected = sum_plain(frame + start, length - start);
        // Some have padding behind the datagram: it must not be summed.
        uint32_t padded = length < 60 ? 60 : length;
        frame_scatter(&packet, frame, padded);
        uint16_t at_start, at_field;
        CU_ASSERT(net_checksum_locate(&packet, &at_start, &at_field));
        CU_ASSERT(at_start == start && at_field == field);
        CU_ASSERT(net_checksum_fill(&packet));
        CU_ASSERT_EQUAL(packet.checksum, NET_CHECKSUM_VALID);
        frame_gather(&packet, result);
        expected = expected == 0 && !tcp ? 0xffff : expected;
        CU_ASSERT_EQUAL(result[field] << 8 | result[field + 1], expected);
        result[field] = frame[field];
        result[field + 1] = frame[field + 1];
        CU_ASSERT_EQUAL(memcmp(result, frame, padded), 0);
    }
}

static void lying_headers_stay_inside(void)
{
    uint8_t frame[FRAME_MAX];
    struct net_packet packet;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t start;
        uint32_t length = frame_make(frame, random_next() % 2, random_next() % 2,
                                     random_next() % 64, &start);
        for (uint32_t damage = random_next() % 4; damage > 0; damage--) {
            frame[12 + random_next() % 40] = (uint8_t)random_next();
        }
        length = random_next() % 3 == 0 ? 1 + random_next() % length : length;
        frame_scatter(&packet, frame, length);
        if (!net_checksum_fill(&packet)) {
            CU_ASSERT_EQUAL(packet.checksum, NET_CHECKSUM_BLANK);
        }
        frame_gather(&packet, frame);
    }
}

static void refuses_what_it_cannot_sum(void)
{
    uint8_t frame[FRAME_MAX];
    struct net_packet packet;
    uint32_t start, length;

    length = frame_make(frame, false, true, 10, &start);
    frame[20] = 0x20; // more fragments follow
    frame_scatter(&packet, frame, length);
    CU_ASSERT(!net_checksum_fill(&packet));
    frame_gather(&packet, frame);
    length = frame_make(frame, false, true, 10, &start);
    frame[23] = 1; // ICMP
    frame_scatter(&packet, frame, length);
    CU_ASSERT(!net_checksum_fill(&packet));
    frame_gather(&packet, frame);
    length = frame_make(frame, false, false, 0, &start);
    frame_scatter(&packet, frame, length - 1); // cut short
    CU_ASSERT(!net_checksum_fill(&packet));
    frame_gather(&packet, frame);
}

static void packets_copy_and_end(void)
{
    uint8_t bytes[9000], back[9000];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 31);
    }
    struct net_packet *packet = net_packet_alloc_large(sizeof(bytes));
    CU_ASSERT_PTR_NOT_NULL_FATAL(packet);
    CU_ASSERT(net_packet_write(packet, 0, bytes, sizeof(bytes)));
    struct net_packet *copy = net_packet_copy(packet);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    net_packet_free(packet);
    CU_ASSERT(net_packet_read(copy, 0, back, sizeof(back)));
    CU_ASSERT_EQUAL(memcmp(bytes, back, sizeof(bytes)), 0);
    CU_ASSERT(!net_packet_read(copy, 1, back, sizeof(back)));
    net_packet_free(copy);
    CU_ASSERT_PTR_NULL(net_packet_alloc_large(65536));
    CU_ASSERT_EQUAL(pages_out, 0);
}

static unsigned int sent;
static enum net_checksum sent_checksum;

static int device_transmit(struct net_device *device, struct net_packet *packet)
{
    (void)device;
    sent++;
    sent_checksum = packet->checksum;
    net_packet_free(packet);
    return 0;
}

static void transmit_makes_up_for_the_device(void)
{
    struct net_device device = {.name = "eth0", .transmit = device_transmit};
    uint8_t frame[FRAME_MAX];
    uint32_t start, length = frame_make(frame, false, true, 100, &start);
    struct net_packet *packet = net_packet_alloc_large(length);

    CU_ASSERT_EQUAL(net_register(&device), 0);
    CU_ASSERT(net_register(&device) < 0);
    CU_ASSERT_PTR_EQUAL(net_find("eth0"), &device);
    net_packet_write(packet, 0, frame, length);
    packet->fragments[1] = packet->fragments[0]; // two fragments of one page
    packet->fragments[0].length = 60;
    packet->fragments[1].address += 60;
    packet->fragments[1].length -= 60;
    packet->fragment_count = 2;
    packet->checksum = NET_CHECKSUM_BLANK;
    device.features = NET_FEATURE_SG | NET_FEATURE_CSUM_TX;
    struct net_packet *copy = net_packet_copy(packet);
    packet->fragment_count = 1; // its page is given back once
    packet->fragments[0].length = packet->length;
    CU_ASSERT_EQUAL(net_transmit(&device, packet), 0);
    CU_ASSERT_EQUAL(sent_checksum, NET_CHECKSUM_BLANK);
    device.features = 0;
    CU_ASSERT_EQUAL(net_transmit(&device, copy), 0);
    CU_ASSERT_EQUAL(sent_checksum, NET_CHECKSUM_VALID);
    packet = net_packet_alloc_large(5000);
    CU_ASSERT(net_transmit(&device, packet) < 0); // cannot be made flat
    CU_ASSERT(device.tx_packets == 2 && device.tx_dropped == 1 && sent == 2);
    net_deliver(&device, net_packet_alloc(100)); // nobody listens
    CU_ASSERT_EQUAL(device.rx_dropped, 1);
    net_unregister(&device);
    CU_ASSERT_PTR_NULL(net_find("eth0"));
    CU_ASSERT_EQUAL(pages_out, 0);
}

static void addresses_as_text(void)
{
    static const char *const none[] = {"", "00:16:3e:01:02", "00:16:3e:01:02:0g",
                                       "00:16:3e:01:02:03 "};
    uint8_t mac[NET_ADDRESS_LENGTH];
    char text[NET_ADDRESS_TEXT];

    CU_ASSERT(net_address_parse("00:16:3e:0a:FF:1", mac));
    net_address_format(mac, text);
    CU_ASSERT_STRING_EQUAL(text, "00:16:3e:0a:ff:01");
    for (size_t n = 0; n < sizeof(none) / sizeof(none[0]); n++) {
        CU_ASSERT_FALSE(net_address_parse(none[n], mac));
    }
}

static const struct report_case cases[] = {
    REPORT_CASE(fill_agrees_with_plain_sum),       REPORT_CASE(lying_headers_stay_inside),
    REPORT_CASE(refuses_what_it_cannot_sum),       REPORT_CASE(packets_copy_and_end),
    REPORT_CASE(transmit_makes_up_for_the_device), REPORT_CASE(addresses_as_text),
};

int main(void)
{
    return report_run("net", cases, sizeof(cases) / sizeof(cases[0]));
}
