// SPDX-License-Identifier: MIT
// platform_op: the host, as its hardware domain sees and sets it.
//
// What Xen really does to a machine (processors taken off, memory added, microcode loaded) is asked here
// only in ways that both hypervisors refuse.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/platform.h>

#define CPUS 2
#define NO_CPU 1000

static struct xen_platform_op platform;

static long platform_op(uint32_t command)
{
    platform.cmd = command;
    platform.interface_version = XENPF_INTERFACE_VERSION;
    return hypercall_platform_op(&platform);
}

static long platform_plain(uint32_t command, int fill)
{
    memset(&platform, fill, sizeof(platform));
    return platform_op(command);
}

static void set_time(void)
{
    memset(&platform, 0, sizeof(platform));
    platform.u.settime64.secs = 1800000000;
    platform.u.settime64.system_time = 1;
    EXPECT(platform_op(XENPF_settime64), 0);
    platform.u.settime64.nsecs = 0xffffffff; // more than a second is a second more
    EXPECT(platform_op(XENPF_settime64), 0);
    platform.u.settime64.mbz = 1;
    EXPECT(platform_op(XENPF_settime64), -XEN_EINVAL);
    memset(&platform, 0, sizeof(platform));
    platform.u.settime32.secs = 1800000000;
    platform.u.settime32.system_time = 1;
    EXPECT(platform_op(XENPF_settime32), 0);
}

static long firmware(uint32_t type, uint32_t index)
{
    memset(&platform, 0, sizeof(platform));
    platform.u.firmware_info.type = type;
    platform.u.firmware_info.index = index;
    return platform_op(XENPF_firmware_info);
}

// The machine was started by a BIOS: there is nothing of EFI. Type 3 with index 0 is the monitor, which
// only Xen asks the BIOS for.
static void firmware_info(void)
{
    for (uint32_t index = 0; index < 12; index++)
        EXPECT(firmware(XEN_FW_EFI_INFO, index), -XEN_ENOSYS);
    EXPECT(firmware(XEN_FW_KBD_SHIFT_FLAGS, 0), 0);
    EXPECT(platform.u.firmware_info.u.kbd_shift_flags, 0);
    EXPECT(firmware(XEN_FW_KBD_SHIFT_FLAGS, 1), -XEN_ESRCH);
    EXPECT(firmware(XEN_FW_DISK_INFO, 1000), -XEN_ESRCH);
    EXPECT(firmware(XEN_FW_DISK_MBR_SIGNATURE, 1000), -XEN_ESRCH);
    EXPECT(firmware(XEN_FW_VBEDDC_INFO, 1), -XEN_ESRCH);
    EXPECT(firmware(0, 0), -XEN_EINVAL);
    EXPECT(firmware(6, 0), -XEN_EINVAL);
    EXPECT(firmware(0xffffffff, 0), -XEN_EINVAL);
}

// The power-off that dom0 does with good values stands in the system tests.
static void sleep_refused(void)
{
    memset(&platform, 0, sizeof(platform));
    platform.u.enter_acpi_sleep.sleep_state = 9;
    platform.u.enter_acpi_sleep.flags = 2;
    EXPECT(platform_op(XENPF_enter_acpi_sleep), -XEN_EINVAL);
    platform.u.enter_acpi_sleep.flags = XENPF_ACPI_SLEEP_EXTENDED;
    for (uint32_t state = 0; state < 8; state++) {
        if (state != 3) { // may be EOPNOTSUPP
            platform.u.enter_acpi_sleep.sleep_state = (uint8_t)state;
            EXPECT(platform_op(XENPF_enter_acpi_sleep), -XEN_EPERM);
        }
    }
}

static void processors(void)
{
    for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
        memset(&platform, 0xaa, sizeof(platform));
        platform.u.pcpu_info.xen_cpuid = cpu;
        EXPECT(platform_op(XENPF_get_cpuinfo), 0);
        EXPECT(platform.u.pcpu_info.max_present, CPUS - 1);
        EXPECT(platform.u.pcpu_info.flags, XEN_PCPU_FLAGS_ONLINE);
        EXPECT(platform.u.pcpu_info.apic_id, cpu);
        EXPECT(platform.u.pcpu_info.acpi_id, cpu);
    }
    platform.u.pcpu_info.xen_cpuid = NO_CPU;
    EXPECT(platform_op(XENPF_get_cpuinfo), 0);
    EXPECT(platform.u.pcpu_info.max_present, CPUS - 1);
    EXPECT(platform.u.pcpu_info.flags, XEN_PCPU_FLAGS_INVALID);
}

static void versions_of_processors(void)
{
    struct xenpf_pcpu_version none = {.xen_cpuid = NO_CPU, .max_present = CPUS - 1};

    memset(&platform, 0xaa, sizeof(platform));
    platform.u.pcpu_version.xen_cpuid = 0;
    EXPECT(platform_op(XENPF_get_cpu_version), 0);
    EXPECT(platform.u.pcpu_version.max_present, CPUS - 1);
    EXPECT_TRUE(platform.u.pcpu_version.family >= 6 && platform.u.pcpu_version.family < 0xaa);
    EXPECT_TRUE(platform.u.pcpu_version.model < 0x1000 && platform.u.pcpu_version.stepping < 16);
    memset(&platform, 0xaa, sizeof(platform));
    platform.u.pcpu_version.xen_cpuid = NO_CPU;
    EXPECT(platform_op(XENPF_get_cpu_version), 0);
    EXPECT(memcmp(&platform.u.pcpu_version, &none, sizeof(none)), 0);
}

static void processors_stay(void)
{
    memset(&platform, 0, sizeof(platform));
    EXPECT(platform_op(XENPF_cpu_online), 0); // it is
    EXPECT(platform_op(XENPF_cpu_offline), -XEN_EOPNOTSUPP);
    platform.u.cpu_ol.cpuid = NO_CPU;
    EXPECT(platform_op(XENPF_cpu_online), -XEN_EINVAL);
    EXPECT(platform_op(XENPF_cpu_offline), -XEN_EINVAL);
    EXPECT(platform_plain(XENPF_cpu_hotadd, 0x5a), -XEN_EINVAL);
    EXPECT(platform_plain(XENPF_mem_hotadd, 0x5a), -XEN_EINVAL);
    EXPECT(platform_plain(XENPF_mem_hotadd, 0), -XEN_EINVAL);
    memset(&platform, 0, sizeof(platform));
    platform.u.core_parking.type = XEN_CORE_PARKING_GET;
    platform.u.core_parking.idle_nums = 77;
    EXPECT(platform_op(XENPF_core_parking), 0);
    EXPECT(platform.u.core_parking.idle_nums, 0);
    EXPECT(platform_plain(XENPF_core_parking, 0), -XEN_EINVAL);
    EXPECT(platform_plain(XENPF_core_parking, 0xff), -XEN_EINVAL);
}

// Linux gives the tables of its firmware; without them nothing is managed, on Xen too.
static void power_management(void)
{
    uint32_t bits[3] = {99, 0, 0};

    memset(&platform, 0, sizeof(platform));
    platform.u.set_pminfo.type = XEN_PM_TX;
    EXPECT(platform_op(XENPF_set_processor_pminfo), -XEN_ENOSYS);
    platform.u.set_pminfo.type = XEN_PM_PDC + 1;
    EXPECT(platform_op(XENPF_set_processor_pminfo), -XEN_EINVAL);
    platform.u.set_pminfo.type = XEN_PM_PDC;
    set_xen_guest_handle(platform.u.set_pminfo.u.pdc, bits);
    EXPECT(platform_op(XENPF_set_processor_pminfo), -XEN_EINVAL); // no such revision
    for (unsigned int i = 0; i < HOSTILE_PLACES - 1; i++) {
        set_xen_guest_handle(platform.u.set_pminfo.u.pdc, hostile_place(i, sizeof(bits)));
        EXPECT(platform_op(XENPF_set_processor_pminfo), -XEN_EFAULT);
    }
    EXPECT(platform_plain(XENPF_change_freq, 0), -XEN_ENOSYS);
    EXPECT(platform_plain(XENPF_getidletime, 0), -XEN_ENOSYS);
}

static void registers(void)
{
    struct xenpf_resource_entry entries[4];

    EXPECT(platform_plain(XENPF_resource_op, 0), 0); // no entries
    platform.u.resource_op.nr_entries = 4;
    set_xen_guest_handle(platform.u.resource_op.entries, entries);
    EXPECT(platform_op(XENPF_resource_op), -XEN_EINVAL);
    memset(entries, 0, sizeof(entries));
    entries[0].u.cmd = 99;
    platform.u.resource_op.nr_entries = 1;
    EXPECT(platform_op(XENPF_resource_op), 0); // none done
    EXPECT_TRUE((int32_t)entries[0].u.ret == -XEN_EOPNOTSUPP);
    entries[0].u.cmd = 0;
    entries[0].rsvd = 1;
    EXPECT(platform_op(XENPF_resource_op), 0);
    EXPECT_TRUE((int32_t)entries[0].u.ret == -XEN_EINVAL);
    for (unsigned int i = 0; i < HOSTILE_PLACES; i++) {
        set_xen_guest_handle(platform.u.resource_op.entries, hostile_place(i, sizeof(entries[0])));
        EXPECT(platform_op(XENPF_resource_op), -XEN_EFAULT);
    }
}

static void machine_left_alone(void)
{
    EXPECT(platform_plain(XENPF_add_memtype, 0xff), -XEN_EINVAL);
    EXPECT(platform_plain(XENPF_del_memtype, 0xff), -XEN_EINVAL);
    EXPECT(platform_plain(XENPF_read_memtype, 0xff), -XEN_EINVAL);
    long result = platform_plain(XENPF_microcode_update,
                                 0); // on Intel's processors Xen finds none in it
    EXPECT_TRUE(result == -XEN_EINVAL || result == -XEN_ENOENT);
    memset(&platform, 0, sizeof(platform));
    for (uint32_t quirk = QUIRK_NOIRQBALANCING; quirk <= QUIRK_IOAPIC_GOOD_REGSEL; quirk++) {
        platform.u.platform_quirk.quirk_id = quirk;
        EXPECT(platform_op(XENPF_platform_quirk), 0);
    }
    platform.u.platform_quirk.quirk_id = 0;
    EXPECT(platform_op(XENPF_platform_quirk), -XEN_EINVAL);
    platform.u.platform_quirk.quirk_id = QUIRK_IOAPIC_GOOD_REGSEL + 1;
    EXPECT(platform_op(XENPF_platform_quirk), -XEN_EINVAL);
    memset(&platform, 0, sizeof(platform));
    platform.u.symdata.symnum = 100000000;
    EXPECT(platform_op(XENPF_get_symbol), -XEN_ERANGE);
}

static void platform_refused(void)
{
    static const uint32_t unknown[] = {0,  1,  16, 18, 30, 34,      36,   38,         40,        47,
                                       49, 64, 65, 77, 99, 63 + 64, 9999, 0x7fffffff, 0xffffffff};

    memset(&platform, 0, sizeof(platform));
    for (unsigned int i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        if (!SINCE_XEN(20) || (unknown[i] != 64 && unknown[i] != 65)) // not offered here
            EXPECT(platform_op(unknown[i]), -XEN_ENOSYS);
    }
    platform.interface_version = XENPF_INTERFACE_VERSION - 1;
    platform.cmd = XENPF_settime64;
    EXPECT(hypercall_platform_op(&platform), -XEN_EACCES);
    platform.cmd = 9999;
    EXPECT(hypercall_platform_op(&platform), -XEN_EACCES);
    for (unsigned int i = 0; i < HOSTILE_PLACES; i++)
        EXPECT(hypercall_platform_op(hostile_place(i, sizeof(platform))), -XEN_EFAULT);
}

static const struct report_case platform_cases[] = {
    REPORT_CASE(set_time),
    REPORT_CASE(firmware_info),
    REPORT_CASE(sleep_refused),
    REPORT_CASE(processors),
    REPORT_CASE(versions_of_processors),
    REPORT_CASE(processors_stay),
    REPORT_CASE(power_management),
    REPORT_CASE(registers),
    REPORT_CASE(machine_left_alone),
    REPORT_CASE(platform_refused),
};

GUEST_FAMILY(host, REPORT_SUITE("platform_op", platform_cases));
