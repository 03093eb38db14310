// SPDX-License-Identifier: MIT
// CPUID as PV guests see it: through the forced-emulation prefix, and where a kernel asks for policy.
// (A plain CPUID does not trap; it shows the machine.)
//
// Feature words are the machine's, reduced to a list of what a 64-bit PV guest can use. The leaves from
// 0x40000000 on say that this is the PV ABI of Xen, as xen/arch-x86/cpuid.h describes them.
#include "hypervisor/domain.h"
#include "hypervisor/recover.h"
#include "hypervisor/traps.h"
#include "hypervisor/version.h"
#include <xen/arch-x86/cpufeatureset.h>
#include <xen/arch-x86/cpuid.h>

#define F(name) (1u << (XEN_X86_FEATURE_##name % 32))

#define LEAF_1_EDX                                                                                 \
    (F(FPU) | F(DE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) | F(APIC) | F(SEP) | F(MCA) |     \
     F(CMOV) | F(PAT) | F(CLFLUSH) | F(ACPI) | F(MMX) | F(FXSR) | F(SSE) | F(SSE2) | F(SS) |       \
     F(HTT))
#define LEAF_1_ECX                                                                                 \
    (F(SSE3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(SSE4_1) | F(SSE4_2) | F(MOVBE) |     \
     F(POPCNT) | F(AESNI) | F(XSAVE) | F(AVX) | F(F16C) | F(RDRAND))
#define LEAF_7_EBX                                                                                 \
    (F(FSGSBASE) | F(BMI1) | F(AVX2) | F(BMI2) | F(ERMS) | F(RDSEED) | F(ADX) | F(CLFLUSHOPT) |    \
     F(CLWB) | F(SHA) | F(FDP_EXCP_ONLY) | F(NO_FPU_SEL) | F(AVX512F) | F(AVX512DQ) |              \
     F(AVX512_IFMA) | F(AVX512CD) | F(AVX512BW) | F(AVX512VL))
#define LEAF_7_ECX                                                                                 \
    (F(PREFETCHWT1) | F(GFNI) | F(VAES) | F(VPCLMULQDQ) | F(RDPID) | F(CLDEMOTE) |                 \
     F(AVX512_VBMI) | F(AVX512_VBMI2) | F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ))
#define LEAF_7_EDX (F(FSRM) | F(SERIALIZE) | F(MD_CLEAR))
#define LEAF_7_1_EAX (F(AVX_VNNI) | F(AVX512_BF16) | F(FZRM) | F(FSRS) | F(FSRCS))
#define LEAF_7_LAST_SUBLEAF 2u
#define LEAF_E1_EDX                                                                                \
    (F(SYSCALL) | F(NX) | F(MMXEXT) | F(FFXSR) | F(RDTSCP) | F(LM) | F(3DNOWEXT) | F(3DNOW))
#define LEAF_E1_ECX                                                                                \
    (F(LAHF_LM) | F(CMP_LEGACY) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(XOP) | \
     F(FMA4) | F(TBM))
#define LEAF_E1_REPEATED 0x0183f3ffu
#define LEAF_E8_ECX 0x0003f0ffu // numbers of cores
#define LEAF_E8_EBX (F(CLZERO) | F(RSTR_FP_ERR_PTRS))
#define LEAF_XSTATE_EAX (F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1))

#define LEAF_MAX_BASIC 0xdu
#define EXTENDED(n) (0x80000000u + (n))
#define LINEAR_ADDRESS_BITS 48u
#define MSR_AMD_DE_CFG 0xc0011029
#define DE_CFG_LFENCE_SERIALISES 2
#define HYPERCALL_PAGES 1
#define HYPERCALL_MSR 0x40000000
#define TSC_RDTSCP 4
#define TSC_SAFE 2

// Asked for a leaf that they do not have, processors answer with another one.
struct cpuid_result cpuid_of_machine(uint32_t leaf, uint32_t subleaf)
{
    uint32_t r[4];

    cpuid(leaf & EXTENDED(0), 0, r);
    if (leaf > r[0])
        return (struct cpuid_result){0};
    cpuid(leaf, subleaf, r);
    return (struct cpuid_result){r[0], r[1], r[2], r[3]};
}

static struct cpuid_result leaf_hypervisor(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r = {0};

    switch (leaf - XEN_CPUID_FIRST_LEAF) {
    case 0:
        return (struct cpuid_result){XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES),
                                     XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX,
                                     XEN_CPUID_SIGNATURE_EDX};
    case 1:
        r.a = ABI_VERSION_MAJOR << 16 | ABI_VERSION_MINOR;
        break;
    case 2:
        return (struct cpuid_result){HYPERCALL_PAGES, HYPERCALL_MSR,
                                     XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0};
    case 3: // subleaf 1 describes emulated TSCs, which there are none
        if (subleaf == 0)
            r.a = (cpu_features.rdtscp ? TSC_RDTSCP : 0) |
                  (cpu_features.invariant_tsc ? TSC_SAFE : 0);
        else if (subleaf == 2)
            r.a = (uint32_t)time_tsc_khz();
        break;
    case 5:
        if (subleaf == 0)
            r.b = PAGE_SHIFT + 64 -
                  (uint32_t)__builtin_clzll(frame_max_mfn | 1); // address bits of RAM
        break;
    }
    return r;
}

#define AMD 1u // or Hygon
#define OTHERS 2u
#define ANY (AMD | OTHERS)
#define ANY_SUBLEAF ~0u
#define WHOLE                                                                                      \
    {                                                                                              \
        ~0u, ~0u, ~0u, ~0u                                                                         \
    }

// What a guest is shown of the machine's registers, EAX to EDX. Leaves that are not here are empty, and cpuid_for_guest()
// adds what is not the machine's. Emulators fill registers that Intel's processors do not define.
static const struct shown {
    uint32_t leaf, last, subleaf, vendors;
    struct cpuid_result mask;
} shown[] = {
    {0,           0,           ANY_SUBLEAF, ANY,    WHOLE                                           },
    {1,           1,           ANY_SUBLEAF, ANY,    {0x0fff0fff, 0x00ffffff, LEAF_1_ECX, LEAF_1_EDX}}, // no APIC number
    {2,           2,           ANY_SUBLEAF, OTHERS, WHOLE                                           },
    {4,           4,           ANY_SUBLEAF, OTHERS, WHOLE                                           },
    {7,           7,           0,           ANY,    {~0u, LEAF_7_EBX, LEAF_7_ECX, LEAF_7_EDX}       },
    {7,           7,           1,           ANY,    {LEAF_7_1_EAX, 0, 0, 0}                         },
    {7,           7,           2,           ANY,    {0, 0, 0, F(MCDT_NO)}                           },
    {0xd,         0xd,         1,           ANY,    {LEAF_XSTATE_EAX, ~0u, 0, 0}                    },
    {EXTENDED(0), EXTENDED(0), ANY_SUBLEAF, AMD,    WHOLE                                           },
    {EXTENDED(0), EXTENDED(0), ANY_SUBLEAF, OTHERS, {~0u, 0, 0, 0}                                  },
    {EXTENDED(1), EXTENDED(1), ANY_SUBLEAF, AMD,    {~0u, ~0u, LEAF_E1_ECX, LEAF_E1_EDX}            },
    {EXTENDED(1), EXTENDED(1), ANY_SUBLEAF, OTHERS, {0, 0, LEAF_E1_ECX, LEAF_E1_EDX}                },
    {EXTENDED(2), EXTENDED(4), ANY_SUBLEAF, ANY,    WHOLE                                           }, // brand
    {EXTENDED(5), EXTENDED(6), ANY_SUBLEAF, AMD,    WHOLE                                           }, // caches
    {EXTENDED(6), EXTENDED(6), ANY_SUBLEAF, OTHERS, {0, 0, ~0u, 0}                                  },
    {EXTENDED(7), EXTENDED(7), ANY_SUBLEAF, ANY,    {0, 0, 0, F(ITSC)}                              },
    {EXTENDED(8), EXTENDED(8), ANY_SUBLEAF, AMD,    {0xff, LEAF_E8_EBX, LEAF_E8_ECX, 0}             },
    {EXTENDED(8), EXTENDED(8), ANY_SUBLEAF, OTHERS, {0xff, LEAF_E8_EBX, 0, 0}                       },
};

// What some processors say they have, and had better not; CPUs are family * 256 + model.
static const struct erratum {
    enum cpu_vendor vendor;
    unsigned first, last;
    uint32_t leaf, b, c;
} errata[] = {
    {VENDOR_AMD,   0xf00,  0xf13,  EXTENDED(1), 0,       F(LAHF_LM)}, // AMD's erratum 110
    {VENDOR_AMD,   0x1500, 0x16ff, 1,           0,       F(RDRAND) }, // not after a sleep
    {VENDOR_INTEL, 0x63a,  0x63a,  1,           0,       F(RDRAND) }, // others see it: XSA-320
    {VENDOR_INTEL, 0x655,  0x655,  7,           F(CLWB), 0         }, // slow with new microcode
};

static struct cpuid_result masked(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r = cpuid_of_machine(leaf, subleaf), m = {0};
    unsigned cpu = cpu_features.family * 0x100 + cpu_features.model;

    for (const struct shown *s = shown; s < shown + ARRAY_SIZE(shown); s++)
        if (leaf >= s->leaf && leaf <= s->last &&
            (s->subleaf == ANY_SUBLEAF || s->subleaf == subleaf) &&
            s->vendors & (cpu_features.is_amd ? AMD : OTHERS))
            m = s->mask;
    for (const struct erratum *e = errata; e < errata + ARRAY_SIZE(errata); e++)
        if (cpu_features.vendor == e->vendor && cpu >= e->first && cpu <= e->last &&
            leaf == e->leaf) {
            m.b &= ~e->b;
            m.c &= ~e->c;
        }
    return (struct cpuid_result){r.a & m.a, r.b & m.b, r.c & m.c, r.d & m.d};
}

static struct cpuid_result leaf_1(const struct vcpu *v)
{
    struct cpuid_result r = masked(1, 0);

    r.c |= F(HYPERVISOR);
    // A kernel that has not enabled it yet finds it enabled: it may use it.
    if (r.c & F(XSAVE) && (v->in_kernel || v->traps.cr4 & CR4_OSXSAVE))
        r.c |= F(OSXSAVE);
    r.d &= cpu_features.sysenter ? ~0u : ~F(SEP);
    if (v->domain->is_privileged && v->in_kernel)
        r.d |= cpuid_of_machine(1, 0).d & F(MTRR);
    return r;
}

static struct cpuid_result leaf_xstate(const struct vcpu *v, uint32_t subleaf)
{
    struct cpuid_result r = {0};

    if (!cpu_features.xsave)
        return r;
    if (subleaf == 0) {
        r = cpuid_of_machine(0xd, 0);
        r.a = (uint32_t)cpu_features.xcr0;
        r.c = cpu_features.xstate_size; // r.b: for the guest's own XCR0, which is loaded
        if (ABI_NO_STATES_AT_FIRST && !v->traps.xcr0_is_chosen)
            r.b = 0;
        r.d = 0;
    } else if (subleaf == 1) {
        r = masked(0xd, 1);
        r.b = r.a & F(XSAVEC) ? r.b : 0;
    } else if (subleaf < 64 && cpu_features.xcr0 >> subleaf & 1) {
        r = cpuid_of_machine(0xd, subleaf);
    }
    return r;
}

// Old processors of AMD's always serialise so, later ones by a switch, the newest say it themselves.
static uint32_t lfence_serialises(void)
{
    uint64_t config;
    bool is_old = cpu_features.family == 0xf || cpu_features.family == 0x11;

    if (!cpu_features.is_amd)
        return 0;
    bool is_switched = recover_rdmsr(MSR_AMD_DE_CFG, &config) && config & DE_CFG_LFENCE_SERIALISES;

    return is_old || is_switched ? F(LFENCE_DISPATCH)
                                 : cpuid_of_machine(EXTENDED(0x21), 0).a & F(LFENCE_DISPATCH);
}

struct cpuid_result cpuid_for_guest(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r = masked(leaf, subleaf);

    switch (leaf) {
    case 0:
        r.a = MIN(r.a, LEAF_MAX_BASIC);
        break;
    case 1:
        return leaf_1(v);
    case 7:
        if (subleaf > MIN(cpuid_of_machine(7, 0).a, LEAF_7_LAST_SUBLEAF))
            return (struct cpuid_result){0};
        if (subleaf != 0 || cpuid_of_machine(0, 0).a < 7)
            break;
        r.a = MIN(r.a, LEAF_7_LAST_SUBLEAF);
        r.d |= cpu_features.vendor == VENDOR_INTEL ? F(ARCH_CAPS) : 0;
        break;
    case 0xd:
        return leaf_xstate(v, subleaf);
    case XEN_CPUID_FIRST_LEAF ... XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES):
        return leaf_hypervisor(leaf, subleaf);
    case EXTENDED(0):
        r.a = lfence_serialises() ? EXTENDED(0x21)
                                  : MIN(r.a, EXTENDED(cpu_features.is_amd ? 0x21u : 8u));
        break;
    case EXTENDED(1): // AMD's processors repeat features of leaf 1
        r.d |= leaf_1(v).d & (cpu_features.is_amd ? LEAF_E1_REPEATED : F(MTRR));
        break;
    case EXTENDED(7):
        r.d &= v->domain->is_privileged ? ~0u : 0; // guests may be moved one day
        break;
    case EXTENDED(8):
        r.a |= LINEAR_ADDRESS_BITS << 8;
        break;
    case EXTENDED(0x21):
        r.a = lfence_serialises();
        break;
    }
    return r;
}
