// SPDX-License-Identifier: MIT
/* The bridge on the host: ports that keep what they are sent. Every frame is freed once, whoever it
 * goes to; the sanitizer and the count of live frames watch. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/bridge.h"
#include "pvguest/memory.h"
#include "pvguest/time.h"
#include "tests/report.h"
#include <xen/errno.h>

#define PORTS 4U
#define LOCAL PORTS
#define LENGTH 60U

static uint64_t now;
static size_t pages_out;

uint64_t time_now(void)
{
    return now;
}

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

struct port {
    struct net_device net;
    unsigned int frames;
};

static struct bridge *bridge;
static struct port ports[PORTS];
static unsigned int local_frames;
static const uint8_t local_mac[] = {2, 0, 0, 0, 0, 0xff};
static const uint8_t everybody[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static int port_transmit(struct net_device *net, struct net_packet *packet)
{
    struct port *port = net->driver;
    port->frames++;
    net_packet_free(packet);
    return 0;
}

static void local_receive(struct net_device *net, struct net_packet *packet)
{
    (void)net;
    local_frames++;
    net_packet_free(packet);
}

static const uint8_t *mac_of(unsigned int i)
{
    static uint8_t macs[256][NET_ADDRESS_LENGTH];
    memcpy(macs[i], (const uint8_t[]){2, 0, 0, 0, 0, (uint8_t)i}, NET_ADDRESS_LENGTH);
    return macs[i];
}

static void setup(void)
{
    static unsigned int number;
    char name[16];

    now += 1000 * NSEC_PER_SEC;
    snprintf(name, sizeof(name), "br%u", number++);
    bridge = bridge_create(name, local_mac);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bridge);
    bridge_local(bridge)->receive = local_receive;
    memset(ports, 0, sizeof(ports));
    local_frames = 0;
    for (unsigned int i = 0; i < PORTS; i++) {
        ports[i].net.transmit = port_transmit;
        ports[i].net.driver = &ports[i];
        ports[i].net.features = NET_FEATURE_SG | NET_FEATURE_CSUM_TX;
        ports[i].net.mtu = 1500;
        ports[i].net.up = true;
        CU_ASSERT_EQUAL(bridge_add(bridge, &ports[i].net), 0);
    }
}

static void teardown(void)
{
    for (unsigned int i = 0; i < PORTS; i++) {
        bridge_remove(&ports[i].net);
    }
    CU_ASSERT_EQUAL(pages_out, 0);
}

static void send_sized(unsigned int from, const uint8_t *to, const uint8_t *source, uint32_t length)
{
    struct net_packet *packet = net_packet_alloc_large(length);
    net_packet_write(packet, 0, to, NET_ADDRESS_LENGTH);
    if (length >= NET_HEADER_LENGTH) {
        net_packet_write(packet, NET_ADDRESS_LENGTH, source, NET_ADDRESS_LENGTH);
    }
    if (from == LOCAL) {
        net_transmit(bridge_local(bridge), packet);
    } else {
        net_deliver(&ports[from].net, packet);
    }
}

static void send(unsigned int from, const uint8_t *to)
{
    send_sized(from, to, from == LOCAL ? local_mac : mac_of(from), LENGTH);
}

/* Frames of ports 0..3 and of the local one since the last look, as a number of digits. */
static unsigned int seen(void)
{
    unsigned int digits = 0;
    for (unsigned int i = 0; i < PORTS; i++) {
        digits = digits * 10 + ports[i].frames;
        ports[i].frames = 0;
    }
    digits = digits * 10 + local_frames;
    local_frames = 0;
    return digits;
}

static void floods_and_learns(void)
{
    setup();
    send(0, mac_of(1)); /* unknown: all but the sender, and dom0, whose address is known */
    CU_ASSERT_EQUAL(seen(), 1110);
    send(1, mac_of(0));
    CU_ASSERT_EQUAL(seen(), 10000);
    send(0, mac_of(1));
    CU_ASSERT_EQUAL(seen(), 1000);
    send(0, everybody);
    CU_ASSERT_EQUAL(seen(), 1111);
    send(0, mac_of(0)); /* to its own side */
    CU_ASSERT_EQUAL(seen(), 0);
    send(LOCAL, mac_of(1));
    CU_ASSERT_EQUAL(seen(), 1000);
    send(LOCAL, everybody);
    CU_ASSERT_EQUAL(seen(), 11110);
    send(2, local_mac);
    CU_ASSERT_EQUAL(seen(), 1);
    teardown();
}

static void forgets(void)
{
    setup();
    send(1, everybody);
    (void)seen();
    now += 299 * NSEC_PER_SEC;
    send(0, mac_of(1));
    CU_ASSERT_EQUAL(seen(), 1000);
    now += 2 * NSEC_PER_SEC;
    send(0, mac_of(1));
    CU_ASSERT_EQUAL(seen(), 1110);
    send(2, local_mac); /* dom0's own does not age */
    CU_ASSERT_EQUAL(seen(), 1);
    teardown();
}

/* An address stays where it is for as long as it is alive there. */
static void moves(void)
{
    setup();
    send_sized(1, everybody, mac_of(9), LENGTH);
    send_sized(2, everybody, mac_of(9), LENGTH);
    CU_ASSERT_EQUAL(seen(), 21122); /* both frames went out */
    send(0, mac_of(9));
    CU_ASSERT_EQUAL(seen(), 1000);
    now += 301 * NSEC_PER_SEC;
    send_sized(2, everybody, mac_of(9), LENGTH);
    (void)seen();
    send(0, mac_of(9));
    CU_ASSERT_EQUAL(seen(), 100);
    ports[2].net.up = false; /* what is behind a port that is down is gone */
    send_sized(1, everybody, mac_of(9), LENGTH);
    (void)seen();
    send(0, mac_of(9));
    CU_ASSERT_EQUAL(seen(), 1000);
    teardown();
}

/* A guest cannot take dom0's address, nor teach a group address. */
static void forged_sources(void)
{
    setup();
    send_sized(1, everybody, local_mac, LENGTH);
    send_sized(1, mac_of(7), everybody, LENGTH);
    CU_ASSERT_EQUAL(seen(), 0);
    send(0, local_mac);
    CU_ASSERT_EQUAL(seen(), 1);
    send(0, everybody);
    CU_ASSERT_EQUAL(seen(), 1111);
    teardown();
}

/* A pinned port: only its own address, whoever claimed it before, and no frames to strangers. */
static void pinned(void)
{
    setup();
    send_sized(2, everybody, mac_of(1), LENGTH);
    (void)seen();
    CU_ASSERT_EQUAL(bridge_pin(&ports[1].net, mac_of(1), true), 0);
    CU_ASSERT_EQUAL(bridge_pin(&ports[3].net, mac_of(1), true), -XEN_EEXIST);
    CU_ASSERT_EQUAL(bridge_pin(&ports[3].net, local_mac, true), -XEN_EEXIST);
    CU_ASSERT_EQUAL(bridge_pin(&ports[3].net, everybody, true), -XEN_EINVAL);
    send(0, mac_of(1));
    CU_ASSERT_EQUAL(seen(), 1000);
    for (unsigned int i = 0; i < 100; i++) {
        send_sized(2, everybody, mac_of(1), LENGTH); /* forged */
    }
    CU_ASSERT_EQUAL(seen(), 0);
    CU_ASSERT_EQUAL(ports[2].net.rx_dropped, 100);
    send_sized(1, everybody, mac_of(8), LENGTH); /* not its own */
    CU_ASSERT_EQUAL(seen(), 0);
    CU_ASSERT_EQUAL(ports[1].net.rx_dropped, 1);
    send(1, everybody);
    CU_ASSERT_EQUAL(seen(), 10111);
    send(0, mac_of(77)); /* unknown */
    CU_ASSERT_EQUAL(seen(), 110);
    now += 100000 * NSEC_PER_SEC;
    send(0, mac_of(1)); /* it need not have sent for long */
    CU_ASSERT_EQUAL(seen(), 1000);
    bridge_remove(&ports[1].net);
    CU_ASSERT_EQUAL(bridge_pin(&ports[1].net, mac_of(1), true), -XEN_EINVAL);
    CU_ASSERT_EQUAL(bridge_pin(&ports[3].net, mac_of(1), false), 0);
    send_sized(3, everybody, mac_of(8), LENGTH); /* it may */
    (void)seen();
    send(0, mac_of(8));
    CU_ASSERT_EQUAL(seen(), 10);
    teardown();
}

/* Port 1 tries to come by what goes from port 0 to port 2, with each hash that a bridge may have. */
static void colliding_sources(void)
{
    setup();
    send(2, everybody);
    for (unsigned int i = 0; i < 20000; i++) {
        uint8_t mac[] = {2, 0, 0, 0, 0, 0};
        /* equal sums with weights of 31, equal low bits, equal exclusive-ors, and all others */
        mac[1 + i % 4] = (uint8_t)(i >> 2);
        mac[5] = (uint8_t)(i % 3 == 0 ? 2 : i % 3 == 1 ? 2 ^ mac[1 + i % 4] : rand());
        mac[4] = (uint8_t)(i % 5 == 0 ? mac[4] + 1 : mac[4]);
        if (memcmp(mac, mac_of(2), sizeof(mac)) != 0) {
            send_sized(1, mac_of(1), mac, LENGTH);
        }
    }
    (void)seen();
    unsigned int at_attacker = 0, at_victim = 0;
    for (unsigned int i = 0; i < 100; i++) {
        send(0, mac_of(2));
        at_attacker += ports[1].frames;
        at_victim += ports[2].frames;
        (void)seen();
    }
    CU_ASSERT_EQUAL(at_attacker, 0);
    CU_ASSERT_EQUAL(at_victim, 100);
    teardown();
}

/* The attack as it was carried out: the address that the sum with weights of 31 confuses with mac_of(2). */
static void computed_collision(void)
{
    static const uint8_t collides[] = {2, 0, 0, 0, 0x10, 0x12}; /* 16 * 31 + 18 - 2 = 512, twice */
    setup();
    send(2, everybody);
    (void)seen();
    for (uint8_t low = 0; low < 255; low++) {
        for (uint8_t high = 0; high < 255; high++) {
            const uint8_t mac[] = {2, 0, collides[2], collides[3], high, low};
            if ((high * 31U + low - 2U) % 1024 == 0 && (high != 0 || low != 2)) {
                send_sized(1, mac_of(1), mac, LENGTH);
            }
        }
    }
    (void)seen();
    for (unsigned int i = 0; i < 100; i++) {
        send(0, mac_of(2));
        CU_ASSERT_EQUAL(seen(), 100);
    }
    teardown();
}

/* What one port floods has an end; what others send has not. */
static void storms(void)
{
    setup();
    for (unsigned int i = 0; i < 20000; i++) {
        send(1, everybody);
    }
    unsigned int copies = local_frames;
    (void)seen();
    CU_ASSERT_TRUE(copies > 500 && copies < 5000);
    send(1, everybody);
    CU_ASSERT_EQUAL(seen(), 0);
    send(1, local_mac); /* one receiver is no flood */
    CU_ASSERT_EQUAL(seen(), 1);
    send(0, everybody);
    CU_ASSERT_EQUAL(seen(), 1111);
    for (unsigned int i = 0; i < 20000; i++) {
        send(LOCAL, everybody);
    }
    CU_ASSERT_EQUAL(ports[0].frames, 20000);
    (void)seen();
    now += NSEC_PER_SEC;
    send(1, everybody);
    CU_ASSERT_EQUAL(seen(), 10111);
    teardown();
}

/* A packet that others get in pieces counts as so many, also the one that would go beyond the end. */
static void storms_in_segments(void)
{
    setup();
    unsigned int sent = 0, frames;
    ports[0].net.features |= NET_FEATURE_TSO4; /* takes them whole */
    do {
        struct net_packet *packet = net_packet_alloc_large(LENGTH + 256);
        net_packet_write(packet, 0, everybody, NET_ADDRESS_LENGTH);
        net_packet_write(packet, NET_ADDRESS_LENGTH, mac_of(1), NET_ADDRESS_LENGTH);
        packet->header_length = LENGTH;
        packet->segment_size = 1;
        frames = ports[0].frames;
        net_deliver(&ports[1].net, packet);
        sent++;
    } while (ports[0].frames > frames && sent < 1000);
    CU_ASSERT_TRUE(sent > 1 && sent < 40);
    CU_ASSERT_TRUE((sent - 1) * 256 * PORTS <= 4167); /* the local port is one of its receivers */
    teardown();
}

static void removed_ports(void)
{
    setup();
    send(1, everybody);
    (void)seen();
    bridge_remove(&ports[1].net);
    CU_ASSERT_PTR_NULL(bridge_of(&ports[1].net));
    send(0, mac_of(1));
    CU_ASSERT_EQUAL(seen(), 110);
    send(1, mac_of(0)); /* from a port that is gone: freed */
    CU_ASSERT_EQUAL(seen(), 0);
    bridge_remove(&ports[1].net);
    CU_ASSERT_EQUAL(bridge_add(bridge, &ports[1].net), 0);
    CU_ASSERT_EQUAL(bridge_add(bridge, &ports[1].net), -XEN_EBUSY);
    send(0, mac_of(1));
    CU_ASSERT_EQUAL(seen(), 1110);
    teardown();
}

static void ports_down(void)
{
    setup();
    send(1, everybody);
    (void)seen();
    ports[1].net.up = ports[3].net.up = false;
    send(0, mac_of(1));
    CU_ASSERT_EQUAL(seen(), 0);
    send(0, everybody);
    CU_ASSERT_EQUAL(seen(), 101);
    teardown();
}

static void sizes(void)
{
    setup();
    send_sized(0, everybody, mac_of(0), 1518);
    CU_ASSERT_EQUAL(seen(), 1111);
    send_sized(0, everybody, mac_of(0), 1519);
    CU_ASSERT_EQUAL(seen(), 0);
    send_sized(0, everybody, mac_of(0), 65535);
    CU_ASSERT_EQUAL(seen(), 0);
    ports[2].net.mtu = 9000;
    send_sized(0, everybody, mac_of(0), 5000);
    CU_ASSERT_EQUAL(seen(), 100);
    send_sized(0, everybody, mac_of(0), 13); /* no whole header */
    CU_ASSERT_EQUAL(seen(), 0);
    send_sized(0, everybody, mac_of(0), NET_HEADER_LENGTH);
    CU_ASSERT_EQUAL(seen(), 1111);
    teardown();
}

/* A port with many addresses loses its own. */
static void many_addresses(void)
{
    setup();
    send(2, everybody);
    for (unsigned int i = 0; i < 20000; i++) {
        const uint8_t mac[] = {2, (uint8_t)rand(), (uint8_t)rand(), (uint8_t)rand(), 0, 0};
        send_sized(3, mac_of(2), mac, LENGTH);
    }
    send_sized(3, mac_of(2), mac_of(4), LENGTH);
    (void)seen();
    send(1, everybody);
    (void)seen();
    send(0, mac_of(1));
    send(0, mac_of(2));
    send(0, mac_of(4));
    CU_ASSERT_EQUAL(seen(), 1110);
    teardown();
}

static void too_many_ports(void)
{
    static struct net_device many[300];
    setup();
    unsigned int added = 0;
    while (added < 300 && bridge_add(bridge, &many[added]) == 0) {
        added++;
    }
    CU_ASSERT_EQUAL(added, 256 - 1 - PORTS);
    CU_ASSERT_EQUAL(bridge_add(bridge, &many[added]), -XEN_ENOSPC);
    for (unsigned int i = 0; i < added; i++) {
        bridge_remove(&many[i]);
    }
    send(0, everybody);
    CU_ASSERT_EQUAL(seen(), 1111);
    teardown();
}

static const struct report_case cases[] = {
    REPORT_CASE(floods_and_learns),  REPORT_CASE(forgets),        REPORT_CASE(moves),
    REPORT_CASE(forged_sources),     REPORT_CASE(pinned),         REPORT_CASE(colliding_sources),
    REPORT_CASE(computed_collision), REPORT_CASE(storms),         REPORT_CASE(storms_in_segments),
    REPORT_CASE(ports_down),         REPORT_CASE(removed_ports),  REPORT_CASE(sizes),
    REPORT_CASE(many_addresses),     REPORT_CASE(too_many_ports),
};

int main(void)
{
    return report_run("bridge", cases, sizeof(cases) / sizeof(cases[0]));
}
