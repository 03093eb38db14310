// SPDX-License-Identifier: MIT
// Model-specific registers as a guest sees them. A list of what is there; all others are #GP, but that
// a kernel without a #GP handler yet, which could only crash, reads an existing register as 0.
//
// The machine-check banks are there and empty: nothing that is written to them changes what happens, and
// no error is ever reported through them. What can be read and written, and what cannot, is as on Xen.
#include "hypervisor/emulate.h"
#include "hypervisor/recover.h"
#include "hypervisor/traps.h"
#include "hypervisor/version.h"

#define MSR_PLATFORM_ID 0x17
#define MSR_MICROCODE 0x8b
#define MSR_ARCH_CAPABILITIES 0x10a
#define MSR_MISC_FEATURES 0x140
#define MSR_MCG_STATUS 0x17a
#define MSR_MISC_ENABLE 0x1a0
#define MSR_MC0_CTL2 0x280
#define MSR_MC1_CTL2 0x281
#define MSR_MC0_CTL 0x400
#define MSR_MC1_CTL 0x404 // CTL, STATUS, ADDR and MISC of each bank
#define MSR_MC1_MISC 0x407
#define MC_BANKS_OFFERED 2
#define MSR_K8_SYSCFG 0xc0010010
#define MSR_MMIO_CONF_BASE 0xc0010058
#define MSR_HYPERCALL_PAGE 0x40000000

#define APIC_BASE_ADDRESS 0xfee00000ull
#define APIC_BASE_ENABLE 0x800ull
#define APIC_BASE_BSP 0x100ull
#define EFER_GUEST (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define SYSCFG_SHOWN 0x740000ull           // which kinds of memory have types of their own
#define MISC_ENABLE_NO_TRACING 0x801800ull // no branch trace store, no PEBS, xTPR off
#define MISC_ENABLE_HIDDEN 0x40080ull      // performance monitoring, MONITOR

#define AMD_KIN (VENDOR_AMD | VENDOR_HYGON)
#define INTEL VENDOR_INTEL
#define ANY (AMD_KIN | INTEL | VENDOR_OTHER)
#define OF_MACHINE ~0u // instead of a value: the machine's, for the hardware domain
#define MMIO_CONF_READERS (ABI_MMIO_CONF_BASE ? AMD_KIN : 0)

// Registers that always say the same, by the vendors whose processors have them: those of counters, power states
// and errata say that nothing is switched on, and writes to them are dropped.
static const struct constant_msr {
    uint32_t first, last;
    uint8_t readable, writable; // vendors
    uint32_t value;
} constant_msrs[] = {
    {0,                  1,                               ANY,               0,               0               }, // P5_MC_ADDR, P5_MC_TYPE
    {0x3a,               0x3a,                            INTEL,             0,               1               }, // FEATURE_CONTROL: locked
    {0xc1,               0xc8,                            INTEL,             INTEL,           0               }, // PERFCTR0 to 7
    {0xce,               0xce,                            ANY,               0,               0               }, // PLATFORM_INFO
    {0xe7,               0xe8,                            0,                 INTEL | AMD_KIN, 0               }, // MPERF, APERF
    {MSR_MISC_FEATURES,  MSR_MISC_FEATURES,               ANY,               0,               0               },
    {0x179,              0x179,                           INTEL,             INTEL,
     0x1000c00 + MC_BANKS_OFFERED                                                                             }, // MCG_CAP: can recover, tell states, signal
    {0x179,              0x179,                           ANY,               ANY,             MC_BANKS_OFFERED}, // the same of others
    {0x17b,              0x17b,                           ANY,               ANY,             0               }, // MCG_CTL
    {0x186,              0x186 + ABI_LAST_EVENT_SELECTOR, INTEL,             INTEL,           0               }, // PERFEVTSEL0 on
    {0x198,              0x198,                           INTEL,             0,               0               }, // PERF_STATUS
    {0x199,              0x199,                           INTEL,             INTEL,           0               }, // PERF_CTL
    {0x19a,              0x19a,                           0,                 INTEL,           0               }, // CLOCK_MODULATION
    {0x19c,              0x19c,                           INTEL,             0,               0               }, // THERM_STATUS
    {0x1b0,              0x1b0,                           0,                 INTEL,           0               }, // ENERGY_PERF_BIAS
    {0x280,              0x29f,                           ANY,               ANY,             0               }, // MC0_CTL2 to MC31_CTL2
    {0x309,              0x30b,                           INTEL,             INTEL,           0               }, // FIXED_CTR0 to 2
    {0x345,              0x345,                           ANY,               0,               0               }, // PERF_CAPABILITIES
    {0x38d,              0x390,                           INTEL,             INTEL,           0               }, // FIXED_CTR_CTRL to PERF_GLOBAL_OVF_CTRL
    {0x400,              0x47f,                           ANY,               ANY,             0               }, // MC0_CTL to MC31_MISC
    {MSR_HYPERCALL_PAGE, MSR_HYPERCALL_PAGE,              ANY,               0,               0               },
    {0xc0010000,         0xc0010007,                      AMD_KIN,           AMD_KIN,         0               }, // K7_EVNTSEL0 to K7_PERFCTR3
    {MSR_K8_SYSCFG,      MSR_K8_SYSCFG,                   AMD_KIN,           0,               OF_MACHINE      },
    {0xc0010015,         0xc0010015,                      AMD_KIN,           AMD_KIN,         0               }, // K8_HWCR
    {0xc0010016,         0xc001001a,                      AMD_KIN,           0,               OF_MACHINE      }, // K8_IORR_BASE0 to K8_TOP_MEM1
    {0xc001001d,         0xc001001d,                      AMD_KIN,           0,               OF_MACHINE      }, // K8_TOP_MEM2
    {0xc001001f,         0xc001001f,                      ANY,               ANY,             0               }, // K8_NB_CFG
    {0xc0010041,         0xc0010042,                      VENDOR_AMD,        AMD_KIN,         0               }, // K7_FID_VID_CTL, K7_FID_VID_STATUS
    {MSR_MMIO_CONF_BASE, MSR_MMIO_CONF_BASE,              VENDOR_AMD,        VENDOR_AMD,      0               }, // of families 0x10 to 0x16
    {MSR_MMIO_CONF_BASE, MSR_MMIO_CONF_BASE,              MMIO_CONF_READERS, 0,               OF_MACHINE      }, // of others
    {0xc0010061,         0xc001006b,                      VENDOR_AMD,        AMD_KIN,         0               }, // K8_PSTATE_LIMIT to K8_PSTATE7
    {0xc0010112,         0xc0010113,                      AMD_KIN,           0,               OF_MACHINE      }, // K8_TSEG_BASE, K8_TSEG_MASK
    {0xc0010200,         0xc001020b,                      AMD_KIN,           AMD_KIN,         0               }, // F15H_EVNTSEL0 to F15H_PERFCTR5
    {0xc0011029,         0xc0011029,                      AMD_KIN,           AMD_KIN,         2               }, // DE_CFG: LFENCE serialises
};

static const struct constant_msr *constant_msr_find(uint32_t msr, bool to_write)
{
    bool has_old_conf = cpu_features.family >= 0x10 && cpu_features.family <= 0x16;

    for (const struct constant_msr *m = constant_msrs;
         m < constant_msrs + ARRAY_SIZE(constant_msrs); m++)
        if (msr >= m->first && msr <= m->last &&
            (to_write ? m->writable : m->readable) & cpu_features.vendor &&
            (msr != MSR_MMIO_CONF_BASE || (m->value == 0) == has_old_conf))
            return m;
    return NULL;
}

static bool constant_msr_read(const struct domain *d, uint32_t msr, uint64_t *value)
{
    const struct constant_msr *m = constant_msr_find(msr, false);

    if (!m)
        return false;
    *value = m->value;
    if (m->value == OF_MACHINE && (!d->is_privileged || !recover_rdmsr(msr, value)))
        return false;
    *value &= msr == MSR_K8_SYSCFG ? SYSCFG_SHOWN : ~0ull;
    return true;
}

// What is known of an Intel processor's speculation: what it says itself; where it says nothing, what follows from its
// model and features, and for the worse where that is not known. A guest is not offered EIBRS, so to it returns
// are predicted by whatever else predicts them with EIBRS.
#define CAPS_EIBRS (1u << 1)
#define CAPS_RSBA (1u << 2) // returns are predicted by more than the return stack
#define CAPS_RRSBA (1u << 19)
#define CAPS_GDS_NO (1u << 26)
// RSBA; immunity from RDCL, SSB, MDS, page size changes, TAA, SBDR, FBSDP, PSDP, BHI, PBRSB, GDS, RFDS; and VERW that
// clears what FB and RFD leak
#define CAPS_SHOWN 0x1d12e175u

static uint64_t arch_capabilities(void)
{
    // Up to Haswell, and the Atoms up to Goldmont.
    static const uint8_t return_stack_alone[] = {0x17, 0x1a, 0x1c, 0x1d, 0x1e, 0x1f, 0x25, 0x26,
                                                 0x27, 0x2a, 0x2c, 0x2d, 0x2e, 0x2f, 0x35, 0x36,
                                                 0x37, 0x3a, 0x3c, 0x3e, 0x3f, 0x45, 0x46, 0x4a,
                                                 0x4c, 0x4d, 0x57, 0x5a, 0x5c, 0x5f, 0x85};
    uint64_t caps;

    if (!(cpuid_of_machine(7, 0).d >> 29 & 1) || !recover_rdmsr(MSR_ARCH_CAPABILITIES, &caps)) {
        caps = cpu_features.family == 6 ? CAPS_RSBA : 0;
        for (unsigned i = 0; i < sizeof(return_stack_alone); i++)
            caps &= return_stack_alone[i] == cpu_features.model ? 0 : ~0ull;
    }
    caps |= caps & (CAPS_EIBRS | CAPS_RRSBA) ? CAPS_RSBA : 0;
    if (cpu_features.family == 6 && !(cpu_features.xcr0 & XCR0_AVX))
        caps |= CAPS_GDS_NO; // it takes AVX2
    return caps & CAPS_SHOWN;
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
    case MSR_MCG_STATUS:
        *value = v->traps.mcg_status;
        return true;
    case MSR_MC0_CTL:
    case MSR_MC1_CTL:
        *value = ~0ull;
        return true;
    case MSR_MC0_CTL2 ... MSR_MC1_CTL2:
        *value = v->traps.mc_ctl2[msr - MSR_MC0_CTL2];
        return true;
    case MSR_ARCH_CAPABILITIES:
        *value = arch_capabilities();
        return cpu_features.vendor == VENDOR_INTEL;
    case MSR_TSC_AUX:
        *value = v->traps.tsc_aux;
        return cpu_features.rdtscp;
    case MSR_PAT:
        return recover_rdmsr(msr, value);
    case MSR_PLATFORM_ID:
        return cpu_features.vendor == VENDOR_INTEL && recover_rdmsr(msr, value);
    case MSR_MICROCODE:
        return cpu_features.vendor & (VENDOR_INTEL | VENDOR_AMD) && recover_rdmsr(msr, value);
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
    if (common_msr_read(v, msr, value) || constant_msr_read(v->domain, msr, value))
        return true;
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
    case MSR_MC0_CTL ... MSR_MC1_MISC:
        return msr == MSR_MC0_CTL || msr == MSR_MC1_CTL || value == 0;
    case MSR_MC0_CTL2 ... MSR_MC1_CTL2: // only Intel's processors have them
        v->traps.mc_ctl2[msr - MSR_MC0_CTL2] = cpu_features.vendor == VENDOR_INTEL ? value : 0;
        return true;
    case MSR_MISC_FEATURES:
        return value == 0;
    case MSR_MISC_ENABLE:
        return recover_rdmsr(msr, &current);
    case MSR_MICROCODE: // Intel's way to ask for the version begins so
        return cpu_features.vendor == VENDOR_INTEL && value == 0;
    default:
        return constant_msr_find(msr, true); // and dropped
    }
}
