// SPDX-License-Identifier: MIT
// What the memory hypercalls share: whose frames a call names, vcpu sets, budgets, pieces of lists.
#pragma once

#include "hypercalls/call.h"
#include "hypervisor/domain_memory.h"
#include <xen/memory.h>

// Entries of tables that one call may work on before it lets others run (type_work.budget).
#define MEMORY_CALL_BUDGET 4096

// The domain that a foreign-domain argument means; with a reference, domain_put() ends it.
// DOMID_SELF: the caller. DOMID_IO: device memory. DOMID_XEN: frames of the hypervisor, for control
// domains. The caller's own number is refused, as Xen does.
enum refusal memory_owner_get(struct domain *caller, domid_t id, struct domain **out);

// The CPUs on which the vcpus run whose bits are set in the guest's bitmap; false: not readable.
bool memory_vcpus_read(const struct domain *d, uint64_t guest_address, struct cpumask *cpus);

// Forget the translation of one linear address on the CPUs of the mask; a remote one forgets all.
void memory_invalidate(struct cpumask cpus, uint64_t address);

// The arguments of mmu_update and mmuext_op: a list, its length, where to store how many were done. A
// continued call has the mark in its count and goes on counting from what is stored there.
#define CALL_CONTINUED 0x80000000u // the ABI's MMU_UPDATE_PREEMPTED
struct memory_batch {
    uint64_t list;
    uint32_t count, done; // entries left, entries done including earlier rounds
    uint64_t done_address;
};
void memory_batch_begin(const struct hypercall *c, struct memory_batch *b);
// Stores the count and, when the call is to be continued, the arguments. Returns `result` for the guest.
// When all is done but a table is still on its way down, the call goes on with that alone: as on Xen it then
// has no list, and the result in place of the foreign domain, which may be gone by then.
long memory_batch_end(struct hypercall *c, const struct memory_batch *b, long result);
// Such a call: when nothing is pending any more, *result is what is left of it.
static inline bool memory_batch_is_over(const struct hypercall *c, long *result)
{
    *result = (int32_t)c->arg[3];
    return (uint32_t)c->arg[1] == CALL_CONTINUED && c->arg[0] == 0;
}

// --- The parts of memory_op: handlers of its sub-op table in memory_op.c, and what they share.

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

unsigned memory_address_bits(unsigned flags); // of XENMEMF_* flags; 64: no limit
enum refusal memory_node_check(const struct domain *caller,
                               unsigned flags); // BAD_ARGUMENT, NO_MEMORY

// memory_reservation.c
long memory_op_reservation(struct hypercall *c,
                           void *argument); // the three that have lists of frames
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
