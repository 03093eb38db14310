// SPDX-License-Identifier: MIT
// The page allocator: a buddy system over all free RAM. Whatever it gives out is clear, and no CPU
// has a translation to it any more. page_alloc.c says how.
#pragma once

#include "hypervisor/frame.h"

#define PAGE_ORDER_MAX 18 // 1 GiB

// Give free RAM [start, end), machine addresses in bytes, to the allocator. The frame table must
// describe it already. Boot, and boot modules that are no longer needed.
void frames_add_range(uint64_t start, uint64_t end);

// 2^order clear pages for the hypervisor, aligned to their size, in the direct map; NULL when there
// are none. Interrupts on, no lock behind LOCK_ALLOC held.
void *page_alloc(unsigned order);
void page_free(void *pages, unsigned order); // NULL is allowed

// The same as a frame, below the machine address 2^address_bits (64: anywhere).
struct frame *page_alloc_frames(unsigned order, unsigned address_bits);
// An allocation becomes several of a smaller order, each to be freed or given away for itself.
void page_split(struct frame *first, unsigned order, unsigned into);

// The same, contents as they were: only for dom0 at boot, when nobody's secrets are in free memory.
struct frame *page_alloc_uncleared(unsigned order);

void page_free_frames(struct frame *first, unsigned order);

// For frame_put(): a block without references and owner becomes free.
void page_alloc_give_back(struct frame *f, unsigned order);

uint64_t frames_free_count(void);

// Frames set aside by claims of domains (memory_op claim_pages): page_alloc_claim changes the sum by
// `change` and fails when that many frames are not free.
bool page_alloc_claim(int64_t change);
uint64_t page_alloc_claimed(void);
