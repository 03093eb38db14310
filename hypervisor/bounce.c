// SPDX-License-Identifier: MIT
// Entering the guest's kernel: exceptions, failsafe, NMI, event upcall and system calls.
//
// From user mode the frame goes to the kernel stack the guest has registered, else below the current
// stack pointer, aligned down to 16 bytes. It is written through the guest's own mappings; a guest
// whose kernel stack cannot take the frame has no way on and crashes.
#include "hypervisor/bounce.h"
#include "hypervisor/context.h"
#include "hypervisor/domain.h"
#include "hypervisor/guestcopy.h"
#include "hypervisor/traps.h"

#define STACK_ALIGN 16ull
#define EXCEPTIONS_WITH_ERROR_CODE                                                                 \
    (1u << X86_DF | 1u << X86_TS | 1u << X86_NP | 1u << X86_SS | 1u << X86_GP | 1u << X86_PF |     \
     1u << X86_AC | 1u << X86_CP)

static bool has_architectural_iopl(const struct vcpu *v)
{
    return v->domain->vm_assist >> VMASST_TYPE_architectural_iopl & 1;
}

// The frame is for `what` (for people). The mask that the frame shows is the one before this entry.
static void bounce_deliver(struct cpu_user_regs *regs, const struct bounce *b, const char *what)
{
    struct vcpu *v = current_vcpu();
    uint64_t words[BOUNCE_MAX_WORDS];
    struct bounce_view view = {
        .in_kernel = v->in_kernel,
        .upcall_mask = __atomic_load_n(&v->info->evtchn_upcall_mask, __ATOMIC_RELAXED) != 0,
        .iopl_bits = has_architectural_iopl(v) ? (uint64_t)v->traps.iopl << 12 : 0,
    };
    uint64_t stack = v->in_kernel ? regs->rsp : v->traps.kernel_sp;

    if (b->address == 0) {
        domain_crash(v->domain, "no handler for %s at rip %#lx", what, regs->rip);
        return;
    }
    unsigned count = bounce_frame_build(words, regs, b, &view);
    if (!v->in_kernel)
        toggle_guest_mode(v);
    uint64_t frame = (stack & ~(STACK_ALIGN - 1)) - count * sizeof(words[0]);
    if (!guest_write(frame, words, count * sizeof(words[0]))) {
        domain_crash(v->domain, "cannot write the frame for %s to stack %#lx (rip %#lx)", what,
                     stack, regs->rip);
        return;
    }
    if (b->masks_events)
        __atomic_store_n(&v->info->evtchn_upcall_mask, 1, __ATOMIC_RELAXED);
    bounce_registers_set(regs, b, frame);
}

bool guest_has_handler(const struct vcpu *v, unsigned vector)
{
    return v->traps.table[vector].address != 0;
}

void guest_inject_exception(struct cpu_user_regs *regs, unsigned vector, uint32_t error_code)
{
    static const char *const names[32] = {
        [X86_DE] = "#DE", [X86_DB] = "#DB", [X86_BP] = "#BP", [X86_OF] = "#OF", [X86_BR] = "#BR",
        [X86_UD] = "#UD", [X86_NM] = "#NM", [X86_TS] = "#TS", [X86_NP] = "#NP", [X86_SS] = "#SS",
        [X86_GP] = "#GP", [X86_PF] = "#PF", [X86_MF] = "#MF", [X86_AC] = "#AC", [X86_XM] = "#XM",
    };
    const struct trap_info *t = &current_vcpu()->traps.table[vector];
    struct bounce b = {
        .address = t->address,
        .error_code = error_code,
        .has_error_code = vector < 32 && (EXCEPTIONS_WITH_ERROR_CODE >> vector & 1),
        .masks_events = TI_GET_IF(t) != 0,
    };

    bounce_deliver(regs, &b, vector < 32 && names[vector] ? names[vector] : "an interrupt");
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

void guest_inject_failsafe(struct cpu_user_regs *regs)
{
    const struct guest_callback *c = &current_vcpu()->traps.failsafe;
    struct bounce b = {
        .address = c->address, .has_segments = true, .masks_events = c->masks_events};

    bounce_deliver(regs, &b, "state that cannot be loaded");
}

void guest_inject_event(struct cpu_user_regs *regs)
{
    struct bounce b = {.address = current_vcpu()->traps.event.address, .masks_events = true};

    bounce_deliver(regs, &b, "an event upcall");
}

void guest_inject_nmi(struct cpu_user_regs *regs)
{
    struct bounce b = {.address = current_vcpu()->traps.nmi_address, .masks_events = true};

    bounce_deliver(regs, &b, "an NMI");
}

void guest_enter_callback(struct cpu_user_regs *regs, uint64_t address, bool masks_events)
{
    struct bounce b = {.address = address, .masks_events = masks_events};

    bounce_deliver(regs, &b, "a system call");
}
