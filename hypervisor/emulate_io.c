// SPDX-License-Identifier: MIT
// Port I/O of guests.
//
// Two questions: may this code execute the instruction (I/O privilege level, then the guest's own port
// bitmap)? If not, #GP. And does the domain own the port? If not, reads give all ones and writes are
// dropped. PCI configuration by ports 0xcf8 and 0xcfc..0xcff is shared with the hypervisor and always
// goes through pci.c.
#include "hypervisor/context.h"
#include "hypervisor/emulate.h"
#include "hypervisor/guestcopy.h"
#include "hypervisor/pci.h"
#include "hypervisor/traps.h"
#include "hypervisor/version.h"

#define PORT_PCI_ADDRESS 0xcf8u
#define PORT_PCI_DATA 0xcfcu
#define PORT_PCI_LAST 0xcffu
#define PCI_ENABLE 0x80000000u
#define STRING_ELEMENTS 128 // at most this many before we look at events again

// --- the device side ------------------------------------------------------------------------------------

static bool is_pci_data(unsigned port, unsigned bytes)
{
    return port >= PORT_PCI_DATA && port + bytes - 1 <= PORT_PCI_LAST;
}

static uint32_t all_ones(unsigned bytes)
{
    return bytes == 4 ? ~0u : (1u << (8 * bytes)) - 1;
}

static bool pci_is_enabled(const struct domain *d, unsigned port, unsigned bytes)
{
    return is_pci_data(port, bytes) && d->access.pci_address & PCI_ENABLE;
}

static uint32_t port_read(struct domain *d, unsigned port, unsigned bytes)
{
    if (port == PORT_PCI_ADDRESS && bytes == 4)
        return d->access.pci_address; // each domain has its own
    if (!access_port_permitted(d, port, port + bytes - 1))
        return all_ones(bytes);
    if (pci_is_enabled(d, port, bytes))
        return pci_port_read(d->access.pci_address, port & 3, bytes);
    if (is_pci_data(port, bytes))
        return all_ones(bytes);
    return port_in((uint16_t)port, bytes);
}

static void port_write(struct domain *d, unsigned port, unsigned bytes, uint32_t value)
{
    if (port == PORT_PCI_ADDRESS && bytes == 4)
        d->access.pci_address = value;
    else if (!access_port_permitted(d, port, port + bytes - 1))
        return;
    else if (pci_is_enabled(d, port, bytes))
        pci_port_write(d->access.pci_address, port & 3, bytes, value);
    else if (!is_pci_data(port, bytes))
        port_out((uint16_t)port, bytes, value);
}

// --- the right to execute -------------------------------------------------------------------------------

// The bitmap lies in the guest kernel's memory; user mode may run on a root that does not map it. DONE: allowed.
static enum emulated bitmap_allows(struct emulation *e, unsigned port, unsigned bytes)
{
    struct vcpu *v = e->v;
    uint64_t address = v->traps.io_bitmap + port / 8;
    bool from_user = !v->in_kernel;
    uint16_t bits;

    if (!v->traps.io_bitmap || port + bytes > v->traps.io_ports)
        return EMULATED_REFUSED;
    if (from_user)
        toggle_guest_mode(v);
    bool ok = guest_read(&bits, address, sizeof(bits)) || guest_read(&bits, address, 1);
    if (from_user)
        toggle_guest_mode(v);
    if (!ok && ABI_PORT_BITMAP_FAULTS) {
        guest_inject_page_fault(e->regs, 0, address);
        return EMULATED_STAYS;
    }
    return ok && !(bits >> (port % 8) & ((1u << bytes) - 1)) ? EMULATED_DONE : EMULATED_REFUSED;
}

static enum emulated port_executable(struct emulation *e, unsigned port, unsigned bytes)
{
    struct vcpu *v = e->v;
    unsigned kernel_ring = domain_assisted(v->domain, VMASST_TYPE_architectural_iopl) ? 0 : 1;

    if ((v->in_kernel ? kernel_ring : 3) <= v->traps.iopl)
        return EMULATED_DONE;
    return bitmap_allows(e, port, bytes);
}

// --- the instructions ---------------------------------------------------------------------------------------

// Bit 0 of the opcode: byte, or word and longer (there is no 8-byte port access).
static unsigned port_bytes(const struct instruction *i)
{
    if (!(i->opcode & 1))
        return 1;
    return i->operand_bytes == 2 ? 2 : 4;
}

enum emulated emulate_port(struct emulation *e)
{
    struct cpu_user_regs *regs = e->regs;
    unsigned bytes = port_bytes(&e->insn);
    unsigned port = e->insn.opcode & 8 ? regs->dx : (uint8_t)e->insn.immediate;
    bool is_out = e->insn.opcode & 2;

    enum emulated executable = port_executable(e, port, bytes);
    if (executable != EMULATED_DONE)
        return executable;
    if (is_out)
        port_write(e->v->domain, port, bytes, regs->eax & all_ones(bytes));
    else
        emulate_register_write(&regs->rax, bytes, port_read(e->v->domain, port, bytes));
    e->breakpoints = debugreg_check_port(e->v, port, bytes);
    return EMULATED_DONE;
}

// One element at `address`; false: the memory cannot be accessed.
static bool string_element(struct domain *d, bool is_out, unsigned port, unsigned bytes,
                           uint64_t address)
{
    uint32_t value = 0;

    if (is_out) {
        if (!guest_read(&value, address, bytes))
            return false;
        port_write(d, port, bytes, value);
        return true;
    }
    value = port_read(d, port, bytes);
    return guest_write(address, &value, bytes);
}

// 64-bit code only. A memory operand that cannot be accessed is a page fault at that address, with the
// counters where the string has come to.
enum emulated emulate_port_string(struct emulation *e)
{
    struct cpu_user_regs *regs = e->regs;
    unsigned bytes = port_bytes(&e->insn), port = regs->dx, width = e->insn.address_bytes;
    bool is_out = e->insn.opcode & 2;
    uint64_t *pointer = is_out ? &regs->rsi : &regs->rdi;
    uint64_t mask = width == 8 ? ~0ull : 0xffffffffull;
    int64_t step = regs->rflags & EFLAGS_DF ? -(int64_t)bytes : (int64_t)bytes;

    enum emulated executable = e->insn.is_64bit ? port_executable(e, port, bytes)
                                                : EMULATED_REFUSED;
    if (executable != EMULATED_DONE)
        return executable;
    uint64_t base = is_out ? emulate_segment_base(e) : 0;
    for (unsigned n = 0; n < STRING_ELEMENTS; n++) {
        if (e->insn.rep && (regs->rcx & mask) == 0)
            return EMULATED_DONE;
        uint64_t address = base + (*pointer & mask);
        if (!string_element(e->v->domain, is_out, port, bytes, address)) {
            guest_inject_page_fault(regs, is_out ? 0 : PFEC_WRITE, address);
            return EMULATED_STAYS;
        }
        emulate_register_write(pointer, width, *pointer + (uint64_t)step);
        if (!e->insn.rep)
            return EMULATED_DONE;
        emulate_register_write(&regs->rcx, width, regs->rcx - 1);
    }
    return EMULATED_STAYS;
}
