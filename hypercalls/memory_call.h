// SPDX-License-Identifier: MIT
// What the memory hypercalls share: whose frames a call names, vcpu sets, budgets, pieces of lists.
#pragma once

#include "hypercalls/call.h"
#include "hypervisor/cpu.h"
#include "hypervisor/domain_memory.h"

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
bool memory_batch_begin(const struct hypercall *c, struct memory_batch *b);
// Stores the count and, when the call is to be continued, the arguments. Returns `result` for the guest.
long memory_batch_end(struct hypercall *c, const struct memory_batch *b, long result);
