// SPDX-License-Identifier: MIT
// The last refused calls of a domain.
//
// Refused calls are numbered from 0. A record covers calls that followed each other and are equal in all
// but time: who asks for the same thing ten thousand times in a row takes one place. Records lie side by
// side: each begins with the call behind the one before, so that a reader goes on by the number of a call.
// Pure. Lock: LOCK_REFUSALS, for some instructions; nothing else is taken meanwhile.
#pragma once

#include "hypervisor/lock.h"
#include <stdbool.h>
#include <stdint.h>

#define REFUSAL_RING 32

struct refusal_record {
    uint64_t time, rip; // of the last call
    uint64_t first;     // number of the first call; set by the ring
    uint32_t index, subop;
    uint16_t vcpu, refusal;
    uint8_t call;
};

struct refusal_ring {
    struct spinlock lock;
    uint64_t calls;   // refused ever
    uint64_t records; // made ever; the last REFUSAL_RING are there, the oldest is overwritten first
    struct refusal_record record[REFUSAL_RING];
};

void refusal_ring_init(struct refusal_ring *ring);
void refusal_ring_add(struct refusal_ring *ring, const struct refusal_record *refused);

// The number of the first call that the last n records cover; n is at most REFUSAL_RING.
uint64_t refusal_ring_last(struct refusal_ring *ring, unsigned n);

// The record of the first calls from number `next` on that are kept; how many it covers from there on (0:
// none is left), and how many in between are lost. `next` moves behind them.
uint64_t refusal_ring_read(struct refusal_ring *ring, uint64_t *next, struct refusal_record *record,
                           uint64_t *lost);
