// SPDX-License-Identifier: MIT
// grant_table_op: sharing frames between domains. Structures and statuses: xen/grant_table.h.
//
// Most sub-ops take an array; each element has a status of its own, and the call fails only when the
// array cannot be accessed. A long array is continued with the rest of it.
#include "hypercalls/call.h"
#include "hypervisor/domain_memory.h"
#include <xen/grant_table.h>

#define UNMAP_BATCH 16 // unmapped with one flush
#define COPIES_AT_ONCE 16
#define ELEMENT_MAX_SIZE 64

// The status of a refusal for the element; leaves a reason record.
static int16_t status_of(struct hypercall *c, enum refusal r, unsigned index)
{
    if (r != REFUSE_NONE)
        refuse(c, r, index);
    return grant_status(r);
}

// Elements one by one: copied in, done, copied back as a whole.
static long for_each(struct hypercall *c, size_t size,
                     void (*fn)(struct hypercall *c, void *element, unsigned index))
{
    uint64_t element[ELEMENT_MAX_SIZE / sizeof(uint64_t)];
    unsigned count = (unsigned)c->arg[2];

    for (unsigned i = 0; i < count; i++, c->arg[1] += size, c->arg[2]--) {
        if (i && call_should_yield())
            return CALL_CONTINUE;
        if (!guest_read(element, c->arg[1], size))
            return refuse(c, REFUSE_BAD_POINTER, i);
        fn(c, element, i);
        if (!guest_write(c->arg[1], element, size))
            return refuse(c, REFUSE_BAD_POINTER, i);
    }
    return 0;
}

static void map_one(struct hypercall *c, void *element, unsigned index)
{
    struct gnttab_map_grant_ref *op = element;
    op->status = status_of(c, grant_map(c->vcpu, op), index);
}

static void swap_one(struct hypercall *c, void *element, unsigned index)
{
    struct gnttab_swap_grant_ref *op = element;
    op->status = status_of(c, grant_swap(c->domain, op->ref_a, op->ref_b), index);
}

static void transfer_one(struct hypercall *c, void *element, unsigned index)
{
    struct gnttab_transfer *op = element;
    op->status = status_of(c, grant_transfer(c->domain, op), index);
}

// --- copying, which keeps frames from one element to the next

static long copy_list(struct hypercall *c, struct grant_copier *copier)
{
    const unsigned count = (unsigned)c->arg[2];
    struct gnttab_copy op;

    if (!guest_range_ok(c->arg[1], count * sizeof(op)))
        return refuse(c, REFUSE_BAD_POINTER, 0);
    for (; c->arg[2]; c->arg[1] += sizeof(op), c->arg[2]--) {
        unsigned i = count - (unsigned)c->arg[2];
        if (c->arg[2] % COPIES_AT_ONCE == 0 && i && call_should_yield())
            return CALL_CONTINUE;
        if (!guest_read_within(&op, c->arg[1], sizeof(op)))
            return refuse(c, REFUSE_BAD_POINTER, i);
        enum refusal r = grant_copy(copier, &op);
        int16_t status = r == REFUSE_NONE ? GNTST_okay : status_of(c, r, i);
        if (!guest_write16_within(c->arg[1] + offsetof(struct gnttab_copy, status),
                                  (uint16_t)status))
            return refuse(c, REFUSE_BAD_POINTER, i);
    }
    return 0;
}

static long copy_all(struct hypercall *c)
{
    struct grant_copier copier = GRANT_COPIER(c->domain);
    long result = copy_list(c, &copier);

    grant_copy_end(&copier);
    return result;
}

// --- unmapping, in batches with one flush each

struct unmap_batch {
    unsigned begun;
    struct grant_unmap unmap[UNMAP_BATCH];
};

static enum refusal unmap_begin(struct hypercall *c, void *element, struct grant_unmap *u)
{
    struct gnttab_unmap_grant_ref *op = element;
    enum refusal r = grant_unmap_begin(c->vcpu, op, u);
    op->status = grant_status(r);
    return r;
}

static enum refusal replace_begin(struct hypercall *c, void *element, struct grant_unmap *u)
{
    struct gnttab_unmap_and_replace *op = element;
    enum refusal r = grant_replace_begin(c->vcpu, op, u);
    op->status = grant_status(r);
    return r;
}

// One batch from the front of the array; all its elements have the status written before the flush,
// which changes nothing any more about how they end.
static long unmap_some(struct hypercall *c, size_t size, struct unmap_batch *batch,
                       enum refusal (*begin)(struct hypercall *, void *, struct grant_unmap *))
{
    uint64_t element[ELEMENT_MAX_SIZE / sizeof(uint64_t)];

    for (unsigned i = 0; i < UNMAP_BATCH && c->arg[2]; i++, c->arg[1] += size, c->arg[2]--) {
        if (!guest_read(element, c->arg[1], size))
            return refuse(c, REFUSE_BAD_POINTER, i);
        enum refusal r = begin(c, element, &batch->unmap[batch->begun]);
        if (r == REFUSE_NONE)
            batch->begun++;
        else
            refuse(c, r, i);
        if (!guest_write(c->arg[1], element, size))
            return refuse(c, REFUSE_BAD_POINTER, i);
    }
    return 0;
}

static long unmap_all(struct hypercall *c, size_t size,
                      enum refusal (*begin)(struct hypercall *, void *, struct grant_unmap *))
{
    while (c->arg[2]) {
        struct unmap_batch batch;
        batch.begun = 0;
        long result = unmap_some(c, size, &batch, begin);
        domain_flush_tlb(c->domain); // always: a replacement that failed may have lost its entry
        for (unsigned i = 0; i < batch.begun; i++)
            grant_unmap_finish(c->domain, &batch.unmap[i]);
        if (result < 0)
            return result;
        if (c->arg[2] && call_should_yield())
            return CALL_CONTINUE;
    }
    return 0;
}

// --- sub-ops with one element

static long setup_frames(struct hypercall *c, struct domain *d, struct gnttab_setup_table *op,
                         uint64_t list)
{
    enum refusal r = grant_table_grow(d, op->nr_frames);

    if (r == REFUSE_NONE && !guest_range_ok(list, op->nr_frames * sizeof(xen_pfn_t)))
        return refuse(c, REFUSE_BAD_POINTER, 2);
    for (unsigned i = 0; r == REFUSE_NONE && i < op->nr_frames; i++) {
        xen_pfn_t mfn = grant_table_frame(d, i).v;
        if (!guest_write(list + i * sizeof(mfn), &mfn, sizeof(mfn)))
            r = REFUSE_BAD_POINTER;
    }
    op->status = status_of(c, r, 1);
    return 0;
}

static long op_setup_table(struct hypercall *c, void *argument)
{
    struct gnttab_setup_table *op = argument;
    uint64_t list;
    struct domain *d;

    memcpy(&list, &op->frame_list, sizeof(list));
    enum refusal r = domain_lookup_remote(c->domain, op->dom, &d);
    if (r != REFUSE_NONE) {
        op->status = status_of(c, r, 0);
        return 0;
    }
    long result = setup_frames(c, d, op, list);
    domain_put(d);
    return result;
}

static long op_query_size(struct hypercall *c, void *argument)
{
    struct gnttab_query_size *op = argument;
    struct domain *d;

    enum refusal r = domain_lookup_remote(c->domain, op->dom, &d);
    op->status = status_of(c, r, 0);
    if (r != REFUSE_NONE)
        return 0;
    op->nr_frames = d->grants.frames;
    op->max_nr_frames = d->grants.max_frames;
    domain_put(d);
    return 0;
}

static long op_set_version(struct hypercall *c, void *argument)
{
    struct gnttab_set_version *op = argument;
    uint32_t wanted = op->version, version = 1;

    // The version in force is reported in any case.
    if (!guest_write(c->arg[1], &version, sizeof(version)))
        return refuse(c, REFUSE_BAD_POINTER, 1);
    if (wanted != 1 && wanted != 2)
        return refuse(c, REFUSE_GRANT_VERSION, 1);
    return wanted == 1 ? 0 : refuse(c, REFUSE_GRANT_NO_VERSION_2, 1);
}

static long op_get_version(struct hypercall *c, void *argument)
{
    ((struct gnttab_get_version *)argument)->version = 1;
    return 0;
}

// Only version 2 has status frames.
static long op_get_status_frames(struct hypercall *c, void *argument)
{
    struct gnttab_get_status_frames *op = argument;
    struct domain *d;

    enum refusal r = domain_lookup_remote(c->domain, op->dom, &d);
    if (r == REFUSE_NONE) {
        domain_put(d);
        r = op->nr_frames ? REFUSE_GRANT_LIMIT : REFUSE_NONE;
    }
    op->status = status_of(c, r, 0);
    return 0;
}

// Caches are coherent here: what writes them back is done already, for own frames; what throws their
// contents away is not offered.
static enum refusal flush_one(const struct domain *d, const struct gnttab_cache_flush *op)
{
    if (op->offset >= PAGE_SIZE || (uint32_t)op->offset + op->length > PAGE_SIZE ||
        op->op & ~(GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL))
        return REFUSE_BAD_ARGUMENT;
    if (op->length == 0 || op->op == 0)
        return REFUSE_NONE;
    struct frame *f = frame_from_mfn(maddr_to_mfn(MADDR(op->a.dev_bus_addr)));
    if (!f)
        return REFUSE_FRAME_NOT_RAM;
    if (frame_get(f, d))
        return REFUSE_NOT_PERMITTED;
    frame_put(f);
    return op->op & GNTTAB_CACHE_CLEAN ? REFUSE_NONE : REFUSE_NOT_OFFERED;
}

static long cache_flush(struct hypercall *c)
{
    struct gnttab_cache_flush op;

    for (unsigned i = 0; c->arg[2]; i++, c->arg[1] += sizeof(op), c->arg[2]--) {
        if (i && call_should_yield())
            return CALL_CONTINUE;
        enum refusal r = guest_read(&op, c->arg[1], sizeof(op)) ? flush_one(c->domain, &op)
                                                                : REFUSE_BAD_POINTER;
        if (r)
            return refuse(c, r, i);
    }
    return 0;
}

#define OP(name, copy, right) SUBOP(GNTTABOP_##name, struct gnttab_##name, copy, right, op_##name)

static const struct subop single_ops[] = {
    OP(setup_table, INOUT, ANY),    OP(query_size, INOUT, ANY),        OP(set_version, IN, ANY),
    OP(get_version, INOUT, TARGET), OP(get_status_frames, INOUT, ANY),
};

// The operations that take a list of elements.
#define LISTS                                                                                      \
    (1u << GNTTABOP_map_grant_ref | 1u << GNTTABOP_copy | 1u << GNTTABOP_swap_grant_ref |          \
     1u << GNTTABOP_transfer | 1u << GNTTABOP_unmap_grant_ref | 1u << GNTTABOP_unmap_and_replace | \
     1u << GNTTABOP_cache_flush)

long hypercall_grant_table_op(struct hypercall *c)
{
    c->subop = (uint32_t)c->arg[0];
    c->arg[2] = (uint32_t)c->arg[2];
    if ((int32_t)c->arg[2] < 0)
        return refuse(c, REFUSE_BAD_ARGUMENT, 2);
    if (c->subop < 32 && LISTS >> c->subop & 1 && !guest_address_ok(c->arg[1]))
        return refuse(c, REFUSE_BAD_POINTER, 1); // of an empty list, too
    switch (c->subop) {
    case GNTTABOP_map_grant_ref:
        return for_each(c, sizeof(struct gnttab_map_grant_ref), map_one);
    case GNTTABOP_copy:
        return copy_all(c);
    case GNTTABOP_swap_grant_ref:
        return for_each(c, sizeof(struct gnttab_swap_grant_ref), swap_one);
    case GNTTABOP_transfer:
        return for_each(c, sizeof(struct gnttab_transfer), transfer_one);
    case GNTTABOP_unmap_grant_ref:
        return unmap_all(c, sizeof(struct gnttab_unmap_grant_ref), unmap_begin);
    case GNTTABOP_unmap_and_replace:
        return unmap_all(c, sizeof(struct gnttab_unmap_and_replace), replace_begin);
    case GNTTABOP_cache_flush:
        return cache_flush(c);
    case GNTTABOP_setup_table:
    case GNTTABOP_query_size:
    case GNTTABOP_get_status_frames:
        if (c->arg[2] != 1)
            return refuse(c, REFUSE_GRANT_ONE_AT_A_TIME, 2);
        __attribute__((fallthrough));
    default:
        return subop_run(c, single_ops, ARRAY_SIZE(single_ops), c->subop, c->arg[1]);
    }
}
