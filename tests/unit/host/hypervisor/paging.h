// SPDX-License-Identifier: MIT
// Host stand-in for hypervisor/paging.h: a small machine memory and its frame table
// (tests/unit/host/memory.c). Frame 0 and everything from HOST_FRAMES on is no RAM.
#pragma once

#include "hypervisor/layout.h"
#include "hypervisor/panic.h"
#include "hypervisor/types.h"
#include "hypervisor/x86.h"

#define HOST_FRAMES 4096u
struct frame;
extern struct frame *const host_frame_table;
extern uint8_t host_ram[HOST_FRAMES][PAGE_SIZE];
extern uint64_t host_m2p[HOST_FRAMES];
#define FRAME_TABLE_BASE host_frame_table

static inline void *mfn_to_virt(mfn_t mfn)
{
    ASSERT(mfn.v < HOST_FRAMES);
    return host_ram[mfn.v];
}

// Not backed by host_ram: for code that only computes addresses (boot memory).
static inline void *maddr_to_virt(maddr_t maddr)
{
    return (void *)(DIRECT_MAP_START + maddr.v);
}

static inline maddr_t virt_to_maddr(const void *address)
{
    return MADDR((uint64_t)address - DIRECT_MAP_START);
}

static inline mfn_t virt_to_mfn(const void *address)
{
    return MFN((uint64_t)((const uint8_t *)address - host_ram[0]) >> PAGE_SHIFT);
}

static inline maddr_t idle_l4_maddr(void)
{
    return MADDR(0);
}

static inline uint64_t m2p_get(mfn_t mfn)
{
    return host_m2p[mfn.v];
}

static inline void m2p_set(mfn_t mfn, uint64_t value)
{
    host_m2p[mfn.v] = value;
}

void paging_map_fresh(uint64_t start, uint64_t bytes);
void paging_copy_slots(uint64_t *l4, bool with_m2p);

void *ioremap(maddr_t maddr, size_t bytes); // a test that needs it brings it along
