// SPDX-License-Identifier: MIT
/*
 * Address ranges and what is mapped there: foreign frames, devices, stacks, tables, the heap.
 *
 * One bit a page says which addresses of the ranges area are reserved. The bit maps are pages made
 * as needed (one covers 128 MiB). Reserving makes the page tables for the range, so that mapping by
 * grant operations finds an entry to write.
 */
#include <string.h>
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/memory_private.h"
#include "pvguest/trap.h"

#define BITS_PER_MAP (PAGE_SIZE * 8)
#define MAPS (MEMORY_RANGES_PAGES / BITS_PER_MAP)
#define BATCH 64U
#define FLUSH_PAGES 4U /* more than this: flush everything instead */

static uint64_t *maps[MAPS];
static uint64_t search_start; /* no free page below */

/* Reservation ----------------------------------------------------------------------------------- */

static bool bit_get(uint64_t page)
{
    const uint64_t *map = maps[page / BITS_PER_MAP];
    return map != NULL && (map[page % BITS_PER_MAP / 64] >> page % 64 & 1) != 0;
}

static void bit_set(uint64_t page, bool value)
{
    uint64_t *word = &maps[page / BITS_PER_MAP][page % BITS_PER_MAP / 64];
    *word = (*word & ~(1UL << page % 64)) | (uint64_t)value << page % 64;
}

/* First run of n free pages, MEMORY_RANGES_PAGES if there is none. */
static uint64_t range_find(size_t n)
{
    uint64_t start = search_start;
    for (uint64_t page = start; page < MEMORY_RANGES_PAGES; page++) {
        if (bit_get(page)) {
            start = page + 1;
        } else if (page - start + 1 == n) {
            return start;
        }
    }
    return MEMORY_RANGES_PAGES;
}

/* Bit maps and page tables for the pages; false when out of memory. */
static bool range_prepare(uint64_t start, size_t n)
{
    for (uint64_t map = start / BITS_PER_MAP; map <= (start + n - 1) / BITS_PER_MAP; map++) {
        if (maps[map] == NULL && (maps[map] = page_alloc(0)) == NULL) {
            return false;
        }
    }
    for (uint64_t page = start & ~(PAGES_PER_L1 - 1); page < start + n; page += PAGES_PER_L1) {
        if (memory_entry(MEMORY_RANGES_BASE + (page << PAGE_SHIFT), true) == NULL) {
            return false;
        }
    }
    return true;
}

void *memory_reserve(size_t n)
{
    if (n == 0 || n > MEMORY_RANGES_PAGES) {
        return NULL;
    }
    unsigned long saved = event_save();
    uint64_t start = range_find(n);
    bool ok = start < MEMORY_RANGES_PAGES && range_prepare(start, n);
    for (uint64_t page = start; ok && page < start + n; page++) {
        bit_set(page, true);
    }
    if (ok && start == search_start) {
        search_start = start + n;
    }
    event_restore(saved);
    return ok ? (void *)(MEMORY_RANGES_BASE + (start << PAGE_SHIFT)) : NULL;
}

void memory_release(void *address, size_t n)
{
    uint64_t start = ((uint64_t)address - MEMORY_RANGES_BASE) >> PAGE_SHIFT;

    ASSERT((uint64_t)address >= MEMORY_RANGES_BASE && start + n <= MEMORY_RANGES_PAGES);
    unsigned long saved = event_save();
    for (uint64_t page = start; page < start + n; page++) {
        ASSERT(bit_get(page));
        bit_set(page, false);
    }
    if (start < search_start) {
        search_start = start;
    }
    event_restore(saved);
}

/* Entries --------------------------------------------------------------------------------------- */

/* Writes a batch; with `status`, a refused entry is recorded and the rest goes on. */
static int batch_write(const struct priv_entry *entries, size_t n, domid_t owner, int *status)
{
    size_t at = 0;
    while (at < n) {
        size_t done = 0;
        int rc = priv_entries_write(&entries[at], n - at, owner, &done);
        if (rc == 0) {
            return 0;
        }
        if (status == NULL || done >= n - at) {
            return rc;
        }
        status[at + done] = rc;
        at += done + 1;
    }
    return 0;
}

int memory_map_at(void *address, const uint64_t *mfns, size_t n, domid_t owner, uint64_t flags,
                  int *status)
{
    struct priv_entry entries[BATCH];

    for (size_t base = 0; base < n; base += BATCH) {
        size_t count = n - base < BATCH ? n - base : BATCH;
        for (size_t i = 0; i < count; i++) {
            uint64_t page = (uint64_t)address + ((base + i) << PAGE_SHIFT);
            const uint64_t *entry = memory_entry(page, true);
            if (entry == NULL) {
                return -XEN_ENOMEM;
            }
            entries[i] = (struct priv_entry){memory_entry_maddr(entry),
                                             mfns[base + i] << PAGE_SHIFT | flags};
        }
        if (status != NULL) {
            memset(&status[base], 0, count * sizeof(*status));
        }
        int rc = batch_write(entries, count, owner, status == NULL ? NULL : &status[base]);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

void memory_clear_at(void *address, size_t n)
{
    struct priv_entry entries[BATCH];
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        const uint64_t *entry = memory_entry((uint64_t)address + (i << PAGE_SHIFT), false);
        if (entry != NULL && *entry != 0) {
            entries[count++] = (struct priv_entry){memory_entry_maddr(entry), 0};
        }
        if (count == BATCH || (i + 1 == n && count > 0)) {
            ASSERT(batch_write(entries, count, DOMID_SELF, NULL) == 0);
            count = 0;
        }
    }
    if (n > FLUSH_PAGES) {
        priv_tlb_flush_all();
        return;
    }
    for (size_t i = 0; i < n; i++) {
        priv_tlb_flush_page((char *)address + (i << PAGE_SHIFT));
    }
}

/* Mappings -------------------------------------------------------------------------------------- */

void *memory_map_frames(const uint64_t *mfns, size_t n, domid_t domid, unsigned int prot, int *errs)
{
    void *address = memory_reserve(n);
    if (address == NULL) {
        return NULL;
    }
    if (memory_map_at(address, mfns, n, domid, memory_flags(prot), errs) != 0) {
        memory_unmap(address, n);
        return NULL;
    }
    return address;
}

void memory_unmap(void *address, size_t n)
{
    if (address == NULL) {
        return;
    }
    address = (void *)((uint64_t)address & PAGE_MASK);
    memory_clear_at(address, n);
    memory_release(address, n);
}

void *memory_map_device(uint64_t paddr, size_t length)
{
    uint64_t offset = paddr & ~PAGE_MASK;
    size_t n = (offset + length + PAGE_SIZE - 1) >> PAGE_SHIFT;
    uint64_t flags = memory_flags(MEMORY_READ | MEMORY_WRITE | MEMORY_UNCACHED);
    char *address = memory_reserve(n);

    for (size_t i = 0; address != NULL && i < n; i++) {
        uint64_t mfn = (paddr >> PAGE_SHIFT) + i;
        if (memory_map_at(address + (i << PAGE_SHIFT), &mfn, 1, DOMID_SELF, flags, NULL) != 0) {
            memory_unmap(address, n);
            return NULL;
        }
    }
    return address == NULL ? NULL : address + offset;
}

/* Unmaps n pages and frees what was there. */
static void fresh_unmap(char *address, size_t n)
{
    for (size_t base = 0; base < n; base += BATCH) {
        void *pages[BATCH];
        size_t count = n - base < BATCH ? n - base : BATCH;
        char *start = address + (base << PAGE_SHIFT);
        for (size_t i = 0; i < count; i++) {
            pages[i] = mfn_to_virt(virt_to_mfn(start + (i << PAGE_SHIFT)));
        }
        memory_clear_at(start, count);
        for (size_t i = 0; i < count; i++) {
            page_free(pages[i], 0);
        }
    }
}

/* Maps n fresh pages from `address` on; on failure nothing is left. */
static bool fresh_map(char *address, size_t n)
{
    uint64_t mfns[BATCH];
    size_t mapped = 0;

    while (mapped < n) {
        size_t count = 0;
        while (count < BATCH && mapped + count < n) {
            void *page = page_alloc(0);
            if (page == NULL) {
                break;
            }
            mfns[count++] = virt_to_mfn(page);
        }
        char *start = address + (mapped << PAGE_SHIFT);
        bool all = count == BATCH || mapped + count == n;
        if (!all || memory_map_at(start, mfns, count, DOMID_SELF,
                                  memory_flags(MEMORY_READ | MEMORY_WRITE), NULL) != 0) {
            memory_clear_at(start, count);
            while (count > 0) {
                page_free(mfn_to_virt(mfns[--count]), 0);
            }
            fresh_unmap(address, mapped);
            return false;
        }
        mapped += count;
    }
    return true;
}

void *memory_alloc_region(size_t n)
{
    char *guard = memory_reserve(n + 1);
    if (guard == NULL) {
        return NULL;
    }
    if (!fresh_map(guard + PAGE_SIZE, n)) {
        memory_release(guard, n + 1);
        return NULL;
    }
    return guard + PAGE_SIZE;
}

void memory_free_region(void *address, size_t n)
{
    if (address != NULL) {
        fresh_unmap(address, n);
        memory_release((char *)address - PAGE_SIZE, n + 1);
    }
}

/* Heap ------------------------------------------------------------------------------------------ */

static char *heap_end = (char *)MEMORY_HEAP_BASE;    /* given to newlib */
static char *heap_mapped = (char *)MEMORY_HEAP_BASE; /* mapped up to here, in pages */

void *memory_heap_grow(size_t bytes)
{
    if (bytes > MEMORY_HEAP_END - (uint64_t)heap_end) {
        return NULL;
    }
    if (heap_mapped < heap_end + bytes) {
        size_t pages = (size_t)(heap_end + bytes - heap_mapped + PAGE_SIZE - 1) >> PAGE_SHIFT;
        if (!fresh_map(heap_mapped, pages)) {
            return NULL;
        }
        heap_mapped += pages << PAGE_SHIFT;
    }
    char *start = heap_end;
    heap_end += bytes;
    return start;
}

void *memory_heap_shrink(size_t bytes)
{
    char *start = heap_end;
    if (bytes > (uint64_t)heap_end - MEMORY_HEAP_BASE) {
        return NULL;
    }
    heap_end -= bytes;
    size_t pages = (size_t)(heap_mapped - heap_end) >> PAGE_SHIFT;
    heap_mapped -= pages << PAGE_SHIFT;
    fresh_unmap(heap_mapped, pages);
    return start;
}
