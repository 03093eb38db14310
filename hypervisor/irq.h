// SPDX-License-Identifier: MIT
// Device interrupts as guests have them: pirqs, bound to event channels.
//
// A pirq is a number: below ioapic_gsi_count() it is a GSI, above it an MSI or MSI-X message that
// was mapped by physdev_op. The domain that maps a pirq owns it until it unmaps it or dies.
#pragma once

#include "hypervisor/pci.h"

#define PIRQ_COUNT 256

struct domain;

void irq_init(void);

enum refusal irq_map_gsi(struct domain *d, unsigned gsi, int *pirq);
// MSI-X: `entry` of its table; `table` is the machine address of the BAR that holds it, 0 for plain MSI.
enum refusal irq_map_message(struct domain *d, struct pci_function f, unsigned entry,
                             uint64_t table, int *pirq);
enum refusal irq_unmap(struct domain *d, unsigned pirq);
void irq_unmap_all(struct domain *d); // death

enum refusal irq_set_trigger(unsigned gsi, bool is_level, bool is_low);

// The guest has served a level-triggered interrupt.
enum refusal irq_eoi(struct domain *d, unsigned pirq);
void irq_eoi_all(struct domain *d); // all that it has been given

// From now on the page tells the domain which of its pirqs want an eoi; once in its life.
enum refusal irq_set_eoi_page(struct domain *d, mfn_t mfn, bool unmasks);

// Keep the MSI-X table of a function out of the guests' reach; called when dom0 reports it.
enum refusal irq_protect_msix(struct pci_function f);
