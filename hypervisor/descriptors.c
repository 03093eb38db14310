// SPDX-License-Identifier: MIT
// Descriptor tables (descriptors.h).
//
// A page of a guest's GDT or LDT is mapped into the windows only while the vcpu holds a SEG_DESC
// reference on it, so every descriptor that the processor can read through a window has passed
// descriptor_sanitise(). The windows are writable, because loading a selector sets the accessed bit.
// Window pages beyond a guest's GDT map a page of zeros: selectors there fault as null descriptors do.
#include "hypervisor/descriptors.h"
#include "hypervisor/domain.h"
#include "hypervisor/page_entry.h"

#define GATE_INTERRUPT 0x8eull
#define GATE_DPL3 0x60ull
#define VECTOR_INT80 0x80
#define STUB_SYSCALL_BYTES 32
#define STUB_VECTOR_BYTES 16
#define SYSENTER_SKIPS 16 // ss and rsp of the frame
#define IDT_VECTORS 256

// Descriptors of the flat segments, with the accessed bit.
#define FLAT_CODE64_DPL0 0x00af9b000000ffffull
#define FLAT_DATA_DPL0 0x00cf93000000ffffull
#define FLAT_CODE32_DPL3 0x00cffb000000ffffull
#define FLAT_DATA_DPL3 0x00cff3000000ffffull
#define FLAT_CODE64_DPL3 0x00affb000000ffffull
#define SYSTEM_TSS 0x89ull
#define SYSTEM_LDT 0x82ull

#define OUR_INDEX(selector) (((selector)-FIRST_RESERVED_GDT_BYTE) / 8)
#define GDT_LIMIT (SEL_LDT + 16 - 1)

struct gate {
    uint64_t low, high;
};

extern const char entry_vector_stubs[], entry_syscall_stubs[], entry_syscall32_stubs[],
    entry_sysenter[]; // entry.S
void entry_reload_segments(void);
extern bool entry_has_smap;

bool entry_has_smap; // entry.S: there is an AC to clear

static struct gate idt[IDT_VECTORS] __attribute__((aligned(4096)));
static const uint64_t zeros[DESCRIPTORS_PER_PAGE] __attribute__((aligned(4096)));

// What the running CPU's windows map of a guest, in pages.
static struct {
    uint8_t gdt_pages, ldt_pages;
} loaded[HV_MAX_CPUS];

// --- ours -------------------------------------------------------------------------------------------------

static uint64_t window_flags(void)
{
    return PTE_PRESENT | PTE_RW | PTE_ACCESSED | PTE_DIRTY | PTE_NX;
}

static void gate_set(unsigned vector, unsigned ist, bool open_to_guests)
{
    uint64_t target = (uint64_t)entry_vector_stubs + vector * STUB_VECTOR_BYTES;
    uint64_t type = GATE_INTERRUPT | (open_to_guests ? GATE_DPL3 : 0);

    idt[vector].low = (target & 0xffff) | (uint64_t)SEL_HV_CODE << 16 | (uint64_t)ist << 32 |
                      type << 40 | (target >> 16 & 0xffff) << 48;
    idt[vector].high = target >> 32;
}

static void idt_build(void)
{
    for (unsigned v = 0; v < IDT_VECTORS; v++)
        gate_set(v, IST_NONE, v == X86_BP || v == X86_OF || v == VECTOR_INT80);
    gate_set(X86_NMI, IST_NMI, false);
    gate_set(X86_DF, IST_DF, false);
    gate_set(X86_MC, IST_MC, false);
    gate_set(X86_DB, IST_DB, false);
}

// TSS and LDT descriptors take two slots.
static void system_descriptor_set(uint64_t *slot, uint64_t base, uint64_t limit, uint64_t type)
{
    slot[1] = base >> 32;
    slot[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | type << 40 | (limit >> 16 & 0xf) << 48 |
              (base >> 24 & 0xff) << 56;
}

static uint64_t *our_gdt_page(unsigned cpu)
{
    return (uint64_t *)(cpu_gdt_window(cpu) + FIRST_RESERVED_GDT_BYTE);
}

static void tss_fill(struct cpu *cpu)
{
    uint64_t stack = cpu_window_address(cpu->id, CPU_WINDOW_STACK_PAGE);
    uint64_t info = stack + CPU_STACK_SIZE - sizeof(struct cpu_info);

    cpu->tss = (struct tss *)cpu_window_address(cpu->id, CPU_WINDOW_TSS_PAGE);
    cpu->tss->rsp[0] = info + offsetof(struct cpu_info, regs) + offsetof(struct cpu_user_regs, es);
    for (unsigned n = 1; n <= IST_COUNT; n++)
        cpu->tss->ist[n - 1] = stack + n * PAGE_SIZE;
    cpu->tss->io_bitmap = sizeof(struct tss); // beyond the limit: every port access traps
}

static void syscall_registers_init(const struct cpu *cpu)
{
    uint64_t offset = cpu->id * STUB_SYSCALL_BYTES;

    // SYSRET adds 8 and 16 to the upper selector: guest data and 64-bit code.
    wrmsr(MSR_STAR, (uint64_t)SEL_GUEST_CODE32 << 48 | (uint64_t)SEL_HV_CODE << 32);
    wrmsr(MSR_LSTAR, (uint64_t)entry_syscall_stubs + offset);
    wrmsr(MSR_CSTAR, (uint64_t)entry_syscall32_stubs + offset);
    wrmsr(MSR_SYSCALL_MASK, EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT |
                                EFLAGS_RF | EFLAGS_VM | EFLAGS_AC);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    if (!cpu_features.sysenter)
        return;
    wrmsr(MSR_SYSENTER_CS, SEL_HV_CODE);
    wrmsr(MSR_SYSENTER_ESP, cpu->tss->rsp[0] - SYSENTER_SKIPS);
    wrmsr(MSR_SYSENTER_EIP, (uint64_t)entry_sysenter);
}

void descriptors_init_local(struct cpu *cpu)
{
    uint64_t *gdt = our_gdt_page(cpu->id);
    struct descriptor_pointer idtr = {.limit = sizeof(idt) - 1, .base = (uint64_t)idt};

    if (cpu->id == 0) {
        entry_has_smap = cpu_features.smap;
        idt_build();
    }
    for (unsigned p = 0; p < GDT_GUEST_PAGES; p++)
        cpu_window_set(cpu, CPU_WINDOW_GDT_PAGE + p, image_to_maddr(zeros).v,
                       window_flags() & ~(uint64_t)PTE_RW);
    gdt[OUR_INDEX(SEL_HV_CODE)] = FLAT_CODE64_DPL0;
    gdt[OUR_INDEX(SEL_HV_DATA)] = FLAT_DATA_DPL0;
    gdt[OUR_INDEX(SEL_GUEST_CODE32)] = FLAT_CODE32_DPL3;
    gdt[OUR_INDEX(SEL_GUEST_DATA32)] = FLAT_DATA_DPL3;
    gdt[OUR_INDEX(SEL_GUEST_CODE64)] = FLAT_CODE64_DPL3;
    tss_fill(cpu);
    system_descriptor_set(&gdt[OUR_INDEX(SEL_TSS)], (uint64_t)cpu->tss, sizeof(struct tss) - 1,
                          SYSTEM_TSS);
    cpu->gdt = (struct descriptor_pointer){.limit = GDT_LIMIT, .base = cpu_gdt_window(cpu->id)};
    lgdt(&cpu->gdt);
    entry_reload_segments();
    lidt(&idtr);
    ltr(SEL_TSS);
    lldt(0);
    syscall_registers_init(cpu);
}

// --- the running vcpu's part of the windows --------------------------------------------------------------

static unsigned gdt_pages(unsigned entries)
{
    return (entries + DESCRIPTORS_PER_PAGE - 1) / DESCRIPTORS_PER_PAGE;
}

// `t` NULL: no guest.
static void gdt_window_load(struct cpu *cpu, const struct vcpu_traps *t)
{
    unsigned pages = t ? gdt_pages(t->gdt_entries) : 0;
    unsigned stale = loaded[cpu->id].gdt_pages;

    for (unsigned p = 0; p < pages; p++)
        cpu_window_set(cpu, CPU_WINDOW_GDT_PAGE + p, mfn_to_maddr(t->gdt_frame[p]).v,
                       window_flags());
    for (unsigned p = pages; p < stale; p++)
        cpu_window_set(cpu, CPU_WINDOW_GDT_PAGE + p, image_to_maddr(zeros).v,
                       window_flags() & ~(uint64_t)PTE_RW);
    loaded[cpu->id].gdt_pages = (uint8_t)pages;
}

static void ldt_window_load(struct cpu *cpu, const struct vcpu_traps *t)
{
    unsigned pages = t && t->ldt_mapped ? LDT_PAGES : 0;
    unsigned stale = loaded[cpu->id].ldt_pages;

    for (unsigned p = 0; p < MAX(pages, stale); p++) {
        bool mapped = p < pages && mfn_is_valid(t->ldt_frame[p]);
        cpu_window_set(cpu, CPU_WINDOW_LDT_PAGE + p, mapped ? mfn_to_maddr(t->ldt_frame[p]).v : 0,
                       mapped ? window_flags() : 0);
    }
    loaded[cpu->id].ldt_pages = (uint8_t)pages;
}

static void ldtr_load(unsigned cpu, const struct vcpu_traps *t)
{
    if (t->ldt_entries == 0) {
        lldt(0);
        return;
    }
    system_descriptor_set(&our_gdt_page(cpu)[OUR_INDEX(SEL_LDT)], cpu_ldt_window(cpu),
                          t->ldt_entries * 8ull - 1, SYSTEM_LDT);
    lldt(SEL_LDT);
}

void descriptors_load(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();

    gdt_window_load(cpu, &v->traps);
    ldt_window_load(cpu, &v->traps);
    ldtr_load(cpu->id, &v->traps);
}

void descriptors_unload(void)
{
    gdt_window_load(this_cpu(), NULL);
    ldt_window_load(this_cpu(), NULL);
    lldt(0);
}

void descriptors_flush_local(struct vcpu *v)
{
    unsigned cpu = this_cpu_id();

    descriptors_load(v);
    for (unsigned p = 0; p < GDT_GUEST_PAGES; p++)
        invlpg(cpu_window_address(cpu, CPU_WINDOW_GDT_PAGE + p));
    for (unsigned p = 0; p < LDT_PAGES; p++)
        invlpg(cpu_window_address(cpu, CPU_WINDOW_LDT_PAGE + p));
}

// --- a guest's tables ---------------------------------------------------------------------------------------

static enum refusal segdesc_get(struct vcpu *v, mfn_t mfn)
{
    return frame_get_and_type(frame_from_mfn(mfn), v->domain, PAGE_TYPE_SEGDESC, NULL);
}

static void segdescs_put(const mfn_t *frame, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (mfn_is_valid(frame[i]))
            frame_put_and_type(frame_from_mfn(frame[i]), NULL);
    }
}

enum refusal gdt_set(struct vcpu *v, const uint64_t *frames, unsigned entries)
{
    struct vcpu_traps *t = &v->traps;
    unsigned pages = gdt_pages(entries);
    mfn_t fresh[GDT_GUEST_PAGES], old[GDT_GUEST_PAGES];

    if (entries > FIRST_RESERVED_GDT_ENTRY)
        return REFUSE_GDT_TOO_LONG;
    for (unsigned i = 0; i < pages; i++) {
        fresh[i] = MFN(frames[i]);
        enum refusal r = segdesc_get(v, fresh[i]);
        if (r != REFUSE_NONE) {
            segdescs_put(fresh, i);
            return r;
        }
    }
    for (unsigned i = 0; i < GDT_GUEST_PAGES; i++) {
        old[i] = t->gdt_frame[i];
        t->gdt_frame[i] = i < pages ? fresh[i] : MFN_INVALID;
    }
    t->gdt_entries = entries;
    if (v == current_vcpu())
        descriptors_flush_local(v);
    segdescs_put(old, GDT_GUEST_PAGES); // after the flush: nothing looks at them any more
    return REFUSE_NONE;
}

bool ldt_unmap(struct vcpu *v)
{
    struct vcpu_traps *t = &v->traps;
    mfn_t old[LDT_PAGES];

    if (t->ldt_mapped == 0)
        return false;
    memcpy(old, t->ldt_frame, sizeof(old));
    memset(t->ldt_frame, 0xff, sizeof(t->ldt_frame)); // MFN_INVALID
    t->ldt_mapped = 0;
    if (v == current_vcpu())
        descriptors_flush_local(v);
    segdescs_put(old, LDT_PAGES);
    return true;
}

void ldt_set(struct vcpu *v, uint64_t base, unsigned entries)
{
    if (base == v->traps.ldt_base && entries == v->traps.ldt_entries)
        return; // what is mapped stays, as on Xen
    ldt_unmap(v);
    v->traps.ldt_base = base;
    v->traps.ldt_entries = entries;
    if (v == current_vcpu())
        ldtr_load(this_cpu_id(), &v->traps);
}

bool ldt_map_page(struct vcpu *v, uint64_t offset)
{
    struct vcpu_traps *t = &v->traps;
    unsigned page = (unsigned)(offset >> PAGE_SHIFT);

    if (offset >= t->ldt_entries * 8ull || mfn_is_valid(t->ldt_frame[page]))
        return false;
    uint64_t entry = page_entry_read(v, t->ldt_base + offset);
    mfn_t mfn = MFN((entry & PTE_ADDRESS) >> PAGE_SHIFT);
    if (!(entry & PTE_PRESENT) || segdesc_get(v, mfn) != REFUSE_NONE)
        return false;
    t->ldt_frame[page] = mfn;
    t->ldt_mapped++;
    // The window's entry was absent, and absent entries are not cached: no flush.
    ldt_window_load(this_cpu(), t);
    return true;
}

void vcpu_traps_drop_descriptors(struct vcpu *v)
{
    ldt_set(v, 0, 0);
    gdt_set(v, NULL, 0);
}
