// SPDX-License-Identifier: MIT
// callback_op, set_callbacks, stack_switch and iret: entry points, user mode and hostile returns.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/callback.h>

#include "tests/guest/user.h"

static void system_call(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

    user_begin();
    EXPECT(user_visit(&frame, 0), USER_SYSCALL);
    EXPECT(user_saved_rax, 0x5a5a);
    EXPECT_TRUE(user_saved.rip > frame.rip && user_saved.rip < frame.rip + 16);
    EXPECT(user_saved_rcx, user_saved.rip);
    EXPECT(user_saved.rsp, frame.rsp);
    EXPECT(user_saved.cs & 0xffff, FLAT_USER_CS);
    EXPECT(user_saved.ss & 0xffff, FLAT_USER_SS);
    EXPECT(user_visit(&frame, VGCF_in_syscall), USER_SYSCALL);
    EXPECT(user_saved.rsp, frame.rsp);
    user_end();
}

static void software_interrupt(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_interrupt);

    user_begin();
    EXPECT(user_visit(&frame, 0), USER_INTERRUPT);
    EXPECT(user_saved.rip, frame.rip + 2);
    EXPECT(user_saved.cs & 3, 3);
    user_end();
}

static void privileged_in_user_mode(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_privileged);

    user_begin();
    EXPECT(user_visit(&frame, 0), PROBE_TRAP + 13);
    EXPECT(probe_frame.rip, frame.rip);
    EXPECT(probe_frame.cs & 3, 3);
    user_end();
}

// A return address that is not canonical must not fault in ring 0. Processors differ in where IRET
// notices: before it leaves ring 0 (the failsafe entry is called) or after (#GP from user mode).
static void return_non_canonical(void)
{
    static const uint64_t addresses[] = {0x0000800000000000UL, 0x8000000000000000UL,
                                         0xffff7fffffffffffUL};

    user_begin();
    for (size_t i = 0; i < 3; i++) {
        struct user_frame frame = user_frame_at(addresses[i]);

        EXPECT_TRUE(user_is_refused(&frame, VGCF_in_syscall));
        EXPECT_TRUE(user_is_refused(&frame, 0));
    }
    user_end();
}

static void return_to_bad_selectors(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

    user_begin();
    frame.cs = 0xfff3;
    EXPECT_TRUE(user_is_refused(&frame, 0));
    frame = user_frame_at((uint64_t)user_do_syscall);
    frame.ss = 0xfff3;
    EXPECT_TRUE(user_is_refused(&frame, 0));
    user_end();
}

// IOPL, NT and what a guest may not have: asked for in a return, they do not reach user mode.
static void return_with_flags(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

    user_begin();
    frame.rflags |= FLAG_IOPL | FLAG_NT | FLAG_AC;
    EXPECT(user_visit(&frame, VGCF_in_syscall), USER_SYSCALL);
    EXPECT(user_saved.rflags & FLAG_IOPL, 0);
    frame.rflags |= FLAG_IOPL | FLAG_NT | FLAG_AC;
    EXPECT(user_visit(&frame, 0), USER_SYSCALL);
    EXPECT(user_saved.rflags & FLAG_IOPL, 0);
    user_end();
}

static void system_call_with_flags(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_flags);

    user_begin();
    EXPECT(user_visit(&frame, 0), USER_SYSCALL);
    EXPECT(user_saved.rflags & FLAG_NT, FLAG_NT);
    EXPECT(user_visit(&frame, 0), USER_SYSCALL);
    user_end();
}

static void single_step_in_user_mode(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

    user_begin();
    frame.rflags |= FLAG_TF;
    EXPECT(user_visit(&frame, 0), PROBE_TRAP + 1);
    user_end();
}

static void register_all(void)
{
    EXPECT(user_callback(CALLBACKTYPE_event, event_upcall, 0), 0);
    EXPECT(user_callback(CALLBACKTYPE_failsafe, failsafe_upcall, 0), 0);
    EXPECT(user_callback(CALLBACKTYPE_syscall, user_syscall_entry, CALLBACKF_mask_events), 0);
    EXPECT(user_callback(CALLBACKTYPE_nmi, user_interrupt_entry, 0), 0);
    EXPECT(user_callback(CALLBACKTYPE_syscall32, user_syscall_entry, 0), 0);
    EXPECT(user_callback(CALLBACKTYPE_sysenter, user_syscall_entry, 0), 0);
}

static void register_refused(void)
{
    struct callback_register r = {.type = CALLBACKTYPE_event, .address = 0x8000000000000000UL};

    EXPECT(hypercall_callback_op(CALLBACKOP_register, &r), -XEN_EINVAL);
    r.type = 99;
    r.address = (unsigned long)event_upcall;
    EXPECT(hypercall_callback_op(CALLBACKOP_register, &r), -XEN_ENOSYS);
    EXPECT(hypercall_callback_op(CALLBACKOP_register, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_callback_op(99, &r), -XEN_ENOSYS);
}

static void unregister(void)
{
    struct callback_unregister u = {.type = CALLBACKTYPE_nmi};

    EXPECT(hypercall_callback_op(CALLBACKOP_unregister, &u), 0);
    u.type = CALLBACKTYPE_event;
    EXPECT(hypercall_callback_op(CALLBACKOP_unregister, &u), -XEN_EINVAL);
    u.type = 99;
    EXPECT(hypercall_callback_op(CALLBACKOP_unregister, &u), -XEN_ENOSYS);
}

static long set_callbacks(const void *event, const void *failsafe, const void *syscall)
{
    return HYPERCALL3(__HYPERVISOR_set_callbacks, event, failsafe, syscall);
}

static void old_form(void)
{
    EXPECT(set_callbacks((void *)event_upcall, (void *)failsafe_upcall, (void *)user_syscall_entry),
           0);
    EXPECT(set_callbacks((void *)event_upcall, NON_CANONICAL, (void *)user_syscall_entry), 0);
    EXPECT(set_callbacks((void *)event_upcall, (void *)failsafe_upcall, (void *)user_syscall_entry),
           0);
}

static void kernel_stacks(void)
{
    EXPECT(hypercall_stack_switch(FLAT_KERNEL_SS, (unsigned long)user_kernel_stack_top), 0);
    EXPECT(hypercall_stack_switch(0, (unsigned long)user_kernel_stack_top), 0);
    EXPECT(hypercall_stack_switch(FLAT_KERNEL_SS, (unsigned long)user_kernel_stack_top), 0);
}

static const struct report_case callback_cases[] = {
    REPORT_CASE(register_all),
    REPORT_CASE(register_refused),
    REPORT_CASE(unregister),
};

static const struct report_case old_cases[] = {REPORT_CASE(old_form)};
static const struct report_case stack_cases[] = {REPORT_CASE(kernel_stacks)};

static const struct report_case iret_cases[] = {
    REPORT_CASE(system_call),
    REPORT_CASE(software_interrupt),
    REPORT_CASE(privileged_in_user_mode),
    REPORT_CASE(return_non_canonical),
    REPORT_CASE(return_to_bad_selectors),
    REPORT_CASE(return_with_flags),
    REPORT_CASE(system_call_with_flags),
    REPORT_CASE(single_step_in_user_mode),
};

GUEST_FAMILY(callbacks, REPORT_SUITE("callback_op", callback_cases),
             REPORT_SUITE("set_callbacks", old_cases), REPORT_SUITE("stack_switch", stack_cases),
             REPORT_SUITE("iret", iret_cases));
