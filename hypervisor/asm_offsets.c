// SPDX-License-Identifier: MIT
// Offsets and constants of C structures for entry.S; compiled to assembly only, never linked.
#include "hypervisor/domain.h"
#include "hypervisor/traps.h"

void asm_offsets(void);

#define DEFINE(name, value) __asm__ volatile(".ascii \"->" #name " %0\"" ::"i"(value))
#define OFFSET(name, type, member) DEFINE(name, offsetof(type, member))

void asm_offsets(void)
{
    OFFSET(REGS_r15, struct cpu_user_regs, r15);
    OFFSET(REGS_r14, struct cpu_user_regs, r14);
    OFFSET(REGS_r13, struct cpu_user_regs, r13);
    OFFSET(REGS_r12, struct cpu_user_regs, r12);
    OFFSET(REGS_rbp, struct cpu_user_regs, rbp);
    OFFSET(REGS_rbx, struct cpu_user_regs, rbx);
    OFFSET(REGS_r11, struct cpu_user_regs, r11);
    OFFSET(REGS_r10, struct cpu_user_regs, r10);
    OFFSET(REGS_r9, struct cpu_user_regs, r9);
    OFFSET(REGS_r8, struct cpu_user_regs, r8);
    OFFSET(REGS_rax, struct cpu_user_regs, rax);
    OFFSET(REGS_rcx, struct cpu_user_regs, rcx);
    OFFSET(REGS_rdx, struct cpu_user_regs, rdx);
    OFFSET(REGS_rsi, struct cpu_user_regs, rsi);
    OFFSET(REGS_rdi, struct cpu_user_regs, rdi);
    OFFSET(REGS_error_code, struct cpu_user_regs, error_code);
    OFFSET(REGS_entry_vector, struct cpu_user_regs, entry_vector);
    OFFSET(REGS_rip, struct cpu_user_regs, rip);
    OFFSET(REGS_cs, struct cpu_user_regs, cs);
    OFFSET(REGS_rflags, struct cpu_user_regs, rflags);
    OFFSET(REGS_rsp, struct cpu_user_regs, rsp);
    OFFSET(REGS_ss, struct cpu_user_regs, ss);
    OFFSET(REGS_es, struct cpu_user_regs, es);
    DEFINE(HYPERCALL_IRET, __HYPERVISOR_iret);
    DEFINE(CPU_INFO_SIZE, sizeof(struct cpu_info));
    OFFSET(CPU_INFO_cpu, struct cpu_info, cpu);
    OFFSET(CPU_INFO_current, struct cpu_info, current);
    OFFSET(CPU_softirq_pending, struct cpu, softirq_pending);
    OFFSET(VCPU_in_kernel, struct vcpu, in_kernel);
    OFFSET(VCPU_info, struct vcpu, info);
    OFFSET(VCPU_nmi_pending, struct vcpu, traps.nmi_pending);
    OFFSET(VCPU_INFO_upcall_pending, struct vcpu_info, evtchn_upcall_pending);
    OFFSET(VCPU_INFO_upcall_mask, struct vcpu_info, evtchn_upcall_mask);
}
