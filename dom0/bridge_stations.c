// SPDX-License-Identifier: MIT
/*
 * The table of stations. See bridge_stations.h. The hash is multiply-shift, universal for a random odd
 * factor (Dietzfelbinger et al., "A Reliable Randomized Algorithm for the Closest-Pair Problem"). A
 * collision costs a step along a chain, nothing else.
 */
#include "dom0/bridge_stations.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#include "pvguest/time.h"
#include <xen/errno.h>

#define AGE_MAX (300 * NSEC_PER_SEC)
#define BUCKET_SHIFT 54U /* 64 less the 10 bits of STATION_BUCKETS */
#define RDRAND_TRIES 10U

_Static_assert(1U << (64U - BUCKET_SHIFT) == STATION_BUCKETS, "the hash's bits name a bucket");

/* A number that no guest knows: the CPU's generator, where there is one, and the time stamp counter. */
__attribute__((target("rdrnd"))) static uint64_t secret_number(void)
{
    unsigned int a, b, c, d;
    unsigned long long value = 0;
    uint64_t z = time_now() ^ __builtin_ia32_rdtsc();

    if (__get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_RDRND) != 0) {
        for (unsigned int i = 0; i < RDRAND_TRIES; i++) {
            if (__builtin_ia32_rdrand64_step(&value) != 0) {
                break;
            }
        }
    }
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL; /* SplitMix64 */
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return value ^ z ^ (z >> 31);
}

static unsigned int bucket_of(const struct station_table *table, const uint8_t *mac)
{
    uint64_t number = 0;

    memcpy(&number, mac, NET_ADDRESS_LENGTH);
    return (unsigned int)((table->key[0] * number + table->key[1]) >> BUCKET_SHIFT);
}

static struct station *entry_find(const struct station_table *table, const uint8_t *mac)
{
    struct station *s = table->buckets[bucket_of(table, mac)];

    while (s != NULL && memcmp(s->mac, mac, NET_ADDRESS_LENGTH) != 0) {
        s = s->next;
    }
    return s;
}

static void entry_remove(struct station_table *table, struct station *s)
{
    if (s->share == NULL) {
        return;
    }
    struct station **link = &table->buckets[bucket_of(table, s->mac)];
    while (*link != s) {
        link = &(*link)->next;
    }
    *link = s->next;
    s->share = NULL;
    s->pinned = false;
}

static void entry_insert(struct station_table *table, struct station *s, const uint8_t *mac)
{
    struct station **bucket = &table->buckets[bucket_of(table, mac)];

    memcpy(s->mac, mac, NET_ADDRESS_LENGTH);
    s->next = *bucket;
    *bucket = s;
}

static bool is_young(const struct station *s)
{
    return s->pinned || time_now() - s->seen <= AGE_MAX;
}

void station_table_init(struct station_table *table)
{
    memset(table, 0, sizeof(*table));
    table->key[0] = secret_number() | 1;
    table->key[1] = secret_number();
}

bool station_share_init(struct station_share *share, struct net_device *device, unsigned int size)
{
    *share = (struct station_share){.device = device, .size = size};
    share->learnt = calloc(size, sizeof(*share->learnt));
    return share->learnt != NULL;
}

void station_share_clear(struct station_table *table, struct station_share *share)
{
    entry_remove(table, &share->own);
    for (unsigned int i = 0; i < share->size; i++) {
        entry_remove(table, &share->learnt[i]);
    }
    free(share->learnt);
    share->learnt = NULL;
    share->size = 0;
}

enum station_verdict station_learn(struct station_table *table, struct station_share *share,
                                   const uint8_t *mac)
{
    struct station *s = entry_find(table, mac);

    if (s != NULL && s->share != share) {
        if (is_young(s) && (s->pinned || s->share->device->up)) {
            return s->pinned ? STATION_FORGED : STATION_ELSEWHERE;
        }
        entry_remove(table, s);
        s = NULL;
    }
    if (s == NULL) {
        s = &share->learnt[share->oldest];
        share->oldest = (share->oldest + 1) % share->size;
        entry_remove(table, s);
        entry_insert(table, s, mac);
        s->share = share;
    }
    s->seen = time_now();
    return STATION_OK;
}

int station_pin(struct station_table *table, struct station_share *share, const uint8_t *mac)
{
    struct station *s = entry_find(table, mac);

    if (s != NULL && s->pinned) {
        return s->share == share ? 0 : -XEN_EEXIST;
    }
    if (s != NULL) { /* what the configuration says counts more than what a frame said */
        entry_remove(table, s);
    }
    entry_remove(table, &share->own);
    entry_insert(table, &share->own, mac);
    share->own.share = share;
    share->own.pinned = true;
    return 0;
}

struct net_device *station_find(const struct station_table *table, const uint8_t *mac)
{
    const struct station *s = entry_find(table, mac);

    return s != NULL && is_young(s) ? s->share->device : NULL;
}
