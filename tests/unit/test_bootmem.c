// SPDX-License-Identifier: MIT
// The memory map of the boot: whatever the firmware says, nothing is handed out that is not RAM, is
// in use, or was handed out before. bootmem.c is included with memset renamed: a call tells what
// boot_alloc took.
#include "hypervisor/boot.h"
#include "hypervisor/layout.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <string.h>

void *test_memset(void *to, int value, size_t bytes);
#define memset test_memset
#include "hypervisor/bootmem.c"
#undef memset

#define MAP_PAGES 0x4000u // the simulated machine: 64 MiB

struct boot_info boot_info;

enum page_state { PAGE_NONE, PAGE_RAM, PAGE_TAKEN, PAGE_GIVEN };
static unsigned char state[MAP_PAGES];
static unsigned faults;

static void take(uint64_t first, uint64_t end, enum page_state next)
{
    for (uint64_t page = first; page < end; page++) {
        if (page >= MAP_PAGES || state[page] != PAGE_RAM)
            faults++;
        else
            state[page] = (unsigned char)next;
    }
}

void frames_add_range(uint64_t start, uint64_t end)
{
    CU_ASSERT_EQUAL((start | end) & ~PAGE_MASK, 0);
    take(start >> PAGE_SHIFT, end >> PAGE_SHIFT, PAGE_GIVEN);
}

void frame_table_add(uint64_t first, uint64_t end)
{
    CU_ASSERT_TRUE(first <= end);
}

void *test_memset(void *to, int value, size_t bytes)
{
    uint64_t start = (uint64_t)to - DIRECT_MAP_START;
    CU_ASSERT_EQUAL(value, 0);
    take(start >> PAGE_SHIFT, (start + bytes) >> PAGE_SHIFT, PAGE_TAKEN);
    return to;
}

// What the model says about the map: a page is RAM if regions of RAM cover it and none other touches it.
static void model_build(void)
{
    memset(state, PAGE_NONE, sizeof(state));
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *r = &boot_info.region[i];
        if (r->type != REGION_RAM)
            continue;
        for (uint64_t p = (r->start + PAGE_SIZE - 1) >> PAGE_SHIFT; p < r->end >> PAGE_SHIFT; p++)
            state[p] = p >= 256 ? PAGE_RAM : PAGE_NONE; // not below 1 MiB
    }
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *r = &boot_info.region[i];
        for (uint64_t p = r->start >> PAGE_SHIFT; r->type != REGION_RAM && p << PAGE_SHIFT < r->end;
             p++)
            state[p] = PAGE_NONE;
    }
}

static void model_reserve(uint64_t start, uint64_t end)
{
    for (uint64_t p = start >> PAGE_SHIFT; p << PAGE_SHIFT < end; p++)
        state[p] = PAGE_NONE;
}

static void real_map(void)
{
    bootmem_add_region(0x100000, 0x1f00000, REGION_RAM);
    bootmem_add_region(0xf0000, 0x10000, REGION_RESERVED);
    bootmem_add_region(0, 0x9fc00, REGION_RAM);
    bootmem_add_region(0x9fc00, 0x400, REGION_RESERVED);
    bootmem_add_region(0x2000000, 0x1234567, REGION_RAM);
    bootmem_add_region(0x2200800, 0x1000, REGION_ACPI); // inside RAM, not aligned
    boot_info.image_start = 0x200000;
    boot_info.image_end = 0x22e000;
    boot_info.module_count = 1;
    boot_info.module[0] = (struct boot_module){0x300010, 0x12345, ""};
    model_build();
    model_reserve(boot_info.image_start, boot_info.image_end);
    model_reserve(0x300010, 0x312355);
    bootmem_init();
    CU_ASSERT_EQUAL(boot_info.trampoline, 0x9e000);
    CU_ASSERT_EQUAL(boot_info.ram_end, 0x3234000);

    for (unsigned i = 0; i < 40; i++)
        boot_alloc(PAGE_SIZE * (1 + i % 3), i % 5 ? PAGE_SIZE : 0x200000);
    CU_ASSERT_EQUAL((uint64_t)boot_alloc(1, 0x200000) & 0x1fffff, 0);
    boot_memory_finish();
    for (unsigned page = 0; page < MAP_PAGES; page++)
        CU_ASSERT_NOT_EQUAL(state[page], PAGE_RAM); // nothing was lost
    CU_ASSERT_EQUAL(faults, 0);

    // The module's whole pages come back, the shared first and last ones do not.
    for (unsigned page = 0x301; page < 0x312; page++)
        state[page] = PAGE_RAM;
    boot_module_free(0);
    CU_ASSERT_EQUAL(state[0x301], PAGE_GIVEN);
    CU_ASSERT_EQUAL(state[0x300], PAGE_NONE);
    CU_ASSERT_EQUAL(state[0x312], PAGE_NONE);
    CU_ASSERT_EQUAL(faults, 0);
}

static const struct report_case cases[] = {REPORT_CASE(real_map)};

int main(void)
{
    return report_run("bootmem", cases, sizeof(cases) / sizeof(cases[0]));
}
