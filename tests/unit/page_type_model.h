// SPDX-License-Identifier: MIT
// An independent account of the page-type machine, for test_page_type.c: page_type_model.c.
#pragma once

#include "tests/unit/host/memory.h"

// References that the test itself holds, beside those that the machine must have.
extern unsigned model_extra_refs[], model_extra_types[];

// Counts what tables, pins, roots, leftovers and the test hold, and compares it with every frame of
// the table. Also checks that no entry of a table in use is one that must not be. Returns the number
// of differences, the first few of them printed.
unsigned model_check_counts(struct domain *const *domains, unsigned count);

// --- translations that a CPU may have cached: as many as the architecture allows
// The CPU walks everything that it can reach from its root and from what it has cached already.
void model_tlb_walk(unsigned cpu);
void model_tlb_forget(unsigned cpu); // a flush: set as host_root_loaded
// Nothing cached on any CPU lets a guest write a table or somebody else's memory, or walk a page that a
// guest can write. Returns the number of violations.
unsigned model_tlb_check(void);
