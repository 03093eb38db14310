// SPDX-License-Identifier: MIT
// vcpu_op: a domain controls its own vcpus. Structures: xen/vcpu.h.
//
// The sub-op shell knows one argument; the vcpu that is meant is the second word of the call and is
// looked up before (op_target).
#include "hypercalls/call.h"
#include "hypervisor/page_alloc.h"
#include "hypervisor/version.h"
#include <xen/sched.h>

#define PERIOD_MIN NS_PER_MS
#define PERIOD_MAX (~0ull >> 2)
#define CONTEXT_ORDER 1 // pages for a struct vcpu_guest_context
_Static_assert(sizeof(struct vcpu_guest_context) <= (PAGE_SIZE << CONTEXT_ORDER), "it fits");

static struct vcpu *op_target(const struct hypercall *c)
{
    return c->domain->vcpu[c->arg[1]]; // hypercall_vcpu_op has checked it
}

static long op_initialise(struct hypercall *c, void *argument)
{
    struct vcpu *v = op_target(c);
    enum refusal r = REFUSE_BAD_POINTER;

    struct vcpu_guest_context *context = page_alloc(CONTEXT_ORDER);
    if (!context)
        return refuse(c, REFUSE_NO_MEMORY, 0);
    if (__atomic_exchange_n(&v->is_initialising, true, __ATOMIC_ACQUIRE)) {
        r = REFUSE_BUSY; // another vcpu is at it
    } else {
        if (guest_read(context, c->arg[2], sizeof(*context)))
            r = v->is_initialised ? REFUSE_VCPU_INITIALISED : vcpu_initialise(v, context);
        __atomic_store_n(&v->is_initialising, false, __ATOMIC_RELEASE);
    }
    page_free(context, CONTEXT_ORDER);
    return refuse(c, r, 2);
}

static long op_up(struct hypercall *c, void *argument)
{
    struct vcpu *v = op_target(c);
    if (!__atomic_load_n(&v->is_initialised, __ATOMIC_ACQUIRE))
        return refuse(c, REFUSE_VCPU_NOT_INITIALISED, 1);
    if (!__atomic_exchange_n(&v->is_online, true, __ATOMIC_SEQ_CST))
        sched_wake(v);
    return 0;
}

static long op_down(struct hypercall *c, void *argument)
{
    if (!sched_go_down(op_target(c)))
        domain_shutdown(c->domain, SHUTDOWN_poweroff); // the last one turns off the light
    return 0;
}

static long op_is_up(struct hypercall *c, void *argument)
{
    return __atomic_load_n(&op_target(c)->is_online, __ATOMIC_ACQUIRE);
}

static long op_get_runstate_info(struct hypercall *c, void *argument)
{
    sched_runstate_get(op_target(c), argument, time_now());
    return 0;
}

static long op_register_runstate_memory_area(struct hypercall *c, void *argument)
{
    const struct vcpu_register_runstate_memory_area *op = argument;
    struct vcpu *v = op_target(c);

    if (!guest_address_ok(op->addr.p))
        return refuse(c, REFUSE_BAD_POINTER, 2);
    v->runstate_area = op->addr.p;
    if (v == c->vcpu) {
        runstate_update_guest(v);
    } else { // its own turns write it; until then this address space serves, as on Xen
        struct vcpu_runstate_info r;
        sched_runstate_get(v, &r, time_now());
        guest_write(op->addr.p, &r, sizeof(r));
    }
    return 0;
}

static long op_register_vcpu_time_memory_area(struct hypercall *c, void *argument)
{
    const struct vcpu_register_time_memory_area *op = argument;
    struct vcpu *v = op_target(c);

    if (!guest_address_ok(op->addr.p))
        return refuse(c, REFUSE_BAD_POINTER, 2);
    v->time_area = op->addr.p;
    if (v->time_area)
        time_area_write(v);
    return 0;
}

static long op_set_periodic_timer(struct hypercall *c, void *argument)
{
    const struct vcpu_set_periodic_timer *op = argument;
    if (op->period_ns < PERIOD_MIN || op->period_ns > PERIOD_MAX)
        return refuse(c, REFUSE_BAD_ARGUMENT, 2);
    vcpu_timer_set_period(op_target(c), op->period_ns, time_now());
    return 0;
}

static long op_stop_periodic_timer(struct hypercall *c, void *argument)
{
    vcpu_timer_set_period(op_target(c), 0, time_now());
    return 0;
}

static long op_set_singleshot_timer(struct hypercall *c, void *argument)
{
    const struct vcpu_set_singleshot_timer *op = argument;
    uint64_t now = time_now();

    if (op_target(c) != c->vcpu)
        return refuse(c, REFUSE_VCPU_NOT_CURRENT, 1);
    // As on Xen VCPU_SSHOTTMR_future is ignored and times are signed: what has passed fires at once.
    vcpu_timer_set_oneshot(c->vcpu, (uint64_t)MAX((int64_t)op->timeout_abs_ns, 1), now);
    return 0;
}

static long op_stop_singleshot_timer(struct hypercall *c, void *argument)
{
    if (op_target(c) != c->vcpu)
        return refuse(c, REFUSE_VCPU_NOT_CURRENT, 1);
    vcpu_timer_set_oneshot(c->vcpu, 0, time_now());
    return 0;
}

static long op_register_vcpu_info(struct hypercall *c, void *argument)
{
    const struct vcpu_register_vcpu_info *op = argument;
    struct vcpu *v = op_target(c);

    if (!ABI_VCPU_INFO_ERRORS && v != c->vcpu && __atomic_load_n(&v->is_online, __ATOMIC_ACQUIRE))
        return refuse(c, REFUSE_VCPU_ONLINE, 1);
    return refuse(c, vcpu_info_map(v, MFN(op->mfn), op->offset), 2);
}

static long op_send_nmi(struct hypercall *c, void *argument)
{
    struct vcpu *v = op_target(c);
    if (c->arg[2])
        return refuse(c, REFUSE_BAD_ARGUMENT, 2);
    if (!__atomic_exchange_n(&v->traps.nmi_pending, true, __ATOMIC_SEQ_CST))
        sched_kick(v);
    return 0;
}

// Only vcpus of a control domain that is pinned for good have one; there is no such pinning here.
static long op_get_physid(struct hypercall *c, void *argument)
{
    return refuse(c, REFUSE_BAD_ARGUMENT, 0);
}

#define OP(name, type, copy) SUBOP(VCPUOP_##name, struct type, copy, ANY, op_##name)
#define OP_BARE(name) SUBOP_BARE(VCPUOP_##name, op_##name)

static const struct subop vcpu_ops[] = {
    OP_BARE(initialise),
    OP_BARE(up),
    OP_BARE(down),
    OP_BARE(is_up),
    OP(get_runstate_info, vcpu_runstate_info, OUT),
    OP(register_runstate_memory_area, vcpu_register_runstate_memory_area, IN),
    OP(register_vcpu_time_memory_area, vcpu_register_time_memory_area, IN),
    OP(set_periodic_timer, vcpu_set_periodic_timer, IN),
    OP_BARE(stop_periodic_timer),
    OP(set_singleshot_timer, vcpu_set_singleshot_timer, IN),
    OP_BARE(stop_singleshot_timer),
    OP(register_vcpu_info, vcpu_register_vcpu_info, IN),
    OP_BARE(send_nmi),
    OP_BARE(get_physid),
};

long hypercall_vcpu_op(struct hypercall *c)
{
    c->subop = (uint32_t)c->arg[0];
    c->arg[1] = (uint32_t)c->arg[1];
    if (c->arg[1] >= DOMAIN_MAX_VCPUS || !domain_vcpu(c->domain, (unsigned)c->arg[1]))
        return refuse(c, REFUSE_NO_VCPU, 1);
    return subop_run(c, vcpu_ops, ARRAY_SIZE(vcpu_ops), (uint32_t)c->arg[0], c->arg[2]);
}

// --- set_timer_op: the one-shot timer of the calling vcpu, in absolute system time

#define FAR_FUTURE (1ull << 50) // 13 days from now
#define INSTEAD_OF_NEVER (100 * NS_PER_MS)

long hypercall_set_timer_op(struct hypercall *c)
{
    uint64_t deadline = c->arg[0], now = time_now();

    // Guests that think in ticks pass huge or negative values when they mean "never". Like Xen, give
    // them a tick soon, so that a wrapped value cannot put a vcpu to sleep for good.
    if ((int64_t)deadline < 0 || (deadline > now && deadline - now >= FAR_FUTURE))
        deadline = now + INSTEAD_OF_NEVER;
    vcpu_timer_set_oneshot(c->vcpu, deadline, now);
    return 0;
}
