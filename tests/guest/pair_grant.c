// SPDX-License-Identifier: MIT
// Grants in the pair suites: see pair_grant.h.
#include "tests/guest/pair_grant.h"

#include <string.h>

#include "pvguest/grant.h"

#define GRANT_GIVEN 8

uint64_t grant_bus_address;

static struct grant_given {
    uint64_t *page;
    long ref;
} grant_given[GRANT_GIVEN];

long grant_map_one(void *address, long dom, long ref, uint32_t flags, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref m = {.handle = 0xffffffff,
                                     .host_addr = (uint64_t)address,
                                     .flags = flags,
                                     .ref = (grant_ref_t)ref,
                                     .dom = (domid_t)dom,
                                     .status = GRANT_FAILED};

    if (GRANT_OP(map_grant_ref, m))
        m.status = GRANT_FAILED;
    *handle = m.handle;
    grant_bus_address = m.dev_bus_addr;
    return m.status;
}

long grant_unmap_one(void *address, uint64_t bus, grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref u = {.host_addr = (uint64_t)address,
                                       .dev_bus_addr = bus,
                                       .handle = handle,
                                       .status = GRANT_FAILED};

    return GRANT_OP(unmap_grant_ref, u) ? GRANT_FAILED : u.status;
}

// Grants a fresh page with the pattern at both ends; the reference.
long grant_give(long dom, long readonly, long unused)
{
    (void)unused;
    for (int i = 0; i < GRANT_GIVEN; i++) {
        struct grant_given *g = &grant_given[i];

        if (g->page)
            continue;
        g->page = page_alloc(0);
        if (!g->page)
            return -1;
        g->page[0] = g->page[511] = GRANT_PATTERN;
        g->ref = grant_access((domid_t)dom, virt_to_mfn(g->page), readonly);
        return g->ref;
    }
    return -1;
}

uint64_t *grant_page_of(long ref)
{
    for (int i = 0; i < GRANT_GIVEN; i++)
        if (grant_given[i].page && grant_given[i].ref == ref)
            return grant_given[i].page;
    return NULL;
}

// Takes the page back: 1, or 0 while it is in use.
long grant_take(long ref, long unused, long unused2)
{
    (void)unused, (void)unused2;
    for (int i = 0; i < GRANT_GIVEN; i++) {
        struct grant_given *g = &grant_given[i];

        if (!g->page || g->ref != ref)
            continue;
        if (!grant_end((grant_ref_t)ref))
            return 0;
        page_free(g->page, 0);
        g->page = NULL;
        return 1;
    }
    return -1;
}

// A word of a granted page, and writing it.
long grant_peek(long ref, long index, long unused)
{
    (void)unused;
    return (long)grant_page_of(ref)[index];
}

long grant_poke(long ref, long index, long value)
{
    grant_page_of(ref)[index] = (uint64_t)value;
    return 0;
}

long grant_mfn(long ref, long unused, long unused2)
{
    (void)unused, (void)unused2;
    return (long)virt_to_mfn(grant_page_of(ref));
}

// The first frame of the table, mapped a second time: entries as they stand.
static struct grant_entry_v1 *grant_entries(void)
{
    static struct grant_entry_v1 *entries;
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 1};
    xen_pfn_t frame;

    if (entries)
        return entries;
    set_xen_guest_handle(s.frame_list, &frame);
    if (GRANT_OP(setup_table, s) || s.status)
        return NULL;
    entries = memory_reserve(1);
    return hypercall_update_va_mapping(entries, pte_make(frame, PTE_RAM | PTE_RW), 0) ? NULL
                                                                                      : entries;
}

long grant_flags(long ref, long unused, long unused2)
{
    (void)unused, (void)unused2;
    return __atomic_load_n(&grant_entries()[ref].flags, __ATOMIC_ACQUIRE);
}

// Overwrites an entry as only a hostile guest does.
long grant_scribble(long ref, long flags, long dom)
{
    grant_entries()[ref].domid = (domid_t)dom;
    __atomic_store_n(&grant_entries()[ref].flags, (uint16_t)flags, __ATOMIC_RELEASE);
    return 0;
}

long grant_set_frame(long ref, long mfn, long unused)
{
    (void)unused;
    grant_entries()[ref].frame = (uint32_t)mfn;
    return 0;
}

long grant_frame(long ref, long unused, long unused2)
{
    (void)unused, (void)unused2;
    return grant_entries()[ref].frame;
}
