// SPDX-License-Identifier: MIT
/*
 * Power-off wants the two values that the firmware's ACPI tables give for S5 (ACPI 6.4, 7.4.2): the
 * object \_S5 in the DSDT. The object is found by its name and read as the package of constants that
 * it is in practice; no AML is run. Where the tables cannot be reached, type 0 is what QEMU's machines
 * take.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xen/platform.h>
#include <xen/sched.h>

#include "dom0/power.h"
#include "pvguest/hypercall.h"
#include "pvguest/memory.h"
#include "pvguest/start.h"

#define BIOS_START 0xe0000UL
#define BIOS_SIZE 0x20000UL
#define TABLE_MAX (1UL << 20)
#define SLEEP_TYPE_SHIFT 10
#define SLEEP_ENABLE (1U << 13)
#define AML_NAME 0x08
#define AML_PACKAGE 0x12
#define AML_BYTE 0x0a
#define AML_WORD 0x0b

struct mapping {
    const uint8_t *data;
    size_t length;
};

static struct mapping map(uint64_t address, size_t length)
{
    return (struct mapping){memory_map_device(address, length), length};
}

static void unmap(struct mapping *mapping)
{
    size_t offset = (uintptr_t)mapping->data & ~PAGE_MASK;

    if (mapping->data) {
        memory_unmap((void *)(uintptr_t)mapping->data,
                     (offset + mapping->length + PAGE_SIZE - 1) >> PAGE_SHIFT);
    }
    mapping->data = NULL;
}

static uint64_t field(const struct mapping *table, size_t offset, size_t size)
{
    uint64_t value = 0;

    if (offset + size <= table->length) {
        memcpy(&value, table->data + offset, size);
    }
    return value;
}

static bool sum_is_zero(const uint8_t *data, size_t length)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++) {
        sum = (uint8_t)(sum + data[i]);
    }
    return sum == 0;
}

/* A whole table, its length from its header; data is NULL if it is none. */
static struct mapping table_map(uint64_t address)
{
    struct mapping head = map(address, 36);
    uint64_t length = head.data ? field(&head, 4, 4) : 0;

    unmap(&head);
    return length >= 36 && length <= TABLE_MAX ? map(address, length) : (struct mapping){NULL, 0};
}

/* Address of the RSDT or XSDT and the size of its entries. */
static uint64_t root_of(const uint8_t *rsdp, unsigned int *entry)
{
    uint64_t xsdt;
    uint32_t rsdt;

    memcpy(&rsdt, rsdp + 16, sizeof(rsdt));
    memcpy(&xsdt, rsdp + 24, sizeof(xsdt));
    *entry = rsdp[15] >= 2 && xsdt ? 8 : 4;
    return *entry == 8 ? xsdt : rsdt;
}

static uint64_t root_find_bios(unsigned int *entry)
{
    struct mapping bios = map(BIOS_START, BIOS_SIZE);
    uint64_t root = 0;

    for (size_t at = 0; bios.data && !root && at + 36 <= bios.length; at += 16) {
        if (memcmp(bios.data + at, "RSD PTR ", 8) == 0 && sum_is_zero(bios.data + at, 20)) {
            root = root_of(bios.data + at, entry);
        }
    }
    unmap(&bios);
    return root;
}

/* UEFI's configuration table, if the hypervisor tells where it is. */
static uint64_t root_find_efi(unsigned int *entry)
{
    static const uint8_t acpi20[16] = {0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
                                       0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81};
    struct xen_platform_op op = {.cmd = XENPF_firmware_info,
                                 .interface_version = XENPF_INTERFACE_VERSION};
    struct mapping list;
    uint64_t root = 0;

    op.u.firmware_info.type = XEN_FW_EFI_INFO;
    op.u.firmware_info.index = XEN_FW_EFI_CONFIG_TABLE;
    if (hypercall_platform_op(&op) || op.u.firmware_info.u.efi_info.cfg.nent == 0) {
        return 0;
    }
    list = map(op.u.firmware_info.u.efi_info.cfg.addr,
               op.u.firmware_info.u.efi_info.cfg.nent * 24UL);
    for (size_t at = 0; list.data && !root && at + 24 <= list.length; at += 24) {
        if (memcmp(list.data + at, acpi20, sizeof(acpi20)) == 0) {
            struct mapping rsdp = map(field(&list, at + 16, 8), 36);
            root = rsdp.data ? root_of(rsdp.data, entry) : 0;
            unmap(&rsdp);
        }
    }
    unmap(&list);
    return root;
}

/* Address of the DSDT, from the FADT. */
static uint64_t dsdt_find(uint64_t root, unsigned int entry)
{
    struct mapping list = table_map(root);
    uint64_t dsdt = 0;

    for (size_t at = 36; list.data && !dsdt && at + entry <= list.length; at += entry) {
        struct mapping table = table_map(field(&list, at, entry));
        if (table.data && memcmp(table.data, "FACP", 4) == 0) {
            dsdt = field(&table, 140, 8);
            dsdt = dsdt ? dsdt : field(&table, 40, 4);
        }
        unmap(&table);
    }
    unmap(&list);
    return dsdt;
}

/* One constant of a package; *at moves behind it. */
static uint64_t constant(const struct mapping *aml, size_t *at)
{
    uint64_t code = field(aml, *at, 1), size = code == AML_BYTE ? 1 : code == AML_WORD ? 2 : 0;
    uint64_t value = size ? field(aml, *at + 1, size) : code;

    *at += 1 + size;
    return value;
}

/* The sleep types of \_S5 for the registers a and b. */
static bool sleep_types(const struct mapping *aml, uint64_t *a, uint64_t *b)
{
    for (size_t at = 36; at + 12 <= aml->length; at++) {
        const uint8_t *p = aml->data + at;
        bool named = p[-1] == AML_NAME || (p[-1] == '\\' && p[-2] == AML_NAME);
        if (memcmp(p, "_S5_", 4) == 0 && named && p[4] == AML_PACKAGE) {
            at += 5;
            at += 1 + (field(aml, at, 1) >> 6); /* length of the package, 1-4 bytes */
            at += 1;                            /* number of elements */
            *a = constant(aml, &at);
            *b = constant(aml, &at);
            return true;
        }
    }
    return false;
}

void power_off(void)
{
    struct xen_platform_op op = {.cmd = XENPF_enter_acpi_sleep,
                                 .interface_version = XENPF_INTERFACE_VERSION};
    unsigned int entry = 4;
    uint64_t a = 0, b = 0, root = root_find_bios(&entry);

    root = root ? root : root_find_efi(&entry);
    if (root) {
        uint64_t dsdt = dsdt_find(root, entry);
        struct mapping aml = dsdt ? table_map(dsdt) : (struct mapping){NULL, 0};
        if (!aml.data || !sleep_types(&aml, &a, &b)) {
            printf("dom0: no \\_S5 in the ACPI tables\n");
        }
        unmap(&aml);
    }
    op.u.enter_acpi_sleep.val_a = (uint16_t)(a << SLEEP_TYPE_SHIFT | SLEEP_ENABLE);
    op.u.enter_acpi_sleep.val_b = (uint16_t)(b << SLEEP_TYPE_SHIFT | SLEEP_ENABLE);
    op.u.enter_acpi_sleep.sleep_state = 5;
    hypercall_platform_op(&op);
    start_shutdown(SHUTDOWN_poweroff); /* it did not go off: stop at least */
}

void power_reboot(void)
{
    start_shutdown(SHUTDOWN_reboot);
}
