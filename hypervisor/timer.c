// SPDX-License-Identifier: MIT
// Timer heaps: one pairing heap per CPU, linked through the timers themselves.
//
// A pairing heap is a tree in which a parent is never later than its children; joining two heaps
// makes the later root the first child of the other. Insert is one join, taking out the root joins
// its children in pairs, all of it without allocation or recursion.
#include "hypervisor/timer.h"
#include "hypervisor/cpu.h"
#include "hypervisor/lock.h"
#include "hypervisor/time.h"

struct timer_heap {
    struct spinlock lock;
    struct timer *root;
    uint64_t programmed; // deadline that the hardware was last asked for
};

static struct timer_heap timer_heaps[HV_MAX_CPUS];

// Join two heaps of which neither root has siblings.
static struct timer *heap_join(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->deadline < a->deadline) {
        struct timer *swap = a;
        a = b;
        b = swap;
    }
    b->sibling = a->child;
    if (a->child)
        a->child->previous = b;
    b->previous = a;
    a->child = b;
    return a;
}

// Join a list of siblings to one heap: first in pairs from the left, then the pairs from the right.
static struct timer *heap_join_siblings(struct timer *first)
{
    struct timer *pairs = NULL; // linked by `sibling`, the last pair first
    while (first) {
        struct timer *a = first, *b = first->sibling;
        first = b ? b->sibling : NULL;
        a->sibling = a->previous = NULL;
        if (b)
            b->sibling = b->previous = NULL;
        a = heap_join(a, b);
        a->sibling = pairs;
        pairs = a;
    }
    struct timer *root = NULL;
    while (pairs) {
        struct timer *next = pairs->sibling;
        pairs->sibling = NULL;
        root = heap_join(root, pairs);
        pairs = next;
    }
    return root;
}

static void heap_remove(struct timer_heap *h, struct timer *t)
{
    struct timer *rest = heap_join_siblings(t->child);
    if (t == h->root) {
        h->root = rest;
    } else {
        if (t->previous->child == t)
            t->previous->child = t->sibling;
        else
            t->previous->sibling = t->sibling;
        if (t->sibling)
            t->sibling->previous = t->previous;
        h->root = heap_join(h->root, rest);
    }
    t->child = t->sibling = t->previous = NULL;
    t->is_armed = false;
}

static void heap_insert(struct timer_heap *h, struct timer *t)
{
    t->child = t->sibling = t->previous = NULL;
    t->is_armed = true;
    h->root = heap_join(h->root, t);
}

// Lock the heap that the timer uses, which timer_migrate may be changing.
static struct timer_heap *heap_lock(struct timer *t, uint64_t *flags)
{
    for (;;) {
        unsigned cpu = __atomic_load_n(&t->cpu, __ATOMIC_ACQUIRE);
        struct timer_heap *h = &timer_heaps[cpu];
        *flags = spin_lock_irqsave(&h->lock);
        if (__atomic_load_n(&t->cpu, __ATOMIC_RELAXED) == cpu)
            return h;
        spin_unlock_irqrestore(&h->lock, *flags);
    }
}

// The heap of `cpu` has an earlier root than the hardware knows: tell it, or its CPU.
static void heap_reprogram(struct timer_heap *h, unsigned cpu)
{
    uint64_t deadline = h->root ? h->root->deadline : TIMER_NO_DEADLINE;
    if (deadline >= h->programmed)
        return; // a needless interrupt later is cheaper than reprogramming now
    h->programmed = deadline;
    if (cpu == this_cpu_id())
        time_deadline_set(deadline);
    else
        softirq_raise(cpu, SOFTIRQ_TIMER);
}

void timers_init_cpu(unsigned cpu)
{
    struct timer_heap *h = &timer_heaps[cpu];
    spin_lock_init(&h->lock, LOCK_TIMER);
    h->root = NULL;
    h->programmed = TIMER_NO_DEADLINE;
}

void timer_init(struct timer *t, void (*callback)(void *data, uint64_t now), void *data,
                unsigned cpu)
{
    *t = (struct timer){.callback = callback, .data = data, .cpu = cpu};
}

void timer_set(struct timer *t, uint64_t deadline)
{
    uint64_t flags;
    struct timer_heap *h = heap_lock(t, &flags);
    if (t->is_armed)
        heap_remove(h, t);
    t->deadline = deadline;
    heap_insert(h, t);
    heap_reprogram(h, t->cpu);
    spin_unlock_irqrestore(&h->lock, flags);
}

void timer_stop(struct timer *t)
{
    uint64_t flags;
    struct timer_heap *h = heap_lock(t, &flags);
    if (t->is_armed)
        heap_remove(h, t);
    spin_unlock_irqrestore(&h->lock, flags);
}

void timer_stop_sync(struct timer *t)
{
    timer_stop(t);
    // Pairs with the release in timers_run: what the callback did is seen here.
    while (__atomic_load_n(&t->running, __ATOMIC_ACQUIRE)) {
        cpu_relax();
        timer_stop(t); // the callback may have armed it again
    }
}

void timer_migrate(struct timer *t, unsigned cpu)
{
    if (t->cpu == cpu)
        return;
    uint64_t flags;
    struct timer_heap *h = heap_lock(t, &flags);
    bool was_armed = t->is_armed;
    if (was_armed)
        heap_remove(h, t);
    // From here on others lock the new heap. Should one of them arm the timer before we do, its
    // deadline is the newer one and stays.
    uint64_t deadline = t->deadline;
    __atomic_store_n(&t->cpu, cpu, __ATOMIC_RELEASE);
    spin_unlock_irqrestore(&h->lock, flags);
    if (!was_armed)
        return;
    h = heap_lock(t, &flags);
    if (!t->is_armed) {
        t->deadline = deadline;
        heap_insert(h, t);
        heap_reprogram(h, t->cpu);
    }
    spin_unlock_irqrestore(&h->lock, flags);
}

uint64_t timers_next_deadline(unsigned cpu)
{
    struct timer_heap *h = &timer_heaps[cpu];
    uint64_t flags = spin_lock_irqsave(&h->lock);
    uint64_t deadline = h->root ? h->root->deadline : TIMER_NO_DEADLINE;
    spin_unlock_irqrestore(&h->lock, flags);
    return deadline;
}

void timers_run(unsigned cpu, uint64_t now)
{
    struct timer_heap *h = &timer_heaps[cpu];
    uint64_t flags = spin_lock_irqsave(&h->lock);
    // `now` stands still and callbacks arm only later than it, so this ends.
    while (h->root && h->root->deadline <= now) {
        struct timer *t = h->root;
        heap_remove(h, t);
        void (*callback)(void *, uint64_t) = t->callback;
        void *data = t->data;
        __atomic_fetch_add(&t->running, 1, __ATOMIC_RELAXED);
        spin_unlock_irqrestore(&h->lock, flags);
        callback(data, now);
        // The last touch: timer_stop_sync() may let the timer be freed from here on.
        __atomic_fetch_sub(&t->running, 1, __ATOMIC_RELEASE);
        flags = spin_lock_irqsave(&h->lock);
    }
    h->programmed = h->root ? h->root->deadline : TIMER_NO_DEADLINE;
    time_deadline_set(h->programmed);
    spin_unlock_irqrestore(&h->lock, flags);
}
