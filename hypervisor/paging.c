// SPDX-License-Identifier: MIT
// The final page tables: built once at boot, by the boot CPU, from boot memory.
//
// Everything below L4 slots 256..271 is shared by all roots, so the L3 tables under these slots are
// made here for good. Rights: text executable and read-only, read-only data and the M2P read-only,
// all else not executable. The image's frames are in the direct map too, with text and read-only data
// read-only there. The direct map covers RAM and ACPI tables exactly, nothing else: device memory
// must not be reachable through a cached alias.
// Permanent mappings are global; the CPU windows are not, since they differ from guest to guest.
#include "hypervisor/paging.h"
#include "hypervisor/lock.h"
#include "hypervisor/boot.h"
#include "hypervisor/cpu.h"
#include "hypervisor/string.h"

#define LARGE_PAGE 0x200000ul
#define TABLE_PTE (PTE_PRESENT | PTE_RW | PTE_ACCESSED | PTE_DIRTY)
#define LEAF_PTE (PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY)
#define FIXED_DATA_PTE (PTE_NX | PTE_GLOBAL)             // of permanent mappings of data
#define M2P_CHUNK_FRAMES (LARGE_PAGE / sizeof(uint64_t)) // frames described by one large page

uint64_t *idle_l4;

maddr_t idle_l4_maddr(void)
{
    return virt_to_maddr(idle_l4);
}

maddr_t image_to_maddr(const void *symbol)
{
    return MADDR((uint64_t)symbol - (uint64_t)image_start + boot_info.image_start);
}

static uint64_t *table_alloc(void)
{
    return boot_alloc(PAGE_SIZE, PAGE_SIZE);
}

// The table below `entry`, made when it is missing.
static uint64_t *table_below(uint64_t *entry, uint64_t flags)
{
    if (!(*entry & PTE_PRESENT))
        *entry = virt_to_maddr(table_alloc()).v | TABLE_PTE | flags;
    return maddr_to_virt(MADDR(*entry & PTE_ADDRESS));
}

static unsigned table_index(uint64_t va, unsigned level)
{
    return va >> (PAGE_SHIFT + 9 * (level - 1)) & (PTES - 1);
}

// The entry for `va` in the table of `level`; `user` is set in the tables above it.
static uint64_t *walk(uint64_t va, unsigned level, uint64_t user)
{
    uint64_t *table = idle_l4;
    for (unsigned at = 4; at > level; at--)
        table = table_below(&table[table_index(va, at)], user);
    return &table[table_index(va, level)];
}

// Map [maddr, maddr + bytes) at va, whole pages, large ones where both are aligned. What a
// large page already maps stays: the firmware's regions may overlap.
static void map_range(uint64_t va, uint64_t maddr, uint64_t bytes, uint64_t flags)
{
    while (bytes > 0) {
        uint64_t *l2_entry = walk(va, 2, 0);
        bool large = ((va | maddr) & (LARGE_PAGE - 1)) == 0 && bytes >= LARGE_PAGE &&
                     *l2_entry == 0;
        uint64_t step = large ? LARGE_PAGE : PAGE_SIZE;
        if (large)
            *l2_entry = maddr | flags | LEAF_PTE | PTE_PSE;
        else if (!(*l2_entry & PTE_PSE))
            *walk(va, 1, 0) = maddr | flags | LEAF_PTE;
        va += step;
        maddr += step;
        bytes -= step;
    }
}

static void map_image_part(const char *start, const char *end, uint64_t flags)
{
    uint64_t from = (uint64_t)start, to = ((uint64_t)end + PAGE_SIZE - 1) & PAGE_MASK;
    for (; from < to; from += PAGE_SIZE)
        *walk(from, 1, 0) = image_to_maddr((void *)from).v | flags | PTE_GLOBAL | LEAF_PTE;
}

#define REGIONS_MAPPED (1u << REGION_RAM | 1u << REGION_ACPI | 1u << REGION_NVS)

// RAM and ACPI tables. The image starts on a large page and lies within one region: its text and
// read-only data come first.
static void map_direct(void)
{
    uint64_t image = boot_info.image_start, writable = image_to_maddr(data_start).v;
    uint64_t flags = PTE_RW | FIXED_DATA_PTE;
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *r = &boot_info.region[i];
        uint64_t start = r->start & PAGE_MASK,
                 end = MIN((r->end + PAGE_SIZE - 1) & PAGE_MASK, HV_MAX_RAM);
        if (!(REGIONS_MAPPED >> r->type & 1) || start >= end)
            continue;
        if (start <= image && image < end) {
            map_range(DIRECT_MAP_START + start, start, image - start, flags);
            map_range(DIRECT_MAP_START + image, image, writable - image, flags & ~(uint64_t)PTE_RW);
            start = writable;
        }
        map_range(DIRECT_MAP_START + start, start, end - start, flags);
    }
}

static bool range_has_ram(uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *r = &boot_info.region[i];
        if (r->type == REGION_RAM && r->start < end && start < r->end)
            return true;
    }
    return false;
}

static uint64_t m2p_chunks; // bit n: chunk n exists
_Static_assert(M2P_SIZE / LARGE_PAGE <= 64, "one bit a chunk");

// A page of ~0 and a table full of it: what all chunks without RAM map.
static uint64_t *m2p_hole_table(uint64_t user)
{
    static void *hole_page;
    uint64_t *l1 = table_alloc();
    if (!hole_page)
        hole_page = memset(table_alloc(), 0xff, PAGE_SIZE);
    for (unsigned i = 0; i < PTES; i++)
        l1[i] = virt_to_maddr(hole_page).v | LEAF_PTE | user | PTE_NX;
    return l1;
}

// One large page of entries for each 1 GiB with RAM in it. Guests read it in slot 256, which not
// every root has, so it is not global; the alias in slot 257 is ours (SMAP keeps us out of the first).
static void map_m2p(void)
{
    uint64_t *user_holes = m2p_hole_table(PTE_USER), *own_holes = m2p_hole_table(0);
    for (unsigned i = 0; i < M2P_SIZE / LARGE_PAGE; i++) {
        uint64_t offset = i * LARGE_PAGE, first = i * M2P_CHUNK_FRAMES << PAGE_SHIFT;
        uint64_t *entry = walk(M2P_START + offset, 2, PTE_USER);
        uint64_t *alias = walk(M2P_RW_START + offset, 2, 0);
        if (!range_has_ram(first, first + (M2P_CHUNK_FRAMES << PAGE_SHIFT))) {
            *entry = virt_to_maddr(user_holes).v | TABLE_PTE | PTE_USER;
            *alias = virt_to_maddr(own_holes).v | TABLE_PTE;
            continue;
        }
        void *chunk = boot_alloc(LARGE_PAGE, LARGE_PAGE);
        uint64_t leaf = virt_to_maddr(chunk).v | LEAF_PTE | PTE_PSE | PTE_NX;
        memset(chunk, 0xff, LARGE_PAGE);
        *entry = leaf | PTE_USER;
        *alias = leaf | PTE_RW | PTE_GLOBAL;
        m2p_chunks |= 1ull << i;
    }
}

void m2p_set(mfn_t mfn, uint64_t value)
{
    if (mfn.v < HV_MAX_MFN && m2p_chunks >> mfn.v / M2P_CHUNK_FRAMES & 1)
        __atomic_store_n((uint64_t *)M2P_RW_START + mfn.v, value, __ATOMIC_RELAXED);
}

mfn_t paging_m2p_chunk(unsigned chunk)
{
    if (chunk >= M2P_SIZE / LARGE_PAGE || !(m2p_chunks >> chunk & 1))
        return MFN(0);
    return maddr_to_mfn(MADDR(*walk(M2P_RW_START + chunk * LARGE_PAGE, 2, 0) & PTE_ADDRESS));
}

void paging_map_fresh(uint64_t start, uint64_t bytes)
{
    uint64_t flags = PTE_RW | FIXED_DATA_PTE | LEAF_PTE, step;
    uint64_t end = (start + bytes + PAGE_SIZE - 1) & PAGE_MASK;
    for (uint64_t va = start & PAGE_MASK; va < end; va += step) {
        uint64_t *large = walk(va, 2, 0);
        bool is_free = *large == 0 && (va & (LARGE_PAGE - 1)) == 0 && end - va >= LARGE_PAGE;
        step = PAGE_SIZE;
        if (is_free) {
            *large = virt_to_maddr(boot_alloc(LARGE_PAGE, LARGE_PAGE)).v | flags | PTE_PSE;
            step = LARGE_PAGE;
        } else if (!(*large & PTE_PSE)) {
            uint64_t *entry = walk(va, 1, 0);
            if (!(*entry & PTE_PRESENT))
                *entry = virt_to_maddr(table_alloc()).v | flags;
        }
    }
}

uint64_t *paging_l1_entry(uint64_t va)
{
    return walk(va, 1, 0);
}

void paging_copy_slots(uint64_t *l4, bool with_m2p)
{
    l4[HV_SLOT_FIRST] = with_m2p ? idle_l4[HV_SLOT_FIRST] : 0;
    for (unsigned slot = HV_SLOT_FIRST + 1; slot <= HV_SLOT_LAST; slot++)
        l4[slot] = idle_l4[slot];
}

void paging_init(void)
{
    idle_l4 = table_alloc();
    for (unsigned slot = HV_SLOT_FIRST; slot <= HV_SLOT_LAST; slot++)
        table_below(&idle_l4[slot], slot == HV_SLOT_FIRST ? PTE_USER : 0);
    map_image_part(text_start, text_end, 0);
    map_image_part(rodata_start, rodata_end, PTE_NX);
    map_image_part(data_start, image_end, PTE_RW | PTE_NX);
    map_direct();
    map_m2p();
    ioremap_init();
    // The boot tables stay for starting CPUs, with the final mappings beside the low one.
    paging_copy_slots(boot_l4, true);
    write_cr3(idle_l4_maddr().v);
    bootmem_use_all();
}

// --- The window for device memory (and for tables outside RAM): filled from its start, never emptied.
//
// Its tables are made at boot, so mapping needs no memory. Lock: LOCK_ALLOC rank, so callers may hold
// domain and interrupt locks.

#define WINDOW_PAGES (IOREMAP_SIZE / PAGE_SIZE)

static struct spinlock window_lock = SPINLOCK_INIT(LOCK_ALLOC);
static uint64_t *window_l1[WINDOW_PAGES / PTES];
static unsigned window_used; // pages from the start

static uint64_t *entry_of(unsigned page)
{
    return &window_l1[page / PTES][page % PTES];
}

void ioremap_init(void)
{
    for (unsigned i = 0; i < WINDOW_PAGES; i += PTES)
        window_l1[i / PTES] = paging_l1_entry(IOREMAP_START + i * PAGE_SIZE);
}

// First page of a run that already maps these frames, or `window_used`.
static unsigned find_mapped(uint64_t first, unsigned pages)
{
    unsigned run = 0;
    for (unsigned page = 0; page < window_used; page++) {
        bool match = (*entry_of(page) & PTE_ADDRESS) == first + run * PAGE_SIZE;
        run = match ? run + 1 : (*entry_of(page) & PTE_ADDRESS) == first;
        if (run == pages)
            return page + 1 - pages;
    }
    return window_used;
}

void *ioremap(maddr_t maddr, size_t bytes)
{
    uint64_t first = maddr.v & PAGE_MASK, offset = maddr.v & ~PAGE_MASK;
    const uint64_t flags = PTE_PRESENT | PTE_RW | PTE_PCD | PTE_PWT | PTE_ACCESSED | PTE_DIRTY |
                           PTE_NX | PTE_GLOBAL;
    void *result = NULL;
    // An address that no entry can hold may come from a device's base register.
    if (bytes == 0 || bytes > IOREMAP_SIZE || maddr.v >> cpu_features.phys_bits ||
        (maddr.v + bytes - 1) >> cpu_features.phys_bits)
        return NULL;
    unsigned pages = (unsigned)((offset + bytes + PAGE_SIZE - 1) >> PAGE_SHIFT);
    uint64_t irq = spin_lock_irqsave(&window_lock);
    unsigned page = find_mapped(first, pages);
    if (page + pages <= WINDOW_PAGES) {
        for (; window_used < page + pages; window_used++)
            *entry_of(window_used) = (first + (window_used - page) * PAGE_SIZE) | flags;
        result = (void *)(IOREMAP_START + page * PAGE_SIZE + offset);
    }
    spin_unlock_irqrestore(&window_lock, irq);
    return result;
}
