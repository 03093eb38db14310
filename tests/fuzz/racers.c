// SPDX-License-Identifier: MIT
// The hostile fuzzer's other vcpus: they race with the first one, and with each other, on the same frames,
// ports and grants. They have nothing but a stack and an upcall handler, so nothing here may fault.
#include "tests/fuzz/hostile.h"

#include <stdio.h>
#include <string.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#define GRANTS_FIRST (PAGE_SIZE / sizeof(grant_entry_v1_t))

static unsigned char stacks[HOSTILE_RACERS_MAX][4 * PAGE_SIZE] __attribute__((aligned(16)));
static volatile unsigned int racers, racers_down;
static volatile bool stop;
static volatile uint64_t racer_calls;

static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15UL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
    return z ^ z >> 31;
}

static void race_tables(uint64_t *state)
{
    static const unsigned char pins[] = {MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE,
                                         MMUEXT_PIN_L3_TABLE, MMUEXT_UNPIN_TABLE};
    static const unsigned char flags[] = {1, 3, 5, 7, 0, 0x67, 0x27, 0x65};
    const struct fuzz_frame *f = &fuzz_frames[mix(state) % FUZZ_FRAMES];
    const struct fuzz_frame *other = &fuzz_frames[mix(state) % FUZZ_FRAMES];
    uint64_t entry = other->mfn << PAGE_SHIFT | flags[mix(state) % sizeof(flags)];

    switch (mix(state) % 3) {
    case 0: {
        struct mmu_update request = {(f->mfn << PAGE_SHIFT) + mix(state) % 6 * 8, entry};
        hypercall_mmu_update(&request, 1, NULL, DOMID_SELF);
        break;
    }
    case 1:
        hypercall_update_va_mapping(f->address, entry, UVMF_INVLPG | UVMF_ALL);
        break;
    default: {
        struct mmuext_op op = {.cmd = pins[mix(state) % 4], .arg1.mfn = f->mfn};
        hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF);
        break;
    }
    }
}

static void race_events(uint64_t *state)
{
    struct evtchn_close end = {.port = 16 + (evtchn_port_t)(mix(state) % 32)};
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain bind = {.remote_dom = DOMID_SELF, .remote_port = end.port};
    struct evtchn_bind_vcpu vcpu = {.port = end.port, .vcpu = (uint32_t)(mix(state) % 4)};

    switch (mix(state) % 5) {
    case 0:
        hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
        break;
    case 1:
        hypercall_event_channel_op(EVTCHNOP_bind_interdomain, &bind);
        break;
    case 2:
        hypercall_event_channel_op(EVTCHNOP_bind_vcpu, &vcpu);
        break;
    case 3:
        hypercall_event_channel_op(EVTCHNOP_send, &end);
        break;
    default:
        hypercall_event_channel_op(EVTCHNOP_close, &end);
        break;
    }
}

static void race_grants(uint64_t *state)
{
    struct gnttab_copy copy = {.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref, .len = 64};
    struct gnttab_map_grant_ref map = {.flags = GNTMAP_device_map};
    struct gnttab_unmap_grant_ref unmap = {.handle = (grant_handle_t)(mix(state) % 32),
                                           .dev_bus_addr = ~0UL};
    struct gnttab_swap_grant_ref swap;

    copy.source.u.ref = map.ref = swap.ref_a = (grant_ref_t)(GRANTS_FIRST + mix(state) % 24);
    copy.dest.u.ref = swap.ref_b = (grant_ref_t)(GRANTS_FIRST + mix(state) % 24);
    switch (mix(state) % 4) {
    case 0:
        hypercall_grant_table_op(GNTTABOP_copy, &copy, 1);
        break;
    case 1:
        hypercall_grant_table_op(GNTTABOP_map_grant_ref, &map, 1);
        unmap.handle = map.handle;
        unmap.dev_bus_addr = map.dev_bus_addr;
        if (map.status == GNTST_okay)
            hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1);
        break;
    case 2:
        hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1);
        break;
    default:
        hypercall_grant_table_op(GNTTABOP_swap_grant_ref, &swap, 1);
        break;
    }
}

static void racer_main(uint64_t number)
{
    uint64_t state = number * 0x2545f4914f6cdd1dUL;

    while (!stop) {
        uint64_t kind = mix(&state) % 8;
        if (kind < 5)
            race_tables(&state);
        else if (kind == 5)
            race_events(&state);
        else
            race_grants(&state);
        __atomic_add_fetch(&racer_calls, 1, __ATOMIC_RELAXED);
    }
    __atomic_add_fetch(&racers_down, 1, __ATOMIC_SEQ_CST);
    for (;;)
        hypercall_vcpu_op(VCPUOP_down, (unsigned int)number, NULL);
}

// Somebody may clear shared_info, upcall masks included. Back to where it was, with the mask set.
//
//      rsp -> rcx r11 rip cs rflags rsp ss     what the hypervisor pushes
//      rsp -> rax r11 rcx flags rip ...        what the iret hypercall takes
void racer_upcall(void);
__asm__(".text\n"
        "racer_upcall:\n"
        "    pop %rcx\n"
        "    pop %r11\n"
        "    andl $~0x200, 16(%rsp)\n"
        "    push $0\n"
        "    push %rcx\n"
        "    push %r11\n"
        "    push %rax\n"
        "    mov $23, %eax\n" // __HYPERVISOR_iret
        "    syscall\n");

void racers_start(unsigned int count)
{
    static struct vcpu_guest_context context;
    uint64_t cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    for (unsigned int i = 1; i <= count && i <= HOSTILE_RACERS_MAX; i++) {
        memset(&context, 0, sizeof(context));
        context.flags = VGCF_in_kernel;
        context.user_regs.rip = (uint64_t)racer_main;
        context.user_regs.rdi = i;
        context.user_regs.rsp = (uint64_t)(stacks[i - 1] + sizeof(stacks[0]) - 8);
        context.user_regs.cs = FLAT_KERNEL_CS;
        context.user_regs.ss = FLAT_KERNEL_SS;
        context.user_regs.rflags = 0x200;
        context.kernel_ss = FLAT_KERNEL_SS;
        context.kernel_sp = context.user_regs.rsp;
        context.ctrlreg[3] = cr3;
        context.event_callback_eip = (uint64_t)racer_upcall;
        if (hypercall_vcpu_op(VCPUOP_initialise, i, &context) == 0 &&
            hypercall_vcpu_op(VCPUOP_up, i, NULL) == 0)
            racers++;
    }
}

void racers_stop(void)
{
    stop = true;
    while (racers_down < racers) {
        // One of the calls may have stopped them.
        for (unsigned int i = 1; i <= racers; i++)
            hypercall_vcpu_op(VCPUOP_up, i, NULL);
        hypercall_sched_op(SCHEDOP_yield, NULL);
    }
    printf("HOSTILE vcpus %u, their calls %lu\n", racers + 1, racer_calls);
}
