// SPDX-License-Identifier: MIT
// Entering the guest's kernel: exceptions, failsafe, event upcall and system calls.
//
// From user mode the frame goes to the kernel stack the guest has registered, else below the current
// stack pointer, aligned down to 16 bytes. It is written through the guest's own mappings; a guest
// whose kernel stack cannot take the frame has no way on and crashes.
#include "hypervisor/bounce.h"
#include "hypervisor/context.h"
#include "hypervisor/guestcopy.h"

#define STACK_ALIGN 16ull
#define EXCEPTIONS_WITH_ERROR_CODE                                                                 \
    (1u << X86_DF | 1u << X86_TS | 1u << X86_NP | 1u << X86_SS | 1u << X86_GP | 1u << X86_PF |     \
     1u << X86_AC | 1u << X86_CP)

// What `source` stands for, beside the numbers of exceptions.
enum { SOURCE_FAILSAFE = 256, SOURCE_EVENT, SOURCE_SYSCALL };

static const char *source_name(unsigned source)
{
    static const char *const exceptions[] = {
        [X86_DE] = "#DE", [X86_DB] = "#DB", [X86_NMI] = "NMI", [X86_BP] = "#BP",
        [X86_OF] = "#OF", [X86_BR] = "#BR", [X86_UD] = "#UD",  [X86_NM] = "#NM",
        [X86_TS] = "#TS", [X86_NP] = "#NP", [X86_SS] = "#SS",  [X86_GP] = "#GP",
        [X86_PF] = "#PF", [X86_MF] = "#MF", [X86_AC] = "#AC",  [X86_XM] = "#XM",
    };
    static const char *const others[] = {"state that cannot be loaded", "an event upcall",
                                         "a system call"};

    if (source >= SOURCE_FAILSAFE)
        return others[source - SOURCE_FAILSAFE];
    return source < ARRAY_SIZE(exceptions) && exceptions[source] ? exceptions[source]
                                                                 : "a software interrupt";
}

static void __attribute__((noinline))
bounce_failed(struct cpu_user_regs *regs, unsigned source, uint64_t address, uint64_t stack)
{
    struct domain *d = current_vcpu()->domain;

    if (address == 0)
        domain_crash(d, "no handler for %s at rip %#lx", source_name(source), regs->rip);
    else
        domain_crash(d, "double fault (stack overflow?): no frame for %s on stack %#lx, rip %#lx",
                     source_name(source), stack, regs->rip);
}

// The mask that the frame shows is the one before this entry.
static inline void bounce_deliver(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address,
                                  unsigned flags, uint32_t error_code, unsigned source)
{
    uint64_t words[BOUNCE_MAX_WORDS];
    struct bounce_view view = {
        .in_kernel = v->in_kernel,
        .upcall_mask = __atomic_load_n(&v->info->evtchn_upcall_mask, __ATOMIC_RELAXED) != 0,
        .iopl_bits = domain_assisted(v->domain, VMASST_TYPE_architectural_iopl)
                         ? (uint64_t)v->traps.iopl << EFLAGS_IOPL_SHIFT
                         : 0,
    };
    uint64_t stack = view.in_kernel ? regs->rsp : v->traps.kernel_sp;

    if (address == 0) {
        bounce_failed(regs, source, address, stack);
        return;
    }
    if (!view.in_kernel)
        toggle_guest_mode(v);
    size_t bytes = bounce_frame_build(words, regs, flags, error_code, view) * sizeof(words[0]);
    uint64_t frame = (stack & ~(STACK_ALIGN - 1)) - bytes;
    if (!guest_write(frame, (char *)words + sizeof(words) - bytes, bytes)) {
        bounce_failed(regs, source, address, stack);
        return;
    }
    if (flags & BOUNCE_MASKS_EVENTS)
        __atomic_store_n(&v->info->evtchn_upcall_mask, 1, __ATOMIC_RELAXED);
    bounce_registers_set(regs, address, frame);
}

bool guest_has_handler(const struct vcpu *v, unsigned vector)
{
    return v->traps.table[vector].address != 0;
}

void guest_inject_exception(struct cpu_user_regs *regs, unsigned vector, uint32_t error_code)
{
    struct vcpu *v = current_vcpu();
    const struct trap_info *t = &v->traps.table[vector];
    unsigned flags = TI_GET_IF(t) ? BOUNCE_MASKS_EVENTS : 0;

    if (vector < 32 && EXCEPTIONS_WITH_ERROR_CODE >> vector & 1)
        flags |= BOUNCE_ERROR_CODE;
    bounce_deliver(v, regs, t->address, flags, error_code, vector);
}

void guest_inject_page_fault(struct cpu_user_regs *regs, uint32_t error_code, uint64_t address)
{
    struct vcpu *v = current_vcpu();

    v->info->arch.cr2 = address;
    // Guest kernels run in ring 3, but think of themselves as supervisors.
    error_code = v->in_kernel ? error_code & ~PFEC_USER : error_code | PFEC_USER;
    if (!guest_has_handler(v, X86_PF)) {
        domain_crash(v->domain, "no handler for #PF on %#lx (error %#x) at rip %#lx", address,
                     error_code, regs->rip);
        return;
    }
    guest_inject_exception(regs, X86_PF, error_code);
}

static unsigned callback_flags(const struct guest_callback *c)
{
    return c->masks_events ? BOUNCE_MASKS_EVENTS : 0;
}

void guest_inject_failsafe(struct cpu_user_regs *regs)
{
    const struct guest_callback *c = &current_vcpu()->traps.failsafe;

    bounce_deliver(current_vcpu(), regs, c->address, BOUNCE_SEGMENTS | callback_flags(c), 0,
                   SOURCE_FAILSAFE);
}

void guest_inject_event(struct cpu_user_regs *regs)
{
    bounce_deliver(current_vcpu(), regs, current_vcpu()->traps.event.address, BOUNCE_MASKS_EVENTS,
                   0, SOURCE_EVENT);
}

void guest_inject_syscall(struct cpu_user_regs *regs, const struct guest_callback *c)
{
    bounce_deliver(current_vcpu(), regs, c->address, callback_flags(c), 0, SOURCE_SYSCALL);
}
