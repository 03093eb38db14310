// SPDX-License-Identifier: MIT
// The ACPI walk on tables as firmware has them, and on broken ones: nothing is read outside what a
// table's length and the mapping allow (the sanitizers watch: each mapping is a heap block of its own).
#include "hypervisor/acpi.c"
#include "tests/report.h"
#include <CUnit/CUnit.h>
#include <stdlib.h>

#define MEMORY 0x4000u
#define RSDT_AT 0x100u
#define XSDT_AT 0x200u
#define MADT_AT 0x300u
#define FADT_AT 0x800u
#define MAPPINGS_MAX 4096

struct boot_info boot_info;
static uint8_t memory[MEMORY]; // the machine's, from address 0
static void *mapping[MAPPINGS_MAX];
static unsigned mapping_count;

void *ioremap(maddr_t maddr, size_t bytes)
{
    if (mapping_count == MAPPINGS_MAX || bytes > MEMORY || maddr.v > MEMORY - bytes)
        return NULL;
    void *copy = malloc(bytes);
    memcpy(copy, memory + maddr.v, bytes);
    return mapping[mapping_count++] = copy;
}

static void machine_reset(void)
{
    while (mapping_count > 0)
        free(mapping[--mapping_count]);
    memset(memory, 0, sizeof(memory));
    memset(&boot_info, 0, sizeof(boot_info));
    memset(&acpi_info, 0, sizeof(acpi_info));
    madt_found = fadt_found = NULL;
}

static void put32(unsigned at, uint32_t value)
{
    memcpy(memory + at, &value, sizeof(value));
}

// Length and checksum of the table at `at`.
static void table_seal(unsigned at, const char *signature, uint32_t length)
{
    uint8_t sum = 0;
    memcpy(memory + at, signature, 4);
    put32(at + 4, length);
    memory[at + 9] = 0;
    for (unsigned i = 0; i < length && at + i < MEMORY; i++)
        sum = (uint8_t)(sum + memory[at + i]);
    memory[at + 9] = (uint8_t)-sum;
}

static unsigned madt_fill(void)
{
    static const uint8_t entries[] = {
        0, 8,  0, 0, 1,  0, 0,    0,                 // CPU, APIC id 0
        0, 8,  1, 4, 1,  0, 0,    0,                 // CPU, APIC id 4
        0, 8,  2, 5, 0,  0, 0,    0,                 // not usable
        1, 12, 9, 0, 0,  0, 0xc0, 0xfe, 0,  0, 0, 0, // IO-APIC 9 at 0xfec00000
        2, 10, 0, 9, 9,  0, 0,    0,    13, 0,       // IRQ 9 is GSI 9, level, active high
        9, 16, 0, 0, 44, 1, 0,    0,    1,  0, 0, 0, 3, 0, 0, 0, // x2APIC id 300
    };
    memcpy(memory + MADT_AT + sizeof(struct madt), entries, sizeof(entries));
    put32(MADT_AT + sizeof(struct acpi_header), 0xfee00000);
    return sizeof(struct madt) + sizeof(entries);
}

static unsigned fadt_fill(void)
{
    put32(FADT_AT + FADT_PM1A_CONTROL, 0x604);
    put32(FADT_AT + FADT_PM_TIMER, 0x608);
    put32(FADT_AT + FADT_FLAGS, FADT_FLAG_RESET);
    memory[FADT_AT + FADT_RESET_SPACE] = 1;
    put32(FADT_AT + FADT_RESET_ADDRESS, 0xcf9);
    memory[FADT_AT + FADT_RESET_VALUE] = 6;
    return 244;
}

static void machine_fill(unsigned revision)
{
    struct rsdp rsdp = {.signature = "RSD PTR ", .revision = (uint8_t)revision, .rsdt = RSDT_AT};
    machine_reset();
    rsdp.xsdt = XSDT_AT;
    boot_info.has_rsdp = true;
    memcpy(boot_info.rsdp, &rsdp, sizeof(rsdp));
    table_seal(MADT_AT, "APIC", madt_fill());
    table_seal(FADT_AT, "FACP", fadt_fill());
    put32(RSDT_AT + 36, MADT_AT);
    put32(RSDT_AT + 40, FADT_AT);
    table_seal(RSDT_AT, "RSDT", 44);
    put32(XSDT_AT + 36, MADT_AT);
    put32(XSDT_AT + 44, FADT_AT);
    table_seal(XSDT_AT, "XSDT", 52);
}

static void whole(void)
{
    for (unsigned revision = 0; revision <= 2; revision += 2) {
        machine_fill(revision);
        acpi_init();
        CU_ASSERT_EQUAL(acpi_info.cpu_count, 3);
        CU_ASSERT_EQUAL(acpi_info.cpu_apic_id[1], 4);
        CU_ASSERT_EQUAL(acpi_info.cpu_apic_id[2], 300);
        CU_ASSERT_EQUAL(acpi_info.lapic_address, 0xfee00000);
        CU_ASSERT_EQUAL(acpi_info.ioapic_count, 1);
        CU_ASSERT_EQUAL(acpi_info.ioapic[0].address, 0xfec00000);
        CU_ASSERT_EQUAL(acpi_info.override_count, 1);
        CU_ASSERT_EQUAL(acpi_info.override[0].flags, 13);
        CU_ASSERT_EQUAL(acpi_info.pm_timer, 0x608);
        CU_ASSERT_EQUAL(acpi_info.pm1a_control, 0x604);
        CU_ASSERT_EQUAL(acpi_info.reset_port, 0xcf9);
        CU_ASSERT_EQUAL(acpi_info.reset_value, 6);
    }
    machine_reset();
}

static void missing(void)
{
    machine_reset();
    acpi_init();
    CU_ASSERT_EQUAL(acpi_info.cpu_count, 0);
    machine_fill(2);
    memory[MADT_AT + 60]++; // the checksum is wrong now
    acpi_init();
    CU_ASSERT_EQUAL(acpi_info.cpu_count, 0);
    CU_ASSERT_EQUAL(acpi_info.pm_timer, 0x608);
    machine_fill(2);
    memory[XSDT_AT + 40]++; // then the RSDT is used
    acpi_init();
    CU_ASSERT_EQUAL(acpi_info.cpu_count, 3);
    machine_fill(2);
    table_seal(FADT_AT, "FACP", 100); // of an old revision: no flags, no reset register
    acpi_init();
    CU_ASSERT_EQUAL(acpi_info.reset_port, 0);
    CU_ASSERT_EQUAL(acpi_info.pm_timer, 0x608);
    machine_reset();
}

// Any bytes and any lengths, with right checksums.
static void hostile(void)
{
    static const unsigned tables_at[] = {RSDT_AT, XSDT_AT, MADT_AT, FADT_AT};
    static const char *const signatures[] = {"RSDT", "XSDT", "APIC", "FACP"};
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        machine_fill(rand() & 2);
        unsigned t = (unsigned)rand() % 4;
        uint32_t length;
        memcpy(&length, memory + tables_at[t] + 4, sizeof(length));
        for (int i = rand() % 8; i > 0; i--)
            memory[tables_at[t] + sizeof(struct acpi_header) + (unsigned)rand() % 200] =
                (uint8_t)rand();
        if (rand() % 4 == 0)
            length = (uint32_t)rand() % 600;
        table_seal(tables_at[t], signatures[t], length);
        acpi_init();
        CU_ASSERT_TRUE(acpi_info.cpu_count <= HV_MAX_CPUS &&
                       acpi_info.ioapic_count <= ACPI_MAX_IOAPICS);
    }
    machine_reset();
}

static const struct report_case cases[] = {
    REPORT_CASE(whole),
    REPORT_CASE(missing),
    REPORT_CASE(hostile),
};

int main(void)
{
    return report_run("acpi", cases, sizeof(cases) / sizeof(cases[0]));
}
