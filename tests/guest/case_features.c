// SPDX-License-Identifier: MIT
// All of CPUID and of the model-specific registers, as the guest's kernel, its user mode and another vcpu see
// them. What is right depends on the processor, so each case prints what it saw, and conformance.py compares
// the lines of the two hypervisors: SEEN suite/case key value. Only what is not empty has a line; the
// last one is a hash of everything.
#include "tests/guest/guest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/guest/pair.h"
#include "tests/guest/smp.h"
#include "tests/guest/user.h"

#define SUITE "features"
#define SUITE_OF_GUESTS "pair_features"
#define LEAF_XSTATE 0xdU
#define SUBLEAVES 5U
#define SUBLEAVES_OF_XSTATE 66U
#define TSC_MSR 0x10U
#define FNV_PRIME 0x100000001b3UL
#define FNV_BASIS 0xcbf29ce484222325UL

struct words {
    uint32_t a, b, c, d;
};

static uint64_t hash;

static void hash_add(uint64_t value)
{
    hash = (hash ^ value) * FNV_PRIME;
}

static void hash_print(const char *name)
{
    printf("SEEN %s hash %016" PRIx64 "\n", name, hash);
    hash = FNV_BASIS;
}

// --- CPUID

static struct words cpuid_of_cpu(uint32_t leaf, uint32_t subleaf)
{
    struct words r = {.a = leaf, .c = subleaf};

    __asm__ volatile("cpuid" : "+a"(r.a), "=b"(r.b), "+c"(r.c), "=d"(r.d));
    return r;
}

static struct words cpuid_plain(uint32_t leaf, uint32_t subleaf)
{
    struct words r = cpuid_of_cpu(leaf, subleaf);

    if (leaf > cpuid_of_cpu(leaf & 0x80000000, 0).a)
        leaf = cpuid_of_cpu(0, 0).a;                      // that is what the processor answers with
    if (leaf == 1 || leaf == 0xb || leaf == 0x8000001e) { // says which CPU this is
        r.b &= leaf == 1 ? 0x00ffffff : ~0U;
        r.d = leaf == 0xb ? 0 : r.d;
        r.a = leaf == 0x8000001e ? 0 : r.a;
    }
    return r;
}

static struct words cpuid_forced(uint32_t leaf, uint32_t subleaf)
{
    struct words r = {.a = leaf, .c = subleaf};

    __asm__ volatile("ud2a; .ascii \"xen\"; cpuid" : "+a"(r.a), "=b"(r.b), "+c"(r.c), "=d"(r.d));
    return r;
}

typedef struct words cpuid_way(uint32_t leaf, uint32_t subleaf);

static void leaf_print(const char *name, cpuid_way *way, uint32_t leaf)
{
    uint32_t count = leaf == LEAF_XSTATE ? SUBLEAVES_OF_XSTATE : SUBLEAVES;

    for (uint32_t i = 0; i <= count; i++) {
        uint32_t subleaf = i < count ? i : ~0U;
        struct words r = way(leaf, subleaf);
        if (leaf != 0x40000003) { // has the measured frequency
            hash_add((uint64_t)r.a << 32 | r.b);
            hash_add((uint64_t)r.c << 32 | r.d);
        }
        if (r.a | r.b | r.c | r.d)
            printf("SEEN %s %08x.%x %08x,%08x,%08x,%08x\n", name, leaf, subleaf, r.a, r.b, r.c,
                   r.d);
    }
}

static void leaves_print(const char *name, cpuid_way *way)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0,          0x40      },
        {0xff,       0x101     },
        {0x3fffffff, 0x40000010},
        {0x400000ff, 0x40000106},
        {0x7fffffff, 0x80000040},
        {0x8fffffff, 0x8fffffff},
        {0xbfffffff, 0xc0000002},
        {0xfffffffe, 0xfffffffe},
    };

    hash = FNV_BASIS;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        for (uint32_t leaf = ranges[i].first; leaf <= ranges[i].last; leaf++)
            leaf_print(name, way, leaf);
    hash_print(name);
}

static void every_leaf_forced(void)
{
    leaves_print(SUITE "/every_leaf_forced", cpuid_forced);
}

static void every_leaf_plain(void)
{
    leaves_print(SUITE "/every_leaf_plain", cpuid_plain);
}

// User mode sees what its kernel has switched on, not what kernels may rely on.
void features_user_low(void);
void features_user_high(void);
__asm__(".macro features_leaf_1 name, shift\n"
        "    .globl \\name\n"
        "\\name:\n"
        "    movl $1, %eax\n"
        "    xorl %ecx, %ecx\n"
        "    ud2a\n"
        "    .ascii \"xen\"\n"
        "    cpuid\n"
        "    movl %ecx, %eax\n"
        "    .if \\shift\n"
        "    movl %edx, %eax\n"
        "    .endif\n"
        "    syscall\n"
        ".endm\n"
        "features_leaf_1 features_user_low, 0\n"
        "features_leaf_1 features_user_high, 1\n");

static void user_words_print(const char *when)
{
    struct user_frame c = user_frame_at((uint64_t)features_user_low),
                      d = user_frame_at((uint64_t)features_user_high);

    EXPECT(user_visit(&c, 0), USER_SYSCALL);
    printf("SEEN " SUITE "/leaf_1_in_user_mode c.%s %08x\n", when, (uint32_t)user_saved_rax);
    EXPECT(user_visit(&d, 0), USER_SYSCALL);
    printf("SEEN " SUITE "/leaf_1_in_user_mode d.%s %08x\n", when, (uint32_t)user_saved_rax);
}

static void leaf_1_in_user_mode(void)
{
    uint64_t before;

    user_begin();
    __asm__ volatile("movq %%cr4, %0" : "=r"(before));
    __asm__ volatile("movq %0, %%cr4" ::"r"(0UL));
    user_words_print("without");
    __asm__ volatile("movq %0, %%cr4" ::"r"(~0UL));
    user_words_print("with");
    __asm__ volatile("movq %0, %%cr4" ::"r"(before));
    user_end();
}

// A guest that is not the hardware domain.
static long leaves_in_the_guest(long unused, long unused2, long unused3)
{
    (void)unused, (void)unused2, (void)unused3;
    for (uint32_t leaf = 0; leaf < 0x20; leaf++)
        leaf_print(SUITE_OF_GUESTS "/leaves_of_a_guest", cpuid_forced, leaf);
    for (uint32_t leaf = 0x80000000; leaf < 0x80000024; leaf++)
        leaf_print(SUITE_OF_GUESTS "/leaves_of_a_guest", cpuid_forced, leaf);
    return 0;
}

static void leaves_of_a_guest(void)
{
    struct peer *peer = peer_get(0);

    REQUIRE(peer);
    EXPECT(peer_call(peer, leaves_in_the_guest, 0, 0, 0), 0);
}

static struct words leaf_1_there, leaf_b_there;

static void look_at_leaves(unsigned int me)
{
    (void)me;
    leaf_1_there = cpuid_forced(1, 0);
    leaf_b_there = cpuid_forced(0xb, 0);
}

static void leaves_of_another_vcpu(void)
{
    const struct words *r[] = {&leaf_1_there, &leaf_b_there};

    smp_start(SMP_VCPUS - 3, look_at_leaves);
    REQUIRE(smp_wait(SMP_VCPUS - 3));
    for (unsigned int i = 0; i < 2; i++)
        printf("SEEN " SUITE "/leaves_of_another_vcpu %u %08x,%08x,%08x,%08x\n", i, r[i]->a,
               r[i]->b, r[i]->c, r[i]->d);
}

// --- model-specific registers

struct msr {
    uint32_t number;
    uint64_t value;
};

static void read_msr(void *arg)
{
    struct msr *m = arg;
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(m->number));
    m->value = low | (uint64_t)high << 32;
}

static void write_msr(void *arg)
{
    const struct msr *m = arg;

    __asm__ volatile("wrmsr" ::"a"((uint32_t)m->value), "d"((uint32_t)(m->value >> 32)),
                     "c"(m->number));
}

static bool msr_read(uint32_t number, uint64_t *value)
{
    struct msr m = {number, 0};
    bool good = probe_run(read_msr, &m) == 0;

    *value = m.value;
    return good;
}

static bool msr_write(uint32_t number, uint64_t value)
{
    struct msr m = {number, value};

    return probe_run(write_msr, &m) == 0;
}

// Read; written as it is (or as 0, where it cannot be read), with no bits and with all bits; read again.
static void msr_print(uint32_t number)
{
    uint64_t before, after;
    bool can_read = msr_read(number, &before);
    bool same = msr_write(number, before), zero = msr_write(number, 0),
         ones = msr_write(number, ~0UL);

    msr_read(number, &after);
    if (can_read)
        msr_write(number, before);
    if (number == TSC_MSR)
        before = after = 0;
    hash_add(before);
    hash_add(after);
    hash_add((uint64_t)(can_read + 2 * same + 4 * zero + 8 * ones) << 32 | number);
    if (can_read || same || zero || ones)
        printf("SEEN " SUITE "/every_msr %08x %s%" PRIx64 ",%s,%s,%s,%" PRIx64 "\n", number,
               can_read ? "" : "gp:", before, same ? "same" : "gp", zero ? "zero" : "gp",
               ones ? "ones" : "gp", after);
}

static void every_msr(void)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0,          0x17ff    },
        {0x40000000, 0x400002ff},
        {0xc0000000, 0xc00003ff},
        {0xc0010000, 0xc00103ff},
        {0xc0011000, 0xc00111ff},
        {0xfffffffe, 0xfffffffe},
    };

    hash = FNV_BASIS;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        for (uint32_t number = ranges[i].first; number <= ranges[i].last; number++)
            msr_print(number);
    hash_print(SUITE "/every_msr");
}

static const struct report_case cases[] = {
    REPORT_CASE(every_leaf_forced),   REPORT_CASE(every_leaf_plain),
    REPORT_CASE(leaf_1_in_user_mode), REPORT_CASE(leaves_of_another_vcpu),
    REPORT_CASE(every_msr),
};

static const struct report_case guest_cases[] = {REPORT_CASE(leaves_of_a_guest)};

GUEST_FAMILY(features, REPORT_SUITE(SUITE, cases));
GUEST_FAMILY(pair_features, REPORT_SUITE(SUITE_OF_GUESTS, guest_cases));
