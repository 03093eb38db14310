// SPDX-License-Identifier: MIT
// paravane_op (hypercalls/paravane.h): the refusal ring and the exit reason of a domain.
#include "hypercalls/call.h"
#include "hypercalls/paravane_tests.h"

static void record_describe(const struct refusal_record *from, uint64_t count,
                            struct paravane_refusal *to)
{
    enum refusal reason = (enum refusal)from->refusal;

    *to = (struct paravane_refusal){
        .time = from->time,
        .rip = from->rip,
        .count = count,
        .call = from->call,
        .subop = from->subop,
        .index = from->index,
        .error = refusal_errno(reason),
        .vcpu = from->vcpu,
    };
    strlcpy(to->call_name, hypercall_name(from->call), sizeof(to->call_name));
    strlcpy(to->name, refusal_name(reason), sizeof(to->name));
    strlcpy(to->words, refusal_words(reason), sizeof(to->words));
}

static enum refusal copy_records(struct refusal_ring *ring, struct paravane_refusals *op)
{
    struct refusal_record record;
    struct paravane_refusal out;
    uint64_t count, lost;

    // No more than the ring holds, however fast others fill it.
    uint32_t room = MIN(op->count, (uint32_t)REFUSAL_RING);
    op->lost = 0;
    // Whoever asks for calls to come, or has no room, learns how many there were.
    op->next = MIN(op->next, __atomic_load_n(&ring->calls, __ATOMIC_RELAXED));
    for (op->count = 0; op->count < room; op->count++) {
        if (!(count = refusal_ring_read(ring, &op->next, &record, &lost)))
            break;
        op->lost += lost;
        record_describe(&record, count, &out);
        if (!guest_write(op->buffer + op->count * sizeof(out), &out, sizeof(out)))
            return REFUSE_BAD_POINTER;
    }
    return REFUSE_NONE;
}

static long refusals(struct hypercall *c, void *argument)
{
    struct paravane_refusals *op = argument;
    return refuse(c, copy_records(&c->target->refusals, op), 1);
}

static long exit_reason(struct hypercall *c, void *argument)
{
    struct paravane_exit_reason *op = argument;
    struct domain *d = c->target;

    memset(op->text, 0, sizeof(op->text));
    spin_lock(&d->lock);
    strlcpy(op->text, d->exit_reason, sizeof(op->text));
    spin_unlock(&d->lock);
    return 0;
}

#define ROW(command, right, handler)                                                               \
    SUBOP(PARAVANE_##command, struct paravane_##command, INOUT, right, handler)

static const struct subop subops[] = {
    ROW(refusals, TARGET, refusals),
    ROW(exit_reason, TARGET, exit_reason),
    ROW(check_frames, PRIVILEGED, paravane_op_check_frames),
    ROW(longest_call, ANY, paravane_op_longest_call),
};

long hypercall_paravane_op(struct hypercall *c)
{
    return subop_run(c, subops, ARRAY_SIZE(subops), (uint32_t)c->arg[0], c->arg[1]);
}
