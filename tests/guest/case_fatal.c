// SPDX-License-Identifier: MIT
// Ends of a domain: each of these is booted by itself, and the hypervisor says how the domain ended.
// The machine goes on in every case.
#include "tests/guest/guest.h"

#include <stdio.h>
#include <string.h>
#include <xen/sched.h>

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

static const struct {
    const char *name;
    void (*run)(void);
} fatal_cases[] = {
    {"shutdown_crash",       shutdown_crash      },
    {"shutdown_poweroff",    shutdown_poweroff   },
    {"old_shutdown",         old_shutdown        },
    {"trap_without_handler", trap_without_handler},
    {"stack_unmapped",       stack_unmapped      },
    {"stack_in_hypervisor",  stack_in_hypervisor },
    {"iret_bad_frame",       iret_bad_frame      },
    {"user_without_root",    user_without_root   },
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
