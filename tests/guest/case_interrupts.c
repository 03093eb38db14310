// SPDX-License-Identifier: MIT
// Software interrupts and their privilege, masks of upcalls on entry, NMIs.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/callback.h>
#include <xen/nmi.h>
#include <xen/vcpu.h>

#include "pvguest/start.h"
#include "tests/guest/user.h"

#define INTERRUPT 0x80
#define TRAP_MASKS_EVENTS 4

static void register_interrupt(uint8_t flags)
{
    static struct trap_info table[2];

    table[0] = (struct trap_info){INTERRUPT, flags, FLAT_KERNEL_CS,
                                  (unsigned long)user_interrupt_entry};
    EXPECT(hypercall_set_trap_table(table), 0);
}

// Whatever privilege its entry has, int 0x80 is open to user mode; its flag masks upcalls.
static void interrupt_0x80(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_interrupt);

    user_begin();
    frame.rflags |= FLAG_IF;
    for (uint8_t flags = 0; flags < 8; flags++) {
        register_interrupt(flags);
        EXPECT(user_visit(&frame, 0), USER_INTERRUPT);
        EXPECT(user_saved.cs >> 32, 0);
        EXPECT(user_entry_mask, (flags & TRAP_MASKS_EVENTS) != 0);
    }
    register_interrupt(3);
    user_end();
}

static void interrupt_without_handler(void *arg)
{
    (void)arg;
    __asm__ volatile("int $0x31");
}

static void page_fault_gate(void *arg)
{
    (void)arg;
    __asm__ volatile("int $14");
}

// A gate that is not open gives #GP at the instruction. (The error code names it; QEMU 7.2 errs there.)
static void closed_gates(void)
{
    EXPECT(probe_run(interrupt_without_handler, NULL), PROBE_TRAP + 13);
    EXPECT(probe_frame.error_code & 3, 2);
    EXPECT(probe_run(page_fault_gate, NULL), PROBE_TRAP + 13);
    EXPECT(probe_frame.error_code & 3, 2);
    EXPECT(*(const uint16_t *)probe_frame.rip, 0x0ecd);
}

// The flag of SYSCALL's entry point counts for 32-bit code as well; that of its own entry does not.
static void masks_of_system_calls(void)
{
    user_begin();
    if (user_root_build() && user_root_use()) {
        struct user_frame frame = user32_frame_at(user32_syscall);

        frame.rflags |= FLAG_IF;
        for (uint16_t flags = 0; flags < 4; flags++) {
            EXPECT(user_callback(CALLBACKTYPE_syscall, user_syscall_entry, flags & 1), 0);
            EXPECT(user_callback(CALLBACKTYPE_syscall32, user_syscall32_entry, flags >> 1), 0);
            EXPECT(user_visit(&frame, 0), USER_SYSCALL32);
            EXPECT(user_entry_mask, flags & 1);
        }
        EXPECT(user_callback(CALLBACKTYPE_syscall, user_syscall_entry, 0), 0);
        EXPECT(user_callback(CALLBACKTYPE_syscall32, user_syscall32_entry, 0), 0);
    }
    user_root_free();
    user_end();
}

// --- NMIs

void interrupts_nmi_entry(void);
void interrupts_nmi(void);
static unsigned int nmis, nmis_inside, nmis_nested, nmis_wanted;

// Only the iret hypercall lets the next one in.
__asm__(".globl interrupts_nmi_entry\n"
        "interrupts_nmi_entry:\n"
        "    pushq %rax\n"
        "    pushq %rdi\n"
        "    pushq %rsi\n"
        "    pushq %rdx\n"
        "    pushq %r8\n"
        "    pushq %r9\n"
        "    pushq %r10\n"
        "    call interrupts_nmi\n"
        "    popq %r10\n"
        "    popq %r9\n"
        "    popq %r8\n"
        "    popq %rdx\n"
        "    popq %rsi\n"
        "    popq %rdi\n"
        "    popq %rax\n"
        "    popq %rcx\n"
        "    popq %r11\n"
        "    andl $~3, 8(%rsp)\n"
        "    pushq $0\n"
        "    pushq %rcx\n"
        "    pushq %r11\n"
        "    pushq %rax\n"
        "    movl $23, %eax\n"
        "    syscall\n");

void interrupts_nmi(void)
{
    nmis_nested += nmis_inside++ != 0;
    if (++nmis < nmis_wanted)
        hypercall_vcpu_op(VCPUOP_send_nmi, 0, NULL);
    nmis_inside--;
}

// One that arrives while the handler runs waits for its iret.
static void nmi_to_self(void)
{
    struct xennmi_callback callback = {.handler_address = (unsigned long)interrupts_nmi_entry};

    nmis = nmis_nested = 0;
    nmis_wanted = 3;
    EXPECT(hypercall_nmi_op(XENNMI_register_callback, &callback), 0);
    EXPECT(hypercall_vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
    EXPECT(nmis, nmis_wanted);
    EXPECT(nmis_nested, 0);
    EXPECT(hypercall_nmi_op(XENNMI_unregister_callback, NULL), 0);
}

// An NMI without a handler is lost, but its reason in shared_info gives the new handler one more.
static void nmi_callback(void)
{
    struct xennmi_callback callback = {.handler_address = (unsigned long)interrupts_nmi_entry};

    nmis = nmis_wanted = 0;
    EXPECT(hypercall_nmi_op(XENNMI_unregister_callback, NULL), 0);
    EXPECT(hypercall_vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
    EXPECT(hypercall_nmi_op(XENNMI_register_callback, &callback), 0);
    EXPECT(nmis, 0);
    EXPECT(hypercall_vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
    EXPECT(nmis, 1);
    EXPECT(hypercall_nmi_op(XENNMI_unregister_callback, NULL), 0);
    shared_info_page->arch.nmi_reason = XEN_NMIREASON_unknown;
    EXPECT(hypercall_nmi_op(XENNMI_register_callback, &callback), 0);
    EXPECT(nmis, 2);
    shared_info_page->arch.nmi_reason = 0;
    callback.handler_address = (unsigned long)NON_CANONICAL;
    EXPECT(hypercall_nmi_op(XENNMI_register_callback, &callback), -XEN_EINVAL);
    EXPECT(hypercall_nmi_op(XENNMI_register_callback, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    EXPECT(hypercall_nmi_op(2, NULL), -XEN_ENOSYS);
    EXPECT(hypercall_nmi_op(XENNMI_unregister_callback, NULL), 0);
}

static void set_extended_state(void *arg)
{
    __asm__ volatile("xsetbv" ::"a"((uint32_t)(uintptr_t)arg), "c"(0), "d"(0));
}

// As without CR4.OSXSAVE, whatever the hypervisor has enabled for itself.
static void extended_state_without_permission(void)
{
    uint64_t cr4;

    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    if (!(cr4 >> 18 & 1))
        EXPECT(probe_run(set_extended_state, (void *)1), PROBE_TRAP + 6);
}

#define CR4_OSXSAVE (1UL << 18)
#define STATES_LEGACY 576U // of x87 and SSE, with the header

static void write_cr4(void *cr4)
{
    __asm__ volatile("movq %0, %%cr4" ::"r"(cr4));
}

static uint32_t size_of_enabled_states(void)
{
    uint32_t a = 0xd, b, c = 0, d;

    __asm__ volatile("ud2a; .ascii \"xen\"; cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return b;
}

// The size of what the kernel has enabled; Xen 4.20 tells none before it has enabled anything.
static void size_of_extended_states(void)
{
    uint32_t before = size_of_enabled_states();
    uint64_t cr4;

    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    if (probe_run(write_cr4, (void *)(cr4 | CR4_OSXSAVE)) ||
        probe_run(set_extended_state, (void *)1)) {
        EXPECT(before, 0); // a processor without
        return;
    }
    EXPECT(before, SINCE_XEN(20) ? 0 : STATES_LEGACY);
    EXPECT(size_of_enabled_states(), STATES_LEGACY);
    EXPECT(probe_run(set_extended_state, (void *)3), 0);
    EXPECT(size_of_enabled_states(), STATES_LEGACY);
    if (!probe_run(set_extended_state, (void *)7))
        EXPECT(size_of_enabled_states(), STATES_LEGACY + 256);
    EXPECT(probe_run(set_extended_state, (void *)3), 0);
    EXPECT(probe_run(write_cr4, (void *)cr4), 0);
}

static const struct report_case cases[] = {
    REPORT_CASE(interrupt_0x80),
    REPORT_CASE(closed_gates),
    REPORT_CASE(masks_of_system_calls),
    REPORT_CASE(extended_state_without_permission),
    REPORT_CASE(size_of_extended_states),
    REPORT_CASE(nmi_to_self),
    REPORT_CASE(nmi_callback),
};

GUEST_FAMILY(interrupts, REPORT_SUITE("interrupts", cases));
