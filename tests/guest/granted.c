// SPDX-License-Identifier: MIT
// Grants of one domain to itself. See granted.h.
#include "tests/guest/granted.h"

#include <xen/memory.h>

#include "pvguest/grant.h"

struct grant_entry_v1 *granted_entries;
struct granted granted;

bool granted_entries_map(void)
{
    xen_pfn_t frame;
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1};

    if (granted_entries)
        return true;
    granted_entries = memory_reserve(1);
    set_xen_guest_handle(s.frame_list, &frame);
    return OP(setup_table, s) == 0 && s.status == GNTST_okay &&
           hypercall_update_va_mapping(granted_entries, pte_make(frame, PTE_RAM | PTE_RW), 0) == 0;
}

bool granted_begin(bool readonly)
{
    granted.page = page_alloc(0);
    granted.window = memory_reserve(1);
    granted.ref = granted.page ? grant_access(OWN_DOMAIN, virt_to_mfn(granted.page), readonly) : -1;
    return granted.page && granted.window && granted.ref > 0 && granted_entries_map();
}

void granted_finish(void)
{
    EXPECT_TRUE(!grant_is_busy(granted.ref));
    EXPECT_TRUE(grant_end(granted.ref));
    memory_release(granted.window, 1);
    page_free(granted.page, 0);
}

int16_t granted_map_at(uint64_t address, grant_ref_t r, uint32_t flags)
{
    struct gnttab_map_grant_ref m = {
        .host_addr = address, .flags = flags, .ref = r, .dom = OWN_DOMAIN, .status = 77};

    EXPECT(OP(map_grant_ref, m), 0);
    granted.handle = m.handle;
    return m.status;
}

int16_t granted_unmap_at(uint64_t address, uint64_t device, grant_handle_t h)
{
    struct gnttab_unmap_grant_ref u = {
        .host_addr = address, .dev_bus_addr = device, .handle = h, .status = 77};

    EXPECT(OP(unmap_grant_ref, u), 0);
    return u.status;
}
