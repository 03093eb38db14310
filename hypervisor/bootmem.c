// SPDX-License-Identifier: MIT
// The memory map, and memory before the page allocator exists.
//
// Owns the list of free ranges: RAM of the map (cut to whole pages, between 1 MiB and HV_MAX_RAM)
// minus the image, the modules and what boot_alloc gave out. boot_alloc takes from the top of the
// highest range: below 4 GiB, which the boot tables map, until paging_init() has mapped all of it. At
// the end what is left goes to the page allocator. The boot information is not reserved: it has been
// copied.
#include "hypervisor/boot.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/panic.h"
#include "hypervisor/string.h"

#define LOW_MEMORY_END 0x100000ul
#define FOUR_GIB 0x100000000ul
#define FREE_MAX 256

struct range {
    uint64_t start, end;
};

static struct range free_range[FREE_MAX]; // in ascending order
static unsigned free_count;
static bool is_finished;
static uint64_t alloc_limit = FOUR_GIB;

void bootmem_add_region(uint64_t start, uint64_t bytes, enum boot_region_type type)
{
    struct boot_region *r = &boot_info.region[boot_info.region_count];
    if (bytes == 0 || start + bytes < start)
        return;
    if (boot_info.region_count == BOOT_MAX_REGIONS) {
        log_warn("boot: memory map longer than %d entries, the rest is ignored", BOOT_MAX_REGIONS);
        return;
    }
    boot_info.region_count++;
    *r = (struct boot_region){start, start + bytes, type};
}

// Insertion sort by start: maps are short and nearly sorted.
static void regions_sort(void)
{
    for (unsigned i = 1; i < boot_info.region_count; i++) {
        struct boot_region r = boot_info.region[i];
        unsigned j = i;
        for (; j > 0 && boot_info.region[j - 1].start > r.start; j--)
            boot_info.region[j] = boot_info.region[j - 1];
        boot_info.region[j] = r;
    }
}

static void range_add(uint64_t start, uint64_t end)
{
    if (start >= end)
        return;
    if (free_count == FREE_MAX) {
        log_warn("boot: memory too fragmented, %lu KiB are left out", (end - start) >> 10);
        return;
    }
    unsigned i = free_count++;
    for (; i > 0 && free_range[i - 1].start > start; i--)
        free_range[i] = free_range[i - 1];
    free_range[i] = (struct range){start, end};
}

// Take [start, end), widened to whole pages, out of the free ranges.
static void range_reserve(uint64_t start, uint64_t end)
{
    start &= PAGE_MASK;
    end = (end + PAGE_SIZE - 1) & PAGE_MASK;
    for (unsigned i = 0; i < free_count; i++) {
        struct range *r = &free_range[i];
        if (r->end <= start || end <= r->start)
            continue;
        uint64_t tail_end = r->end;
        r->end = MAX(r->start, start); // maybe empty: skipped by everyone
        range_add(end, tail_end);
    }
}

// RAM of the map, whole pages only, cut to [low, high).
static void ram_collect(uint64_t low, uint64_t high)
{
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        struct boot_region *r = &boot_info.region[i];
        if (r->type != REGION_RAM)
            continue;
        r->start = (r->start + PAGE_SIZE - 1) & PAGE_MASK;
        r->end &= PAGE_MASK;
        if (r->end <= r->start) {
            r->end = r->start;
            continue;
        }
        boot_info.ram_bytes += r->end - r->start;
        if (r->start < high)
            boot_info.ram_end = MAX(boot_info.ram_end, MIN(r->end, high));
        range_add(MAX(r->start, low), MIN(r->end, high));
    }
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *r = &boot_info.region[i];
        if (r->type != REGION_RAM)
            range_reserve(r->start, r->end);
    }
}

// A page of RAM below 640 KiB for starting CPUs; the highest one, away from the BIOS's data at 0.
static uint64_t trampoline_choose(void)
{
    uint64_t best = 0;
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *r = &boot_info.region[i];
        uint64_t end = MIN(r->end, 0xa0000ul) & PAGE_MASK;
        if (r->type == REGION_RAM && end >= r->start + PAGE_SIZE && end - PAGE_SIZE >= 0x1000)
            best = MAX(best, end - PAGE_SIZE);
    }
    return best;
}

void bootmem_init(void)
{
    regions_sort();
    ram_collect(LOW_MEMORY_END, HV_MAX_RAM);
    range_reserve(boot_info.image_start, boot_info.image_end);
    for (unsigned i = 0; i < boot_info.module_count; i++)
        range_reserve(boot_info.module[i].start,
                      boot_info.module[i].start + boot_info.module[i].bytes);
    boot_info.trampoline = trampoline_choose();
    if (free_count == 0)
        panic("the boot loader gave no memory map");
}

void bootmem_print(void)
{
    log_info("RAM: %lu MiB, ends at %#lx; image at %#lx, %u modules", boot_info.ram_bytes >> 20,
             boot_info.ram_end, boot_info.image_start, boot_info.module_count);
}

void *boot_alloc(size_t bytes, size_t align)
{
    BUG_ON(is_finished);
    bytes = (bytes + PAGE_SIZE - 1) & PAGE_MASK;
    align = MAX(align, PAGE_SIZE);
    for (unsigned i = free_count; i-- > 0;) {
        struct range *r = &free_range[i];
        uint64_t end = MIN(r->end, alloc_limit), start = (end - bytes) & ~(align - 1);
        if (end < r->start + bytes || start < r->start)
            continue;
        uint64_t tail_start = start + bytes, tail_end = r->end;
        r->end = start;
        range_add(tail_start, tail_end);
        void *memory = maddr_to_virt(MADDR(start));
        memset(memory, 0, bytes);
        return memory;
    }
    panic("out of memory at boot (%lu KiB wanted)", bytes >> 10);
}

mfn_t boot_alloc_frame(void)
{
    return maddr_to_mfn(virt_to_maddr(boot_alloc(PAGE_SIZE, PAGE_SIZE)));
}

void bootmem_use_all(void)
{
    alloc_limit = HV_MAX_RAM;
}

// The first megabyte stays without frames: firmware and dom0 share it, as device memory does.
void boot_memory_describe(void)
{
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *r = &boot_info.region[i];
        uint64_t start = MAX(r->start, LOW_MEMORY_END), end = MIN(r->end, HV_MAX_RAM);
        if (r->type == REGION_RAM && start < end)
            frame_table_add(start >> PAGE_SHIFT, end >> PAGE_SHIFT);
    }
}

void boot_memory_finish(void)
{
    is_finished = true;
    for (unsigned i = 0; i < free_count; i++) {
        if (free_range[i].start < free_range[i].end)
            frames_add_range(free_range[i].start, free_range[i].end);
    }
}

void boot_module_free(unsigned index)
{
    struct boot_module *m = &boot_info.module[index];
    uint64_t start = MAX((m->start + PAGE_SIZE - 1) & PAGE_MASK, LOW_MEMORY_END),
             end = (m->start + m->bytes) & PAGE_MASK;
    BUG_ON(index >= boot_info.module_count || !is_finished);
    if (start < end) {
        // Under UEFI GRUB's own memory, and so a module, may lie between the ranges of RAM.
        frame_table_add(start >> PAGE_SHIFT, end >> PAGE_SHIFT);
        frames_add_range(start, end);
    }
    m->bytes = 0;
}
