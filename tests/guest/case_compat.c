// SPDX-License-Identifier: MIT
// Old forms of hypercalls, small ones, and numbers that are none.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/event_channel.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>

#include "pvguest/event.h"
#include "tests/guest/user.h"

static void old_sched(void)
{
    unsigned long saved;

    EXPECT(HYPERCALL2(__HYPERVISOR_sched_op_compat, SCHEDOP_yield, 0), 0);
    EXPECT(HYPERCALL2(__HYPERVISOR_sched_op_compat, 99, 0), -XEN_ENOSYS);
    saved = event_save(); // the event stays pending until the block
    EXPECT(hypercall_set_timer_op(1), 0);
    EXPECT(HYPERCALL2(__HYPERVISOR_sched_op_compat, SCHEDOP_block, 0), 0);
    event_restore(saved);
}

static void old_events(void)
{
    struct evtchn_op old;

    memset(&old, 0, sizeof(old));
    old.cmd = EVTCHNOP_alloc_unbound;
    old.u.alloc_unbound.dom = DOMID_SELF;
    old.u.alloc_unbound.remote_dom = DOMID_SELF;
    EXPECT(HYPERCALL1(__HYPERVISOR_event_channel_op_compat, &old), 0);
    EXPECT_TRUE(old.u.alloc_unbound.port > 0);
    old.u.close.port = old.u.alloc_unbound.port;
    old.cmd = EVTCHNOP_close;
    EXPECT(HYPERCALL1(__HYPERVISOR_event_channel_op_compat, &old), 0);
    old.cmd = 99;
    EXPECT(HYPERCALL1(__HYPERVISOR_event_channel_op_compat, &old), -XEN_ENOSYS);
    EXPECT(HYPERCALL1(__HYPERVISOR_event_channel_op_compat, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void old_physdev(void)
{
    physdev_op_t old;

    memset(&old, 0, sizeof(old));
    old.cmd = PHYSDEVOP_IRQ_UNMASK_NOTIFY;
    EXPECT(HYPERCALL1(__HYPERVISOR_physdev_op_compat, &old), 0);
    EXPECT(hypercall_physdev_op(PHYSDEVOP_IRQ_UNMASK_NOTIFY, NULL), 0);
    old.cmd = 99;
    EXPECT(HYPERCALL1(__HYPERVISOR_physdev_op_compat, &old), -XEN_ENOSYS);
    EXPECT(HYPERCALL1(__HYPERVISOR_physdev_op_compat, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void nmi(void)
{
    struct xennmi_callback callback = {.handler_address = (unsigned long)user_interrupt_entry};

    EXPECT(hypercall_nmi_op(XENNMI_register_callback, &callback), 0);
    EXPECT(hypercall_nmi_op(XENNMI_unregister_callback, NULL), 0);
    EXPECT(hypercall_nmi_op(XENNMI_register_callback, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_nmi_op(99, NULL), -XEN_ENOSYS);
}

static void assists(void)
{
    EXPECT(hypercall_vm_assist(VMASST_CMD_enable, VMASST_TYPE_4gb_segments), 0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_disable, VMASST_TYPE_4gb_segments), 0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag), 0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3), 0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_enable, VMASST_TYPE_architectural_iopl), 0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_disable, VMASST_TYPE_architectural_iopl), 0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_enable, VMASST_TYPE_m2p_strict), 0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_disable, VMASST_TYPE_m2p_strict), 0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_enable, VMASST_TYPE_4gb_segments_notify), 0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_disable, VMASST_TYPE_4gb_segments_notify), 0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_enable, 100), -XEN_EINVAL);
    EXPECT(hypercall_vm_assist(99, VMASST_TYPE_runstate_update_flag), -XEN_ENOSYS);
}

static long call_number(unsigned long number)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number)
                     : "rcx", "r11", "rdi", "rsi", "rdx", "r10", "r8", "memory");
    return result;
}

static void numbers_that_are_none(void)
{
    EXPECT(call_number(63), -XEN_ENOSYS);
    EXPECT(call_number(64), -XEN_ENOSYS);
    EXPECT(call_number(1000), -XEN_ENOSYS);
    EXPECT(call_number(0xffffffffUL), -XEN_ENOSYS);
    EXPECT(call_number(~0UL), -XEN_ENOSYS);
    EXPECT(call_number(0x7fffffffffffffffUL), -XEN_ENOSYS);
}

static void absent_hypercalls(void)
{
    static const unsigned char absent[] = {11, 38, 43, 47, 56};

    for (size_t i = 0; i < sizeof(absent); i++)
        EXPECT(call_number(absent[i]), -XEN_ENOSYS);
}

static void counters(void)
{
    for (unsigned int command = 0; command < 8; command++)
        EXPECT(HYPERCALL2(__HYPERVISOR_xenpmu_op, command, NULL), -XEN_EOPNOTSUPP);
}

static const struct report_case sched_cases[] = {REPORT_CASE(old_sched)};
static const struct report_case event_cases[] = {REPORT_CASE(old_events)};
static const struct report_case physdev_cases[] = {REPORT_CASE(old_physdev)};
static const struct report_case nmi_cases[] = {REPORT_CASE(nmi)};
static const struct report_case assist_cases[] = {REPORT_CASE(assists)};
static const struct report_case counter_cases[] = {REPORT_CASE(counters)};
static const struct report_case number_cases[] = {
    REPORT_CASE(numbers_that_are_none),
    REPORT_CASE(absent_hypercalls),
};

GUEST_FAMILY(compat, REPORT_SUITE("sched_op_compat", sched_cases),
             REPORT_SUITE("event_channel_op_compat", event_cases),
             REPORT_SUITE("physdev_op_compat", physdev_cases), REPORT_SUITE("nmi_op", nmi_cases),
             REPORT_SUITE("vm_assist", assist_cases), REPORT_SUITE("xenpmu_op", counter_cases),
             REPORT_SUITE("dispatch", number_cases));
