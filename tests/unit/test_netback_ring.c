// SPDX-License-Identifier: MIT
/* netback's two directions on rings in this program's memory: what waits for front ends that take
 * nothing, large packets cut and whole, groups, checksums, answers slot by slot. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/netback_private.h"
#include "pvguest/memory.h"
#include "pvguest/ring.h"
#include "pvguest/time.h"
#include "tests/report.h"
#include <xen/errno.h>

#define RINGS 40U
#define POOL 2000U
#define GREFS 64U

static size_t pages_out;
static uint8_t granted[GREFS][PAGE_SIZE] __attribute__((aligned(4096)));

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

void wake_up(struct wait_queue *queue)
{
    (void)queue;
}

static uint64_t now = 1;

uint64_t time_now(void)
{
    return now;
}

static unsigned int events[4];

int event_send(evtchn_port_t port)
{
    events[port]++;
    return 0;
}

void netback_ring_break(struct netback_ring *ring, const char *why)
{
    (void)why;
    ring->broken = true;
}

static uint8_t *copy_side(const struct gnttab_copy *op, bool source)
{
    bool by_ref = (op->flags & (source ? GNTCOPY_source_gref : GNTCOPY_dest_gref)) != 0;
    uint32_t offset = source ? op->source.offset : op->dest.offset;
    grant_ref_t ref = source ? op->source.u.ref : op->dest.u.ref;
    uint64_t frame = source ? op->source.u.gmfn : op->dest.u.gmfn;

    if (offset + op->len > PAGE_SIZE || (by_ref && ref >= GREFS)) {
        return NULL;
    }
    return (by_ref ? granted[ref] : (uint8_t *)(frame << PAGE_SHIFT)) + offset;
}

void netback_copies_run(struct netback_ring *ring)
{
    for (unsigned int i = 0; i < ring->copy_count; i++) {
        struct gnttab_copy *op = &ring->copies[i];
        uint8_t *from = copy_side(op, true), *to = copy_side(op, false);
        op->status = from != NULL && to != NULL ? GNTST_okay : GNTST_bad_gntref;
        if (op->status == GNTST_okay) {
            memcpy(to, from, op->len);
        }
    }
}

/* A connection whose front end is this test. */
static struct connection {
    struct netback_ring back;
    struct net_device net;
    struct netback_rate rate;
    struct netif_tx_sring *tx;
    struct netif_rx_sring *rx;
    RING_IDX rx_posted;
} connections[RINGS];

static uint8_t ring_pages[RINGS][2][PAGE_SIZE] __attribute__((aligned(4096)));

/* What the bridge would get. */
static unsigned int delivered;
static struct net_packet *last;

static void keep(struct net_device *net, struct net_packet *packet)
{
    (void)net;
    net_packet_free(last);
    last = packet;
    delivered++;
}

static void open_one(struct connection *c)
{
    uint8_t(*pages)[PAGE_SIZE] = ring_pages[c - connections];

    memset(c, 0, sizeof(*c));
    memset(events, 0, sizeof(events));
    memset(pages, 0, 2 * PAGE_SIZE);
    c->tx = (struct netif_tx_sring *)pages[0];
    c->rx = (struct netif_rx_sring *)pages[1];
    SHARED_RING_INIT(c->tx);
    SHARED_RING_INIT(c->rx);
    BACK_RING_INIT(&c->back.tx, c->tx, PAGE_SIZE);
    BACK_RING_INIT(&c->back.rx, c->rx, PAGE_SIZE);
    c->back.options = (struct netback_ring_options){.net = &c->net,
                                                    .rate = &c->rate,
                                                    .can_sg = true,
                                                    .can_csum = true,
                                                    .can_csum_six = true,
                                                    .can_wait = true};
    c->back.tx_port = 1;
    c->back.rx_port = 2;
    c->net.receive = keep;
    netback_rx_attach(&c->back);
}

static void close_all(unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        netback_rx_detach(&connections[i].back);
    }
    net_packet_free(last);
    last = NULL;
    CU_ASSERT_EQUAL(pages_out, 0);
}

static int send_new(struct connection *c, uint32_t length, const uint8_t *to)
{
    struct net_packet *packet = net_packet_alloc_large(length);

    for (unsigned int i = 0; i < packet->fragment_count; i++) {
        memset(packet->fragments[i].address, (int)(i + 1), packet->fragments[i].length);
    }
    if (to != NULL) {
        net_packet_write(packet, 0, to, NET_ADDRESS_LENGTH);
    }
    return netback_ring_send(&c->back, packet);
}

static void rx_post(struct connection *c, unsigned int pages)
{
    for (unsigned int i = 0; i < pages; i++, c->rx_posted++) {
        c->rx->ring[c->rx_posted % 256].req = (struct netif_rx_request){
            .id = (uint16_t)c->rx_posted, .gref = c->rx_posted % GREFS};
    }
    c->rx->req_prod = c->rx_posted;
}

/* All but one take nothing: that one has its part all the same, and together they hold no more than the
 * pool. */
static void silent_front_ends(void)
{
    size_t count = RINGS;
    netback_rx_budget(POOL);
    for (unsigned int i = 0; i < count; i++) {
        open_one(&connections[i]);
        for (unsigned int k = 0; k < 100; k++) {
            (void)send_new(&connections[i], k % 3 == 0 ? 60000 : 60, NULL);
        }
        CU_ASSERT_TRUE(pages_out <= POOL + 512);
    }
    CU_ASSERT_TRUE(pages_out <= POOL);
    struct connection *c = &connections[0];
    netback_rx_drop(&c->back);
    for (unsigned int round = 0; round < 100; round++) {
        for (unsigned int k = 0; k < 40; k++) {
            CU_ASSERT_EQUAL(send_new(c, 1514, NULL), 0);
        }
        rx_post(c, 40);
        while (netback_rx_run(&c->back)) {
        }
        CU_ASSERT_EQUAL(c->rx->rsp_prod, c->rx_posted);
    }
    close_all(RINGS);
    netback_rx_budget(0); /* even then each has room for one packet */
    open_one(c);
    CU_ASSERT_EQUAL(send_new(c, 65535, NULL), 0);
    CU_ASSERT_EQUAL(send_new(c, 65535, NULL), -XEN_ENOBUFS);
    close_all(1);
    netback_rx_budget(POOL);
}

/* An Ethernet frame of IPv4 or IPv6 and TCP into `to`; gives the headers' length. */
static uint32_t tcp_headers(uint8_t *to, bool six, uint32_t payload)
{
    uint32_t ip = six ? 40 : 20;
    uint32_t length = (six ? 20 : 40) + payload;

    memset(to, 0, 14 + ip + 20);
    to[12] = six ? 0x86 : 0x08;
    to[13] = six ? 0xdd : 0;
    to[14] = six ? 0x60 : 0x45;
    to[six ? 18 : 16] = (uint8_t)(length >> 8);
    to[six ? 19 : 17] = (uint8_t)length;
    to[six ? 20 : 23] = 6;
    to[14 + ip + 7] = 100; /* sequence number */
    to[14 + ip + 12] = 0x50;
    to[14 + ip + 13] = 0x80 | 0x18 | 0x01; /* CWR, ACK, PSH, FIN */
    return 14 + ip + 20;
}

static void tx_put(struct connection *c, struct netif_tx_request request)
{
    c->tx->ring[c->tx->req_prod++ % 256].req = request;
}

static void tx_put_extra(struct connection *c, struct netif_extra_info extra)
{
    struct netif_tx_request slot = {0};
    memcpy(&slot, &extra, sizeof(extra));
    tx_put(c, slot);
}

/* Five pages of TCP and how to cut them. */
static uint32_t gso_send(struct connection *c, bool six, uint16_t size, uint8_t type)
{
    uint32_t headers = tcp_headers(granted[1], six, 5 * 4000 - (six ? 74 : 54));

    tx_put(c, (struct netif_tx_request){.gref = 1,
                                        .size = 20000,
                                        .id = 10,
                                        .flags = NETTXF_extra_info | NETTXF_more_data |
                                                 NETTXF_csum_blank});
    tx_put_extra(c, (struct netif_extra_info){
                        .type = XEN_NETIF_EXTRA_TYPE_GSO, .u.gso = {.size = size, .type = type}
    });
    for (unsigned int i = 2; i < 6; i++) {
        memset(granted[i], (int)i, PAGE_SIZE);
        tx_put(c, (struct netif_tx_request){.gref = i,
                                            .size = 4000,
                                            .id = (uint16_t)(9 + i),
                                            .flags = i < 5 ? NETTXF_more_data : 0});
    }
    (void)netback_tx_run(&c->back);
    return headers;
}

static unsigned int pieces, bad_pieces;
static uint32_t piece_bytes;

static int piece_check(struct net_device *device, struct net_packet *packet)
{
    uint32_t transport = device->features; /* where TCP starts, for this check */
    uint8_t bytes[2000];
    bool good = packet->segment_size == 0 && packet->checksum == NET_CHECKSUM_BLANK &&
                packet->length <= 1514 && net_packet_read(packet, 0, bytes, packet->length) &&
                net_checksum_fill(packet);
    uint32_t payload = packet->length - transport - 20;

    good = good && (uint32_t)(bytes[transport + 6] << 8 | bytes[transport + 7]) ==
                       ((100 + piece_bytes) & 0xffff);
    good = good && ((bytes[transport + 13] & 0x80) != 0) == (piece_bytes == 0);
    good = good && ((bytes[transport + 13] & 0x01) != 0) ==
                       (piece_bytes + payload == 20000 - transport - 20);
    pieces++;
    bad_pieces += !good;
    piece_bytes += payload;
    net_packet_free(packet);
    return 0;
}

static void large_packets_from_the_guest(void)
{
    struct connection *c = &connections[0];

    for (unsigned int six = 0; six < 2; six++) {
        uint32_t transport = six ? 54 : 34;
        struct net_device checker = {.features = transport};
        open_one(c);
        delivered = pieces = bad_pieces = piece_bytes = 0;
        (void)gso_send(c, six, 1440, six ? XEN_NETIF_GSO_TYPE_TCPV6 : XEN_NETIF_GSO_TYPE_TCPV4);
        CU_ASSERT_EQUAL_FATAL(delivered, 1);
        CU_ASSERT_EQUAL(c->tx->rsp_prod, 6);
        for (unsigned int i = 0; i < 6; i++) {
            const struct netif_tx_response *r = &c->tx->ring[i].rsp;
            CU_ASSERT_EQUAL(r->status, i == 1 ? NETIF_RSP_NULL : NETIF_RSP_OKAY);
            CU_ASSERT_TRUE(i == 1 || r->id == (i == 0 ? 10 : 9 + i));
        }
        CU_ASSERT_EQUAL(last->segment_size, 1440);
        CU_ASSERT_EQUAL(net_packet_frame_length(last), transport + 20 + 1440);
        struct net_packet *packet = last;
        last = NULL;
        CU_ASSERT_EQUAL(net_segment(packet, piece_check, &checker), 0);
        CU_ASSERT_EQUAL(pieces, 14);
        CU_ASSERT_EQUAL(bad_pieces, 0);
        CU_ASSERT_EQUAL(piece_bytes, 20000 - transport - 20);
        close_all(1);
    }
}

/* What cannot be cut is answered as an error, and the card goes on. */
static void bad_large_packets(void)
{
    const struct {
        bool six;
        uint16_t size;
        uint8_t type;
    } cases_bad[] = {
        {false, 0,     XEN_NETIF_GSO_TYPE_TCPV4},
        {false, 1,     XEN_NETIF_GSO_TYPE_TCPV4}, /* 19,946 segments */
        {false, 77,    XEN_NETIF_GSO_TYPE_TCPV4}, /* 260 */
        {false, 65535, XEN_NETIF_GSO_TYPE_TCPV4},
        {false, 1440,  XEN_NETIF_GSO_TYPE_TCPV6},
        {true,  1440,  XEN_NETIF_GSO_TYPE_TCPV4},
        {false, 1440,  0                       },
        {false, 1440,  200                     }
    };
    struct connection *c = &connections[0];

    open_one(c);
    delivered = 0;
    for (unsigned int i = 0; i < sizeof(cases_bad) / sizeof(cases_bad[0]); i++) {
        (void)gso_send(c, cases_bad[i].six, cases_bad[i].size, cases_bad[i].type);
        CU_ASSERT_EQUAL(c->tx->rsp_prod, 6 * (i + 1));
        CU_ASSERT_EQUAL(c->tx->ring[6 * i].rsp.status, NETIF_RSP_ERROR);
        CU_ASSERT_EQUAL(c->tx->ring[6 * i + 5].rsp.status, NETIF_RSP_ERROR);
    }
    CU_ASSERT_EQUAL(delivered, 0);
    CU_ASSERT_FALSE(c->back.broken);
    (void)gso_send(c, false, 78, XEN_NETIF_GSO_TYPE_TCPV4); /* 256 */
    CU_ASSERT_EQUAL(delivered, 1);
    close_all(1);
}

/* Packets that become 250 segments each: few of them are work for a turn, and their headers count too. */
static void many_segments(void)
{
    struct connection *c = &connections[0];
    uint32_t headers = tcp_headers(granted[1], false, 250);

    open_one(c);
    CU_ASSERT_TRUE(netback_rate_read(&c->rate, "1000000,50000", now));
    delivered = 0;
    for (unsigned int i = 0; i < 20; i++) {
        tx_put(c, (struct netif_tx_request){.gref = 1,
                                            .size = (uint16_t)(headers + 250),
                                            .flags = NETTXF_extra_info | NETTXF_csum_blank});
        tx_put_extra(c, (struct netif_extra_info){
                            .type = XEN_NETIF_EXTRA_TYPE_GSO,
                            .u.gso = {.size = 1, .type = XEN_NETIF_GSO_TYPE_TCPV4}
        });
    }
    CU_ASSERT_TRUE(netback_tx_run(&c->back));
    CU_ASSERT_TRUE(delivered >= 1 && delivered * 250 < 2 * NET_SEGMENTS_MAX);
    while (netback_tx_run(&c->back)) {
    }
    CU_ASSERT_EQUAL(delivered, 20);
    CU_ASSERT_EQUAL(c->rate.credit, 1000000 - 20 * 250 * (headers + 1));
    close_all(1);
}

/* Headers that lie: nothing leaves the packet. */
static void random_large_packets(void)
{
    struct connection *c = &connections[0];
    struct net_device checker = {.features = 34};

    srand(5);
    open_one(c);
    delivered = 0;
    for (unsigned int round = 0; round < 20000; round++) {
        uint16_t size = (uint16_t)(14 + rand() % 300);
        (void)tcp_headers(granted[1], rand() % 2, size);
        for (int damage = rand() % 3; damage > 0; damage--) {
            granted[1][12 + rand() % 60] = (uint8_t)rand();
        }
        tx_put(c, (struct netif_tx_request){.gref = 1, .size = size, .flags = NETTXF_extra_info});
        tx_put_extra(
            c, (struct netif_extra_info){
                   .type = XEN_NETIF_EXTRA_TYPE_GSO,
                   .u.gso = {.size = (uint16_t)(rand() % 60), .type = (uint8_t)(1 + rand() % 2)}
        });
        (void)netback_tx_run(&c->back);
        if (last != NULL && last->segment_size != 0) {
            struct net_packet *packet = last;
            last = NULL;
            pieces = 0;
            (void)net_segment(packet, piece_check, &checker);
            CU_ASSERT_TRUE(pieces >= 2 && pieces <= NET_SEGMENTS_MAX);
        }
    }
    CU_ASSERT_TRUE(delivered > 100);
    CU_ASSERT_EQUAL(c->tx->rsp_prod, c->tx->req_prod);
    close_all(1);
}

/* A packet that stays whole: its first page, how to cut it, the other pages, each in its slot. */
static void large_packets_to_the_guest(void)
{
    struct connection *c = &connections[0];
    struct net_packet *packet = net_packet_alloc_large(9000);
    uint8_t headers[80];

    open_one(c);
    net_packet_write(packet, 0, headers, tcp_headers(headers, false, 9000 - 54));
    CU_ASSERT_TRUE_FATAL(net_segment_prepare(packet, 1448, false));
    CU_ASSERT_EQUAL(netback_ring_send(&c->back, packet), 0);
    rx_post(c, 3);
    CU_ASSERT_FALSE(netback_rx_ready(&c->back));
    (void)netback_rx_run(&c->back);
    CU_ASSERT_EQUAL(c->rx->rsp_prod, 0);
    rx_post(c, 1);
    CU_ASSERT_TRUE(netback_rx_ready(&c->back));
    (void)netback_rx_run(&c->back);
    CU_ASSERT_EQUAL_FATAL(c->rx->rsp_prod, 4);
    const union netif_rx_sring_entry *ring = c->rx->ring;
    struct netif_extra_info extra;
    memcpy(&extra, &ring[1].rsp, sizeof(extra));
    CU_ASSERT_EQUAL(ring[0].rsp.flags, NETRXF_more_data | NETRXF_extra_info | NETRXF_csum_blank |
                                           NETRXF_data_validated);
    CU_ASSERT_EQUAL(ring[0].rsp.status, 4096);
    CU_ASSERT_TRUE(extra.type == XEN_NETIF_EXTRA_TYPE_GSO && extra.flags == 0);
    CU_ASSERT_TRUE(extra.u.gso.size == 1448 && extra.u.gso.type == XEN_NETIF_GSO_TYPE_TCPV4);
    CU_ASSERT_TRUE(ring[2].rsp.id == 2 && ring[2].rsp.flags == NETRXF_more_data);
    CU_ASSERT_TRUE(ring[3].rsp.id == 3 && ring[3].rsp.flags == 0);
    CU_ASSERT_EQUAL(ring[3].rsp.status, 9000 - 8192);
    CU_ASSERT_EQUAL(events[2], 1);
    close_all(1);
}

static void group_request(struct connection *c, uint8_t type, uint8_t last_byte)
{
    tx_put(c, (struct netif_tx_request){.flags = NETTXF_extra_info, .id = 77});
    tx_put_extra(c, (struct netif_extra_info){
                        .type = type, .u.mcast.addr = {1, 0, 0x5e, 0, 0, last_byte}
    });
    (void)netback_tx_run(&c->back);
}

static int16_t last_status(const struct connection *c)
{
    return c->tx->ring[(c->tx->rsp_prod - 2) % 256].rsp.status;
}

static void groups(void)
{
    static const uint8_t everybody[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t group[] = {1, 0, 0x5e, 0, 0, 5}, own[] = {2, 0, 0, 0, 0, 5};
    struct connection *c = &connections[0];

    open_one(c);
    delivered = 0;
    CU_ASSERT_EQUAL(send_new(c, 60, group), 0);
    c->back.options.multicast_control = true;
    CU_ASSERT_TRUE(send_new(c, 60, group) < 0);
    CU_ASSERT_EQUAL(send_new(c, 60, everybody), 0);
    CU_ASSERT_EQUAL(send_new(c, 60, own), 0);
    for (unsigned int i = 0; i < 100; i++) {
        group_request(c, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, (uint8_t)i);
        group_request(c, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, (uint8_t)i);
        CU_ASSERT_EQUAL(last_status(c),
                        i < NETBACK_MULTICAST_MAX ? NETIF_RSP_OKAY : NETIF_RSP_ERROR);
    }
    CU_ASSERT_EQUAL(send_new(c, 60, group), 0);
    group_request(c, XEN_NETIF_EXTRA_TYPE_MCAST_DEL, 5);
    CU_ASSERT_EQUAL(last_status(c), NETIF_RSP_OKAY);
    CU_ASSERT_TRUE(send_new(c, 60, group) < 0);
    group_request(c, XEN_NETIF_EXTRA_TYPE_MCAST_DEL, 200);
    group_request(c, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 200);
    CU_ASSERT_EQUAL(last_status(c), NETIF_RSP_OKAY);
    CU_ASSERT_EQUAL(delivered, 0);
    CU_ASSERT_FALSE(c->back.broken);
    close_all(1);
}

/* A checksum is left blank only to who takes it so: IPv4 and IPv6 apart. */
static void blank_checksums(void)
{
    struct connection *c = &connections[0];

    open_one(c);
    for (unsigned int i = 0; i < 8; i++) {
        bool six = i & 1;
        uint8_t headers[80];
        struct net_packet *packet = net_packet_alloc_large(six ? 174 : 154);
        c->back.options.can_csum = i & 2;
        c->back.options.can_csum_six = i & 4;
        net_packet_write(packet, 0, headers, tcp_headers(headers, six, 100));
        packet->checksum = NET_CHECKSUM_BLANK;
        CU_ASSERT_EQUAL(netback_ring_send(&c->back, packet), 0);
        CU_ASSERT_EQUAL(packet->checksum,
                        (i & (six ? 4 : 2)) != 0 ? NET_CHECKSUM_BLANK : NET_CHECKSUM_VALID);
    }
    c->back.options.can_sg = false;
    CU_ASSERT_TRUE(send_new(c, 4097, NULL) < 0);
    CU_ASSERT_EQUAL(send_new(c, 4096, NULL), 0);
    close_all(1);
}

/* What the rate holds back waits on the guest's ring and is not lost. */
static void rates(void)
{
    struct connection *c = &connections[0];

    open_one(c);
    CU_ASSERT_TRUE(netback_rate_read(&c->rate, "10000,50000", now));
    delivered = 0;
    memset(granted[1], 2, 1000);
    for (unsigned int i = 0; i < 25; i++) {
        tx_put(c, (struct netif_tx_request){.gref = 1, .size = 1000});
    }
    for (unsigned int wanted = 10; wanted <= 20; wanted += 10) {
        while (netback_tx_run(&c->back)) {
        }
        CU_ASSERT_EQUAL(delivered, wanted);
        CU_ASSERT_EQUAL(c->back.tx_held, now + 50000000);
        now += 50000000;
    }
    while (netback_tx_run(&c->back)) {
    }
    CU_ASSERT_EQUAL(c->tx->rsp_prod, 25);
    CU_ASSERT_EQUAL(c->back.tx_held, 0);
    close_all(1);
}

/* Producer indices that cannot be close the card; entries past them are not looked at. */
static void indices(void)
{
    struct connection *c = &connections[0];

    open_one(c);
    c->tx->req_prod = 257;
    CU_ASSERT_FALSE(netback_tx_run(&c->back));
    CU_ASSERT_TRUE(c->back.broken);
    netback_rx_detach(&c->back);
    open_one(c);
    CU_ASSERT_EQUAL(send_new(c, 60, NULL), 0);
    c->rx->req_prod = 0x80000000U;
    CU_ASSERT_FALSE(netback_rx_run(&c->back));
    CU_ASSERT_TRUE(c->back.broken);
    close_all(1);
}

static const struct report_case cases[] = {
    REPORT_CASE(silent_front_ends),
    REPORT_CASE(large_packets_from_the_guest),
    REPORT_CASE(bad_large_packets),
    REPORT_CASE(many_segments),
    REPORT_CASE(random_large_packets),
    REPORT_CASE(large_packets_to_the_guest),
    REPORT_CASE(groups),
    REPORT_CASE(blank_checksums),
    REPORT_CASE(rates),
    REPORT_CASE(indices),
};

int main(void)
{
    return report_run("netback_ring", cases, sizeof(cases) / sizeof(cases[0]));
}
