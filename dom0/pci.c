// SPDX-License-Identifier: MIT
/*
 * PCI enumeration and configuration space. The list of devices is built once by pci_init and never
 * changes. An access is two port operations that must not be torn apart, hence upcalls are masked
 * around them. Source: PCI Local Bus 3.0, chapter 6; PCI-to-PCI Bridge 1.2, chapter 3.
 */
#include "dom0/pci.h"

#include <stdio.h>
#include <stdlib.h>
#include <xen/physdev.h>

#include "dom0/ports.h"
#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/hypercall.h"
#include "pvguest/memory.h"

#define PORT_ADDRESS 0xcf8
#define PORT_DATA 0xcfc
#define ADDRESS_ENABLE 0x80000000U

#define CONFIG_VENDOR 0x00
#define CONFIG_COMMAND 0x04
#define COMMAND_IO 0x001U
#define COMMAND_MEMORY 0x002U
#define COMMAND_MASTER 0x004U
#define COMMAND_NO_INTX 0x400U
#define CONFIG_STATUS 0x06
#define STATUS_CAPABILITIES 0x10U
#define CONFIG_CLASS 0x08
#define CONFIG_HEADER_TYPE 0x0e
#define HEADER_MULTIFUNCTION 0x80U
#define HEADER_BRIDGE 1U
#define CONFIG_BAR 0x10
#define BAR_IO 0x1U
#define BAR_TYPE_MASK 0x6U
#define BAR_TYPE_64 0x4U
#define BAR_PREFETCHABLE 0x8U
#define BAR_ADDRESS_MASK 0xfffffff0U
#define CONFIG_SECONDARY_BUS 0x19
#define CONFIG_SUBSYSTEM 0x2e
#define CONFIG_CAPABILITIES 0x34
#define CAPABILITIES_MAX 48U /* that many fit into 192 bytes: more is a loop */

#define DEVFN(slot, function) ((uint8_t)((slot) << 3 | (function)))
#define SLOT(devfn) ((devfn) >> 3)
#define FUNCTION(devfn) ((devfn)&7)

static struct pci_device *first;
static struct pci_device **last = &first;

static uint32_t address_of(const struct pci_device *device, unsigned int offset)
{
    return ADDRESS_ENABLE | (uint32_t)device->bus << 16 | (uint32_t)device->devfn << 8 |
           (offset & 0xfc);
}

uint32_t pci_read32(const struct pci_device *device, unsigned int offset)
{
    unsigned long saved = event_save();
    port_write32(PORT_ADDRESS, address_of(device, offset));
    uint32_t value = port_read32(PORT_DATA);
    event_restore(saved);
    return value;
}

uint16_t pci_read16(const struct pci_device *device, unsigned int offset)
{
    return (uint16_t)(pci_read32(device, offset) >> ((offset & 2) * 8));
}

uint8_t pci_read8(const struct pci_device *device, unsigned int offset)
{
    return (uint8_t)(pci_read32(device, offset) >> ((offset & 3) * 8));
}

void pci_write32(const struct pci_device *device, unsigned int offset, uint32_t value)
{
    unsigned long saved = event_save();
    port_write32(PORT_ADDRESS, address_of(device, offset));
    port_write32(PORT_DATA, value);
    event_restore(saved);
}

void pci_write16(const struct pci_device *device, unsigned int offset, uint16_t value)
{
    unsigned long saved = event_save();
    port_write32(PORT_ADDRESS, address_of(device, offset));
    port_write16((uint16_t)(PORT_DATA + (offset & 2)), value);
    event_restore(saved);
}

void pci_write8(const struct pci_device *device, unsigned int offset, uint8_t value)
{
    unsigned long saved = event_save();
    port_write32(PORT_ADDRESS, address_of(device, offset));
    port_write8((uint16_t)(PORT_DATA + (offset & 3)), value);
    event_restore(saved);
}

const char *pci_name(const struct pci_device *device)
{
    static char name[16];
    snprintf(name, sizeof(name), "0000:%02x:%02x.%x", device->bus, SLOT(device->devfn),
             FUNCTION(device->devfn));
    return name;
}

struct pci_device *pci_iterate(struct pci_device *previous)
{
    return previous == NULL ? first : previous->next;
}

unsigned int pci_find_capability(const struct pci_device *device, uint8_t id, unsigned int after)
{
    if ((pci_read16(device, CONFIG_STATUS) & STATUS_CAPABILITIES) == 0) {
        return 0;
    }
    unsigned int offset = after != 0 ? pci_read8(device, after + 1)
                                     : pci_read8(device, CONFIG_CAPABILITIES);
    for (unsigned int i = 0; i < CAPABILITIES_MAX; i++) {
        offset &= 0xfc;
        if (offset < 0x40) {
            return 0;
        }
        if (pci_read8(device, offset) == id) {
            return offset;
        }
        offset = pci_read8(device, offset + 1);
    }
    return 0;
}

void pci_enable(struct pci_device *device)
{
    uint16_t command = pci_read16(device, CONFIG_COMMAND);
    pci_write16(device, CONFIG_COMMAND,
                (uint16_t)(command | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX));
}

void pci_disable(struct pci_device *device)
{
    uint16_t command = pci_read16(device, CONFIG_COMMAND);
    pci_write16(device, CONFIG_COMMAND, (uint16_t)(command & ~COMMAND_MASTER));
}

void *pci_map_bar(const struct pci_device *device, unsigned int bar, uint64_t offset,
                  uint64_t length)
{
    if (bar >= PCI_BARS || device->bars[bar].base == 0 || length == 0) {
        return NULL;
    }
    const struct pci_bar *window = &device->bars[bar];
    if (offset >= window->size || length > window->size - offset) {
        return NULL;
    }
    return memory_map_device(window->base + offset, length);
}

/* Reads one BAR's base and finds its size by writing ones; gives back how many registers it has. */
static unsigned int bar_probe(struct pci_device *device, unsigned int index)
{
    unsigned int offset = CONFIG_BAR + 4 * index;
    uint32_t low = pci_read32(device, offset);
    if ((low & BAR_IO) != 0) {
        return 1;
    }
    bool wide = (low & BAR_TYPE_MASK) == BAR_TYPE_64 && index + 1 < PCI_BARS;
    uint32_t high = wide ? pci_read32(device, offset + 4) : 0;

    pci_write32(device, offset, 0xffffffffU);
    uint64_t mask = pci_read32(device, offset) & BAR_ADDRESS_MASK;
    pci_write32(device, offset, low);
    if (wide) {
        pci_write32(device, offset + 4, 0xffffffffU);
        mask |= (uint64_t)pci_read32(device, offset + 4) << 32;
        pci_write32(device, offset + 4, high);
    } else if (mask != 0) {
        mask |= 0xffffffffULL << 32;
    }
    if (mask != 0) {
        struct pci_bar *bar = &device->bars[index];
        bar->base = (uint64_t)high << 32 | (low & BAR_ADDRESS_MASK);
        bar->size = ~mask + 1;
        bar->prefetchable = (low & BAR_PREFETCHABLE) != 0;
    }
    return wide ? 2 : 1;
}

/* Decoding is off while a BAR holds ones, else the device would answer at a wrong address. */
static void bars_probe(struct pci_device *device, unsigned int count)
{
    uint16_t command = pci_read16(device, CONFIG_COMMAND);
    pci_write16(device, CONFIG_COMMAND, (uint16_t)(command & ~(COMMAND_IO | COMMAND_MEMORY)));
    for (unsigned int index = 0; index < count;) {
        index += bar_probe(device, index);
    }
    pci_write16(device, CONFIG_COMMAND, command);
}

/* The hypervisor does not scan on its own; it refuses interrupts of devices that it was not told
 * of. Other failures show later, when a driver wants an interrupt. */
static void device_announce(const struct pci_device *device)
{
    /* The structure ends in a flexible array, which has to be there. */
    union {
        struct physdev_pci_device_add add;
        uint8_t room[sizeof(struct physdev_pci_device_add) + sizeof(uint32_t)];
    } op = {
        .add = {.seg = 0, .bus = device->bus, .devfn = device->devfn}
    };
    long error = hypercall_physdev_op(PHYSDEVOP_pci_device_add, &op);
    if (error < 0) {
        console_printf("pci: %s: not accepted by the hypervisor: %s\n", pci_name(device),
                       errno_name((int)error));
    }
}

static void bus_scan(uint8_t bus);

/* Looks at one function; gives back its header type, or -1 if there is none. */
static int function_scan(uint8_t bus, uint8_t devfn)
{
    struct pci_device probe = {.bus = bus, .devfn = devfn};
    uint32_t id = pci_read32(&probe, CONFIG_VENDOR);
    if (id == 0xffffffffU || id == 0) {
        return -1;
    }
    uint8_t header = pci_read8(&probe, CONFIG_HEADER_TYPE);
    struct pci_device *device = calloc(1, sizeof(*device));
    if (device == NULL) {
        return -1;
    }
    *device = probe;
    device->vendor = (uint16_t)id;
    device->device = (uint16_t)(id >> 16);
    device->class_code = pci_read32(device, CONFIG_CLASS) >> 8;
    *last = device;
    last = &device->next;

    bool bridge = (header & ~HEADER_MULTIFUNCTION) == HEADER_BRIDGE;
    if (!bridge) {
        device->subsystem = pci_read16(device, CONFIG_SUBSYSTEM);
    }
    bars_probe(device, bridge ? 2 : PCI_BARS);
    device_announce(device);
    if (bridge) {
        uint8_t secondary = pci_read8(device, CONFIG_SECONDARY_BUS);
        /* Firmware numbers downwards; anything else is a loop or not set up. */
        if (secondary > bus) {
            bus_scan(secondary);
        }
    }
    return header;
}

static void bus_scan(uint8_t bus)
{
    for (unsigned int slot = 0; slot < 32; slot++) {
        int header = function_scan(bus, DEVFN(slot, 0));
        if (header < 0 || (header & HEADER_MULTIFUNCTION) == 0) {
            continue;
        }
        for (unsigned int function = 1; function < 8; function++) {
            function_scan(bus, DEVFN(slot, function));
        }
    }
}

int pci_init(void)
{
    if (first != NULL) {
        return 0;
    }
    struct physdev_set_iopl iopl = {.iopl = 1};
    long error = hypercall_physdev_op(PHYSDEVOP_set_iopl, &iopl);
    if (error < 0) {
        return (int)error;
    }
    bus_scan(0);
    return 0;
}
