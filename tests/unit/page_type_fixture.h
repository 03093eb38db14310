// SPDX-License-Identifier: MIT
// What the tests of page types share: two domains on simulated memory, three CPUs.
#pragma once

#include "hypervisor/page_entry.h"
#include "tests/unit/page_type_model.h"

#define RW (PTE_PRESENT | PTE_RW)
#define FIRST 8u
#define END 116u

extern struct domain *dom[2]; // 0 is privileged
extern struct type_work work;

void fixture_init(void);
void fixture_free(void);

// An entry that names the frame.
uint64_t entry(const struct frame *f, uint64_t flags);
// The contents of a frame.
uint64_t *words(struct frame *f);
// For tables and frames of one domain.
struct entry_context own(struct domain *d);
// A tree of one table a level over one page; [0] is the page, [4] the root.
void tree_make(struct domain *d, struct frame *t[5], uint64_t flags);
// Go on with what is pending until there is nothing left; then there is this budget.
void begin(int64_t budget);
// Differences between the counts and the account.
unsigned check(void);
// Both domains give everything back, and may begin again.
void finish(void);
