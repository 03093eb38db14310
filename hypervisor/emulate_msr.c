// SPDX-License-Identifier: MIT
// Model-specific registers as a guest sees them. A list of what is there; all others are #GP, but that
// a kernel without a #GP handler yet, which could only crash, reads an existing register as 0.
//
// The machine-check banks are there and empty: nothing that is written to them changes anything, and
// no error is ever reported through them. What can be read and written, and what cannot, is as on Xen.
#include "hypervisor/emulate.h"
#include "hypervisor/recover.h"
#include "hypervisor/traps.h"
#include "hypervisor/version.h"

#define MSR_P5_MC_ADDR 0x0
#define MSR_P5_MC_TYPE 0x1
#define MSR_MICROCODE 0x8b
#define MSR_PLATFORM_INFO 0xce
#define MSR_MPERF 0xe7
#define MSR_APERF 0xe8
#define MSR_MISC_FEATURES 0x140
#define MSR_MCG_CAP 0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MCG_CTL 0x17b
#define MSR_MISC_ENABLE 0x1a0
#define MSR_MC0_CTL2 0x280
#define MSR_PERF_CAPABILITIES 0x345
#define MSR_MC0_CTL 0x400
#define MC_BANKS_OFFERED 2
#define MC_BANKS_ACCEPTED 32
#define MC_REGISTERS 4 // of a bank: CTL, STATUS, ADDR, MISC
#define MSR_K7_EVNTSEL0 0xc0010000
#define MSR_K7_PERFCTR3 0xc0010007
#define MSR_K8_SYSCFG 0xc0010010
#define MSR_K8_HWCR 0xc0010015
#define MSR_K8_IORR_BASE0 0xc0010016
#define MSR_K8_TOP_MEM1 0xc001001a
#define MSR_K8_TOP_MEM2 0xc001001d
#define MSR_K8_NB_CFG 0xc001001f
#define MSR_K7_FID_VID_CTL 0xc0010041
#define MSR_K7_FID_VID_STATUS 0xc0010042
#define MSR_MMIO_CONF_BASE 0xc0010058
#define MSR_MMIO_CONF_LAST (MSR_MMIO_CONF_BASE - !ABI_MMIO_CONF_BASE) // none before
#define MSR_K8_PSTATE_LIMIT 0xc0010061
#define MSR_K8_PSTATE7 0xc001006b
#define MSR_K8_TSEG_BASE 0xc0010112
#define MSR_K8_TSEG_MASK 0xc0010113
#define MSR_F15H_EVNTSEL0 0xc0010200
#define MSR_F15H_PERFCTR5 0xc001020b
#define MSR_AMD_DE_CFG 0xc0011029
#define MSR_HYPERCALL_PAGE 0x40000000

#define APIC_BASE_ADDRESS 0xfee00000ull
#define APIC_BASE_ENABLE 0x800ull
#define APIC_BASE_BSP 0x100ull
#define EFER_GUEST (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define DE_CFG_LFENCE_SERIALISES 2
#define SYSCFG_SHOWN 0x740000ull           // which kinds of memory have types of their own
#define MISC_ENABLE_NO_TRACING 0x801800ull // no branch trace store, no PEBS, xTPR off
#define MISC_ENABLE_HIDDEN 0x40080ull      // performance monitoring, MONITOR

static bool is_machine_check_bank(uint32_t msr)
{
    return msr - MSR_MC0_CTL < MC_BANKS_ACCEPTED * MC_REGISTERS;
}

static bool is_machine_check_threshold(uint32_t msr)
{
    return msr - MSR_MC0_CTL2 < MC_BANKS_ACCEPTED;
}

static bool is_offered_bank(uint32_t msr)
{
    return msr - MSR_MC0_CTL < MC_BANKS_OFFERED * MC_REGISTERS;
}

static bool is_bank_control(uint32_t msr)
{
    return (msr - MSR_MC0_CTL) % MC_REGISTERS == 0;
}

// Registers of AMD processors. Those of counters, power states and errata read as "nothing switched on", and
// writes are dropped; those of the memory map are shown to the hardware domain, and nobody writes them.
static const struct amd_msrs {
    uint32_t first, last;
    bool is_memory_map;
} amd_msrs[] = {
    {MSR_K7_EVNTSEL0,     MSR_K7_PERFCTR3,       false},
    {MSR_K8_SYSCFG,       MSR_K8_SYSCFG,         true },
    {MSR_K8_HWCR,         MSR_K8_HWCR,           false},
    {MSR_K8_IORR_BASE0,   MSR_K8_TOP_MEM1,       true },
    {MSR_K8_TOP_MEM2,     MSR_K8_TOP_MEM2,       true },
    {MSR_K8_NB_CFG,       MSR_K8_NB_CFG,         false},
    {MSR_K7_FID_VID_CTL,  MSR_K7_FID_VID_STATUS, false},
    {MSR_MMIO_CONF_BASE,  MSR_MMIO_CONF_LAST,    true },
    {MSR_K8_PSTATE_LIMIT, MSR_K8_PSTATE7,        false},
    {MSR_K8_TSEG_BASE,    MSR_K8_TSEG_MASK,      true },
    {MSR_F15H_EVNTSEL0,   MSR_F15H_PERFCTR5,     false},
    {MSR_AMD_DE_CFG,      MSR_AMD_DE_CFG,        false},
};

static const struct amd_msrs *amd_msr_find(uint32_t msr)
{
    for (unsigned i = 0; cpu_features.is_amd && i < ARRAY_SIZE(amd_msrs); i++)
        if (msr >= amd_msrs[i].first && msr <= amd_msrs[i].last)
            return &amd_msrs[i];
    return NULL;
}

static bool amd_msr_read(const struct domain *d, uint32_t msr, uint64_t *value)
{
    const struct amd_msrs *m = amd_msr_find(msr);

    if (!m)
        return false;
    if (m->is_memory_map) {
        if (!d->is_privileged || !recover_rdmsr(msr, value))
            return false;
        *value &= msr == MSR_K8_SYSCFG ? SYSCFG_SHOWN : ~0ull;
        return true;
    }
    *value = msr == MSR_AMD_DE_CFG ? DE_CFG_LFENCE_SERIALISES : 0;
    return true;
}

static bool amd_msr_write_is_dropped(uint32_t msr)
{
    const struct amd_msrs *m = amd_msr_find(msr);

    return m && !m->is_memory_map;
}

// The architectural ones that have a value.
static bool common_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    switch (msr) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_KERNEL_GS_BASE:
        *value = rdmsr(msr);
        return true;
    case MSR_EFER:
        *value = rdmsr(MSR_EFER) & EFER_GUEST;
        return true;
    case MSR_TSC:
        *value = rdtsc();
        return true;
    case MSR_APIC_BASE:
        *value = APIC_BASE_ADDRESS | APIC_BASE_ENABLE | (v->id == 0 ? APIC_BASE_BSP : 0);
        return true;
    case MSR_MCG_CAP:
        *value = MC_BANKS_OFFERED;
        return true;
    case MSR_MCG_STATUS:
        *value = v->traps.mcg_status;
        return true;
    case MSR_P5_MC_ADDR:
    case MSR_P5_MC_TYPE:
    case MSR_MCG_CTL:
    case MSR_PLATFORM_INFO:
    case MSR_MISC_FEATURES:
    case MSR_PERF_CAPABILITIES:
    case MSR_HYPERCALL_PAGE:
        *value = 0;
        return true;
    case MSR_TSC_AUX:
        *value = v->traps.tsc_aux;
        return cpu_features.rdtscp;
    case MSR_PAT:
    case MSR_MICROCODE:
        return recover_rdmsr(msr, value);
    case MSR_MISC_ENABLE:
        if (!recover_rdmsr(msr, value))
            return false;
        *value = (*value & ~MISC_ENABLE_HIDDEN) | MISC_ENABLE_NO_TRACING;
        return true;
    default:
        return false;
    }
}

bool msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    if (common_msr_read(v, msr, value) || amd_msr_read(v->domain, msr, value))
        return true;
    *value = 0;
    if (is_machine_check_threshold(msr))
        return true;
    if (is_machine_check_bank(msr)) {
        if (is_offered_bank(msr) && is_bank_control(msr))
            *value = ~0ull;
        return true;
    }
    bool exists = !guest_has_handler(v, X86_GP) && recover_rdmsr(msr, value);
    *value = 0;
    return exists;
}

// Fill a page of the guest with the hypercall entries, as named by its frame number.
static bool hypercall_page_write(struct vcpu *v, uint64_t value)
{
    struct frame *f = frame_from_mfn(maddr_to_mfn(MADDR(value)));

    if (value & ~PAGE_MASK || frame_get_writable(f, v->domain) != REFUSE_NONE)
        return false;
    hypercall_page_init(frame_to_virt(f));
    frame_put_writable(f);
    return true;
}

static bool tsc_aux_write(struct vcpu *v, uint64_t value)
{
    if (!cpu_features.rdtscp || value > UINT32_MAX)
        return false;
    v->traps.tsc_aux = (uint32_t)value;
    wrmsr(MSR_TSC_AUX, value);
    return true;
}

bool msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    uint64_t current;

    if (is_machine_check_threshold(msr))
        return true;
    if (is_machine_check_bank(msr))
        return is_bank_control(msr) || value == 0 || !is_offered_bank(msr);
    switch (msr) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_KERNEL_GS_BASE:
        if (!is_canonical(value))
            return false;
        wrmsr(msr, value);
        return true;
    case MSR_HYPERCALL_PAGE:
        return hypercall_page_write(v, value);
    case MSR_TSC_AUX:
        return tsc_aux_write(v, value);
    case MSR_EFER: // only what is there may be written back
        return msr_read(v, msr, &current) && current == value;
    case MSR_MCG_STATUS:
        v->traps.mcg_status = value;
        return true;
    case MSR_MISC_FEATURES:
        return value == 0;
    case MSR_MCG_CAP:
    case MSR_MCG_CTL:
    case MSR_MISC_ENABLE:
    case MSR_MPERF:
    case MSR_APERF:
        return true;
    default:
        return amd_msr_write_is_dropped(msr);
    }
}
