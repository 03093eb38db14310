// SPDX-License-Identifier: MIT
// Delivery by queues, the FIFO ABI: up to 131072 ports, 16 priorities, and one queue for each priority of
// each vcpu. Bits and structures: xen/event_channel.h.
//
// What is shared. The guest gives pages of words, one 32-bit word a port (PENDING, MASKED, LINKED, BUSY
// and the LINK to the next port of the queue), and for each vcpu a control block: a head for each queue
// and the `ready` word with a bit for each queue that is not empty.
//
// The protocol. We are the only one who appends, the guest is the only one who takes off. To raise a
// port: set PENDING; if it is neither MASKED nor LINKED, set LINKED; if that was clear, append it. Who
// takes it off clears LINKED before he looks at PENDING, so a LINKED port needs no more. Appending writes
// its number into the LINK of the tail, but only while the tail is LINKED: the guest clears LINKED and
// LINK of what it takes off in one step, and a tail that it has taken off leaves an empty queue. Then
// the number becomes the head, the ready bit is set, and if that was clear the vcpu gets its upcall.
// The guest takes the head, clears LINKED, and handles the port if it is PENDING and not MASKED.
//
// The tail changes under our hands: an honest guest may set or clear MASKED, clear PENDING, and clear
// LINKED, so we compare and exchange. BUSY in it tells the guest not to unmask meanwhile; then its word
// changes four times at most and one of LINK_TRIES exchanges succeeds. A guest that breaks the rules
// makes them all fail, or has LINKED in words that are in no queue: it loses its own events, by
// our writing a head or a link that it did not expect. Nothing that we read from a word or a block
// is ever used as a number: the tails are kept here, and links are written but never followed.
//
// A queue whose last port was taken off still has that port as its tail here. When the port is linked
// again, into whatever queue, the old tail is forgotten first: else the old queue would be
// continued behind it. Hence last_vcpu and last_priority of a port. Invariant, under the lock: if the tail
// of a queue is port n, then n was last put into this queue. LINKED is set under the lock of that queue, too:
// else who appends there could find its old tail linked again, and go on behind it.
//
// Closed ports may still be LINKED; such a port is not given out (find_free in port.c), or the first
// event of its next life would come in the queue of its last one.
//
// The first init_control turns the domain to queues, with ports in use: what is pending by the two-level
// bits is kept (is_saved) until the port's word exists, like what becomes pending before. (A sender of
// another domain that has just seen two levels may still set the old bit: that event is lost, as
// xen/event_channel.h warns.) An event for a vcpu without a control block is dropped, as Xen does.
//
// Life: struct event_fifo and its pages go when no port is in use (reset, death); whoever delivers holds
// a lock that keeps its port in use. So words and blocks, once there, stay while anybody is here.
// The pages are held by a WRITABLE reference each: they cannot become tables, nor go to somebody else.
//
// Locks. One LOCK_EVENT_QUEUE for the queues of each vcpu: senders to different vcpus do not meet. A port is
// put into a queue with the lock of that vcpu and of the one where it was last (lower number first); which
// that is changes only under LOCK_EVENT_FIFO as well. So most events, whose port stays with its vcpu, take
// one lock, and a port that moves takes three. LOCK_EVENT_FIFO also decides between an event that is
// to be saved and the page with its word. Blocks and pages are added with LOCK_EVENT of the domain held.
#include "event/port.h"
#include "hypervisor/page_alloc.h"

#define WORDS_PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define ARRAY_PAGES (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)
#define LINK_TRIES 6 // without BUSY, then with it: four changes of an honest guest and the last one
#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED (1u << EVTCHN_FIFO_MASKED)
#define LINKED (1u << EVTCHN_FIFO_LINKED)
#define BUSY (1u << EVTCHN_FIFO_BUSY)

struct event_fifo {
    struct spinlock lock; // LOCK_EVENT_FIFO
    unsigned pages;       // atomic, grows only
    event_word_t *page[ARRAY_PAGES];
    struct evtchn_fifo_control_block *block[DOMAIN_MAX_VCPUS]; // atomic
    struct fifo_queues {
        struct spinlock lock;
        evtchn_port_t tail[EVTCHN_FIFO_MAX_QUEUES]; // 0 = none
    } vcpu[DOMAIN_MAX_VCPUS];
};
_Static_assert(sizeof(struct event_fifo) <= PAGE_SIZE, "the queues of a domain are one page");

// NULL: the guest has not given the page yet.
static event_word_t *word_of(const struct event_fifo *fifo, evtchn_port_t number)
{
    unsigned page = number / WORDS_PER_PAGE;
    return page < __atomic_load_n(&fifo->pages, __ATOMIC_ACQUIRE) // pairs with publish_page()
               ? &fifo->page[page][number % WORDS_PER_PAGE]
               : NULL;
}

static bool set_bits(uint32_t *word, uint32_t bits)
{
    return (__atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST) & bits) != 0;
}

static bool has_bits(const event_word_t *word, uint32_t bits)
{
    return word && (__atomic_load_n(word, __ATOMIC_SEQ_CST) & bits) != 0;
}

// Let the word of the tail name the next port; false when it is not LINKED, or does not hold still.
static bool link_behind(event_word_t *tail, evtchn_port_t number)
{
    event_word_t old = __atomic_load_n(tail, __ATOMIC_SEQ_CST);

    for (unsigned tries = 0; tries < LINK_TRIES && old & LINKED; tries++) {
        event_word_t new = (old & ~(BUSY | EVTCHN_FIFO_LINK_MASK)) | number;
        if (__atomic_compare_exchange_n(tail, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return true;
        if (tries == 0)
            old = __atomic_fetch_or(tail, BUSY, __ATOMIC_SEQ_CST) | BUSY;
    }
    if (old & BUSY)
        __atomic_fetch_and(tail, ~BUSY, __ATOMIC_SEQ_CST);
    return false;
}

// Append a port that has just become LINKED. Locks of its last vcpu and of this one held.
static void append(struct event_fifo *fifo, evtchn_port_t number, struct event_port *port,
                   struct vcpu *v)
{
    // Senders of other domains do not keep it from changing; either value is right then.
    unsigned priority = __atomic_load_n(&port->priority, __ATOMIC_RELAXED);
    struct evtchn_fifo_control_block *block = fifo->block[v->id];
    evtchn_port_t *last = &fifo->vcpu[port->last_vcpu].tail[port->last_priority];
    evtchn_port_t *tail = &fifo->vcpu[v->id].tail[priority], before;

    if (*last == number)
        *last = 0;
    __atomic_store_n(&port->last_vcpu, (uint8_t)v->id, __ATOMIC_RELAXED);
    port->last_priority = (uint8_t)priority;
    before = *tail;
    *tail = number;
    if (before && link_behind(word_of(fifo, before), number))
        return; // the queue was not empty, so its ready bit is set
    __atomic_store_n(&block->head[priority], number, __ATOMIC_RELEASE);
    if (!set_bits(&block->ready, 1u << priority))
        event_mark_pending(v);
}

// The port was last in a queue of another vcpu: move it. No lock of queues held.
static void enqueue_moved(struct event_fifo *fifo, evtchn_port_t number, struct event_port *port,
                          struct vcpu *v)
{
    spin_lock(&fifo->lock);
    unsigned last = port->last_vcpu;
    struct spinlock *low = &fifo->vcpu[MIN(last, v->id)].lock;
    struct spinlock *high = &fifo->vcpu[MAX(last, v->id)].lock;
    spin_lock(low);
    if (low != high)
        spin_lock_second(high);
    if (!set_bits(word_of(fifo, number), LINKED))
        append(fifo, number, port, v);
    if (low != high)
        spin_unlock(high);
    spin_unlock(low);
    spin_unlock(&fifo->lock);
}

static void enqueue(struct event_fifo *fifo, evtchn_port_t number, struct event_port *port,
                    struct vcpu *v)
{
    struct fifo_queues *q = &fifo->vcpu[v->id];

    spin_lock(&q->lock);
    // If it is ours it stays so: to move it needs this lock.
    bool is_ours = __atomic_load_n(&port->last_vcpu, __ATOMIC_RELAXED) == v->id;
    if (is_ours && !set_bits(word_of(fifo, number), LINKED))
        append(fifo, number, port, v);
    spin_unlock(&q->lock);
    if (!is_ours)
        enqueue_moved(fifo, number, port, v);
}

// The word does not exist yet: the event waits for it. False when it has come meanwhile.
static bool save(struct event_fifo *fifo, evtchn_port_t number, struct event_port *port)
{
    spin_lock(&fifo->lock);
    bool is_missing = !word_of(fifo, number);
    if (is_missing)
        port->is_saved = true;
    spin_unlock(&fifo->lock);
    return is_missing;
}

static void fifo_set_pending(struct domain *d, evtchn_port_t number, struct event_port *port)
{
    struct event_fifo *fifo = d->events.fifo;
    struct vcpu *v = d->vcpu[__atomic_load_n(&port->vcpu, __ATOMIC_RELAXED)]; // like the priority
    event_word_t *word = word_of(fifo, number);

    if (!word) {
        if (save(fifo, number, port))
            return;
        word = word_of(fifo, number);
    }
    if (!__atomic_load_n(&fifo->block[v->id], __ATOMIC_ACQUIRE))
        return;
    bool was_pending = set_bits(word, PENDING);
    if (!has_bits(word, MASKED | LINKED))
        enqueue(fifo, number, port, v);
    // Polls look at masked ports too. The look pairs with the fence in sched_poll().
    if (!was_pending && __atomic_load_n(&d->sched.poll_mask, __ATOMIC_SEQ_CST))
        sched_poll_notify(d, number);
}

static void fifo_unmask(struct domain *d, evtchn_port_t number, struct event_port *port)
{
    struct event_fifo *fifo = d->events.fifo;
    event_word_t *word = word_of(fifo, number);

    if (word && __atomic_fetch_and(word, ~MASKED, __ATOMIC_SEQ_CST) & PENDING)
        fifo_set_pending(d, number, port); // it became pending while masked
}

static void fifo_clear_pending(struct event_fifo *fifo, evtchn_port_t number)
{
    event_word_t *word = word_of(fifo, number);

    if (word) // it stays in its queue; the guest will take it off and find nothing pending
        __atomic_fetch_and(word, ~PENDING, __ATOMIC_SEQ_CST);
}

static bool fifo_is_pending(const struct event_fifo *fifo, evtchn_port_t number)
{
    return has_bits(word_of(fifo, number), PENDING);
}

static bool fifo_is_linked(const struct event_fifo *fifo, evtchn_port_t number)
{
    return has_bits(word_of(fifo, number), LINKED);
}

// --- setting up

// A page of the guest for as long as the queues live.
static enum refusal page_hold(struct domain *d, mfn_t mfn, void **page)
{
    struct frame *f = frame_from_mfn(mfn);
    enum refusal r = f ? frame_get_writable(f, d) : REFUSE_FRAME_NOT_RAM;

    *page = r == REFUSE_NONE ? frame_to_virt(f) : NULL;
    return r;
}

static void page_release(void *page)
{
    if (page)
        frame_put_writable(frame_from_mfn(virt_to_mfn(page)));
}

static struct event_fifo *fifo_alloc(void)
{
    struct event_fifo *fifo = page_alloc(0);

    if (fifo)
        spin_lock_init(&fifo->lock, LOCK_EVENT_FIFO);
    for (unsigned i = 0; fifo && i < DOMAIN_MAX_VCPUS; i++)
        spin_lock_init(&fifo->vcpu[i].lock, LOCK_EVENT_QUEUE);
    return fifo;
}

// From two levels to queues: what is pending waits for its word. It is looked for behind the turn, with the
// lock of each port, so that no sender of our own still sets a bit of the old kind. LOCK_EVENT held.
static void turn_to_queues(struct domain *d, struct event_fifo *fifo)
{
    __atomic_store_n(&d->events.fifo, fifo, __ATOMIC_RELEASE);
    for (evtchn_port_t n = 1; n < MIN(d->events.valid_ports, EVTCHN_2L_NR_CHANNELS); n++) {
        struct event_port *port = event_port_get(d, n);
        if (event_port_is_free(port))
            continue;
        uint64_t flags = event_port_lock(port);
        if (event_two_level_is_pending(d, n))
            save(fifo, n, port);
        event_port_unlock(port, flags);
    }
}

// Install a control block; the first one takes *fresh, and leaves NULL there. REFUSE_CONTINUE: it needs
// one.
static enum refusal add_block(struct domain *d, unsigned vcpu, void *block,
                              struct event_fifo **fresh)
{
    enum refusal r = REFUSE_NONE;

    spin_lock(&d->events.lock);
    if (!d->events.fifo && *fresh) {
        turn_to_queues(d, *fresh);
        *fresh = NULL;
    }
    struct event_fifo *fifo = d->events.fifo;
    if (!fifo)
        r = REFUSE_CONTINUE;
    else if (fifo->block[vcpu])
        r = REFUSE_EVENT_BLOCK_SET;
    else
        __atomic_store_n(&fifo->block[vcpu], block, __ATOMIC_RELEASE);
    spin_unlock(&d->events.lock);
    return r;
}

static enum refusal fifo_init_control(struct domain *d, unsigned vcpu, mfn_t mfn, unsigned offset)
{
    if (!domain_vcpu(d, vcpu))
        return REFUSE_NO_VCPU;
    if (offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || offset % sizeof(uint64_t))
        return REFUSE_EVENT_BAD_BLOCK;
    void *page;
    enum refusal r = page_hold(d, mfn, &page);
    if (r != REFUSE_NONE)
        return r;
    struct event_fifo *fresh = NULL; // most calls find the queues there and need none
    r = add_block(d, vcpu, (char *)page + offset, &fresh);
    if (r == REFUSE_CONTINUE) {
        fresh = fifo_alloc();
        r = fresh ? add_block(d, vcpu, (char *)page + offset, &fresh) : REFUSE_NO_MEMORY;
    }
    page_free(fresh, 0);
    if (r != REFUSE_NONE)
        page_release(page);
    return r;
}

// From here on nothing is saved for the ports of this page. LOCK_EVENT held.
static void publish_page(struct event_fifo *fifo, event_word_t *page)
{
    uint64_t flags = spin_lock_irqsave(&fifo->lock);
    fifo->page[fifo->pages] = page;
    __atomic_store_n(&fifo->pages, fifo->pages + 1, __ATOMIC_RELEASE);
    spin_unlock_irqrestore(&fifo->lock, flags);
}

// What has been saved for the ports from `number` on. LOCK_EVENT held: none of them is freed.
static void deliver_saved(struct domain *d, evtchn_port_t number)
{
    for (unsigned i = 0; i < WORDS_PER_PAGE; i++, number++) {
        struct event_port *port = event_port_get(d, number);
        if (!port)
            break;
        if (!port->is_saved)
            continue;
        uint64_t flags = event_port_lock(port);
        port->is_saved = false;
        fifo_set_pending(d, number, port);
        event_port_unlock(port, flags);
    }
}

static enum refusal fifo_expand_array(struct domain *d, mfn_t mfn)
{
    if (!__atomic_load_n(&d->events.fifo, __ATOMIC_RELAXED))
        return REFUSE_EVENT_NO_CONTROL;
    void *page;
    enum refusal r = page_hold(d, mfn, &page);
    if (r != REFUSE_NONE)
        return r;
    spin_lock(&d->events.lock);
    struct event_fifo *fifo = d->events.fifo;
    if (!fifo) {
        r = REFUSE_EVENT_NO_CONTROL; // reset meanwhile
    } else if (fifo->pages == ARRAY_PAGES) {
        r = REFUSE_EVENT_ARRAY_FULL;
    } else {
        publish_page(fifo, page);
        deliver_saved(d, (fifo->pages - 1) * WORDS_PER_PAGE);
    }
    spin_unlock(&d->events.lock);
    if (r != REFUSE_NONE)
        page_release(page);
    return r;
}

static void fifo_free(struct event_fifo *fifo)
{
    for (unsigned i = 0; i < ARRAY_PAGES; i++)
        page_release(fifo->page[i]);
    for (unsigned i = 0; i < DOMAIN_MAX_VCPUS; i++)
        page_release(fifo->block[i]);
    page_free(fifo, 0);
}

static const struct event_queues queues = {
    .init_control = fifo_init_control,
    .expand_array = fifo_expand_array,
    .set_pending = fifo_set_pending,
    .clear_pending = fifo_clear_pending,
    .is_pending = fifo_is_pending,
    .is_linked = fifo_is_linked,
    .unmask = fifo_unmask,
    .free = fifo_free,
};
MODULE_PART(event_queues, queues);
