// SPDX-License-Identifier: MIT
// Helpers of the conformance guest: expectations that show values, page-table shorthands, probes.
//
// The guest runs as dom0's kernel on either hypervisor. Each case leaves the domain as it found it:
// pages mapped writable, no pins, no ports.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/errno.h>

#include "pvguest/hypercall.h"
#include "pvguest/memory.h"
#include "pvguest/trap.h"
#include "tests/report.h"
#include "xen_release.h"

// Where releases of Xen differ: true from 4.MINOR on. Xen's headers and Xen itself are of one release.
#define SINCE_XEN(minor) (XEN_RELEASE_MINOR >= (minor))

// False on Xen: where the two differ for a reason.
bool guest_is_on_paravane(void);

// Expectations. The case goes on after one that fails; REQUIRE leaves the case.
bool guest_expect(long actual, long wanted, const char *text, const char *file, unsigned int line);
bool guest_expect_true(bool good, const char *text, const char *file, unsigned int line);
#define EXPECT(actual, wanted)                                                                     \
    guest_expect((long)(actual), (long)(wanted), #actual, __FILE__, __LINE__)
#define EXPECT_TRUE(condition) guest_expect_true((condition), #condition, __FILE__, __LINE__)
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!EXPECT_TRUE(condition))                                                               \
            return;                                                                                \
    } while (0)

// Paravane's reasons for the refusals of the running case: read what is new, of this domain or of another
// from record *next on; print and forget them.
void provoked_collect(void);
void provoked_collect_from(domid_t domid, uint64_t *next);
void provoked_print(const char *suite, const char *name);
// Takes one of the records that the last look found. False for a result that is an error, or a negative status, when
// none is left: no call may fail without a reason.
bool provoked_excuses(long result);

// Page-table entry bits.
#define PTE_P (1UL << 0)
#define PTE_RW (1UL << 1)
#define PTE_US (1UL << 2)
#define PTE_PWT (1UL << 3)
#define PTE_PCD (1UL << 4)
#define PTE_A (1UL << 5)
#define PTE_D (1UL << 6)
#define PTE_PSE (1UL << 7)
#define PTE_AVAIL (1UL << 9)
#define PTE_NX (1UL << 63)
#define PTE_RAM (PTE_P | PTE_US | PTE_A | PTE_D)
#define PTE_TABLE (PTE_P | PTE_RW | PTE_US | PTE_A)

// Addresses that no guest may use.
#define HYPERVISOR_ADDRESS ((void *)0xffff830000000000UL)
#define NON_CANONICAL ((void *)0x8000000000000000UL)
#define ABSENT_DOMAIN 0x1234
#define ABSENT_FRAME 0xfffffffffUL

// Places where a structure of `bytes` cannot be read or written: nothing there, the hypervisor's, no
// canonical address, one byte short of a page that is there. HOSTILE_PLACES of them.
#define HOSTILE_PLACES 5
void *hostile_place(unsigned int which, size_t bytes);

// An L1 entry for a frame, and the L1 entry that maps an address now.
uint64_t pte_make(uint64_t mfn, uint64_t flags);
uint64_t pte_read(const void *address);
// Writes one entry at a machine address by mmu_update; 0 or the error.
long pte_write(uint64_t entry_maddr, uint64_t value);
// Maps a page of ours read-only or writable at its own address, or nothing there.
long page_set_readonly(void *page);
long page_set_writable(void *page);
long page_set_absent(void *page);
// A frame of RAM that is not ours; 0 if there is none.
uint64_t frame_of_another(void);
// One mmuext operation on a frame.
long mmuext(unsigned int command, uint64_t mfn);

// A page of ours that is mapped read-only, filled with entries by the caller beforehand; and its end.
uint64_t *table_alloc(void);
void table_free(uint64_t *table);

// The end of a page of ours with nothing mapped behind it, for arguments that straddle it; and its end.
char *edge_alloc(void);
void edge_free(char *edge);

// Runs fn(arg). 0 if it returned; PROBE_TRAP + vector if an exception ended it; the frame is then in
// probe_frame and CR2 in probe_address.
#define PROBE_TRAP 0x100U
unsigned int probe_run(void (*fn)(void *arg), void *arg);
extern struct trap_frame probe_frame;
extern uint64_t probe_address;
// True if the address could be read or written (a 64-bit word).
bool probe_read(const void *address, uint64_t *value);
bool probe_write(void *address, uint64_t value);

// Suites, one file each family; main.c lists them.
// clang-format off
#define GUEST_SUITES(X) \
    X(version) \
    X(memory) \
    X(memory_ops) \
    X(memory_errors) \
    X(mmu) \
    X(mmu_errors) \
    X(stores) \
    X(mmuext) \
    X(mmuext_errors) \
    X(types) \
    X(segments) \
    X(traps) \
    X(registers) \
    X(features) \
    X(callbacks) \
    X(entries) \
    X(assists) \
    X(returns) \
    X(debug) \
    X(ports) \
    X(tables) \
    X(interrupts) \
    X(events) \
    X(event_ops) \
    X(fifo) \
    X(queues) \
    X(grants) \
    X(grant_entries) \
    X(grant_errors) \
    X(grant_limits) \
    X(sched) \
    X(vcpu) \
    X(smp) \
    X(event_races) \
    X(areas) \
    X(multicall) \
    X(multicall_errors) \
    X(small_errors) \
    X(devices) \
    X(control) \
    X(control_ops) \
    X(control_errors) \
    X(toolstack) \
    X(host) \
    X(off) \
    X(compat) \
    X(why) \
    X(random) \
    X(pair_privilege) \
    X(pair_events) \
    X(pair_queues) \
    X(pair_grants) \
    X(pair_copies) \
    X(pair_frames) \
    X(pair_control) \
    X(pair_cpu) \
    X(pair_features) \
    X(pair_death)
// clang-format on
#define GUEST_DECLARE(family)                                                                      \
    extern const struct report_suite family##_suites[];                                            \
    extern const size_t family##_suite_count;
GUEST_SUITES(GUEST_DECLARE)

// Defines family##_suites from REPORT_SUITE("hypercall", cases) entries.
#define GUEST_FAMILY(family, ...)                                                                  \
    const struct report_suite family##_suites[] = {__VA_ARGS__};                                   \
    const size_t family##_suite_count = sizeof(family##_suites) / sizeof(family##_suites[0])

// Cases that end the domain, picked with fatal=NAME on the command line.
void fatal_run(const char *name);
