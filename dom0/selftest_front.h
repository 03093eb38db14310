// SPDX-License-Identifier: MIT
/*
 * A network front end by hand, of this domain itself and on a bridge of its own: the cases of
 * selftest_net.c let it break the rules, those of selftest_net_offers.c use what netback offers.
 */
#pragma once

#include <stdbool.h>

#include "pvguest/event.h"
#include "pvguest/grant.h"
#include "pvguest/net.h"
#include "pvguest/ring.h"
#include <xen/io/netif.h>

/* Nodes of its back end and its own. */
#define SELFTEST_BACK "/local/domain/0/backend/vif/0/9"
#define SELFTEST_FRONT "/local/domain/0/selftest/vif/9"
#define SELFTEST_MAC "00:16:3e:00:00:09"

struct selftest_front {
    struct netif_tx_front_ring tx;
    struct netif_rx_front_ring rx;
    grant_ref_t tx_grant, rx_grant;
    evtchn_port_t port;
    void *page; /* for what is sent */
    grant_ref_t page_grant;
};

extern const uint8_t selftest_bridge_mac[NET_ADDRESS_LENGTH];
/* The local port of the tests' bridge, made on first use; NULL without memory. */
struct net_device *selftest_bridge_port(void);
/* Offers a card on that bridge: nodes of a back end and of a front end. 0 or -XEN_E*. */
int selftest_card_offer(const char *back, const char *front, const char *mac);

/* Offered, not connected yet: nodes can be added. */
bool selftest_front_start(struct selftest_front *front);
/* Writes these numbers as rings and port, and calls itself connected. */
bool selftest_front_publish(uint64_t tx, uint64_t rx, uint64_t port);
/* Publishes what is there; the back end has connected. */
bool selftest_front_connect(const struct selftest_front *front);
/* Start and connect. */
bool selftest_front_open(struct selftest_front *front);
void selftest_front_close(struct selftest_front *front);

/* Puts a request for the page onto the ring; the caller may change it before the push. */
struct netif_tx_request *selftest_front_add(struct selftest_front *front, uint16_t size,
                                            uint16_t flags);
/* Pushes and tells the back end. */
void selftest_front_push(struct selftest_front *front);
/* Waits until so many answers to requests are there. */
bool selftest_front_answered(const struct selftest_front *front, RING_IDX count);

/* A frame whose bytes tell of its length and their place; NULL without memory. */
uint8_t selftest_frame_byte(uint32_t length, uint32_t at);
struct net_packet *selftest_frame(const uint8_t *to, const uint8_t *from, uint32_t length);
