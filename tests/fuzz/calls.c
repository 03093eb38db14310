// SPDX-License-Identifier: MIT
// Fuzzer: calls that need no more than a few numbers and a buffer, alone or several in a multicall.
//
// Each is filled in as an entry of a multicall. Left out is what would take the machine away from the
// fuzzer (block, shutdown, reset, output on the console), and outputs that tell of the time, of memory
// or of the build. Values that a hypervisor keeps (timers, callbacks) are such that nothing comes of them.
#include "tests/fuzz/fuzz.h"
#include "tests/guest/guest.h"
#include <string.h>
#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define BATCH 4U
#define BUFFER 1024U
#define STUB_BYTES 32U  // of the hypercall page
#define FAR (1UL << 61) // a time that does not come

#define PICK(...)                                                                                  \
    ({                                                                                             \
        static const uint64_t values_[] = {__VA_ARGS__};                                           \
        values_[fuzz_random(sizeof(values_) / sizeof(values_[0]))];                                \
    })

// What Xen 4.20 offers and we do not (docs/differences.md) is left out where it is there.
#define NOT_BEFORE_20(command) (SINCE_XEN(20) ? 98 : (command))

static uint8_t buffers[BATCH][BUFFER] __attribute__((aligned(16)));

// --- the calls: each fills the arguments and returns how much of the buffer is to be compared

static size_t fill_xen_version(struct multicall_entry *e, uint8_t *buffer)
{
    uint64_t command = PICK(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, NOT_BEFORE_20(11), 99);

    e->args[0] = command;
    e->args[1] = (uint64_t)buffer;
    *(uint32_t *)buffer = fuzz_random(4); // the sub-map of the features
    bool is_equal = command == XENVER_platform_parameters || command == XENVER_guest_handle ||
                    (command == XENVER_get_features && !SINCE_XEN(20));
    return is_equal ? 8 : 0;
}

static size_t fill_sched(struct multicall_entry *e, uint8_t *buffer)
{
    struct sched_poll *poll = (void *)buffer;
    struct sched_watchdog *watchdog = (void *)buffer;
    struct sched_remote_shutdown *shutdown = (void *)buffer;

    e->args[0] = PICK(SCHEDOP_yield, SCHEDOP_poll, SCHEDOP_remote_shutdown, SCHEDOP_watchdog,
                      SCHEDOP_pin_override, 99);
    e->args[1] = (uint64_t)buffer;
    switch (e->args[0]) {
    case SCHEDOP_poll:
        set_xen_guest_handle(poll->ports, (evtchn_port_t *)(buffer + 64));
        poll->nr_ports = (unsigned int)PICK(0, 1, 2, 128, 129, 0xffffffff);
        poll->timeout = 1; // 0 would be for ever
        *(evtchn_port_t *)(buffer + 64) = (evtchn_port_t)PICK(0, 4095, 4096, 0xffffffff);
        fuzz_log(" %u %u", poll->nr_ports, *(evtchn_port_t *)(buffer + 64));
        break;
    case SCHEDOP_remote_shutdown:
        shutdown->domain_id = (domid_t)PICK(1, 0x1234, DOMID_SELF, DOMID_IO);
        fuzz_log(" %#x", shutdown->domain_id);
        break;
    case SCHEDOP_watchdog:
        watchdog->id = (uint32_t)PICK(0, 1, 2, 3, 0xffffffff);
        watchdog->timeout = watchdog->id ? (uint32_t)PICK(0, 1000000) : 1000000; // a new one runs
        fuzz_log(" %u %u", watchdog->id, watchdog->timeout);
        break;
    case SCHEDOP_pin_override:
        *(int32_t *)buffer = (int32_t)PICK(-1, 99, -5, 0x7fffffff);
        fuzz_log(" %d", *(int32_t *)buffer);
    }
    return 0;
}

static size_t fill_console(struct multicall_entry *e, uint8_t *buffer)
{
    e->args[0] = PICK(CONSOLEIO_write, CONSOLEIO_read, CONSOLEIO_read, 2, 99);
    e->args[1] = e->args[0] == CONSOLEIO_read ? PICK(0, 1, 64, 0x80000000) : 0;
    e->args[2] = (uint64_t)buffer;
    fuzz_log(" %lu", e->args[1]);
    return 0;
}

static size_t fill_timer(struct multicall_entry *e, uint8_t *buffer)
{
    (void)buffer;
    e->args[0] = PICK(0, FAR, ~0UL, 1UL << 63);
    return 0;
}

static size_t fill_vcpu(struct multicall_entry *e, uint8_t *buffer)
{
    uint64_t *words = (void *)buffer;

    e->args[0] = PICK(VCPUOP_is_up, VCPUOP_get_runstate_info, VCPUOP_register_runstate_memory_area,
                      VCPUOP_set_periodic_timer, VCPUOP_stop_periodic_timer,
                      VCPUOP_set_singleshot_timer, VCPUOP_stop_singleshot_timer,
                      VCPUOP_register_vcpu_info, VCPUOP_send_nmi, VCPUOP_get_physid,
                      VCPUOP_register_vcpu_time_memory_area, NOT_BEFORE_20(14), 99);
    e->args[1] = fuzz_chance(80) ? 1 : PICK(2, 3, 0x1fff, 0x2000, 0xffffffff);
    e->args[2] = (uint64_t)buffer;
    words[0] = e->args[0] == VCPUOP_set_periodic_timer || e->args[0] == VCPUOP_set_singleshot_timer
                   ? PICK(0, 1, 100000, 999999, FAR, ~0UL)
                   : PICK(0xffff830000000000, 0x8000000000000000, ~0UL);
    words[1] = PICK(0, 1, 2, 0x1000, ~0UL); // flags of a timer, offset of a vcpu_info
    fuzz_log(" v%lu %#lx %#lx", e->args[1], words[0], words[1]);
    return 0;
}

// An NMI may come as soon as somebody has a handler for it, so none is ever accepted.
#define NO_HANDLER 0x8000000000000000

static size_t fill_callback(struct multicall_entry *e, uint8_t *buffer)
{
    struct callback_register *op = (void *)buffer;

    e->args[0] = PICK(CALLBACKOP_register, CALLBACKOP_unregister, 2, 99);
    e->args[1] = (uint64_t)buffer;
    op->type = (uint16_t)PICK(CALLBACKTYPE_sysenter_deprecated, CALLBACKTYPE_nmi, 5, 6, 7, 8, 99);
    op->flags = (uint16_t)PICK(0, 1, 2, 0xffff);
    op->address = PICK(0, 0x1000, NO_HANDLER, 0xffff830000000000, ~0UL);
    if (op->type == CALLBACKTYPE_nmi)
        op->address = NO_HANDLER;
    fuzz_log(" t%u %#x %#lx", op->type, op->flags, op->address);
    return 0;
}

static size_t fill_nmi(struct multicall_entry *e, uint8_t *buffer)
{
    struct xennmi_callback *op = (void *)buffer;

    e->args[0] = PICK(XENNMI_register_callback, XENNMI_unregister_callback, 2, 99);
    e->args[1] = (uint64_t)buffer;
    op->handler_address = NO_HANDLER;
    fuzz_log(" %#lx", op->handler_address);
    return 0;
}

// Vectors that nobody raises.
static size_t fill_traps(struct multicall_entry *e, uint8_t *buffer)
{
    struct trap_info *traps = (void *)buffer;
    unsigned int count = fuzz_random(4);

    e->args[0] = (uint64_t)buffer;
    for (unsigned int i = 0; i < count; i++) {
        traps[i] = (struct trap_info){.vector = (uint8_t)(0x90 + fuzz_random(0x60)),
                                      .flags = (uint8_t)fuzz_random(8),
                                      .cs = (uint16_t)PICK(0, 8, 0x33, 0xe008, 0xe033),
                                      .address = PICK(0x1000, 0x8000000000000000, ~0UL)};
        fuzz_log(" %#lx", traps[i].address);
    }
    return 0;
}

static size_t fill_stack_switch(struct multicall_entry *e, uint8_t *buffer)
{
    (void)buffer;
    e->args[0] = PICK(0, 0x10, 0xe02b, 0xffff, ~0UL);
    e->args[1] = PICK(0, 0x1000, 0x8000000000000000, ~0UL);
    fuzz_log(" %#lx", e->args[1]);
    return 0;
}

static size_t fill_memory(struct multicall_entry *e, uint8_t *buffer)
{
    uint64_t command = PICK(XENMEM_current_reservation, XENMEM_maximum_reservation,
                            XENMEM_add_to_physmap, XENMEM_memory_map, XENMEM_remove_from_physmap,
                            XENMEM_add_to_physmap_batch, XENMEM_set_memory_map, 18, 19,
                            XENMEM_machphys_compat_mfn_list, XENMEM_get_vnumainfo, 8, 29, 63);

    e->args[0] = command;
    e->args[1] = (uint64_t)buffer;
    *(domid_t *)buffer = (domid_t)PICK(1, 0x1234, DOMID_IO, DOMID_XEN, DOMID_INVALID);
    fuzz_log(" %#x", *(domid_t *)buffer);
    return 0;
}

static size_t fill_events(struct multicall_entry *e, uint8_t *buffer)
{
    uint32_t *words = (void *)buffer;

    e->args[0] = PICK(EVTCHNOP_bind_pirq, EVTCHNOP_reset, EVTCHNOP_set_priority, 14, 15, 99);
    e->args[1] = (uint64_t)buffer;
    switch (e->args[0]) {
    case EVTCHNOP_bind_pirq:
        words[0] = (uint32_t)PICK(5000, 0x7fffffff, 0xffffffff);
        words[1] = (uint32_t)PICK(0, 1, 2);
        break;
    case EVTCHNOP_reset:
        words[0] = (uint32_t)PICK(1, 0x1234, DOMID_IO, DOMID_XEN, DOMID_INVALID);
        break;
    default:
        words[0] = (uint32_t)PICK(0, 4096, 0xffffffff);
        words[1] = (uint32_t)PICK(0, 15, 16, 0xffffffff);
    }
    fuzz_log(" %#x %#x", words[0], words[1]);
    return 0;
}

static size_t fill_grants(struct multicall_entry *e, uint8_t *buffer)
{
    uint64_t *words = (void *)buffer;

    e->args[0] = PICK(GNTTABOP_set_version, GNTTABOP_get_status_frames, GNTTABOP_cache_flush,
                      GNTTABOP_transfer, 13, 99);
    e->args[1] = (uint64_t)buffer;
    e->args[2] = fuzz_chance(80) ? 1 : PICK(0, 0x80000000, 0xffffffff);
    if (e->args[2] > 1)
        e->args[1] = 0; // nothing to write the results to
    words[0] = PICK(1, 2, 3, 0xfffffffff000, ~0UL);
    fuzz_log(" n%lu %#lx", e->args[2], words[0]);
    return 0;
}

// A page of ours at its own address.
static size_t fill_map(struct multicall_entry *e, uint8_t *buffer)
{
    unsigned int frame = fuzz_random(FUZZ_FRAMES);
    uint64_t rights = PICK(PTE_RAM, PTE_RAM | PTE_RW);

    (void)buffer;
    e->args[0] = (uint64_t)fuzz_frames[frame].address;
    e->args[1] = (fuzz_frames[frame].mfn << PAGE_SHIFT) | rights;
    e->args[2] = PICK(UVMF_NONE, UVMF_INVLPG, UVMF_TLB_FLUSH | UVMF_ALL);
    fuzz_log(" a%u %#lx", frame, rights);
    return 0;
}

// Calls that do not exist or want a version first, and a multicall in a multicall.
static size_t fill_other(struct multicall_entry *e, uint8_t *buffer)
{
    e->op = PICK(7, 13, 27, 34, 35, 36, 38, 39, 41, 43, 44, 45, 46, 47, 49, 55);
    e->args[0] = (uint64_t)buffer;
    if (e->op == __HYPERVISOR_multicall) {
        e->args[1] = 1;
        *(struct multicall_entry *)buffer = (struct multicall_entry){.op = __HYPERVISOR_xen_version,
                                                                     .args = {XENVER_version}};
    }
    fuzz_log(" #%lu", e->op);
    return 0;
}

static const struct call {
    const char *name;
    unsigned int number;
    size_t (*fill)(struct multicall_entry *e, uint8_t *buffer);
} calls[] = {
    {"version",      __HYPERVISOR_xen_version,       fill_xen_version },
    {"sched",        __HYPERVISOR_sched_op,          fill_sched       },
    {"console",      __HYPERVISOR_console_io,        fill_console     },
    {"timer",        __HYPERVISOR_set_timer_op,      fill_timer       },
    {"vcpu",         __HYPERVISOR_vcpu_op,           fill_vcpu        },
    {"callback",     __HYPERVISOR_callback_op,       fill_callback    },
    {"nmi",          __HYPERVISOR_nmi_op,            fill_nmi         },
    {"traps",        __HYPERVISOR_set_trap_table,    fill_traps       },
    {"stack_switch", __HYPERVISOR_stack_switch,      fill_stack_switch},
    {"memory",       __HYPERVISOR_memory_op,         fill_memory      },
    {"events",       __HYPERVISOR_event_channel_op,  fill_events      },
    {"grants",       __HYPERVISOR_grant_table_op,    fill_grants      },
    {"map",          __HYPERVISOR_update_va_mapping, fill_map         },
    {"other",        0,                              fill_other       },
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

// --- alone and together

// Where the buffer cannot be read that is one refusal of several that may be valid at once.
static bool is_bad[BATCH]; // the entry's pointer is

static size_t fill_any(struct multicall_entry *e, unsigned int slot)
{
    uint8_t *buffer = buffers[slot];
    const struct call *call = &calls[fuzz_random(CALLS)];

    memset(buffer, 0, BUFFER);
    *e = (struct multicall_entry){.op = call->number};
    fuzz_log(" %s", call->name);
    size_t size = call->fill(e, buffer);
    fuzz_log(" c%#lx", call->number && e->args[0] != (uint64_t)buffer ? e->args[0] & 0xffff : 0);
    is_bad[slot] = false;
    for (unsigned int i = 0; i < 3; i++) {
        if (e->args[i] == (uint64_t)buffer && fuzz_chance(6)) {
            e->args[i] = PICK(0xffff830000000000, 0x8000000000000000, 0x1000, ~0UL);
            fuzz_log(" at %#lx", e->args[i]);
            is_bad[slot] = true;
        }
    }
    return is_bad[slot] ? 0 : size;
}

static void log_result(const struct multicall_entry *e, long result, unsigned int slot, size_t size)
{
    if (e->op == __HYPERVISOR_sched_op)
        result = (int)result; // Xen gives 32 bits of an error of the watchdog
    fuzz_log(" = %ld", is_bad[slot] && result < 0 ? -1 : result);
    for (size_t i = 0; result >= 0 && i < size; i += sizeof(uint64_t))
        fuzz_log(" %#lx", *(const uint64_t *)(buffers[slot] + i));
}

static long call_directly(const struct multicall_entry *e)
{
    uint64_t result = (uint64_t)hypercall_page + e->op * STUB_BYTES;
    uint64_t a1 = e->args[0], a2 = e->args[1], a3 = e->args[2];
    register uint64_t a4 __asm__("r10") = e->args[3];
    register uint64_t a5 __asm__("r8") = e->args[4];

    __asm__ volatile("call *%%rax"
                     : "+a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory");
    return (long)result;
}

static void op_call(void)
{
    struct multicall_entry e;
    size_t size = fill_any(&e, 0);

    log_result(&e, call_directly(&e), 0, size);
}

static void op_calls(void)
{
    struct multicall_entry entries[BATCH];
    unsigned int count = 1 + fuzz_random(BATCH);
    size_t size[BATCH];

    for (unsigned int i = 0; i < count; i++)
        size[i] = fill_any(&entries[i], i);
    fuzz_log(" = %ld", hypercall_multicall(entries, count));
    for (unsigned int i = 0; i < count; i++)
        log_result(&entries[i], (long)entries[i].result, i, size[i]);
}

const struct fuzz_operation fuzz_call_operations[] = {
    {"call",  8, op_call },
    {"calls", 4, op_calls},
    {NULL,    0, NULL    },
};
