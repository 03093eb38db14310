// SPDX-License-Identifier: MIT
// Domains: creation, pausing, shutdown, the end of their memory. Look-ups are in domain_table.c, death is
// in domain_kill.c.
//
// The table of domains holds one reference on each until the last stage of death; a domain that others
// still refer to stays in it (a zombie). References may be dropped anywhere; freeing is put off to a
// softirq.
#include "hypervisor/domain.h"
#include "hypervisor/power.h"
#include "hypervisor/page_alloc.h"
#include <xen/sched.h>

_Static_assert(sizeof(struct domain) <= PAGE_SIZE, "a domain fits into one page");
_Static_assert(DOMAIN_MAX_VCPUS <= XEN_LEGACY_MAX_VCPUS, "every vcpu_info fits into shared_info");

#define REFUSALS_SHOWN 5
#define VCPU_ORDER 1
_Static_assert(sizeof(struct vcpu) <= (PAGE_SIZE << VCPU_ORDER), "a vcpu fits into its pages");

struct domain *domain_dom0;
struct domain domain_idle = {
    .id = DOMID_IDLE, .ref_count = 1, .is_idle = true, .lock = SPINLOCK_INIT(LOCK_DOMAIN)};
struct domain domain_system = {.id = DOMID_XEN, .ref_count = 1, .lock = SPINLOCK_INIT(LOCK_DOMAIN)};
struct domain domain_io = {.id = DOMID_IO, .ref_count = 1, .lock = SPINLOCK_INIT(LOCK_DOMAIN)};

static struct domain *reap_list; // atomic: domains without references

// --- references

bool domain_get(struct domain *d)
{
    return domain_get_below(d, UINT32_MAX);
}

void domain_put(struct domain *d)
{
    if (__atomic_sub_fetch(&d->ref_count, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    struct domain *first = __atomic_load_n(&reap_list, __ATOMIC_RELAXED);
    do {
        d->next_reaped = first;
    } while (!__atomic_compare_exchange_n(&reap_list, &first, d, false, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    softirq_raise_here(SOFTIRQ_REAP);
}

enum refusal domain_lookup_remote(struct domain *caller, domid_t id, struct domain **out)
{
    if (id == DOMID_SELF || id == caller->id) {
        *out = caller;
        return domain_get(caller) ? REFUSE_NONE : REFUSE_NO_DOMAIN;
    }
    *out = domain_get_by_id(id);
    if (*out && !caller->is_privileged) {
        domain_put(*out);
        return REFUSE_NOT_PRIVILEGED;
    }
    return *out ? REFUSE_NONE : REFUSE_NO_DOMAIN;
}

struct vcpu *domain_vcpu(struct domain *d, unsigned id)
{
    return id < d->max_vcpus ? d->vcpu[id] : NULL;
}

// --- parts

static enum refusal shared_info_create(struct domain *d)
{
    d->shared_info = page_alloc(0);
    if (!d->shared_info)
        return REFUSE_NO_MEMORY;
    d->shared_info_mfn = virt_to_mfn(d->shared_info);
    frame_share_with_guest(frame_from_mfn(d->shared_info_mfn), d, false);
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        d->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
    domain_update_wallclock(d);
    return REFUSE_NONE;
}

static void vcpus_free(struct vcpu **vcpu, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct vcpu *v = vcpu[i];
        vcpu_timers_stop(v);
        sched_vcpu_destroy(v);
        vcpu_traps_destroy(v);
        vcpu[i] = NULL;
        page_free(v, VCPU_ORDER);
    }
}

// What the parts below have, all or some of it, in the reverse order of its making.
static void parts_destroy(struct domain *d)
{
    sched_domain_destroy(d);
    vcpus_free(d->vcpu, d->max_vcpus);
    grant_domain_free(d);
    if (d->shared_info)
        frame_unshare(frame_from_mfn(d->shared_info_mfn));
    event_domain_free(d);
}

// --- creation

enum refusal domain_create(domid_t id, const struct xen_domctl_createdomain *config,
                           bool privileged, struct domain **out)
{
    struct domain *d = page_alloc(0);

    if (!d)
        return REFUSE_NO_MEMORY;
    d->id = id;
    d->ref_count = 1; // the table's
    d->is_privileged = privileged;
    d->controller_pause_count = 1;
    d->shutdown_code = (uint8_t)-1;
    d->vcpu_limit = config->max_vcpus;
    memcpy(d->handle, config->handle, sizeof(d->handle));
    spin_lock_init(&d->lock, LOCK_DOMAIN);
    refusal_ring_init(&d->refusals);
    sched_domain_init(d);
    enum refusal r = event_domain_init(d, (int)config->max_evtchn_port);
    if (r == REFUSE_NONE)
        r = shared_info_create(d);
    if (r == REFUSE_NONE)
        r = grant_domain_init(d, config->max_grant_frames, config->max_maptrack_frames);
    if (r == REFUSE_NONE)
        r = domain_table_insert(d);
    if (r != REFUSE_NONE) {
        parts_destroy(d);
        page_free(d, 0);
        return r;
    }
    *out = d;
    return REFUSE_NONE;
}

static struct vcpu *vcpu_alloc(struct domain *d, unsigned id)
{
    struct vcpu *v = page_alloc(VCPU_ORDER);

    if (!v)
        return NULL;
    v->id = id;
    v->domain = d;
    v->root_kernel = v->root_user = MFN_INVALID;
    v->info_mfn = MFN_INVALID;
    v->info = d->shared_info ? (struct vcpu_info *)&d->shared_info->vcpu_info[id] : NULL;
    if (vcpu_traps_create(v) != REFUSE_NONE) {
        page_free(v, VCPU_ORDER);
        return NULL;
    }
    event_vcpu_init(v);
    return v;
}

enum refusal domain_alloc_vcpus(struct domain *d, unsigned count)
{
    struct vcpu *made[DOMAIN_MAX_VCPUS];

    if (!count || count > DOMAIN_MAX_VCPUS || d->max_vcpus)
        return REFUSE_BAD_ARGUMENT;
    for (unsigned i = 0; i < count; i++) {
        struct vcpu *v = vcpu_alloc(d, i);
        if (!v) {
            vcpus_free(made, i); // nobody has seen them
            return REFUSE_NO_MEMORY;
        }
        sched_vcpu_init(v, (d->id + i) % cpu_count());
        vcpu_timers_init(v);
        made[i] = v;
    }
    // Senders of events look at the table alone, all others at max_vcpus first.
    for (unsigned i = 0; i < count; i++)
        __atomic_store_n(&d->vcpu[i], made[i], __ATOMIC_RELEASE);
    __atomic_store_n(&d->max_vcpus, count, __ATOMIC_RELEASE);
    return REFUSE_NONE;
}

void domain_idle_init(unsigned cpu)
{
    struct vcpu *v = vcpu_alloc(&domain_idle, cpu);

    if (!v)
        panic("no memory for the idle vcpu of CPU %u", cpu);
    v->is_online = v->is_initialised = true;
    cpu_get(cpu)->idle = v;
}

// --- the end of a domain's memory

static void domain_free(struct domain *d)
{
    domid_t id = d->id;

    parts_destroy(d);
    page_free(d, 0);
    log_debug("d%u is gone", id);
    domain_send_global_virq(VIRQ_DOM_EXC);
}

static void reap_softirq(void)
{
    struct domain *d = __atomic_exchange_n(&reap_list, NULL, __ATOMIC_ACQUIRE);

    for (const struct domain *dead = d; dead; dead = dead->next_reaped)
        domain_table_remove(dead);
    domain_table_wait();
    while (d) {
        struct domain *next = d->next_reaped;
        domain_free(d);
        d = next;
    }
}

// Control domains may map the machine-to-phys table, read-only, as frames of DOMID_XEN
// (XENMEM_machphys_mfn_list names them).
static void m2p_share(void)
{
    for (unsigned chunk = 0; chunk < M2P_SIZE / M2P_CHUNK_BYTES; chunk++) {
        mfn_t first = paging_m2p_chunk(chunk);
        for (unsigned i = 0; first.v && i < M2P_CHUNK_BYTES / PAGE_SIZE; i++)
            frame_share_with_guest(frame_from_mfn(MFN(first.v + i)), &domain_system, true);
    }
}

void domain_init(void)
{
    softirq_register(SOFTIRQ_REAP, reap_softirq);
    m2p_share();
}

// --- pausing

static void apply_to_vcpus(struct domain *d, void (*fn)(struct vcpu *v))
{
    for (unsigned i = 0; i < d->max_vcpus; i++)
        fn(d->vcpu[i]);
}

static void sleep_sync_unless_current(struct vcpu *v)
{
    if (v == current_vcpu())
        sched_sleep(v);
    else
        sched_sleep_sync(v);
}

void domain_pause(struct domain *d)
{
    __atomic_add_fetch(&d->pause_count, 1, __ATOMIC_SEQ_CST);
    apply_to_vcpus(d, sleep_sync_unless_current);
}

void domain_unpause(struct domain *d)
{
    if (__atomic_sub_fetch(&d->pause_count, 1, __ATOMIC_SEQ_CST) == 0)
        apply_to_vcpus(d, sched_wake);
}

enum refusal domain_pause_by_controller(struct domain *d)
{
    if (d->controller_pause_count >= DOMAIN_MAX_PAUSES)
        return REFUSE_BAD_ARGUMENT;
    d->controller_pause_count++;
    apply_to_vcpus(d, sleep_sync_unless_current);
    return REFUSE_NONE;
}

enum refusal domain_unpause_by_controller(struct domain *d)
{
    if (d->controller_pause_count == 0)
        return REFUSE_NOT_PAUSED;
    if (--d->controller_pause_count == 0)
        apply_to_vcpus(d, sched_wake);
    return REFUSE_NONE;
}

void vcpu_pause(struct vcpu *v)
{
    __atomic_add_fetch(&v->pause_count, 1, __ATOMIC_SEQ_CST);
    sleep_sync_unless_current(v);
}

void vcpu_unpause(struct vcpu *v)
{
    if (__atomic_sub_fetch(&v->pause_count, 1, __ATOMIC_SEQ_CST) == 0)
        sched_wake(v);
}

// --- shutdown

static void dom0_has_ended(uint8_t code)
{
    switch (code) {
    case SHUTDOWN_reboot:
        log_info("dom0 asks for a restart");
        power_restart(0);
    case SHUTDOWN_poweroff:
        log_info("dom0 has powered off");
        power_halt();
    default:
        log_error("dom0 has crashed (reason %u)%s%s", code, domain_dom0->exit_reason[0] ? ": " : "",
                  domain_dom0->exit_reason);
        power_restart(0);
    }
}

// What a domain that crashed was refused last often says why.
static void print_last_refusals(struct domain *d)
{
    struct refusal_record r;
    uint64_t next = refusal_ring_last(&d->refusals, REFUSALS_SHOWN), lost, count;

    for (unsigned n = 0;
         n < REFUSALS_SHOWN && (count = refusal_ring_read(&d->refusals, &next, &r, &lost)); n++)
        log_info("d%uv%u was refused hypercall %u(%u), argument %u, at %#lx: %s (%lu times)", d->id,
                 r.vcpu, r.call, r.subop, r.index, r.rip, refusal_words((enum refusal)r.refusal),
                 count);
}

void domain_shutdown(struct domain *d, uint8_t code)
{
    spin_lock(&d->lock);
    bool first = !d->is_shutdown;
    if (d->shutdown_code == (uint8_t)-1)
        d->shutdown_code = code;
    d->is_shutdown = true;
    spin_unlock(&d->lock);
    if (first && d->shutdown_code == SHUTDOWN_crash)
        print_last_refusals(d);
    if (d == domain_dom0)
        dom0_has_ended(d->shutdown_code);
    if (!first)
        return;
    apply_to_vcpus(d, sched_sleep);
    if (d->shutdown_code == SHUTDOWN_suspend && d->suspend_port)
        event_send(d, d->suspend_port);
    else
        domain_send_global_virq(VIRQ_DOM_EXC);
}

enum refusal domain_resume(struct domain *d)
{
    domain_pause(d);
    spin_lock(&d->lock);
    d->is_shutdown = false;
    d->shutdown_code = (uint8_t)-1;
    spin_unlock(&d->lock);
    domain_unpause(d);
    return REFUSE_NONE;
}

void domain_crash(struct domain *d, const char *format, ...)
{
    va_list args;
    char reason[sizeof(d->exit_reason)];

    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    log_error("d%u crashed: %s", d->id, reason);
    spin_lock(&d->lock);
    if (!d->exit_reason[0])
        strlcpy(d->exit_reason, reason, sizeof(d->exit_reason));
    spin_unlock(&d->lock);
    domain_shutdown(d, SHUTDOWN_crash);
}

void domain_send_global_virq(unsigned virq)
{
    if (domain_dom0)
        event_raise_global_virq(domain_dom0, virq);
}
