// SPDX-License-Identifier: MIT
// mmuext_op: pins, roots, flushes, the LDT, clearing and copying of pages. Structure and commands:
// xen/xen.h. foreigndom says whose frames are meant; only pins and page contents may be another's.
#include "hypercalls/memory_call.h"
#include "hypervisor/descriptors.h"
#include "hypervisor/smp.h"
#include "hypervisor/tlb.h"
#include "hypervisor/version.h"

struct ext_state {
    struct hypercall *call;
    struct domain *owner; // of the frames named
    bool is_foreign;
    struct type_work *work;
};

typedef enum refusal ext_handler(struct ext_state *s, const struct mmuext_op *op);

static enum refusal ext_pin(struct ext_state *s, const struct mmuext_op *op)
{
    struct frame *f = frame_from_mfn(MFN(op->arg1.mfn));
    unsigned level = op->cmd - MMUEXT_PIN_L1_TABLE + 1;
    enum refusal r = page_type_pin(f, s->owner, level, s->work);
    // Its death may have gone past this frame: either that sees the pin or we see that it dies.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (r == REFUSE_NONE && __atomic_load_n(&s->owner->is_dying, __ATOMIC_RELAXED)) {
        page_type_unpin(f, s->owner, s->work);
        r = REFUSE_DOMAIN_DYING;
    }
    return r;
}

static enum refusal ext_unpin(struct ext_state *s, const struct mmuext_op *op)
{
    struct frame *f = frame_from_mfn(MFN(op->arg1.mfn));
    return page_type_unpin(f, s->owner, s->work);
}

static enum refusal ext_new_baseptr(struct ext_state *s, const struct mmuext_op *op)
{
    return vcpu_set_root(s->call->vcpu, MFN(op->arg1.mfn), false);
}

static enum refusal ext_new_user_baseptr(struct ext_state *s, const struct mmuext_op *op)
{
    uint64_t mfn = op->arg1.mfn;
    if (!mfn_is_valid(MFN(mfn)))
        return REFUSE_ROOT_BAD;
    return vcpu_set_root(s->call->vcpu, mfn ? MFN(mfn) : MFN_INVALID, true);
}

static enum refusal ext_flush_local(struct ext_state *s, const struct mmuext_op *op)
{
    tlb_flush_local();
    return REFUSE_NONE;
}

static enum refusal ext_invlpg_local(struct ext_state *s, const struct mmuext_op *op)
{
    memory_invalidate(cpumask_of(this_cpu_id()), op->arg1.linear_addr);
    return REFUSE_NONE;
}

// On many or all CPUs.
static enum refusal ext_flush(struct ext_state *s, const struct mmuext_op *op)
{
    struct cpumask cpus;

    if (op->cmd == MMUEXT_TLB_FLUSH_ALL || op->cmd == MMUEXT_INVLPG_ALL)
        cpus = domain_running_cpus(s->call->domain);
    else if (!memory_vcpus_read(s->call->domain, (uint64_t)op->arg2.vcpumask.p, &cpus))
        return REFUSE_VCPU_MASK_BAD;
    if (op->cmd == MMUEXT_TLB_FLUSH_MULTI || op->cmd == MMUEXT_TLB_FLUSH_ALL)
        tlb_flush_mask(cpus);
    else
        memory_invalidate(cpus, op->arg1.linear_addr);
    return REFUSE_NONE;
}

// Only who has device memory can have anything in the caches that matters to others.
static enum refusal ext_flush_cache(struct ext_state *s, const struct mmuext_op *op)
{
    bool is_global = op->cmd == MMUEXT_FLUSH_CACHE_GLOBAL;

    if (!access_has_devices(s->call->domain))
        return is_global && !ABI_FLUSH_ALL_DENIED ? REFUSE_BAD_ARGUMENT : REFUSE_CACHE_DENIED;
    if (is_global)
        cpu_call(cpumask_all(), wbinvd);
    else
        wbinvd();
    return REFUSE_NONE;
}

static enum refusal ext_set_ldt(struct ext_state *s, const struct mmuext_op *op)
{
    uint64_t base = op->arg1.linear_addr;
    unsigned entries = op->arg2.nr_ents;

    if (entries > LDT_MAX_ENTRIES ||
        (entries && (base % PAGE_SIZE || !is_canonical(base) || !guest_range_ok(base, 1))))
        return REFUSE_BAD_ARGUMENT;
    ldt_set(s->call->vcpu, base, entries);
    return REFUSE_NONE;
}

static enum refusal ext_clear_page(struct ext_state *s, const struct mmuext_op *op)
{
    struct frame *f = frame_from_mfn(MFN(op->arg1.mfn));
    enum refusal r = frame_get_writable(f, s->owner);
    if (r)
        return r;
    memset(frame_to_virt(f), 0, PAGE_SIZE);
    frame_put_writable(f);
    return REFUSE_NONE;
}

static enum refusal ext_copy_page(struct ext_state *s, const struct mmuext_op *op)
{
    struct frame *from = frame_from_mfn(MFN(op->arg2.src_mfn));
    struct frame *to = frame_from_mfn(MFN(op->arg1.mfn));
    enum refusal r = from && to ? frame_get(from, s->owner) : REFUSE_FRAME_NOT_RAM;
    if (r)
        return r;
    r = frame_get_writable(to, s->owner);
    if (r == REFUSE_NONE) {
        memcpy(frame_to_virt(to), frame_to_virt(from), PAGE_SIZE);
        frame_put_writable(to);
    }
    frame_put(from);
    return r;
}

static enum refusal ext_super(struct ext_state *s, const struct mmuext_op *op)
{
    return REFUSE_NOT_OFFERED;
}

static const struct ext_row {
    ext_handler *handler;
    bool own_only; // changes the caller itself, so a foreign domain makes no sense
} rows[] = {
    [MMUEXT_PIN_L1_TABLE] = {ext_pin,              false},
    [MMUEXT_PIN_L2_TABLE] = {ext_pin,              false},
    [MMUEXT_PIN_L3_TABLE] = {ext_pin,              false},
    [MMUEXT_PIN_L4_TABLE] = {ext_pin,              false},
    [MMUEXT_UNPIN_TABLE] = {ext_unpin,            false},
    [MMUEXT_NEW_BASEPTR] = {ext_new_baseptr,      true },
    [MMUEXT_TLB_FLUSH_LOCAL] = {ext_flush_local,      true },
    [MMUEXT_INVLPG_LOCAL] = {ext_invlpg_local,     true },
    [MMUEXT_TLB_FLUSH_MULTI] = {ext_flush,            true },
    [MMUEXT_INVLPG_MULTI] = {ext_flush,            true },
    [MMUEXT_TLB_FLUSH_ALL] = {ext_flush,            true },
    [MMUEXT_INVLPG_ALL] = {ext_flush,            true },
    [MMUEXT_FLUSH_CACHE] = {ext_flush_cache,      true },
    [MMUEXT_SET_LDT] = {ext_set_ldt,          true },
    [MMUEXT_NEW_USER_BASEPTR] = {ext_new_user_baseptr, true },
    [MMUEXT_CLEAR_PAGE] = {ext_clear_page,       false},
    [MMUEXT_COPY_PAGE] = {ext_copy_page,        false},
    [MMUEXT_FLUSH_CACHE_GLOBAL] = {ext_flush_cache,      true },
    [MMUEXT_MARK_SUPER] = {ext_super,            false},
    [MMUEXT_UNMARK_SUPER] = {ext_super,            false},
};

static enum refusal ext_one(struct ext_state *s, const struct mmuext_op *op)
{
    s->call->subop = op->cmd;
    if (op->cmd >= ARRAY_SIZE(rows) || !rows[op->cmd].handler)
        return REFUSE_NO_SUBOP;
    if (rows[op->cmd].own_only && s->is_foreign)
        return REFUSE_NOT_OWN;
    return rows[op->cmd].handler(s, op);
}

static long ext_all(struct ext_state *s, struct memory_batch *b)
{
    while (b->count) {
        struct mmuext_op op;
        if (!guest_read(&op, b->list, sizeof(op)))
            return refuse(s->call, REFUSE_BAD_POINTER, b->done);
        enum refusal r = ext_one(s, &op);
        if (r)
            return refuse(s->call, r, b->done);
        b->list += sizeof(op);
        b->count--;
        b->done++;
        if (b->count && (type_work_is_pending(s->work) || call_should_yield()))
            return CALL_CONTINUE;
    }
    return 0;
}

long hypercall_mmuext_op(struct hypercall *c)
{
    struct ext_state s = {.call = c, .work = &c->vcpu->type_work};
    struct memory_batch b;
    long result;

    memory_batch_begin(c, &b);
    if (type_work_begin(s.work, MEMORY_CALL_BUDGET))
        return memory_batch_end(c, &b, CALL_CONTINUE);
    if (memory_batch_is_over(c, &result))
        return result;
    enum refusal r = memory_owner_get(c->domain, (domid_t)c->arg[3], &s.owner);
    if (r)
        return refuse(c, r, 3);
    s.is_foreign = s.owner != c->domain;
    result = ext_all(&s, &b);
    domain_put(s.owner);
    return memory_batch_end(c, &b, result);
}
