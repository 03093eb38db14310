// SPDX-License-Identifier: MIT
/*
 * Hypercalls of a 64-bit PV guest. Every wrapper returns what the hypervisor returns: a result
 * >= 0 or -XEN_E* (Xen's numbers). Arguments and structures are those of the public headers.
 * Memory passed by address must be mapped.
 *
 * iret has no wrapper: its stub is jumped to with a frame on the stack (entry.S). It and
 * set_callbacks, which callback_op replaces, are the only PV calls that are absent here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>

#include "hypercalls/paravane.h"

struct xen_domctl;
struct xen_sysctl;
struct xen_platform_op;

/* One page of entry points, 32 bytes each, filled in by the hypervisor. */
extern char hypercall_page[4096];

/*
 * Registers: arguments in rdi, rsi, rdx, r10, r8 (all may be lost), result in rax; rcx and r11 are
 * lost to SYSCALL. The macros take the hypercall's number, which must be a constant.
 */
#define HYPERCALL1(number, a1)                                                                     \
    ({                                                                                             \
        long result_;                                                                              \
        register long r1_ __asm__("rdi") = (long)(a1);                                             \
        __asm__ volatile("call hypercall_page+%c[hc]"                                              \
                         : "=a"(result_), "+r"(r1_)                                                \
                         : [hc] "i"((number)*32)                                                   \
                         : "rcx", "r11", "memory");                                                \
        result_;                                                                                   \
    })

#define HYPERCALL2(number, a1, a2)                                                                 \
    ({                                                                                             \
        long result_;                                                                              \
        register long r1_ __asm__("rdi") = (long)(a1);                                             \
        register long r2_ __asm__("rsi") = (long)(a2);                                             \
        __asm__ volatile("call hypercall_page+%c[hc]"                                              \
                         : "=a"(result_), "+r"(r1_), "+r"(r2_)                                     \
                         : [hc] "i"((number)*32)                                                   \
                         : "rcx", "r11", "memory");                                                \
        result_;                                                                                   \
    })

#define HYPERCALL3(number, a1, a2, a3)                                                             \
    ({                                                                                             \
        long result_;                                                                              \
        register long r1_ __asm__("rdi") = (long)(a1);                                             \
        register long r2_ __asm__("rsi") = (long)(a2);                                             \
        register long r3_ __asm__("rdx") = (long)(a3);                                             \
        __asm__ volatile("call hypercall_page+%c[hc]"                                              \
                         : "=a"(result_), "+r"(r1_), "+r"(r2_), "+r"(r3_)                          \
                         : [hc] "i"((number)*32)                                                   \
                         : "rcx", "r11", "memory");                                                \
        result_;                                                                                   \
    })

#define HYPERCALL4(number, a1, a2, a3, a4)                                                         \
    ({                                                                                             \
        long result_;                                                                              \
        register long r1_ __asm__("rdi") = (long)(a1);                                             \
        register long r2_ __asm__("rsi") = (long)(a2);                                             \
        register long r3_ __asm__("rdx") = (long)(a3);                                             \
        register long r4_ __asm__("r10") = (long)(a4);                                             \
        __asm__ volatile("call hypercall_page+%c[hc]"                                              \
                         : "=a"(result_), "+r"(r1_), "+r"(r2_), "+r"(r3_), "+r"(r4_)               \
                         : [hc] "i"((number)*32)                                                   \
                         : "rcx", "r11", "memory");                                                \
        result_;                                                                                   \
    })

#define HYPERCALL5(number, a1, a2, a3, a4, a5)                                                     \
    ({                                                                                             \
        long result_;                                                                              \
        register long r1_ __asm__("rdi") = (long)(a1);                                             \
        register long r2_ __asm__("rsi") = (long)(a2);                                             \
        register long r3_ __asm__("rdx") = (long)(a3);                                             \
        register long r4_ __asm__("r10") = (long)(a4);                                             \
        register long r5_ __asm__("r8") = (long)(a5);                                              \
        __asm__ volatile("call hypercall_page+%c[hc]"                                              \
                         : "=a"(result_), "+r"(r1_), "+r"(r2_), "+r"(r3_), "+r"(r4_), "+r"(r5_)    \
                         : [hc] "i"((number)*32)                                                   \
                         : "rcx", "r11", "memory");                                                \
        result_;                                                                                   \
    })

static inline long hypercall_set_trap_table(const struct trap_info *table)
{
    return HYPERCALL1(__HYPERVISOR_set_trap_table, table);
}

static inline long hypercall_mmu_update(struct mmu_update *requests, unsigned int count,
                                        unsigned int *done, domid_t domid)
{
    return HYPERCALL4(__HYPERVISOR_mmu_update, requests, count, done, domid);
}

static inline long hypercall_set_gdt(const unsigned long *frames, unsigned int entries)
{
    return HYPERCALL2(__HYPERVISOR_set_gdt, frames, entries);
}

static inline long hypercall_stack_switch(unsigned long ss, unsigned long rsp)
{
    return HYPERCALL2(__HYPERVISOR_stack_switch, ss, rsp);
}

static inline long hypercall_fpu_taskswitch(int set)
{
    return HYPERCALL1(__HYPERVISOR_fpu_taskswitch, set);
}

static inline long hypercall_platform_op(struct xen_platform_op *op)
{
    return HYPERCALL1(__HYPERVISOR_platform_op, op);
}

static inline long hypercall_set_debugreg(unsigned int number, unsigned long value)
{
    return HYPERCALL2(__HYPERVISOR_set_debugreg, number, value);
}

static inline long hypercall_get_debugreg(unsigned int number)
{
    return HYPERCALL1(__HYPERVISOR_get_debugreg, number);
}

static inline long hypercall_update_descriptor(uint64_t maddr, uint64_t descriptor)
{
    return HYPERCALL2(__HYPERVISOR_update_descriptor, maddr, descriptor);
}

static inline long hypercall_memory_op(unsigned int command, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_memory_op, command, arg);
}

static inline long hypercall_multicall(struct multicall_entry *calls, unsigned int count)
{
    return HYPERCALL2(__HYPERVISOR_multicall, calls, count);
}

static inline long hypercall_update_va_mapping(const void *address, uint64_t entry,
                                               unsigned long flags)
{
    return HYPERCALL3(__HYPERVISOR_update_va_mapping, address, entry, flags);
}

static inline long hypercall_set_timer_op(uint64_t deadline_ns)
{
    return HYPERCALL1(__HYPERVISOR_set_timer_op, deadline_ns);
}

static inline long hypercall_event_channel_op(unsigned int command, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_event_channel_op, command, arg);
}

static inline long hypercall_xen_version(unsigned int command, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_xen_version, command, arg);
}

static inline long hypercall_console_io(unsigned int command, unsigned int count, void *text)
{
    return HYPERCALL3(__HYPERVISOR_console_io, command, count, text);
}

static inline long hypercall_physdev_op(unsigned int command, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_physdev_op, command, arg);
}

static inline long hypercall_grant_table_op(unsigned int command, void *ops, unsigned int count)
{
    return HYPERCALL3(__HYPERVISOR_grant_table_op, command, ops, count);
}

static inline long hypercall_vm_assist(unsigned int command, unsigned int type)
{
    return HYPERCALL2(__HYPERVISOR_vm_assist, command, type);
}

static inline long hypercall_update_va_mapping_otherdomain(const void *address, uint64_t entry,
                                                           unsigned long flags, domid_t domid)
{
    return HYPERCALL4(__HYPERVISOR_update_va_mapping_otherdomain, address, entry, flags, domid);
}

static inline long hypercall_vcpu_op(unsigned int command, unsigned int vcpu, void *arg)
{
    return HYPERCALL3(__HYPERVISOR_vcpu_op, command, vcpu, arg);
}

static inline long hypercall_set_segment_base(unsigned int which, unsigned long base)
{
    return HYPERCALL2(__HYPERVISOR_set_segment_base, which, base);
}

static inline long hypercall_mmuext_op(struct mmuext_op *ops, unsigned int count,
                                       unsigned int *done, domid_t domid)
{
    return HYPERCALL4(__HYPERVISOR_mmuext_op, ops, count, done, domid);
}

static inline long hypercall_nmi_op(unsigned int command, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_nmi_op, command, arg);
}

/* Paravane's own (hypercalls/paravane.h); -XEN_ENOSYS on Xen. */
static inline long hypercall_paravane_op(unsigned int command, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_paravane_op, command, arg);
}

static inline long hypercall_sched_op(unsigned int command, void *arg)
{
    return HYPERCALL2(__HYPERVISOR_sched_op, command, arg);
}

static inline long hypercall_callback_op(unsigned int command, const void *arg)
{
    return HYPERCALL2(__HYPERVISOR_callback_op, command, arg);
}

static inline long hypercall_sysctl(struct xen_sysctl *op)
{
    return HYPERCALL1(__HYPERVISOR_sysctl, op);
}

static inline long hypercall_domctl(struct xen_domctl *op)
{
    return HYPERCALL1(__HYPERVISOR_domctl, op);
}
