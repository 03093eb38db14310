// SPDX-License-Identifier: MIT
// Message-signalled interrupts. See msi.h. The MSI-X table belongs to us: dom0 may not write to it,
// so it cannot aim a device's message at a vector that is not its own.
#include "hypervisor/pci.h"
#include "hypervisor/paging.h"

#define MSIX_CONTROL 2
#define MSIX_TABLE 4
#define MSIX_ENABLE 0x8000
#define MSIX_MASK_ALL 0x4000
#define MSIX_SIZE 0x07ff
#define MSIX_ENTRY_BYTES 16
#define MSIX_BAR 7u
#define ENTRY_ADDRESS 0
#define ENTRY_ADDRESS_HIGH 1
#define ENTRY_DATA 2
#define ENTRY_CONTROL 3
#define ENTRY_MASKED 1u

#define MSI_CONTROL 2
#define MSI_ENABLE 0x0001
#define MSI_COUNT 0x0070 // multiple message enable
#define MSI_64BIT 0x0080
#define MSI_ADDRESS 4

#define MESSAGE_BASE 0xfee00000u
#define MESSAGE_DESTINATION_SHIFT 12

static uint32_t message_address(unsigned apic_id)
{
    return MESSAGE_BASE | apic_id << MESSAGE_DESTINATION_SHIFT;
}

enum refusal msix_find_table(struct pci_function f, uint64_t *table, unsigned *entries)
{
    unsigned at = pci_find_capability(f, PCI_CAPABILITY_MSIX);

    if (!at)
        return REFUSE_NO_MSIX;
    uint32_t where = pci_read(f, at + MSIX_TABLE, 4);
    uint64_t bar = pci_bar_address(f, where & MSIX_BAR);
    if (!bar)
        return REFUSE_NO_MSIX;
    *table = bar + (where & ~MSIX_BAR);
    *entries = (pci_read(f, at + MSIX_CONTROL, 2) & MSIX_SIZE) + 1;
    return REFUSE_NONE;
}

enum refusal msix_setup(struct msi *m, struct pci_function f, unsigned entry, uint8_t vector,
                        unsigned apic_id)
{
    uint64_t table;
    unsigned entries;
    enum refusal r = msix_find_table(f, &table, &entries);

    if (r != REFUSE_NONE)
        return r;
    if (entry >= entries)
        return REFUSE_BAD_ARGUMENT;
    volatile uint32_t *e = ioremap(MADDR(table + entry * MSIX_ENTRY_BYTES), MSIX_ENTRY_BYTES);
    if (!e)
        return REFUSE_NO_MEMORY;
    e[ENTRY_CONTROL] |= ENTRY_MASKED;
    e[ENTRY_ADDRESS] = message_address(apic_id);
    e[ENTRY_ADDRESS_HIGH] = 0;
    e[ENTRY_DATA] = vector;
    *m = (struct msi){f, e};
    unsigned at = pci_find_capability(f, PCI_CAPABILITY_MSIX);
    uint32_t control = pci_read(f, at + MSIX_CONTROL, 2);
    pci_write(f, at + MSIX_CONTROL, 2, (control | MSIX_ENABLE) & ~MSIX_MASK_ALL);
    return REFUSE_NONE;
}

enum refusal msi_setup(struct msi *m, struct pci_function f, uint8_t vector, unsigned apic_id)
{
    unsigned at = pci_find_capability(f, PCI_CAPABILITY_MSI);

    if (!at)
        return REFUSE_NO_MSIX;
    uint32_t control = pci_read(f, at + MSI_CONTROL, 2);
    pci_write(f, at + MSI_ADDRESS, 4, message_address(apic_id));
    unsigned data = at + MSI_ADDRESS + 4;
    if (control & MSI_64BIT) {
        pci_write(f, data, 4, 0);
        data += 4;
    }
    pci_write(f, data, 2, vector);
    *m = (struct msi){f, NULL};
    return REFUSE_NONE;
}

void msi_set_masked(const struct msi *m, bool masked)
{
    if (m->entry) {
        uint32_t control = m->entry[ENTRY_CONTROL];
        m->entry[ENTRY_CONTROL] = masked ? control | ENTRY_MASKED : control & ~ENTRY_MASKED;
        return;
    }
    // Plain MSI: masking a message is optional in the function, enabling it is not.
    unsigned at = pci_find_capability(m->function, PCI_CAPABILITY_MSI);
    uint32_t control = pci_read(m->function, at + MSI_CONTROL, 2) & ~(MSI_ENABLE | MSI_COUNT);
    pci_write(m->function, at + MSI_CONTROL, 2, masked ? control : control | MSI_ENABLE);
}
