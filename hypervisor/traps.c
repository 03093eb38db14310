// SPDX-License-Identifier: MIT
// What to do with each exception (contract in traps.h).
//
// Rules: interrupts come on as soon as CR2 and DR6 are read; a guest's exception ends in a bounce, an
// emulation or a silent retry, never in a panic; ring 0 has no other right to fault than through the
// recovery table, IRET to a guest, a stale translation or an LDT page that is not mapped yet.
#include "hypervisor/traps.h"
#include "hypervisor/context.h"
#include "hypervisor/guestcopy.h"
#include "hypervisor/smp.h"
#include "hypervisor/recover.h"
#include "hypervisor/version.h"
#include <xen/nmi.h>

#define DR6_STATUS 0xe00full // what an exception reports: B0..B3, BD, BS, BT
#define DR6_BREAKPOINTS 0xfull
#define GENERAL_REGISTER_BYTES offsetof(struct cpu_user_regs, error_code)
#define SYSCALL_BYTES 2
#define INT_N_OPCODE 0xcd
#define VECTOR_INT80 0x80
#define INT_N_BYTES 2

// Error codes with a selector: bit 0 external, bit 1 the IDT.
#define ERROR_CODE_EXT 1u
#define ERROR_CODE_IDT 2u

extern const char entry_iret_to_guest[], entry_sysenter[]; // entry.S

// --- exceptions of guests -----------------------------------------------------------------------------

// May code of the running vcpu enter gate `vector` by INT n? DPL 0: nobody, 1 and 2: the kernel.
static bool soft_int_permitted(const struct vcpu *v, unsigned vector)
{
    unsigned dpl = TI_GET_DPL(&v->traps.table[vector]);

    return v->in_kernel ? dpl >= 1 : dpl == 3;
}

// Our gates refuse INT n, so it arrives as #GP. The instruction itself names n: error codes differ
// between processors' models here, the opcode does not.
static bool soft_int_deliver(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint8_t code[INT_N_BYTES];

    if ((regs->error_code & (ERROR_CODE_EXT | ERROR_CODE_IDT)) != ERROR_CODE_IDT)
        return false;
    if (!guest_read(code, regs->rip, sizeof(code)) || code[0] != INT_N_OPCODE)
        return false;
    regs->error_code = code[1] * 8u + ERROR_CODE_IDT;
    if (!soft_int_permitted(v, code[1]) || !guest_has_handler(v, code[1]))
        return false;
    regs->rip += INT_N_BYTES;
    guest_inject_exception(regs, code[1], 0);
    return true;
}

// --- one handler an exception; entered with interrupts off, so that what another exception would
// overwrite can be read first

static void on_general_protection(struct vcpu *v, struct cpu_user_regs *regs)
{
    irq_enable();
    if (soft_int_deliver(v, regs))
        return;
    if (regs->error_code == 0 && emulate_privileged(regs))
        return;
    guest_inject_exception(regs, X86_GP, regs->error_code);
}

static void on_page_fault(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint64_t address = read_cr2();

    irq_enable();
    guest_page_fault(v, regs, address);
}

static void on_undefined_opcode(struct vcpu *v, struct cpu_user_regs *regs)
{
    irq_enable();
    if (!emulate_forced_cpuid(regs))
        guest_inject_exception(regs, X86_UD, 0);
}

static void on_device_not_available(struct vcpu *v, struct cpu_user_regs *regs)
{
    irq_enable();
    clts();
    if (!(v->traps.cr0 & CR0_TS))
        return;
    v->traps.cr0 &= ~(uint64_t)CR0_TS;
    guest_inject_exception(regs, X86_NM, 0);
}

static void on_debug(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint64_t dr6 = read_dr6();

    write_dr6(DR6_DEFAULT);
    irq_enable();
    // Sticky, as on a processor; whether the breakpoints are, depends on the release.
    if (ABI_DR6_REPLACES && dr6 & DR6_BREAKPOINTS)
        v->traps.debugreg[6] &= ~(uint64_t)DR6_BREAKPOINTS;
    v->traps.debugreg[6] |= dr6 & DR6_STATUS;
    guest_inject_exception(regs, X86_DB, 0);
}

// A hardware NMI may have come anywhere, under any lock: only note it.
static void nmi_handle(void)
{
    smp_nmi_stop();
    softirq_raise_here(SOFTIRQ_NMI);
}

// The hardware domain's first vcpu may want to know.
void nmi_deferred(void)
{
    if (domain_dom0 && domain_dom0->vcpu[0]) {
        domain_dom0->shared_info->arch.nmi_reason |= XEN_NMIREASON_unknown;
        guest_raise_nmi(domain_dom0->vcpu[0]);
    } else {
        log_warn("NMI on CPU %u", this_cpu_id());
    }
}

static void on_nmi(struct vcpu *v, struct cpu_user_regs *regs)
{
    nmi_handle();
}

static void on_machine_check(struct vcpu *v, struct cpu_user_regs *regs)
{
    panic_with_regs(regs, "machine check");
}

// The gate of vector 0x80 is open to ring 3, for speed, and like Xen we do not look at the guest's DPL.
static void on_int80(struct vcpu *v, struct cpu_user_regs *regs)
{
    irq_enable();
    if (guest_has_handler(v, VECTOR_INT80)) {
        guest_inject_exception(regs, VECTOR_INT80, 0);
        return;
    }
    regs->rip -= INT_N_BYTES;
    guest_inject_exception(regs, X86_GP, VECTOR_INT80 * 8 + ERROR_CODE_IDT);
}

void trap_from_guest(struct cpu_user_regs *regs)
{
    static void (*const handlers[VECTOR_INT80 + 1])(struct vcpu * v,
                                                    struct cpu_user_regs * regs) = {
        [X86_DB] = on_debug,
        [X86_NMI] = on_nmi,
        [X86_UD] = on_undefined_opcode,
        [X86_NM] = on_device_not_available,
        [X86_GP] = on_general_protection,
        [X86_PF] = on_page_fault,
        [X86_MC] = on_machine_check,
        [VECTOR_INT80] = on_int80,
    };
    unsigned vector = regs->entry_vector;

    if (handlers[vector]) {
        handlers[vector](current_vcpu(), regs);
        return;
    }
    irq_enable();
    guest_inject_exception(regs, vector, regs->error_code);
}

// --- system calls of user mode --------------------------------------------------------------------------

static void guest_syscall(struct cpu_user_regs *regs, const struct guest_callback *c)
{
    if (c->address) {
        guest_inject_syscall(regs, c);
        regs->rflags &= ~(uint64_t)EFLAGS_DF; // all that the ABI's SYSCALL mask has
        return;
    }
    regs->rip -= SYSCALL_BYTES;
    guest_inject_exception(regs, X86_UD, 0);
}

void trap_guest_syscall(struct cpu_user_regs *regs)
{
    guest_syscall(regs, &current_vcpu()->traps.syscall);
}

void trap_guest_syscall32(struct cpu_user_regs *regs)
{
    // As on Xen it masks upcalls when the 64-bit entry does.
    const struct vcpu_traps *t = &current_vcpu()->traps;

    guest_syscall(regs, &(struct guest_callback){t->syscall32.address, t->syscall.masks_events});
}

// The frame does not tell where it comes from, so there is nothing to step back to.
void trap_guest_sysenter(struct cpu_user_regs *regs)
{
    const struct guest_callback *c = &current_vcpu()->traps.sysenter;

    if (c->address)
        guest_inject_syscall(regs, c);
    else
        guest_inject_exception(regs, X86_GP, 0);
}

// --- the way back -----------------------------------------------------------------------------------------

void guest_raise_nmi(struct vcpu *v)
{
    __atomic_store_n(&v->traps.nmi_pending, true, __ATOMIC_RELEASE);
    sched_kick(v);
}

static void nmi_deliver(struct vcpu *v, struct cpu_user_regs *regs)
{
    __atomic_store_n(&v->traps.nmi_pending, false, __ATOMIC_RELAXED);
    if (v->traps.nmi_masked) {
        v->traps.nmi_latched = true;
    } else if (guest_has_handler(v, X86_NMI)) {
        v->traps.nmi_masked = true;
        guest_inject_exception(regs, X86_NMI, 0);
    }
}

// Interrupts are on. One thing at a time: the exit path looks again.
void trap_return_work(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();

    if (softirq_is_pending())
        softirq_process();
    else if (__atomic_load_n(&v->traps.nmi_pending, __ATOMIC_RELAXED))
        nmi_deliver(v, regs);
}

// --- exceptions of ring 0 -----------------------------------------------------------------------------------

// On the main stack again, nothing below.
static void fault_after_iret(void)
{
    trap_from_guest(guest_regs());
}

// IRET to the guest faulted. Its operands are still in place at the top of the stack; the general
// registers were loaded already and are those of the fault's frame. As if the guest's first
// instruction there had faulted.
static void iret_recover(struct cpu_user_regs *regs)
{
    struct cpu_user_regs *guest = guest_regs();
    uint32_t error_code = regs->error_code, vector = regs->entry_vector;

    memmove(guest, regs, GENERAL_REGISTER_BYTES);
    guest->error_code = error_code;
    guest->entry_vector = vector;
    stack_reset_and_jump(guest, fault_after_iret);
}

static bool hypervisor_fault_recover(struct cpu_user_regs *regs)
{
    uint64_t target;

    if (regs->entry_vector == X86_PF && hypervisor_page_fault(regs, read_cr2()))
        return true;
    if (regs->rip == (uint64_t)entry_iret_to_guest)
        iret_recover(regs);
    target = recover_find(regs->rip);
    regs->rip = target ? target : regs->rip;
    return target != 0;
}

void trap_from_hypervisor(struct cpu_user_regs *regs)
{
    switch (regs->entry_vector) {
    case X86_NMI:
        nmi_handle();
        return;
    case X86_DB: // a guest's breakpoint on memory that we touch for it, or TF at our first instruction
        write_dr6(DR6_DEFAULT);
        if (regs->rip != (uint64_t)entry_sysenter) // has still to save it
            regs->rflags &= ~(uint64_t)EFLAGS_TF;
        return;
    case X86_BP:
        return;
    case X86_PF:
    case X86_GP:
    case X86_SS:
    case X86_NP:
    case X86_TS:
        if (hypervisor_fault_recover(regs))
            return;
        break;
    }
    panic_with_regs(regs, "exception %u (error %#x, cr2 %#lx) in the hypervisor",
                    regs->entry_vector, regs->error_code, read_cr2());
}

void trap_double_fault(struct cpu_user_regs *regs)
{
    panic_with_regs(regs, "double fault");
}
