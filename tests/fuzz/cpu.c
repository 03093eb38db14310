// SPDX-License-Identifier: MIT
// Fuzzer: descriptors, segment bases, debug registers, traps, vcpus, assists.
#include "tests/fuzz/fuzz.h"
#include <string.h>
#include <xen/vcpu.h>

static const uint64_t addresses[] = {0,
                                     0x1000,
                                     0x00007fffffffffff,
                                     0x0000800000000000,
                                     0xffff7fffffffffff,
                                     0xffff800000000000,
                                     0xffff830000000000,
                                     0xffff87ffffffffff,
                                     0xffff880000000000,
                                     0xffffffffffffffff};
#define ADDRESSES (sizeof(addresses) / sizeof(addresses[0]))

static uint64_t pick_address(void)
{
    uint64_t address = addresses[fuzz_random(ADDRESSES)];

    fuzz_log(" %#lx", address);
    return address;
}

static uint64_t pick_descriptor(void)
{
    // Nothing, flat code and data for rings 3 and 0, conforming code, call gate, TSS, LDT, odd bits.
    static const uint64_t descriptors[] = {0,
                                           0x00affa000000ffff,
                                           0x00cff2000000ffff,
                                           0x00af9a000000ffff,
                                           0x00cf92000000ffff,
                                           0x00cffe000000ffff,
                                           0x0000ec0000081234,
                                           0x0000890000000067,
                                           0x0000820000000067,
                                           0x00effa000000ffff,
                                           0x00cf7a000000ffff,
                                           0x008ff0000000ffff};
    unsigned int n = fuzz_random(12);

    fuzz_log(" desc%u", n);
    return descriptors[n];
}

static void op_update_descriptor(void)
{
    unsigned int frame = fuzz_pick_frame(), index = fuzz_random(512);
    unsigned int odd = fuzz_chance(5) ? 1 + fuzz_random(7) : 0;

    fuzz_log(" f%u[%u]+%u", frame, index, odd);
    uint64_t descriptor = pick_descriptor();
    uint64_t maddr = (fuzz_mfn(frame) << PAGE_SHIFT) + index * 8 + odd;
    fuzz_log(" = %ld", hypercall_update_descriptor(maddr, descriptor));
}

static void op_set_gdt(void)
{
    unsigned long frames[16];
    unsigned int count = fuzz_random(4), entries;

    for (unsigned int i = 0; i < 16; i++) {
        unsigned int frame = i < count ? fuzz_pick_frame() : 0;
        frames[i] = fuzz_mfn(frame);
        fuzz_prepare_table(frame, 1);
        if (i < count)
            fuzz_log(" f%u", frame);
    }
    entries = count * 512 - (count ? fuzz_random(512) : 0);
    if (fuzz_chance(4))
        entries = 7168 + fuzz_random(3) * 512 + 1;
    fuzz_log(" n%u = %ld", entries, hypercall_set_gdt(frames, entries));
}

static void op_segment_base(void)
{
    unsigned int which = fuzz_random(fuzz_chance(90) ? 4 : 100);

    fuzz_log(" %u", which);
    uint64_t base = which == 3 ? fuzz_random(8) : pick_address();
    fuzz_log(" = %ld", hypercall_set_segment_base(which, base));
}

// Never a value that would stop us: DR7 enables nothing.
static void op_set_debugreg(void)
{
    unsigned int number = fuzz_random(fuzz_chance(90) ? 8 : 64);
    uint64_t value;

    fuzz_log(" %u", number);
    if (number == 7 || number == 5) {
        static const uint64_t controls[] = {0, 0x400, 0x2000, 0x700, 0xffff0000, 0x100000000};
        value = controls[fuzz_random(6)];
        fuzz_log(" %#lx", value);
    } else {
        value = pick_address();
    }
    fuzz_log(" = %ld", hypercall_set_debugreg(number, value));
    fuzz_log(" %#lx", hypercall_get_debugreg(number));
}

static void op_vm_assist(void)
{
    static const unsigned int types[] = {0, 1, 2, 3, 4, 5, 6, 31, 32, 64};
    unsigned int type = types[fuzz_random(10)], command = 1 + fuzz_random(3);

    // Writable page tables and extended CR3 stay as they are.
    if (type == 2 || type == 3)
        return;
    fuzz_log(" c%u t%u = %ld", command, type, hypercall_vm_assist(command, type));
}

static void op_vcpu(void)
{
    static const unsigned int commands[] = {VCPUOP_is_up,
                                            VCPUOP_up,
                                            VCPUOP_down,
                                            VCPUOP_stop_periodic_timer,
                                            VCPUOP_stop_singleshot_timer,
                                            VCPUOP_get_physid,
                                            99};
    unsigned int command = commands[fuzz_random(7)],
                 vcpu = fuzz_chance(80) ? 1 : 2 + fuzz_random(64);
    uint64_t buffer[2];

    long result = hypercall_vcpu_op(command, vcpu, buffer);
    fuzz_log(" c%u v%u = %ld", command, vcpu, result);
}

// Commands of memory_op that Paravane does not have at all, so that it looks at no argument: paging and
// sharing.
static bool is_left_out(unsigned int command)
{
    static const unsigned char missing[] = {20, 22};

    return memchr(missing, (int)command, sizeof(missing)) != NULL;
}

static void op_bad_pointer(void)
{
    void *pointer = (void *)pick_address();
    unsigned int call = fuzz_random(8), command = fuzz_random(30);
    long result = 0;

    switch (call) {
    case 0:
        result = hypercall_mmu_update(pointer, 1, NULL, DOMID_SELF);
        break;
    case 1:
        result = hypercall_mmuext_op(pointer, 1, NULL, DOMID_SELF);
        break;
    case 2:
        if (!is_left_out(command))
            result = hypercall_memory_op(command, (void *)0xffff830000000000);
        break;
    case 3:
        result = hypercall_event_channel_op(command % 16, (void *)0xffff830000000000);
        break;
    case 4:
        result = hypercall_grant_table_op(command % 16, (void *)0xffff830000000000, 1);
        break;
    case 5:
        result = hypercall_sched_op(command % 2 ? 3 : 99, (void *)0xffff830000000000);
        break;
    case 6:
        result = hypercall_multicall(pointer, 1);
        break;
    default:
        result = hypercall_set_gdt(pointer, 512);
        break;
    }
    fuzz_log(" %u c%u = %ld", call, command, result);
}

const struct fuzz_operation fuzz_cpu_operations[] = {
    {"update_descriptor", 5, op_update_descriptor},
    {"set_gdt",           3, op_set_gdt          },
    {"segment_base",      2, op_segment_base     },
    {"set_debugreg",      2, op_set_debugreg     },
    {"vm_assist",         1, op_vm_assist        },
    {"vcpu_op",           2, op_vcpu             },
    {"bad_pointer",       3, op_bad_pointer      },
    {NULL,                0, NULL                },
};
