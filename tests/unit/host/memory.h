// SPDX-License-Identifier: MIT
// The simulated machine of the memory tests: memory.c.
#pragma once

#include "hypervisor/domain.h"
#include "hypervisor/frame.h"

#define HOST_OUR_SLOT 0x5107ull
#define HOST_BAD_DESCRIPTOR 0xbadull
#define HOST_DEVICE_FIRST 0x100000ull
#define HOST_DEVICE_LAST 0x1000ffull

extern unsigned host_domains_gone; // structures whose last reference went

// Once a program: RAM [first, end) goes to the allocator; CPUs 0 .. host_cpu_count - 1 are online.
void host_memory_init(unsigned first, unsigned end);

// A domain with one vcpu and no memory; one reference.
struct domain *host_domain(domid_t id, uint64_t max_pages);
void host_domain_free(struct domain *d);

// A frame for `d`; NULL when that is refused.
struct frame *host_page(struct domain *d);

uint64_t host_random(void); // repeats from run to run
