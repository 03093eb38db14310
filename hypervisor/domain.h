// SPDX-License-Identifier: MIT
// Domains and their virtual CPUs: the plain structures and their life cycle.
//
// Owns: the table of domains, references, pausing, death. Each subsystem keeps its own part in a member
// that only it touches (events, grants, sched, traps, memory).
// Life: domain_create -> (domctl fills memory and vcpus) -> running -> domain_kill (restartable
// stages of CORE.md) -> last reference dropped -> freed. A domain with foreign references to its
// frames, or mappings of its grants, stays as a zombie until they go.
// Lookup: domain_get_by_id takes a reference that fails on a domain whose destruction has ended; it takes
// no lock, and the number of domains does not matter (domain_table.c).
// Locks: LOCK_DOMAIN guards page lists, counts and flags of one domain, LOCK_DOMAIN_LIST changes of the
// table of domains.
#pragma once

// Whoever deals with domains gets all that these structures are made of, and the everyday helpers.
#include "event/event.h"
#include "grant/grant.h"
#include "hypervisor/access.h"
#include "hypervisor/cpu.h"
#include "hypervisor/page_type.h"
#include "hypervisor/panic.h"
#include "hypervisor/refusal_ring.h"
#include "hypervisor/string.h"
#include "hypervisor/time.h"
#include "hypervisor/vcpu_traps.h"
#include "sched/sched.h"
#include <xen/domctl.h>

#define DOMAIN_MAX_VCPUS 32

struct vcpu {
    unsigned id;
    struct domain *domain;

    // --- the guest's machine state; of hypervisor/context.c and traps.c
    struct cpu_user_regs regs; // valid while not running; else on the stack of `running_on`
    struct vcpu_traps traps;   // trap table, callbacks, segments, GDT/LDT, debug registers, FPU

    // --- page-table roots; each holds a type reference (or none: mfn invalid). Of domain_memory.c.
    mfn_t root_kernel, root_user;
    bool in_kernel;             // which root is the current one
    struct type_work type_work; // what its memory calls have left to be continued
    bool is_initialised;
    bool is_initialising; // atomic: VCPUOP_initialise is under way

    // --- shared with the guest; the pointer is never NULL once the vcpu exists
    struct vcpu_info *info; // in shared_info, in a registered page, or in a dummy page
    mfn_t info_mfn;         // the registered page (held as writable), or invalid

    struct event_vcpu events;
    struct sched_vcpu sched;
    struct vcpu_runstate_info runstate;
    uint64_t runstate_area, time_area; // registered linear addresses, 0 = none
    bool areas_late; // user mode has no page there: to be written when the kernel is entered
    struct timer singleshot_timer, periodic_timer;
    uint64_t periodic_period; // ns, 0 = off
    uint64_t periodic_last;   // when the last tick was raised

    unsigned pause_count; // > 0: not runnable (domain pauses are counted in the domain)
    bool is_online;       // VCPUOP_up
};

struct domain {
    domid_t id;
    unsigned ref_count; // atomic
    bool is_privileged; // dom0: may use domctl, sysctl, foreign frames
    bool is_idle;
    bool is_dying; // no new references to its resources may be made
    bool is_shutdown;
    uint8_t shutdown_code;
    evtchn_port_t suspend_port; // of it, sent to when it suspends itself; 0: none
    unsigned controller_pause_count, pause_count;
    uint64_t vm_assist; // VMASST_TYPE_* bits
    xen_domain_handle_t handle;
    struct spinlock lock; // LOCK_DOMAIN

    // --- memory, of domain_memory.c. Counts in frames.
    struct page_list pages; // frames that it owns, in PGC_allocated state
    struct page_list
        xen_pages; // frames shared with it (shared_info, grant table): owned, not counted
    uint64_t tot_pages, max_pages;
    uint64_t claimed; // of max_pages: set aside for it and not allocated yet
    struct memory_kill {
        unsigned stage;  // of memory_relinquish
        uint32_t cursor; // frame it stopped at, with a reference; 0 = none
        struct type_work work;
    } memory_kill;
    struct memory_map {
        struct memory_map_entry *entries; // set by dom0 (XENMEM_set_memory_map); a page
        unsigned count;                   // 0 = none
    } memory_map;

    struct shared_info *shared_info;
    mfn_t shared_info_mfn;

    unsigned vcpu_limit; // what createdomain allowed
    unsigned max_vcpus;  // allocated: vcpu[0 .. max_vcpus-1]
    struct vcpu *vcpu[DOMAIN_MAX_VCPUS];

    struct event_domain events;
    struct grant_domain grants;
    struct sched_domain sched;
    struct access_domain access; // permitted I/O memory, ports, interrupts (hypervisor/access.h)
    struct frame *eoi_frame; // a bit for each pirq that wants an eoi (hypervisor/irq.c), or NULL
    bool eoi_unmasks;        // an eoi unmasks the port as well

    uint64_t wallclock_offset; // s, settime and settimeoffset
    struct refusal_ring refusals;
    char exit_reason[128]; // why domain_crash was called, "" = it was not
    unsigned kill_stage;
    struct domain *next_reaped; // list of what is to be freed
};

#define VM_ASSIST(name) (1ull << VMASST_TYPE_##name)
#define VM_ASSISTS_KNOWN                                                                           \
    (VM_ASSIST(4gb_segments) | VM_ASSIST(4gb_segments_notify) | VM_ASSIST(writable_pagetables) |   \
     VM_ASSIST(pae_extended_cr3) | VM_ASSIST(architectural_iopl) |                                 \
     VM_ASSIST(runstate_update_flag) | VM_ASSIST(m2p_strict))

// Has the domain switched VMASST_TYPE_`type` on?
static inline bool domain_assisted(const struct domain *d, unsigned type)
{
    return d->vm_assist >> type & 1;
}

void domain_init(void);              // before the first domain
void domain_idle_init(unsigned cpu); // the idle vcpu of a CPU

extern struct domain *domain_dom0;  // NULL until it is built
extern struct domain domain_idle;   // DOMID_IDLE: owner of idle vcpus
extern struct domain domain_system; // DOMID_XEN: owner of the hypervisor's shareable frames (M2P)
extern struct domain domain_io;     // DOMID_IO: names device frames in foreign mappings

// Take a reference to domain `id` (DOMID_SELF is not resolved here); NULL if there is none or it is dead.
struct domain *domain_get_by_id(domid_t id);

// A reference to a domain that has some, but fewer than `limit`.
static inline bool domain_get_below(struct domain *d, unsigned limit)
{
    unsigned n = __atomic_load_n(&d->ref_count, __ATOMIC_RELAXED);

    do {
        if (n - 1 >= limit - 1) // none, or the limit
            return false;
    } while (!__atomic_compare_exchange_n(&d->ref_count, &n, n + 1, false, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    return true;
}
bool domain_get(struct domain *d); // false when the last reference has already gone
void domain_put(struct domain *d);

// Resolve `id` for a call of `caller`: DOMID_SELF, its own id, or (privileged only) another domain.
// On success *out holds a reference.
enum refusal domain_lookup_remote(struct domain *caller, domid_t id, struct domain **out);

// The first domain with an id of at least `first`, with a reference; NULL at the end.
struct domain *domain_get_next(domid_t first);

// --- Inside the life cycle: the table of domains. domain_table_wait() returns when no look-up that began
// before can still be about to take a reference; interrupts on, no lock held.
bool domain_table_has(domid_t id);
enum refusal domain_table_insert(struct domain *d); // REFUSE_DOMAIN_EXISTS
void domain_table_remove(const struct domain *d);   // without references
void domain_table_wait(void);

struct vcpu *domain_vcpu(struct domain *d, unsigned id); // NULL if out of range or not allocated

// Create a domain without memory; vcpus come by domain_alloc_vcpus.
enum refusal domain_create(domid_t id, const struct xen_domctl_createdomain *config,
                           bool privileged, struct domain **out);
enum refusal domain_alloc_vcpus(struct domain *d, unsigned count);

void domain_pause(struct domain *d); // waits until every vcpu is off its CPU; nests
void domain_unpause(struct domain *d);
void vcpu_pause(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);

// The toolstack's pauses (domctl): counted apart, a new domain starts with one.
#define DOMAIN_MAX_PAUSES 255
enum refusal domain_pause_by_controller(struct domain *d);
enum refusal domain_unpause_by_controller(struct domain *d);
enum refusal domain_resume(struct domain *d); // after a shutdown with reason suspend

// Ends the guest's execution with a SHUTDOWN_* code and tells dom0 by VIRQ_DOM_EXC.
void domain_shutdown(struct domain *d, uint8_t code);

// The worst that a guest can reach: says why on the console, keeps it in exit_reason, shuts the
// domain down with SHUTDOWN_crash. Returns; the vcpu does not return to the guest.
void domain_crash(struct domain *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

// One restartable step of destruction; REFUSE_CONTINUE until it has ended.
enum refusal domain_kill(struct domain *d);

// Set up a fresh vcpu from a guest context (VCPUOP_initialise and setvcpucontext).
enum refusal vcpu_initialise(struct vcpu *v, const struct vcpu_guest_context *context);

// Raise a global virq at its owner (dom0). Callable from interrupts.
void domain_send_global_virq(unsigned virq);

// --- Where a vcpu's struct vcpu_info lies: in shared_info, or in a page that the guest registered.

// VCPUOP_register_vcpu_info: move it to `offset` of frame `mfn`, once and for good. The frame gets a
// writable reference until the domain dies. The vcpu is the caller or is down.
enum refusal vcpu_info_map(struct vcpu *v, mfn_t mfn, unsigned offset);

// Back to shared_info; the vcpu runs nowhere.
void vcpu_info_unmap(struct vcpu *v);

// --- Memory that a vcpu has registered for the hypervisor to keep up to date: runstate and time.
// Registered by linear address, so written only while the vcpu's own address space is loaded.

// Write runstate and time into the areas of the running vcpu, if it has any. A page that user mode does
// not map is written when the kernel is entered (v->areas_late), one that the kernel does not map never.
void vcpu_areas_update(struct vcpu *v);
void runstate_update_guest(struct vcpu *v); // the runstate alone: the vcpu leaves its CPU

// The time alone, through the mappings of the running vcpu, which may be another one.
bool time_area_write(const struct vcpu *v);

// --- System time and wall clock as guests see them (struct vcpu_time_info, xen/xen.h).

// Tell the vcpu the scale of the CPU that it is about to run on.
void vcpu_time_update(struct vcpu *v);

// Write the wall clock at system time 0 into shared_info; after time_wall_set, for all domains.
void domain_update_wallclock(struct domain *d);

// --- The two timers of a vcpu, both of which end in VIRQ_TIMER: one-shot and periodic.
//
// The periodic one ticks only while the vcpu runs; a tick that was due in the meantime comes when it
// runs again. Guests start with a period of 10 ms, as on Xen.
void vcpu_timers_init(struct vcpu *v); // before it runs for the first time
void vcpu_timers_stop(struct vcpu *v); // for good; off every CPU; waits for callbacks

// One shot at `deadline` (ns of system time); in the past: at once. 0: disarm. On the CPU of `v`.
void vcpu_timer_set_oneshot(struct vcpu *v, uint64_t deadline, uint64_t now);

// `period` in ns, 0 = off; ticks begin one period from now.
void vcpu_timer_set_period(struct vcpu *v, uint64_t period, uint64_t now);

// The vcpu is about to run here, or no longer runs.
void vcpu_timers_enter(struct vcpu *v, uint64_t now);
void vcpu_timers_leave(struct vcpu *v);
