// SPDX-License-Identifier: MIT
// The frames that guest kernels find on their stacks: order of words, selectors, flags, mask.
#include "hypervisor/bounce.h"
#include "hypervisor/traps.h"
#include "hypervisor/x86.h"
#include "tests/report.h"
#include <CUnit/CUnit.h>

static const struct cpu_user_regs interrupted = {
    .rcx = 0x1c,
    .r11 = 0x11,
    .rip = 0x401000,
    .cs = SEL_GUEST_CODE64,
    .rflags = 0x10246 | EFLAGS_TF,
    .rsp = 0x7ff0,
    .ss = SEL_GUEST_DATA32,
    .ds = 0x10,
    .es = 0x20,
    .fs = 0x30,
    .gs = 0x40,
    .entry_vector = X86_PF,
};

static void plain_frame_from_user(void)
{
    struct bounce_view view = {0};
    uint64_t words[BOUNCE_MAX_WORDS], *w = words + 5;

    CU_ASSERT_EQUAL_FATAL(bounce_frame_build(words, &interrupted, 0, 0, view), 7);
    CU_ASSERT_EQUAL(w[0], 0x1c);
    CU_ASSERT_EQUAL(w[1], 0x11);
    CU_ASSERT_EQUAL(w[2], 0x401000);
    CU_ASSERT_EQUAL(w[3], SEL_GUEST_CODE64);
    CU_ASSERT_EQUAL(w[4], 0x10246 | EFLAGS_TF | EFLAGS_IF);
    CU_ASSERT_EQUAL(w[5], 0x7ff0);
    CU_ASSERT_EQUAL(w[6], SEL_GUEST_DATA32);
}

static void kernel_reads_as_ring_0(void)
{
    struct bounce_view view = {.in_kernel = true, .upcall_mask = true, .iopl_bits = 0x1000};
    uint64_t words[BOUNCE_MAX_WORDS], *w = words + 4;

    CU_ASSERT_EQUAL_FATAL(bounce_frame_build(words, &interrupted, BOUNCE_ERROR_CODE, 6, view), 8);
    CU_ASSERT_EQUAL(w[2], 6);
    CU_ASSERT_EQUAL(w[4], 0x10000e030);
    CU_ASSERT_EQUAL(w[5] & EFLAGS_IF, 0);
    CU_ASSERT_EQUAL(w[5] & EFLAGS_IOPL, 0x1000);
}

static void failsafe_has_selectors(void)
{
    struct bounce_view view = {0};
    uint64_t words[BOUNCE_MAX_WORDS], *w = words + 1;

    CU_ASSERT_EQUAL_FATAL(bounce_frame_build(words, &interrupted, BOUNCE_SEGMENTS, 0, view), 11);
    CU_ASSERT_EQUAL(w[2], 0x10);
    CU_ASSERT_EQUAL(w[3], 0x20);
    CU_ASSERT_EQUAL(w[4], 0x30);
    CU_ASSERT_EQUAL(w[5], 0x40);
    CU_ASSERT_EQUAL(w[6], 0x401000);
}

static void handler_starts_clean(void)
{
    struct cpu_user_regs regs = interrupted;

    regs.rflags |= EFLAGS_NT | EFLAGS_AC | EFLAGS_IF;
    bounce_registers_set(&regs, 0x2000, 0x6fc0);
    CU_ASSERT_EQUAL(regs.rip, 0x2000);
    CU_ASSERT_EQUAL(regs.rsp, 0x6fc0);
    CU_ASSERT_EQUAL(regs.cs, SEL_GUEST_CODE64);
    CU_ASSERT_EQUAL(regs.ss, SEL_GUEST_DATA32);
    CU_ASSERT_EQUAL(regs.rflags & (EFLAGS_TF | EFLAGS_NT | EFLAGS_AC | EFLAGS_RF), 0);
    CU_ASSERT(regs.rflags & EFLAGS_IF);
    CU_ASSERT_EQUAL(regs.entry_vector, ENTRY_SYSCALL);
}

// NMIs are let in again at entry, so the way back is that of all others.
static void nmi_leaves_as_all_others(void)
{
    struct cpu_user_regs regs = interrupted;

    regs.entry_vector = X86_NMI;
    bounce_registers_set(&regs, 0x2000, 0x6fc0);
    CU_ASSERT_EQUAL(regs.entry_vector, ENTRY_SYSCALL);
}

static const struct report_case cases[] = {
    REPORT_CASE(plain_frame_from_user),    REPORT_CASE(kernel_reads_as_ring_0),
    REPORT_CASE(failsafe_has_selectors),   REPORT_CASE(handler_starts_clean),
    REPORT_CASE(nmi_leaves_as_all_others),
};

int main(void)
{
    return report_run("bounce", cases, ARRAY_SIZE(cases));
}
