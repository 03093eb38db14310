// SPDX-License-Identifier: MIT
// Every way from user mode into the guest kernel, with every flag that could hurt on the way.
#include "tests/guest/guest.h"

#include <xen/callback.h>
#include <xen/sched.h>

#include "pvguest/start.h"
#include "tests/guest/user.h"

#define FLAGS_SEEN (FLAG_TF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_RF | FLAG_VM | FLAG_AC)
#define FLAGS_NEVER (FLAG_IOPL | FLAG_VM) // cannot be brought into user mode
#define SYSENTER_CS 3                     // a null selector of ring 3
#define EDGE_SYSCALL 0x00007ffffffffffeUL
#define EDGE_RETURN 0x0000800000000000UL

static const uint64_t flags_tried[] = {0,       FLAG_TF,   FLAG_DF, FLAG_NT,
                                       FLAG_RF, FLAG_IOPL, FLAG_VM, FLAG_AC};

// An instruction of user mode: how it enters, the flags that the frame cannot show, the flags that the
// kernel is entered with if they were set.
struct way {
    uint64_t rip; // 0: the 32-bit code
    const char *code32;
    unsigned int end;
    uint64_t hidden, kept;
};

static struct user_frame way_frame(const struct way *w, uint64_t flags)
{
    struct user_frame frame = w->rip ? user_frame_at(w->rip) : user32_frame_at(w->code32);

    frame.rflags |= flags;
    return frame;
}

static void enter_with_flags(const struct way *w)
{
    for (size_t i = 0; i < sizeof(flags_tried) / sizeof(flags_tried[0]); i++) {
        uint64_t flags = flags_tried[i];
        struct user_frame frame = way_frame(w, flags);

        EXPECT(user_visit(&frame, 0), w->end);
        if (w->end >= PROBE_TRAP) {
            // A processor's fault sets RF in the frame; QEMU 7.2 does not, QEMU 10 does.
            EXPECT(probe_frame.rflags & FLAGS_SEEN & ~(uint64_t)FLAG_RF,
                   flags & ~(w->hidden | FLAGS_NEVER | FLAG_RF));
        } else {
            EXPECT(user_saved.rflags & FLAGS_SEEN, flags & ~(w->hidden | FLAGS_NEVER));
            EXPECT(user_entry_rflags & FLAGS_SEEN, flags & w->kept);
        }
    }
}

static void flags_of_64_bit_code(void)
{
    const struct way ways[] = {
        {(uint64_t)user_do_syscall_now, NULL, USER_SYSCALL,    FLAG_RF, 0      },
        {(uint64_t)user_do_interrupt,   NULL, USER_INTERRUPT,  0,       FLAG_DF},
        {(uint64_t)user_do_breakpoint,  NULL, PROBE_TRAP + 3,  0,       0      },
        {(uint64_t)user_do_privileged,  NULL, PROBE_TRAP + 13, 0,       0      },
    };

    user_begin();
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        enter_with_flags(&ways[i]);
    user_end();
}

// (SYSCALL of 32-bit code is there on AMD processors, and on any that QEMU 7.2 plays, but not QEMU 10.)
static void flags_of_32_bit_code(void)
{
    const struct way ways[] = {
        {0, user32_syscall,   USER_SYSCALL32, FLAG_RF, 0      },
        {0, user32_interrupt, USER_INTERRUPT, 0,       FLAG_DF},
        {0, user32_undefined, PROBE_TRAP + 6, 0,       0      },
    };

    user_begin();
    if (user_root_build() && user_root_use()) {
        struct user_frame frame = user32_frame_at(user32_overflow);

        struct user_frame call = user32_frame_at(user32_syscall);
        bool has_no_syscall = user_visit(&call, 0) == PROBE_TRAP + 6;

        for (size_t i = has_no_syscall; i < sizeof(ways) / sizeof(ways[0]); i++)
            enter_with_flags(&ways[i]);
        EXPECT(user_visit(&frame, 0), PROBE_TRAP + 4);
        frame.cs = FLAT_USER_CS; // INTO is 32-bit code only; QEMU 10 has it everywhere
        unsigned int trap = user_visit(&frame, 0) - PROBE_TRAP;
        EXPECT_TRUE(trap == 6 || trap == 4);
    }
    user_root_free();
    user_end();
}

// The faster return traps before the first instruction, IRET after it.
static void step_after_return(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

    user_begin();
    frame.rflags |= FLAG_TF;
    EXPECT(user_visit(&frame, VGCF_in_syscall), PROBE_TRAP + 1);
    EXPECT(probe_frame.rip, frame.rip);
    EXPECT(probe_frame.rflags & FLAG_TF, FLAG_TF);
    EXPECT(user_visit(&frame, 0), PROBE_TRAP + 1);
    EXPECT_TRUE(probe_frame.rip > frame.rip);
    user_end();
}

// A system call in the last two bytes of the lower half leaves an address that is not canonical in RCX.
static void system_call_at_the_edge(void)
{
    struct user_frame frame = user_frame_at(EDGE_SYSCALL);

    user_begin();
    if (user_root_build() && user_root_use()) {
        EXPECT(user_visit(&frame, 0), USER_SYSCALL);
        EXPECT(user_saved.rip, EDGE_RETURN);
        EXPECT(user_saved_rcx, EDGE_RETURN);
        frame.rip = EDGE_RETURN;
        EXPECT_TRUE(user_is_refused(&frame, VGCF_in_syscall));
        EXPECT_TRUE(user_is_refused(&frame, 0));
    }
    user_root_free();
    user_end();
}

static void upcalls_are_masked_on_request(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

    user_begin();
    frame.rflags |= FLAG_IF;
    EXPECT(user_visit(&frame, 0), USER_SYSCALL);
    EXPECT(user_saved.cs >> 32, 0);
    EXPECT(user_entry_mask, 0);
    EXPECT(user_callback(CALLBACKTYPE_syscall, user_syscall_entry, CALLBACKF_mask_events), 0);
    EXPECT(user_visit(&frame, 0), USER_SYSCALL);
    EXPECT(user_saved.cs >> 32, 0);
    EXPECT(user_entry_mask, 1);
    EXPECT(user_callback(CALLBACKTYPE_syscall, user_syscall_entry, 0), 0);
    user_end();
}

// Without an entry point a system call is an undefined instruction.
static void system_call_without_entry(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall_now);

    user_begin();
    EXPECT(user_callback(CALLBACKTYPE_syscall, NULL, 0), 0);
    frame.rflags |= FLAG_DF;
    EXPECT(user_visit(&frame, 0), PROBE_TRAP + 6);
    EXPECT(probe_frame.rip, frame.rip);
    EXPECT(probe_frame.rflags & FLAG_DF, FLAG_DF);
    user_end();
}

// --- SYSENTER

static bool has_sysenter(void)
{
    uint32_t a = 0, b, c, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    if (b == 0x68747541) // AMD's has it in legacy mode only
        return false;
    a = 1;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return d >> 11 & 1;
}

// Xen 4.17 has no stack for SYSENTER on its boot CPU and dies there of a double fault.
static void sysenter_begin(void)
{
    struct sched_pin_override pin = {.pcpu = 1};

    EXPECT(hypercall_sched_op(SCHEDOP_pin_override, &pin), 0);
    user_begin();
}

static void sysenter_end(void)
{
    struct sched_pin_override pin = {.pcpu = -1};

    user_end();
    EXPECT(hypercall_sched_op(SCHEDOP_pin_override, &pin), 0);
}

static void sysenter(void)
{
    const struct way ways[] = {
        {(uint64_t)user_do_sysenter, NULL,            USER_SYSENTER, FLAG_RF, FLAG_DF},
        {0,                          user32_sysenter, USER_SYSENTER, FLAG_RF, FLAG_DF},
    };
    const struct way absent = {(uint64_t)user_do_sysenter, NULL, PROBE_TRAP + 6, 0, 0};

    sysenter_begin();
    if (user_root_build() && user_root_use() && has_sysenter()) {
        for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
            enter_with_flags(&ways[i]);
            EXPECT(user_saved.rip, 0);
            EXPECT(user_saved.cs & 0xffff, SYSENTER_CS);
            EXPECT(user_saved.rsp, 0);
            EXPECT(user_saved.ss, FLAT_USER_SS);
        }
    } else {
        enter_with_flags(&absent);
    }
    user_root_free();
    sysenter_end();
}

static void sysenter_without_entry(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_sysenter);

    sysenter_begin();
    EXPECT(user_callback(CALLBACKTYPE_sysenter, NULL, 0), 0);
    frame.rflags |= FLAG_TF | FLAG_NT | FLAG_AC | FLAG_DF;
    if (has_sysenter()) {
        EXPECT(user_visit(&frame, 0), PROBE_TRAP + 13);
        EXPECT(probe_frame.rip, 0);
        EXPECT(probe_frame.error_code, 0);
        EXPECT(probe_frame.rflags & FLAGS_SEEN, FLAG_TF | FLAG_NT | FLAG_AC | FLAG_DF);
    } else {
        EXPECT(user_visit(&frame, 0), PROBE_TRAP + 6);
    }
    sysenter_end();
}

static const struct report_case cases[] = {
    REPORT_CASE(flags_of_64_bit_code),
    REPORT_CASE(flags_of_32_bit_code),
    REPORT_CASE(step_after_return),
    REPORT_CASE(system_call_at_the_edge),
    REPORT_CASE(upcalls_are_masked_on_request),
    REPORT_CASE(system_call_without_entry),
    REPORT_CASE(sysenter),
    REPORT_CASE(sysenter_without_entry),
};

GUEST_FAMILY(entries, REPORT_SUITE("entry", cases));
