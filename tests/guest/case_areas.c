// SPDX-License-Identifier: MIT
// What belongs to one vcpu of many: registered areas, timers, descriptor tables, translations.
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
#define LIMIT (20 * NSEC_PER_SEC)
#define POLL_TIME (20 * NSEC_PER_MSEC)
#define MASK_BITS 64

// --- runstate and time areas

static struct vcpu_runstate_info states[SMP_VCPUS] __attribute__((aligned(64)));
static struct vcpu_time_info times[SMP_VCPUS] __attribute__((aligned(64)));
static volatile bool work_ends;

static long register_state(unsigned int id, void *address)
{
    struct vcpu_register_runstate_memory_area area;

    area.addr.v = address;
    return OP(register_runstate_memory_area, id, &area);
}

static long register_time(unsigned int id, void *address)
{
    struct vcpu_register_time_memory_area area;

    area.addr.v = address;
    return OP(register_vcpu_time_memory_area, id, &area);
}

// With `flag`, the hypervisor sets it in the time of entry while it writes.
static bool state_becomes(unsigned int id, int state, uint64_t flag)
{
    const volatile struct vcpu_runstate_info *seen = &states[id];
    uint64_t limit = time_now() + LIMIT;

    while ((seen->state != state || seen->state_entry_time & flag) && time_now() < limit)
        smp_yield();
    return seen->state == state && !(seen->state_entry_time & flag);
}

// Blocked for a time, then at work until it is told to end.
static void block_then_spin(unsigned int me)
{
    struct sched_poll poll = {.nr_ports = 0, .timeout = time_now() + NSEC_PER_SEC / 2};

    hypercall_sched_op(SCHEDOP_poll, &poll);
    while (!work_ends)
        ;
}

static void states_follow(uint64_t flag)
{
    work_ends = false;
    smp_start(1, block_then_spin);
    EXPECT_TRUE(state_becomes(1, RUNSTATE_blocked, flag));
    EXPECT_TRUE(state_becomes(1, RUNSTATE_running, flag));
    EXPECT_TRUE(states[1].time[RUNSTATE_blocked] > 0);
    work_ends = true;
    EXPECT_TRUE(smp_wait(1));
    EXPECT_TRUE(state_becomes(1, RUNSTATE_offline, flag));
}

// The area shows what a vcpu that is off every CPU does, with and without the update flag.
static void runstate_of_another(void)
{
    struct vcpu_runstate_info info;

    smp_initialise(1);
    EXPECT(register_state(1, &states[1]), 0);
    EXPECT(states[1].state, RUNSTATE_offline);
    states_follow(0);
    EXPECT(hypercall_vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
    states_follow(XEN_RUNSTATE_UPDATE);
    EXPECT(hypercall_vm_assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag), 0);
    EXPECT(OP(get_runstate_info, 1, &info), 0);
    EXPECT(info.state, RUNSTATE_offline);
    EXPECT(info.state_entry_time, states[1].state_entry_time);
    EXPECT(info.time[RUNSTATE_blocked], states[1].time[RUNSTATE_blocked]);
    EXPECT(register_state(1, NULL), 0);
}

static void wait_a_little(unsigned int me)
{
    struct sched_poll poll = {.nr_ports = 0};

    for (unsigned int i = 0; i < 3; i++) {
        poll.timeout = time_now() + 30 * NSEC_PER_MSEC;
        hypercall_sched_op(SCHEDOP_poll, &poll);
    }
}

static void areas_of_all(void)
{
    for (unsigned int i = 1; i < SMP_VCPUS; i++) {
        smp_initialise(i);
        memset(&times[i], 0, sizeof(times[i]));
        EXPECT(register_state(i, &states[i]), 0);
        EXPECT(register_time(i, &times[i]), 0);
    }
    smp_start_all(wait_a_little);
    EXPECT_TRUE(smp_wait_all());
    for (unsigned int i = 1; i < SMP_VCPUS; i++) {
        EXPECT_TRUE(state_becomes(i, RUNSTATE_offline, 0));
        EXPECT_TRUE(states[i].time[RUNSTATE_blocked] > 0);
        EXPECT_TRUE(times[i].version != 0 && times[i].version % 2 == 0);
        EXPECT_TRUE(times[i].tsc_to_system_mul != 0);
        EXPECT(register_state(i, NULL), 0);
        EXPECT(register_time(i, NULL), 0);
    }
}

// --- timers

static evtchn_port_t timer_ports[SMP_VCPUS];
static volatile unsigned long fired[SMP_VCPUS];

static bool take(evtchn_port_t port)
{
    uint64_t bit = 1UL << port % MASK_BITS;

    return __atomic_fetch_and(&shared_info_page->evtchn_pending[port / MASK_BITS], ~bit,
                              __ATOMIC_SEQ_CST) &
           bit;
}

static bool timer_fires(unsigned int me, uint64_t within)
{
    struct sched_poll poll = {.nr_ports = 1, .timeout = time_now() + within};

    set_xen_guest_handle(poll.ports, &timer_ports[me]);
    hypercall_sched_op(SCHEDOP_poll, &poll);
    return take(timer_ports[me]);
}

// A periodic timer stands still while its vcpu is blocked.
static bool timer_ticks(unsigned int me)
{
    uint64_t limit = time_now() + LIMIT;

    while (time_now() < limit) {
        if (take(timer_ports[me]))
            return true;
    }
    return false;
}

// One bit for each deadline that is kept; the one that is far away is not. Times are signed.
static void use_timers(unsigned int me)
{
    struct vcpu_set_singleshot_timer shot = {.timeout_abs_ns = 1};
    struct vcpu_set_periodic_timer period = {.period_ns = 2 * NSEC_PER_MSEC};

    OP(stop_periodic_timer, me, NULL);
    take(timer_ports[me]);
    fired[me] = OP(set_singleshot_timer, me, &shot) == 0 && timer_fires(me, LIMIT); // past
    shot.timeout_abs_ns = time_now() + NSEC_PER_MSEC;
    fired[me] |= (OP(set_singleshot_timer, me, &shot) == 0 && timer_fires(me, LIMIT)) << 1;
    shot.timeout_abs_ns = ~0UL >> 1;
    fired[me] |= (OP(set_singleshot_timer, me, &shot) != 0 || timer_fires(me, POLL_TIME)) << 2;
    shot.timeout_abs_ns = ~0UL;
    fired[me] |= (OP(set_singleshot_timer, me, &shot) == 0 && timer_fires(me, POLL_TIME)) << 3;
    OP(stop_singleshot_timer, me, NULL);
    fired[me] |= (OP(set_periodic_timer, me, &period) == 0 && timer_ticks(me)) << 4;
    fired[me] |= timer_ticks(me) << 5;
    OP(stop_periodic_timer, me, NULL);
    take(timer_ports[me]);
}

static void timers_of_all(void)
{
    for (unsigned int i = 1; i < SMP_VCPUS; i++) {
        struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER, .vcpu = i};

        REQUIRE(EXPECT(hypercall_event_channel_op(EVTCHNOP_bind_virq, &bind), 0));
        timer_ports[i] = bind.port;
        __atomic_fetch_or(&shared_info_page->evtchn_mask[bind.port / MASK_BITS],
                          1UL << bind.port % MASK_BITS, __ATOMIC_SEQ_CST);
    }
    smp_start_all(use_timers);
    EXPECT_TRUE(smp_wait_all());
    for (unsigned int i = 1; i < SMP_VCPUS; i++) {
        struct evtchn_close close = {.port = timer_ports[i]};

        EXPECT(fired[i], 0x3b);
        EXPECT(hypercall_event_channel_op(EVTCHNOP_close, &close), 0);
    }
}

// --- descriptor tables

#define SELECTOR (1 * 8 + 3)
#define DATA_BYTE_LIMIT(limit) (0x0040f30000000000UL | (limit))
#define LOOKS 40

static uint64_t *tables[SMP_VCPUS];
static volatile unsigned long wrong_tables;

static unsigned long limit_of(uint16_t selector)
{
    unsigned long limit = ~0UL;

    __asm__ volatile("lsl %1, %k0" : "+r"(limit) : "r"((uint32_t)selector));
    return limit;
}

static void use_own_table(unsigned int me)
{
    unsigned long mfn = virt_to_mfn(tables[me]);

    if (hypercall_set_gdt(&mfn, 2) != 0)
        __atomic_add_fetch(&wrong_tables, 1, __ATOMIC_SEQ_CST);
    for (unsigned int i = 0; i < LOOKS; i++) {
        if (limit_of(SELECTOR) != me)
            __atomic_add_fetch(&wrong_tables, 1, __ATOMIC_SEQ_CST);
        smp_yield();
    }
    hypercall_set_gdt(NULL, 0);
    if (limit_of(SELECTOR) != ~0UL)
        __atomic_add_fetch(&wrong_tables, 1, __ATOMIC_SEQ_CST);
}

static void table_for_each(void)
{
    wrong_tables = 0;
    for (unsigned int i = 1; i < SMP_VCPUS; i++) {
        tables[i] = table_alloc();
        REQUIRE(tables[i] != NULL);
        tables[i][1] = DATA_BYTE_LIMIT(i);
        EXPECT(page_set_readonly(tables[i]), 0);
    }
    smp_start_all(use_own_table);
    EXPECT_TRUE(smp_wait_all());
    EXPECT(wrong_tables, 0);
    for (unsigned int i = 1; i < SMP_VCPUS; i++)
        table_free(tables[i]);
}

// --- translations

static uint64_t *volatile watched;
static volatile uint64_t seen[SMP_VCPUS];
static volatile unsigned long looks[SMP_VCPUS];

static void watch(unsigned int me)
{
    while (!work_ends) {
        seen[me] = *(volatile uint64_t *)watched;
        looks[me]++;
        smp_yield();
    }
}

// Each of them looks again, from the start of a look.
static bool all_look_again(void)
{
    uint64_t limit = time_now() + LIMIT;
    unsigned long before[SMP_VCPUS];

    for (unsigned int i = 1; i < SMP_VCPUS; i++)
        before[i] = looks[i];
    for (unsigned int i = 1; i < SMP_VCPUS; i++) {
        while (looks[i] < before[i] + 2) {
            if (time_now() > limit)
                return false;
            smp_yield();
        }
    }
    return true;
}

static long remap(uint64_t mfn, unsigned int way)
{
    static unsigned long all = (1UL << SMP_VCPUS) - 1;
    static const unsigned int commands[] = {MMUEXT_INVLPG_MULTI, MMUEXT_TLB_FLUSH_MULTI,
                                            MMUEXT_INVLPG_ALL, MMUEXT_TLB_FLUSH_ALL};
    struct mmuext_op flush = {.cmd = commands[way]};

    if (pte_write(memory_pte_maddr(watched), pte_make(mfn, PTE_RAM)) != 0)
        return -1;
    flush.arg1.linear_addr = (unsigned long)watched;
    set_xen_guest_handle(flush.arg2.vcpumask, &all);
    return hypercall_mmuext_op(&flush, 1, NULL, DOMID_SELF);
}

static void flush_all_of_them(void)
{
    uint64_t *pages[2] = {page_alloc(0), page_alloc(0)};
    uint64_t mfns[2] = {virt_to_mfn(pages[0]), virt_to_mfn(pages[1])};
    unsigned long stale = 0;

    REQUIRE(pages[0] && pages[1]);
    pages[0][0] = 0;
    pages[1][0] = 1;
    watched = pages[0];
    work_ends = false;
    smp_start_all(watch);
    for (unsigned int i = 1; i <= 8; i++) {
        EXPECT(remap(mfns[i & 1], i % 4), 0);
        if (!EXPECT_TRUE(all_look_again()))
            break;
        for (unsigned int v = 1; v < SMP_VCPUS; v++)
            stale += seen[v] != (i & 1);
    }
    EXPECT(stale, 0);
    work_ends = true;
    EXPECT_TRUE(smp_wait_all());
    EXPECT(page_set_writable(pages[0]), 0);
    page_free(pages[0], 0);
    page_free(pages[1], 0);
}

// --- vcpu_info: once and for good, so last

#define FRAME_TOO_FAR (1UL << 52) // its address has no room in 64 bits
#define INFO_BYTES sizeof(struct vcpu_info)

static void register_infos(unsigned int id, uint64_t mfn, unsigned int offset, long wanted)
{
    struct vcpu_register_vcpu_info info = {.mfn = mfn, .offset = offset};

    EXPECT(OP(register_vcpu_info, id, &info), wanted);
}

static void info_for_each(void)
{
    static char *page;
    uint64_t *table = table_alloc(), mfn;

    page = page_alloc(0);
    REQUIRE(page && table);
    mfn = virt_to_mfn(page);
    EXPECT(page_set_readonly(table), 0);
    EXPECT(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0);
    register_infos(1, virt_to_mfn(table), 0, SINCE_XEN(20) ? -XEN_EACCES : -XEN_EINVAL);
    EXPECT(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0);
    table_free(table);
    register_infos(1, mfn, 4, -XEN_ENXIO);
    register_infos(1, mfn, PAGE_SIZE - INFO_BYTES + 8, -XEN_ENXIO);
    register_infos(1, mfn, PAGE_SIZE, SINCE_XEN(20) ? -XEN_EINVAL : -XEN_ENXIO);
    register_infos(1, mfn, 0xffffffff, SINCE_XEN(20) ? -XEN_EINVAL : -XEN_ENXIO);
    register_infos(1, FRAME_TOO_FAR, 4, SINCE_XEN(20) ? -XEN_EINVAL : -XEN_ENXIO);
    work_ends = false;
    smp_start(1, watch);
    register_infos(1, mfn, INFO_BYTES, SINCE_XEN(20) ? 0 : -XEN_EINVAL); // it runs
    work_ends = true;
    EXPECT_TRUE(smp_wait(1));
    for (unsigned int i = SINCE_XEN(20) ? 2 : 1; i < SMP_VCPUS; i++) {
        struct vcpu_info *info = (struct vcpu_info *)(page + i * INFO_BYTES);

        register_infos(i, mfn, i * INFO_BYTES, 0);
        EXPECT(info->evtchn_upcall_pending, 1);
        EXPECT(info->evtchn_upcall_mask, 1);
        EXPECT_TRUE(info->evtchn_pending_sel == ~0UL);
        register_infos(i, mfn, i * INFO_BYTES, SINCE_XEN(20) ? -XEN_EBUSY : -XEN_EINVAL);
        info->evtchn_upcall_pending = 0;
        info->evtchn_pending_sel = 0;
    }
    smp_start_all(wait_a_little);
    EXPECT_TRUE(smp_wait_all());
    for (unsigned int i = 1; i < SMP_VCPUS; i++)
        EXPECT_TRUE(((struct vcpu_info *)(page + i * INFO_BYTES))->time.version != 0);
    page_set_readonly(page); // it is in use for good; as a table it is not
    EXPECT_TRUE(mmuext(MMUEXT_PIN_L1_TABLE, mfn) < 0);
    page_set_writable(page);
}

static const struct report_case cases[] = {
    REPORT_CASE(runstate_of_another), REPORT_CASE(areas_of_all),      REPORT_CASE(timers_of_all),
    REPORT_CASE(table_for_each),      REPORT_CASE(flush_all_of_them), REPORT_CASE(info_for_each),
};

GUEST_FAMILY(areas, REPORT_SUITE("vcpus", cases));
