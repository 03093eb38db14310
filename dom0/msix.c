// SPDX-License-Identifier: MIT
/*
 * MSI-X by physdev_op. The hypervisor finds the table through the BAR whose base it is told, writes
 * address, data and mask of the entry itself and keeps the table's pages from being mapped
 * writable, so nothing here touches the table. Switching the capability on is left to us. Source: PCI Local Bus 3.0, section 6.8.2.
 */
#include "dom0/msix.h"

#include <xen/physdev.h>

#include "pvguest/errno.h"
#include "pvguest/hypercall.h"

#define CAPABILITY_MSIX 0x11
#define MSIX_CONTROL 2
#define MSIX_CONTROL_SIZE 0x7ffU
#define MSIX_CONTROL_MASK_ALL 0x4000U
#define MSIX_CONTROL_ENABLE 0x8000U
#define MSIX_TABLE 4
#define MSIX_TABLE_BAR 0x7U

unsigned int msix_count(const struct pci_device *device)
{
    unsigned int capability = pci_find_capability(device, CAPABILITY_MSIX, 0);
    if (capability == 0) {
        return 0;
    }
    return (pci_read16(device, capability + MSIX_CONTROL) & MSIX_CONTROL_SIZE) + 1U;
}

/* Base of the BAR that holds the table; 0 if the device's registers make no sense. */
static uint64_t table_base(const struct pci_device *device)
{
    unsigned int capability = pci_find_capability(device, CAPABILITY_MSIX, 0);
    unsigned int bar = pci_read32(device, capability + MSIX_TABLE) & MSIX_TABLE_BAR;
    return bar < PCI_BARS ? device->bars[bar].base : 0;
}

static void msix_enable(const struct pci_device *device)
{
    unsigned int offset = pci_find_capability(device, CAPABILITY_MSIX, 0) + MSIX_CONTROL;
    uint16_t control = pci_read16(device, offset);
    control = (uint16_t)((control & ~MSIX_CONTROL_MASK_ALL) | MSIX_CONTROL_ENABLE);
    pci_write16(device, offset, control);
}

static void pirq_unmap(uint32_t pirq)
{
    struct physdev_unmap_pirq op = {.domid = DOMID_SELF, .pirq = (int)pirq};
    (void)hypercall_physdev_op(PHYSDEVOP_unmap_pirq, &op);
}

int msix_bind(struct pci_device *device, struct msix_vector *vector, event_handler *handler,
              void *arg)
{
    if (vector->entry >= msix_count(device)) {
        return -XEN_ENOSPC;
    }
    struct physdev_map_pirq map = {.domid = DOMID_SELF,
                                   .type = MAP_PIRQ_TYPE_MSI,
                                   .index = -1,
                                   .pirq = -1,
                                   .bus = device->bus,
                                   .devfn = device->devfn,
                                   .entry_nr = vector->entry,
                                   .table_base = table_base(device)};
    if (map.table_base == 0) {
        return -XEN_ENXIO;
    }
    long error = hypercall_physdev_op(PHYSDEVOP_map_pirq, &map);
    if (error < 0) {
        return (int)error;
    }
    int port = event_bind_pirq((uint32_t)map.pirq, false, handler, arg);
    if (port < 0) {
        pirq_unmap((uint32_t)map.pirq);
        return port;
    }
    msix_enable(device);
    vector->pirq = (uint32_t)map.pirq;
    vector->port = (evtchn_port_t)port;
    return 0;
}

void msix_unbind(struct msix_vector *vector)
{
    if (vector->port == 0) {
        return;
    }
    event_unbind(vector->port);
    pirq_unmap(vector->pirq);
    vector->port = 0;
}
