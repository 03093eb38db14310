// SPDX-License-Identifier: MIT
/* What netback believes of transmit rings: packets of one and several entries, and everything that a
 * bad front end can write into one. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/netback_request.h"
#include "tests/report.h"

#define PAGE 4096U

static union {
    struct netif_tx_sring sring;
    uint8_t bytes[PAGE];
} page;
static struct netif_tx_back_ring ring;
static struct netback_request request;

static void ring_reset(RING_IDX start)
{
    memset(&page, 0, sizeof(page));
    BACK_RING_ATTACH(&ring, &page.sring, start, PAGE);
}

static void entry_set(RING_IDX at, uint16_t offset, uint16_t size, uint16_t flags)
{
    *RING_GET_REQUEST(&ring, at) = (struct netif_tx_request){
        .gref = 100 + at, .offset = offset, .flags = flags, .id = (uint16_t)at, .size = size};
}

static void one_entry(void)
{
    ring_reset(0);
    entry_set(0, 96, 4000, NETTXF_csum_blank | NETTXF_data_validated);
    CU_ASSERT_EQUAL(netback_request_take(&ring, 1, &request), NETBACK_GO);
    CU_ASSERT_EQUAL(request.count, 1);
    CU_ASSERT_EQUAL(request.total, 4000);
    CU_ASSERT_EQUAL(request.lengths[0], 4000);
    CU_ASSERT_EQUAL(request.entries[0].gref, 100);
    CU_ASSERT_EQUAL(ring.req_cons, 1);
    CU_ASSERT_EQUAL(netback_request_take(&ring, 1, &request), NETBACK_PARTIAL);
}

/* Across the wrap of the ring and of the index. */
static void several_entries(void)
{
    RING_IDX start = 0U - 2;
    ring_reset(start);
    entry_set(start, 4000, 96 + 4096 + 1, NETTXF_more_data);
    entry_set(start + 1, 0, 4096, NETTXF_more_data);
    entry_set(start + 2, 4095, 1, 0);
    CU_ASSERT_EQUAL(netback_request_take(&ring, start + 2, &request), NETBACK_PARTIAL);
    CU_ASSERT_EQUAL(ring.req_cons, start);
    CU_ASSERT_EQUAL(netback_request_take(&ring, start + 3, &request), NETBACK_GO);
    CU_ASSERT_EQUAL(request.count, 3);
    CU_ASSERT_EQUAL(request.lengths[0], 96);
    CU_ASSERT_EQUAL(request.lengths[1], 4096);
    CU_ASSERT_EQUAL(request.lengths[2], 1);
    CU_ASSERT_EQUAL(ring.req_cons, 1);
}

static enum netback_verdict two(uint16_t offset0, uint16_t size0, uint16_t offset1, uint16_t size1)
{
    ring_reset(0);
    entry_set(0, offset0, size0, NETTXF_more_data);
    entry_set(1, offset1, size1, 0);
    enum netback_verdict verdict = netback_request_take(&ring, 2, &request);
    CU_ASSERT_EQUAL(ring.req_cons, verdict == NETBACK_NONSENSE ? 0 : 2);
    CU_ASSERT_TRUE(verdict != NETBACK_NONSENSE || request.why != NULL);
    return verdict;
}

/* What Linux drops is dropped, what leaves its page closes the card. */
static void bad_lengths(void)
{
    CU_ASSERT_EQUAL(two(0, 100, 0, 50), NETBACK_GO);
    CU_ASSERT_EQUAL(two(0, 100, 0, 0), NETBACK_GO);
    CU_ASSERT_EQUAL(two(0, 100, 0, 100), NETBACK_GO); /* nothing left for the first */
    CU_ASSERT_EQUAL(request.lengths[0], 0);
    CU_ASSERT_EQUAL(two(0, 100, 0, 101), NETBACK_DROP); /* more than the packet */
    CU_ASSERT_EQUAL(two(0, 100, 0, 4096), NETBACK_DROP);
    CU_ASSERT_EQUAL(two(0, 100, 0, 65535), NETBACK_NONSENSE);
    CU_ASSERT_EQUAL(two(0, 5000, 0, 900), NETBACK_NONSENSE);  /* the first beyond a page */
    CU_ASSERT_EQUAL(two(4090, 100, 0, 50), NETBACK_NONSENSE); /* out of its page */
    CU_ASSERT_EQUAL(two(65535, 100, 0, 50), NETBACK_NONSENSE);
    CU_ASSERT_EQUAL(two(0, 100, 4047, 50), NETBACK_NONSENSE);
    CU_ASSERT_EQUAL(two(0, 65535, 0, 65000), NETBACK_NONSENSE);
    CU_ASSERT_EQUAL(two(0, 13, 0, 5), NETBACK_DROP);
    CU_ASSERT_EQUAL(two(0, 0, 0, 0), NETBACK_DROP);
}

static enum netback_verdict pieces(unsigned int count)
{
    ring_reset(0);
    for (unsigned int i = 0; i < count; i++) {
        entry_set(i, 0, i == 0 ? 3000 : 100, i + 1 < count ? NETTXF_more_data : 0);
    }
    return netback_request_take(&ring, count, &request);
}

static void numbers_of_pieces(void)
{
    for (unsigned int count = 1; count <= 30; count++) {
        enum netback_verdict verdict = pieces(count);
        CU_ASSERT_EQUAL(verdict, count <= 18   ? NETBACK_GO
                                 : count <= 21 ? NETBACK_DROP
                                               : NETBACK_NONSENSE);
        CU_ASSERT_EQUAL(ring.req_cons, verdict == NETBACK_NONSENSE ? 0 : count);
        CU_ASSERT_TRUE(verdict == NETBACK_NONSENSE || request.count == count);
    }
    (void)pieces(18);
    CU_ASSERT_EQUAL(request.lengths[0], 3000 - 100 * 17);
}

static void extra_set(RING_IDX at, uint8_t type, uint8_t flags)
{
    struct netif_extra_info extra = {
        .type = type, .flags = flags, .u.gso = {.size = 1448, .type = 1}
    };
    memcpy(RING_GET_REQUEST(&ring, at), &extra, sizeof(extra));
}

static void extra_information(void)
{
    ring_reset(0);
    entry_set(0, 0, 200, NETTXF_extra_info | NETTXF_more_data);
    extra_set(1, XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE);
    extra_set(2, XEN_NETIF_EXTRA_TYPE_GSO, 0);
    entry_set(3, 0, 150, NETTXF_extra_info); /* means nothing here */
    for (RING_IDX producer = 1; producer < 4; producer++) {
        CU_ASSERT_EQUAL(netback_request_take(&ring, producer, &request), NETBACK_PARTIAL);
        CU_ASSERT_EQUAL(ring.req_cons, 0);
    }
    CU_ASSERT_EQUAL(netback_request_take(&ring, 4, &request), NETBACK_GO);
    CU_ASSERT_EQUAL(ring.req_cons, 4);
    CU_ASSERT_EQUAL(request.count, 2);
    CU_ASSERT_EQUAL(request.extra_count, 2);
    CU_ASSERT_EQUAL(request.gso.u.gso.size, 1448);
    CU_ASSERT_EQUAL(request.multicast.type, 0);

    ring_reset(0); /* group addresses: a request without a packet, whatever its flags say */
    entry_set(0, 0, 0, NETTXF_extra_info | NETTXF_more_data);
    extra_set(1, XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 0);
    CU_ASSERT_EQUAL(netback_request_take(&ring, 2, &request), NETBACK_MULTICAST);
    CU_ASSERT_EQUAL(ring.req_cons, 2);
}

static void bad_extra_information(void)
{
    static const uint8_t types[] = {0, XEN_NETIF_EXTRA_TYPE_MAX, 255};
    for (unsigned int i = 0; i < sizeof(types); i++) {
        ring_reset(0);
        entry_set(0, 0, 200, NETTXF_extra_info);
        extra_set(1, types[i], 0);
        CU_ASSERT_EQUAL(netback_request_take(&ring, 2, &request), NETBACK_NONSENSE);
    }
    ring_reset(0xffffff00U); /* a chain without end */
    entry_set(0xffffff00U, 0, 200, NETTXF_extra_info);
    for (RING_IDX i = 1; i < 256; i++) {
        extra_set(0xffffff00U + i, XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE);
    }
    CU_ASSERT_EQUAL(netback_request_take(&ring, 0, &request), NETBACK_NONSENSE);
}

/* Whatever is accepted stays within its pages and adds up. */
static void random_rings(void)
{
    unsigned int accepted = 0;
    srand(3);
    for (unsigned int round = 0; round < 100000; round++) {
        RING_IDX start = (RING_IDX)rand();
        ring_reset(start);
        for (RING_IDX i = 0; i < 24; i++) {
            unsigned int other = rand() % 20 != 0 ? 0 : (unsigned int)rand();
            uint16_t flags = (uint16_t)(rand() % 4 != 0 ? NETTXF_more_data : other);
            entry_set(start + i, (uint16_t)(rand() % 5000 - 200), (uint16_t)(rand() % 4200), flags);
        }
        if (netback_request_take(&ring, start + (RING_IDX)(rand() % 24), &request) != NETBACK_GO) {
            continue;
        }
        uint32_t total = 0;
        CU_ASSERT_TRUE_FATAL(request.count >= 1 && request.count <= NETBACK_SLOTS_MAX);
        CU_ASSERT_EQUAL(ring.req_cons - start, request.count + request.extra_count);
        for (unsigned int i = 0; i < request.count; i++) {
            CU_ASSERT_TRUE(request.entries[i].offset + request.lengths[i] <= PAGE);
            total += request.lengths[i];
        }
        CU_ASSERT_TRUE(total == request.total && total >= NET_HEADER_LENGTH);
        accepted++;
    }
    CU_ASSERT_TRUE(accepted > 1000);
}

static const struct report_case cases[] = {
    REPORT_CASE(one_entry),         REPORT_CASE(several_entries),
    REPORT_CASE(bad_lengths),       REPORT_CASE(numbers_of_pieces),
    REPORT_CASE(extra_information), REPORT_CASE(bad_extra_information),
    REPORT_CASE(random_rings),
};

int main(void)
{
    return report_run("netback", cases, sizeof(cases) / sizeof(cases[0]));
}
