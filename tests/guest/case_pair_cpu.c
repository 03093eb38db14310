// SPDX-License-Identifier: MIT
// What the processor of an unprivileged domain lets through: ports, machine-specific registers, control
// registers. dom0's emulation has cases of its own; here it is what a guest must not reach.
#define __XEN_TOOLS__ 1
#include "tests/guest/pair.h"

#include <stdio.h>
#include <xen/physdev.h>

#define FAULT 0x10000L // no value of a port

struct port_access {
    uint16_t port;
    uint32_t value;
};

static void read_byte(void *arg)
{
    struct port_access *p = arg;
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "d"(p->port));
    p->value = value;
}

static void read_long(void *arg)
{
    struct port_access *p = arg;

    __asm__ volatile("inl %1, %0" : "=a"(p->value) : "d"(p->port));
}

static void write_byte(void *arg)
{
    const struct port_access *p = arg;

    __asm__ volatile("outb %0, %1" : : "a"((uint8_t)p->value), "d"(p->port));
}

static void write_long(void *arg)
{
    const struct port_access *p = arg;

    __asm__ volatile("outl %0, %1" : : "a"(p->value), "d"(p->port));
}

static long in8(uint16_t port)
{
    struct port_access p = {.port = port};

    return probe_run(read_byte, &p) ? FAULT : (long)p.value;
}

static long set_iopl(uint32_t level)
{
    physdev_set_iopl_t op = {.iopl = level};

    return hypercall_physdev_op(PHYSDEVOP_set_iopl, &op);
}

// RTC, PIC, keyboard, POST, UART, VGA, PM timer area, ACPI: a guest's reads are all ones, its writes nothing.
static const uint16_t host_ports[] = {0x20, 0x21,  0x60,  0x64,  0x80,
                                      0xa1, 0x3c0, 0x3f8, 0x2f8, 0x5658};

static long ports_by_the_guest(long unused, long unused2, long unused3)
{
    (void)unused, (void)unused2, (void)unused3;
    EXPECT(set_iopl(4), -XEN_EINVAL);
    for (uint32_t iopl = 0; iopl <= 3; iopl += 3) {
        EXPECT(set_iopl(iopl), 0);
        for (size_t i = 0; i < sizeof(host_ports) / sizeof(host_ports[0]); i++) {
            struct port_access p = {.port = host_ports[i], .value = 0};

            EXPECT(in8(host_ports[i]), iopl ? 0xff : FAULT);
            EXPECT(probe_run(write_byte, &p), iopl ? 0 : PROBE_TRAP + 13);
        }
    }
    EXPECT(set_iopl(0), 0);
    return 0;
}

static void ports(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, ports_by_the_guest, 0, 0, 0), 0);
}

// The configuration address is remembered, the data is not there.
static long configuration_by_the_guest(long unused, long unused2, long unused3)
{
    struct port_access address = {.port = 0xcf8, .value = 0x80000000};
    struct port_access data = {.port = 0xcfc};

    (void)unused, (void)unused2, (void)unused3;
    EXPECT(set_iopl(3), 0);
    EXPECT(probe_run(write_long, &address), 0);
    address.value = 0;
    EXPECT(probe_run(read_long, &address), 0);
    EXPECT(address.value, 0x80000000);
    EXPECT(probe_run(read_long, &data), 0);
    EXPECT(data.value, 0xffffffff);
    EXPECT(in8(0xcfe), 0xff);
    data.value = 0;
    EXPECT(probe_run(write_long, &data), 0);
    EXPECT(set_iopl(0), 0);
    return 0;
}

static void configuration_space(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, configuration_by_the_guest, 0, 0, 0), 0);
}

// Channel 2 of the timer and the speaker's gate are for domains that were made with a timer: here nothing is.
static long timer_by_the_guest(long unused, long unused2, long unused3)
{
    struct port_access control = {.port = 0x43, .value = 0xb0};
    struct port_access count = {.port = 0x42, .value = 0xff};
    struct port_access gate = {.port = 0x61, .value = 1};

    (void)unused, (void)unused2, (void)unused3;
    EXPECT(set_iopl(3), 0);
    EXPECT(probe_run(write_byte, &gate), 0);
    EXPECT(probe_run(write_byte, &control), 0);
    EXPECT(probe_run(write_byte, &count), 0);
    EXPECT(in8(0x40), 0xff);
    EXPECT(in8(0x41), 0xff);
    EXPECT(in8(0x42), 0xff);
    EXPECT(in8(0x61), 0xff);
    EXPECT(set_iopl(0), 0);
    return 0;
}

static void interval_timer(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, timer_by_the_guest, 0, 0, 0), 0);
}

// The clock's index port is remembered, its data is all ones: the host's clock is not the guest's.
static long clock_by_the_guest(long unused, long unused2, long unused3)
{
    struct port_access index = {.port = 0x70, .value = 0x0a};
    struct port_access data = {.port = 0x71, .value = 0};

    (void)unused, (void)unused2, (void)unused3;
    EXPECT(set_iopl(3), 0);
    EXPECT(probe_run(write_byte, &index), 0);
    EXPECT(in8(0x71), 0xff);
    EXPECT(probe_run(write_byte, &data), 0);
    EXPECT(set_iopl(0), 0);
    return 0;
}

static void clock_chip(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, clock_by_the_guest, 0, 0, 0), 0);
}

// --- registers -------------------------------------------------------------------------------------------

struct msr_access {
    uint32_t msr;
    uint64_t value;
};

static void read_msr(void *arg)
{
    struct msr_access *m = arg;
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(m->msr));
    m->value = (uint64_t)high << 32 | low;
}

static void write_msr(void *arg)
{
    const struct msr_access *m = arg;

    __asm__ volatile("wrmsr" : : "c"(m->msr), "a"((uint32_t)m->value), "d"(m->value >> 32));
}

// Registers by what a guest gets: READ, WRITE of what was read; else #GP.
#define READS 1U
#define WRITES 2U
#define INTEL 4U // on their processors only
#define AMD 8U
static const struct msr_row {
    uint32_t msr;
    unsigned int may;
} msr_rows[] = {
    {0x10,       READS                 }, // TSC
    {0x1b,       READS                 }, // APIC base
    {0x8b,       READS                 }, // microcode
    {0x174,      0                     }, // SYSENTER
    {0x176,      0                     },
    {0x17a,      READS | WRITES        }, // machine check
    {0x1d9,      0                     },
    {0x277,      READS                 }, // PAT
    {0x400,      READS | WRITES        },
    {0x802,      0                     }, // x2APIC
    {0x830,      0                     },
    {0x40000000, READS                 },
    {0xc0000080, READS | WRITES        }, // EFER
    {0xc0000081, 0                     }, // STAR
    {0xc0000082, 0                     }, // LSTAR
    {0xc0000083, 0                     },
    {0xc0000084, 0                     },
    {0xc0000100, READS | WRITES        }, // FS, GS, user GS
    {0xc0000101, READS | WRITES        },
    {0xc0000102, READS | WRITES        },
    {0x3a,       READS | INTEL         }, // feature control
    {0xc1,       READS | WRITES | INTEL}, // counters
    {0x10a,      READS | INTEL         }, // capabilities
    {0x199,      READS | WRITES | INTEL}, // power states
    {0x19a,      WRITES | INTEL        },
    {0x280,      READS | WRITES        }, // machine check
    {0xc0010015, READS | WRITES | AMD  },
    {0xc0010010, 0                     },
    {0xc0010114, 0                     }, // VM_CR
    {0xc0010117, 0                     },
    {0xdeadbeef, 0                     },
};

static long msrs_by_the_guest(long dump, long unused, long unused2)
{
    uint32_t a = 0, b, c = 0, d;

    (void)dump, (void)unused, (void)unused2;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    unsigned int vendor = (b & 0xff) == 'G' ? INTEL : (b & 0xff) == 'A' ? AMD : 0;
    for (size_t i = 0; i < sizeof(msr_rows) / sizeof(msr_rows[0]); i++) {
        struct msr_access m = {.msr = msr_rows[i].msr};
        bool reads = probe_run(read_msr, &m) == 0;
        bool writes = probe_run(write_msr, &m) == 0;
        char text[40];

        snprintf(text, sizeof(text), "what MSR %#x allows", (unsigned int)m.msr);
        bool is_there = !(msr_rows[i].may & (INTEL | AMD)) || msr_rows[i].may & vendor;
        guest_expect((reads ? READS : 0) | (writes ? WRITES : 0),
                     is_there ? msr_rows[i].may & (READS | WRITES) : 0, text, __FILE__, __LINE__);
    }
    return 0;
}

static void registers(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, msrs_by_the_guest, 0, 0, 0), 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(ports),      REPORT_CASE(configuration_space), REPORT_CASE(interval_timer),
    REPORT_CASE(clock_chip), REPORT_CASE(registers),
};

GUEST_FAMILY(pair_cpu, REPORT_SUITE("pair_cpu", cases));
