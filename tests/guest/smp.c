// SPDX-License-Identifier: MIT
#include "tests/guest/smp.h"

#include <string.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "pvguest/time.h"
#include "tests/guest/guest.h"
#include "tests/guest/user.h"

#define STACK_BYTES 8192
#define WAIT (20 * NSEC_PER_SEC)
#define START_RFLAGS 0x200

static unsigned char stacks[SMP_VCPUS][STACK_BYTES] __attribute__((aligned(16)));
static smp_work *volatile works[SMP_VCPUS];
volatile unsigned long smp_ran[SMP_VCPUS];

void smp_yield(void)
{
    hypercall_sched_op(SCHEDOP_yield, NULL);
}

static void smp_main(unsigned long me)
{
    for (;;) {
        if (works[me])
            works[me]((unsigned int)me);
        __atomic_add_fetch(&smp_ran[me], 1, __ATOMIC_SEQ_CST);
        hypercall_vcpu_op(VCPUOP_down, (unsigned int)me, NULL);
    }
}

void smp_context(unsigned int id, struct vcpu_guest_context *context)
{
    memset(context, 0, sizeof(*context));
    context->flags = VGCF_in_kernel;
    context->user_regs.rip = (uint64_t)smp_main;
    context->user_regs.rdi = id;
    context->user_regs.rsp = (uint64_t)(stacks[id] + STACK_BYTES - sizeof(uint64_t));
    context->user_regs.cs = FLAT_KERNEL_CS;
    context->user_regs.ss = FLAT_KERNEL_SS;
    context->user_regs.rflags = START_RFLAGS;
    context->kernel_ss = FLAT_KERNEL_SS;
    context->kernel_sp = context->user_regs.rsp;
    context->ctrlreg[3] = xen_pfn_to_cr3(user_kernel_root());
}

long smp_initialise(unsigned int id)
{
    static struct vcpu_guest_context context;

    smp_context(id, &context);
    return hypercall_vcpu_op(VCPUOP_initialise, id, &context);
}

void smp_start(unsigned int id, smp_work *work)
{
    smp_initialise(id);
    works[id] = work;
    EXPECT(hypercall_vcpu_op(VCPUOP_up, id, NULL), 0);
}

bool smp_wait(unsigned int id)
{
    uint64_t limit = time_now() + WAIT;

    while (hypercall_vcpu_op(VCPUOP_is_up, id, NULL) == 1) {
        if (time_now() > limit)
            return false;
        smp_yield();
    }
    return true;
}

void smp_start_all(smp_work *work)
{
    for (unsigned int i = 1; i < SMP_VCPUS; i++)
        smp_start(i, work);
}

bool smp_wait_all(void)
{
    bool good = true;

    for (unsigned int i = 1; i < SMP_VCPUS; i++)
        good &= EXPECT_TRUE(smp_wait(i));
    return good;
}
