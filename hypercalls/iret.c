// SPDX-License-Identifier: MIT
// iret: the guest kernel returns from an exception, a system call or an upcall. The new state is a
// struct iret_context at its stack pointer. A kernel whose stack cannot be read has no way on.
#include "hypercalls/call.h"
#include "hypervisor/context.h"
#include "hypervisor/traps.h"

#define RPL_USER 3

static void nmi_unmask(struct vcpu *v)
{
    if (!v->traps.nmi_masked)
        return;
    v->traps.nmi_masked = false;
    if (v->traps.nmi_latched) {
        v->traps.nmi_latched = false;
        __atomic_store_n(&v->traps.nmi_pending, true, __ATOMIC_RELAXED);
    }
}

static void registers_set(struct vcpu *v, struct cpu_user_regs *regs, const struct iret_context *f)
{
    if (domain_assisted(v->domain, VMASST_TYPE_architectural_iopl))
        v->traps.iopl = f->rflags >> EFLAGS_IOPL_SHIFT & 3;
    regs->rip = f->rip;
    regs->cs = (uint16_t)f->cs | RPL_USER;
    regs->rflags = (f->rflags & ~(uint64_t)(EFLAGS_IOPL | EFLAGS_VM)) | EFLAGS_IF | EFLAGS_MBS;
    regs->rsp = f->rsp;
    regs->ss = (uint16_t)f->ss | RPL_USER;
    regs->rax = f->rax;
    if (f->flags & VGCF_in_syscall) {
        regs->entry_vector = ENTRY_SYSCALL;
    } else {
        regs->entry_vector = 0;
        regs->r11 = f->r11;
        regs->rcx = f->rcx;
    }
}

void guest_iret(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    struct iret_context f;

    if (!guest_read(&f, regs->rsp, sizeof(f))) {
        domain_crash(v->domain, "iret: no frame at stack %#lx", regs->rsp);
        return;
    }
    if ((f.cs & RPL_USER) == RPL_USER) {
        if (!mfn_is_valid(v->root_user)) {
            domain_crash(v->domain, "iret to user mode without a user page table");
            return;
        }
        toggle_guest_mode(v);
    }
    registers_set(v, regs, &f);
    __atomic_store_n(&v->info->evtchn_upcall_mask, !(f.rflags & EFLAGS_IF), __ATOMIC_RELAXED);
    nmi_unmask(v);
}

// In a multicall; as a call of its own, entry.S goes straight to guest_iret().
long hypercall_iret(struct hypercall *c)
{
    guest_iret(guest_regs());
    return CALL_NO_RESULT;
}
