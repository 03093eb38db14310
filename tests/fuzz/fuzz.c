// SPDX-License-Identifier: MIT
// Main program of the differential fuzzer, a dom0 kernel for either hypervisor.
//
// Command line: seed=N calls=N; from=A to=B print the calls in between; every=N sets how often the hash
// of all lines so far is printed; keep=A-B,C,... runs only those calls, skip=NAME,... none of those
// operations (for reducing a difference);
// hostile=V: wild calls, with V vcpus, for Paravane only (hostile.c), worst=1: and the longest ones;
// dump=N prints what the frames hold before call N, as "D <frame>[<index>] <entry>"; watch=1 tells after
// each printed call which frames can be mapped writable.
// Output: "H <number> <hash>" and "C <number> <line>", at the end "FUZZ-END <calls>".
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/hostile.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pvguest/event.h"
#include "pvguest/start.h"

#define LINE_MAX 512U
#define WATCH_FLAGS 0x67UL // present, writable, user, accessed, dirty
#define PTE_ADDRESS 0xffffffffff000UL
#define FNV_OFFSET 0xcbf29ce484222325UL
#define FNV_PRIME 0x100000001b3UL

struct fuzz_frame fuzz_frames[FUZZ_FRAMES];

static uint64_t random_state, running; // the number of the call
static char line[LINE_MAX];
static size_t line_length;

uint64_t fuzz_random64(void)
{
    // SplitMix64 (Steele, Lea, Flood 2014).
    uint64_t z = random_state += 0x9e3779b97f4a7c15UL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
    return z ^ z >> 31;
}

uint64_t fuzz_number(void)
{
    return running;
}

uint32_t fuzz_random(uint32_t below)
{
    return (uint32_t)(fuzz_random64() % below);
}

bool fuzz_chance(uint32_t percent)
{
    return fuzz_random(100) < percent;
}

unsigned int fuzz_pick_frame(void)
{
    return fuzz_chance(4) ? FUZZ_FRAMES + fuzz_random(FUZZ_BOGUS) : fuzz_random(FUZZ_FRAMES);
}

// Bogus frames: beyond all memory, the largest number, shared_info, local APIC, IO-APIC, and frames that
// no entry can hold.
uint64_t fuzz_mfn(unsigned int index)
{
    const uint64_t bogus[FUZZ_BOGUS] = {
        0xfffffffffUL,
        0x3ffffffUL,
        start_info_page->shared_info >> PAGE_SHIFT,
        0xfee00UL,
        0xfec00UL,
        ~0UL >> 12,
        1UL << 40,
        start_info_page->shared_info >> PAGE_SHIFT,
    };

    return index < FUZZ_FRAMES ? fuzz_frames[index].mfn : bogus[index - FUZZ_FRAMES];
}

unsigned int fuzz_pick_source(void)
{
    unsigned int frame = fuzz_pick_frame();

    return fuzz_mfn(frame) == start_info_page->shared_info >> PAGE_SHIFT ? FUZZ_FRAMES : frame;
}

unsigned int fuzz_frame_of(uint64_t entry)
{
    uint64_t mfn = (entry & PTE_ADDRESS) >> PAGE_SHIFT;

    for (unsigned int i = 0; i < FUZZ_FRAMES + FUZZ_BOGUS; i++) {
        if (fuzz_mfn(i) == mfn)
            return i;
    }
    return ~0U;
}

void fuzz_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(line + line_length, sizeof(line) - line_length, format, args);
    va_end(args);
    if (n > 0)
        line_length += (size_t)n < sizeof(line) - line_length ? (size_t)n : 0;
}

static uint64_t hash_line(uint64_t hash)
{
    for (size_t i = 0; i < line_length; i++)
        hash = (hash ^ (uint8_t)line[i]) * FNV_PRIME;
    return hash;
}

static const struct fuzz_operation *const families[] = {
    fuzz_memory_operations, fuzz_event_operations, fuzz_grant_operations,       fuzz_cpu_operations,
    fuzz_call_operations,   fuzz_store_operations, fuzz_reservation_operations, hostile_operations};
#define FAMILIES (sizeof(families) / sizeof(families[0]))
static size_t family_count = FAMILIES - 1; // the last one is hostile

static const struct fuzz_operation *pick_operation(void)
{
    unsigned int total = 0;

    for (size_t f = 0; f < family_count; f++) {
        for (const struct fuzz_operation *op = families[f]; op->name; op++)
            total += op->weight;
    }
    unsigned int n = fuzz_random(total);
    for (size_t f = 0; f < family_count; f++) {
        for (const struct fuzz_operation *op = families[f]; op->name; op++) {
            if (n < op->weight)
                return op;
            n -= op->weight;
        }
    }
    return NULL;
}

// Is `name` in "NAME,NAME,..."?
static bool is_listed(const char *list, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = list; at && *at; at += strcspn(at, ",")) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

// False when the operation is left out.
static bool run_call(uint64_t seed, uint64_t number, const char *skip)
{
    random_state = seed * 0x2545f4914f6cdd1dUL + number;
    running = number;
    const struct fuzz_operation *op = pick_operation();
    if (is_listed(skip, op->name))
        return false;
    line_length = 0;
    fuzz_log("%s", op->name);
    op->run();
    return true;
}

// Each error leaves a record of the reason; only without racers is it clear whose.
static bool run_with_reasons(uint64_t seed, uint64_t number)
{
    uint64_t before = verdict_refusals();

    run_call(seed, number, NULL);
    if (!strstr(line, " = -") || verdict_refusals() != before)
        return true;
    printf("HOSTILE call %lu without a reason: %s\n", number, line);
    return false;
}

// Is `number` in "A-B,C,..."? A missing list holds everything.
static bool is_kept(const char *list, uint64_t number)
{
    if (!list)
        return true;
    while (*list) {
        char *end;
        uint64_t first = strtoull(list, &end, 10), last = first;
        if (*end == '-')
            last = strtoull(end + 1, &end, 10);
        if (number >= first && number <= last)
            return true;
        list = *end == ',' ? end + 1 : end;
    }
    return false;
}

static uint64_t option(const char *name, uint64_t otherwise)
{
    const char *text = start_option(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void frames_setup(void)
{
    for (unsigned int i = 0; i < FUZZ_FRAMES; i++) {
        struct fuzz_frame *f = &fuzz_frames[i];
        f->address = page_alloc(0);
        if (!f->address)
            exit(1);
        f->mfn = virt_to_mfn(f->address);
        f->pfn = virt_to_pfn(f->address);
    }
}

// An entry by the index of its frame, as in the log; the number itself for frames that are not ours.
static void dump_entry(unsigned int frame, unsigned int index, uint64_t entry)
{
    unsigned int named = fuzz_frame_of(entry);

    if (named != ~0U)
        printf("D f%u[%u] f%u/%#lx\n", frame, index, named, entry & ~PTE_ADDRESS);
    else
        printf("D f%u[%u] %#lx\n", frame, index, entry);
}

static void dump_frames(void)
{
    for (unsigned int f = 0; f < FUZZ_FRAMES; f++) {
        const uint64_t *words = memory_map_frames(&fuzz_frames[f].mfn, 1, DOMID_SELF, MEMORY_READ,
                                                  NULL);
        for (unsigned int i = 0; words && i < PAGE_SIZE / sizeof(*words); i++) {
            if (words[i] & 1)
                dump_entry(f, i, words[i]);
        }
    }
}

// Can it be mapped writable? Not while it is a table or holds descriptors.
static bool is_writable(unsigned int frame)
{
    static uint8_t *window;
    uint64_t entry = (fuzz_mfn(frame) << PAGE_SHIFT) | WATCH_FLAGS;

    if (!window)
        window = memory_reserve(1);
    if (hypercall_update_va_mapping(window, entry, UVMF_INVLPG) != 0)
        return false;
    hypercall_update_va_mapping(window, 0, UVMF_INVLPG);
    return true;
}

// What the two hypervisors may leave differently in a page: accessed and dirty bits, cache bits and the
// global bit (fuzz_prepare_table), and in the slots of an old level-4 table that were theirs.
#define UNEQUAL_BITS 0x1f8UL
#define OWN_SLOT_FIRST 256U
#define OWN_SLOT_LAST 271U

static uint64_t hash_word(uint64_t hash, uint64_t word)
{
    unsigned int frame = fuzz_frame_of(word);

    if (frame != ~0U)
        word = (word & ~PTE_ADDRESS) | (uint64_t)frame << PAGE_SHIFT;
    return (hash ^ (word & ~UNEQUAL_BITS)) * FNV_PRIME;
}

uint64_t fuzz_contents(unsigned int frame)
{
    static const uint64_t *window;
    uint64_t entry = (fuzz_mfn(frame) << PAGE_SHIFT) | (WATCH_FLAGS & ~2UL), hash = FNV_OFFSET;

    if (!window)
        window = memory_reserve(1);
    if (hypercall_update_va_mapping(window, entry, UVMF_INVLPG) != 0)
        return 0;
    for (unsigned int i = 0; i < PAGE_SIZE / sizeof(*window); i++) {
        if (window[i] & ~UNEQUAL_BITS && (i < OWN_SLOT_FIRST || i > OWN_SLOT_LAST))
            hash = hash_word(hash ^ i, window[i]);
    }
    hypercall_update_va_mapping(window, 0, UVMF_INVLPG);
    return hash;
}

uint64_t fuzz_writable_frames(void)
{
    uint64_t mask = 0;

    for (unsigned int f = 0; f < FUZZ_FRAMES; f++)
        mask |= (uint64_t)is_writable(f) << f;
    return mask;
}

static void print_call(uint64_t number)
{
    if (number >= option("from", 0) && number < option("to", 0))
        printf("C %lu %s\n", number, line);
}

static void differential_run(uint64_t seed, uint64_t calls)
{
    uint64_t every = option("every", 500), hash = FNV_OFFSET, done = 0, from = option("from", 0);
    uint64_t dump = option("dump", UINT64_MAX), watch = option("watch", 0);
    const char *keep = start_option("keep"), *skip = start_option("skip");

    for (uint64_t i = 0; i < calls; i++) {
        if (!is_kept(keep, i))
            continue;
        if (i == dump)
            dump_frames();
        if (!run_call(seed, i, skip))
            continue;
        hash = hash_line(hash);
        done++;
        if (watch && i >= from)
            fuzz_look();
        print_call(i);
        if (done % every == 0 || i + 1 == calls)
            printf("H %lu %016lx\n", i, hash);
    }
}

// False when something that Paravane promises did not hold.
static bool hostile_run(uint64_t seed, uint64_t calls, unsigned int vcpus)
{
    const char *keep = start_option("keep");
    bool is_good = true;

    family_count = FAMILIES;
    if (option("worst", 0))
        worst_run();
    racers_start(vcpus - 1);
    for (uint64_t i = 0; i < calls; i++) {
        if (!is_kept(keep, i))
            continue;
        if (vcpus == 1)
            is_good &= run_with_reasons(seed, i);
        else
            run_call(seed, i, NULL);
        print_call(i);
    }
    racers_stop();
    return verdict_print() && is_good;
}

int main(void)
{
    uint64_t seed = option("seed", 1), calls = option("calls", 1000);
    unsigned int hostile = (unsigned int)option("hostile", 0);

    frames_setup();
    fuzz_event_setup();
    fuzz_grant_setup();
    if (!hostile)
        differential_run(seed, calls);
    else if (!hostile_run(seed, calls, hostile))
        printf("FUZZ-BAD\n");
    printf("FUZZ-END %lu\n", calls);
    return 0;
}
