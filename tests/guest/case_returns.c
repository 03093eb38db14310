// SPDX-License-Identifier: MIT
// iret with frames that no processor loads: a faulting return is a fault of the code returned to.
#include "tests/guest/guest.h"

#include <string.h>

#include "tests/guest/user.h"

#define RPL_USER 3
#define SELECTOR_NO_TABLE 0x27 // LDT entry 4
#define GDT_LIMIT_SELECTOR 0xffff

// What returning with this selector in CS or SS ends in: user mode, or #GP with an error code.
#define RUNS 0x10000U
struct selector {
    uint16_t value;
    uint32_t as_cs, as_ss;
};

static const struct selector selectors[] = {
    {0,                  0,                        0                       },
    {3,                  0,                        0                       },
    {0xe008,             0xe008,                   0xe008                  }, // hypervisor's
    {0xe00b,             0xe008,                   0xe008                  },
    {0xe010,             0xe010,                   0xe010                  },
    {0xe018,             0xe018,                   0xe018                  },
    {0xe023,             RUNS,                     0xe020                  }, // 32-bit code
    {0xe02b,             0xe028,                   RUNS                    }, // flat data
    {0xe033,             RUNS,                     0xe030                  }, // 64-bit code
    {0xe043,             0xe040,                   0xe040                  }, // TSS
    {0xe053,             0xe050,                   0xe050                  }, // LDT
    {0xe063,             0xe060,                   0xe060                  }, // behind the last
    {SELECTOR_NO_TABLE,  SELECTOR_NO_TABLE & ~3U,  SELECTOR_NO_TABLE & ~3U },
    {GDT_LIMIT_SELECTOR, GDT_LIMIT_SELECTOR & ~3U, GDT_LIMIT_SELECTOR & ~3U},
};
#define SELECTORS (sizeof(selectors) / sizeof(selectors[0]))

// The frame of the fault is the one that was returned to.
static void expect_fault(const struct user_frame *frame, uint32_t error_code)
{
    EXPECT(user_visit(frame, 0), PROBE_TRAP + 13);
    EXPECT(probe_frame.error_code, error_code);
    EXPECT(probe_frame.rip, frame->rip);
    EXPECT(probe_frame.rsp, frame->rsp);
    EXPECT(probe_frame.cs & 0xffff, (frame->cs | RPL_USER) & 0xffff);
    EXPECT(probe_frame.ss & 0xffff, (frame->ss | RPL_USER) & 0xffff);
}

static void code_selectors(void)
{
    user_begin();
    for (size_t i = 0; i < SELECTORS; i++) {
        struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

        frame.cs = selectors[i].value | RPL_USER;
        if (selectors[i].value == 0xe023) // its addresses end at 4 GiB
            EXPECT(user_visit(&frame, 0), PROBE_TRAP + 14);
        else if (selectors[i].as_cs == RUNS)
            EXPECT(user_visit(&frame, 0), USER_SYSCALL);
        else
            expect_fault(&frame, selectors[i].as_cs);
    }
    user_end();
}

static void stack_selectors(void)
{
    user_begin();
    for (size_t i = 0; i < SELECTORS; i++) {
        struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

        frame.ss = selectors[i].value;
        if (selectors[i].as_ss == RUNS)
            EXPECT(user_visit(&frame, 0), USER_SYSCALL);
        else
            expect_fault(&frame, selectors[i].as_ss);
    }
    user_end();
}

// The return of a system call takes flat selectors, whatever the frame says.
static void selectors_of_system_calls(void)
{
    user_begin();
    for (size_t i = 0; i < SELECTORS; i++) {
        struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

        frame.ss = selectors[i].value;
        EXPECT(user_visit(&frame, VGCF_in_syscall), USER_SYSCALL);
        EXPECT(user_saved.ss, FLAT_USER_SS);
        frame.cs = selectors[i].value | RPL_USER;
        if (selectors[i].value == 0xe023)
            continue;
        EXPECT(user_visit(&frame, VGCF_in_syscall), USER_SYSCALL);
        EXPECT(user_saved.cs & 0xffff, FLAT_USER_CS);
    }
    user_end();
}

// A stack pointer is loaded as it is, used or not.
static void stack_pointers(void)
{
    static const uint64_t pointers[] = {0,
                                        8,
                                        0x0000800000000000UL,
                                        0xffff7fffffffffffUL,
                                        0xffff800000000000UL,
                                        0xffff830000000000UL,
                                        ~0UL};

    user_begin();
    for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
        struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

        frame.rsp = pointers[i];
        EXPECT(user_visit(&frame, 0), USER_SYSCALL);
        EXPECT_TRUE(user_saved.rsp == pointers[i]);
        frame.rip = (uint64_t)user_do_interrupt;
        EXPECT(user_visit(&frame, VGCF_in_syscall), USER_INTERRUPT);
        EXPECT_TRUE(user_saved.rsp == pointers[i]);
    }
    user_end();
}

// A selector of an LDT whose page is not there: a page fault at the place where the table should be.
static void into_an_absent_table(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_SET_LDT};
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);
    const uint64_t absent = 0x7000;

    op.arg1.linear_addr = absent;
    op.arg2.nr_ents = 512;
    user_begin();
    EXPECT(hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    frame.cs = 0xf;
    EXPECT(user_visit(&frame, 0), PROBE_TRAP + 14);
    EXPECT(probe_address, absent + 8);
    EXPECT(probe_frame.rip, frame.rip);
    EXPECT(probe_frame.cs & 0xffff, 0xf);
    op.arg2.nr_ents = 0;
    EXPECT(hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF), 0);
    user_end();
}

// In a multicall it ends the list.
static void in_a_multicall(void)
{
    static struct multicall_entry calls[3];
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);
    const uint64_t saved[3] = {user_call[0], user_call[1], user_call[2]};

    for (unsigned int i = 0; i < 3; i++)
        calls[i] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .result = 7};
    calls[1].op = __HYPERVISOR_iret;
    user_begin();
    user_call[0] = __HYPERVISOR_multicall;
    user_call[1] = (uint64_t)calls;
    user_call[2] = 3;
    for (uint64_t flags = 0; flags <= VGCF_in_syscall; flags += VGCF_in_syscall) {
        EXPECT(user_visit(&frame, flags), USER_SYSCALL);
        EXPECT(user_saved.rsp, frame.rsp);
        EXPECT(calls[0].result >> 16, 4);
        EXPECT(calls[1].result, 0x1234); // rax of the frame
        EXPECT(calls[2].result, 7);
    }
    memcpy(user_call, saved, sizeof(saved));
    user_end();
}

// --- 16-bit stack segments

#define DATA16_DPL3 0x0000f3000000ffffUL
#define DATA16_ENTRY 5
#define DATA16_SELECTOR (DATA16_ENTRY * 8 | RPL_USER)
#define VISITS 64
#define CPUS 2

// 32-bit code. IRET loads SP alone; the other bits stay the hypervisor's, on Xen too. That they are the same each time
// shows that they tell which CPU it was and nothing of what the hypervisor does.
static void visit_16_bit_stack(struct user_frame frame)
{
    uint64_t seen[VISITS];
    unsigned int different = 0;

    for (unsigned int visit = 0; visit < VISITS; visit++) {
        frame.rsp = 0x12345678 + visit * 0x10010UL;
        EXPECT(user_visit(&frame, 0), PROBE_TRAP + 6);
        EXPECT(probe_frame.rsp & 0xffff, frame.rsp & 0xffff);
        seen[different] = probe_frame.rsp >> 16;
        unsigned int i = 0;
        while (seen[i] != seen[different])
            i++;
        different += i == different;
        hypercall_sched_op(0, NULL);
    }
    EXPECT_TRUE(different <= CPUS);
}

static void into_a_16_bit_stack(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);
    uint64_t *table = table_alloc();
    unsigned long mfn = virt_to_mfn(table);

    REQUIRE(table != NULL);
    table[DATA16_ENTRY] = DATA16_DPL3;
    EXPECT(page_set_readonly(table), 0);
    EXPECT(hypercall_set_gdt(&mfn, 16), 0);
    user_begin();
    if (user_root_build() && user_root_use()) {
        struct user_frame frame32 = user32_frame_at(user32_undefined);

        frame32.ss = DATA16_SELECTOR;
        visit_16_bit_stack(frame32);
        frame.ss = DATA16_SELECTOR;
        frame.rsp = 0x12345678; // 64-bit code has all of it
        EXPECT(user_visit(&frame, 0), USER_SYSCALL);
        EXPECT(user_saved.rsp, frame.rsp);
    }
    user_root_free();
    user_end();
    EXPECT(hypercall_set_gdt(NULL, 0), 0);
    table_free(table);
}

// --- far returns

void returns_far(void *arg);
void returns_user_far(void);
__asm__(".globl returns_far, returns_user_far\n"
        "returns_far:\n"
        "    movl %cs, %eax\n"
        "    pushq %rax\n"
        "    leaq 1f(%rip), %rax\n"
        "    pushq %rax\n"
        "    lretq\n"
        "1:  ret\n"
        "returns_user_far:\n"
        "    call returns_far\n"
        "    syscall\n");

// With SMAP some emulated processors fault there, as if the stack were the supervisor's matter. Then the guest gets
// that fault; nobody may try again for ever.
static void far_return(void)
{
    struct user_frame frame = user_frame_at((uint64_t)returns_user_far);
    uint32_t a = 7, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    bool has_smap = b >> 20 & 1;
    user_begin();
    unsigned int end = user_visit(&frame, 0);
    EXPECT_TRUE(end == USER_SYSCALL || (has_smap && end == PROBE_TRAP + 14));
    end = probe_run(returns_far, NULL);
    EXPECT_TRUE(end == 0 || (has_smap && end == PROBE_TRAP + 14));
    user_end();
}

static const struct report_case cases[] = {
    REPORT_CASE(code_selectors),
    REPORT_CASE(stack_selectors),
    REPORT_CASE(selectors_of_system_calls),
    REPORT_CASE(stack_pointers),
    REPORT_CASE(into_an_absent_table),
    REPORT_CASE(in_a_multicall),
    REPORT_CASE(into_a_16_bit_stack),
    REPORT_CASE(far_return),
};

GUEST_FAMILY(returns, REPORT_SUITE("returns", cases));
