// SPDX-License-Identifier: MIT
// The memory of one domain: what it owns, the roots of its vcpus, and how it is taken back.
#pragma once

#include "hypervisor/page_type.h"

struct domain;
struct vcpu;

// Name 2^order frames in the machine-to-phys table. Only while nobody can give them to another owner:
// before domain_assign_frames(), or with references.
#define M2P_NONE UINT64_MAX
void m2p_set_block(mfn_t first, unsigned order, uint64_t pfn);

// 2^order clear frames that follow each other, owned by `d`, one reference and FRAME_ALLOCATED each;
// below 2^address_bits (64: anywhere). The machine-to-phys table names them `pfn` and on, or nothing
// (M2P_NONE). RESERVATION_FULL, DOMAIN_DYING, NO_MEMORY.
enum refusal domain_alloc_frames(struct domain *d, unsigned order, unsigned address_bits,
                                 uint64_t pfn, struct frame **first);

// Give back one frame that `d` owns (decrease_reservation): it goes when its last use ends.
enum refusal domain_free_frame(struct domain *d, mfn_t mfn);

// Exchange: take a frame that nobody uses out of its owner's hands, contents and all; FRAME_IN_USE
// when there is any reference but the owner's. Nobody can get a reference to it then. Afterwards
// either give it back to its owner or let it be free.
enum refusal domain_steal_frame(struct domain *d, mfn_t mfn);
void domain_unsteal_frame(struct domain *d, mfn_t mfn);
void domain_free_stolen(mfn_t mfn);

// Give frames of page_alloc_frames() to `d`, one reference and FRAME_ALLOCATED each. The place in
// tot_pages must have been taken: domain_reserve. RESERVATION_FULL, DOMAIN_DYING, NO_MEMORY.
enum refusal domain_reserve(struct domain *d, uint64_t frames);
void domain_unreserve(struct domain *d, uint64_t frames);
void domain_assign_frames(struct domain *d, struct frame *first, unsigned order);

// Claims (memory_op claim_pages): set `pages` in all aside for `d`, those it has already included; 0 ends
// the claim.
enum refusal domain_claim(struct domain *d, uint64_t pages);

// Destruction: gives back everything that `d` owns, at most `budget` entries of work a call.
// Its vcpus run nowhere and run on the idle root. Stages: roots and vcpus' leftovers, pins and the
// allocations, abandoned tables. REFUSE_CONTINUE until done.
enum refusal memory_relinquish(struct domain *d, int64_t budget);

// --- roots
// Make `mfn` the kernel root (or the user root) of `v`: a validated level-4 table of its domain; an
// invalid mfn for the user root means none. The old root is released. If `v` is the vcpu that runs
// here and the root is the one in use, it is loaded. ROOT_BAD, REFUSE_CONTINUE.
enum refusal vcpu_set_root(struct vcpu *v, mfn_t mfn, bool user);

// Load CR3 with the root that `v` is to run on (in_kernel tells which); the idle root if it has none.
void vcpu_load_root(struct vcpu *v);

// Release both roots; `v` runs nowhere.
void vcpu_drop_roots(struct vcpu *v, struct type_work *w);

// --- translations of guests
struct cpumask domain_running_cpus(const struct domain *d); // CPUs on which a vcpu of `d` runs now
void domain_flush_tlb(const struct domain *d);
