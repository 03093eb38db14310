// SPDX-License-Identifier: MIT
/*
 * PCI devices of the machine (dom0): configuration space by ports 0xcf8/0xcfc, enumeration of all
 * buses behind bridges, base address registers as the firmware left them.
 *
 * Only bus, device, function of segment 0. Nothing is moved: a device whose memory BAR the firmware
 * left unset is unusable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_BARS 6U

struct pci_bar {
    uint64_t base; /* machine address; 0: absent, port space or not assigned */
    uint64_t size; /* bytes */
    bool prefetchable;
};

struct pci_device {
    uint8_t bus;
    uint8_t devfn;
    uint16_t vendor;
    uint16_t device;
    uint16_t subsystem;
    uint32_t class_code; /* 24 bits: class, sub-class, interface */
    struct pci_bar bars[PCI_BARS];
    const char *claimed; /* name of the driver that has it, or NULL */
    struct pci_device *next;
};

/* Raises the I/O privilege level, enumerates and announces every function to the hypervisor. 0, or
 * -XEN_EPERM when this domain may not. */
int pci_init(void);
/* First with NULL, then the one after; NULL at the end. */
struct pci_device *pci_iterate(struct pci_device *previous);

/* Configuration space, offset below 256 and aligned to the width. */
uint8_t pci_read8(const struct pci_device *device, unsigned int offset);
uint16_t pci_read16(const struct pci_device *device, unsigned int offset);
uint32_t pci_read32(const struct pci_device *device, unsigned int offset);
void pci_write8(const struct pci_device *device, unsigned int offset, uint8_t value);
void pci_write16(const struct pci_device *device, unsigned int offset, uint16_t value);
void pci_write32(const struct pci_device *device, unsigned int offset, uint32_t value);

/* Offset of the first capability `id` after offset `after` (0: from the start); 0 if none. */
unsigned int pci_find_capability(const struct pci_device *device, uint8_t id, unsigned int after);
/* Switches memory decoding and bus mastering on, legacy interrupts off. */
void pci_enable(struct pci_device *device);
/* Bus mastering off: the device stops its DMA. */
void pci_disable(struct pci_device *device);
/* Maps [offset, offset+length) of a BAR; NULL if the BAR does not hold it. */
void *pci_map_bar(const struct pci_device *device, unsigned int bar, uint64_t offset,
                  uint64_t length);
/* "0000:00:03.0", in a buffer that the next call reuses. */
const char *pci_name(const struct pci_device *device);
