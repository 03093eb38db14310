// SPDX-License-Identifier: MIT
// paravane_op (hypercalls/paravane.h): the refusal ring and the exit reason of a domain.
//
// Records are written without a lock by refuse(). A reader takes a copy and looks at the head again:
// what may have been overwritten meanwhile counts as lost.
#include "hypercalls/call.h"

static void record_describe(const struct refusal_record *from, struct paravane_refusal *to)
{
    enum refusal reason = (enum refusal)from->refusal;

    *to = (struct paravane_refusal){
        .time = from->time,
        .rip = from->rip,
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

// The oldest record that no writer can be at work on.
static uint64_t oldest(const struct refusal_ring *ring)
{
    uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);

    return head > REFUSAL_RING ? head - REFUSAL_RING : 0;
}

static enum refusal copy_records(const struct refusal_ring *ring, struct paravane_refusals *op)
{
    uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
    uint64_t first = MIN(MAX(op->next, oldest(ring)), head), lost = first - MIN(op->next, first);
    uint32_t written = 0;

    for (; first < head && written < op->count; first++) {
        struct paravane_refusal out;
        struct refusal_record record = ring->record[first % REFUSAL_RING];
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (oldest(ring) > first) {
            lost++;
            continue;
        }
        record_describe(&record, &out);
        if (!guest_write(op->buffer + written * sizeof(out), &out, sizeof(out)))
            return REFUSE_BAD_POINTER;
        written++;
    }
    op->next = first;
    op->count = written;
    op->lost = lost;
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
