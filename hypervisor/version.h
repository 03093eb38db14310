// SPDX-License-Identifier: MIT
// The version of the ABI: that of the Xen whose headers the machine has, 4.17 on Debian 12 and 4.20 on
// Debian 13. What changed between the two and no header tells has a name here; the code asks for the name.
#pragma once

#include "xen_release.h"

#define ABI_VERSION_MAJOR XEN_RELEASE_MAJOR
#define ABI_VERSION_MINOR XEN_RELEASE_MINOR

#define ABI_SINCE(minor) (ABI_VERSION_MINOR >= (minor))

// The number of entries of a multicall has 64 bits, not 32.
#define ABI_MULTICALL_COUNT_LONG ABI_SINCE(20)
// Breakpoints hit replace those of the last debug exception in DR6 and are not added.
#define ABI_DR6_REPLACES ABI_SINCE(20)
// INVD is WBINVD, not #GP.
#define ABI_INVD_EMULATED ABI_SINCE(20)
// A port bitmap that cannot be read is a page fault, not #GP.
#define ABI_PORT_BITMAP_FAULTS ABI_SINCE(20)
// A grant copy of no bytes looks at nothing else.
#define ABI_COPY_OF_NOTHING ABI_SINCE(20)
// Resources of unknown type are invalid, not unsupported.
#define ABI_RESOURCE_TYPE_INVALID ABI_SINCE(20)
// Flushing all caches is denied like flushing one's own, not invalid.
#define ABI_FLUSH_ALL_DENIED ABI_SINCE(20)
// Unknown commands of kexec_op are unsupported, not unknown.
#define ABI_KEXEC_UNSUPPORTED ABI_SINCE(20)
// getdomaininfo tells of the domain that is asked for and no other.
#define ABI_GETDOMAININFO_EXACT ABI_SINCE(20)
// Profiling is not there at all.
#define ABI_NO_PROFILING ABI_SINCE(20)
// A build identifier's room of 0 is too little, not invalid.
#define ABI_BUILD_ID_NO_ROOM ABI_SINCE(20)
// 32-bit PV guests' XENFEAT_pae_pgdir_above_4gb is not offered.
#define ABI_PAE_PGDIR (!ABI_SINCE(20))
// register_vcpu_info has errors of its own: EBUSY the second time, EACCES for a frame in use as a table; and a
// vcpu that runs may be given its place by another.
#define ABI_VCPU_INFO_ERRORS ABI_SINCE(20)
// The size of the enabled extended states (CPUID) is 0 before the guest has enabled any.
#define ABI_NO_STATES_AT_FIRST ABI_SINCE(20)
// The hardware domain reads where AMD's processors have their configuration space.
#define ABI_MMIO_CONF_BASE ABI_SINCE(20)
// Event selectors of Intel's performance counters, from 0 on.
#define ABI_LAST_EVENT_SELECTOR (ABI_SINCE(20) ? 7 : 3)
