// SPDX-License-Identifier: MIT
/*
 * The cases of the block path's self-test. The disk is offered to this domain itself, once to the
 * real front end and, for the hostile cases, to a hand-made one that writes into its ring what no
 * correct front end would. Each hostile case has to end with its own device closed and nothing
 * else disturbed.
 */
#include "dom0/selftest_disk.h"

#include <stdio.h>
#include <string.h>

#include "dom0/selftest_back.h"
#include "dom0/selftest_device.h"
#include "pvguest/blkfront.h"
#include "pvguest/block.h"
#include "pvguest/console.h"
#include "pvguest/event.h"
#include "pvguest/grant.h"
#include "pvguest/memory.h"
#include "pvguest/ring.h"
#include <xen/io/blkif.h>

#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/xenbus.h"

#define AREA_ORDER 8 /* 1 MiB */
#define AREA_SIZE (PAGE_SIZE << AREA_ORDER)
#define AREA_SECTORS (AREA_SIZE / BLOCK_SECTOR_SIZE)
#define BACK "/local/domain/0/backend/vbd/0"
#define FRONT_ID 51712U   /* xvda */
#define HOSTILE_ID 51728U /* xvdb */

struct test {
    const char *disk_name;
    struct block_device *disk;
    char *kept;    /* what was on the disk */
    char *written; /* a pattern */
    char *seen;
};

/* A front end by hand. */
struct hostile {
    char back[64];
    char front[64];
    struct blkif_front_ring ring;
    grant_ref_t grant;
    evtchn_port_t port;
};

/* Each case gives NULL, or what went wrong. */
typedef const char *test_case(struct test *test);

static void pattern_fill(const struct test *test, uint32_t seed)
{
    uint32_t *words = (uint32_t *)test->written;
    for (size_t i = 0; i < AREA_SIZE / sizeof(*words); i++) {
        words[i] = (seed + (uint32_t)i) * 2654435761U;
    }
}

static const char *write_and_compare(const struct test *test, struct block_device *disk)
{
    pattern_fill(test, (uint32_t)time_now());
    memset(test->seen, 0, AREA_SIZE);
    if (block_write(disk, 0, test->written, AREA_SECTORS) != 0) {
        return "write failed";
    }
    if (block_flush(disk) != 0) {
        return "flush failed";
    }
    if (block_read(disk, 0, test->seen, AREA_SECTORS) != 0) {
        return "read failed";
    }
    return memcmp(test->written, test->seen, AREA_SIZE) == 0 ? NULL : "read something else";
}

static const char *disk_transfers(struct test *test)
{
    return write_and_compare(test, test->disk);
}

static const char *disk_range(struct test *test)
{
    struct block_device *disk = test->disk;
    if (block_read(disk, disk->sectors, test->seen, 1) == 0 ||
        block_read(disk, disk->sectors - 1, test->seen, 2) == 0) {
        return "read beyond the end";
    }
    return block_read(disk, disk->sectors - 1, test->seen, 1) == 0 ? NULL : "last sector";
}

/* Devices ------------------------------------------------------------------------------------------ */
static int disk_offer(const struct test *test, const char *back, const char *front)
{
    const struct selftest_node nodes[] = {
        {back,  "frontend",    front          },
        {back,  "frontend-id", "0"            },
        {back,  "params",      test->disk_name},
        {back,  "mode",        "w!"           },
        {back,  "state",       "1"            },
        {front, "backend",     back           },
        {front, "backend-id",  "0"            },
        {front, "state",       "1"            }
    };

    return selftest_nodes_write(nodes, sizeof(nodes) / sizeof(nodes[0]));
}

static void front_name(char *path, size_t size, const char *dir, unsigned int id)
{
    snprintf(path, size, "/local/domain/0/%s/%u", dir, id);
}

/* The real front end --------------------------------------------------------------------------------- */
static const char *front_transfers(struct test *test)
{
    char back[64];
    char front[64];
    snprintf(back, sizeof(back), BACK "/%u", FRONT_ID);
    front_name(front, sizeof(front), "device/vbd", FRONT_ID);
    if (disk_offer(test, back, front) != 0 || blkfront_init(SELFTEST_PATIENCE_NS) != 0 ||
        !selftest_state_reached(front, XenbusStateConnected)) {
        return "no connection";
    }
    struct block_device *disk = block_find("xvda");
    if (disk == NULL || disk->sectors != test->disk->sectors) {
        return "wrong size";
    }
    return write_and_compare(test, disk);
}

static const char *front_reconnects(struct test *test)
{
    char front[64];
    front_name(front, sizeof(front), "device/vbd", FRONT_ID);
    (void)xenbus_write_state(front, XenbusStateClosing);
    char back[64];
    snprintf(back, sizeof(back), BACK "/%u", FRONT_ID);
    if (!selftest_state_reached(back, XenbusStateClosing) &&
        !selftest_state_reached(back, XenbusStateClosed)) {
        return "back end does not close";
    }
    (void)xenbus_write_state(front, XenbusStateClosed);
    if (!selftest_state_reached(back, XenbusStateClosed) || block_find("xvda") != NULL) {
        return "disk still there";
    }
    (void)xenbus_write_state(front, XenbusStateInitialising);
    if (!selftest_state_reached(front, XenbusStateConnected)) {
        return "no second connection";
    }
    struct block_device *disk = block_find("xvda");
    return disk != NULL ? write_and_compare(test, disk) : "no disk";
}

static const char *front_removed(struct test *test)
{
    char path[64];
    (void)test;
    snprintf(path, sizeof(path), BACK "/%u", FRONT_ID);
    (void)xenbus_rm(XENBUS_NO_TRANSACTION, path);
    front_name(path, sizeof(path), "device/vbd", FRONT_ID);
    bool closed = selftest_state_reached(path, XenbusStateClosed);
    (void)xenbus_rm(XENBUS_NO_TRANSACTION, path);
    return closed && block_find("xvda") == NULL ? NULL : "disk still there";
}

/* Hostile front ends -------------------------------------------------------------------------------- */
static void hostile_close(struct hostile *hostile)
{
    (void)xenbus_rm(XENBUS_NO_TRANSACTION, hostile->back);
    (void)xenbus_rm(XENBUS_NO_TRANSACTION, hostile->front);
    thread_sleep(20 * NSEC_PER_MSEC); /* the back end lets go */
    if (hostile->port != 0) {
        event_unbind(hostile->port);
    }
    grant_end_later(hostile->grant, hostile->ring.sring);
}

/* Everything up to the two nodes that tell the back end where the ring is. */
static bool hostile_start(const struct test *test, struct hostile *hostile)
{
    memset(hostile, 0, sizeof(*hostile));
    snprintf(hostile->back, sizeof(hostile->back), BACK "/%u", HOSTILE_ID);
    front_name(hostile->front, sizeof(hostile->front), "selftest/vbd", HOSTILE_ID);
    struct blkif_sring *sring = page_alloc(0);
    if (sring == NULL || disk_offer(test, hostile->back, hostile->front) != 0) {
        page_free(sring, 0);
        return false;
    }
    XEN_FRONT_RING_INIT(&hostile->ring, sring, PAGE_SIZE);
    int grant = grant_access(0, virt_to_mfn(sring), false);
    int port = event_alloc_unbound(0, NULL, NULL);
    if (grant < 0 || port < 0) {
        return false;
    }
    hostile->grant = (grant_ref_t)grant;
    hostile->port = (evtchn_port_t)port;
    return selftest_state_reached(hostile->back, XenbusStateInitWait);
}

static bool hostile_connect(struct hostile *hostile, uint64_t ring_ref, uint64_t port)
{
    return xenbus_printf(XENBUS_NO_TRANSACTION, hostile->front, "ring-ref", "%lu", ring_ref) == 0 &&
           xenbus_printf(XENBUS_NO_TRANSACTION, hostile->front, "event-channel", "%lu", port) ==
               0 &&
           xenbus_write_state(hostile->front, XenbusStateInitialised) == 0;
}

/* Connects, lets `spoil` write into the ring, and expects the device to be closed. */
static const char *hostile_run(struct test *test, void (*spoil)(struct hostile *hostile))
{
    struct hostile hostile;
    const char *why = NULL;
    if (!hostile_start(test, &hostile) || !hostile_connect(&hostile, hostile.grant, hostile.port) ||
        !selftest_state_reached(hostile.back, XenbusStateConnected)) {
        why = "no connection";
    } else {
        spoil(&hostile);
        event_send(hostile.port);
        if (!selftest_state_reached(hostile.back, XenbusStateClosing)) {
            why = "back end goes on";
        }
    }
    hostile_close(&hostile);
    return why;
}

static struct blkif_request *request_add(struct hostile *hostile)
{
    struct blkif_request *entry = RING_GET_REQUEST(&hostile->ring, hostile->ring.req_prod_pvt);
    hostile->ring.req_prod_pvt++;
    memset(entry, 0, sizeof(*entry));
    entry->operation = BLKIF_OP_READ;
    entry->nr_segments = 1;
    entry->seg[0].gref = hostile->grant;
    entry->seg[0].last_sect = 7;
    return entry;
}

static void spoil_index(struct hostile *hostile)
{
    hostile->ring.sring->req_prod = 0x80000000U;
}

static void spoil_segments(struct hostile *hostile)
{
    request_add(hostile)->nr_segments = 200;
    RING_PUSH_REQUESTS(&hostile->ring);
}

static void spoil_page(struct hostile *hostile)
{
    request_add(hostile)->seg[0].last_sect = 250;
    RING_PUSH_REQUESTS(&hostile->ring);
}

static void spoil_sector(struct hostile *hostile)
{
    request_add(hostile)->sector_number = UINT64_MAX - 3;
    RING_PUSH_REQUESTS(&hostile->ring);
}

static void spoil_indirect(struct hostile *hostile)
{
    struct blkif_request_indirect *entry = (struct blkif_request_indirect *)request_add(hostile);
    entry->operation = BLKIF_OP_INDIRECT;
    entry->indirect_op = BLKIF_OP_WRITE;
    entry->nr_segments = 32;
    entry->indirect_grefs[0] = hostile->grant; /* the ring's indices make no segments */
    RING_PUSH_REQUESTS(&hostile->ring);
}

static const char *hostile_index(struct test *test)
{
    return hostile_run(test, spoil_index);
}

static const char *hostile_segments(struct test *test)
{
    return hostile_run(test, spoil_segments);
}

static const char *hostile_page(struct test *test)
{
    return hostile_run(test, spoil_page);
}

static const char *hostile_sector(struct test *test)
{
    return hostile_run(test, spoil_sector);
}

static const char *hostile_indirect(struct test *test)
{
    return hostile_run(test, spoil_indirect);
}

/* A grant that does not exist is an error of that request alone. */
static const char *hostile_grant(struct test *test)
{
    struct hostile hostile;
    const char *why = "no connection";
    if (hostile_start(test, &hostile) && hostile_connect(&hostile, hostile.grant, hostile.port) &&
        selftest_state_reached(hostile.back, XenbusStateConnected)) {
        request_add(&hostile)->seg[0].gref = 0xfffffff0U;
        request_add(&hostile)->operation = 77;
        RING_PUSH_REQUESTS(&hostile.ring);
        event_send(hostile.port);
        thread_sleep(50 * NSEC_PER_MSEC);
        const struct blkif_sring *sring = hostile.ring.sring;
        why = __atomic_load_n(&sring->rsp_prod, __ATOMIC_ACQUIRE) != 2 ? "no answers"
              : sring->ring[0].rsp.status != BLKIF_RSP_ERROR           ? "wrong status"
              : sring->ring[1].rsp.status != BLKIF_RSP_EOPNOTSUPP      ? "wrong status of 77"
                                                                       : NULL;
    }
    hostile_close(&hostile);
    return why;
}

/* Nodes that name no ring and no port. */
static const char *hostile_nodes(struct test *test)
{
    static const uint64_t numbers[][2] = {
        {0xfffffff0U, 1         },
        {UINT64_MAX,  1         },
        {8,           0x7fffffff},
        {8,           UINT64_MAX}
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct hostile hostile;
        uint64_t ring_ref = numbers[i][0];
        bool started = hostile_start(test, &hostile);
        bool closed = started &&
                      hostile_connect(&hostile, ring_ref == 8 ? hostile.grant : ring_ref,
                                      numbers[i][1]) &&
                      selftest_state_reached(hostile.back, XenbusStateClosing);
        hostile_close(&hostile);
        if (!closed) {
            return "back end goes on";
        }
    }
    return NULL;
}

/* Hostile back ends: selftest_back.c ------------------------------------------------------------------ */
static const char *back_answers(struct test *test)
{
    (void)test;
    return selftest_back_answers();
}

static const char *back_unknown_answer(struct test *test)
{
    (void)test;
    return selftest_back_unknown_answer();
}

static const char *back_vanishes(struct test *test)
{
    (void)test;
    return selftest_back_vanishes();
}

static const char *back_properties(struct test *test)
{
    (void)test;
    return selftest_back_properties();
}

/* ---------------------------------------------------------------------------------------------------- */
static const struct {
    const char *name;
    test_case *run;
} cases[] = {
    {"transfers",                   disk_transfers     },
    {"range",                       disk_range         },
    {"front-transfers",             front_transfers    },
    {"front-reconnects",            front_reconnects   },
    {"hostile-index",               hostile_index      },
    {"hostile-segments",            hostile_segments   },
    {"hostile-page",                hostile_page       },
    {"hostile-sector",              hostile_sector     },
    {"hostile-indirect",            hostile_indirect   },
    {"hostile-grant",               hostile_grant      },
    {"hostile-nodes",               hostile_nodes      },
    {"hostile-back-answers",        back_answers       },
    {"hostile-back-unknown-answer", back_unknown_answer},
    {"hostile-back-vanishes",       back_vanishes      },
    {"hostile-back-properties",     back_properties    },
    {"front-still-transfers",       front_reconnects   },
    {"front-removed",               front_removed      },
};

static int cases_run(struct test *test)
{
    int failed = 0;
    int passed = 0;
    const size_t last = sizeof(cases) / sizeof(cases[0]) -
                        1; /* takes down what the first has set up */
    for (size_t i = 0; i <= last; i = console_interrupted() && i < last ? last : i + 1) {
        const char *why = cases[i].run(test);
        if (why == NULL) {
            printf("PASS disk/%s\n", cases[i].name);
            passed++;
        } else {
            printf("FAIL disk/%s: %s\n", cases[i].name, why);
            failed++;
        }
    }
    printf("RESULT %d passed, %d failed\n", passed, failed);
    return failed;
}

int selftest_disk(const char *name)
{
    struct test test = {.disk_name = name, .disk = block_find(name)};
    int failed = 1;
    if (test.disk == NULL || test.disk->readonly || test.disk->sectors < AREA_SECTORS) {
        printf("FAIL disk/setup: no such disk, or not writable, or too small\n");
        return failed;
    }
    test.kept = page_alloc_dirty(AREA_ORDER);
    test.written = page_alloc_dirty(AREA_ORDER);
    test.seen = page_alloc_dirty(AREA_ORDER);
    if (test.kept == NULL || test.written == NULL || test.seen == NULL ||
        block_read(test.disk, 0, test.kept, AREA_SECTORS) != 0) {
        printf("FAIL disk/setup: no memory, or the disk cannot be read\n");
    } else {
        failed = cases_run(&test);
        if (block_write(test.disk, 0, test.kept, AREA_SECTORS) != 0) {
            printf("FAIL disk/restore: the old contents could not be written back\n");
            failed++;
        }
    }
    page_free(test.kept, AREA_ORDER);
    page_free(test.written, AREA_ORDER);
    page_free(test.seen, AREA_ORDER);
    return failed;
}
