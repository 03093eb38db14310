// SPDX-License-Identifier: MIT
/*
 * A guest that means harm: it connects a device as a front end would, and then puts nonsense into the
 * shared rings or into the store. attack=NAME picks one; the last line is "hostile: NAME is over".
 * Nothing but this guest and its devices may suffer. pair-hold and pair-crash are two guests together.
 *
 * No driver of pvguest is used: they would not do such things.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>
#include "hostile_store.h"
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/grant.h"
#include "pvguest/memory.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/xenbus.h"

#define DOM0 0
#define ROUNDS 20
#define STEP_NS (10 * NSEC_PER_MSEC)
#define WAIT_STEPS 500
#define STORE_TRIES 5000U
#define STORM_SENDS 1000000U
#define PARTNERS 16 /* numbers of domains that a page is shared with */

struct victim {
    const char *node;
    char backend[128];
    void *rings[2]; /* tx and rx of a card; the first alone of a disk */
    int grants[2];
    int data_grant;
    int port;
};

static bool backend_reaches(const struct victim *v, XenbusState state)
{
    for (int i = 0; i < WAIT_STEPS; i++) {
        if (xenbus_read_state(v->backend) == state) {
            return true;
        }
        thread_sleep(STEP_NS);
    }
    return false;
}

static bool pages_share(struct victim *v)
{
    void *data = page_alloc(0);

    for (int i = 0; i < 2; i++) {
        v->rings[i] = page_alloc(0);
        v->grants[i] = v->rings[i] ? grant_access(DOM0, virt_to_mfn(v->rings[i]), false) : -1;
    }
    v->data_grant = data ? grant_access(DOM0, virt_to_mfn(data), false) : -1;
    v->port = event_alloc_unbound(DOM0, NULL, NULL);
    return v->grants[0] > 0 && v->grants[1] > 0 && v->data_grant > 0 && v->port > 0;
}

/* Connects as a well-behaved front end does. */
static bool victim_connect(struct victim *v, const char *node)
{
    bool is_net = strstr(node, "vif") != NULL;

    v->node = node;
    if (xenbus_read_text(node, "backend", v->backend, sizeof(v->backend)) != 0 ||
        !backend_reaches(v, XenbusStateInitWait) || !pages_share(v)) {
        return false;
    }
    /* Empty rings: the events' thresholds as the ring macros start them. */
    for (int i = 0; i < 2; i++) {
        uint32_t *ring = v->rings[i];
        ring[1] = ring[3] = 1;
    }
    xenbus_printf(XENBUS_NO_TRANSACTION, node, is_net ? "tx-ring-ref" : "ring-ref", "%d",
                  v->grants[0]);
    xenbus_printf(XENBUS_NO_TRANSACTION, node, "rx-ring-ref", "%d", v->grants[1]);
    xenbus_printf(XENBUS_NO_TRANSACTION, node, "event-channel", "%d", v->port);
    xenbus_printf(XENBUS_NO_TRANSACTION, node, "request-rx-copy", "1");
    xenbus_printf(XENBUS_NO_TRANSACTION, node, "feature-sg", "1");
    xenbus_printf(XENBUS_NO_TRANSACTION, node, "protocol", "x86_64-abi");
    xenbus_write_state(node, is_net ? XenbusStateConnected : XenbusStateInitialised);
    if (!backend_reaches(v, XenbusStateConnected)) {
        return false;
    }
    xenbus_write_state(node, XenbusStateConnected);
    return true;
}

static void ring_publish(struct victim *v, int ring, uint32_t producer)
{
    __atomic_store_n((uint32_t *)v->rings[ring], producer, __ATOMIC_SEQ_CST);
    event_send((evtchn_port_t)v->port);
    thread_sleep(STEP_NS);
}

/* Attacks on a card ----------------------------------------------------------------------------- */
static void ring_index(struct victim *v)
{
    ring_publish(v, 0, 0x7fffffff);
    ring_publish(v, 0, 0x80000000);
    ring_publish(v, 1, 0xffffffff);
    ring_publish(v, 0, 3);
}

static void ring_random(struct victim *v)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (int ring = 0; ring < 2; ring++) {
            uint32_t *words = v->rings[ring];
            for (size_t i = 16; i < PAGE_SIZE / sizeof(*words); i++) {
                words[i] = (uint32_t)rand() * 2654435761U;
            }
            ring_publish(v, ring, (uint32_t)(round + 1) * 8);
        }
    }
}

static void net_fill(struct victim *v, struct netif_tx_request template)
{
    netif_tx_sring_t *ring = v->rings[0];

    for (unsigned int i = 0; i < 200; i++) {
        ring->ring[i % 256].req = template;
        ring->ring[i % 256].req.id = (uint16_t)i;
    }
    ring_publish(v, 0, 200);
}

static void net_gref(struct victim *v)
{
    net_fill(v, (struct netif_tx_request){.gref = 0xfffffff0U, .size = 1500});
}

static void net_size(struct victim *v)
{
    net_fill(v, (struct netif_tx_request){
                    .gref = (grant_ref_t)v->data_grant, .offset = 4000, .size = 60000});
}

static void net_chain(struct victim *v)
{
    net_fill(v, (struct netif_tx_request){
                    .gref = (grant_ref_t)v->data_grant, .flags = NETTXF_more_data, .size = 65535});
}

static void net_extra(struct victim *v)
{
    net_fill(v, (struct netif_tx_request){.gref = 0xffffffffU,
                                          .offset = 0xffff,
                                          .flags = NETTXF_extra_info | NETTXF_more_data,
                                          .size = 100});
}

/* Receive buffers that do not exist; the broadcasts of the others fill them. */
static void net_receive(struct victim *v)
{
    netif_rx_sring_t *ring = v->rings[1];

    for (unsigned int i = 0; i < 256; i++) {
        ring->ring[i].req = (struct netif_rx_request){.id = 0xffff, .gref = 0xffffff00U + i};
    }
    ring_publish(v, 1, 256);
    thread_sleep(NSEC_PER_SEC / 2);
}

/* Attacks on a disk ----------------------------------------------------------------------------- */
static void blk_fill(struct victim *v, struct blkif_request template)
{
    blkif_sring_t *ring = v->rings[0];

    for (unsigned int i = 0; i < 32; i++) {
        ring->ring[i].req = template;
        ring->ring[i].req.id = i;
    }
    ring_publish(v, 0, 32);
}

static struct blkif_request blk_read(const struct victim *v)
{
    struct blkif_request request = {.operation = BLKIF_OP_READ, .nr_segments = 1};

    request.seg[0] = (struct blkif_request_segment){
        .gref = (grant_ref_t)v->data_grant, .first_sect = 0, .last_sect = 7};
    return request;
}

static void blk_gref(struct victim *v)
{
    struct blkif_request request = blk_read(v);

    request.seg[0].gref = 0xfffffff0U;
    blk_fill(v, request);
}

static void blk_segments(struct victim *v)
{
    struct blkif_request request = blk_read(v);

    request.nr_segments = 255;
    blk_fill(v, request);
}

static void blk_sectors(struct victim *v)
{
    struct blkif_request request = blk_read(v);

    request.seg[0].first_sect = 200;
    request.seg[0].last_sect = 7;
    blk_fill(v, request);
}

static void blk_beyond(struct victim *v)
{
    struct blkif_request request = blk_read(v);

    request.sector_number = ~0ULL - 3;
    blk_fill(v, request);
}

static void blk_operation(struct victim *v)
{
    struct blkif_request request = blk_read(v);

    request.operation = 0xee;
    blk_fill(v, request);
}

static void blk_indirect(struct victim *v)
{
    struct blkif_request_indirect indirect = {
        .operation = BLKIF_OP_INDIRECT, .indirect_op = BLKIF_OP_READ, .nr_segments = 0xffff};
    struct blkif_request request = {0};

    for (size_t i = 0; i < BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST; i++) {
        indirect.indirect_grefs[i] = 0xfffffff0U;
    }
    memcpy(&request, &indirect,
           sizeof(indirect) < sizeof(request) ? sizeof(indirect) : sizeof(request));
    blk_fill(v, request);
}

/* Attacks through the store ---------------------------------------------------------------------- */
static void store_nonsense(struct victim *v)
{
    static const char *const names[] = {"tx-ring-ref", "ring-ref", "rx-ring-ref", "event-channel",
                                        "state",       "protocol", "mac",         "backend"};
    static const char *const values[] = {"99999999999999999999", "-1", "banana", "",
                                         "4294967295",           "4"};

    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            xenbus_printf(XENBUS_NO_TRANSACTION, v->node, names[n], "%s", values[i]);
            xenbus_printf(XENBUS_NO_TRANSACTION, v->node, "state", "%u", (unsigned int)i);
            thread_sleep(STEP_NS);
        }
    }
}

/* Takes more nodes, and more transactions, than a domain may have. */
static void store_flood(struct victim *v)
{
    uint32_t transaction;
    unsigned int nodes = 0, transactions = 0;

    (void)v;
    while (nodes < STORE_TRIES &&
           xenbus_printf(XENBUS_NO_TRANSACTION, "data", NULL, "x") != -XEN_ENODEV) {
        char path[32];
        snprintf(path, sizeof(path), "data/%u", nodes);
        if (xenbus_write(XENBUS_NO_TRANSACTION, path, "x", 1) != 0) {
            break;
        }
        nodes++;
    }
    while (transactions < STORE_TRIES && xenbus_transaction_start(&transaction) == 0) {
        transactions++;
    }
    printf("hostile: got %u nodes and %u transactions%s\n", nodes, transactions,
           nodes == STORE_TRIES || transactions == STORE_TRIES ? ", no limit found" : "");
}

/* Storms ----------------------------------------------------------------------------------------- */
static void storm(evtchn_port_t port)
{
    for (unsigned int i = 0; i < STORM_SENDS; i++) {
        event_send(port);
    }
    xenbus_write(XENBUS_NO_TRANSACTION, "data/over", "1", 1);
}

static void device_storm(struct victim *v)
{
    storm((evtchn_port_t)v->port);
}

static void store_storm(struct victim *v)
{
    (void)v;
    storm(start_info_page->store_evtchn);
}

static void console_storm(struct victim *v)
{
    (void)v;
    storm(start_info_page->console.domU.evtchn);
}

/* Attacks of two guests -------------------------------------------------------------------------- */
/* Crashes as soon as a partner has mapped a page of it: what is left of it stays. */
static void pair_crash(struct victim *v)
{
    int grants[PARTNERS];
    void *page = page_alloc(0);

    (void)v;
    for (int i = 0; i < PARTNERS; i++) {
        grants[i] = page ? grant_access((domid_t)(i + 1), virt_to_mfn(page), true) : -1;
    }
    for (;;) {
        for (int i = 0; i < PARTNERS; i++) {
            if (grants[i] > 0 && grant_is_busy((grant_ref_t)grants[i])) {
                abort();
            }
        }
        thread_sleep(STEP_NS);
    }
}

/* Maps one page of each domain that lets it, and never lets go. */
static bool hold_page(domid_t domid)
{
    for (grant_ref_t ref = 8; ref < 8 + 2 * PARTNERS; ref++) {
        struct grant_mapping mapping;
        if (grant_map(domid, &ref, 1, true, &mapping) == 0) {
            return true;
        }
    }
    return false;
}

static void pair_hold(struct victim *v)
{
    (void)v;
    for (domid_t first = 1; first < DOMID_FIRST_RESERVED; thread_sleep(STEP_NS)) {
        for (domid_t domid = first; domid < first + PARTNERS; domid++) {
            if (hold_page(domid)) {
                printf("hostile: holds a page of domain %u\n", domid);
                first = domid + 1;
            }
        }
    }
}

static const struct attack {
    const char *name;
    const char *node;
    void (*run)(struct victim *v);
} attacks[] = {
    {"net-index",     "device/vif/0",     ring_index    },
    {"net-random",    "device/vif/0",     ring_random   },
    {"net-gref",      "device/vif/0",     net_gref      },
    {"net-size",      "device/vif/0",     net_size      },
    {"net-chain",     "device/vif/0",     net_chain     },
    {"net-extra",     "device/vif/0",     net_extra     },
    {"net-receive",   "device/vif/0",     net_receive   },
    {"net-store",     "device/vif/0",     store_nonsense},
    {"blk-index",     "device/vbd/51712", ring_index    },
    {"blk-random",    "device/vbd/51712", ring_random   },
    {"blk-gref",      "device/vbd/51712", blk_gref      },
    {"blk-segments",  "device/vbd/51712", blk_segments  },
    {"blk-sectors",   "device/vbd/51712", blk_sectors   },
    {"blk-beyond",    "device/vbd/51712", blk_beyond    },
    {"blk-operation", "device/vbd/51712", blk_operation },
    {"blk-indirect",  "device/vbd/51712", blk_indirect  },
    {"blk-store",     "device/vbd/51712", store_nonsense},
    {"store-flood",   NULL,               store_flood   },
    {"large-commit",  NULL,               large_commit  },
    {"large-fill",    NULL,               large_fill    },
    {"net-storm",     "device/vif/0",     device_storm  },
    {"blk-storm",     "device/vbd/51712", device_storm  },
    {"store-storm",   NULL,               store_storm   },
    {"console-storm", NULL,               console_storm },
    {"pair-crash",    NULL,               pair_crash    },
    {"pair-hold",     NULL,               pair_hold     },
};

int main(void)
{
    static struct victim victim;
    const char *name = start_option("attack");

    for (size_t i = 0; name && i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        const struct attack *attack = &attacks[i];
        if (strcmp(attack->name, name) != 0) {
            continue;
        }
        if (attack->node && !victim_connect(&victim, attack->node)) {
            printf("hostile: %s does not connect\n", attack->node);
            break;
        }
        attack->run(&victim);
        printf("hostile: %s is over\n", name);
        fflush(stdout);
        thread_sleep(3600 * NSEC_PER_SEC);
    }
    printf("hostile: no such attack, or it failed\n");
    return 1;
}
