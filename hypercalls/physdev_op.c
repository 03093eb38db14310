// SPDX-License-Identifier: MIT
// physdev_op (xen/physdev.h): PCI functions, their interrupts, and the I/O privilege level.
#include "hypercalls/call.h"
#include "hypervisor/ioapic.h"
#include "hypervisor/irq.h"

#define IOPL_MAX 3
#define PORTS 65536
#define PCI_FUNCTIONS 65536
#define IOAPIC_FIRST_ROUTE 0x10 // index of a register; two for each line

static long set_iopl(struct hypercall *c, void *argument)
{
    const struct physdev_set_iopl *op = argument;

    if (op->iopl > IOPL_MAX)
        return refuse(c, REFUSE_BAD_ARGUMENT, 1);
    c->vcpu->traps.iopl = (uint8_t)op->iopl;
    return 0;
}

static long set_iobitmap(struct hypercall *c, void *argument)
{
    const struct physdev_set_iobitmap *op = argument;

    if (op->nr_ports > PORTS || !guest_range_ok((uint64_t)op->bitmap.p, (op->nr_ports + 7) / 8))
        return refuse(c, REFUSE_BAD_ARGUMENT, 1);
    c->vcpu->traps.io_bitmap = (uint64_t)op->bitmap.p;
    c->vcpu->traps.io_ports = op->nr_ports;
    return 0;
}

static long eoi(struct hypercall *c, void *argument)
{
    const struct physdev_eoi *op = argument;

    return refuse(c, irq_eoi(c->domain, op->irq), 1);
}

static long irq_status(struct hypercall *c, void *argument)
{
    struct physdev_irq_status_query *op = argument;

    op->flags = XENIRQSTAT_needs_eoi; // of edges too: who wants to know better names a page of bits
    return refuse(c, op->irq < PIRQ_COUNT ? REFUSE_NONE : REFUSE_BAD_PIRQ, 1);
}

static long eoi_page_v1(struct hypercall *c, void *argument)
{
    const struct physdev_pirq_eoi_gmfn *op = argument;

    return refuse(c, irq_set_eoi_page(c->domain, MFN(op->gmfn), true), 1);
}

static long eoi_page_v2(struct hypercall *c, void *argument)
{
    const struct physdev_pirq_eoi_gmfn *op = argument;

    return refuse(c, irq_set_eoi_page(c->domain, MFN(op->gmfn), false), 1);
}

static long apic_read(struct hypercall *c, void *argument)
{
    struct physdev_apic *op = argument;

    if (!ioapic_read_register(op->apic_physbase, op->reg & 0xff, &op->value))
        return refuse(c, REFUSE_BAD_ARGUMENT, 1);
    return 0;
}

// Lines are routed when they are bound: writes that would do it are not taken, others mean nothing.
static long apic_write(struct hypercall *c, void *argument)
{
    const struct physdev_apic *op = argument;
    uint32_t version;

    if (!ioapic_read_register(op->apic_physbase, 1, &version))
        return refuse(c, REFUSE_BAD_ARGUMENT, 1);
    return op->reg < IOAPIC_FIRST_ROUTE || op->reg & 1 ? 0 : refuse(c, REFUSE_NOT_OFFERED, 1);
}

// Numbers are given out by map_pirq, and only there.
static long get_free_pirq(struct hypercall *c, void *argument)
{
    return refuse(c, REFUSE_NO_VECTOR, 1);
}

// A debug port on USB, which the hypervisor could be using, and is not.
static long dbgp_op(struct hypercall *c, void *argument)
{
    return 0;
}

// Vectors are ours to choose; the call is a relic that refuses nothing, as on Xen.
static long alloc_irq_vector(struct hypercall *c, void *argument)
{
    struct physdev_irq *op = argument;

    op->vector = op->irq;
    return 0;
}

static enum refusal map(struct domain *d, struct physdev_map_pirq *op)
{
    struct pci_function f = {(uint8_t)op->bus, (uint8_t)op->devfn};

    switch (op->type) {
    case MAP_PIRQ_TYPE_GSI:
        return irq_map_gsi(d, (unsigned)op->index, &op->pirq);
    case MAP_PIRQ_TYPE_MSI_SEG:
        if ((unsigned)op->bus >> 16)
            return REFUSE_BAD_ARGUMENT;
        // fall through
    case MAP_PIRQ_TYPE_MSI:
        if (op->index != -1)
            return REFUSE_BAD_ARGUMENT;
        // A table base stands for MSI-X.
        return irq_map_message(d, f, (unsigned)op->entry_nr, op->table_base, &op->pirq);
    default:
        return REFUSE_BAD_ARGUMENT;
    }
}

static long map_pirq(struct hypercall *c, void *argument)
{
    return refuse(c, map(c->target, argument), 1);
}

static long unmap_pirq(struct hypercall *c, void *argument)
{
    const struct physdev_unmap_pirq *op = argument;

    if (op->pirq < 0)
        return refuse(c, REFUSE_BAD_PIRQ, 1);
    return refuse(c, irq_unmap(c->target, (unsigned)op->pirq), 1);
}

static long setup_gsi(struct hypercall *c, void *argument)
{
    const struct physdev_setup_gsi *op = argument;

    if (op->gsi < 0)
        return refuse(c, REFUSE_BAD_PIRQ, 1);
    return refuse(c, irq_set_trigger((unsigned)op->gsi, op->triggering != 0, op->polarity != 0), 1);
}

// --- PCI functions: those that the hardware domain has told of, all on segment 0, one bit each

static uint64_t known[PCI_FUNCTIONS / 64];

static long function_add(struct hypercall *c, uint16_t segment, uint8_t bus, uint8_t devfn)
{
    unsigned number = (unsigned)bus << 8 | devfn;

    if (segment)
        return refuse(c, REFUSE_BAD_ARGUMENT, 1);
    __atomic_fetch_or(&known[number / 64], 1ull << number % 64, __ATOMIC_RELAXED);
    return refuse(c, irq_protect_msix((struct pci_function){bus, devfn}), 1);
}

// `found` is the answer for a function that is known. One that goes leaves its MSI-X table as it is, out
// of the guests' reach.
static long function_use(struct hypercall *c, uint32_t segment, unsigned number, enum refusal found)
{
    bool goes = c->subop == PHYSDEVOP_pci_device_remove || c->subop == PHYSDEVOP_manage_pci_remove;
    uint64_t bit = 1ull << number % 64, *word = &known[number / 64];
    uint64_t was = goes && !segment ? __atomic_fetch_and(word, ~bit, __ATOMIC_RELAXED)
                                    : __atomic_load_n(word, __ATOMIC_RELAXED);

    return refuse(c, !segment && was & bit ? found : REFUSE_NO_FUNCTION, 1);
}

static long pci_device_add(struct hypercall *c, void *argument)
{
    const struct physdev_pci_device_add *op = argument;

    return function_add(c, op->seg, op->bus, op->devfn);
}

static long manage_pci_add(struct hypercall *c, void *argument)
{
    const struct physdev_manage_pci *op = argument;

    return function_add(c, 0, op->bus, op->devfn);
}

static long manage_pci_add_ext(struct hypercall *c, void *argument)
{
    const struct physdev_manage_pci_ext *op = argument;

    if (op->is_extfn > 1 || op->is_virtfn > 1)
        return refuse(c, REFUSE_BAD_ARGUMENT, 1);
    return function_add(c, 0, op->bus, op->devfn);
}

// Removal, and MSI-X tables: they are protected from the start.
static long pci_device(struct hypercall *c, void *argument)
{
    const struct physdev_pci_device *op = argument;

    return function_use(c, op->seg, (unsigned)op->bus << 8 | op->devfn, REFUSE_NONE);
}

static long manage_pci_remove(struct hypercall *c, void *argument)
{
    const struct physdev_manage_pci *op = argument;

    return function_use(c, 0, (unsigned)op->bus << 8 | op->devfn, REFUSE_NONE);
}

static long restore_msi(struct hypercall *c, void *argument)
{
    const struct physdev_restore_msi *op = argument;

    return function_use(c, 0, (unsigned)op->bus << 8 | op->devfn, REFUSE_NOT_OFFERED);
}

static long restore_msi_ext(struct hypercall *c, void *argument)
{
    const struct physdev_pci_device *op = argument;

    return function_use(c, op->seg, (unsigned)op->bus << 8 | op->devfn, REFUSE_NOT_OFFERED);
}

// Accesses go through the ports; there is nothing to set up for the memory-mapped window.
static long mmcfg_reserved(struct hypercall *c, void *argument)
{
    const struct physdev_pci_mmcfg_reserved *op = argument;

    return op->segment ? refuse(c, REFUSE_BAD_ARGUMENT, 1) : 0;
}

#define ROW(cmd, type, copy, right, fn)                                                            \
    SUBOP(PHYSDEVOP_##cmd, struct physdev_##type, copy, right, fn)

static const struct subop subops[] = {
    ROW(set_iopl, set_iopl, IN, ANY, set_iopl),
    ROW(set_iobitmap, set_iobitmap, IN, ANY, set_iobitmap),
    ROW(eoi, eoi, IN, ANY, eoi),
    ROW(irq_status_query, irq_status_query, INOUT, ANY, irq_status),
    ROW(pirq_eoi_gmfn_v1, pirq_eoi_gmfn, IN, ANY, eoi_page_v1),
    ROW(pirq_eoi_gmfn_v2, pirq_eoi_gmfn, IN, ANY, eoi_page_v2),
    ROW(apic_read, apic, INOUT, PRIVILEGED, apic_read),
    ROW(alloc_irq_vector, irq, INOUT, PRIVILEGED, alloc_irq_vector),
    ROW(map_pirq, map_pirq, INOUT, PRIVILEGED_TARGET, map_pirq),
    ROW(unmap_pirq, unmap_pirq, IN, PRIVILEGED_TARGET, unmap_pirq),
    ROW(setup_gsi, setup_gsi, IN, PRIVILEGED, setup_gsi),
    ROW(pci_device_add, pci_device_add, IN, PRIVILEGED, pci_device_add),
    ROW(prepare_msix, pci_device, IN, PRIVILEGED, pci_device),
    ROW(release_msix, pci_device, IN, PRIVILEGED, pci_device),
    ROW(pci_device_remove, pci_device, IN, PRIVILEGED, pci_device),
    ROW(restore_msi, restore_msi, IN, PRIVILEGED, restore_msi),
    ROW(restore_msi_ext, pci_device, IN, PRIVILEGED, restore_msi_ext),
    ROW(apic_write, apic, IN, PRIVILEGED, apic_write),
    ROW(get_free_pirq, get_free_pirq, IN, ANY, get_free_pirq),
    ROW(dbgp_op, dbgp_op, IN, PRIVILEGED, dbgp_op),
    ROW(manage_pci_remove, manage_pci, IN, PRIVILEGED, manage_pci_remove),
    ROW(manage_pci_add_ext, manage_pci_ext, IN, PRIVILEGED, manage_pci_add_ext),
    ROW(manage_pci_add, manage_pci, IN, PRIVILEGED, manage_pci_add),
    ROW(pci_mmcfg_reserved, pci_mmcfg_reserved, IN, PRIVILEGED, mmcfg_reserved),
};

// Ends all interrupts of the caller that wait for it: a command of old that has no argument.
static long run(struct hypercall *c, uint32_t command, uint64_t argument)
{
    if (command != PHYSDEVOP_IRQ_UNMASK_NOTIFY)
        return subop_run(c, subops, ARRAY_SIZE(subops), command, argument);
    irq_eoi_all(c->domain);
    return 0;
}

long hypercall_physdev_op(struct hypercall *c)
{
    return run(c, (uint32_t)c->arg[0], c->arg[1]);
}

// The old form carries the command at the start of one structure.
long hypercall_physdev_op_compat(struct hypercall *c)
{
    uint32_t command;

    if (!guest_read(&command, c->arg[0], sizeof(command)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    return run(c, command, c->arg[0] + offsetof(struct physdev_op, u));
}
