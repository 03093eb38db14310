// SPDX-License-Identifier: MIT
// PCI configuration space. See pci.h.
//
// Lock: LOCK_IRQ_LINE, interrupts off, a leaf: address and data port are used as a pair.
#include "hypervisor/pci.h"
#include "hypervisor/asm.h"
#include "hypervisor/lock.h"

#define PORT_ADDRESS 0xcf8
#define PORT_DATA 0xcfc
#define ADDRESS_ENABLE 0x80000000u

#define CONFIG_STATUS 0x06
#define STATUS_CAPABILITIES 0x10
#define CONFIG_BAR 0x10
#define BARS 6
#define CONFIG_CAPABILITIES 0x34
#define CAPABILITIES_MAX 48 // more than fit into 256 bytes

#define BAR_IS_PORT 1u
#define BAR_IS_64BIT 4u
#define BAR_FLAGS 0xfu

static struct spinlock lock = SPINLOCK_INIT(LOCK_IRQ_LINE);

uint32_t pci_port_read(uint32_t address, unsigned byte, unsigned bytes)
{
    uint64_t flags = spin_lock_irqsave(&lock);

    out32(PORT_ADDRESS, address);
    uint32_t value = port_in((uint16_t)(PORT_DATA + byte), bytes);
    spin_unlock_irqrestore(&lock, flags);
    return value;
}

void pci_port_write(uint32_t address, unsigned byte, unsigned bytes, uint32_t value)
{
    uint64_t flags = spin_lock_irqsave(&lock);

    out32(PORT_ADDRESS, address);
    port_out((uint16_t)(PORT_DATA + byte), bytes, value);
    spin_unlock_irqrestore(&lock, flags);
}

static uint32_t address_of(struct pci_function f, unsigned offset)
{
    return ADDRESS_ENABLE | (uint32_t)f.bus << 16 | (uint32_t)f.devfn << 8 | (offset & 0xfc);
}

uint32_t pci_read(struct pci_function f, unsigned offset, unsigned bytes)
{
    return pci_port_read(address_of(f, offset), offset & 3, bytes);
}

void pci_write(struct pci_function f, unsigned offset, unsigned bytes, uint32_t value)
{
    pci_port_write(address_of(f, offset), offset & 3, bytes, value);
}

unsigned pci_find_capability(struct pci_function f, uint8_t id)
{
    if (!(pci_read(f, CONFIG_STATUS, 2) & STATUS_CAPABILITIES))
        return 0;
    unsigned at = pci_read(f, CONFIG_CAPABILITIES, 1) & 0xfc;
    for (unsigned i = 0; at && i < CAPABILITIES_MAX; i++) {
        if (pci_read(f, at, 1) == id)
            return at;
        at = pci_read(f, at + 1, 1) & 0xfc;
    }
    return 0;
}

uint64_t pci_bar_address(struct pci_function f, unsigned bar)
{
    if (bar >= BARS)
        return 0;
    uint32_t low = pci_read(f, CONFIG_BAR + 4 * bar, 4);
    if (low & BAR_IS_PORT)
        return 0;
    uint64_t address = low & ~BAR_FLAGS;
    if (low & BAR_IS_64BIT && bar + 1 < BARS)
        address |= (uint64_t)pci_read(f, CONFIG_BAR + 4 * (bar + 1), 4) << 32;
    return address;
}
