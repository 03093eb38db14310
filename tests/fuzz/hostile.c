// SPDX-License-Identifier: MIT
// The hostile fuzzer (hostile=1, Paravane only): wild arguments to every hypercall, stores to tables, and
// other vcpus that race on the same frames, ports and grants (racers.c). Left out is only what may end this
// kernel or the machine (tame); what replaces its handlers is undone at once.
#include "tests/fuzz/hostile.h"

#include <stdio.h>
#include <string.h>
#include <xen/callback.h>
#include <xen/grant_table.h>
#include <xen/nmi.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "pvguest/event.h"
#include "tests/guest/guest.h"

#define HANDLERS 32U
#define HYPERCALLS 82U
#define SCRATCH_WORDS 512U
#define SCRATCH_ROOM (64U * SCRATCH_WORDS) // answers may be long
#define COUNT_MAX 64U

static uint64_t scratch[SCRATCH_ROOM];

// --- random words

static uint64_t any_word(void)
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

static bool is_harmless_frame(uint64_t mfn)
{
    return !mfn_to_virt(mfn) || fuzz_frame_of(mfn << PAGE_SHIFT) < FUZZ_FRAMES;
}

// But no frame or machine address of this kernel's own image: calls may clear a page of their caller.
static uint64_t wild_word(void)
{
    for (;;) {
        uint64_t word = any_word();

        if (is_harmless_frame(word) && is_harmless_frame(word >> PAGE_SHIFT))
            return word;
    }
}

// --- which calls

// Left out: iret replaces all registers, with what happens to be on the stack.
static unsigned int pick_call(void)
{
    unsigned int call = fuzz_random(HYPERCALLS - 1);

    return call < __HYPERVISOR_iret ? call : call + 1;
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

// Out of the arguments comes what would end this kernel or the machine, as it may: shutdown, sleep, another
// root, a watchdog, breakpoints in its own code; and what would keep it from going on: to block, to poll for
// ever. Memory that the call writes stays within scratch, text for the console is nothing.
static void tame_scheduling(uint64_t *args, bool is_compat)
{
    static const unsigned char harmless[] = {SCHEDOP_yield, SCHEDOP_poll, SCHEDOP_remote_shutdown,
                                             SCHEDOP_pin_override};
    struct sched_poll *poll = (struct sched_poll *)scratch;

    args[0] = (uint32_t)args[0];
    if (args[0] < 8)
        args[0] = is_compat ? SCHEDOP_yield : harmless[args[0] % sizeof(harmless)];
    args[1] = (uint64_t)scratch;
    if (args[0] == SCHEDOP_poll)
        poll->timeout = 1; // long ago
    if (args[0] == SCHEDOP_remote_shutdown)
        scratch[0] |= 0x100; // not this domain
}

static void tame_mmu(unsigned int call, uint64_t *args)
{
    struct mmuext_op *op = (struct mmuext_op *)scratch;

    if (call != __HYPERVISOR_mmuext_op)
        args[0] = (uint64_t)fuzz_frames[args[0] % FUZZ_FRAMES].address;
    else if (args[1] > SCRATCH_WORDS / (sizeof(*op) / sizeof(scratch[0])))
        args[1] = 1;
    for (unsigned int i = 0; i < SCRATCH_WORDS * sizeof(scratch[0]) / sizeof(*op); i++)
        op[i].cmd = op[i].cmd == MMUEXT_NEW_BASEPTR ? MMUEXT_NEW_USER_BASEPTR : op[i].cmd;
}

// Grants are mapped over pages of the caller: never over those of its image.
static void tame_grants(uint64_t *args)
{
    args[2] %= COUNT_MAX;
    if ((uint32_t)args[0] > GNTTABOP_unmap_grant_ref &&
        (uint32_t)args[0] != GNTTABOP_unmap_and_replace)
        return;
    args[1] = (uint64_t)scratch;
    for (unsigned int i = 0; i < SCRATCH_WORDS; i++) {
        if (scratch[i] > 0xffffffff00000000 && scratch[i] < -4096UL)
            scratch[i] = (uint64_t)fuzz_frames[i % FUZZ_FRAMES].address;
    }
}

// An NMI comes whatever is masked, before the handlers are put back.
static void tame_nmi(unsigned int call, uint64_t *args)
{
    struct callback_register *callback = (struct callback_register *)scratch;

    args[1] = (uint64_t)scratch;
    if (call == __HYPERVISOR_nmi_op)
        args[0] |= XENNMI_unregister_callback;
    else if (callback->type == CALLBACKTYPE_nmi)
        callback->type = CALLBACKTYPE_event;
}

static void tame(unsigned int call, uint64_t *args)
{
    switch (call) {
    case __HYPERVISOR_nmi_op:
    case __HYPERVISOR_callback_op:
        tame_nmi(call, args);
        break;
    case __HYPERVISOR_memory_op:
        args[0] &= 0xffff;
        break;
    case __HYPERVISOR_grant_table_op:
        tame_grants(args);
        break;
    case __HYPERVISOR_console_io:
        args[0] |= CONSOLEIO_read;
        break;
    case __HYPERVISOR_set_debugreg:
        args[1] &= (args[0] & 5) == 5 ? ~0xffUL : ~0UL; // DR7 and its other name, DR5
        break;
    case __HYPERVISOR_sched_op_compat:
    case __HYPERVISOR_sched_op:
        tame_scheduling(args, call == __HYPERVISOR_sched_op_compat);
        break;
    case __HYPERVISOR_update_va_mapping:
    case __HYPERVISOR_update_va_mapping_otherdomain:
    case __HYPERVISOR_mmuext_op:
        tame_mmu(call, args);
        break;
    case __HYPERVISOR_platform_op:
        if ((uint32_t)scratch[0] == XENPF_enter_acpi_sleep)
            scratch[0] = XENPF_settime64;
        break;
    case __HYPERVISOR_vcpu_op:
        if ((uint32_t)args[1] == 0 && (uint32_t)args[0] != VCPUOP_register_runstate_memory_area)
            args[0] = VCPUOP_is_up;
        break;
    default:
        break;
    }
}

static bool takes_handlers(unsigned int call)
{
    return call == __HYPERVISOR_set_trap_table || call == __HYPERVISOR_set_callbacks ||
           call == __HYPERVISOR_callback_op || call == __HYPERVISOR_fpu_taskswitch;
}

// After a call that may have taken them: handlers, callbacks and the FPU as pvguest wants them.
static void handlers_restore(void)
{
    extern char event_upcall[], failsafe_upcall[];
    extern const uint64_t trap_entries[];
    struct trap_info table[HANDLERS + 1] = {0};

    for (unsigned int v = 0; v < HANDLERS; v++)
        table[v] = (struct trap_info){(uint8_t)v, 0, FLAT_KERNEL_CS, trap_entries[v]};
    hypercall_fpu_taskswitch(0);
    hypercall_set_trap_table(table);
    HYPERCALL3(__HYPERVISOR_set_callbacks, event_upcall, failsafe_upcall, 0);
}

static long call_by_number(unsigned int call, const uint64_t *args)
{
    struct multicall_entry entry = {.op = call};

    memcpy(entry.args, args, 5 * sizeof(*args));
    event_save();
    unsigned long saved = event_save();
    hypercall_multicall(&entry, 1);
    if (takes_handlers(call))
        handlers_restore();
    event_restore(saved);
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
    long result = call_by_number(call, args);
    if (call != __HYPERVISOR_get_debugreg) // any value may be in the register
        fuzz_log(" = %ld", result);
}

// Vcpu operations on vcpus that do not run this kernel.
static void op_wild_vcpu(void)
{
    unsigned int vcpu = fuzz_chance(50) ? HOSTILE_RACERS_MAX + 1 : 5 + fuzz_random(200);

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
    unsigned long saved = event_save();
    long result = hypercall_multicall(entries, 8);
    handlers_restore();
    event_restore(saved);
    fuzz_log(" = %ld", result);
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

// --- stores to page tables, as each instruction that is emulated

struct store {
    uint64_t *at, value;
    unsigned int kind;
};

static void store_run(void *argument)
{
    struct store *s = argument;
    uint64_t old = *s->at, value = s->value;

    switch (s->kind) {
    case 0:
        __asm__ volatile("movq %1, %0" : "=m"(*s->at) : "r"(value));
        break;
    case 1:
        __asm__ volatile("movl %k1, %0" : "=m"(*s->at) : "r"(value));
        break;
    case 2:
        __asm__ volatile("movw %w1, %0" : "=m"(*s->at) : "r"(value));
        break;
    case 3:
        __asm__ volatile("movb %b1, %0" : "=m"(*s->at) : "q"(value));
        break;
    case 4:
        __asm__ volatile("xchgq %1, %0" : "+m"(*s->at), "+r"(value));
        break;
    case 5:
        __asm__ volatile("lock cmpxchgq %2, %0" : "+m"(*s->at), "+a"(old) : "r"(value));
        break;
    case 6:
        __asm__ volatile("lock orq %1, %0" : "+m"(*s->at) : "r"(value));
        break;
    case 7:
        __asm__ volatile("lock andq %1, %0" : "+m"(*s->at) : "r"(value));
        break;
    case 8:
        __asm__ volatile("lock btrq %1, %0" : "+m"(*s->at) : "r"(value % 64));
        break;
    case 9:
        __asm__ volatile("movnti %1, %0" : "=m"(*s->at) : "r"(value));
        break;
    case 10:
        __asm__ volatile("lock xaddq %1, %0" : "+m"(*s->at), "+r"(value));
        break;
    case 11:
        __asm__ volatile("lock cmpxchgl %k2, %0" : "+m"(*s->at), "+a"(old) : "r"(value));
        break;
    default:
        __asm__ volatile("cld; rep stosq" : "+D"(s->at), "=m"(*s->at) : "a"(value), "c"(2UL));
        break;
    }
}

static void op_wild_store(void)
{
    struct store s = {
        .at = (uint64_t *)(fuzz_frames[fuzz_random(FUZZ_FRAMES)].address + fuzz_random(500) * 8),
        .kind = fuzz_random(13)};

    if (fuzz_chance(10))
        s.at = (uint64_t *)((char *)s.at + fuzz_random(8));
    s.value = fuzz_chance(70) ? fuzz_mfn(fuzz_pick_frame()) << PAGE_SHIFT | fuzz_random(256)
                              : wild_word();
    fuzz_log(" %u: %u", s.kind, probe_run(store_run, &s));
}

const struct fuzz_operation hostile_operations[] = {
    {"wild",           60, op_wild          },
    {"wild_vcpu",      6,  op_wild_vcpu     },
    {"wild_multicall", 10, op_wild_multicall},
    {"wild_mmu",       30, op_wild_mmu      },
    {"wild_store",     30, op_wild_store    },
    {NULL,             0,  NULL             },
};
