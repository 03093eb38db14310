// SPDX-License-Identifier: MIT
/*
 * The privileged operations by hypercalls (see priv.h).
 *
 * shared_info_area is a page of the image whose mapping is replaced by the shared info frame, so
 * that entry.S reaches the upcall mask at an address known at link time. Only vcpu 0 is used.
 */
#include <stddef.h>
#include <stdint.h>
#include <xen/callback.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include "pvguest/errno.h"
#include "pvguest/hypercall.h"
#include "pvguest/memory.h"
#include "pvguest/priv.h"
#include "pvguest/start.h"
#include "pvguest/trap.h"

extern char shared_info_area[PAGE_SIZE];
extern const uint64_t trap_entries[TRAP_VECTORS];
extern char event_upcall[], failsafe_upcall[];

struct shared_info *shared_info_page = (struct shared_info *)shared_info_area;

static struct vcpu_info *const this_vcpu = &((struct shared_info *)shared_info_area)->vcpu_info[0];
static uint64_t max_mfn;

_Static_assert(sizeof(struct priv_entry) == sizeof(struct mmu_update) &&
                   offsetof(struct priv_entry, value) == offsetof(struct mmu_update, val),
               "priv_entry is passed as mmu_update");

#define barrier() __asm__ volatile("" ::: "memory")

static void traps_install(void)
{
    struct trap_info table[TRAP_VECTORS + 1] = {0};
    for (unsigned int v = 0; v < TRAP_VECTORS; v++) {
        table[v].vector = (uint8_t)v;
        table[v].flags = v == 3 || v == 4 ? 3 : 0; /* INT3 and INTO may be used by anybody */
        table[v].cs = FLAT_KERNEL_CS;
        table[v].address = trap_entries[v];
    }
    if (hypercall_set_trap_table(table) != 0) {
        priv_shutdown(SHUTDOWN_crash);
    }
}

static void callback_install(uint16_t type, uint16_t flags, const char *entry)
{
    struct callback_register callback = {
        .type = type, .flags = flags, .address = (unsigned long)entry};
    if (hypercall_callback_op(CALLBACKOP_register, &callback) != 0) {
        priv_shutdown(SHUTDOWN_crash);
    }
}

void priv_start(struct start_info *info)
{
    struct xen_machphys_mapping mapping;

    if (hypercall_update_va_mapping(shared_info_area,
                                    info->shared_info | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED |
                                        PTE_DIRTY,
                                    UVMF_INVLPG | UVMF_LOCAL) != 0) {
        priv_shutdown(SHUTDOWN_crash);
    }
    this_vcpu->evtchn_upcall_mask = 1;
    traps_install();
    callback_install(CALLBACKTYPE_event, 0, event_upcall);
    callback_install(CALLBACKTYPE_failsafe, CALLBACKF_mask_events, failsafe_upcall);
    if (hypercall_memory_op(XENMEM_machphys_mapping, &mapping) == 0) {
        max_mfn = mapping.max_mfn;
    } else {
        max_mfn = (HYPERVISOR_VIRT_END - MACH2PHYS_VIRT_START) / sizeof(uint64_t) - 1;
    }
    /* The periodic tick of old guests: we set our own timers. */
    hypercall_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
}

unsigned long priv_upcalls_save(void)
{
    unsigned long saved = this_vcpu->evtchn_upcall_mask;
    this_vcpu->evtchn_upcall_mask = 1;
    barrier();
    return saved;
}

void priv_upcalls_restore(unsigned long saved)
{
    barrier();
    if (saved != 0) {
        return;
    }
    this_vcpu->evtchn_upcall_mask = 0;
    /* Unmask first, then look: an event in between is either delivered or seen here. */
    barrier();
    if (*(volatile uint8_t *)&this_vcpu->evtchn_upcall_pending != 0) {
        hypercall_xen_version(XENVER_version, NULL); /* any hypercall delivers it on its return */
    }
}

bool priv_upcalls_masked(void)
{
    return this_vcpu->evtchn_upcall_mask != 0;
}

int priv_entries_write(const struct priv_entry *entries, size_t n, domid_t owner, size_t *done)
{
    unsigned int count = 0;
    long rc = hypercall_mmu_update((struct mmu_update *)(uintptr_t)entries, (unsigned int)n, &count,
                                   owner);
    *done = rc == 0 ? n : count;
    return (int)rc;
}

void priv_tlb_flush_page(const void *address)
{
    struct mmuext_op op = {.cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = (unsigned long)address};
    hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

void priv_tlb_flush_all(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};
    hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

uint64_t priv_mfn_to_pfn(uint64_t mfn)
{
    const uint64_t *table = (const uint64_t *)MACH2PHYS_VIRT_START;
    uint64_t pfn;
    return mfn <= max_mfn && priv_read_safe(&table[mfn], &pfn) ? pfn : INVALID_MFN;
}

bool priv_has_no_execute(void)
{
    uint32_t eax = 0x80000001U, ebx, ecx = 0, edx;
    /* The prefix asks the hypervisor, which knows whether it has the bit switched on. */
    __asm__ volatile(XEN_CPUID : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return (edx & (1U << 20)) != 0;
}

int priv_frames_make_contiguous(uint64_t *mfns, uint64_t first_pfn, unsigned int order,
                                uint64_t *first)
{
    xen_pfn_t out = first_pfn;
    struct xen_memory_exchange exchange = {
        .in = {.nr_extents = 1UL << order, .extent_order = 0,     .domid = DOMID_SELF},
        .out = {.nr_extents = 1,            .extent_order = order, .domid = DOMID_SELF},
    };
    set_xen_guest_handle(exchange.in.extent_start, (xen_pfn_t *)mfns);
    set_xen_guest_handle(exchange.out.extent_start, &out);
    long rc = hypercall_memory_op(XENMEM_exchange, &exchange);
    if (rc == 0 && exchange.nr_exchanged != 1UL << order) {
        rc = -XEN_ENOMEM;
    }
    *first = out;
    return (int)rc;
}

uint64_t priv_fault_address(void)
{
    return this_vcpu->arch.cr2;
}

static inline uint64_t tsc_read(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* xen/xen.h, vcpu_time_info: an odd version, or a changed one, means an update under way. */
uint64_t priv_time_now(void)
{
    const volatile struct vcpu_time_info *info = &this_vcpu->time;
    static uint64_t last;
    uint32_t version;
    uint64_t now;

    do {
        version = info->version & ~1U;
        barrier();
        uint64_t delta = tsc_read() - info->tsc_timestamp;
        int8_t shift = info->tsc_shift;
        delta = shift >= 0 ? delta << shift : delta >> -shift;
        now = info->system_time +
              (uint64_t)(((unsigned __int128)delta * info->tsc_to_system_mul) >> 32);
        barrier();
    } while (version != info->version);
    if (now < last) {
        return last; /* the scale was corrected under us */
    }
    last = now;
    return now;
}

uint64_t priv_time_wall(void)
{
    const volatile struct shared_info *shared = shared_info_page;
    uint32_t version;
    uint64_t base;

    do {
        version = shared->wc_version & ~1U;
        barrier();
        base = ((uint64_t)shared->wc_sec_hi << 32 | shared->wc_sec) * 1000000000ULL +
               shared->wc_nsec;
        barrier();
    } while (version != shared->wc_version);
    return base + priv_time_now();
}

/* Zero would stop the timer, and times far ahead are taken for errors: both are moved; an early
 * interrupt does no harm. */
void priv_timer_set(uint64_t deadline_ns)
{
    uint64_t latest = priv_time_now() + (1UL << 49);
    hypercall_set_timer_op(deadline_ns == 0 ? 1 : deadline_ns < latest ? deadline_ns : latest);
}

void priv_block(void)
{
    hypercall_sched_op(SCHEDOP_block, NULL);
}

void priv_yield(void)
{
    hypercall_sched_op(SCHEDOP_yield, NULL);
}

_Noreturn void priv_shutdown(unsigned int reason)
{
    struct sched_shutdown shutdown = {.reason = reason};
    for (;;) {
        hypercall_sched_op(SCHEDOP_shutdown, &shutdown);
    }
}
