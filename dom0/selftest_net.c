// SPDX-License-Identifier: MIT
/*
 * The cases of the network path's self-test. A card is offered to this domain itself, on a bridge
 * whose local port the test listens to: once to the real front end and, for the hostile cases, to a
 * hand-made one that writes into its rings what no correct front end would. Each hostile case has
 * to end with its own card closed and nothing else disturbed.
 */
#include "dom0/selftest_net.h"

#include <stdio.h>
#include <string.h>

#include "dom0/selftest_device.h"
#include "dom0/selftest_front.h"
#include "pvguest/console.h"
#include "pvguest/event.h"
#include "pvguest/grant.h"
#include "pvguest/memory.h"
#include "pvguest/net.h"
#include "pvguest/netfront.h"
#include "pvguest/ring.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/xenbus.h"
#include <xen/io/netif.h>

#define FRONT_BACK "/local/domain/0/backend/vif/0/7"
#define FRONT "/local/domain/0/device/vif/7"
#define CARD "eth7"
#define SETTLE_NS (50 * NSEC_PER_MSEC)
#define FRAME_MAX 1514U

static const uint8_t everybody[NET_ADDRESS_LENGTH] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t card_mac[NET_ADDRESS_LENGTH] = {0x00, 0x16, 0x3e, 0, 0, 0x07};

/* What the bridge's local port and the card have received. */
static struct seen {
    unsigned int frames, wrong;
    uint64_t bytes;
} at_bridge, at_card;

/* Frames ------------------------------------------------------------------------------------------- */
static void frame_receive(struct net_device *net, struct net_packet *packet)
{
    struct seen *seen = net->receiver;
    uint8_t bytes[FRAME_MAX];
    bool good = packet->length <= FRAME_MAX && net_packet_read(packet, 0, bytes, packet->length);

    for (uint32_t i = 2 * NET_ADDRESS_LENGTH; good && i < packet->length; i++) {
        good = bytes[i] == selftest_frame_byte(packet->length, i);
    }
    seen->frames++;
    seen->wrong += !good;
    seen->bytes += packet->length;
    net_packet_free(packet);
}

/* Sends a frame of each length in some steps and waits until all are there. */
static const char *frames_send(struct net_device *net, const uint8_t *to, const uint8_t *from,
                               struct seen *seen)
{
    uint64_t bytes = 0;
    unsigned int count = 0;

    *seen = (struct seen){0};
    for (uint32_t length = NET_HEADER_LENGTH; length <= FRAME_MAX; length += 4) {
        struct net_packet *packet = selftest_frame(to, from, length);
        if (packet == NULL || net_transmit(net, packet) != 0) {
            return "not sent";
        }
        bytes += length;
        if (++count % 32 == 0) {
            thread_sleep(NSEC_PER_MSEC);
        }
    }
    for (uint64_t end = time_now() + SELFTEST_PATIENCE_NS;
         seen->frames < count && time_now() < end;) {
        thread_sleep(NSEC_PER_MSEC);
    }
    return seen->frames != count || seen->bytes != bytes ? "frames are lost"
           : seen->wrong != 0                            ? "frames have changed"
                                                         : NULL;
}

static struct net_device *bridge_port(void)
{
    struct net_device *local = selftest_bridge_port();

    if (local != NULL) {
        local->receive = frame_receive;
        local->receiver = &at_bridge;
    }
    return local;
}

static const char *front_transfers(void)
{
    struct net_device *card = net_find(CARD), *local = bridge_port();

    if (card == NULL || !card->up || local == NULL ||
        !selftest_state_reached(FRONT_BACK, XenbusStateConnected)) {
        return "no card";
    }
    card->receive = frame_receive;
    card->receiver = &at_card;
    const char *why = frames_send(card, selftest_bridge_mac, card_mac, &at_bridge);
    return why != NULL ? why : frames_send(local, card_mac, selftest_bridge_mac, &at_card);
}

static const char *front_connects(void)
{
    static bool started;

    if (bridge_port() == NULL || selftest_card_offer(FRONT_BACK, FRONT, "00:16:3e:00:00:07") != 0 ||
        (!started && netfront_init() != 0)) {
        return "no set-up";
    }
    started = true;
    return netfront_wait(CARD, SELFTEST_PATIENCE_NS) != NULL ? front_transfers() : "no connection";
}

static const char *front_reconnects(void)
{
    (void)xenbus_write_state(FRONT, XenbusStateClosing);
    if (!selftest_state_reached(FRONT_BACK, XenbusStateClosed)) {
        return "back end does not close"; /* it asks the front end, which closes then */
    }
    (void)xenbus_write_state(FRONT, XenbusStateInitialising);
    if (!selftest_state_reached(FRONT, XenbusStateConnected)) {
        return "no second connection";
    }
    return netfront_wait(CARD, SELFTEST_PATIENCE_NS) != NULL ? front_transfers()
                                                             : "card stays down";
}

/* The back end goes away while frames wait on both rings. */
static const char *front_removed(void)
{
    struct net_device *card = net_find(CARD), *local = bridge_port();

    for (unsigned int i = 0; i < 40; i++) {
        struct net_packet *out = selftest_frame(selftest_bridge_mac, card_mac, FRAME_MAX);
        struct net_packet *in = selftest_frame(card_mac, selftest_bridge_mac, FRAME_MAX);
        if (out == NULL || in == NULL) {
            return "no memory";
        }
        (void)net_transmit(card, out);
        (void)net_transmit(local, in);
    }
    (void)xenbus_rm(XENBUS_NO_TRANSACTION, FRONT_BACK);
    bool closed = selftest_state_reached(FRONT, XenbusStateClosed);
    (void)xenbus_rm(XENBUS_NO_TRANSACTION, FRONT);
    thread_sleep(SETTLE_NS);
    return closed && !card->up ? NULL : "card is still up";
}

/* Hostile front ends -------------------------------------------------------------------------------- */
/* Connects, lets `spoil` write into the rings, and expects the card to be closed. */
static const char *hostile_run(void (*spoil)(struct selftest_front *hostile))
{
    struct selftest_front hostile;
    const char *why = "no connection";

    if (selftest_front_open(&hostile)) {
        spoil(&hostile);
        event_send(hostile.port);
        why = selftest_state_reached(SELFTEST_BACK, XenbusStateClosing) ? NULL : "back end goes on";
    }
    selftest_front_close(&hostile);
    return why;
}

static void spoil_index(struct selftest_front *hostile)
{
    hostile->tx.sring->req_prod = 0x80000000U;
}

static void spoil_rx_index(struct selftest_front *hostile)
{
    hostile->rx.sring->req_prod = 257;
}

static void spoil_size(struct selftest_front *hostile)
{
    (void)selftest_front_add(hostile, 60000, 0);
    RING_PUSH_REQUESTS(&hostile->tx);
}

static void spoil_offset(struct selftest_front *hostile)
{
    selftest_front_add(hostile, 60, 0)->offset = 4090;
    RING_PUSH_REQUESTS(&hostile->tx);
}

static void spoil_extra(struct selftest_front *hostile)
{
    (void)selftest_front_add(hostile, 100, NETTXF_extra_info);
    selftest_front_add(hostile, 100, 0)->gref = XEN_NETIF_EXTRA_TYPE_MAX;
    RING_PUSH_REQUESTS(&hostile->tx);
}

static void spoil_endless(struct selftest_front *hostile)
{
    for (unsigned int i = 0; i < 100; i++) {
        (void)selftest_front_add(hostile, i == 0 ? 4000 : 10, NETTXF_more_data);
    }
    RING_PUSH_REQUESTS(&hostile->tx);
}

#define HOSTILE_CASE(name)                                                                         \
    static const char *hostile_##name(void)                                                        \
    {                                                                                              \
        return hostile_run(spoil_##name);                                                          \
    }
HOSTILE_CASE(index)
HOSTILE_CASE(rx_index)
HOSTILE_CASE(size)
HOSTILE_CASE(offset)
HOSTILE_CASE(extra)
HOSTILE_CASE(endless)

/* A packet of `count` pieces, the first of which tells `total`. */
static void pieces_add(struct selftest_front *hostile, unsigned int count, uint16_t total)
{
    for (unsigned int i = 0; i < count; i++) {
        (void)selftest_front_add(hostile, i == 0 ? total : 100,
                                 i + 1 < count ? NETTXF_more_data : 0);
    }
}

static bool answers_are(const struct selftest_front *hostile, RING_IDX from, RING_IDX to,
                        int16_t status)
{
    while (from != to && hostile->tx.sring->ring[from].rsp.status == status) {
        from++;
    }
    return from == to;
}

/* Packets that are bad alone: a grant that does not exist, a frame too short, too many pieces, pieces that
 * are more than the whole. A packet waits for its last entry for as long as it takes. */
static const char *answers_check(struct selftest_front *hostile)
{
    selftest_front_add(hostile, 60, 0)->gref = 0xfffffff0U;
    (void)selftest_front_add(hostile, 13, 0);
    pieces_add(hostile, 19, 3000);
    pieces_add(hostile, 21, 3000);
    pieces_add(hostile, 3, 150);
    pieces_add(hostile, 18, 3000);
    (void)selftest_front_add(hostile, 60, 0);
    (void)selftest_front_add(hostile, 60, NETTXF_more_data);
    selftest_front_push(hostile);
    if (!selftest_front_answered(hostile, 64)) {
        return "not 64 answers";
    }
    if (!answers_are(hostile, 0, 45, NETIF_RSP_ERROR) ||
        !answers_are(hostile, 45, 64, NETIF_RSP_OKAY)) {
        return "wrong status";
    }
    (void)selftest_front_add(hostile, 20, 0);
    selftest_front_push(hostile);
    if (!selftest_front_answered(hostile, 66)) {
        return "the rest is not answered";
    }
    return xenbus_read_state(SELFTEST_BACK) == XenbusStateConnected ? NULL : "closed";
}

static const char *hostile_grant(void)
{
    struct selftest_front hostile;
    const char *why = selftest_front_open(&hostile) ? answers_check(&hostile) : "no connection";

    selftest_front_close(&hostile);
    return why;
}

/* Nobody takes what is sent: a bounded queue, and a posted page that is none is answered. */
static const char *queue_check(struct selftest_front *hostile)
{
    size_t before = page_free_count();

    for (unsigned int i = 0; i < 5000; i++) {
        struct net_packet *packet = selftest_frame(everybody, selftest_bridge_mac, 60);
        if (packet != NULL) {
            (void)net_transmit(bridge_port(), packet);
        }
    }
    if (before > page_free_count() + 2048) { /* this card's queue and the other's */
        return "the queue has no end";
    }
    const char *why = front_transfers();
    if (why != NULL) {
        return why;
    }
    *RING_GET_REQUEST(&hostile->rx, 0) = (struct netif_rx_request){.id = 5, .gref = 0xfffffff0U};
    hostile->rx.req_prod_pvt = 1;
    RING_PUSH_REQUESTS(&hostile->rx);
    event_send(hostile->port);
    thread_sleep(SETTLE_NS);
    const struct netif_rx_sring *sring = hostile->rx.sring;
    if (__atomic_load_n(&sring->rsp_prod, __ATOMIC_ACQUIRE) != 1) {
        return "no answer";
    }
    return sring->ring[0].rsp.status == NETIF_RSP_ERROR && sring->ring[0].rsp.id == 5
               ? NULL
               : "wrong answer";
}

static const char *hostile_deaf(void)
{
    struct selftest_front hostile;
    const char *why = selftest_front_open(&hostile) ? queue_check(&hostile) : "no connection";

    selftest_front_close(&hostile);
    return why;
}

/* Nodes that name no rings and no port. */
static const char *hostile_nodes(void)
{
    static const uint64_t numbers[][3] = {
        {0xfffffff0U, 8,           1         },
        {8,           0xfffffff0U, 1         },
        {UINT64_MAX,  8,           1         },
        {8,           8,           0x7fffffff},
        {8,           8,           UINT64_MAX}
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct selftest_front hostile;
        const uint64_t *n = numbers[i];
        bool closed = selftest_front_start(&hostile) &&
                      selftest_front_publish(n[0] == 8 ? hostile.tx_grant : n[0],
                                             n[1] == 8 ? hostile.rx_grant : n[1], n[2]) &&
                      selftest_state_reached(SELFTEST_BACK, XenbusStateClosing);
        selftest_front_close(&hostile);
        if (!closed) {
            return "back end goes on";
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------------------------------------------- */
static const struct {
    const char *name;
    const char *(*run)(void);
} cases[] = {
    {"front-transfers",       front_connects             },
    {"front-reconnects",      front_reconnects           },
    {"hostile-index",         hostile_index              },
    {"hostile-rx-index",      hostile_rx_index           },
    {"hostile-size",          hostile_size               },
    {"hostile-offset",        hostile_offset             },
    {"hostile-extra",         hostile_extra              },
    {"hostile-endless",       hostile_endless            },
    {"hostile-grant",         hostile_grant              },
    {"hostile-deaf",          hostile_deaf               },
    {"hostile-nodes",         hostile_nodes              },
    {"split-channels",        selftest_net_split_channels},
    {"half-split",            selftest_net_half_split    },
    {"multicast",             selftest_net_multicast     },
    {"antispoof",             selftest_net_antispoof     },
    {"hostile-back-index",    selftest_net_back_index    },
    {"hostile-back-rx-id",    selftest_net_back_rx_id    },
    {"hostile-back-rx-size",  selftest_net_back_rx_size  },
    {"hostile-back-tx-id",    selftest_net_back_tx_id    },
    {"front-still-transfers", front_transfers            },
    {"front-removed",         front_removed              },
};

int selftest_net(void)
{
    int failed = 0, passed = 0;

    const size_t last = sizeof(cases) / sizeof(cases[0]) -
                        1; /* takes down what the first has set up */
    for (size_t i = 0; i <= last; i = console_interrupted() && i < last ? last : i + 1) {
        const char *why = cases[i].run();
        if (why == NULL) {
            printf("PASS net/%s\n", cases[i].name);
            passed++;
        } else {
            printf("FAIL net/%s: %s\n", cases[i].name, why);
            failed++;
        }
    }
    printf("RESULT %d passed, %d failed\n", passed, failed);
    return failed;
}
