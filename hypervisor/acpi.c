// SPDX-License-Identifier: MIT
// Walks RSDP -> XSDT or RSDT -> tables (ACPI specification 6.4, chapter 5.2) and keeps what the
// hypervisor needs of MADT and FADT. Tables are mapped uncached through ioremap, whatever memory the
// firmware put them in. A table is believed only as far as its length and checksum go.
#include "hypervisor/acpi.h"
#include "hypervisor/boot.h"
#include "hypervisor/paging.h"
#include "hypervisor/printk.h"
#include "hypervisor/string.h"

#define TABLE_MAX_BYTES 0x100000u

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct rsdp) == sizeof(boot_info.rsdp), "boot_info keeps one");

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision, creator_id, creator_revision;
} __attribute__((packed));

enum madt_type {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LAPIC_ADDRESS = 5,
    MADT_X2APIC = 9
};

struct madt {
    struct acpi_header header;
    uint32_t lapic_address, flags;
} __attribute__((packed));

struct madt_entry {
    uint8_t type, length;
    union {
        struct {
            uint8_t processor, apic_id;
            uint32_t flags;
        } __attribute__((packed)) lapic;
        struct {
            uint8_t id, reserved;
            uint32_t address, gsi_base;
        } __attribute__((packed)) ioapic;
        struct {
            uint8_t bus, source;
            uint32_t gsi;
            uint16_t flags;
        } __attribute__((packed)) override;
        struct {
            uint16_t reserved;
            uint32_t x2apic_id, flags, processor;
        } __attribute__((packed)) x2apic;
    };
} __attribute__((packed));

#define MADT_CPU_ENABLED 1u

// FADT fields by offset; older revisions end earlier.
#define FADT_PM1A_CONTROL 64
#define FADT_PM1B_CONTROL 68
#define FADT_PM_TIMER 76
#define FADT_FLAGS 112
#define FADT_RESET_SPACE 116
#define FADT_RESET_ADDRESS 120
#define FADT_RESET_VALUE 128
#define ADDRESS_SPACE_IO 1
#define FADT_FLAG_RESET (1u << 10)

struct acpi_info acpi_info;

static const struct acpi_header *madt_found, *fadt_found; // mapped, whole; NULL: missing or broken

static bool checksum_ok(const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint8_t sum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum = (uint8_t)(sum + p[i]);
    return sum == 0;
}

// Map the table at `address`; NULL if it is not credible.
static const struct acpi_header *table_map(uint64_t address)
{
    const struct acpi_header *header = ioremap(MADDR(address), sizeof(*header));
    if (address == 0 || !header)
        return NULL;
    uint32_t length = header->length;
    if (length < sizeof(*header) || length > TABLE_MAX_BYTES)
        return NULL;
    header = ioremap(MADDR(address), length);
    return header && checksum_ok(header, length) ? header : NULL;
}

static void root_walk(const struct acpi_header *root, size_t entry_size)
{
    const char *entry = (const char *)(root + 1), *end = (const char *)root + root->length;
    for (; entry + entry_size <= end; entry += entry_size) {
        uint64_t address = 0;
        memcpy(&address, entry, entry_size);
        const struct acpi_header *table = table_map(address);
        if (table && memcmp(table->signature, "APIC", 4) == 0)
            madt_found = table;
        if (table && memcmp(table->signature, "FACP", 4) == 0)
            fadt_found = table;
    }
}

static void madt_cpu(uint32_t apic_id, uint32_t flags)
{
    if (!(flags & MADT_CPU_ENABLED))
        return;
    if (acpi_info.cpu_count == HV_MAX_CPUS)
        log_warn("acpi: more than %d CPUs, APIC id %u is left out", HV_MAX_CPUS, apic_id);
    else
        acpi_info.cpu_apic_id[acpi_info.cpu_count++] = apic_id;
}

static void madt_entry(const struct madt_entry *e)
{
    switch ((enum madt_type)e->type) {
    case MADT_LAPIC:
        madt_cpu(e->lapic.apic_id, e->lapic.flags);
        break;
    case MADT_X2APIC:
        if (e->length >= 2 + sizeof(e->x2apic))
            madt_cpu(e->x2apic.x2apic_id, e->x2apic.flags);
        break;
    case MADT_IOAPIC:
        if (e->length >= 2 + sizeof(e->ioapic) && acpi_info.ioapic_count < ACPI_MAX_IOAPICS)
            acpi_info.ioapic[acpi_info.ioapic_count++] = (struct acpi_ioapic){
                e->ioapic.id, e->ioapic.address, e->ioapic.gsi_base};
        break;
    case MADT_OVERRIDE:
        if (e->length >= 2 + sizeof(e->override) && acpi_info.override_count < ACPI_MAX_OVERRIDES)
            acpi_info.override[acpi_info.override_count++] = (struct acpi_override){
                e->override.source, e->override.flags, e->override.gsi};
        break;
    case MADT_LAPIC_ADDRESS:
        break; // QEMU and PCs have it below 4 GiB
    }
}

static void madt_parse(void)
{
    const struct madt *madt = (const struct madt *)madt_found;
    if (!madt || madt->header.length < sizeof(*madt)) {
        log_warn("acpi: no MADT, one CPU assumed");
        return;
    }
    acpi_info.lapic_address = madt->lapic_address;
    const char *p = (const char *)(madt + 1), *end = (const char *)madt + madt->header.length;
    while (p + 8 <= end) { // the shortest entries have 8 bytes
        const struct madt_entry *e = (const struct madt_entry *)p;
        if (e->length < 8 || p + e->length > end)
            break;
        madt_entry(e);
        p += e->length;
    }
}

static uint32_t fadt_read(const struct acpi_header *fadt, unsigned offset, unsigned bytes)
{
    uint32_t value = 0;
    if (offset + bytes <= fadt->length)
        memcpy(&value, (const char *)fadt + offset, bytes);
    return value;
}

static void fadt_parse(void)
{
    const struct acpi_header *fadt = fadt_found;
    if (!fadt)
        return;
    acpi_info.pm1a_control = (uint16_t)fadt_read(fadt, FADT_PM1A_CONTROL, 4);
    acpi_info.pm1b_control = (uint16_t)fadt_read(fadt, FADT_PM1B_CONTROL, 4);
    acpi_info.pm_timer = (uint16_t)fadt_read(fadt, FADT_PM_TIMER, 4);
    if (!(fadt_read(fadt, FADT_FLAGS, 4) & FADT_FLAG_RESET) || fadt->length <= FADT_RESET_VALUE ||
        fadt_read(fadt, FADT_RESET_SPACE, 1) != ADDRESS_SPACE_IO)
        return;
    acpi_info.reset_port = (uint16_t)fadt_read(fadt, FADT_RESET_ADDRESS, 2);
    acpi_info.reset_value = (uint8_t)fadt_read(fadt, FADT_RESET_VALUE, 1);
}

void acpi_init(void)
{
    struct rsdp rsdp;
    memcpy(&rsdp, boot_info.rsdp, sizeof(rsdp));
    if (!boot_info.has_rsdp || memcmp(rsdp.signature, "RSD PTR ", 8) != 0) {
        log_warn("acpi: the boot loader gave no root pointer");
        return;
    }
    const struct acpi_header *root = rsdp.revision >= 2 ? table_map(rsdp.xsdt) : NULL;
    if (root) {
        root_walk(root, 8);
    } else {
        root = table_map(rsdp.rsdt);
        if (root)
            root_walk(root, 4);
    }
    madt_parse();
    fadt_parse();
    log_info("ACPI: %u CPUs, %u IO-APICs, PM timer at %#x", acpi_info.cpu_count,
             acpi_info.ioapic_count, acpi_info.pm_timer);
}
