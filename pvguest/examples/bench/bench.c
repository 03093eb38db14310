// SPDX-License-Identifier: MIT
/*
 * What single operations cost. Each is run many times and the median of the TSC differences is
 * printed: "BENCH name count". Under QEMU with -icount shift=0,sleep=off a count is the number of
 * instructions, the caller's few included; "empty" is what the measuring itself costs.
 */
#define __XEN_TOOLS__ 1
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/version.h>
#include "pvguest/event.h"
#include "pvguest/examples/bench/bench.h"
#include "pvguest/grant.h"
#include "pvguest/hypercall.h"
#include "pvguest/memory.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"
#include "pvguest/time.h"
#include "pvguest/trap.h"

#define SAMPLES 101U
#define BATCH 512U
#define COPIES 32
#define MULTICALLS 64U
#define ENTRY_FLAGS 0x63UL /* present, writable, accessed, dirty */

struct benchmark {
    const char *name;
    void (*run)(void);
    unsigned int divisor; /* operations in one run */
    unsigned int others;  /* domains there are besides this one, at least */
};

static void fail(const char *what, long rc)
{
    printf("FAIL bench/%s: %ld\n", what, rc);
    start_shutdown(SHUTDOWN_crash);
}

#define MUST(call)                                                                                 \
    do {                                                                                           \
        long rc_ = (call);                                                                         \
        if (rc_ != 0) {                                                                            \
            fail(#call, rc_);                                                                      \
        }                                                                                          \
    } while (0)

static void run_empty(void)
{
}

static void run_null(void)
{
    hypercall_xen_version(XENVER_version, NULL);
}

static void run_multicall(void)
{
    static struct multicall_entry calls[MULTICALLS];
    for (unsigned int i = 0; i < MULTICALLS; i++) {
        calls[i].op = __HYPERVISOR_xen_version;
        calls[i].args[0] = XENVER_version;
    }
    MUST(hypercall_multicall(calls, MULTICALLS));
}

/* Page tables: a reserved range whose entries point to one page of ours ----------------------------- */

static char *range;
static uint64_t range_frame;
static struct mmu_update updates[BATCH];

static void tables_prepare(void)
{
    range = memory_reserve(2 * BATCH);
    range = (char *)(((uint64_t)range + BATCH * PAGE_SIZE - 1) & ~(BATCH * PAGE_SIZE - 1));
    range_frame = virt_to_maddr(page_alloc(0));
    for (unsigned int i = 0; i < BATCH; i++) {
        updates[i].ptr = memory_pte_maddr(range + i * PAGE_SIZE);
        updates[i].val = range_frame | ENTRY_FLAGS;
    }
}

static void run_update_one(void)
{
    updates[0].val ^= 0x2; /* writable and not, in turn */
    MUST(hypercall_mmu_update(updates, 1, NULL, DOMID_SELF));
}

static void run_update_batch(void)
{
    for (unsigned int i = 0; i < BATCH; i++) {
        updates[i].val ^= 0x2;
    }
    MUST(hypercall_mmu_update(updates, BATCH, NULL, DOMID_SELF));
}

static void run_update_va(void)
{
    static uint64_t value;
    value = value == 0 ? range_frame | ENTRY_FLAGS : 0;
    MUST(hypercall_update_va_mapping(range, value, UVMF_INVLPG | UVMF_LOCAL));
}

static uint64_t *l1_table;

static void pin_prepare(void)
{
    l1_table = page_alloc(0);
    for (unsigned int i = 0; i < BATCH; i++) {
        l1_table[i] = range_frame | (ENTRY_FLAGS & ~0x2UL);
    }
    MUST(hypercall_update_va_mapping(l1_table, virt_to_maddr(l1_table) | (ENTRY_FLAGS & ~0x2UL),
                                     UVMF_INVLPG | UVMF_LOCAL));
}

static void mmuext(unsigned int command)
{
    struct mmuext_op op = {.cmd = command, .arg1.mfn = virt_to_mfn(l1_table)};
    MUST(hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF));
}

static void run_pin(void)
{
    mmuext(MMUEXT_PIN_L1_TABLE);
    mmuext(MMUEXT_UNPIN_TABLE);
}

static void run_flush_page(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = (unsigned long)range};
    MUST(hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF));
}

static void run_reservation(void)
{
    static xen_pfn_t frame;
    struct xen_memory_reservation reservation = {.nr_extents = 1, .domid = DOMID_SELF};
    static char *page;

    if (page == NULL) {
        page = page_alloc(0);
        frame = virt_to_mfn(page);
        MUST(hypercall_update_va_mapping(page, 0, UVMF_INVLPG | UVMF_LOCAL));
    }
    set_xen_guest_handle(reservation.extent_start, &frame);
    MUST(hypercall_memory_op(XENMEM_decrease_reservation, &reservation) - 1);
    frame = virt_to_pfn(page);
    MUST(hypercall_memory_op(XENMEM_populate_physmap, &reservation) - 1);
}

/* Events, time, traps ------------------------------------------------------------------------------- */

static volatile bool arrived;
static evtchn_port_t loop_port;

static void note_arrival(evtchn_port_t port, void *arg)
{
    (void)port;
    (void)arg;
    arrived = true;
}

static void note_timer(void *arg)
{
    (void)arg;
    arrived = true;
}

static void run_event(void)
{
    arrived = false;
    event_send(loop_port);
    while (!arrived) {
    }
}

static void run_timer(void)
{
    static struct timer timer;
    arrived = false;
    timer_set(&timer, 1, note_timer, NULL);
    while (!arrived) {
    }
}

static void run_yield(void)
{
    hypercall_sched_op(SCHEDOP_yield, NULL);
}

static void run_thread_switch(void)
{
    thread_yield();
}

static void partner(void *arg)
{
    (void)arg;
    for (;;) {
        thread_yield();
    }
}

static bool skip_two(struct trap_frame *frame)
{
    frame->rip += 2;
    return true;
}

static void run_trap(void)
{
    __asm__ volatile("ud2");
}

static void run_cpuid(void)
{
    uint32_t eax = 0, ebx, ecx = 0, edx;
    __asm__ volatile(XEN_CPUID : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
}

static void run_read_cr0(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
}

/* Grants -------------------------------------------------------------------------------------------- */

static struct gnttab_map_grant_ref map_op;
static struct gnttab_copy copy_op, copy_ops[COPIES];
static grant_ref_t own_ref;

static void grants_prepare(void)
{
    char *from = page_alloc(0), *to = page_alloc(0);
    own_ref = (grant_ref_t)grant_access(start_domid(), virt_to_mfn(to), false);
    copy_op = (struct gnttab_copy){
        .source = {.u.gmfn = virt_to_mfn(from), .domid = DOMID_SELF   },
        .dest = {.u.ref = own_ref,            .domid = start_domid()},
        .len = 64,
        .flags = GNTCOPY_dest_gref
    };
    for (unsigned int i = 0; i < COPIES; i++) {
        copy_ops[i] = copy_op;
        copy_ops[i].source.offset = copy_ops[i].dest.offset = (uint16_t)(i * copy_op.len);
    }
    map_op = (struct gnttab_map_grant_ref){.host_addr = (uint64_t)memory_reserve(1),
                                           .flags = GNTMAP_host_map,
                                           .ref = own_ref,
                                           .dom = start_domid()};
}

static void run_grant_map(void)
{
    struct gnttab_unmap_grant_ref unmap = {.host_addr = map_op.host_addr};
    MUST(hypercall_grant_table_op(GNTTABOP_map_grant_ref, &map_op, 1));
    unmap.handle = map_op.handle;
    MUST(hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1));
}

static void run_grant_copy(void)
{
    MUST(hypercall_grant_table_op(GNTTABOP_copy, &copy_op, 1));
}

static void run_grant_copies(void)
{
    MUST(hypercall_grant_table_op(GNTTABOP_copy, copy_ops, COPIES));
}

static void run_grant_copy_page(void)
{
    copy_op.len = PAGE_SIZE;
    MUST(hypercall_grant_table_op(GNTTABOP_copy, &copy_op, 1));
}

/* Other domains -------------------------------------------------------------------------------------- */

#define OTHERS 2000U

static domid_t last_domain;

static void others_make(unsigned int count)
{
    static unsigned int made;

    for (; made < count; made++) {
        struct xen_domctl op = {.cmd = XEN_DOMCTL_createdomain,
                                .interface_version = XEN_DOMCTL_INTERFACE_VERSION};
        op.u.createdomain.max_vcpus = 1;
        op.u.createdomain.max_evtchn_port = -1;
        op.u.createdomain.max_grant_frames = 1;
        op.u.createdomain.max_maptrack_frames = 1;
        op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
        MUST(hypercall_domctl(&op));
        last_domain = op.domain;
    }
}

static void run_query_size(void)
{
    struct gnttab_query_size query = {.dom = last_domain};
    MUST(hypercall_grant_table_op(GNTTABOP_query_size, &query, 1));
}

/* Measuring ----------------------------------------------------------------------------------------- */

static const struct benchmark benchmarks[] = {
    {"empty",                   run_empty,           1,          0     },
    {"hypercall",               run_null,            1,          0     },
    {"multicall-entry",         run_multicall,       MULTICALLS, 0     },
    {"mmu-update",              run_update_one,      1,          0     },
    {"mmu-update-batched",      run_update_batch,    BATCH,      0     },
    {"update-va-mapping",       run_update_va,       1,          0     },
    {"invlpg",                  run_flush_page,      1,          0     },
    {"pin-unpin-l1",            run_pin,             1,          0     },
    {"decrease-populate",       run_reservation,     1,          0     },
    {"event-to-upcall",         run_event,           1,          0     },
    {"timer-to-upcall",         run_timer,           1,          0     },
    {"yield-alone",             run_yield,           1,          0     },
    {"thread-switch-pair",      run_thread_switch,   1,          0     },
    {"trap-and-return",         run_trap,            1,          0     },
    {"cpuid-forced",            run_cpuid,           1,          0     },
    {"read-cr0",                run_read_cr0,        1,          0     },
    {"grant-map-unmap",         run_grant_map,       1,          0     },
    {"grant-copy-64",           run_grant_copy,      1,          0     },
    {"grant-copy-32x64",        run_grant_copies,    1,          0     },
    {"grant-copy-4096",         run_grant_copy_page, 1,          0     },
    {"look-up-among-1",         run_query_size,      1,          1     },
    {"look-up-among-many",      run_query_size,      1,          OTHERS},
    {"grant-copies-among-many", run_grant_copies,    1,          OTHERS},
};

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static uint64_t tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static uint64_t measure(const struct benchmark *benchmark)
{
    static uint64_t samples[SAMPLES];

    benchmark->run();
    for (unsigned int i = 0; i < SAMPLES; i++) {
        uint64_t start = tsc();
        benchmark->run();
        samples[i] = tsc() - start;
    }
    qsort(samples, SAMPLES, sizeof(samples[0]), compare);
    return samples[SAMPLES / 2] / benchmark->divisor;
}

int main(void)
{
    unsigned int senders;

    if (sscanf(start_command_line(), "senders=%u", &senders) == 1) {
        printf("SENDS %ld\n", senders_run(senders));
        return 0;
    }
    tables_prepare();
    pin_prepare();
    grants_prepare();
    loop_port = (evtchn_port_t)event_bind_ipi(note_arrival, NULL);
    trap_set_handler(6, skip_two);
    thread_create("partner", partner, NULL);
    for (size_t i = 0; i < sizeof(benchmarks) / sizeof(benchmarks[0]); i++) {
        others_make(benchmarks[i].others);
        printf("BENCH %s %llu\n", benchmarks[i].name, (unsigned long long)measure(&benchmarks[i]));
    }
    printf("BENCH-END\n");
    return 0;
}
