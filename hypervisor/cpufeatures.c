// SPDX-License-Identifier: MIT
// What the CPUs can do, and the control registers that follow from it.
//
// The boot CPU decides; the others are taken to be equal, which QEMU and every PC guarantee.
#include "hypervisor/cpu.h"
#include "hypervisor/panic.h"

#define FXSAVE_SIZE 512

// Memory types by PAT index, as PV guests expect them: WB, WT, UC-, UC, WC, WP. The first four are
// the power-on values, so nothing that is mapped already changes.
#define PAT_ABI 0x050100070406ul

enum { EAX, EBX, ECX, EDX };

struct cpu_features cpu_features;

static bool bit(uint32_t word, unsigned n)
{
    return word >> n & 1;
}

// Which extended states we enable: x87, SSE, and where there are instructions that use them AVX and AVX-512.
// PKRU and others stay off.
static void detect_xsave(void)
{
    uint32_t r[4];
    cpu_features.xstate_size = FXSAVE_SIZE;
    if (!cpu_features.xsave)
        return;
    cpuid(1, 0, r);
    bool has_avx = bit(r[ECX], 28);
    cpuid(7, 0, r);
    bool has_avx512 = has_avx && bit(r[EBX], 16);
    cpuid(0xd, 0, r);
    uint64_t supported = (uint64_t)r[EDX] << 32 | r[EAX];
    cpu_features.xcr0 = XCR0_X87 | XCR0_SSE | (has_avx ? supported & XCR0_AVX : 0);
    if (has_avx512 && (supported & XCR0_AVX512) == XCR0_AVX512)
        cpu_features.xcr0 |= XCR0_AVX512;
    write_cr4(read_cr4() | CR4_OSXSAVE);
    xsetbv(0, cpu_features.xcr0);
    cpuid(0xd, 0, r);
    cpu_features.xstate_size = r[EBX];
}

static void detect_standard(void)
{
    struct cpu_features *f = &cpu_features;
    uint32_t r[4];
    cpuid(0, 0, r);
    uint32_t max_leaf = r[EAX];
    f->vendor = r[EBX] == 0x68747541   ? VENDOR_AMD   // "Auth"
                : r[EBX] == 0x6f677948 ? VENDOR_HYGON // "Hygo", its kin
                : r[EBX] == 0x756e6547 ? VENDOR_INTEL // "Genu"
                                       : VENDOR_OTHER;
    f->is_amd = f->vendor & (VENDOR_AMD | VENDOR_HYGON);
    cpuid(1, 0, r);
    f->family = (r[EAX] >> 8 & 0xf) + (r[EAX] >> 20 & 0xff);
    f->model = (r[EAX] >> 4 & 0xf) | (r[EAX] >> 12 & 0xf0);
    if (!bit(r[EDX], 24) || !bit(r[EDX], 13) || !bit(r[EDX], 9) || !bit(r[EDX], 7))
        panic("the CPU lacks FXSAVE, global pages, a local APIC or machine checks");
    f->sysenter = bit(r[EDX], 11) && !f->is_amd;
    f->tsc_deadline = bit(r[ECX], 24);
    f->xsave = bit(r[ECX], 26);
    if (max_leaf < 7)
        return;
    cpuid(7, 0, r);
    f->fsgsbase = bit(r[EBX], 0);
    f->smep = bit(r[EBX], 7);
    f->smap = bit(r[EBX], 20);
}

static void detect_extended(void)
{
    struct cpu_features *f = &cpu_features;
    uint32_t r[4];
    cpuid(0x80000001, 0, r);
    if (!bit(r[EDX], 20) || !bit(r[EDX], 11))
        panic("the CPU lacks NX or SYSCALL");
    f->rdtscp = bit(r[EDX], 27);
    f->phys_bits = 36;
    cpuid(0x80000000, 0, r);
    uint32_t max_leaf = r[EAX];
    if (max_leaf >= 0x80000007) {
        cpuid(0x80000007, 0, r);
        f->invariant_tsc = bit(r[EDX], 8);
    }
    if (max_leaf >= 0x80000008) {
        cpuid(0x80000008, 0, r);
        f->phys_bits = r[EAX] & 0xff;
    }
}

void cpu_features_init(void)
{
    struct cpu_features *f = &cpu_features;
    detect_standard();
    detect_extended();
    f->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_DE | CR4_PGE | CR4_MCE |
             (f->smep ? CR4_SMEP : 0) | (f->smap ? CR4_SMAP : 0);
    f->cr4 |= f->xsave ? CR4_OSXSAVE : 0;
    detect_xsave();
    cpu_features_apply();
}

void cpu_features_apply(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE | EFER_SCE);
    wrmsr(MSR_PAT, PAT_ABI);
    write_cr0(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG);
    write_cr4(cpu_features.cr4);
    if (cpu_features.xsave)
        xsetbv(0, cpu_features.xcr0);
}
