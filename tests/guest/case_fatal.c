// SPDX-License-Identifier: MIT
// Ends of a domain: each of these is booted by itself, and the hypervisor says how the domain ended.
// The machine goes on in every case.
#include "tests/guest/guest.h"

#include <stdio.h>
#include <string.h>
#include <xen/callback.h>
#include <xen/sched.h>

#include "pvguest/start.h"
#include "tests/guest/user.h"

static void shutdown(unsigned int reason)
{
    struct sched_shutdown s = {.reason = reason};

    hypercall_sched_op(SCHEDOP_shutdown, &s);
}

static void shutdown_crash(void)
{
    shutdown(SHUTDOWN_crash);
}

static void shutdown_poweroff(void)
{
    shutdown(SHUTDOWN_poweroff);
}

static void trap_without_handler(void)
{
    hypercall_set_trap_table(NULL);
    __asm__ volatile("ud2");
}

static void old_shutdown(void)
{
    HYPERCALL2(__HYPERVISOR_sched_op_compat, SCHEDOP_shutdown, SHUTDOWN_poweroff);
}

// An exception finds no stack to be delivered on.
static void stack_unmapped(void)
{
    __asm__ volatile("movq %0, %%rsp; ud2" ::"r"(0x10UL));
}

static void stack_in_hypervisor(void)
{
    __asm__ volatile("movq %0, %%rsp; ud2" ::"r"(HYPERVISOR_ADDRESS));
}

// The iret hypercall reads its frame from a stack that is not there.
static void iret_bad_frame(void)
{
    __asm__ volatile("movq %0, %%rsp; movl %1, %%eax; syscall" ::"r"(0x10UL),
                     "i"(__HYPERVISOR_iret));
}

// A return to user mode without a user page table.
static void user_without_root(void)
{
    static unsigned char stack[4096];
    struct user_frame frame = {.rip = (uint64_t)user_do_syscall,
                               .cs = FLAT_USER_CS,
                               .rflags = 2,
                               .rsp = (uint64_t)(stack + sizeof(stack)),
                               .ss = FLAT_USER_SS};

    mmuext(MMUEXT_NEW_USER_BASEPTR, 0);
    user_enter(&frame, 0);
}

// --- exceptions that nobody is there for

static void page_fault_without_handler(void)
{
    hypercall_set_trap_table(NULL);
    __asm__ volatile("movl %0, (%1)" ::"r"(1), "r"(0x10UL) : "memory");
}

static void step_without_handler(void)
{
    hypercall_set_trap_table(NULL);
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; nop" ::: "memory", "cc");
}

// The handlers are where ring 3 may not go: each fault raises another, until the stack ends.
static void handlers_in_hypervisor(void)
{
    static struct trap_info table[3];

    table[0] = (struct trap_info){6, 0, FLAT_KERNEL_CS, (unsigned long)HYPERVISOR_ADDRESS};
    table[1] = (struct trap_info){14, 0, FLAT_KERNEL_CS, (unsigned long)HYPERVISOR_ADDRESS};
    hypercall_set_trap_table(table);
    __asm__ volatile("ud2");
}

static void upcall_without_callback(void)
{
    user_callback(CALLBACKTYPE_event, NULL, 0);
    shared_info_page->vcpu_info[0].evtchn_upcall_mask = 0;
    shared_info_page->vcpu_info[0].evtchn_upcall_pending = 1;
    hypercall_sched_op(SCHEDOP_yield, NULL);
}

static void system_call_without_anything(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

    user_begin();
    user_callback(CALLBACKTYPE_syscall, NULL, 0);
    hypercall_set_trap_table(NULL);
    user_enter(&frame, 0);
}

// --- kernel stacks that cannot take a frame

static void user_mode_with_stack(uint64_t stack)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_interrupt);

    user_begin();
    hypercall_stack_switch(FLAT_KERNEL_SS, stack);
    user_enter(&frame, 0);
}

static void user_stack_non_canonical(void)
{
    user_mode_with_stack((uint64_t)NON_CANONICAL);
}

static void user_stack_readonly(void)
{
    char *page = page_alloc(0);

    page_set_readonly(page);
    user_mode_with_stack((uint64_t)page + PAGE_SIZE);
}

// --- returns without a frame

static void iret_straddles_the_hole(void)
{
    __asm__ volatile("movq %0, %%rsp; movl %1, %%eax; syscall" ::"r"(0x00007ffffffffff0UL),
                     "i"(__HYPERVISOR_iret));
}

static void iret_in_multicall(void)
{
    static struct multicall_entry entry = {.op = __HYPERVISOR_iret};

    __asm__ volatile("movq %0, %%rsp; movl %1, %%eax; syscall" ::"r"(0x10UL),
                     "i"(__HYPERVISOR_multicall), "D"(&entry), "S"(1UL));
}

static const struct {
    const char *name;
    void (*run)(void);
} fatal_cases[] = {
    {"shutdown_crash",               shutdown_crash              },
    {"shutdown_poweroff",            shutdown_poweroff           },
    {"old_shutdown",                 old_shutdown                },
    {"trap_without_handler",         trap_without_handler        },
    {"stack_unmapped",               stack_unmapped              },
    {"stack_in_hypervisor",          stack_in_hypervisor         },
    {"iret_bad_frame",               iret_bad_frame              },
    {"user_without_root",            user_without_root           },
    {"page_fault_without_handler",   page_fault_without_handler  },
    {"step_without_handler",         step_without_handler        },
    {"handlers_in_hypervisor",       handlers_in_hypervisor      },
    {"upcall_without_callback",      upcall_without_callback     },
    {"system_call_without_anything", system_call_without_anything},
    {"user_stack_non_canonical",     user_stack_non_canonical    },
    {"user_stack_readonly",          user_stack_readonly         },
    {"iret_straddles_the_hole",      iret_straddles_the_hole     },
    {"iret_in_multicall",            iret_in_multicall           },
};

void fatal_run(const char *name)
{
    for (size_t i = 0; i < sizeof(fatal_cases) / sizeof(fatal_cases[0]); i++) {
        if (strcmp(fatal_cases[i].name, name) == 0) {
            printf("FATAL begin %s\n", name);
            fflush(stdout);
            fatal_cases[i].run();
        }
    }
}
