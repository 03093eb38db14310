// SPDX-License-Identifier: MIT
// CR4 bit by bit: what the guest reads and may set, and what its user mode can do then. What a kernel
// has not switched on must not work behind its back, on whichever vcpu it was not.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/vcpu.h>

#include "tests/guest/smp.h"
#include "tests/guest/user.h"

#define CR4_TSD 0x4UL
#define CR4_DE 0x8UL
#define CR4_ALWAYS 0x660UL // PAE, MCE, OSFXSR, OSXMMEXCPT
#define CR4_FSGSBASE 0x10000UL
#define CR4_OSXSAVE 0x40000UL
#define FS_BASE_MSR 0xc0000100U
#define GS_BASE_MSR 0xc0000101U
#define SOME_BASE 0x123456789000UL

static uint64_t cr4_read(void)
{
    uint64_t cr4;

    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    return cr4;
}

static void cr4_write(uint64_t cr4)
{
    __asm__ volatile("movq %0, %%cr4" ::"r"(cr4) : "memory");
}

static uint64_t msr_read(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return low | (uint64_t)high << 32;
}

static void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(msr));
}

struct words {
    uint32_t a, b, c, d;
};

static struct words forced_cpuid(uint32_t leaf)
{
    struct words r = {.a = leaf};

    __asm__ volatile("ud2a; .ascii \"xen\"; cpuid" : "+a"(r.a), "=b"(r.b), "+c"(r.c), "=d"(r.d));
    return r;
}

static uint64_t cr4_offered(void)
{
    return CR4_TSD | CR4_DE | (forced_cpuid(7).b & 1 ? CR4_FSGSBASE : 0) |
           (forced_cpuid(1).c >> 26 & 1 ? CR4_OSXSAVE : 0);
}

static void cr4_bit_by_bit(void)
{
    uint64_t before = cr4_read(), offered = cr4_offered();

    for (unsigned int bit = 0; bit < 64; bit++) {
        cr4_write(1UL << bit);
        EXPECT(cr4_read(), CR4_ALWAYS | (1UL << bit & offered));
    }
    cr4_write(~0UL);
    EXPECT(cr4_read(), CR4_ALWAYS | offered);
    cr4_write(0);
    EXPECT(cr4_read(), CR4_ALWAYS);
    cr4_write(before);
    EXPECT(cr4_read(), before);
}

// --- what depends on them

// Each runs one instruction: in user mode with a SYSCALL behind it, or called in the kernel.
#define INSTRUCTION(name, text)                                                                    \
    void registers_user_##name(void);                                                              \
    void registers_kernel_##name(void *arg);                                                       \
    __asm__(".globl registers_user_" #name ", registers_kernel_" #name "\n"                        \
            "registers_user_" #name ":\n" text "\n"                                                \
            "    syscall\n"                                                                        \
            "registers_kernel_" #name ":\n"                                                        \
            "    movq %rsp, %r11\n" text "\n"                                                      \
            "    movq %r11, %rsp\n"                                                                \
            "    ret\n")

INSTRUCTION(rdfsbase, "rdfsbase %rax");
INSTRUCTION(rdgsbase, "rdgsbase %rax");
INSTRUCTION(wrfsbase, "xorl %eax, %eax; wrfsbase %rax");
INSTRUCTION(wrgsbase, "xorl %eax, %eax; wrgsbase %rax");
INSTRUCTION(rdfsbase32, "rdfsbase %eax");
INSTRUCTION(wrgsbase32, "xorl %eax, %eax; wrgsbase %eax");
INSTRUCTION(rdtsc, "rdtsc");
INSTRUCTION(rdtscp, "rdtscp");
INSTRUCTION(rdpmc, "xorl %ecx, %ecx; rdpmc");
INSTRUCTION(rdpkru, "xorl %ecx, %ecx; rdpkru");
INSTRUCTION(xgetbv, "xorl %ecx, %ecx; xgetbv");
INSTRUCTION(fxsave, "subq $1024, %rsp; andq $-64, %rsp; fxsave64 (%rsp)");
INSTRUCTION(read_cr4, "movq %cr4, %rax");
INSTRUCTION(sgdt, "sgdt -64(%rsp)");
INSTRUCTION(sti, "sti");

#define GOES 0U
#define UD (PROBE_TRAP + 6)
#define GP (PROBE_TRAP + 13)
#define BY_BIT 1U // as the condition says

static const struct instruction {
    const char *name;
    void (*user)(void);
    void (*kernel)(void *arg);
    uint64_t bit; // with it set, `with`, else `without`
    unsigned int with, without, in_kernel;
} instructions[] = {
#define ROW(name, ...)                                                                             \
    {                                                                                              \
#name, registers_user_##name, registers_kernel_##name, __VA_ARGS__                         \
    }
    ROW(rdfsbase, CR4_FSGSBASE, GOES, UD, BY_BIT),
    ROW(rdgsbase, CR4_FSGSBASE, GOES, UD, BY_BIT),
    ROW(wrfsbase, CR4_FSGSBASE, GOES, UD, BY_BIT),
    ROW(wrgsbase, CR4_FSGSBASE, GOES, UD, BY_BIT),
    ROW(rdfsbase32, CR4_FSGSBASE, GOES, UD, BY_BIT),
    ROW(wrgsbase32, CR4_FSGSBASE, GOES, UD, BY_BIT),
    ROW(rdtsc, CR4_TSD, GP, GOES, GOES),
    ROW(rdpmc, 0, GP, GP, GP),
    ROW(rdpkru, 0, UD, UD, UD),
    ROW(read_cr4, 0, GP, GP, GOES),
    ROW(sgdt, 0, GOES, GOES, GOES),
    ROW(sti, 0, GP, GP, GP),
};

static unsigned int user_end_of(const struct instruction *i)
{
    struct user_frame frame = user_frame_at((uint64_t)i->user);
    unsigned int end = user_visit(&frame, 0);

    return end == USER_SYSCALL ? GOES : end;
}

static void instruction_check(const struct instruction *i, uint64_t cr4)
{
    unsigned int wanted = cr4 & i->bit ? i->with : i->without;
    unsigned int kernel = i->in_kernel == BY_BIT ? wanted : i->in_kernel;

    guest_expect(user_end_of(i), wanted, i->name, __FILE__, (unsigned int)cr4);
    guest_expect(probe_run(i->kernel, NULL), kernel, i->name, __FILE__, (unsigned int)cr4);
}

static void instructions_follow_cr4(void)
{
    uint64_t before = cr4_read(), offered = cr4_offered(), fs = msr_read(FS_BASE_MSR),
             gs = msr_read(GS_BASE_MSR);

    user_begin();
    for (unsigned int round = 0; round < 66; round++) {
        cr4_write(round < 64 ? 1UL << round : round == 64 ? 0 : ~0UL);
        uint64_t cr4 = cr4_read();
        if (round < 64 && !(1UL << round & offered) && round % 8)
            continue; // a bit that is not there changes nothing: some of them
        for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++)
            instruction_check(&instructions[i], cr4);
        msr_write(FS_BASE_MSR, fs);
        msr_write(GS_BASE_MSR, gs);
    }
    cr4_write(before);
    user_end();
}

// Those that not every processor has.
static void optional_instructions_follow_cr4(void)
{
    const struct instruction rdtscp = ROW(rdtscp, CR4_TSD, GP, GOES, GOES),
                             xgetbv = ROW(xgetbv, 0, GOES, GOES, GOES),
                             fxsave = ROW(fxsave, 0, GOES, GOES, GOES);
    uint64_t before = cr4_read();

    user_begin();
    for (unsigned int round = 0; round < 2; round++) {
        cr4_write(round ? ~0UL : 0);
        if (forced_cpuid(0x80000001).d >> 27 & 1)
            instruction_check(&rdtscp, cr4_read());
        guest_expect(user_end_of(&fxsave), GOES, "fxsave", __FILE__, __LINE__);
        // Xen has switched it on for itself.
        if (forced_cpuid(1).c >> 26 & 1)
            guest_expect(user_end_of(&xgetbv), GOES, "xgetbv", __FILE__, __LINE__);
    }
    cr4_write(before);
    user_end();
}

// --- each vcpu its own

#define FIRST_OF_FOUR (SMP_VCPUS - 5)
#define LAST_OF_FOUR (SMP_VCPUS - 2)
#define TURNS 200
static volatile uint64_t cr4_at_start, wrong_bases, bases_checked;

static void look_at_cr4(unsigned int me)
{
    (void)me;
    cr4_at_start = cr4_read();
    cr4_write(0);
}

// A context brings the bits with it that a guest may have; all others are dropped.
static void cr4_of_a_new_vcpu(void)
{
    static struct vcpu_guest_context context;
    unsigned int id = SMP_VCPUS - 2;

    smp_context(id, &context);
    context.ctrlreg[4] = ~0UL;
    if (!EXPECT(hypercall_vcpu_op(VCPUOP_initialise, id, &context), 0))
        return;
    cr4_at_start = 0;
    smp_start(id, look_at_cr4);
    EXPECT_TRUE(smp_wait(id));
    EXPECT(cr4_at_start, CR4_ALWAYS | cr4_offered());
}

// The bases of this vcpu, by the means that it has.
static bool bases_are(uint64_t base, bool direct)
{
    uint64_t fs, gs;

    if (!direct)
        return msr_read(FS_BASE_MSR) == base && msr_read(GS_BASE_MSR) == base + 8;
    __asm__ volatile("rdfsbase %0; rdgsbase %1" : "=r"(fs), "=r"(gs));
    return fs == base && gs == base + 8;
}

static void take_turns(unsigned int me)
{
    bool direct = me % 2 && cr4_offered() & CR4_FSGSBASE;
    uint64_t base = SOME_BASE + me * 0x1000UL;

    cr4_write(direct ? CR4_FSGSBASE : 0);
    msr_write(FS_BASE_MSR, base);
    msr_write(GS_BASE_MSR, base + 8);
    for (unsigned int i = 0; i < TURNS; i++) {
        if (!bases_are(base, direct) || !(cr4_read() & CR4_FSGSBASE) == direct)
            __atomic_add_fetch(&wrong_bases, 1, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&bases_checked, 1, __ATOMIC_SEQ_CST);
        smp_yield();
    }
    msr_write(FS_BASE_MSR, 0);
    msr_write(GS_BASE_MSR, 0);
    cr4_write(0);
}

// Four that take turns on two CPUs, with and without the instructions, and this one without.
static void bases_of_vcpus_that_take_turns(void)
{
    uint64_t before = cr4_read(), fs = msr_read(FS_BASE_MSR), gs = msr_read(GS_BASE_MSR);

    cr4_write(0);
    wrong_bases = bases_checked = 0;
    for (unsigned int i = FIRST_OF_FOUR; i <= LAST_OF_FOUR; i++)
        smp_start(i, take_turns);
    for (unsigned int i = 0; i < TURNS; i++) {
        EXPECT(probe_run(registers_kernel_rdfsbase, NULL), UD);
        EXPECT(probe_run(registers_kernel_wrgsbase, NULL), UD);
        smp_yield();
    }
    for (unsigned int i = FIRST_OF_FOUR; i <= LAST_OF_FOUR; i++)
        EXPECT_TRUE(smp_wait(i));
    EXPECT(bases_checked, 4 * TURNS);
    EXPECT(wrong_bases, 0);
    EXPECT(msr_read(FS_BASE_MSR), fs);
    EXPECT(msr_read(GS_BASE_MSR), gs);
    cr4_write(before);
}

static const struct report_case cases[] = {
    REPORT_CASE(cr4_bit_by_bit),
    REPORT_CASE(instructions_follow_cr4),
    REPORT_CASE(optional_instructions_follow_cr4),
    REPORT_CASE(cr4_of_a_new_vcpu),
    REPORT_CASE(bases_of_vcpus_that_take_turns),
};

GUEST_FAMILY(registers, REPORT_SUITE("registers", cases));
