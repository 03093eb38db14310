// SPDX-License-Identifier: MIT
// Model-specific registers as a guest sees them. A list of what is there; all others are #GP, but that
// a kernel without a #GP handler yet, which could only crash, reads an existing register as 0.
//
// The machine-check banks are there and empty: nothing that is written to them changes anything, and
// no error is ever reported through them.
#include "hypervisor/canonical.h"
#include "hypervisor/context.h"
#include "hypervisor/emulate.h"
#include "hypervisor/frame.h"
#include "hypervisor/page_type.h"
#include "hypervisor/recover.h"
#include "hypervisor/traps.h"

#define MSR_MICROCODE 0x8b
#define MSR_MISC_ENABLE 0x1a0
#define MSR_MCG_CAP 0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MC0_CTL 0x400
#define MC_BANKS 2
#define MC_REGISTERS 4 // of a bank: CTL, STATUS, ADDR, MISC
#define MSR_K7_EVNTSEL0 0xc0010000
#define MSR_K7_PERFCTR3 0xc0010007
#define MSR_K8_HWCR 0xc0010015
#define MSR_K8_INT_PENDING 0xc0010055
#define MSR_AMD_DE_CFG 0xc0011029
#define MSR_HYPERCALL_PAGE 0x40000000

#define APIC_BASE_ENABLE 0x800ull
#define APIC_BASE_BSP 0x100ull
#define EFER_GUEST (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

static bool is_machine_check_bank(uint32_t msr)
{
    return msr - MSR_MC0_CTL < MC_BANKS * MC_REGISTERS;
}

static bool is_segment_base(uint32_t msr)
{
    return msr == MSR_FS_BASE || msr == MSR_GS_BASE || msr == MSR_KERNEL_GS_BASE;
}

static bool amd_msr_read(uint32_t msr, uint64_t *value)
{
    *value = 0;
    if (!cpu_features.is_amd)
        return false;
    return (msr >= MSR_K7_EVNTSEL0 && msr <= MSR_K7_PERFCTR3) || msr == MSR_K8_HWCR ||
           msr == MSR_K8_INT_PENDING || msr == MSR_AMD_DE_CFG;
}

bool msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    if (is_segment_base(msr)) {
        *value = rdmsr(msr);
        return true;
    }
    *value = 0;
    if (is_machine_check_bank(msr))
        return true;
    switch (msr) {
    case MSR_EFER:
        *value = rdmsr(MSR_EFER) & EFER_GUEST;
        return true;
    case MSR_TSC:
        *value = rdtsc();
        return true;
    case MSR_APIC_BASE:
        *value = APIC_BASE_ENABLE | (v->id == 0 ? APIC_BASE_BSP : 0);
        return true;
    case MSR_PAT:
    case MSR_MICROCODE:
        return recover_rdmsr(msr, value);
    case MSR_MCG_CAP:
        *value = MC_BANKS;
        return true;
    case MSR_MCG_STATUS:
    case MSR_TSC_AUX:
        return true;
    case MSR_MISC_ENABLE:
        return !cpu_features.is_amd && recover_rdmsr(msr, value);
    }
    if (amd_msr_read(msr, value))
        return true;
    bool exists = !guest_has_handler(v, X86_GP) && recover_rdmsr(msr, value);
    *value = 0;
    return exists;
}

// Fill a page of the guest with the hypercall entries, as named by its frame number.
static bool hypercall_page_write(struct vcpu *v, uint64_t value)
{
    struct frame *f = frame_from_mfn(maddr_to_mfn(MADDR(value)));

    if (value & ~PAGE_MASK || !f || frame_get_writable(f, v->domain) != REFUSE_NONE)
        return false;
    hypercall_page_init(frame_to_virt(f));
    frame_put_writable(f);
    return true;
}

bool msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    uint64_t current;

    if (is_segment_base(msr)) {
        if (!is_canonical(value))
            return false;
        wrmsr(msr, value);
        return true;
    }
    if (is_machine_check_bank(msr) || msr == MSR_MCG_STATUS || amd_msr_read(msr, &current))
        return true;
    switch (msr) {
    case MSR_HYPERCALL_PAGE:
        return hypercall_page_write(v, value);
    case MSR_EFER: // writing back what was read
    case MSR_PAT:
    case MSR_APIC_BASE:
    case MSR_TSC_AUX:
        return msr_read(v, msr, &current) && current == value;
    default:
        return false;
    }
}
