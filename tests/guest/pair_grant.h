// SPDX-License-Identifier: MIT
// Grants in the pair suites: one operation a function, the same in dom0 and in a peer. Those with three
// numbers are for peer_call, too; they work on pages that the calling domain grants, named by reference.
#ifndef TESTS_GUEST_PAIR_GRANT_H
#define TESTS_GUEST_PAIR_GRANT_H

#include "tests/guest/pair.h"

#include <xen/grant_table.h>

#define GRANT_OP(command, value) hypercall_grant_table_op(GNTTABOP_##command, &(value), 1)
#define GRANT_PATTERN 0x5a5aa5a5deadbeefUL
#define GRANT_FAILED 0x100L // instead of a GNTST_*: the call itself failed

// GNTST_*. After a mapping grant_bus_address is where the frame is in the machine.
long grant_map_one(void *address, long dom, long ref, uint32_t flags, grant_handle_t *handle);
long grant_unmap_one(void *address, uint64_t bus, grant_handle_t handle);
extern uint64_t grant_bus_address;

// Grants a fresh page with the pattern at both ends; the reference. Ends that: 1, or 0 while it is in use.
long grant_give(long dom, long readonly, long unused);
long grant_take(long ref, long unused, long unused2);
// A word of a granted page; writing it; the page's frame.
long grant_peek(long ref, long index, long unused);
long grant_poke(long ref, long index, long value);
long grant_mfn(long ref, long unused, long unused2);
// The page itself, NULL if there is none.
uint64_t *grant_page_of(long ref);

// The entry's GTF_* bits; overwriting the entry as only a hostile guest does.
long grant_flags(long ref, long unused, long unused2);
long grant_scribble(long ref, long flags, long dom);
long grant_set_frame(long ref, long mfn, long unused);
long grant_frame(long ref, long unused, long unused2);

#endif
