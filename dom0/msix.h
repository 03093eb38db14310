// SPDX-License-Identifier: MIT
/*
 * MSI-X (dom0): the hypervisor owns the table; dom0 asks for an entry as a pirq and binds the pirq
 * to an event channel. The interrupt is edge-like: no acknowledgement besides the event's.
 */
#pragma once

#include "dom0/pci.h"
#include "pvguest/event.h"

struct msix_vector {
    uint32_t pirq;
    evtchn_port_t port;
    uint16_t entry;
};

/* Entries of the device's table; 0: the device has no MSI-X. */
unsigned int msix_count(const struct pci_device *device);
/* Maps table entry `vector->entry` (set by the caller) and has `handler` called for it. Memory
 * decoding must be on (pci_enable). 0 or -XEN_E*. */
int msix_bind(struct pci_device *device, struct msix_vector *vector, event_handler *handler,
              void *arg);
void msix_unbind(struct msix_vector *vector);
