// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <string.h>

#include "dom0/console_ring.h"

bool console_ring_take(struct xencons_interface *ring, char *text, size_t *length)
{
    uint32_t cons = ring->out_cons;
    /* Pairs with the guest's barrier between text and index. */
    uint32_t prod = __atomic_load_n(&ring->out_prod, __ATOMIC_ACQUIRE);

    *length = 0;
    if (prod - cons > sizeof(ring->out)) {
        return false;
    }
    while (cons != prod) {
        uint32_t at = MASK_XENCONS_IDX(cons, ring->out);
        uint32_t chunk = (uint32_t)sizeof(ring->out) - at;
        chunk = chunk > prod - cons ? prod - cons : chunk;
        memcpy(text + *length, ring->out + at, chunk);
        *length += chunk;
        cons += chunk;
    }
    /* The text has been taken before the guest may overwrite it. */
    __atomic_store_n(&ring->out_cons, cons, __ATOMIC_RELEASE);
    return true;
}

size_t console_ring_put(struct xencons_interface *ring, const char *text, size_t length)
{
    uint32_t cons = __atomic_load_n(&ring->in_cons, __ATOMIC_ACQUIRE);
    uint32_t prod = ring->in_prod;
    size_t put = 0;

    while (put < length && prod - cons < sizeof(ring->in)) {
        ring->in[MASK_XENCONS_IDX(prod, ring->in)] = text[put++];
        prod++;
    }
    /* Pairs with the guest's load of the index: text first. */
    __atomic_store_n(&ring->in_prod, prod, __ATOMIC_RELEASE);
    return put;
}
