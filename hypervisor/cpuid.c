// SPDX-License-Identifier: MIT
// CPUID as PV guests see it: through the forced-emulation prefix, and where a kernel asks for policy.
// (A plain CPUID does not trap; it shows the machine.)
//
// Feature words are the machine's, reduced to a list of what a 64-bit PV guest can use. The leaves from
// 0x40000000 on say that this is the PV ABI of Xen, as xen/arch-x86/cpuid.h describes them.
#include "hypervisor/domain.h"
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
     F(CLWB) | F(SHA))
#define LEAF_7_ECX (F(PREFETCHWT1) | F(GFNI) | F(VAES) | F(VPCLMULQDQ) | F(RDPID) | F(CLDEMOTE))
#define LEAF_7_EDX (F(FSRM) | F(SERIALIZE))
#define LEAF_7_1_EAX (F(FZRM) | F(FSRS) | F(FSRCS))
#define LEAF_E1_EDX                                                                                \
    (F(SYSCALL) | F(NX) | F(MMXEXT) | F(FFXSR) | F(RDTSCP) | F(LM) | F(3DNOWEXT) | F(3DNOW))
#define LEAF_E1_ECX                                                                                \
    (F(LAHF_LM) | F(CMP_LEGACY) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(XOP) | \
     F(FMA4) | F(TBM) | F(DBEXT))
#define LEAF_E1_REPEATED 0x0183f3ffu
#define LEAF_E8_ECX 0x0003f0ffu // numbers of cores
#define LEAF_E21_LFENCE_SERIALISES 4u
#define LEAF_E8_EBX (F(CLZERO) | F(RSTR_FP_ERR_PTRS))
#define LEAF_XSTATE_EAX (F(XSAVEOPT) | F(XGETBV1))

#define LEAF_MAX_BASIC 0xdu
#define LEAF_EXTENDED 0x80000000u
#define LEAF_MAX_EXTENDED 0x80000021u
#define LINEAR_ADDRESS_BITS 48u
#define HYPERCALL_PAGES 1
#define HYPERCALL_MSR 0x40000000
#define TSC_RDTSCP 4
#define TSC_SAFE 2

static struct cpuid_result machine(uint32_t leaf, uint32_t subleaf)
{
    uint32_t r[4];

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

static struct cpuid_result leaf_1(struct vcpu *v)
{
    struct cpuid_result r = machine(1, 0);

    r.b &= 0x00ffff00; // every vcpu is said to have APIC 0
    r.c = (r.c & LEAF_1_ECX) | F(HYPERVISOR);
    // A kernel that has not enabled it yet finds it enabled: it may use it.
    if (r.c & F(XSAVE) && (v->in_kernel || v->traps.cr4 & CR4_OSXSAVE))
        r.c |= F(OSXSAVE);
    r.d &= LEAF_1_EDX & (cpu_features.sysenter ? ~0u : ~F(SEP));
    if (v->domain->is_privileged && v->in_kernel)
        r.d |= machine(1, 0).d & F(MTRR);
    return r;
}

static struct cpuid_result leaf_xstate(const struct vcpu *v, uint32_t subleaf)
{
    struct cpuid_result r = {0};

    if (!cpu_features.xsave)
        return r;
    if (subleaf == 0) {
        r = machine(0xd, 0);
        r.a = (uint32_t)cpu_features.xcr0;
        r.c = cpu_features.xstate_size; // r.b: for the guest's own XCR0, which is loaded
        if (ABI_NO_STATES_AT_FIRST && !v->traps.xcr0_is_chosen)
            r.b = 0;
        r.d = 0;
    } else if (subleaf == 1) {
        r.a = machine(0xd, 1).a & LEAF_XSTATE_EAX;
    } else if (subleaf < 64 && cpu_features.xcr0 >> subleaf & 1) {
        r = machine(0xd, subleaf);
    }
    return r;
}

static struct cpuid_result leaf_basic(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r = {0};

    switch (leaf) {
    case 0:
        r = machine(0, 0);
        r.a = MIN(r.a, LEAF_MAX_BASIC);
        break;
    case 1:
        r = leaf_1(v);
        break;
    case 2:
    case 4:
        if (!cpu_features.is_amd)
            r = machine(leaf, subleaf);
        break;
    case 7:
        if (subleaf == 0) {
            r = machine(7, 0);
            r.a = ABI_LEAF_7_1 ? MIN(r.a, 1u) : 0;
            r.b &= LEAF_7_EBX;
            r.c &= LEAF_7_ECX;
            r.d &= LEAF_7_EDX;
        } else if (subleaf == 1 && ABI_LEAF_7_1 && machine(7, 0).a) {
            r.a = machine(7, 1).a & LEAF_7_1_EAX;
        }
        break;
    case 0xd:
        r = leaf_xstate(v, subleaf);
        break;
    }
    return r;
}

static struct cpuid_result leaf_extended(struct vcpu *v, uint32_t leaf)
{
    struct cpuid_result r = machine(leaf, 0);

    switch (leaf) {
    case LEAF_EXTENDED:
        r.a = LEAF_MAX_EXTENDED;
        break;
    case LEAF_EXTENDED + 1:
        r.c &= LEAF_E1_ECX;
        // AMD processors repeat the low features of leaf 1 here.
        r.d &= LEAF_E1_EDX | (cpu_features.is_amd ? leaf_1(v).d & LEAF_E1_REPEATED : 0);
        break;
    case LEAF_EXTENDED + 2 ... LEAF_EXTENDED + 6: // brand, caches
        break;
    case LEAF_EXTENDED + 8:
        r.a = (r.a & 0xff) | LINEAR_ADDRESS_BITS << 8;
        r.b &= LEAF_E8_EBX;
        r.c = cpu_features.is_amd ? r.c & LEAF_E8_ECX : 0;
        r.d = 0;
        break;
    case LEAF_MAX_EXTENDED:
        r = (struct cpuid_result){.a = cpu_features.is_amd ? LEAF_E21_LFENCE_SERIALISES : 0};
        break;
    default:
        r = (struct cpuid_result){0};
    }
    return r;
}

struct cpuid_result cpuid_for_guest(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
    if (leaf <= MIN(LEAF_MAX_BASIC, machine(0, 0).a))
        return leaf_basic(v, leaf, subleaf);
    if (leaf >= XEN_CPUID_FIRST_LEAF && leaf <= XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES))
        return leaf_hypervisor(leaf, subleaf);
    if (leaf >= LEAF_EXTENDED && leaf <= LEAF_MAX_EXTENDED)
        return leaf_extended(v, leaf);
    return (struct cpuid_result){0};
}
