// SPDX-License-Identifier: MIT
/*
 * Memory of this domain.
 *
 * Words: pfn is the index of a page of this domain (0..memory_page_count()-1), mfn the machine's
 * frame number, maddr a machine address (what devices and the hypervisor understand). Neighbouring
 * pfns are in general not neighbouring mfns.
 *
 * Own RAM is mapped writable at fixed addresses (page tables: read-only). Everything else (foreign
 * frames, grants, devices, stacks, the heap) is mapped into reserved address ranges.
 * All functions may be called from threads and from event handlers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_ORDER_MAX 10 /* page_alloc: at most 4 MiB */

/* 2^order zeroed pages, virtually contiguous and aligned to their size; NULL when out of memory. */
void *page_alloc(unsigned int order);
/* As page_alloc, contents undefined: for buffers that are overwritten at once. */
void *page_alloc_dirty(unsigned int order);
/* As page_alloc, and contiguous in machine memory (DMA); may fail where page_alloc does not. */
void *page_alloc_contiguous(unsigned int order);
/* Gives back what any of the three gave, with the same order. NULL is allowed. */
void page_free(void *pages, unsigned int order);
/* Pages that page_alloc(0) could still give. */
size_t page_free_count(void);
/* Pages of RAM of this domain. */
size_t memory_page_count(void);

/* Translation of addresses of own RAM; virt_to_* also take heap, stack and mapped addresses
 * (those walk the page tables: slower). Result ~0 if nothing is mapped there. */
uint64_t virt_to_mfn(const void *address);
uint64_t virt_to_maddr(const void *address);
uint64_t virt_to_pfn(const void *address); /* own RAM at its fixed address only */
void *pfn_to_virt(uint64_t pfn);
/* NULL unless this domain owns the frame and it is mapped. */
void *mfn_to_virt(uint64_t mfn);

/* pfn -> mfn, memory_page_count() entries; INVALID_MFN where the page was given away. */
extern uint64_t *memory_p2m;
#define INVALID_MFN (~0UL)

/* Protection for mappings. */
#define MEMORY_READ 0x1U
#define MEMORY_WRITE 0x2U
#define MEMORY_UNCACHED 0x4U

/*
 * Maps n foreign frames of domain `domid` (DOMID_SELF: own, DOMID_IO: device) one after another.
 * errs == NULL: all or nothing (NULL on failure). Else errs[i] becomes 0 or -XEN_E* for each frame
 * and the result is NULL only when there are no addresses or page tables left.
 */
void *memory_map_frames(const uint64_t *mfns, size_t n, domid_t domid, unsigned int prot,
                        int *errs);
/* Undoes memory_map_frames and memory_map_device; n in pages. */
void memory_unmap(void *address, size_t n);
/* Maps device registers, uncached, read-write (dom0). paddr need not be page-aligned: the result
 * has the same offset. NULL on failure. Unmap with the covered pages' number. */
void *memory_map_device(uint64_t paddr, size_t length);

/* n pages of address space with page tables present and nothing mapped (grant_map_at, ...);
 * NULL when exhausted. The entries must be empty again when released. */
void *memory_reserve(size_t n);
void memory_release(void *address, size_t n);
/* Machine address of the L1 entry that maps `address` (for GNTMAP_contains_pte and PT_UPDATE). */
uint64_t memory_pte_maddr(const void *address);

/* n fresh pages mapped one after another with an unmapped guard page below; NULL when out of
 * memory. For big tables and stacks: not limited to 4 MiB. */
void *memory_alloc_region(size_t n);
void memory_free_region(void *address, size_t n);
