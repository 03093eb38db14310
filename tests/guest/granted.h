// SPDX-License-Identifier: MIT
// Grants of one domain to itself: the entries of its table, and a page that is granted with a place to map it.
#pragma once

#include "tests/guest/guest.h"

#include <xen/grant_table.h>

#define OWN_DOMAIN 0
#define OTHER_DOMAIN 5
#define OP(command, value) hypercall_grant_table_op(GNTTABOP_##command, &(value), 1)

extern struct grant_entry_v1 *granted_entries; // a second mapping of the first frame of our table
bool granted_entries_map(void);

extern struct granted {
    uint64_t *page, *window;
    int ref;
    grant_handle_t handle; // of the last map
} granted;
bool granted_begin(bool readonly);
void granted_finish(void);
static inline uint64_t at(const void *address)
{
    return (uint64_t)address;
}

// One operation each; the status.
int16_t granted_map_at(uint64_t address, grant_ref_t r, uint32_t flags);
int16_t granted_unmap_at(uint64_t address, uint64_t device, grant_handle_t h);
