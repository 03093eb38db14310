// SPDX-License-Identifier: MIT
// The parts of memory_op: handlers of its sub-op table in memory_op.c, and what they share.
#pragma once

#include "hypercalls/memory_call.h"
#include <xen/memory.h>

// Layout of the command word: the sub-op, and above it the extent to go on with.
#define MEMOP_EXTENT_SHIFT 6
#define MEMOP_COMMAND ((1u << MEMOP_EXTENT_SHIFT) - 1)

static inline uint64_t memory_op_start(const struct hypercall *c)
{
    return (uint32_t)c->arg[0] >> MEMOP_EXTENT_SHIFT;
}

static inline long memory_op_continue(struct hypercall *c, uint64_t extent)
{
    c->arg[0] = extent << MEMOP_EXTENT_SHIFT | (c->arg[0] & MEMOP_COMMAND);
    return CALL_CONTINUE;
}

unsigned memory_order_max(const struct domain *d); // what the domain may ask for in one extent
unsigned memory_address_bits(unsigned flags);      // of XENMEMF_* flags; 64: no limit

// memory_reservation.c
long memory_op_populate(struct hypercall *c, void *argument);
long memory_op_increase(struct hypercall *c, void *argument);
long memory_op_decrease(struct hypercall *c, void *argument);
long memory_op_claim(struct hypercall *c, void *argument);

// memory_exchange.c
long memory_op_exchange(struct hypercall *c, void *argument);

// memory_map.c
long memory_op_memory_map(struct hypercall *c, void *argument);
long memory_op_machine_memory_map(struct hypercall *c, void *argument);
long memory_op_set_memory_map(struct hypercall *c, void *argument);
long memory_op_machphys_mapping(struct hypercall *c, void *argument);
long memory_op_machphys_list(struct hypercall *c, void *argument);
long memory_op_acquire_resource(struct hypercall *c, void *argument);
