// SPDX-License-Identifier: MIT
// MSI and MSI-X capabilities of PCI functions (PCI 3.0, 6.8).
#pragma once

#include "hypervisor/pci.h"
#include "hypervisor/refusal.h"

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
