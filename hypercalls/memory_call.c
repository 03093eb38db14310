// SPDX-License-Identifier: MIT
// What the memory hypercalls share.
#include "hypercalls/memory_call.h"

#include "hypervisor/tlb.h"

enum refusal memory_owner_get(struct domain *caller, domid_t id, struct domain **out)
{
    struct domain *d;

    if (id == caller->id)
        return REFUSE_NO_DOMAIN;
    if (id == DOMID_IO)
        d = &domain_io;
    else if (id == DOMID_XEN && !caller->is_privileged)
        return REFUSE_NOT_PRIVILEGED;
    else if (id == DOMID_XEN)
        d = &domain_system;
    else
        return domain_lookup_remote(caller, id, out);
    if (!domain_get(d))
        return REFUSE_NO_DOMAIN;
    *out = d;
    return REFUSE_NONE;
}

bool memory_vcpus_read(const struct domain *d, uint64_t guest_address, struct cpumask *cpus)
{
    uint64_t bits = 0;
    size_t bytes = d->max_vcpus > 32 ? sizeof(bits) : sizeof(uint32_t);

    if (!guest_read(&bits, guest_address, bytes))
        return false;
    *cpus = (struct cpumask){0};
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // pairs with the load of the root when a vcpu comes on
    for (unsigned id = 0; id < d->max_vcpus; id++) {
        const struct vcpu *v = d->vcpu[id];
        if (v && bits >> id & 1 && __atomic_load_n(&v->sched.is_running, __ATOMIC_ACQUIRE))
            cpumask_add(cpus, v->sched.cpu);
    }
    return true;
}

void memory_invalidate(struct cpumask cpus, uint64_t address)
{
    unsigned self = this_cpu_id();

    if (cpumask_has(cpus, self)) {
        if (guest_range_ok(address, 1))
            invlpg(address);
        cpus.bits &= ~(1ull << self);
    }
    if (!cpumask_empty(cpus))
        tlb_flush_mask(cpus);
}

void memory_batch_begin(const struct hypercall *c, struct memory_batch *b)
{
    *b = (struct memory_batch){
        .list = c->arg[0],
        .count = (uint32_t)c->arg[1] & ~CALL_CONTINUED,
        .done_address = c->arg[2],
    };
    if ((uint32_t)c->arg[1] & CALL_CONTINUED && b->done_address &&
        !guest_read(&b->done, b->done_address, sizeof(b->done)))
        b->done = 0;
}

long memory_batch_end(struct hypercall *c, const struct memory_batch *b, long result)
{
    bool is_over = result != CALL_CONTINUE;

    if (b->done_address) // where nothing can be written, nobody wants to know
        (void)guest_write(b->done_address, &b->done, sizeof(b->done));
    if (is_over && !type_work_is_pending(&c->vcpu->type_work))
        return result;
    c->arg[0] = is_over ? 0 : b->list;
    c->arg[1] = (is_over ? 0 : b->count) | CALL_CONTINUED;
    if (is_over)
        c->arg[3] = (uint32_t)result;
    return CALL_CONTINUE;
}
