// SPDX-License-Identifier: MIT
#include "hypervisor/refusal_ring.h"

void refusal_ring_init(struct refusal_ring *ring)
{
    *ring = (struct refusal_ring){.lock = SPINLOCK(LOCK_REFUSALS)};
}

static struct refusal_record *record_at(struct refusal_ring *ring, uint64_t n)
{
    return &ring->record[n % REFUSAL_RING];
}

static bool is_equal(const struct refusal_record *a, const struct refusal_record *b)
{
    return a->rip == b->rip && a->index == b->index && a->subop == b->subop && a->vcpu == b->vcpu &&
           a->refusal == b->refusal && a->call == b->call;
}

void refusal_ring_add(struct refusal_ring *ring, const struct refusal_record *refused)
{
    spin_lock(&ring->lock);
    struct refusal_record *last = record_at(ring, ring->records - 1);
    if (ring->records > 0 && is_equal(last, refused)) {
        last->time = refused->time;
    } else {
        *record_at(ring, ring->records) = *refused;
        record_at(ring, ring->records++)->first = ring->calls;
    }
    ring->calls++;
    spin_unlock(&ring->lock);
}

uint64_t refusal_ring_read(struct refusal_ring *ring, uint64_t *next, struct refusal_record *record,
                           uint64_t *lost)
{
    uint64_t count = 0;

    *lost = 0;
    spin_lock(&ring->lock);
    uint64_t end = ring->calls; // of record n - 1, while n goes down
    for (uint64_t n = ring->records; n > 0 && n + REFUSAL_RING > ring->records; n--) {
        const struct refusal_record *r = record_at(ring, n - 1);
        if (end <= *next)
            break;
        *record = *r;
        count = end - (r->first > *next ? r->first : *next);
        *lost = r->first > *next ? r->first - *next : 0;
        end = r->first;
    }
    *next = count ? *next + *lost + count : ring->calls;
    spin_unlock(&ring->lock);
    return count;
}

uint64_t refusal_ring_last(struct refusal_ring *ring, unsigned n)
{
    spin_lock(&ring->lock);
    uint64_t first = ring->records > n ? record_at(ring, ring->records - n)->first : 0;
    spin_unlock(&ring->lock);
    return first;
}
