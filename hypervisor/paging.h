// SPDX-License-Identifier: MIT
// The hypervisor's own mappings: direct map, image, M2P, frame table, devices, CPU windows.
//
// All tables are built at boot; afterwards only cpu_window_set and ioremap change entries. Permanent
// mappings are global (G), windows and guest mappings are not. Nothing is writable and executable.
#pragma once

#include "hypervisor/layout.h"
#include "hypervisor/types.h"
#include "hypervisor/x86.h"

#define PTES 512

extern uint64_t *idle_l4; // the root without a guest; slots 256..271 are the template for guests
maddr_t idle_l4_maddr(void);

// Build the final tables and switch to them (boot CPU).
void paging_init(void);

// RAM below boot_info.ram_end only.
static inline void *maddr_to_virt(maddr_t maddr)
{
    return (void *)(DIRECT_MAP_START + maddr.v);
}

static inline void *mfn_to_virt(mfn_t mfn)
{
    return maddr_to_virt(mfn_to_maddr(mfn));
}

// Of an address in the direct map.
static inline maddr_t virt_to_maddr(const void *address)
{
    return MADDR((uint64_t)address - DIRECT_MAP_START);
}

static inline mfn_t virt_to_mfn(const void *address)
{
    return maddr_to_mfn(virt_to_maddr(address));
}

// Machine address of a symbol of the image.
maddr_t image_to_maddr(const void *symbol);

// Map fresh zeroed frames, writable, for [start, start + bytes) rounded to pages; boot only (frame
// table). Parts that are already mapped stay.
void paging_map_fresh(uint64_t start, uint64_t bytes);

// The L1 entry for an address of ours, its tables made when missing; boot only (CPU windows).
uint64_t *paging_l1_entry(uint64_t va);

// Map device memory, uncached. Never undone, so for what lasts; NULL when the window is full. The
// same frames asked for again give the same address.
void *ioremap(maddr_t maddr, size_t bytes);
void ioremap_init(void); // called by paging_init

// The machine-to-phys table, for frames below HV_MAX_MFN: ~0 is "no owner or hole". Writes to holes
// are ignored.
void m2p_set(mfn_t mfn, uint64_t value);

#define M2P_CHUNK_BYTES 0x200000ul // the ABI lists the table in pieces of this size

// The first frame of the 2 MiB of the table with number `chunk`; MFN(0) where there is no RAM.
mfn_t paging_m2p_chunk(unsigned chunk);

// Copy our 16 slots into a guest's L4: the first one, with the machine-to-phys table, if `with_m2p`.
void paging_copy_slots(uint64_t *l4, bool with_m2p);
