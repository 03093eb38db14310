// SPDX-License-Identifier: MIT
// The frames of the machine-to-phys table, for control domains that map it as foreign frames of
// DOMID_XEN (XENMEM_machphys_mfn_list names them). Every guest has the table in its address space
// already; either way it is read-only. Its entries are written by m2p_set() (paging.c).
#include "hypervisor/m2p.h"

#include "hypervisor/domain.h"

#define CHUNK_FRAMES 512u

void m2p_share(void)
{
    for (unsigned chunk = 0; chunk < M2P_SIZE / M2P_CHUNK_BYTES; chunk++) {
        mfn_t first = paging_m2p_chunk(chunk);
        if (first.v == 0)
            continue; // no RAM there
        for (unsigned i = 0; i < CHUNK_FRAMES; i++) {
            struct frame *f = frame_from_mfn(MFN(first.v + i));
            BUG_ON(!f);
            frame_share_with_guest(f, &domain_system, true);
        }
    }
}
