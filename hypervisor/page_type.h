// SPDX-License-Identifier: MIT
// Page types: what a frame is used as. page_type.c has the theory; this is the interface.
#pragma once

#include "hypervisor/frame.h"

enum page_type {
    PAGE_TYPE_NONE,
    PAGE_TYPE_L1, // the levels are their own numbers
    PAGE_TYPE_L2,
    PAGE_TYPE_L3,
    PAGE_TYPE_L4,
    PAGE_TYPE_SEGDESC, // holds descriptors of a GDT or LDT
    PAGE_TYPE_WRITABLE,
};

// Layout of frame.type.
#define TYPE_COUNT 0xffffffffull
#define TYPE_COUNT_LIMIT 0x80000000ull // a get beyond it is refused
#define TYPE_INDEX_SHIFT 32            // partial: entries [0, index) hold references
#define TYPE_INDEX 0x3ff00000000ull
#define TYPE_DOWN (1ull << 42) // partial: on the way down
#define TYPE_SHIFT 48
#define TYPE_MASK (7ull << TYPE_SHIFT)
#define TYPE_VALIDATED (1ull << 56)
#define TYPE_PARTIAL (1ull << 57)
#define TYPE_PINNED (1ull << 58)
#define TYPE_LOCKED (1ull << 59) // an entry of the table is being written
#define TYPE_WORD(t) ((uint64_t)(t) << TYPE_SHIFT)

static inline enum page_type page_type_of(uint64_t word)
{
    return (enum page_type)((word & TYPE_MASK) >> TYPE_SHIFT);
}

// Long work on tables stops when `budget` (entries looked at) is used up. What is left over is kept
// here: at most one table a level on its way down, whose references now belong to this structure.
// One for each vcpu, one for each dying domain. Begin with type_work_begin; while it does not return
// REFUSE_NONE start nothing else.
#define TYPE_WORK_LEVELS 5
struct type_work {
    int64_t budget;
    uint32_t pending[TYPE_WORK_LEVELS]; // frame numbers by level, 0 = none
};

static inline bool type_work_is_pending(const struct type_work *w)
{
    return (w->pending[PAGE_TYPE_L2] | w->pending[PAGE_TYPE_L3] | w->pending[PAGE_TYPE_L4]) != 0;
}

// Set the budget and go on with what is pending: REFUSE_NONE when nothing is, else REFUSE_CONTINUE.
enum refusal type_work_begin(struct type_work *w, int64_t budget);

// Take a type reference on a frame on which the caller holds a reference. For L1..L4 the first one
// validates the table and everything below it, and `w` must be given; REFUSE_CONTINUE when the budget
// is used up: then the caller has no type reference, and calling again goes on where it stopped.
// Any other refusal: nothing has changed (but `w` may have work pending: see type_work_is_pending).
enum refusal frame_get_type(struct frame *f, enum page_type type, struct type_work *w);

// Drop a type reference; the last one of a table releases what its entries hold. It never fails; what
// the budget does not allow becomes pending in `w`, with a reference of its own on the frame. NULL is
// allowed for WRITABLE and SEGDESC.
void frame_put_type(struct frame *f, struct type_work *w);

// Both references at once.
enum refusal frame_get_and_type(struct frame *f, const struct domain *d, enum page_type type,
                                struct type_work *w);
void frame_put_and_type(struct frame *f, struct type_work *w);

// A reference to a frame of `d` and the right to write to it (grants, vcpu areas).
static inline enum refusal frame_get_writable(struct frame *f, const struct domain *d)
{
    return frame_get_and_type(f, d, PAGE_TYPE_WRITABLE, NULL);
}

static inline void frame_put_writable(struct frame *f)
{
    frame_put_and_type(f, NULL);
}

// Death: take down a table that somebody began to validate and did not finish. False: it is none.
bool page_type_abandon(struct frame *f, struct type_work *w);

// A WRITABLE use of a frame on which there is a reference, if it can be had at once: no change of type, no
// limit in sight.
static inline bool page_type_try_writable(struct frame *f)
{
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_RELAXED);

    if ((old & (TYPE_MASK | TYPE_COUNT_LIMIT)) != TYPE_WORD(PAGE_TYPE_WRITABLE) ||
        !((old & TYPE_COUNT) == 0 || old & TYPE_VALIDATED))
        return false;
    return __atomic_compare_exchange_n(&f->type, &old, (old + 1) | TYPE_VALIDATED, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

// The lock of a validated table of `level`, on which the caller holds a reference: while it is held
// the table stays what it is. False: it is no such table. Innermost and short.
bool page_type_lock_table(struct frame *f, unsigned level);
void page_type_unlock_table(struct frame *f);

// Pin: keep a table valid without any use. The frame belongs to `d`; level 1..4.
enum refusal page_type_pin(struct frame *f, const struct domain *d, unsigned level,
                           struct type_work *w);
enum refusal page_type_unpin(struct frame *f, const struct domain *d, struct type_work *w);
// The same for who has a reference already: it cannot be refused for too many of them.
enum refusal page_type_unpin_held(struct frame *f, struct type_work *w);
