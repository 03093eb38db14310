// SPDX-License-Identifier: MIT
// System time from the TSC, the local one-shot timer, the wall clock.
//
// Calibration: TSC and APIC timer are counted over several short windows of a reference clock; a
// reading of the reference is bracketed by two TSC reads, and the window whose brackets were narrowest
// counts (under emulation the clocks belong to different host clocks and a CPU may be descheduled
// anywhere). Scale and origin never change afterwards, so that a guest that extrapolates with
// time_scale_get() gets exactly time_now().
// Across CPUs: each CPU measures its TSC's distance from the boot CPU's at start. A distance that is
// within the measurement's own uncertainty is taken as none.
// Never early: the timer is set in APIC ticks, rounded up; its interrupt compares with system time
// and arms again what is left.
#include "hypervisor/time.h"
#include "hypervisor/acpi.h"
#include "hypervisor/apic.h"
#include "hypervisor/cpu.h"
#include "hypervisor/panic.h"

#define PER_NS_SHIFT 28
#define WINDOWS 3
#define UNCALIBRATED_HZ (4 * NS_PER_S) // for delays of an early panic
#define WINDOW_US 10000

static uint64_t tsc_hz, apic_hz;
static uint64_t tsc_per_ns, apic_per_ns; // fixed point, rounded up
static uint64_t tsc_base;                // boot CPU's TSC at system time 0
static uint32_t scale_mul;
static int8_t scale_shift;
static uint64_t tsc_offset[HV_MAX_CPUS]; // own TSC minus the boot CPU's

static uint64_t wall_at_boot; // ns since 1970 at system time 0; atomic

static uint64_t scale(uint64_t ticks)
{
    ticks = scale_shift < 0 ? ticks >> -scale_shift : ticks << scale_shift;
    return (uint64_t)(((unsigned __int128)ticks * scale_mul) >> 32);
}

uint64_t time_tsc_khz(void)
{
    return tsc_hz / 1000;
}

uint64_t time_now(void)
{
    uint64_t ticks = rdtsc_ordered() - tsc_base - tsc_offset[this_cpu_id()];
    // A CPU measured slightly ahead may be before the origin in its very first moments.
    return (int64_t)ticks < 0 ? 0 : scale(ticks);
}

void time_scale_get(struct vcpu_time_info *t)
{
    t->tsc_timestamp = tsc_base + tsc_offset[this_cpu_id()];
    t->system_time = 0;
    t->tsc_to_system_mul = scale_mul;
    t->tsc_shift = scale_shift;
}

// --- calibration

#define REFERENCE_HZ 3579545ul // the ACPI PM timer
#define REFERENCE_MASK 0xffffffu
#define REFERENCE_TRIES 1000

static uint32_t reference_read(void)
{
    return in32(acpi_info.pm_timer);
}

struct sample {
    uint64_t tsc, width; // middle and width of the bracket
    uint32_t reference, apic;
};

static struct sample sample_take(void)
{
    struct sample best = {.width = ~0ull};
    for (unsigned i = 0; i < 4; i++) {
        uint64_t before = rdtsc_ordered();
        uint32_t reference = reference_read();
        uint32_t apic = apic_timer_get();
        uint64_t after = rdtsc_ordered();
        if (after - before < best.width)
            best = (struct sample){before + (after - before) / 2, after - before, reference, apic};
    }
    return best;
}

// One window; returns its error bound (sum of the brackets).
static uint64_t window_measure(uint64_t *tsc, uint64_t *apic)
{
    struct sample start = sample_take(), end;
    do {
        end = sample_take();
    } while (((end.reference - start.reference) & REFERENCE_MASK) <
             REFERENCE_HZ * WINDOW_US / 1000000);
    uint32_t elapsed = (end.reference - start.reference) & REFERENCE_MASK;
    *tsc = (end.tsc - start.tsc) * REFERENCE_HZ / elapsed;
    *apic = (uint64_t)(start.apic - end.apic) * REFERENCE_HZ / elapsed;
    return start.width + end.width;
}

// mul and shift with ns = ((ticks << shift) * mul) >> 32, mul in its upper half.
static void scale_set(uint64_t hz)
{
    uint64_t reduced = hz;
    scale_shift = 0;
    while (reduced > 2 * NS_PER_S) {
        reduced >>= 1;
        scale_shift--;
    }
    while (reduced <= NS_PER_S) {
        reduced <<= 1;
        scale_shift++;
    }
    // From the unreduced frequency, so that the bits shifted out are not lost. Fits below 8 GHz.
    uint64_t ns = NS_PER_S << 32;
    ns = scale_shift < 0 ? ns << -scale_shift : ns >> scale_shift;
    scale_mul = (uint32_t)(ns / hz);
}

static void timer_handler(uint8_t vector);

void time_init(void)
{
    uint64_t best = ~0ull;
    bool counts = false;
    for (unsigned i = 0, first = reference_read(); i < REFERENCE_TRIES && !counts; i++)
        counts = acpi_info.pm_timer && reference_read() != first;
    if (!counts)
        panic("the machine has no ACPI PM timer, or it stands still");
    apic_timer_one_shot();
    apic_timer_set(~0u);
    for (unsigned i = 0; i < WINDOWS; i++) {
        uint64_t tsc, apic, error = window_measure(&tsc, &apic);
        if (error >= best)
            continue;
        best = error;
        tsc_hz = tsc;
        apic_hz = apic;
    }
    apic_timer_set(0);
    apic_init_local();
    if (tsc_hz < 1000000 || tsc_hz > 8 * NS_PER_S || apic_hz < 1000)
        panic("calibration failed: TSC %lu Hz, APIC timer %lu Hz", tsc_hz, apic_hz);
    scale_set(tsc_hz);
    tsc_per_ns = (tsc_hz << PER_NS_SHIFT) / NS_PER_S + 1;
    apic_per_ns = (apic_hz << PER_NS_SHIFT) / NS_PER_S + 1;
    tsc_base = rdtsc_ordered();
    wall_at_boot = rtc_read() * NS_PER_S;
    vector_set_handler(VECTOR_TIMER, timer_handler);
    log_info("Time: TSC %lu kHz, APIC timer %lu kHz; wall clock %lu s", tsc_hz / 1000,
             apic_hz / 1000, wall_at_boot / NS_PER_S);
}

// --- the other CPUs' TSCs

#define SYNC_ROUNDS 16
#define SYNC_GOOD_ENOUGH_US 2 // a round this short ends the measurement

// A question-and-answer exchange between a starting CPU and the boot CPU. `turn` hands over: the
// starting CPU stores an odd number, the boot CPU answers with its TSC and the next even one.
static struct {
    uint32_t turn; // atomic
    uint64_t tsc;
} sync;

void time_sync_serve(void)
{
    uint32_t turn = __atomic_load_n(&sync.turn, __ATOMIC_ACQUIRE); // pairs with the question
    if (turn & 1) {
        sync.tsc = rdtsc_ordered();
        __atomic_store_n(&sync.turn, turn + 1, __ATOMIC_RELEASE); // pairs with the loop below
    }
}

void time_init_local(void)
{
    uint64_t best_width = ~0ull;
    int64_t best = 0;
    for (unsigned i = 0; i < SYNC_ROUNDS && best_width > tsc_hz / 1000000 * SYNC_GOOD_ENOUGH_US;
         i++) {
        uint64_t before = rdtsc_ordered();
        uint32_t answer = __atomic_add_fetch(&sync.turn, 1, __ATOMIC_ACQ_REL) + 1;
        while (__atomic_load_n(&sync.turn, __ATOMIC_ACQUIRE) != answer)
            cpu_relax();
        uint64_t there = sync.tsc, after = rdtsc_ordered(), width = after - before;
        if (width < best_width) {
            best_width = width;
            best = (int64_t)(before + width / 2 - there);
        }
    }
    uint64_t distance = (uint64_t)(best < 0 ? -best : best);
    tsc_offset[this_cpu_id()] = distance > best_width ? (uint64_t)best : 0;
}

// --- the local timer

static uint64_t ticks_of(uint64_t ns, uint64_t per_ns)
{
    // One more than the distance: never early by rounding.
    return (uint64_t)((unsigned __int128)ns * per_ns >> PER_NS_SHIFT) + 1;
}

// At most about four seconds, or an hour, ahead: the handler arms again what is left.
static void timer_arm(uint64_t deadline, uint64_t now)
{
    if (cpu_features.tsc_deadline) {
        uint64_t ns = MIN(deadline, now + 3600 * NS_PER_S);
        wrmsr(MSR_TSC_DEADLINE, tsc_base + tsc_offset[this_cpu_id()] + ticks_of(ns, tsc_per_ns));
    } else {
        uint64_t ticks = ticks_of(MIN(deadline - now, 4 * NS_PER_S), apic_per_ns);
        apic_timer_set(ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks);
    }
}

static void timer_handler(uint8_t vector)
{
    struct cpu *c = this_cpu();
    uint64_t now = time_now();
    if (c->deadline == 0)
        return;
    if (now < c->deadline) {
        timer_arm(c->deadline, now);
    } else {
        c->deadline = 0;
        softirq_raise_here(SOFTIRQ_TIMER);
    }
}

void time_deadline_set(uint64_t ns)
{
    uint64_t flags = irq_save(), now = time_now();
    struct cpu *c = this_cpu();
    if (ns == TIME_NEVER) {
        if (c->deadline && cpu_features.tsc_deadline)
            wrmsr(MSR_TSC_DEADLINE, 0);
        else if (c->deadline)
            apic_timer_set(0);
        c->deadline = 0;
    } else if (ns <= now) {
        c->deadline = 0;
        softirq_raise_here(SOFTIRQ_TIMER);
    } else {
        c->deadline = ns;
        timer_arm(ns, now);
    }
    irq_restore(flags);
}

void time_delay_us(unsigned us)
{
    uint64_t hz = tsc_hz ? tsc_hz : UNCALIBRATED_HZ, ticks = hz / 1000000 * us + 1, start = rdtsc();
    while (rdtsc() - start < ticks)
        cpu_relax();
}

// --- wall clock

uint64_t time_wall_at_boot(void)
{
    return __atomic_load_n(&wall_at_boot, __ATOMIC_RELAXED);
}

void time_wall_set(uint64_t wall_ns, uint64_t system_ns)
{
    __atomic_store_n(&wall_at_boot, wall_ns - system_ns, __ATOMIC_RELAXED);
}
