// SPDX-License-Identifier: MIT
/*
 * What the files of the memory system share. Order of start: memory_start (translation, the part
 * of RAM that the hypervisor mapped), then page_start gives that part to the page allocator, which
 * calls memory_grow for more.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include "pvguest/memory.h"
#include "pvguest/priv.h"

/*
 * Address space of a guest:
 *      0xffffffff80000000  image and what the hypervisor put behind it: the first mapped pages
 *      0xffff888000000000  the other pages of RAM, pfn * 4096 from here, mapped as needed
 *      0xffffc00000000000  reserved ranges: foreign frames, grants, devices, stacks (8 GiB)
 *      0xffffc00200000000  heap
 */
#define MEMORY_IMAGE_BASE 0xffffffff80000000UL
#define MEMORY_PHYSMAP_BASE 0xffff888000000000UL
#define MEMORY_RANGES_BASE 0xffffc00000000000UL
#define MEMORY_RANGES_PAGES (8UL << 18)
#define MEMORY_HEAP_BASE 0xffffc00200000000UL
#define MEMORY_HEAP_END 0xffffc04000000000UL

#define ENTRIES_PER_TABLE 512U
#define PAGES_PER_L1 512UL

void memory_start(const struct start_info *info);
void memory_protect_image(void);
/* First pfn behind everything that start_info describes, and the end of the initial mapping. */
void memory_initial_range(uint64_t *first_free, uint64_t *end);
/* Maps some more RAM and gives it to the allocator; false when all is mapped. */
bool memory_grow(void);
size_t memory_unmapped_count(void);

void page_start(void);
/* Gives pages [pfn, end) to the allocator; they are mapped. */
void page_add_range(uint64_t pfn, uint64_t end);

/* The L1 entry of an address; NULL if a table is missing (create: makes it; NULL: no memory). */
uint64_t *memory_entry(uint64_t address, bool create);
uint64_t memory_entry_maddr(const uint64_t *entry);
/* Maps own or foreign frames at an address whose tables are made as needed. `status` as errs of
 * memory_map_frames. 0 or -XEN_E* (then, with status == NULL, a part may be mapped). */
int memory_map_at(void *address, const uint64_t *mfns, size_t n, domid_t owner, uint64_t flags,
                  int *status);
/* Clears n entries and flushes. */
void memory_clear_at(void *address, size_t n);
/* Page-table flags for MEMORY_* protection. */
uint64_t memory_flags(unsigned int prot);

/* newlib's heap: both give the old end; NULL when out of memory, or when it is not that big. */
void *memory_heap_grow(size_t bytes);
void *memory_heap_shrink(size_t bytes);
