// SPDX-License-Identifier: MIT
// physdev_op and console_io, as the hardware domain uses them.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/physdev.h>

#define PHYSDEV(command, value) hypercall_physdev_op(PHYSDEVOP_##command, &(value))

static uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void read_port(void *arg)
{
    *((uint64_t *)arg + 1) = in8(*(const uint16_t *)arg);
}

static void io_privilege(void)
{
    physdev_set_iopl_t iopl = {.iopl = 1};
    uint64_t request[2] = {0xcf8, 0};

    EXPECT(PHYSDEV(set_iopl, iopl), 0);
    EXPECT(probe_run(read_port, request), 0);
    iopl.iopl = 4;
    EXPECT(PHYSDEV(set_iopl, iopl), -XEN_EINVAL);
    iopl.iopl = 1;
    EXPECT(PHYSDEV(set_iopl, iopl), 0);
}

static void interrupt_status(void)
{
    physdev_irq_status_query_t query = {.irq = 9};

    EXPECT(PHYSDEV(irq_status_query, query), 0);
    EXPECT(query.flags, XENIRQSTAT_needs_eoi);
    query.irq = 0;
    query.flags = 0xffffffffU;
    EXPECT(PHYSDEV(irq_status_query, query), 0);
    EXPECT(query.flags, XENIRQSTAT_needs_eoi);
    query.irq = 0xffffffffU;
    EXPECT(PHYSDEV(irq_status_query, query), -XEN_EINVAL);
}

static void map_refused(void)
{
    physdev_map_pirq_t map;
    physdev_unmap_pirq_t unmap = {.domid = DOMID_SELF, .pirq = 0x7fffffff};

    memset(&map, 0, sizeof(map));
    map.domid = ABSENT_DOMAIN;
    map.type = MAP_PIRQ_TYPE_GSI;
    EXPECT(PHYSDEV(map_pirq, map), -XEN_ESRCH);
    map.domid = DOMID_SELF;
    map.index = 100000; // no such line
    EXPECT(PHYSDEV(map_pirq, map), -XEN_EINVAL);
    map.type = MAP_PIRQ_TYPE_MSI; // the index of a message is -1
    map.index = 0;
    EXPECT(PHYSDEV(map_pirq, map), -XEN_EINVAL);
    map.type = 99;
    EXPECT(PHYSDEV(map_pirq, map), -XEN_EINVAL);
    EXPECT(PHYSDEV(unmap_pirq, unmap), -XEN_EINVAL);
}

static void bad_arguments(void)
{
    physdev_eoi_t eoi = {.irq = 0};

    EXPECT(PHYSDEV(eoi, eoi), -XEN_EINVAL); // never mapped
    eoi.irq = 0xffffffffU;
    EXPECT(PHYSDEV(eoi, eoi), -XEN_EINVAL);
    EXPECT(hypercall_physdev_op(PHYSDEVOP_set_iopl, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_physdev_op(PHYSDEVOP_map_pirq, NON_CANONICAL), -XEN_EFAULT);
    EXPECT(hypercall_physdev_op(99, &eoi), -XEN_ENOSYS);
}

static void io_bitmap(void)
{
    static uint8_t bits[8];
    physdev_set_iobitmap_t map = {.nr_ports = 64};

    set_xen_guest_handle(map.bitmap, bits);
    EXPECT(PHYSDEV(set_iobitmap, map), 0);
    map.nr_ports = 65537;
    EXPECT(PHYSDEV(set_iobitmap, map), -XEN_EINVAL);
    set_xen_guest_handle(map.bitmap, HYPERVISOR_ADDRESS);
    map.nr_ports = 64;
    EXPECT(PHYSDEV(set_iobitmap, map), -XEN_EINVAL);
    set_xen_guest_handle(map.bitmap, NULL);
    map.nr_ports = 0;
    EXPECT(PHYSDEV(set_iobitmap, map), 0);
}

static void io_apic(void)
{
    physdev_apic_t apic = {.apic_physbase = 0xfec00000, .reg = 1};
    physdev_irq_t irq = {.irq = 9};

    EXPECT(PHYSDEV(apic_read, apic), 0);
    EXPECT_TRUE((apic.value >> 16 & 0xff) >= 15);
    apic.reg = 0; // not a line's: ignored
    EXPECT(PHYSDEV(apic_write, apic), 0);
    apic.reg = 0x11; // the second half of a line's: ignored
    EXPECT(PHYSDEV(apic_write, apic), 0);
    apic.reg = 0x10 + 2 * 23; // a line: Xen may route it. Its delivery mode is an ExtINT's
    apic.value = 0x10700;
    EXPECT_TRUE(PHYSDEV(apic_write, apic) < 0);
    apic.apic_physbase = 0x1000;
    EXPECT(PHYSDEV(apic_read, apic), -XEN_EINVAL);
    EXPECT(PHYSDEV(apic_write, apic), -XEN_EINVAL);
    EXPECT(PHYSDEV(alloc_irq_vector, irq), 0);
    EXPECT(irq.vector, 9);
}

static void lines(void)
{
    physdev_setup_gsi_t gsi = {.gsi = 9, .triggering = 1, .polarity = 0};

    gsi.gsi = 0; // the timer's
    EXPECT(PHYSDEV(setup_gsi, gsi), -XEN_EEXIST);
    gsi.gsi = 20;
    gsi.polarity = 1;
    EXPECT(PHYSDEV(setup_gsi, gsi), 0);
    EXPECT(PHYSDEV(setup_gsi, gsi), -XEN_EEXIST); // once is enough
    gsi.gsi = 0x7fffffff;
    EXPECT(PHYSDEV(setup_gsi, gsi), -XEN_EINVAL);
    gsi.gsi = -1;
    EXPECT(PHYSDEV(setup_gsi, gsi), -XEN_EINVAL);
}

// A function that nobody has told of is not there. prepare_msix is asked nothing good: Xen 4.17 does not
// survive a function without such a table.
static void pci_functions(void)
{
    physdev_pci_device_add_t add;
    physdev_pci_device_t device = {.seg = 0, .bus = 0x76, .devfn = 0x13};
    physdev_manage_pci_t manage = {.bus = 0x76, .devfn = 0x13};
    physdev_restore_msi_t restore = {.bus = 0x76, .devfn = 0x13};
    physdev_manage_pci_ext_t extended = {.bus = 0x76, .devfn = 0x13};

    memset(&add, 0, sizeof(add));
    add.bus = 0x76;
    add.devfn = 0x13;
    for (unsigned int round = 0; round < 2; round++) {
        EXPECT(PHYSDEV(manage_pci_remove, manage), -XEN_ENODEV);
        EXPECT(PHYSDEV(pci_device_remove, device), -XEN_ENODEV);
        EXPECT(PHYSDEV(prepare_msix, device), -XEN_ENODEV);
        EXPECT(PHYSDEV(release_msix, device), -XEN_ENODEV);
        EXPECT(PHYSDEV(restore_msi, restore), -XEN_ENODEV);
        EXPECT(PHYSDEV(restore_msi_ext, device), -XEN_ENODEV);
        EXPECT(PHYSDEV(pci_device_add, add), 0);
        EXPECT(PHYSDEV(pci_device_add, add), 0);
        EXPECT(PHYSDEV(pci_device_remove, device), 0);
    }
    EXPECT(PHYSDEV(manage_pci_add, manage), 0);
    EXPECT(PHYSDEV(manage_pci_remove, manage), 0);
    EXPECT(PHYSDEV(manage_pci_add_ext, extended), 0);
    EXPECT(PHYSDEV(manage_pci_remove, manage), 0);
    extended.is_extfn = 2;
    EXPECT(PHYSDEV(manage_pci_add_ext, extended), -XEN_EINVAL);
    extended.is_extfn = 0;
    extended.is_virtfn = 2;
    EXPECT(PHYSDEV(manage_pci_add_ext, extended), -XEN_EINVAL);
    device.seg = 1; // a function of another segment
    EXPECT(PHYSDEV(pci_device_remove, device), -XEN_ENODEV);
    EXPECT(PHYSDEV(release_msix, device), -XEN_ENODEV);
}

static void windows_of_configuration(void)
{
    physdev_pci_mmcfg_reserved_t window = {.segment = 7, .end_bus = 255};

    EXPECT_TRUE(PHYSDEV(pci_mmcfg_reserved, window) < 0);
}

// What Xen would do, and Paravane does not: restore messages, route lines, give out numbers.
static void interrupts_of_xen(void)
{
    physdev_pci_device_add_t add;
    physdev_pci_device_t device = {.seg = 0, .bus = 0x75, .devfn = 1};
    physdev_restore_msi_t restore = {.bus = 0x75, .devfn = 1};
    physdev_get_free_pirq_t number = {.type = MAP_PIRQ_TYPE_MSI};
    long result;

    memset(&add, 0, sizeof(add));
    add.bus = 0x75;
    add.devfn = 1;
    EXPECT(PHYSDEV(pci_device_add, add), 0);
    result = PHYSDEV(restore_msi, restore);
    EXPECT_TRUE(result == 0 || result == -XEN_EOPNOTSUPP);
    result = PHYSDEV(restore_msi_ext, device);
    EXPECT_TRUE(result == 0 || result == -XEN_EOPNOTSUPP);
    EXPECT(PHYSDEV(pci_device_remove, device), 0);
    result = PHYSDEV(get_free_pirq, number);
    EXPECT_TRUE(result == 0 || result == -XEN_ENOSPC);
}

static void debug_port(void)
{
    physdev_dbgp_op_t port;

    memset(&port, 0, sizeof(port));
    EXPECT(PHYSDEV(dbgp_op, port), 0); // there is none
    memset(&port, 0xff, sizeof(port));
    EXPECT(PHYSDEV(dbgp_op, port), 0);
}

// Each command with a structure, wherever it cannot be read.
static void pointers(void)
{
    static const struct {
        uint8_t command, bytes;
    } rows[] = {
        {PHYSDEVOP_eoi,                sizeof(physdev_eoi_t)             },
        {PHYSDEVOP_irq_status_query,   sizeof(physdev_irq_status_query_t)},
        {PHYSDEVOP_set_iopl,           sizeof(physdev_set_iopl_t)        },
        {PHYSDEVOP_set_iobitmap,       sizeof(physdev_set_iobitmap_t)    },
        {PHYSDEVOP_apic_read,          sizeof(physdev_apic_t)            },
        {PHYSDEVOP_apic_write,         sizeof(physdev_apic_t)            },
        {PHYSDEVOP_alloc_irq_vector,   sizeof(physdev_irq_t)             },
        {PHYSDEVOP_map_pirq,           sizeof(physdev_map_pirq_t)        },
        {PHYSDEVOP_unmap_pirq,         sizeof(physdev_unmap_pirq_t)      },
        {PHYSDEVOP_manage_pci_add,     sizeof(physdev_manage_pci_t)      },
        {PHYSDEVOP_manage_pci_remove,  sizeof(physdev_manage_pci_t)      },
        {PHYSDEVOP_manage_pci_add_ext, sizeof(physdev_manage_pci_ext_t)  },
        {PHYSDEVOP_pirq_eoi_gmfn_v1,   sizeof(physdev_pirq_eoi_gmfn_t)   },
        {PHYSDEVOP_pirq_eoi_gmfn_v2,   sizeof(physdev_pirq_eoi_gmfn_t)   },
        {PHYSDEVOP_restore_msi,        sizeof(physdev_restore_msi_t)     },
        {PHYSDEVOP_restore_msi_ext,    sizeof(physdev_pci_device_t)      },
        {PHYSDEVOP_setup_gsi,          sizeof(physdev_setup_gsi_t)       },
        {PHYSDEVOP_get_free_pirq,      sizeof(physdev_get_free_pirq_t)   },
        {PHYSDEVOP_dbgp_op,            sizeof(physdev_dbgp_op_t)         },
        {PHYSDEVOP_pci_device_add,     offsetof(physdev_pci_device_add_t,  optarr)},
        {PHYSDEVOP_pci_device_remove,                            sizeof(physdev_pci_device_t)                                   },
        {PHYSDEVOP_prepare_msix,                            sizeof(physdev_pci_device_t)     },
        {PHYSDEVOP_release_msix,                            sizeof(physdev_pci_device_t)                                   },
        {PHYSDEVOP_pci_mmcfg_reserved,                            sizeof(physdev_pci_mmcfg_reserved_t)},
    };

    for (unsigned int r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        for (unsigned int i = 0; i < HOSTILE_PLACES; i++) {
            void *place = hostile_place(i, rows[r].bytes);
            EXPECT(hypercall_physdev_op(rows[r].command, place), -XEN_EFAULT);
        }
    }
}

static void unknown_commands(void)
{
    static const uint32_t unknown[] = {0, 1, 2, 3, 11, 18, 22, 32, 33, 99, 0x7fffffff, 0xffffffff};
    uint64_t argument[16];

    memset(argument, 0, sizeof(argument));
    for (unsigned int i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        if (!SINCE_XEN(20) || unknown[i] != 32) // pci_device_reset, not offered here
            EXPECT(hypercall_physdev_op(unknown[i], argument), -XEN_ENOSYS);
    }
}

static void pages_of_interrupts_refused(void)
{
    physdev_pirq_eoi_gmfn_t page = {.gmfn = ABSENT_FRAME};

    EXPECT(PHYSDEV(pirq_eoi_gmfn_v1, page), -XEN_EINVAL);
    EXPECT(PHYSDEV(pirq_eoi_gmfn_v2, page), -XEN_EINVAL);
    EXPECT(hypercall_physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v2, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

// The page stays the hypervisor's: it is a page of its own and not given back.
static void page_of_interrupts(void)
{
    void *bits = page_alloc(0), *other = page_alloc(0);
    physdev_pirq_eoi_gmfn_t page = {.gmfn = virt_to_mfn(bits)};

    REQUIRE(bits && other);
    EXPECT(PHYSDEV(pirq_eoi_gmfn_v2, page), 0);
    EXPECT(PHYSDEV(pirq_eoi_gmfn_v2, page), -XEN_EBUSY);
    page.gmfn = virt_to_mfn(other);
    EXPECT(PHYSDEV(pirq_eoi_gmfn_v1, page), -XEN_EBUSY);
    EXPECT(page_set_readonly(bits), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(bits)), -XEN_EINVAL); // it is no table
    EXPECT(page_set_writable(bits), 0);
    page_free(other, 0);
}

static void console_write(void)
{
    char text[] = "console_io speaks\n";

    EXPECT(hypercall_console_io(CONSOLEIO_write, sizeof(text) - 1, text), 0);
    EXPECT(hypercall_console_io(CONSOLEIO_write, 0, text), 0);
}

static void console_refused(void)
{
    EXPECT(hypercall_console_io(CONSOLEIO_write, 10, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_console_io(99, 1, HYPERVISOR_ADDRESS), -XEN_ENOSYS);
}

static void console_read_nothing(void)
{
    char text[8];

    EXPECT(hypercall_console_io(CONSOLEIO_read, sizeof(text), text), 0);
    EXPECT(hypercall_console_io(CONSOLEIO_read, 0x80000000, text), -XEN_E2BIG);
}

static const struct report_case physdev_cases[] = {
    REPORT_CASE(io_privilege),
    REPORT_CASE(interrupt_status),
    REPORT_CASE(map_refused),
    REPORT_CASE(bad_arguments),
    REPORT_CASE(io_bitmap),
    REPORT_CASE(io_apic),
    REPORT_CASE(lines),
    REPORT_CASE(pci_functions),
    REPORT_CASE(windows_of_configuration),
    REPORT_CASE(interrupts_of_xen),
    REPORT_CASE(debug_port),
    REPORT_CASE(pointers),
    REPORT_CASE(unknown_commands),
    REPORT_CASE(pages_of_interrupts_refused),
    REPORT_CASE(page_of_interrupts),
};

static const struct report_case console_cases[] = {
    REPORT_CASE(console_write),
    REPORT_CASE(console_refused),
    REPORT_CASE(console_read_nothing),
};

GUEST_FAMILY(devices, REPORT_SUITE("physdev_op", physdev_cases),
             REPORT_SUITE("console_io", console_cases));
