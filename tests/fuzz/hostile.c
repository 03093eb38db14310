// SPDX-License-Identifier: MIT
// The hostile fuzzer (hostile=1, Paravane only): wild arguments to every hypercall, and other vcpus that
// race on the same frames, ports and grants. Left out is only what ends the domain or the machine when it
// is allowed, and what replaces this kernel's own handlers, tables and console.
#include "tests/fuzz/hostile.h"

#include <stdio.h>
#include <string.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "hypercalls/paravane.h"
#include "pvguest/start.h"
#include "tests/guest/guest.h"

#define RACERS_MAX 3U
#define HYPERCALLS 82U
#define SCRATCH_WORDS 512U
#define SCRATCH_ROOM (64U * SCRATCH_WORDS) // answers may be long
#define COUNT_MAX 64U
#define GRANTS_FIRST (PAGE_SIZE / sizeof(grant_entry_v1_t))

static uint64_t scratch[SCRATCH_ROOM];

// --- random words

static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15UL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
    return z ^ z >> 31;
}

static uint64_t wild_word(void)
{
    const uint64_t frame = fuzz_mfn(fuzz_pick_frame());

    switch (fuzz_random(12)) {
    case 0:
    case 1:
        return fuzz_random64();
    case 2:
        return frame;
    case 3:
        return frame << PAGE_SHIFT | fuzz_random(4096);
    case 4:
        return (uint64_t)&scratch[fuzz_random(SCRATCH_WORDS)];
    case 5:
        return (uint64_t)scratch;
    case 6:
        return DOMID_SELF;
    case 7:
        return 0xffff800000000000UL + fuzz_random64() % (1UL << 43); // the hypervisor's range
    case 8:
        return -1UL - fuzz_random(16);
    case 9:
        return 1UL << fuzz_random(64);
    default:
        return fuzz_random(64);
    }
}

// --- which calls

static bool is_dangerous(unsigned int call)
{
    switch (call) {
    case __HYPERVISOR_set_trap_table: // replaces handlers of this kernel
    case __HYPERVISOR_stack_switch:
    case __HYPERVISOR_set_callbacks:
    case __HYPERVISOR_callback_op:
    case __HYPERVISOR_iret:
    case __HYPERVISOR_fpu_taskswitch: // its next SSE instruction would trap
    case __HYPERVISOR_set_debugreg:   // breakpoints in it
    case __HYPERVISOR_sched_op_compat:
    case __HYPERVISOR_sched_op:          // shutdown, watchdog, block
    case __HYPERVISOR_kexec_op:          // another kernel
    case __HYPERVISOR_console_io:        // the output that the test reads
    case __HYPERVISOR_update_va_mapping: // its own pages; the other operations do this
    case __HYPERVISOR_update_va_mapping_otherdomain:
    case __HYPERVISOR_mmuext_op:   // a new root
    case __HYPERVISOR_multicall:   // any of these; op_wild_multicall
    case __HYPERVISOR_platform_op: // sleep
    case __HYPERVISOR_vcpu_op:     // its own vcpu_info
    case __HYPERVISOR_xsm_op:
        return true;
    default:
        return false;
    }
}

static unsigned int pick_call(void)
{
    unsigned int call;

    do
        call = fuzz_random(HYPERCALLS);
    while (is_dangerous(call));
    return call;
}

static void fill_scratch(void)
{
    for (unsigned int i = 0; i < 32; i++)
        scratch[i] = wild_word();
    if (fuzz_chance(50)) // domctl and sysctl look at their version first
        scratch[0] = fuzz_random(90) | (uint64_t)0x15 << 32;
    if (fuzz_chance(50))
        scratch[1] = fuzz_chance(80) ? 0x100 + fuzz_random(4) : DOMID_SELF;
}

// What would make a call reach beyond this kernel's scratch memory, into the rest of it.
static void tame(unsigned int call, uint64_t *args)
{
    if (call == __HYPERVISOR_memory_op)
        args[0] &= 0xffff;
    if (call == __HYPERVISOR_grant_table_op)
        args[2] %= COUNT_MAX;
}

static long call_by_number(unsigned int call, const uint64_t *args)
{
    struct multicall_entry entry = {.op = call};

    memcpy(entry.args, args, 5 * sizeof(*args));
    hypercall_multicall(&entry, 1);
    return (long)entry.result;
}

static void op_wild(void)
{
    unsigned int call = pick_call();
    uint64_t args[5];

    fill_scratch();
    for (unsigned int i = 0; i < 5; i++)
        args[i] = wild_word();
    if (fuzz_chance(60))
        args[0] = fuzz_random(40); // a sub-operation
    if (fuzz_chance(60))
        args[1] = (uint64_t)scratch;
    if (fuzz_chance(50))
        args[2] = fuzz_random(5);
    tame(call, args);
    if (call == __HYPERVISOR_domctl || call == __HYPERVISOR_sysctl)
        args[0] = (uint64_t)scratch;
    fuzz_log(" %u %#lx", call, args[0]);
    fuzz_log(" = %ld", call_by_number(call, args));
}

// Vcpu operations on vcpus that do not run this kernel.
static void op_wild_vcpu(void)
{
    unsigned int vcpu = fuzz_chance(50) ? RACERS_MAX + 1 : 5 + fuzz_random(200);

    fill_scratch();
    fuzz_log(" = %ld", hypercall_vcpu_op(fuzz_random(16), vcpu, scratch));
}

static void op_wild_multicall(void)
{
    struct multicall_entry entries[8];

    fill_scratch();
    for (unsigned int i = 0; i < 8; i++) {
        entries[i].op = pick_call();
        for (unsigned int k = 0; k < 6; k++)
            entries[i].args[k] = fuzz_chance(40) ? (uint64_t)scratch : wild_word();
        tame(entries[i].op, (uint64_t *)entries[i].args);
    }
    fuzz_log(" = %ld", hypercall_multicall(entries, 8));
}

static void op_wild_mmu(void)
{
    struct mmu_update request[4];
    unsigned int done;

    for (unsigned int i = 0; i < 4; i++) {
        request[i].ptr = fuzz_chance(70)
                             ? fuzz_mfn(fuzz_pick_frame()) << PAGE_SHIFT | fuzz_random(4096)
                             : fuzz_random64();
        request[i].val = fuzz_chance(60) ? fuzz_mfn(fuzz_pick_frame()) << PAGE_SHIFT |
                                               fuzz_random(4096) | fuzz_random64() << 52
                                         : fuzz_random64();
    }
    fuzz_log(" = %ld", hypercall_mmu_update(request, 4, &done, DOMID_SELF));
}

const struct fuzz_operation hostile_operations[] = {
    {"wild",           60, op_wild          },
    {"wild_vcpu",      6,  op_wild_vcpu     },
    {"wild_multicall", 10, op_wild_multicall},
    {"wild_mmu",       30, op_wild_mmu      },
    {NULL,             0,  NULL             },
};

// --- racers: other vcpus with nothing but a stack, so nothing here may fault

static unsigned char stacks[RACERS_MAX][4 * PAGE_SIZE] __attribute__((aligned(16)));
static volatile unsigned int racers, racers_down;
static volatile bool stop;
static volatile uint64_t racer_calls;

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

void hostile_start(unsigned int count)
{
    static struct vcpu_guest_context context;
    uint64_t cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    for (unsigned int i = 1; i <= count && i <= RACERS_MAX; i++) {
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
        if (hypercall_vcpu_op(VCPUOP_initialise, i, &context) == 0 &&
            hypercall_vcpu_op(VCPUOP_up, i, NULL) == 0)
            racers++;
    }
}

bool hostile_finish(void)
{
    struct paravane_check_frames check = {0};

    stop = true;
    while (racers_down < racers) {
        // One of the calls may have stopped them.
        for (unsigned int i = 1; i <= racers; i++)
            hypercall_vcpu_op(VCPUOP_up, i, NULL);
        hypercall_sched_op(SCHEDOP_yield, NULL);
    }
    uint64_t args[5] = {PARAVANE_check_frames, (uint64_t)&check};
    long result = call_by_number(__HYPERVISOR_paravane_op, args);
    printf("HOSTILE vcpus %u, their calls %lu, frames %lu, bad %lu (%ld)\n", racers + 1,
           racer_calls, check.checked, check.bad, result);
    if (check.bad)
        printf("HOSTILE mfn %#lx count %#lx type %#lx, tables hold %lu references %lu uses\n",
               check.mfn, check.count, check.type, check.table_references, check.table_uses);
    return result == 0 && check.bad == 0 && check.checked != 0;
}
