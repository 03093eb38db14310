// SPDX-License-Identifier: MIT
// vcpu_op with sixteen vcpus on fewer CPUs: contexts that are refused, all of them at work, events
// between all of them, areas, timers, tables of their own.
#include "tests/guest/guest.h"

#include <string.h>
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "pvguest/start.h"
#include "pvguest/time.h"
#include "tests/guest/smp.h"
#include "tests/guest/user.h"

#define OP(command, vcpu, arg) hypercall_vcpu_op(VCPUOP_##command, vcpu, arg)
#define LAST (SMP_VCPUS - 1)
#define NONE SMP_VCPUS // the first number that is no vcpu
#define PORT_BITS 64
#define LIMIT (20 * NSEC_PER_SEC)
// Short: Xen under QEMU forgets vcpus now and then until a timer fires.
#define POLL_TIME (50 * NSEC_PER_MSEC)

// --- initialise

static struct vcpu_guest_context context;

// One word of a good context replaced: refused, and the vcpu stays without a state.
static void refuse_word(unsigned long *word, uint64_t value)
{
    smp_context(LAST, &context);
    *word = value;
    EXPECT(OP(initialise, LAST, &context), -XEN_EINVAL);
    EXPECT(OP(up, LAST, NULL), -XEN_EINVAL);
}

static void contexts_refused(void)
{
    const uint64_t bad = (uint64_t)NON_CANONICAL;
    uint64_t *const addresses[] = {&context.user_regs.rip,
                                   &context.user_regs.rsp,
                                   &context.kernel_sp,
                                   &context.event_callback_eip,
                                   &context.failsafe_callback_eip,
                                   &context.syscall_callback_eip,
                                   &context.fs_base,
                                   &context.gs_base_kernel,
                                   &context.gs_base_user,
                                   &context.ldt_base,
                                   &context.trap_ctxt[255].address};

    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        refuse_word(addresses[i], bad);
    refuse_word(&context.ldt_base, PAGE_SIZE / 2);
    refuse_word(&context.ldt_base, (uint64_t)HYPERVISOR_ADDRESS);
    refuse_word(&context.ldt_ents, 8193);
    refuse_word(&context.gdt_ents, 7169);
    refuse_word(&context.gdt_ents, 16 * 512 + 1);
    refuse_word(&context.gdt_ents, 1); // its frame is 0
    refuse_word(&context.ctrlreg[3], ABSENT_FRAME << PAGE_SHIFT);
    refuse_word(&context.ctrlreg[3], virt_to_mfn(&context) << PAGE_SHIFT);
    refuse_word(&context.ctrlreg[1], ABSENT_FRAME << PAGE_SHIFT);
    refuse_word(&context.ctrlreg[3], 0);
    smp_context(LAST, &context);
    context.gdt_ents = 1;
    context.gdt_frames[0] = frame_of_another();
    EXPECT(OP(initialise, LAST, &context), -XEN_EINVAL);
    smp_context(LAST, &context);
    context.flags = 0; // user mode without a page table for it
    EXPECT(OP(initialise, LAST, &context), -XEN_EINVAL);
    EXPECT(OP(initialise, NONE, &context), -XEN_ENOENT);
    EXPECT(OP(initialise, 0, &context), -XEN_EEXIST);
}

#define INTERRUPT_GATE 0x0000ee000008ffffUL

// A frame that a failed call named for the GDT is free again.
static void refused_context_holds_nothing(void)
{
    uint64_t *table = table_alloc();

    REQUIRE(table != NULL);
    smp_context(LAST, &context);
    context.gdt_ents = 1;
    context.gdt_frames[0] = virt_to_mfn(table);
    EXPECT(OP(initialise, LAST, &context), -XEN_EINVAL); // it is writable
    table[100] = INTERRUPT_GATE;
    EXPECT(page_set_readonly(table), 0);
    EXPECT(OP(initialise, LAST, &context), -XEN_EINVAL);
    EXPECT(page_set_writable(table), 0);
    table[100] = 0;
    EXPECT(page_set_readonly(table), 0);
    context.ctrlreg[3] = ABSENT_FRAME << PAGE_SHIFT;
    EXPECT(OP(initialise, LAST, &context), -XEN_EINVAL);
    EXPECT(page_set_writable(table), 0);
    page_free(table, 0);
}

// The assists of a context count for the first vcpu only.
static void context_assists(void)
{
    struct user_frame frame = user_frame_at((uint64_t)user_do_syscall);

    smp_context(LAST, &context);
    context.vm_assist = 1UL << VMASST_TYPE_architectural_iopl;
    EXPECT(OP(initialise, LAST, &context), 0);
    user_begin();
    frame.rflags |= FLAG_IOPL;
    EXPECT(user_visit(&frame, 0), USER_SYSCALL);
    EXPECT(user_saved.rflags & FLAG_IOPL, 0);
    user_end();
    EXPECT(smp_initialise(LAST), -XEN_EEXIST);
}

// --- all of them

static volatile unsigned long ups_seen[SMP_VCPUS];

static void count_ups(unsigned int me)
{
    unsigned long count = 0;

    for (unsigned int i = 0; i < SMP_VCPUS; i++)
        count += OP(is_up, i, NULL) == 1;
    ups_seen[me] = count;
}

static void all_work(void)
{
    unsigned long before[SMP_VCPUS];

    for (unsigned int i = 1; i < SMP_VCPUS; i++) {
        before[i] = smp_ran[i];
        ups_seen[i] = 0;
    }
    smp_start_all(count_ups);
    REQUIRE(smp_wait_all());
    for (unsigned int i = 1; i < SMP_VCPUS; i++) {
        EXPECT(smp_ran[i], before[i] + 1);
        EXPECT_TRUE(ups_seen[i] >= 2 && ups_seen[i] <= SMP_VCPUS);
        EXPECT(OP(down, i, NULL), 0);
    }
    EXPECT(OP(is_up, NONE, NULL), -XEN_ENOENT);
    EXPECT(OP(up, NONE, NULL), -XEN_ENOENT);
    EXPECT(HYPERCALL3(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 0x100000000UL, 0), 1);
}

// --- events between all of them

// ports[to][from] wakes `to` out of its poll on all of its ports.
static evtchn_port_t ports[SMP_VCPUS][SMP_VCPUS];
static volatile unsigned long heard[SMP_VCPUS], polls_failed;

static bool take(evtchn_port_t port)
{
    uint64_t bit = 1UL << port % PORT_BITS;

    return __atomic_fetch_and(&shared_info_page->evtchn_pending[port / PORT_BITS], ~bit,
                              __ATOMIC_SEQ_CST) &
           bit;
}

static void talk_to_all(unsigned int me)
{
    struct sched_poll poll = {.nr_ports = SMP_VCPUS};
    uint64_t limit = time_now() + LIMIT;

    for (unsigned int to = 0; to < SMP_VCPUS; to++) {
        struct evtchn_send send = {.port = ports[to][me]};
        hypercall_event_channel_op(EVTCHNOP_send, &send);
    }
    set_xen_guest_handle(poll.ports, ports[me]);
    while (heard[me] < SMP_VCPUS && time_now() < limit) {
        poll.timeout = time_now() + POLL_TIME;
        if (hypercall_sched_op(SCHEDOP_poll, &poll) != 0)
            polls_failed++;
        for (unsigned int from = 0; from < SMP_VCPUS; from++)
            heard[me] += take(ports[me][from]);
    }
}

static void all_talk_to_all(void)
{
    for (unsigned int to = 0; to < SMP_VCPUS; to++) {
        heard[to] = 0;
        for (unsigned int from = 0; from < SMP_VCPUS; from++) {
            struct evtchn_bind_ipi bind = {.vcpu = to};
            REQUIRE(EXPECT(hypercall_event_channel_op(EVTCHNOP_bind_ipi, &bind), 0));
            ports[to][from] = bind.port;
            __atomic_fetch_or(&shared_info_page->evtchn_mask[bind.port / PORT_BITS],
                              1UL << bind.port % PORT_BITS, __ATOMIC_SEQ_CST);
        }
    }
    smp_start_all(talk_to_all);
    talk_to_all(0);
    EXPECT_TRUE(smp_wait_all());
    EXPECT(polls_failed, 0);
    for (unsigned int to = 0; to < SMP_VCPUS; to++) {
        EXPECT(heard[to], SMP_VCPUS);
        for (unsigned int from = 0; from < SMP_VCPUS; from++) {
            struct evtchn_close close = {.port = ports[to][from]};
            EXPECT(hypercall_event_channel_op(EVTCHNOP_close, &close), 0);
        }
    }
}

// A port goes to the vcpu that it is bound to, also to one that is down.
static void port_to_each_vcpu(void)
{
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain pair = {.remote_dom = DOMID_SELF};
    struct evtchn_close close;

    REQUIRE(EXPECT(hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &unbound), 0));
    pair.remote_port = unbound.port;
    REQUIRE(EXPECT(hypercall_event_channel_op(EVTCHNOP_bind_interdomain, &pair), 0));
    struct evtchn_send send = {.port = pair.local_port};
    uint64_t bit = 1UL << unbound.port % PORT_BITS, word = 1UL << unbound.port / PORT_BITS;

    for (unsigned int i = 1; i < SMP_VCPUS; i++) {
        struct evtchn_bind_vcpu bind = {.port = unbound.port, .vcpu = i};
        struct vcpu_info *info = &shared_info_page->vcpu_info[i];

        EXPECT(hypercall_event_channel_op(EVTCHNOP_bind_vcpu, &bind), 0);
        take(unbound.port);
        __atomic_fetch_and(&shared_info_page->evtchn_mask[unbound.port / PORT_BITS], ~bit,
                           __ATOMIC_SEQ_CST);
        info->evtchn_pending_sel = 0;
        info->evtchn_upcall_pending = 0;
        EXPECT(hypercall_event_channel_op(EVTCHNOP_send, &send), 0);
        EXPECT(info->evtchn_pending_sel, word);
        EXPECT(info->evtchn_upcall_pending, 1);
        EXPECT(info->evtchn_upcall_mask, 1);
        info->evtchn_pending_sel = 0;
        info->evtchn_upcall_pending = 0;
    }
    struct evtchn_bind_vcpu absent = {.port = unbound.port, .vcpu = NONE};
    EXPECT(hypercall_event_channel_op(EVTCHNOP_bind_vcpu, &absent), -XEN_ENOENT);
    close.port = pair.local_port;
    EXPECT(hypercall_event_channel_op(EVTCHNOP_close, &close), 0);
    close.port = unbound.port;
    EXPECT(hypercall_event_channel_op(EVTCHNOP_close, &close), 0);
    take(unbound.port);
}

// --- down while others send to it

static volatile bool sending_ends;
static evtchn_port_t storm_port;

static void send_storm(unsigned int me)
{
    struct evtchn_send send = {.port = storm_port};

    while (!sending_ends)
        hypercall_event_channel_op(EVTCHNOP_send, &send);
}

static void down_under_fire(void)
{
    struct evtchn_bind_ipi bind = {.vcpu = 1};
    unsigned long before = smp_ran[1];

    REQUIRE(EXPECT(hypercall_event_channel_op(EVTCHNOP_bind_ipi, &bind), 0));
    storm_port = bind.port;
    sending_ends = false;
    for (unsigned int i = 2; i < 6; i++)
        smp_start(i, send_storm);
    for (unsigned int i = 0; i < 20; i++) {
        smp_start(1, NULL);
        EXPECT(OP(down, 1, NULL), 0);
        EXPECT(OP(is_up, 1, NULL), 0);
        EXPECT(OP(up, 1, NULL), 0);
        EXPECT_TRUE(smp_wait(1));
    }
    EXPECT_TRUE(smp_ran[1] >= before + 20);
    sending_ends = true;
    for (unsigned int i = 2; i < 6; i++)
        EXPECT_TRUE(smp_wait(i));
    struct evtchn_close close = {.port = storm_port};
    EXPECT(hypercall_event_channel_op(EVTCHNOP_close, &close), 0);
    take(storm_port);
}

static const struct report_case cases[] = {
    REPORT_CASE(contexts_refused), REPORT_CASE(refused_context_holds_nothing),
    REPORT_CASE(context_assists),  REPORT_CASE(all_work),
    REPORT_CASE(all_talk_to_all),  REPORT_CASE(port_to_each_vcpu),
    REPORT_CASE(down_under_fire),
};

GUEST_FAMILY(smp, REPORT_SUITE("vcpus", cases));
