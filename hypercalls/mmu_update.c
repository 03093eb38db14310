// SPDX-License-Identifier: MIT
// mmu_update, update_va_mapping, update_va_mapping_otherdomain: single entries of page tables and of
// the machine-to-phys table. What an entry may be: hypervisor/page_entry.c. Arguments: xen/xen.h.
//
// foreigndom of mmu_update: the low 16 bits say whose frames level-1 entries map, the high 16 bits
// (number + 1, 0 = the caller) whose tables are changed.
#include "hypercalls/memory_call.h"
#include "hypervisor/page_entry.h"
#include "hypervisor/tlb.h"

#define UPDATE_COMMAND 7ull // the low bits of the address; entries are 8 bytes
#define UPDATES_AT_ONCE 16  // copied in together

// One call under way: who is meant, and the table that was changed last.
struct update_state {
    struct hypercall *call;
    struct domain *table_owner, *frame_owner;
    bool is_own; // both are the caller, without references
    struct entry_context entry;
    struct frame *table; // with a reference, or NULL
};

static void table_put(struct update_state *s)
{
    if (s->table)
        frame_put(s->table);
    s->table = NULL;
}

// The frame that holds the entry; consecutive updates mostly mean the same one.
static enum refusal table_get(struct update_state *s, mfn_t mfn)
{
    struct frame *f = frame_from_mfn(mfn);

    if (f && f == s->table)
        return REFUSE_NONE;
    table_put(s);
    if (!f)
        return REFUSE_FRAME_NOT_RAM;
    enum refusal r = frame_get(f, s->table_owner);
    if (r == REFUSE_NONE)
        s->table = f;
    return r;
}

// A page that is no table is written as the guest could do itself.
static enum refusal write_plain(struct frame *f, unsigned index, uint64_t value)
{
    enum refusal r = frame_get_type(f, PAGE_TYPE_WRITABLE, NULL);
    if (r)
        return r;
    __atomic_store_n((uint64_t *)frame_to_virt(f) + index, value, __ATOMIC_RELAXED);
    frame_put_type(f, NULL);
    return REFUSE_NONE;
}

static enum refusal update_entry(struct update_state *s, uint64_t address, uint64_t value,
                                 bool keep_ad)
{
    enum refusal r = table_get(s, maddr_to_mfn(MADDR(address)));
    if (r)
        return r;
    unsigned index = address % PAGE_SIZE / sizeof(uint64_t);
    s->entry.keep_ad = keep_ad;
    r = page_entry_write(&s->entry, s->table, index, value, NULL);
    return r == REFUSE_TABLE_NOT_VALID ? write_plain(s->table, index, value) : r;
}

static enum refusal update_m2p(struct update_state *s, mfn_t mfn, uint64_t value)
{
    struct frame *f = frame_from_mfn(mfn);
    if (!f)
        return REFUSE_FRAME_NOT_RAM;
    enum refusal r = frame_get(f, s->frame_owner);
    if (r)
        return r;
    m2p_set(mfn, value);
    frame_put(f);
    return REFUSE_NONE;
}

static enum refusal update_one(struct update_state *s, const struct mmu_update *u)
{
    uint64_t address = u->ptr & ~UPDATE_COMMAND;

    switch (u->ptr & UPDATE_COMMAND) {
    case MMU_MACHPHYS_UPDATE:
        return update_m2p(s, maddr_to_mfn(MADDR(address)), u->val);
    case MMU_PT_UPDATE_PRESERVE_AD:
        return update_entry(s, address, u->val, true);
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_NO_TRANSLATE: // there is nothing to translate for these guests
        return update_entry(s, address, u->val, false);
    default:
        return REFUSE_NO_SUBOP;
    }
}

// One copy's worth of updates from the front of the list.
static long update_some(struct update_state *s, struct memory_batch *b)
{
    struct mmu_update updates[UPDATES_AT_ONCE];
    unsigned count = MIN(b->count, (uint32_t)UPDATES_AT_ONCE);

    if (!guest_read(updates, b->list, count * sizeof(updates[0]))) {
        count = 1; // the list may end within what was to be copied
        if (!guest_read(updates, b->list, sizeof(updates[0])))
            return refuse(s->call, REFUSE_BAD_POINTER, b->done);
    }
    for (unsigned i = 0; i < count; i++) {
        enum refusal r = update_one(s, &updates[i]);
        if (r) {
            s->call->subop = updates[i].ptr & UPDATE_COMMAND;
            return refuse(s->call, r, b->done);
        }
        b->list += sizeof(updates[0]);
        b->count--;
        b->done++;
        if (__builtin_expect(type_work_is_pending(s->entry.work), 0))
            return b->count ? CALL_CONTINUE : 0;
    }
    return 0;
}

// The caller itself needs no reference: it does not die while it runs.
static enum refusal update_owners_get(struct update_state *s, uint32_t foreign)
{
    struct domain *caller = s->call->domain;
    unsigned table_id = foreign >> 16;

    s->table_owner = s->frame_owner = caller;
    s->is_own = foreign == DOMID_SELF;
    if (s->is_own)
        return REFUSE_NONE;
    enum refusal r = memory_owner_get(caller, (domid_t)foreign, &s->frame_owner);
    if (r)
        return r;
    domid_t id = table_id ? (domid_t)(table_id - 1) : caller->id;
    r = id == DOMID_SELF ? REFUSE_NO_DOMAIN : domain_lookup_remote(caller, id, &s->table_owner);
    if (r)
        domain_put(s->frame_owner);
    return r;
}

long hypercall_mmu_update(struct hypercall *c)
{
    struct type_work *work = &c->vcpu->type_work;
    struct update_state s = {.call = c};
    struct memory_batch b;
    long result;

    memory_batch_begin(c, &b);
    if (type_work_begin(work, MEMORY_CALL_BUDGET))
        return memory_batch_end(c, &b, CALL_CONTINUE);
    if (memory_batch_is_over(c, &result))
        return result;
    enum refusal r = update_owners_get(&s, (uint32_t)c->arg[3]);
    if (r)
        return refuse(c, r, 3);
    s.entry = (struct entry_context){s.table_owner, s.frame_owner, work, false};
    for (result = 0; b.count && result == 0;) {
        result = update_some(&s, &b);
        if (result == 0 && b.count && call_should_yield())
            result = CALL_CONTINUE;
    }
    table_put(&s);
    if (!s.is_own) {
        domain_put(s.table_owner);
        domain_put(s.frame_owner);
    }
    return memory_batch_end(c, &b, result);
}

// --- by linear address

// The flush that goes with the update. `flags`: a kind (UVMF_FLUSHTYPE_MASK), and UVMF_LOCAL,
// UVMF_ALL or the address of a bitmap of vcpus.
static long va_flush(struct hypercall *c, uint64_t address, uint64_t flags)
{
    uint64_t kind = flags & UVMF_FLUSHTYPE_MASK, where = flags & ~UVMF_FLUSHTYPE_MASK;
    struct cpumask cpus = cpumask_of(this_cpu_id());

    if (kind == UVMF_NONE)
        return 0;
    if (where == UVMF_ALL)
        cpus = domain_running_cpus(c->domain);
    else if (where != UVMF_LOCAL && !memory_vcpus_read(c->domain, where, &cpus))
        return refuse(c, REFUSE_BAD_POINTER, 2);
    if (kind == UVMF_INVLPG)
        memory_invalidate(cpus, address);
    else
        tlb_flush_mask(cpus);
    return 0;
}

static long va_update(struct hypercall *c, const struct domain *frame_owner)
{
    struct entry_context e = {c->domain, frame_owner, &c->vcpu->type_work, false};
    uint64_t address = c->arg[0];
    struct frame *table;
    unsigned index;

    enum refusal r = guest_range_ok(address, 1) ? page_entry_find(c->vcpu, address, &table, &index)
                                                : REFUSE_ENTRY_NO_TABLE;
    if (r)
        return refuse(c, r, 0);
    r = page_entry_write(&e, table, index, c->arg[1], NULL);
    frame_put(table);
    return r ? refuse(c, r, 1) : va_flush(c, address, c->arg[2]);
}

long hypercall_update_va_mapping(struct hypercall *c)
{
    if (type_work_begin(&c->vcpu->type_work, MEMORY_CALL_BUDGET))
        return CALL_CONTINUE;
    return va_update(c, c->domain);
}

long hypercall_update_va_mapping_otherdomain(struct hypercall *c)
{
    struct domain *owner;

    if (type_work_begin(&c->vcpu->type_work, MEMORY_CALL_BUDGET))
        return CALL_CONTINUE;
    enum refusal r = memory_owner_get(c->domain, (domid_t)c->arg[3], &owner);
    if (r)
        return refuse(c, r, 3);
    // Devices, too, are for others to map here; a guest has mmu_update for that.
    bool may = owner == c->domain || c->domain->is_privileged;
    long result = may ? va_update(c, owner) : refuse(c, REFUSE_NOT_PRIVILEGED, 3);
    domain_put(owner);
    return result;
}
