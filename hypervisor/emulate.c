// SPDX-License-Identifier: MIT
// Instructions that need ring 0, done for a guest kernel that runs in ring 3.
//
// Each arrives as #GP. It is fetched once, decoded from that copy and acted on; guest memory that
// changes meanwhile changes nothing. What is not in the table below, or not allowed where it stands,
// stays a #GP. Only port I/O, RDTSC and CLI/STI may come from user mode, by the rules of the I/O
// privilege level.
#include "hypervisor/emulate.h"
#include "hypervisor/context.h"
#include "hypervisor/domain_memory.h"
#include "hypervisor/guestcopy.h"
#include "hypervisor/recover.h"
#include "hypervisor/traps.h"
#include "hypervisor/version.h"

#define DESCRIPTOR_LONG (1ull << 53)
#define SELECTOR_LDT 4u
#define DR6_STEP 0x4000ull

uint64_t *emulate_register(struct cpu_user_regs *regs, unsigned number)
{
    static const uint8_t offsets[16] = {
        offsetof(struct cpu_user_regs, rax), offsetof(struct cpu_user_regs, rcx),
        offsetof(struct cpu_user_regs, rdx), offsetof(struct cpu_user_regs, rbx),
        offsetof(struct cpu_user_regs, rsp), offsetof(struct cpu_user_regs, rbp),
        offsetof(struct cpu_user_regs, rsi), offsetof(struct cpu_user_regs, rdi),
        offsetof(struct cpu_user_regs, r8),  offsetof(struct cpu_user_regs, r9),
        offsetof(struct cpu_user_regs, r10), offsetof(struct cpu_user_regs, r11),
        offsetof(struct cpu_user_regs, r12), offsetof(struct cpu_user_regs, r13),
        offsetof(struct cpu_user_regs, r14), offsetof(struct cpu_user_regs, r15),
    };

    return (uint64_t *)((char *)regs + offsets[number & 15]);
}

void emulate_register_write(uint64_t *r, unsigned bytes, uint64_t value)
{
    if (bytes == 8)
        *r = value;
    else if (bytes == 4)
        *r = (uint32_t)value;
    else
        memcpy(r, &value, bytes);
}

// --- fetching -------------------------------------------------------------------------------------------

// Mode and base of the code segment, from the tables that the processor used itself.
static bool code_segment_find(uint16_t cs, bool *is_64bit, uint64_t *base)
{
    unsigned cpu = this_cpu_id();
    uint64_t table = cs & SELECTOR_LDT ? cpu_ldt_window(cpu) : cpu_gdt_window(cpu), d;

    *is_64bit = cs == SEL_GUEST_CODE64;
    *base = 0;
    if (cs == SEL_GUEST_CODE64 || cs == SEL_GUEST_CODE32)
        return true;
    if (!recover_copy(&d, (const void *)(table + (cs & ~7u)), sizeof(d)))
        return false;
    *is_64bit = (d & DESCRIPTOR_LONG) != 0;
    if (!*is_64bit)
        *base = (d >> 16 & 0xffffff) | (d >> 56 << 24);
    return true;
}

bool emulate_fetch(struct emulation *e)
{
    uint8_t bytes[INSTRUCTION_MAX_BYTES];
    bool is_64bit;

    if (!code_segment_find(e->regs->cs, &is_64bit, &e->code_base))
        return false;
    uint64_t address = is_64bit ? e->regs->rip : (uint32_t)(e->code_base + e->regs->eip);
    unsigned in_page = (unsigned)(PAGE_SIZE - (address & ~PAGE_MASK));
    unsigned have = MIN(in_page, (unsigned)INSTRUCTION_MAX_BYTES);
    if (!guest_read(bytes, address, have))
        return false;
    enum decode_result r = decode_instruction(&e->insn, bytes, have, is_64bit);
    if (r != DECODE_TRUNCATED)
        return r == DECODE_OK;
    if (!guest_read(bytes + have, address + have, sizeof(bytes) - have))
        return false;
    return decode_instruction(&e->insn, bytes, sizeof(bytes), is_64bit) == DECODE_OK;
}

uint64_t emulate_segment_base(struct emulation *e)
{
    const struct vcpu_traps *t = &e->v->traps;

    if (e->insn.segment == SEGMENT_FLAT)
        return 0;
    vcpu_save_segments(e->v);
    if (e->insn.segment == SEGMENT_FS)
        return t->fs_base;
    return e->v->in_kernel ? t->gs_base_kernel : t->gs_base_user;
}

uint64_t emulate_operand_address(struct emulation *e)
{
    const struct instruction *i = &e->insn;
    uint64_t address = (uint64_t)(int64_t)i->displacement;

    if (i->rip_relative)
        address += e->regs->rip + i->length;
    if (i->base != REGISTER_NONE)
        address += *emulate_register(e->regs, (unsigned)i->base);
    if (i->index != REGISTER_NONE)
        address += *emulate_register(e->regs, (unsigned)i->index) << i->scale;
    if (i->address_bytes == 4)
        address = (uint32_t)address;
    return address + emulate_segment_base(e);
}

// --- control registers ------------------------------------------------------------------------------------

static uint64_t guest_cr0(const struct vcpu *v)
{
    return (read_cr0() & ~(uint64_t)CR0_TS) | (v->traps.cr0 & CR0_TS);
}

static enum emulated cr0_write(struct vcpu *v, uint64_t value)
{
    if ((value ^ guest_cr0(v)) & ~(uint64_t)CR0_TS)
        return EMULATED_REFUSED; // only the task-switched flag is the guest's
    v->traps.cr0 = value & CR0_TS;
    write_cr0((read_cr0() & ~(uint64_t)CR0_TS) | (value & CR0_TS));
    return EMULATED_DONE;
}

static enum emulated cr3_write(struct vcpu *v, uint64_t value)
{
    switch (vcpu_set_root(v, MFN(xen_cr3_to_pfn(value)), false)) {
    case REFUSE_NONE:
        return EMULATED_DONE;
    case REFUSE_CONTINUE:
        return EMULATED_STAYS;
    default:
        return EMULATED_REFUSED;
    }
}

// Bits that a guest does not own are ignored, so that it may write back what it has read elsewhere.
static enum emulated cr4_write(struct vcpu *v, uint64_t value)
{
    v->traps.cr4 = context_guest_cr4(value);
    context_load_cr4(v);
    return EMULATED_DONE;
}

static enum emulated mov_from_cr(struct emulation *e)
{
    uint64_t *to = emulate_register(e->regs, e->insn.rm);
    struct vcpu *v = e->v;

    switch (e->insn.reg) {
    case 0:
        *to = guest_cr0(v);
        return EMULATED_DONE;
    case 2:
        *to = v->info->arch.cr2;
        return EMULATED_DONE;
    case 3:
        *to = xen_pfn_to_cr3(v->root_kernel.v);
        return EMULATED_DONE;
    case 4:
        *to = v->traps.cr4;
        return EMULATED_DONE;
    default:
        return EMULATED_REFUSED;
    }
}

static enum emulated mov_to_cr(struct emulation *e)
{
    uint64_t value = *emulate_register(e->regs, e->insn.rm);

    switch (e->insn.reg) {
    case 0:
        return cr0_write(e->v, value);
    case 2:
        e->v->info->arch.cr2 = value;
        return EMULATED_DONE;
    case 3:
        return cr3_write(e->v, value);
    case 4:
        return cr4_write(e->v, value);
    default:
        return EMULATED_REFUSED;
    }
}

static enum emulated emulate_clts(struct emulation *e)
{
    return cr0_write(e->v, guest_cr0(e->v) & ~(uint64_t)CR0_TS);
}

// --- debug registers, MSRs ----------------------------------------------------------------------------

// Registers that are not there are #UD, values that may not stand in one are #GP.
static enum emulated debugreg_result(struct emulation *e, enum refusal r)
{
    if (r == REFUSE_NONE)
        return EMULATED_DONE;
    if (r != REFUSE_DEBUG_REGISTER_UNKNOWN)
        return EMULATED_REFUSED;
    guest_inject_exception(e->regs, X86_UD, 0);
    return EMULATED_STAYS;
}

static enum emulated mov_from_dr(struct emulation *e)
{
    uint64_t *to = emulate_register(e->regs, e->insn.rm);

    return debugreg_result(e, debugreg_get(e->v, e->insn.reg, to));
}

static enum emulated mov_to_dr(struct emulation *e)
{
    uint64_t value = *emulate_register(e->regs, e->insn.rm);

    return debugreg_result(e, debugreg_set(e->v, e->insn.reg, value));
}

static void edx_eax_write(struct cpu_user_regs *regs, uint64_t value)
{
    regs->rax = (uint32_t)value;
    regs->rdx = value >> 32;
}

static enum emulated emulate_rdmsr(struct emulation *e)
{
    uint64_t value;

    if (!msr_read(e->v, e->regs->ecx, &value))
        return EMULATED_REFUSED;
    edx_eax_write(e->regs, value);
    return EMULATED_DONE;
}

static enum emulated emulate_wrmsr(struct emulation *e)
{
    uint64_t value = (uint64_t)e->regs->edx << 32 | e->regs->eax;

    return msr_write(e->v, e->regs->ecx, value) ? EMULATED_DONE : EMULATED_REFUSED;
}

// --- the rest --------------------------------------------------------------------------------------------

// It traps in kernel mode only when the guest itself has switched it off for user mode.
static enum emulated emulate_rdtsc(struct emulation *e)
{
    if (!e->v->in_kernel && e->v->traps.cr4 & CR4_TSD)
        return EMULATED_REFUSED;
    edx_eax_write(e->regs, rdtsc());
    return EMULATED_DONE;
}

static enum emulated emulate_wbinvd(struct emulation *e)
{
    if (e->v->domain->is_privileged) // others have no memory that is not cached
        wbinvd();
    return EMULATED_DONE;
}

// Without what it would throw away.
static enum emulated emulate_invd(struct emulation *e)
{
    return ABI_INVD_EMULATED ? emulate_wbinvd(e) : EMULATED_REFUSED;
}

// CLI and STI do nothing, where the I/O privilege level allows them: POPF does not trap, so code that
// saves flags, disables and restores would leave upcalls masked for ever. As on Xen.
static enum emulated emulate_cli_sti(struct emulation *e)
{
    struct vcpu *v = e->v;
    unsigned kernel_ring = domain_assisted(v->domain, VMASST_TYPE_architectural_iopl) ? 0 : 1;

    return (v->in_kernel ? kernel_ring : 3) > v->traps.iopl ? EMULATED_REFUSED : EMULATED_DONE;
}

static enum emulated emulate_cpuid(struct emulation *e)
{
    struct cpu_user_regs *regs = e->regs;
    struct cpuid_result r = cpuid_for_guest(e->v, regs->eax, regs->ecx);

    regs->rax = r.a;
    regs->rbx = r.b;
    regs->rcx = r.c;
    regs->rdx = r.d;
    return EMULATED_DONE;
}

// What the processor would refuse must not get to it: XSETBV faults in ring 0 as well.
static bool xcr0_ok(uint64_t value)
{
    if (value & ~cpu_features.xcr0 || !(value & XCR0_X87))
        return false;
    if (value & XCR0_AVX && !(value & XCR0_SSE))
        return false;
    return !(value & XCR0_AVX512) || (value & XCR0_AVX && (value & XCR0_AVX512) == XCR0_AVX512);
}

static enum emulated emulate_xsetbv(struct emulation *e)
{
    uint64_t value = (uint64_t)e->regs->edx << 32 | e->regs->eax;
    bool ok = e->regs->ecx == 0 && xcr0_ok(value);

    if (!(e->v->traps.cr4 & CR4_OSXSAVE)) {
        guest_inject_exception(e->regs, X86_UD, 0);
        return EMULATED_STAYS;
    }
    if (!ok || !cpu_features.xsave || e->insn.lock || e->insn.rep)
        return EMULATED_REFUSED;
    e->v->traps.xcr0 = value;
    e->v->traps.xcr0_is_chosen = true;
    xsetbv(0, value);
    return EMULATED_DONE;
}

// 0x0f01: the ModRM byte tells the instruction.
static enum emulated emulate_group_0f01(struct emulation *e)
{
    bool in_register = e->insn.mod == 3;
    unsigned reg = e->insn.reg & 7, rm = e->insn.rm & 7;

    if (in_register && reg == 7 && rm == 1) { // rdtscp
        enum emulated r = emulate_rdtsc(e);
        if (r == EMULATED_DONE)
            e->regs->rcx = e->v->traps.tsc_aux;
        return r;
    }
    bool is_xsetbv = in_register && reg == 2 && rm == 1;
    return is_xsetbv && e->v->in_kernel ? emulate_xsetbv(e) : EMULATED_REFUSED;
}

static const struct emulator {
    uint16_t first, last; // opcodes
    bool from_user;       // may come from user mode; the handler looks further
    enum emulated (*run)(struct emulation *e);
} emulators[] = {
    {0xec,            0xef,            true,  emulate_port       },
    {0xe4,            0xe7,            true,  emulate_port       },
    {0x6c,            0x6f,            true,  emulate_port_string},
    {OPCODE_0F(0x22), OPCODE_0F(0x22), false, mov_to_cr          },
    {OPCODE_0F(0x20), OPCODE_0F(0x20), false, mov_from_cr        },
    {OPCODE_0F(0x30), OPCODE_0F(0x30), false, emulate_wrmsr      },
    {OPCODE_0F(0x32), OPCODE_0F(0x32), false, emulate_rdmsr      },
    {OPCODE_0F(0x21), OPCODE_0F(0x21), false, mov_from_dr        },
    {OPCODE_0F(0x23), OPCODE_0F(0x23), false, mov_to_dr          },
    {OPCODE_0F(0x06), OPCODE_0F(0x06), false, emulate_clts       },
    {OPCODE_0F(0x01), OPCODE_0F(0x01), true,  emulate_group_0f01 },
    {OPCODE_0F(0x31), OPCODE_0F(0x31), true,  emulate_rdtsc      },
    {OPCODE_0F(0x08), OPCODE_0F(0x08), false, emulate_invd       },
    {OPCODE_0F(0x09), OPCODE_0F(0x09), false, emulate_wbinvd     },
    {OPCODE_0F(0xa2), OPCODE_0F(0xa2), true,  emulate_cpuid      },
    {0xfa,            0xfb,            true,  emulate_cli_sti    },
};

static enum emulated instruction_run(struct emulation *e)
{
    for (unsigned i = 0; i < ARRAY_SIZE(emulators); i++) {
        const struct emulator *m = &emulators[i];
        if (e->insn.opcode < m->first || e->insn.opcode > m->last)
            continue;
        return m->from_user || e->v->in_kernel ? m->run(e) : EMULATED_REFUSED;
    }
    return EMULATED_REFUSED;
}

void emulate_retire(struct emulation *e)
{
    struct cpu_user_regs *regs = e->regs;

    regs->rip += e->insn.length;
    if (!e->insn.is_64bit)
        regs->rip = (uint32_t)regs->rip;
    regs->rflags &= ~(uint64_t)EFLAGS_RF;
    if (regs->rflags & EFLAGS_TF || e->breakpoints) {
        e->v->traps.debugreg[6] |= e->breakpoints | (regs->rflags & EFLAGS_TF ? DR6_STEP : 0);
        guest_inject_exception(regs, X86_DB, 0);
    }
}

bool emulate_privileged(struct cpu_user_regs *regs)
{
    struct emulation e = {.v = current_vcpu(), .regs = regs};

    if (!emulate_fetch(&e))
        return false;
    switch (instruction_run(&e)) {
    case EMULATED_DONE:
        emulate_retire(&e);
        return true;
    case EMULATED_STAYS:
        return true;
    default:
        return false;
    }
}

bool emulate_forced_cpuid(struct cpu_user_regs *regs)
{
    static const uint8_t forced_cpuid[] = {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2};
    struct emulation e = {.v = current_vcpu(), .regs = regs};
    uint8_t code[sizeof(forced_cpuid)];

    if (!guest_read(code, regs->rip, sizeof(code)) || memcmp(code, forced_cpuid, sizeof(code)))
        return false;
    emulate_cpuid(&e);
    e.insn.length = sizeof(code);
    e.insn.is_64bit = true;
    emulate_retire(&e);
    return true;
}
