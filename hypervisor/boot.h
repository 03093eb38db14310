// SPDX-License-Identifier: MIT
// What the boot loader told us, and memory before the page allocator exists.
#pragma once

#include "hypervisor/types.h"

#define BOOT_MAX_MODULES 8
#define BOOT_MAX_REGIONS 128

// E820 types, as in the multiboot2 memory map.
enum boot_region_type { REGION_RAM = 1, REGION_RESERVED, REGION_ACPI, REGION_NVS, REGION_BAD };

struct boot_region {
    uint64_t start, end; // bytes, sorted, not overlapping; RAM regions are cut to whole pages
    enum boot_region_type type;
};

struct boot_module {
    uint64_t start, bytes; // machine address; reserved until boot_module_free()
    const char *cmdline;
};

struct boot_info {
    const char *loader, *cmdline;
    struct boot_module module[BOOT_MAX_MODULES];
    unsigned module_count;
    struct boot_region region[BOOT_MAX_REGIONS];
    unsigned region_count;
    uint8_t rsdp[36]; // copy of the ACPI root pointer
    bool has_rsdp, is_efi;
    uint64_t efi_system_table;       // machine address, 0 under BIOS
    uint64_t image_start, image_end; // machine addresses of the hypervisor itself
    uint64_t trampoline;             // page below 1 MiB for starting CPUs
    uint64_t ram_bytes;              // all RAM of the map
    uint64_t ram_end;                // end of the highest RAM that is used, <= HV_MAX_RAM
};
extern struct boot_info boot_info;

// Parse the multiboot2 information (called first by the boot code).
void multiboot_parse(uint32_t magic, uint64_t info);

// Zeroed memory that is never freed, in the direct map. Panics when there is none. Only before
// boot_memory_finish().
void *boot_alloc(size_t bytes, size_t align);
mfn_t boot_alloc_frame(void); // zeroed

// Make the frame table for all RAM, in use or not.
void boot_memory_describe(void);

// Hand every RAM range that is still free to the page allocator; boot_alloc ends.
void boot_memory_finish(void);

// Give a module's memory to the page allocator.
void boot_module_free(unsigned index);
