// SPDX-License-Identifier: MIT
// The I/O privilege level of both kinds, and the bitmap of ports for user mode.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/physdev.h>

#include "tests/guest/user.h"

#define PORT 0x61 // user_do_port reads it
#define IOPL_SHIFT 12
#define KERNEL_IOPL 1 // what the guest runs with

static void set_iopl(uint32_t iopl)
{
    physdev_set_iopl_t op = {.iopl = iopl};

    EXPECT(hypercall_physdev_op(PHYSDEVOP_set_iopl, &op), 0);
}

static void set_bitmap(uint8_t *bitmap, uint32_t ports)
{
    physdev_set_iobitmap_t op = {.nr_ports = ports};

    set_xen_guest_handle(op.bitmap, bitmap);
    EXPECT(hypercall_physdev_op(PHYSDEVOP_set_iobitmap, &op), 0);
}

static void read_port(void *arg)
{
    uint8_t value;

    (void)arg;
    __asm__ volatile("inb %w1, %0" : "=a"(value) : "d"(PORT));
}

static unsigned int visit(void (*code)(void), uint64_t rflags)
{
    struct user_frame frame = user_frame_at((uint64_t)code);

    frame.rflags |= rflags;
    return user_visit(&frame, 0);
}

// The kernel counts as ring 1, user mode as ring 3.
static void levels(void)
{
    user_begin();
    for (uint32_t iopl = 0; iopl < 4; iopl++) {
        set_iopl(iopl);
        EXPECT(probe_run(read_port, NULL), iopl >= 1 ? 0 : PROBE_TRAP + 13);
        EXPECT(visit(user_do_port, 0), iopl == 3 ? USER_SYSCALL : PROBE_TRAP + 13);
        EXPECT(visit(user_do_interrupts_off, 0), iopl == 3 ? USER_SYSCALL : PROBE_TRAP + 13);
        EXPECT(visit(user_do_port, FLAG_IOPL), iopl == 3 ? USER_SYSCALL : PROBE_TRAP + 13);
    }
    set_iopl(KERNEL_IOPL);
    user_end();
}

// With the assist the kernel counts as ring 0, and each iret sets the level.
static void architectural_levels(void)
{
    user_begin();
    EXPECT(hypercall_vm_assist(VMASST_CMD_enable, VMASST_TYPE_architectural_iopl), 0);
    for (uint64_t iopl = 0; iopl < 4; iopl++) {
        unsigned int wanted = iopl == 3 ? USER_SYSCALL : PROBE_TRAP + 13;

        EXPECT(visit(user_do_port, iopl << IOPL_SHIFT), wanted);
        EXPECT(visit(user_do_interrupts_off, iopl << IOPL_SHIFT), wanted);
        EXPECT(probe_run(read_port, NULL), 0);
    }
    EXPECT(hypercall_vm_assist(VMASST_CMD_disable, VMASST_TYPE_architectural_iopl), 0);
    set_iopl(KERNEL_IOPL);
    user_end();
}

// A clear bit opens its port to user mode and to a kernel without the level; one that cannot be read does not.
static void bitmaps(void)
{
    static uint8_t bitmap[PORT / 8 + 1];

    user_begin();
    memset(bitmap, 0xff, sizeof(bitmap));
    set_bitmap(bitmap, PORT + 1);
    EXPECT(visit(user_do_port, 0), PROBE_TRAP + 13);
    bitmap[PORT / 8] &= (uint8_t) ~(1U << PORT % 8);
    EXPECT(visit(user_do_port, 0), USER_SYSCALL);
    set_iopl(0);
    EXPECT(probe_run(read_port, NULL), 0);
    set_iopl(KERNEL_IOPL);
    set_bitmap(bitmap, PORT); // one too short
    EXPECT(visit(user_do_port, 0), PROBE_TRAP + 13);
    set_bitmap((uint8_t *)0x7000, PORT + 1);
    EXPECT(visit(user_do_port, 0), PROBE_TRAP + (SINCE_XEN(20) ? 14 : 13));
    set_bitmap(NULL, 0);
    EXPECT(visit(user_do_port, 0), PROBE_TRAP + 13);
    user_end();
}

static const struct report_case cases[] = {
    REPORT_CASE(levels),
    REPORT_CASE(architectural_levels),
    REPORT_CASE(bitmaps),
};

GUEST_FAMILY(ports, REPORT_SUITE("ports", cases));
