// SPDX-License-Identifier: MIT
// A vcpu's whole state from and to struct vcpu_guest_context: VCPUOP_initialise, setvcpucontext and
// getvcpucontext. The vcpu is off every CPU.
//
// Setting checks every value first, then takes the references (descriptor frames, page-table roots),
// then writes. Taking roots may have to be continued: the whole call is then repeated, and what was
// taken before is simply replaced.
#include "hypervisor/context.h"
#include "hypervisor/traps.h"
#include "hypervisor/descriptors.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/guestcopy.h"

#define RPL_GUEST 3

static bool addresses_ok(const struct vcpu_guest_context *c)
{
    const uint64_t addresses[] = {c->user_regs.rip,
                                  c->user_regs.rsp,
                                  c->kernel_sp,
                                  c->event_callback_eip,
                                  c->failsafe_callback_eip,
                                  c->syscall_callback_eip,
                                  c->fs_base,
                                  c->gs_base_kernel,
                                  c->gs_base_user,
                                  c->ldt_base};

    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
        if (!is_canonical(addresses[i]))
            return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++) {
        if (!is_canonical(c->trap_ctxt[i].address))
            return false;
    }
    return true;
}

static bool context_ok(const struct vcpu *v, const struct vcpu_guest_context *c)
{
    return addresses_ok(c) && c->ldt_base % PAGE_SIZE == 0 && guest_range_ok(c->ldt_base, 1) &&
           c->ldt_ents <= LDT_MAX_ENTRIES && c->gdt_ents <= FIRST_RESERVED_GDT_ENTRY &&
           (c->flags & VGCF_IN_KERNEL || c->ctrlreg[1]) &&
           (v->id != 0 || !(c->vm_assist & ~VM_ASSISTS_KNOWN));
}

static mfn_t root_from_cr3(uint64_t cr3)
{
    return cr3 ? MFN(xen_cr3_to_pfn(cr3)) : MFN_INVALID;
}

static uint64_t root_to_cr3(mfn_t mfn)
{
    return mfn_is_valid(mfn) ? xen_pfn_to_cr3(mfn.v) : 0;
}

static enum refusal references_take(struct vcpu *v, const struct vcpu_guest_context *c)
{
    enum refusal r = gdt_set(v, c->gdt_frames, (unsigned)c->gdt_ents);

    if (r != REFUSE_NONE)
        return r;
    r = vcpu_set_root(v, root_from_cr3(c->ctrlreg[3]), false);
    if (r != REFUSE_NONE)
        return r;
    return vcpu_set_root(v, root_from_cr3(c->ctrlreg[1]), true);
}

static void registers_set(struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct cpu_user_regs *regs = &v->regs;

    *regs = c->user_regs;
    regs->cs |= RPL_GUEST;
    regs->ss |= RPL_GUEST;
    regs->entry_vector = 0;
    regs->error_code = 0;
    regs->rflags &= ~(uint64_t)(EFLAGS_IOPL | EFLAGS_VM | EFLAGS_NT);
    regs->rflags |= EFLAGS_IF | EFLAGS_MBS;
    v->traps.iopl = c->user_regs.rflags >> EFLAGS_IOPL_SHIFT & 3;
    if (c->flags & VGCF_I387_VALID)
        fpu_set_image(v, &c->fpu_ctxt);
    else
        fpu_reset(v);
}

static void traps_set(struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct vcpu_traps *t = &v->traps;

    memcpy(t->table, c->trap_ctxt, sizeof(t->table));
    for (unsigned i = 0; i < ARRAY_SIZE(t->table); i++)
        t->table[i].vector = (uint8_t)i;
    t->kernel_ss = c->kernel_ss;
    t->kernel_sp = c->kernel_sp;
    t->event = (struct guest_callback){c->event_callback_eip, true};
    t->failsafe = (struct guest_callback){c->failsafe_callback_eip,
                                          c->flags & VGCF_failsafe_disables_events};
    t->syscall = (struct guest_callback){c->syscall_callback_eip,
                                         c->flags & VGCF_syscall_disables_events};
    ldt_set(v, c->ldt_base, (unsigned)c->ldt_ents);
    t->fs_base = c->fs_base;
    t->gs_base_kernel = c->gs_base_kernel;
    t->gs_base_user = c->gs_base_user;
    t->cr0 = c->ctrlreg[0] & CR0_TS;
    t->cr4 = context_guest_cr4(c->ctrlreg[4]);
    // Values that may not stand there are left out, as on a processor that ignores them.
    for (unsigned i = 0; i < ARRAY_SIZE(c->debugreg); i++) {
        if (i != 4 && i != 5)
            debugreg_set(v, i, c->debugreg[i]);
    }
}

// Once a vcpu has begun, its roots and descriptor tables are the guest's business.
static bool tables_same(const struct vcpu *v, const struct vcpu_guest_context *c)
{
    const struct vcpu_traps *t = &v->traps;

    for (unsigned i = 0; i < GDT_GUEST_PAGES && i * DESCRIPTORS_PER_PAGE < c->gdt_ents; i++)
        if (c->gdt_frames[i] != t->gdt_frame[i].v)
            return false;
    return c->ctrlreg[3] == root_to_cr3(v->root_kernel) &&
           c->ctrlreg[1] == root_to_cr3(v->root_user) && c->gdt_ents == t->gdt_entries &&
           c->ldt_ents == t->ldt_entries && (!c->ldt_ents || c->ldt_base == t->ldt_base);
}

enum refusal vcpu_initialise(struct vcpu *v, const struct vcpu_guest_context *c)
{
    if (!context_ok(v, c))
        return REFUSE_CONTEXT_BAD;
    if (v->is_initialised && !tables_same(v, c))
        return REFUSE_NOT_OFFERED;
    enum refusal r = references_take(v, c);
    if (r != REFUSE_NONE && r != REFUSE_CONTINUE)
        gdt_set(v, NULL, 0);
    if (r != REFUSE_NONE)
        return r;
    registers_set(v, c);
    traps_set(v, c);
    v->in_kernel = (c->flags & VGCF_IN_KERNEL) != 0;
    v->is_online = (c->flags & VGCF_online) != 0;
    v->is_initialised = true;
    if (v->id == 0) { // a toolstack fills the shared page before this, the wall clock with it
        v->domain->vm_assist = c->vm_assist;
        domain_update_wallclock(v->domain);
    }
    return REFUSE_NONE;
}

static uint64_t context_flags(const struct vcpu *v)
{
    return VGCF_I387_VALID | (v->in_kernel ? VGCF_IN_KERNEL : 0) |
           (v->is_online ? VGCF_online : 0) |
           (v->traps.failsafe.masks_events ? VGCF_failsafe_disables_events : 0) |
           (v->traps.syscall.masks_events ? VGCF_syscall_disables_events : 0);
}

static void descriptors_get(const struct vcpu_traps *t, struct vcpu_guest_context *c)
{
    c->ldt_base = t->ldt_base;
    c->ldt_ents = t->ldt_entries;
    c->gdt_ents = t->gdt_entries;
    for (unsigned i = 0; i < GDT_GUEST_PAGES; i++)
        c->gdt_frames[i] = mfn_is_valid(t->gdt_frame[i]) ? t->gdt_frame[i].v : 0;
}

void vcpu_get_context(struct vcpu *v, struct vcpu_guest_context *c)
{
    const struct vcpu_traps *t = &v->traps;

    memset(c, 0, sizeof(*c));
    c->flags = context_flags(v);
    c->user_regs = v->regs;
    c->user_regs.rflags |= (uint64_t)t->iopl << EFLAGS_IOPL_SHIFT;
    c->user_regs.entry_vector = c->user_regs.error_code = 0;
    fpu_get_image(v, &c->fpu_ctxt);
    memcpy(c->trap_ctxt, t->table, sizeof(c->trap_ctxt));
    descriptors_get(t, c);
    c->kernel_ss = t->kernel_ss;
    c->kernel_sp = t->kernel_sp;
    c->ctrlreg[0] = (read_cr0() & ~(uint64_t)CR0_TS) | (t->cr0 & CR0_TS);
    c->ctrlreg[1] = root_to_cr3(v->root_user);
    c->ctrlreg[3] = root_to_cr3(v->root_kernel);
    c->ctrlreg[4] = t->cr4;
    memcpy(c->debugreg, t->debugreg, sizeof(c->debugreg));
    c->event_callback_eip = t->event.address;
    c->failsafe_callback_eip = t->failsafe.address;
    c->syscall_callback_eip = t->syscall.address;
    c->vm_assist = v->domain->vm_assist;
    c->fs_base = t->fs_base;
    c->gs_base_kernel = t->gs_base_kernel;
    c->gs_base_user = t->gs_base_user;
}
