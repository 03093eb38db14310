// SPDX-License-Identifier: MIT
// memory_op: frames that come and go. populate_physmap, increase_reservation, decrease_reservation,
// claim_pages. Structures: xen/memory.h.
//
// The result is the number of extents done; what stopped the call before the end leaves a reason
// record. Where to go on is in the upper bits of the command, as the ABI has it.
#include "hypercalls/memory_call.h"

#define NODE_ANY 0xff
#define NODES_MAX 64
#define ORDER_MAX_GUEST 9
#define ORDER_MAX_CONTROL 10 // clearing more takes too long for one step

// What the domain may ask for in one extent.
static unsigned memory_order_max(const struct domain *d)
{
    return d->is_privileged ? ORDER_MAX_CONTROL : ORDER_MAX_GUEST;
}

// A machine of one node. Control domains name it, or one that does not exist unless it must be that one.
enum refusal memory_node_check(const struct domain *caller, unsigned flags)
{
    unsigned node = XENMEMF_get_node(flags);
    bool exact = flags & XENMEMF_exact_node_request;

    if (flags & XENMEMF_vnode || node == NODE_ANY)
        return REFUSE_NONE;
    if (caller->is_privileged ? node >= NODES_MAX : exact)
        return REFUSE_BAD_ARGUMENT;
    return exact && node && caller->is_privileged ? REFUSE_NO_MEMORY : REFUSE_NONE;
}

unsigned memory_address_bits(unsigned flags)
{
    unsigned bits = XENMEMF_get_address_bits(flags);
    return bits == 0 ? 64 : bits;
}

// One call under way.
struct reservation {
    struct hypercall *call;
    struct domain *domain;
    struct xen_memory_reservation *r;
    uint64_t list; // guest address of the extents, 0 = none
};

static bool extent_read(const struct reservation *s, uint64_t i, uint64_t *frame)
{
    return guest_read(frame, s->list + i * sizeof(xen_pfn_t), sizeof(xen_pfn_t));
}

static bool extent_write(const struct reservation *s, uint64_t i, uint64_t frame)
{
    return guest_write(s->list + i * sizeof(xen_pfn_t), &frame, sizeof(xen_pfn_t));
}

static enum refusal populate_one(struct reservation *s, uint64_t i)
{
    unsigned order = s->r->extent_order;
    struct frame *f;
    uint64_t pfn;

    if (!extent_read(s, i, &pfn))
        return REFUSE_BAD_POINTER;
    enum refusal r = domain_alloc_frames(s->domain, order, memory_address_bits(s->r->mem_flags),
                                         pfn, &f);
    if (r)
        return r;
    return extent_write(s, i, frame_to_mfn(f).v) ? REFUSE_NONE : REFUSE_BAD_POINTER;
}

static enum refusal increase_one(struct reservation *s, uint64_t i)
{
    struct frame *f;
    enum refusal r = domain_alloc_frames(s->domain, s->r->extent_order,
                                         memory_address_bits(s->r->mem_flags), M2P_NONE, &f);
    if (r)
        return r;
    return !s->list || extent_write(s, i, frame_to_mfn(f).v) ? REFUSE_NONE : REFUSE_BAD_POINTER;
}

static enum refusal decrease_one(struct reservation *s, uint64_t i)
{
    uint64_t mfn;

    if (!extent_read(s, i, &mfn))
        return REFUSE_BAD_POINTER;
    for (uint64_t j = 0; j < 1ull << s->r->extent_order; j++) {
        enum refusal r = domain_free_frame(s->domain, MFN(mfn + j));
        if (r)
            return r;
    }
    return REFUSE_NONE;
}

// Extents from `first` on until one is refused; the number done in all.
static long for_extents(struct reservation *s, enum refusal (*one)(struct reservation *, uint64_t))
{
    uint64_t i = memory_op_start(s->call);

    for (; i < s->r->nr_extents; i++) {
        if (i != memory_op_start(s->call) && call_should_yield())
            return memory_op_continue(s->call, i);
        enum refusal r = one(s, i);
        if (r) {
            refuse(s->call, r, (unsigned)i);
            break;
        }
    }
    return (long)i;
}

// Even an argument that cannot be read, or a domain that is none of the caller's, gives the number of extents done, as Xen has it.
static long run(struct hypercall *c, enum refusal (*one)(struct reservation *, uint64_t))
{
    struct xen_memory_reservation r;
    struct reservation s = {.call = c, .r = &r};
    long result = (long)memory_op_start(c);

    if (!guest_read(&r, c->arg[1], sizeof(r))) {
        refuse(c, REFUSE_BAD_POINTER, 1);
        return result;
    }
    s.list = (uint64_t)r.extent_start.p;
    if (r.nr_extents > UINT32_MAX >> MEMOP_EXTENT_SHIFT || (uint64_t)result >= r.nr_extents)
        return result;
    enum refusal refused = domain_lookup_remote(c->domain, r.domid, &s.domain);
    if (refused) {
        refuse(c, refused, 0);
        return result;
    }
    refused = memory_node_check(c->domain, r.mem_flags);
    if (r.extent_order > memory_order_max(c->domain))
        refused = REFUSE_ORDER_TOO_BIG;
    else if (!guest_range_ok(s.list, r.nr_extents * sizeof(xen_pfn_t)))
        refused = REFUSE_BAD_POINTER;
    if (refused)
        refuse(c, refused, 0);
    else
        result = for_extents(&s, one);
    domain_put(s.domain);
    return result;
}

long memory_op_reservation(struct hypercall *c, void *argument)
{
    static enum refusal (*const one[])(struct reservation *, uint64_t) = {
        [XENMEM_populate_physmap] = populate_one,
        [XENMEM_increase_reservation] = increase_one,
        [XENMEM_decrease_reservation] = decrease_one,
    };
    return run(c, one[c->subop]);
}

long memory_op_claim(struct hypercall *c, void *argument)
{
    struct xen_memory_reservation *r = argument;
    struct domain *d;

    if (r->extent_start.p || r->extent_order || r->mem_flags)
        return refuse(c, REFUSE_BAD_ARGUMENT, 0);
    enum refusal refused = domain_lookup_remote(c->domain, r->domid, &d);
    if (refused) // not "no such domain", as Xen has it
        return refuse(c, REFUSE_BAD_ARGUMENT, 0);
    refused = domain_claim(d, r->nr_extents);
    domain_put(d);
    return refuse(c, refused, 0);
}
