// SPDX-License-Identifier: MIT
/*
 * Sends of several vcpus at the same time, each to a port of its own, the upcall masked. What they cost
 * tests/bench/senders.py counts from outside.
 */
#include "pvguest/examples/bench/bench.h"

#include <string.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include "pvguest/errno.h"
#include "pvguest/event.h"
#include "pvguest/hypercall.h"
#include "pvguest/memory.h"
#include "pvguest/start.h"

#define SENDERS 4U
#define SENDS 200000U
#define STACK_BYTES 4096

static volatile unsigned int at_work;
static evtchn_port_t ports[SENDERS], over_port;
static unsigned char stacks[SENDERS][STACK_BYTES] __attribute__((aligned(16)));

static void send_all(unsigned int me)
{
    struct vcpu_info *info = &shared_info_page->vcpu_info[me];
    struct evtchn_send op = {.port = ports[me]};
    uint64_t *pending = &shared_info_page->evtchn_pending[op.port / 64];

    info->evtchn_upcall_mask = 1;
    for (unsigned int i = 0; i < SENDS; i++) {
        hypercall_event_channel_op(EVTCHNOP_send, &op);
        __atomic_fetch_and(pending, ~(1UL << op.port % 64), __ATOMIC_SEQ_CST);
        info->evtchn_pending_sel = 0;
        info->evtchn_upcall_pending = 0;
    }
    __atomic_sub_fetch(&at_work, 1, __ATOMIC_SEQ_CST);
    event_send(over_port);
}

static void sender_main(unsigned long me)
{
    send_all((unsigned int)me);
    hypercall_vcpu_op(VCPUOP_down, (unsigned int)me, NULL);
}

/* It sends, and goes down. */
static long bring_up(unsigned int id)
{
    static struct vcpu_guest_context context;
    uint64_t root;

    __asm__ volatile("movq %%cr3, %0" : "=r"(root));
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = (uint64_t)sender_main;
    context.user_regs.rdi = id;
    context.user_regs.rsp = (uint64_t)(stacks[id] + STACK_BYTES - sizeof(uint64_t));
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = context.user_regs.rsp;
    context.ctrlreg[3] = root;
    long rc = hypercall_vcpu_op(VCPUOP_initialise, id, &context);
    return rc ? rc : hypercall_vcpu_op(VCPUOP_up, id, NULL);
}

static long prepare(void)
{
    long own = event_bind_ipi(NULL, NULL); /* masked: it is only polled for */

    if (own < 0) {
        return own;
    }
    over_port = (evtchn_port_t)own;
    for (unsigned int id = 0; id < SENDERS; id++) {
        struct evtchn_bind_ipi bind = {.vcpu = id};
        long rc = hypercall_event_channel_op(EVTCHNOP_bind_ipi, &bind);
        if (rc != 0) {
            return rc;
        }
        ports[id] = bind.port;
        __atomic_fetch_and(&shared_info_page->evtchn_mask[bind.port / 64], ~(1UL << bind.port % 64),
                           __ATOMIC_SEQ_CST);
    }
    return 0;
}

long senders_run(unsigned int count)
{
    unsigned long saved = event_save();
    long rc = count > SENDERS ? -XEN_EINVAL : prepare();

    at_work = count;
    for (unsigned int id = 1; id < count && rc == 0; id++) {
        rc = bring_up(id);
    }
    if (rc != 0) {
        return rc;
    }
    if (count > 0) {
        send_all(0);
    }
    while (at_work > 0) {
        struct sched_poll poll = {.nr_ports = 1};
        set_xen_guest_handle(poll.ports, &over_port);
        hypercall_sched_op(SCHEDOP_poll, &poll);
        event_clear(over_port);
    }
    event_restore(saved);
    return (long)count * SENDS;
}
