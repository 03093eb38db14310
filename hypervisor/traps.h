// SPDX-License-Identifier: MIT
// Exceptions and system calls: from the entry stubs (entry.S) to the guest or to a recovery.
//
// From a guest: #PF, #GP, #UD, #DB and #NM are looked at first (demand-mapped LDT pages, spurious
// faults, privileged instructions), everything else is bounced to the guest's handler. From ring 0:
// the fix-up table recovers guest accesses, segment loads and IRET; the rest is our own fault.
#pragma once

#include "hypervisor/refusal.h"
#include "hypervisor/cpu.h"

struct vcpu;

// In regs->entry_vector: RCX and R11 need not be preserved, SYSRET may be used.
#define ENTRY_SYSCALL 0x100

// Called by entry.S with interrupts off.
void trap_from_guest(struct cpu_user_regs *regs);
void trap_from_hypervisor(struct cpu_user_regs *regs);
void trap_double_fault(struct cpu_user_regs *regs);
void trap_guest_syscall(struct cpu_user_regs *regs);   // SYSCALL from guest user mode
void trap_guest_syscall32(struct cpu_user_regs *regs); // SYSCALL from compatibility mode
void trap_guest_sysenter(struct cpu_user_regs *regs);
void trap_return_work(struct cpu_user_regs *regs); // softirqs, NMIs before the return

// The hypercall entry, in hypercalls/dispatch.c. Interrupts enabled.
void hypercall_dispatch(struct cpu_user_regs *regs);

// The iret hypercall, which is the other half of every exception: without the detour through dispatch.
void guest_iret(struct cpu_user_regs *regs);

// --- bounce.c: entering the guest's kernel. Interrupts enabled; the running vcpu only.
// Deliver exception `vector` to the guest as its CPU would have raised it. Without a handler the
// domain crashes.
void guest_inject_exception(struct cpu_user_regs *regs, unsigned vector, uint32_t error_code);
void guest_inject_page_fault(struct cpu_user_regs *regs, uint32_t error_code, uint64_t address);
void guest_inject_failsafe(struct cpu_user_regs *regs);
void guest_inject_event(struct cpu_user_regs *regs); // the event upcall
struct guest_callback;
void guest_inject_syscall(struct cpu_user_regs *regs, const struct guest_callback *c);

void nmi_deferred(void); // handler of SOFTIRQ_NMI

// An NMI for `v`, from any CPU; delivered if the guest has registered for it.
void guest_raise_nmi(struct vcpu *v);

// Is there a handler for this exception?
bool guest_has_handler(const struct vcpu *v, unsigned vector);

// --- emulate.c
// Try to emulate the instruction at regs->rip that raised #GP or #UD. True: done (registers advanced,
// or an exception delivered). False: not one of ours.
bool emulate_privileged(struct cpu_user_regs *regs);
bool emulate_forced_cpuid(struct cpu_user_regs *regs);

// --- cpuid.c: what a guest is told.
struct domain;
struct cpuid_result {
    uint32_t a, b, c, d;
};
struct cpuid_result cpuid_of_machine(uint32_t leaf, uint32_t subleaf); // zeros beyond the last leaf
struct cpuid_result cpuid_for_guest(struct vcpu *v, uint32_t leaf, uint32_t subleaf);

// Fill a guest's hypercall page: 32 bytes a call.
void hypercall_page_init(void *page);

// --- Page faults: those that are ours to mend, and those that the guest has to see.

// A fault in guest mode, interrupts on: mend it, or deliver it.
void guest_page_fault(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address);

// A fault in ring 0: true when it has been mended and the instruction should run again.
bool hypervisor_page_fault(const struct cpu_user_regs *regs, uint64_t address);

// --- The debug registers of a guest: which values may stand in them. debugreg.c.

// DEBUG_REGISTER_UNKNOWN, DEBUG_REGISTER_VALUE, BAD_ARGUMENT. Takes effect at once when v is the running vcpu.
enum refusal debugreg_set(struct vcpu *v, unsigned index, uint64_t value);

enum refusal debugreg_get(const struct vcpu *v, unsigned index, uint64_t *value);

// DR7 as it is loaded into the CPU for `v`.
uint64_t debugreg_hardware_dr7(const struct vcpu *v);

// Which breakpoints (bits 0..3) an access to these ports hits.
unsigned debugreg_check_port(const struct vcpu *v, unsigned port, unsigned bytes);
