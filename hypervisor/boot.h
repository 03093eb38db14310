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
    const char *loader;
    char *cmdline; // the hypervisor's; without what belongs to dom0 after options_parse()
    struct boot_module module[BOOT_MAX_MODULES];
    unsigned module_count;
    struct boot_region region[BOOT_MAX_REGIONS];
    unsigned region_count;
    uint8_t rsdp[36]; // copy of the ACPI root pointer
    bool has_rsdp;
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

// --- Private to the boot code: collecting the memory map and what in it is taken.

// A region of the firmware's map, in any order, overlaps allowed (the higher type wins).
void bootmem_add_region(uint64_t start, uint64_t bytes, enum boot_region_type type);

// The map is complete: sort it, find the free ranges, choose the trampoline page.
void bootmem_init(void);

void bootmem_print(void);

// All RAM is mapped: boot_alloc may use what lies above 4 GiB, too.
void bootmem_use_all(void);

// --- Symbols of the link script and of the boot code.
extern char image_start[], image_end[];
extern char text_start[], text_end[], entry_text_start[], entry_text_end[];
extern char rodata_start[], rodata_end[], data_start[];
extern char symbols_start[], symbols_end[];
extern char build_id_start[], build_id_end[]; // the linker's note (gABI, "Note Section")
extern uint64_t boot_l4[];
extern char trampoline_start[], trampoline_end[], trampoline_parameters[];

// --- The steps of the boot that other files continue with.

// From boot.S: on the first stack and the boot tables, interrupts off.
void boot_main(uint32_t magic, uint64_t info, uint64_t load_address) __attribute__((noreturn));

// Every other CPU, set up and online, interrupts off: becomes its idle vcpu.
void cpu_main(void) __attribute__((noreturn));

// --- Builds the control domain from the boot modules.

// Module 0 is the kernel, plain or packed by gzip, its text the command line; of the others the first that
// is no microcode update (ucode=) is its initrd. Panics with what is wrong when it cannot be built. dom0 is
// ready to run and paused.
void dom0_build(void);
