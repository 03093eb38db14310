// SPDX-License-Identifier: MIT
// Random user code and random returns: whatever user mode executes, and whatever frame iret is given, the
// kernel gets the CPU back and the hypervisor is none the worse. Seeds are fixed; seed=N takes another.
#include "tests/guest/guest.h"

#include <stdlib.h>
#include <string.h>
#include <xen/callback.h>

#include "pvguest/event.h"
#include "pvguest/start.h"
#include "tests/guest/user.h"

#define STACK_BYTES 8192
#define ROUNDS 4000
#define FLAG_TF 0x100UL
#define RFLAGS_RANDOM 0x254dd5UL // what user mode may change, without TF, IF, IOPL and VM
#define CODE_BYTES 16

static unsigned char kernel_stack[STACK_BYTES] __attribute__((aligned(16)));
static uint8_t *code; // a page that user mode executes
static uint64_t *table;
static uint64_t state;

static uint64_t any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t pick(const uint64_t *values, size_t count)
{
    return values[any() % count];
}

static bool register_entries(void)
{
    static struct trap_info vectors[2] = {
        {.vector = 0x80, .flags = 3, .cs = FLAT_KERNEL_CS}
    };
    struct callback_register syscall = {.type = CALLBACKTYPE_syscall,
                                        .address = (unsigned long)user_syscall_entry};
    struct callback_register failsafe = {.type = CALLBACKTYPE_failsafe,
                                         .address = (unsigned long)user_failsafe_entry};
    unsigned long sp = (unsigned long)(kernel_stack + STACK_BYTES);
    uint64_t cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    vectors[0].address = (unsigned long)user_interrupt_entry;
    return EXPECT(hypercall_set_trap_table(vectors), 0) &&
           EXPECT(hypercall_callback_op(CALLBACKOP_register, &syscall), 0) &&
           EXPECT(hypercall_callback_op(CALLBACKOP_register, &failsafe), 0) &&
           EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, cr3 >> PAGE_SHIFT), 0) &&
           EXPECT(hypercall_stack_switch(FLAT_KERNEL_SS, sp), 0);
}

// A page of descriptors of all kinds that a guest may have, as GDT.
static bool random_gdt(void)
{
    unsigned long frame;

    table = table_alloc();
    if (!table)
        return false;
    for (unsigned i = 0; i < 512; i++) {
        uint64_t access = 0x10 | (any() & 0xff); // code or data
        table[i] = (any() & 0xff00ffffffffffffUL & ~(0xffUL << 40)) | access << 40 |
                   (any() & 0xf) << 52;
    }
    frame = virt_to_mfn(table);
    return EXPECT(page_set_readonly(table), 0) && EXPECT(hypercall_set_gdt(&frame, 512), 0);
}

static bool random_begin(void)
{
    const char *seed = start_option("seed");

    state = 0x9e3779b97f4a7c15UL + (seed ? strtoul(seed, NULL, 0) : 0);
    code = page_alloc(0);
    return EXPECT_TRUE(code != NULL) && register_entries() && random_gdt();
}

static void random_end(void)
{
    struct callback_register failsafe = {.type = CALLBACKTYPE_failsafe,
                                         .address = (unsigned long)failsafe_upcall};

    EXPECT(hypercall_callback_op(CALLBACKOP_register, &failsafe), 0);
    EXPECT(mmuext(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    EXPECT(hypercall_set_gdt(NULL, 0), 0);
    table_free(table);
    page_free(code, 0);
}

static void enter(void *arg)
{
    user_enter(arg, any() & VGCF_in_syscall);
}

// What user code may have left behind in the processor.
static void clean_up(void)
{
    static const uint32_t mxcsr = 0x1f80;

    __asm__ volatile("movw %w0, %%ds; movw %w0, %%es; movw %w0, %%fs; movw %w0, %%gs" ::"r"(0));
    __asm__ volatile("fninit; ldmxcsr %0" ::"m"(mxcsr));
}

static void visit(struct user_frame *frame)
{
    unsigned long saved = event_save();

    probe_run(enter, frame);
    clean_up();
    event_restore(saved);
}

// Single-stepped, so that it comes back after one instruction at the latest.
static void random_instructions(void)
{
    static const uint8_t openings[] = {0x0f, 0x0f, 0xf3, 0x66, 0x48, 0xcd,
                                       0x8e, 0xcf, 0xca, 0xff, 0xc5, 0x9d};

    REQUIRE(random_begin());
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct user_frame frame = {.cs = FLAT_USER_CS, .ss = FLAT_USER_SS};
        uint8_t *at = code + PAGE_SIZE - CODE_BYTES - any() % 64;

        for (unsigned i = 0; i < CODE_BYTES; i++)
            at[i] = (uint8_t)any();
        if (any() & 1)
            at[0] = openings[any() % sizeof(openings)];
        frame.rip = (uint64_t)at;
        frame.rflags = (any() & RFLAGS_RANDOM) | FLAG_TF;
        frame.rsp = any() & 1 ? (uint64_t)code + 1024 : any();
        visit(&frame);
    }
    random_end();
}

static void random_returns(void)
{
    static const uint64_t selectors[] = {
        FLAT_USER_CS, FLAT_USER_CS32, FLAT_USER_SS, 0,      3,      0xe008,
        0xe010,       0xe00b,         0xe040,       0xe050, 0xe053, 7};
    static const uint64_t addresses[] = {0,
                                         0x7fffffffffff,
                                         0x800000000000,
                                         0xffff7fffffffffff,
                                         0xffff800000000000,
                                         0xffff82d040000000,
                                         ~0UL,
                                         0x8000000000000000};

    REQUIRE(random_begin());
    memset(code, 0xcc, PAGE_SIZE);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct user_frame frame = {.rip = (uint64_t)code, .rflags = any() & RFLAGS_RANDOM};

        frame.cs = any() & 1 ? pick(selectors, 12) : any() & 0xffff;
        frame.ss = any() & 1 ? FLAT_USER_SS : pick(selectors, 12);
        frame.cs |= 3; // to user mode
        if (any() & 1)
            frame.rip = pick(addresses, 8);
        frame.rsp = pick(addresses, 8);
        visit(&frame);
    }
    random_end();
}

static const struct report_case random_cases[] = {
    REPORT_CASE(random_instructions),
    REPORT_CASE(random_returns),
};

GUEST_FAMILY(random, REPORT_SUITE("random", random_cases));
