// SPDX-License-Identifier: MIT
// The machine-to-phys table as frames: m2p.c. Reading and writing its entries: paging.h.
#pragma once

#include "hypervisor/paging.h"

#define M2P_CHUNK_BYTES 0x200000ul // the ABI lists the table in pieces of this size

// Make the table's frames mappable, read-only, as frames of DOMID_XEN. Boot, after domain_init().
void m2p_share(void);
