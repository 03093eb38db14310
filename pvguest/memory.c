// SPDX-License-Identifier: MIT
/*
 * Translation between pfns, frames and addresses, page-table walks, and the map of RAM.
 *
 * The hypervisor maps the first part of RAM (at least the image, p2m and tables, rounded up) at
 * MEMORY_IMAGE_BASE. We keep that as it is; the rest is mapped at MEMORY_PHYSMAP_BASE, 16 MiB at a
 * time, when the page allocator runs low: small guests and quick boots pay nothing for it. Page
 * tables are own pages, mapped read-only as direct paging wants it; all entries are written by
 * priv_entries_write, except those of a table that is not yet in use.
 *
 * Invariant: pfn < mapped_end has a present mapping at pfn_to_virt(pfn), unless its frame was given
 * away. Tables are made, never taken away.
 */
#include <string.h>
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/memory_private.h"
#include "pvguest/start.h"
#include "pvguest/trap.h"

#define TABLE_FLAGS (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY)
#define GROW_TABLES 8U /* L1 tables a step: 16 MiB */
#define L1_LEVEL 1
#define ROOT_LEVEL 4

uint64_t *memory_p2m;

static uint64_t page_count;  /* of this domain */
static uint64_t initial_end; /* pfns below are mapped at MEMORY_IMAGE_BASE */
static uint64_t mapped_end;  /* pfns below are mapped */
static uint64_t first_free;  /* behind image, module, p2m, start_info, tables and boot stack */
static uint64_t *root;       /* the L4 table */
static uint64_t no_execute;  /* PTE_NO_EXECUTE or 0 */

size_t memory_page_count(void)
{
    return page_count;
}

size_t memory_unmapped_count(void)
{
    return page_count - mapped_end;
}

void *pfn_to_virt(uint64_t pfn)
{
    uint64_t base = pfn < initial_end ? MEMORY_IMAGE_BASE : MEMORY_PHYSMAP_BASE;
    return (void *)(base + (pfn << PAGE_SHIFT));
}

uint64_t virt_to_pfn(const void *address)
{
    uint64_t a = (uint64_t)address;
    if (a >= MEMORY_IMAGE_BASE) {
        uint64_t pfn = (a - MEMORY_IMAGE_BASE) >> PAGE_SHIFT;
        return pfn < initial_end ? pfn : INVALID_MFN;
    }
    uint64_t pfn = (a - MEMORY_PHYSMAP_BASE) >> PAGE_SHIFT;
    return a >= MEMORY_PHYSMAP_BASE && pfn >= initial_end && pfn < mapped_end ? pfn : INVALID_MFN;
}

void *mfn_to_virt(uint64_t mfn)
{
    uint64_t pfn = priv_mfn_to_pfn(mfn);
    return pfn < mapped_end && memory_p2m[pfn] == mfn ? pfn_to_virt(pfn) : NULL;
}

uint64_t virt_to_mfn(const void *address)
{
    uint64_t pfn = virt_to_pfn(address);
    if (pfn != INVALID_MFN) {
        return memory_p2m[pfn];
    }
    const uint64_t *entry = memory_entry((uint64_t)address, false);
    if (entry == NULL || (*entry & PTE_PRESENT) == 0) {
        return INVALID_MFN;
    }
    return (*entry & PTE_FRAME_MASK) >> PAGE_SHIFT;
}

uint64_t virt_to_maddr(const void *address)
{
    uint64_t mfn = virt_to_mfn(address);
    return mfn == INVALID_MFN ? mfn : mfn << PAGE_SHIFT | ((uint64_t)address & ~PAGE_MASK);
}

uint64_t memory_flags(unsigned int prot)
{
    return PTE_PRESENT | PTE_ACCESSED | no_execute |
           ((prot & MEMORY_WRITE) != 0 ? PTE_WRITE | PTE_DIRTY : 0) |
           ((prot & MEMORY_UNCACHED) != 0 ? PTE_CACHE_OFF | PTE_WRITE_THROUGH : 0);
}

/* Tables ---------------------------------------------------------------------------------------- */

uint64_t memory_entry_maddr(const uint64_t *entry)
{
    /* Tables lie in own RAM at their fixed address. */
    return memory_p2m[virt_to_pfn(entry)] << PAGE_SHIFT | ((uint64_t)entry & ~PAGE_MASK);
}

/* Makes the zeroed page a table below *parent: it becomes read-only, then the parent points to it.
 * The hypervisor forgets writable translations of it before it accepts it as a table. */
static int table_link(uint64_t *parent, const void *page)
{
    uint64_t *mapping = memory_entry((uint64_t)page, false);
    uint64_t frame = virt_to_mfn(page) << PAGE_SHIFT;
    const struct priv_entry entries[] = {
        {memory_entry_maddr(mapping), frame | memory_flags(MEMORY_READ)},
        {memory_entry_maddr(parent),  frame | TABLE_FLAGS              },
    };
    size_t done;
    return priv_entries_write(entries, 2, DOMID_SELF, &done);
}

/* The entry of `address` in the table of `level` (1: L1). */
static uint64_t *table_entry(uint64_t address, int level, bool create)
{
    uint64_t *table = root;
    for (int l = ROOT_LEVEL;; l--) {
        uint64_t *entry = &table[(address >> (PAGE_SHIFT + 9 * (l - 1))) % ENTRIES_PER_TABLE];
        if (l == level) {
            return entry;
        }
        if ((*entry & PTE_PRESENT) == 0) {
            if (!create) {
                return NULL;
            }
            void *page = page_alloc(0);
            if (page == NULL) {
                return NULL;
            }
            ASSERT(table_link(entry, page) == 0);
        }
        table = mfn_to_virt((*entry & PTE_FRAME_MASK) >> PAGE_SHIFT);
        if (table == NULL) {
            return NULL; /* the hypervisor's own part of the address space */
        }
    }
}

/* Neighbouring addresses are asked for one after another, and tables stay: the last is kept. */
uint64_t *memory_entry(uint64_t address, bool create)
{
    static uint64_t last_region = ~0UL;
    static uint64_t *last_table;

    uint64_t region = address / (PAGES_PER_L1 * PAGE_SIZE);
    size_t index = (address >> PAGE_SHIFT) % ENTRIES_PER_TABLE;
    unsigned long saved = event_save();
    if (region != last_region) {
        uint64_t *entry = table_entry(address, L1_LEVEL, create);
        if (entry == NULL) {
            event_restore(saved);
            return NULL;
        }
        last_table = entry - index;
        last_region = region;
    }
    uint64_t *entry = &last_table[index];
    event_restore(saved);
    return entry;
}

uint64_t memory_pte_maddr(const void *address)
{
    const uint64_t *entry = memory_entry((uint64_t)address, false);
    return entry == NULL ? INVALID_MFN : memory_entry_maddr(entry);
}

/* The map of RAM -------------------------------------------------------------------------------- */

/* Fills a free page as the L1 table for the pfns from *pfn on and moves *pfn behind them. */
static void l1_fill(uint64_t *table, uint64_t *pfn)
{
    uint64_t index = ((uint64_t)pfn_to_virt(*pfn) >> PAGE_SHIFT) % PAGES_PER_L1;
    uint64_t flags = memory_flags(MEMORY_READ | MEMORY_WRITE);

    memset(table, 0, PAGE_SIZE);
    for (; index < PAGES_PER_L1 && *pfn < page_count; index++, (*pfn)++) {
        if (memory_p2m[*pfn] != INVALID_MFN) {
            table[index] = memory_p2m[*pfn] << PAGE_SHIFT | flags;
        }
    }
}

/* One step: up to GROW_TABLES tables are filled while they are ordinary pages, made read-only and
 * linked in one call. The pages come from the allocator's reserve. */
bool memory_grow(void)
{
    static bool growing;
    struct priv_entry entries[2 * GROW_TABLES];
    uint64_t pfn = mapped_end;
    unsigned int tables = 0;
    size_t done;

    if (growing || pfn >= page_count) {
        return false;
    }
    growing = true;
    for (; tables < GROW_TABLES && pfn < page_count; tables++) {
        uint64_t *parent = table_entry((uint64_t)pfn_to_virt(pfn), L1_LEVEL + 1, true);
        uint64_t *table = parent == NULL ? NULL : page_alloc_dirty(0);
        if (table == NULL) {
            break;
        }
        uint64_t frame = virt_to_mfn(table) << PAGE_SHIFT;
        l1_fill(table, &pfn);
        entries[tables] = (struct priv_entry){
            memory_entry_maddr(memory_entry((uint64_t)table, false)),
            frame | memory_flags(MEMORY_READ)};
        entries[GROW_TABLES + tables] = (struct priv_entry){memory_entry_maddr(parent),
                                                            frame | TABLE_FLAGS};
    }
    if (tables > 0) {
        memmove(&entries[tables], &entries[GROW_TABLES], tables * sizeof(entries[0]));
        ASSERT(priv_entries_write(entries, 2 * tables, DOMID_SELF, &done) == 0);
        uint64_t start = mapped_end;
        mapped_end = pfn;
        page_add_range(start, pfn);
    }
    growing = false;
    return tables > 0;
}

/* Start ----------------------------------------------------------------------------------------- */

/* How many pages the hypervisor mapped from MEMORY_IMAGE_BASE on. */
static uint64_t initial_count(void)
{
    uint64_t pfn = 0;
    while (pfn < page_count) {
        const uint64_t *entry = table_entry(MEMORY_IMAGE_BASE + (pfn << PAGE_SHIFT), L1_LEVEL,
                                            false);
        if (entry == NULL) {
            break;
        }
        uint64_t left = PAGES_PER_L1 - pfn % PAGES_PER_L1;
        for (; left > 0 && pfn < page_count && (*entry & PTE_PRESENT) != 0; left--, entry++) {
            pfn++;
        }
        if (left > 0) {
            break;
        }
    }
    return pfn;
}

static void raise_first_free(uint64_t address, uint64_t length)
{
    uint64_t end = (address - MEMORY_IMAGE_BASE + length + PAGE_SIZE - 1) >> PAGE_SHIFT;
    if (address >= MEMORY_IMAGE_BASE && end > first_free) {
        first_free = end;
    }
}

void memory_start(const struct start_info *info)
{
    extern char image_end[];

    memory_p2m = (uint64_t *)info->mfn_list;
    root = (uint64_t *)info->pt_base;
    page_count = info->nr_pages;
    no_execute = priv_has_no_execute() ? PTE_NO_EXECUTE : 0;
    /* The walk needs these two to find tables: all are in the initial mapping. */
    initial_end = mapped_end = page_count;
    initial_end = mapped_end = initial_count();

    raise_first_free((uint64_t)image_end, 0);
    raise_first_free((uint64_t)info, PAGE_SIZE);
    raise_first_free(info->mfn_list, page_count * sizeof(uint64_t));
    raise_first_free(info->pt_base, (info->nr_pt_frames + 1) << PAGE_SHIFT); /* and boot stack */
    if (info->mod_start != 0 && (info->flags & SIF_MOD_START_PFN) == 0) {
        raise_first_free(info->mod_start, info->mod_len);
    }
    if (!start_is_dom0()) {
        raise_first_free((uint64_t)mfn_to_virt(info->store_mfn), PAGE_SIZE);
        raise_first_free((uint64_t)mfn_to_virt(info->console.domU.mfn), PAGE_SIZE);
    }
}

/* Text and read-only data become read-only. */
void memory_protect_image(void)
{
    extern char image_start[], image_rodata_end[];
    struct priv_entry entries[64];
    size_t count = 0, done;

    for (char *page = image_start; page < image_rodata_end; page += PAGE_SIZE) {
        const uint64_t *entry = memory_entry((uint64_t)page, false);
        entries[count++] = (struct priv_entry){memory_entry_maddr(entry), *entry & ~PTE_WRITE};
        if (count == sizeof(entries) / sizeof(entries[0]) || page + PAGE_SIZE >= image_rodata_end) {
            ASSERT(priv_entries_write(entries, count, DOMID_SELF, &done) == 0);
            count = 0;
        }
    }
    priv_tlb_flush_all();
}

void memory_initial_range(uint64_t *first, uint64_t *end)
{
    *first = first_free;
    *end = initial_end;
}
