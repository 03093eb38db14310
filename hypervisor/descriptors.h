// SPDX-License-Identifier: MIT
// Descriptor tables: our own GDT part, IDT and TSS of each CPU, and what guests put into theirs.
//
// A CPU's GDT is its window (hypervisor/layout.h): 14 pages of the running guest, then our page. The
// guest's descriptor pages are frames of type SEG_DESC: checked when the type is taken, read-only to
// the guest, changed by update_descriptor only.
#pragma once

#include "hypervisor/cpu.h"
#include "hypervisor/refusal.h"

#define DESCRIPTORS_PER_PAGE (PAGE_SIZE / 8)

// Load GDT, IDT, TSS and the SYSCALL registers of the running CPU. Its window must already map, zeroed
// and writable, the page CPU_WINDOW_GDT_PAGE + FIRST_RESERVED_GDT_PAGE and the TSS page; guest pages
// of the window may still be unmapped. Sets cpu->gdt and cpu->tss.
void descriptors_init_local(struct cpu *cpu);

// May this descriptor stand in a guest's table? Present code and data segments get DPL 3 in place;
// gates and system segments are refused. Pure (descriptor_check.c).
bool descriptor_sanitise(uint64_t *descriptor);

// The same for a whole page; REFUSE_DESCRIPTOR_BAD at the first that is refused.
enum refusal descriptor_page_sanitise(uint64_t page[DESCRIPTORS_PER_PAGE]);

struct vcpu;

// Map the guest's GDT pages and LDT pages of `v` into the running CPU's windows and load LDTR; stale
// translations go with the caller's CR3 load, or with descriptors_flush_local().
void descriptors_load(struct vcpu *v);
void descriptors_flush_local(struct vcpu *v);

// Map nothing of any guest; the caller loads the idle root.
void descriptors_unload(void);

// Replace the GDT: `count` frames holding `entries` descriptors, each of which gets a SEG_DESC
// reference of v->domain; the old references are released. v is current or off every CPU.
enum refusal gdt_set(struct vcpu *v, const uint64_t *frames, unsigned entries);

// Set linear address and size of the LDT (0 entries: none). Pages are mapped when first used.
void ldt_set(struct vcpu *v, uint64_t base, unsigned entries);

// Bring in the LDT page that holds byte `offset` of the table. False if the guest has none there.
bool ldt_map_page(struct vcpu *v, uint64_t offset);

// Unmap all LDT pages again (the guest is about to change their mapping); true if there were any.
bool ldt_unmap(struct vcpu *v);
