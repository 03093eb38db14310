// SPDX-License-Identifier: MIT
// PCI configuration space by mechanism 1 (ports 0xcf8, 0xcfc), shared with dom0's accesses.
#pragma once

#include "hypervisor/refusal.h"
#include "hypervisor/types.h"

#define PCI_CAPABILITY_MSI 0x05
#define PCI_CAPABILITY_MSIX 0x11

// A function of segment 0.
struct pci_function {
    uint8_t bus, devfn;
};

// `bytes` is 1, 2 or 4; `offset` aligned to it, below 256.
uint32_t pci_read(struct pci_function f, unsigned offset, unsigned bytes);
void pci_write(struct pci_function f, unsigned offset, unsigned bytes, uint32_t value);

// The same for an address as written to port 0xcf8 (enable bit set) and an access to 0xcfc + 0..3.
uint32_t pci_port_read(uint32_t address, unsigned byte, unsigned bytes);
void pci_port_write(uint32_t address, unsigned byte, unsigned bytes, uint32_t value);

// Offset of a capability, 0 if the function has none. Stops in loops.
unsigned pci_find_capability(struct pci_function f, uint8_t id);

// Machine address of a memory BAR, 0 if it is none or not set.
uint64_t pci_bar_address(struct pci_function f, unsigned bar);

// --- MSI and MSI-X capabilities of PCI functions (PCI 3.0, 6.8).

// One programmed message. For MSI `entry` is NULL.
struct msi {
    struct pci_function function;
    volatile uint32_t *entry; // in the mapped MSI-X table: address low, high, data, control
};

enum refusal msix_find_table(struct pci_function f, uint64_t *table, unsigned *entries);

// Program `vector` towards a CPU; the message stays masked where the function can mask it.
enum refusal msix_setup(struct msi *m, struct pci_function f, unsigned entry, uint8_t vector,
                        unsigned apic_id);
enum refusal msi_setup(struct msi *m, struct pci_function f, uint8_t vector, unsigned apic_id);
void msi_set_masked(const struct msi *m, bool masked);
