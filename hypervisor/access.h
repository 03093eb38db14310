// SPDX-License-Identifier: MIT
// What a domain may touch beyond its own RAM: frames of device memory, I/O ports, interrupt lines.
//
// Each is a sorted set of disjoint inclusive ranges. Only dom0 starts with any: all of device memory
// and all ports and interrupts, less what the hypervisor keeps (local APIC, IO-APICs, MSI window,
// PIT, PICs, its serial port). domctl passes ranges on. The hypervisor's own are in `access_denied`,
// which overrules every grant.
// Lock: LOCK_ACCESS for changes. Who asks may hold the lock of a table, takes none, and asks again when
// a set has changed meanwhile.
// Pure: builds on the host.
#pragma once

#include "hypervisor/refusal.h"
#include "hypervisor/types.h"

#define RANGE_SET_MAX 32

struct range {
    uint64_t first, last;
};

struct range_set {
    unsigned count;
    struct range range[RANGE_SET_MAX];
};

bool range_set_contains(const struct range_set *s, uint64_t first, uint64_t last);
bool range_set_overlaps(const struct range_set *s, uint64_t first, uint64_t last);
// REFUSE_NO_MEMORY when the set would need more than RANGE_SET_MAX ranges; the set is then unchanged.
enum refusal range_set_add(struct range_set *s, uint64_t first, uint64_t last);
enum refusal range_set_remove(struct range_set *s, uint64_t first, uint64_t last);

struct access_domain {
    struct range_set iomem; // frame numbers
    struct range_set ports; // 0..0xffff
    struct range_set pirqs;
    uint32_t pci_address; // what the domain last wrote to port 0xcf8
};

struct domain;

// Any device memory or port: caches, and how memory is cached, are the domain's business.
bool access_has_devices(const struct domain *d);
bool access_iomem_permitted(const struct domain *d, uint64_t mfn_first, uint64_t mfn_last);
// The same for read-only mappings: MSI-X tables may be seen but not written.
bool access_iomem_readable(const struct domain *d, uint64_t mfn_first, uint64_t mfn_last);
bool access_port_permitted(const struct domain *d, unsigned first, unsigned last);
bool access_pirq_permitted(const struct domain *d, unsigned pirq);

// Put a range into a set of a domain or take it out. REFUSE_NO_MEMORY as above.
enum refusal access_change(struct range_set *s, uint64_t first, uint64_t last, bool allow);

// Frames that no domain may ever map writable, or may not map at all.
void access_deny_iomem(uint64_t mfn_first, uint64_t mfn_last);
// Readable, not writable; fails when too many ranges are protected.
enum refusal access_protect_iomem(uint64_t mfn_first, uint64_t mfn_last);
void access_deny_ports(unsigned first, unsigned last);

// Give dom0 what a hardware domain has.
void access_grant_hardware(struct domain *d);
