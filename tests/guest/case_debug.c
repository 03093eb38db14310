// SPDX-License-Identifier: MIT
// Debug registers, breakpoints and single steps around everything that enters the hypervisor: the guest
// sees its own, ring 0 never stops.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/vcpu.h>

#include "tests/guest/user.h"

#define DR6_NONE 0xffff0ff0UL
#define DR6_STEP 0x4000UL
#define DR7_NONE 0x400UL
#define DR7_WRITE8(n) (0x9UL << (16 + 4 * (n)) | 1UL << 2 * (n)) // of 8 bytes
#define DR7_EXECUTE0 1UL

static long set(unsigned int index, uint64_t value)
{
    return HYPERCALL2(__HYPERVISOR_set_debugreg, index, value);
}

static uint64_t get(unsigned int index)
{
    return (uint64_t)HYPERCALL1(__HYPERVISOR_get_debugreg, index);
}

static void all_off(void)
{
    EXPECT(set(7, DR7_NONE), 0);
    for (unsigned int i = 0; i < 4; i++)
        EXPECT(set(i, 0), 0);
    EXPECT(set(6, DR6_NONE), 0);
}

static const struct {
    unsigned int index;
    uint64_t value;
    long result;
    uint64_t kept; // what is read then, if the result is 0
} values[] = {
    {0,          0x00007fffffffffffUL, 0,           0x00007fffffffffffUL},
    {0,          0x0000800000000000UL, -XEN_EPERM,  0                   },
    {1,          0xffff7fffffffffffUL, -XEN_EPERM,  0                   },
    {1,          0xffff800000000000UL, -XEN_EPERM,  0                   },
    {2,          0xffff87ffffffffffUL, -XEN_EPERM,  0                   },
    {2,          0xffff880000000000UL, 0,           0xffff880000000000UL},
    {3,          ~0UL,                 0,           ~0UL                },
    {4,          0xffffffffUL,         0,           0xffffefffUL        },
    {4,          0x100000000UL,        -XEN_EINVAL, 0                   },
    {5,          0xd800UL,             0,           DR7_NONE            },
    {5,          0x2000UL,             -XEN_EPERM,  0                   }, // general detect
    {6,          0,                    0,           DR6_NONE            },
    {6,          0x100000000UL,        -XEN_EINVAL, 0                   },
    {7,          0,                    0,           DR7_NONE            },
    {7,          0xffffffffUL,         -XEN_EPERM,  0                   },
    {7,          0x2400UL,             -XEN_EPERM,  0                   },
    {7,          0x20001UL,            -XEN_EPERM,  0                   }, // ports, without CR4.DE
    {7,          0x200001UL,           -XEN_EPERM,  0                   }, // that one is not enabled
    {7,          0x20000UL,            0,           0x20400UL           },
    {7,          0x100000000UL,        -XEN_EINVAL, 0                   },
    {8,          0,                    -XEN_ENODEV, 0                   },
    {0x7fffffff, 0,                    -XEN_ENODEV, 0                   },
    {0xffffffff, 0,                    -XEN_ENODEV, 0                   },
};

static void register_values(void)
{
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        EXPECT(set(values[i].index, values[i].value), values[i].result);
        if (values[i].result == 0)
            EXPECT_TRUE(get(values[i].index) == values[i].kept);
        EXPECT(set(7, DR7_NONE), 0);
    }
    all_off();
}

// --- steps

#define STEPS 64
static struct {
    unsigned int count, limit;
    uint64_t rips[STEPS];
} steps;

static bool step_taken(struct trap_frame *frame)
{
    if (steps.count < STEPS)
        steps.rips[steps.count] = frame->rip;
    if (++steps.count >= steps.limit)
        frame->rflags &= ~FLAG_TF;
    return true;
}

#define STEP_ON "pushfq; orq $0x100, (%%rsp); popfq; nop;"
#define STEP_OFF "pushfq; andq $~0x100, (%%rsp); popfq; nop"
#define NOPS "nop; nop; nop; nop; nop; nop; nop; nop; nop; nop;"

// Each step ends behind one instruction: distances from the first.
static void expect_steps(const unsigned char *distances, size_t n)
{
    EXPECT(steps.count, n + 1);
    for (size_t i = 0; i < n; i++)
        EXPECT(steps.rips[i + 1] - steps.rips[0], distances[i]);
}

static void step_over_hypercall(void)
{
    static const unsigned char distances[] = {5, 7, 9, 11, 12, 13};

    trap_handler *old = trap_set_handler(1, step_taken);
    steps.count = 0;
    steps.limit = sizeof(distances) + 1;
    __asm__ volatile(
        STEP_ON
        "movl %0, %%eax; xorl %%edi, %%edi; xorl %%esi, %%esi; syscall;" NOPS STEP_OFF ::"i"(
            __HYPERVISOR_xen_version)
        : "rax", "rcx", "r11", "rdi", "rsi", "memory", "cc");
    expect_steps(distances, sizeof(distances));
    trap_set_handler(1, old);
}

static void step_over_emulated(void)
{
    static const unsigned char distances[] = {3, 6, 8, 11, 12, 13};

    trap_handler *old = trap_set_handler(1, step_taken);
    steps.count = 0;
    steps.limit = sizeof(distances) + 1;
    EXPECT(set(6, DR6_NONE), 0);
    __asm__ volatile(STEP_ON
                     "mov %%cr0, %%rax; mov %%dr7, %%rax; clts; mov %%cr4, %%rax;" NOPS STEP_OFF ::
                         : "rax", "memory", "cc");
    expect_steps(distances, sizeof(distances));
    EXPECT(get(6), DR6_NONE | DR6_STEP);
    trap_set_handler(1, old);
    all_off();
}

// --- breakpoints

static volatile unsigned int hits;

static bool hit(struct trap_frame *frame)
{
    (void)frame;
    hits++;
    return true;
}

// What the hypervisor writes for the guest does not count, and the status bits add up (before Xen 4.20).
static void watched_by_the_hypervisor(void)
{
    static struct vcpu_runstate_info info __attribute__((aligned(64)));
    static uint64_t word;
    trap_handler *old = trap_set_handler(1, hit);

    hits = 0;
    EXPECT(set(0, (uint64_t)&info), 0);
    EXPECT(set(1, (uint64_t)&word), 0);
    EXPECT(set(7, DR7_WRITE8(0) | DR7_WRITE8(1)), 0);
    EXPECT(hypercall_vcpu_op(VCPUOP_get_runstate_info, 0, &info), 0);
    EXPECT(hits, 0);
    EXPECT(get(6), DR6_NONE);
    *(volatile int *)&info.state = 1;
    EXPECT(hits, 1);
    EXPECT(get(6), DR6_NONE | 1);
    *(volatile uint64_t *)&word = 1;
    EXPECT(hits, 2);
    EXPECT(get(6), DR6_NONE | (SINCE_XEN(20) ? 2 : 3));
    EXPECT(set(6, DR6_NONE), 0);
    *(volatile uint64_t *)&word = 1;
    EXPECT(get(6), DR6_NONE | 2);
    trap_set_handler(1, old);
    all_off();
}

// On instructions of user mode, on the kernel's entry, on the words of the frame.
static void around_user_mode(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall_now);

    user_begin();
    EXPECT(set(0, (uint64_t)user_do_syscall_now), 0);
    EXPECT(set(7, DR7_EXECUTE0), 0);
    EXPECT(user_visit(&frame, 0), PROBE_TRAP + 1);
    EXPECT(probe_frame.rip, frame.rip);
    EXPECT(user_visit(&frame, VGCF_in_syscall), PROBE_TRAP + 1);
    frame.rflags |= FLAG_RF; // go on behind it
    EXPECT(user_visit(&frame, 0), USER_SYSCALL);
    EXPECT(set(0, (uint64_t)user_syscall_entry), 0);
    EXPECT(user_visit(&frame, 0), PROBE_TRAP + 1);
    EXPECT(probe_frame.rip, (uint64_t)user_syscall_entry);
    EXPECT(probe_frame.cs & 0xffff, FLAT_KERNEL_CS & ~3UL);
    EXPECT(set(0, user_kernel_stack_top - 16), 0);
    EXPECT(set(7, DR7_WRITE8(0)), 0);
    EXPECT(user_visit(&frame, 0), USER_SYSCALL);
    user_end();
    all_off();
}

static const struct report_case cases[] = {
    REPORT_CASE(register_values),    REPORT_CASE(step_over_hypercall),
    REPORT_CASE(step_over_emulated), REPORT_CASE(watched_by_the_hypervisor),
    REPORT_CASE(around_user_mode),
};

GUEST_FAMILY(debug, REPORT_SUITE("debug", cases));
