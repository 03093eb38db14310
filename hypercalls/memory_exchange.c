// SPDX-License-Identifier: MIT
// memory_op exchange: give frames and get others, mostly to get neighbours below some address.
//
// The unit is a chunk: the frames of one extent of the coarser list. For a chunk, the frames to give
// are taken out of the domain's hands first (nobody can use them then), then the new ones are
// allocated; when either fails the taken ones go back and nothing has changed. Then the new ones are
// given to the domain in their place in its reservation, and the old ones become free.
#include "hypercalls/memory_call.h"

#include "hypervisor/page_alloc.h"

#define CHUNK_ORDER_MAX 9 // a chunk is done in one go, so even a control domain may not have more

struct exchange {
    struct hypercall *call;
    struct domain *domain;
    struct xen_memory_exchange *x;
    unsigned in_order, out_order;             // of an extent
    unsigned in_chunk_order, out_chunk_order; // extents in a chunk
    struct page_list taken, fresh;            // fresh: first frames of extents
};

static uint64_t list_item(const struct xen_memory_reservation *r, uint64_t i)
{
    return (uint64_t)r->extent_start.p + i * sizeof(xen_pfn_t);
}

static void taken_give_back(struct exchange *s)
{
    struct frame *f;
    while ((f = page_list_first(&s->taken)) != NULL) {
        page_list_remove(&s->taken, f);
        domain_unsteal_frame(s->domain, frame_to_mfn(f));
    }
}

static void fresh_free(struct exchange *s)
{
    struct frame *f;
    while ((f = page_list_first(&s->fresh)) != NULL) {
        page_list_remove(&s->fresh, f);
        page_free_frames(f, s->out_order);
    }
}

static enum refusal take_chunk(struct exchange *s, uint64_t chunk)
{
    for (uint64_t i = chunk << s->in_chunk_order; i < (chunk + 1) << s->in_chunk_order; i++) {
        uint64_t mfn;
        if (!guest_read(&mfn, list_item(&s->x->in, i), sizeof(mfn)))
            return REFUSE_BAD_POINTER;
        for (uint64_t j = 0; j < 1ull << s->in_order; j++) {
            enum refusal r = domain_steal_frame(s->domain, MFN(mfn + j));
            if (r)
                return r;
            page_list_add(&s->taken, frame_from_mfn(MFN(mfn + j)));
        }
    }
    return REFUSE_NONE;
}

// Where the address is limited, all of the chunk comes in one piece: each search may take long.
static enum refusal allocate_chunk(struct exchange *s)
{
    unsigned bits = memory_address_bits(s->x->out.mem_flags);
    unsigned pieces = bits < 64 ? 0 : s->out_chunk_order; // as a power of 2
    unsigned order = s->out_order + s->out_chunk_order - pieces;

    for (uint64_t i = 0; i < 1ull << pieces; i++) {
        struct frame *f = page_alloc_frames(order, bits);
        if (!f)
            return REFUSE_NO_MEMORY;
        page_split(f, order, s->out_order);
        for (uint64_t k = 0; k < 1ull << order; k += 1ull << s->out_order)
            page_list_add(&s->fresh, f + k);
    }
    return REFUSE_NONE;
}

// From here on nothing is undone; a list that cannot be written is the guest's own loss.
static enum refusal commit_chunk(struct exchange *s, uint64_t chunk)
{
    enum refusal r = REFUSE_NONE;
    struct frame *f;

    while ((f = page_list_first(&s->taken)) != NULL) {
        page_list_remove(&s->taken, f);
        m2p_set(frame_to_mfn(f), ~0ull);
        domain_free_stolen(frame_to_mfn(f));
    }
    for (uint64_t i = chunk << s->out_chunk_order; (f = page_list_first(&s->fresh)) != NULL; i++) {
        uint64_t pfn, mfn = frame_to_mfn(f).v;
        bool is_named = guest_read(&pfn, list_item(&s->x->out, i), sizeof(pfn));
        page_list_remove(&s->fresh, f);
        m2p_set_block(MFN(mfn), s->out_order, is_named ? pfn : M2P_NONE);
        domain_assign_frames(s->domain, f, s->out_order);
        if (!is_named || !guest_write(list_item(&s->x->out, i), &mfn, sizeof(mfn)))
            r = REFUSE_BAD_POINTER;
    }
    return r;
}

static enum refusal exchange_chunk(struct exchange *s, uint64_t chunk)
{
    enum refusal r = take_chunk(s, chunk);
    if (r == REFUSE_NONE)
        r = allocate_chunk(s);
    if (r == REFUSE_NONE)
        return commit_chunk(s, chunk);
    fresh_free(s);
    taken_give_back(s);
    return r;
}

static enum refusal exchange_check(struct exchange *s)
{
    const struct xen_memory_exchange *x = s->x;
    unsigned in = x->in.extent_order, out = x->out.extent_order;

    if (in > CHUNK_ORDER_MAX || out > CHUNK_ORDER_MAX)
        return REFUSE_ORDER_DENIED;
    if (x->in.domid != x->out.domid || x->nr_exchanged > x->in.nr_extents)
        return REFUSE_BAD_ARGUMENT;
    if (x->in.nr_extents > UINT64_MAX >> in >> 1 || x->out.nr_extents > UINT64_MAX >> out >> 1 ||
        x->in.nr_extents << in != x->out.nr_extents << out)
        return REFUSE_BAD_ARGUMENT;
    s->in_order = in;
    s->out_order = out;
    s->in_chunk_order = in < out ? out - in : 0;
    s->out_chunk_order = in < out ? 0 : in - out;
    if (x->nr_exchanged & ((1ull << s->in_chunk_order) - 1))
        return REFUSE_BAD_ARGUMENT;
    // Before frames are given up: could the new ones be told?
    if (x->nr_exchanged < x->in.nr_extents &&
        (!guest_range_ok(list_item(&x->in, 0), x->in.nr_extents * sizeof(xen_pfn_t)) ||
         !guest_range_ok(list_item(&x->out, 0), x->out.nr_extents * sizeof(xen_pfn_t))))
        return REFUSE_BAD_POINTER;
    return memory_node_check(s->call->domain, x->out.mem_flags);
}

static long exchange_all(struct exchange *s)
{
    uint64_t chunks = s->x->in.nr_extents >> s->in_chunk_order;
    uint64_t first = s->x->nr_exchanged >> s->in_chunk_order;
    uint64_t field = s->call->arg[1] + offsetof(struct xen_memory_exchange, nr_exchanged);
    long result = 0;

    for (uint64_t chunk = first; chunk < chunks && result == 0; chunk++) {
        if (chunk != first && call_should_yield()) {
            result = CALL_CONTINUE;
            break;
        }
        enum refusal r = exchange_chunk(s, chunk);
        result = refuse(s->call, r, (unsigned)(chunk << s->in_chunk_order));
        if (result == 0)
            s->x->nr_exchanged = (chunk + 1) << s->in_chunk_order;
    }
    if (!guest_write(field, &s->x->nr_exchanged, sizeof(s->x->nr_exchanged)))
        return refuse(s->call, REFUSE_BAD_POINTER, 1);
    return result;
}

long memory_op_exchange(struct hypercall *c, void *argument)
{
    struct exchange s = {.call = c, .x = argument};
    enum refusal r = exchange_check(&s);

    if (r == REFUSE_NONE)
        r = domain_lookup_remote(c->domain, s.x->in.domid, &s.domain);
    if (r)
        return refuse(c, r, 0);
    long result = exchange_all(&s);
    domain_put(s.domain);
    return result;
}
