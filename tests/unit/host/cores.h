// SPDX-License-Identifier: MIT
// Domains, vcpus, time and pages for the tests of event/, sched/ and timers: cores.c.
#pragma once

#include "hypervisor/domain.h"

extern uint64_t host_now;     // what time_now() returns
extern unsigned host_pages;   // pages allocated now
extern bool host_no_pages;    // page_alloc() fails
extern unsigned host_kicks[]; // cpu_kick() by CPU

// A domain with vcpus and a shared_info, known to domain_get_by_id until it is freed.
struct domain *host_domain_make(domid_t id, unsigned vcpus);
void host_domain_drop(struct domain *d);

unsigned host_random(unsigned below); // the same sequence in each run
