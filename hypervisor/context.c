// SPDX-License-Identifier: MIT
// Switching a CPU between vcpus (contract in context.h).
//
// Order of a switch: save what lives in the CPU, change windows and root, then tell the scheduler that
// prev is in memory and off this CPU, then load next. Selectors come last, with the new tables in
// place: one that next's tables do not allow any more becomes null and next enters its failsafe
// callback, which sees what was asked for.
#include "hypervisor/context.h"
#include "hypervisor/descriptors.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/recover.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/tlb.h"
#include "hypervisor/traps.h"

// CR4 as a guest has it: what it may switch, what of that is in force while it runs, and what it sees of
// our own. With FSGSBASE in force behind its back its user mode could give it any GS base (XSA-293).
#define CR4_SWITCHED (uint64_t)(CR4_TSD | CR4_DE | CR4_FSGSBASE | CR4_OSXSAVE)
#define CR4_IN_FORCE (uint64_t)(CR4_TSD | CR4_DE | CR4_FSGSBASE)
#define CR4_SEEN (uint64_t)(CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT)

// --- segments ---------------------------------------------------------------------------------------------

static uint64_t *gs_base_active(struct vcpu_traps *t, bool in_kernel)
{
    return in_kernel ? &t->gs_base_kernel : &t->gs_base_user;
}

// The instructions are there where the vcpu that is loaded has them; the MSRs always are.
static bool base_instructions_work(void)
{
    return read_cr4() & CR4_FSGSBASE;
}

void vcpu_save_segments(struct vcpu *v)
{
    struct vcpu_traps *t = &v->traps;
    bool direct = base_instructions_work();

    t->fs_base = direct ? rdfsbase() : rdmsr(MSR_FS_BASE);
    *gs_base_active(t, v->in_kernel) = direct ? rdgsbase() : rdmsr(MSR_GS_BASE);
    *gs_base_active(t, !v->in_kernel) = rdmsr(MSR_KERNEL_GS_BASE);
}

static void selectors_save(struct cpu_user_regs *regs)
{
    regs->ds = read_ds();
    regs->es = read_es();
    regs->fs = read_fs();
    regs->gs = read_gs();
}

// A null selector over a null selector is the common case and needs no load; any other one does, for
// the register may still hold a descriptor of the last guest.
static bool selectors_load(const struct cpu_user_regs *regs)
{
    bool ok = true;

    if (regs->ds | read_ds())
        ok &= recover_load_ds(regs->ds);
    if (regs->es | read_es())
        ok &= recover_load_es(regs->es);
    if (regs->fs | read_fs())
        ok &= recover_load_fs(regs->fs);
    if (regs->gs | read_gs())
        ok &= recover_load_gs(regs->gs);
    return ok;
}

// After CR4, and after the selectors, whose loads change the bases.
static void segment_bases_load(struct vcpu *v)
{
    struct vcpu_traps *t = &v->traps;
    uint64_t gs_base = *gs_base_active(t, v->in_kernel);

    if (base_instructions_work()) {
        wrfsbase(t->fs_base);
        wrgsbase(gs_base);
    } else {
        wrmsr(MSR_FS_BASE, t->fs_base);
        wrmsr(MSR_GS_BASE, gs_base);
    }
    wrmsr(MSR_KERNEL_GS_BASE, *gs_base_active(t, !v->in_kernel));
    if (cpu_features.rdtscp)
        wrmsr(MSR_TSC_AUX, t->tsc_aux);
}

void toggle_guest_mode(struct vcpu *v)
{
    swapgs();
    v->in_kernel = !v->in_kernel;
    vcpu_load_root(v);
    if (v->areas_late && v->in_kernel)
        vcpu_areas_update(v);
}

// --- control and debug registers ------------------------------------------------------------------------

uint64_t context_guest_cr4(uint64_t wanted)
{
    uint64_t offered = CR4_SWITCHED & ~(cpu_features.fsgsbase ? 0 : (uint64_t)CR4_FSGSBASE) &
                       ~(cpu_features.xsave ? 0 : (uint64_t)CR4_OSXSAVE);

    return (wanted & offered) | (cpu_features.cr4 & CR4_SEEN);
}

void context_load_cr4(const struct vcpu *v)
{
    uint64_t cr4 = cpu_features.cr4 | (v->traps.cr4 & CR4_IN_FORCE);

    if (read_cr4() != cr4)
        write_cr4(cr4);
}

void context_load_debugregs(const struct vcpu *v)
{
    const uint64_t *r = v->traps.debugreg;
    uint64_t dr7 = debugreg_hardware_dr7(v);

    if (!(dr7 & DR7_ENABLES))
        return;
    write_dr0(r[0]);
    write_dr1(r[1]);
    write_dr2(r[2]);
    write_dr3(r[3]);
    write_dr7(dr7);
}

// --- the switch ---------------------------------------------------------------------------------------------

static void vcpu_save(struct vcpu *v)
{
    v->regs = *guest_regs();
    selectors_save(&v->regs);
    vcpu_save_segments(v);
    fpu_save(v);
    if (debugreg_hardware_dr7(v) & DR7_ENABLES)
        write_dr7(DR7_DEFAULT);
}

static void idle_loop(void)
{
    irq_enable();
    for (;;) {
        softirq_process();
        irq_disable();
        if (softirq_is_pending())
            irq_enable();
        else
            irq_enable_and_halt();
    }
}

static void idle_enter(struct vcpu *prev)
{
    descriptors_unload();
    tlb_load_root(idle_l4_maddr(), DOMID_IDLE);
    sched_context_saved(prev);
    stack_reset_and_jump(guest_regs(), idle_loop);
}

// On the empty stack, with everything but the selectors loaded.
static void vcpu_enter(void)
{
    struct vcpu *v = current_vcpu();
    struct cpu_user_regs *regs = guest_regs();

    irq_enable();
    // An interrupt of the last guest left a null selector. SYSRET on AMD's processors keeps what is
    // hidden behind it, and 32-bit code would fault at its first push.
    load_ss(SEL_HV_DATA);
    bool ok = selectors_load(regs);
    segment_bases_load(v);
    if (!ok)
        guest_inject_failsafe(regs);
    vcpu_time_update(v);
    vcpu_areas_update(v);
}

void context_switch(struct vcpu *prev, struct vcpu *next)
{
    struct cpu_info *info = cpu_info();

    irq_disable();
    if (!prev->domain->is_idle) {
        runstate_update_guest(prev);
        vcpu_save(prev);
    }
    info->current = next;
    if (next->domain->is_idle)
        idle_enter(prev);
    info->regs = next->regs;
    descriptors_load(next);
    vcpu_load_root(next); // flushes the windows, too
    sched_context_saved(prev);
    fpu_load(next);
    context_load_cr4(next);
    context_load_debugregs(next);
    stack_reset_and_jump(&info->regs, vcpu_enter);
}

void context_start_idle(void)
{
    irq_disable();
    cpu_info()->current = this_cpu()->idle;
    stack_reset_and_jump(guest_regs(), idle_loop);
}

// --- life of struct vcpu_traps ----------------------------------------------------------------------------

enum refusal vcpu_traps_create(struct vcpu *v)
{
    struct vcpu_traps *t = &v->traps;

    memset(t->gdt_frame, 0xff, sizeof(t->gdt_frame)); // MFN_INVALID
    memset(t->ldt_frame, 0xff, sizeof(t->ldt_frame));
    t->debugreg[6] = DR6_DEFAULT;
    t->debugreg[7] = DR7_DEFAULT;
    t->cr4 = context_guest_cr4(0);
    t->xcr0 = cpu_features.xcr0 & (XCR0_X87 | XCR0_SSE);
    if (v->domain->is_idle)
        return REFUSE_NONE;
    t->fpu = page_alloc(fpu_image_order());
    if (!t->fpu)
        return REFUSE_NO_MEMORY;
    fpu_reset(v);
    return REFUSE_NONE;
}

void vcpu_traps_destroy(struct vcpu *v)
{
    page_free(v->traps.fpu, fpu_image_order());
    v->traps.fpu = NULL;
}
