// SPDX-License-Identifier: MIT
// Event channels: ports, what they are bound to, and delivery by two levels of bits or by queues (FIFO).
//
// Owns: the ports of every domain and the virq tables of the vcpus.
// Invariants: an interdomain port and its peer name each other; a port that is not free belongs to
// one binding; port 0 is never given out; a freed port goes back to vcpu 0.
// A domain starts with two levels (delivery.c). Its first init_control turns to queues (fifo.c), a reset
// turns back; a reset ends with no port in use, so nobody delivers while the queues go away.
// Delivery order: pending bit, selector bit, upcall flag, then the vcpu is kicked; the guest clears
// them in the opposite order. The words in shared pages are written by the guest at any time: only
// atomic operations touch them, and nothing here depends on what they hold.
// Locks. LOCK_EVENT of a domain guards which of its ports are in use, memory for ports, virq tables, the set-up
// of queues and where a reset stands; it is never taken in an interrupt, and never two of them.
// LOCK_EVENT_PORT of a port (interrupts off) guards what the port stands for. A port enters and leaves
// EVENT_FREE with both, so either keeps it as it is; every other change takes the lock of the port, and
// both locks of a pair, lower address first. Delivery takes one: a sender holds its own port's lock, and
// as long as that port is interdomain the peer can neither be closed nor lose its memory, nor can its
// domain die. So operations on different ports share no lock. LOCK_EVENT_FIFO, LOCK_EVENT_QUEUE (fifo.c)
// and the scheduler's locks nest inside.
// Memory: ports get theirs a bucket at a time and keep it for the life of the domain; a port number
// below valid_ports may be looked up by whoever has a reference to the domain, or the lock of a peer.
#pragma once

#include "hypervisor/lock.h"
#include "hypervisor/module.h"
#include "hypervisor/refusal.h"
#include <xen/event_channel.h>

struct domain;
struct vcpu;

#define EVENT_BUCKET_PORTS 128
#define EVENT_FIRST_BUCKETS 16 // in the domain itself, which is one page
#define EVENT_BUCKETS (EVTCHN_FIFO_NR_CHANNELS / EVENT_BUCKET_PORTS)

enum event_state {
    EVENT_FREE,
    EVENT_UNBOUND, // waits for `remote_domid` to connect
    EVENT_INTERDOMAIN,
    EVENT_PIRQ,
    EVENT_VIRQ,
    EVENT_IPI,
};

struct event_port {
    struct spinlock lock;
    struct domain *remote;     // by state: EVENT_INTERDOMAIN
    evtchn_port_t remote_port; // the same
    uint8_t state;             // enum event_state
    bool is_changing; // it is being closed, or its pirq is being connected, outside the lock
    union {           // by state
        uint16_t virq, pirq;
        domid_t remote_domid;
    };
    uint8_t vcpu;     // atomic: whom it notifies
    uint8_t priority; // atomic: its queue; EVTCHN_FIFO_PRIORITY_DEFAULT unless set
    // The queue that it was last put into, kept while the port is free. Of fifo.c, like `is_saved`:
    // it became pending before the guest gave the page with its word.
    uint8_t last_vcpu, last_priority;
    bool is_saved;
};

struct event_bucket {
    struct event_port *port; // a page with EVENT_BUCKET_PORTS, allocated when first needed
    unsigned in_use;         // of them
};

struct event_domain {
    struct spinlock lock;
    unsigned port_limit;         // ports below this number are allowed, by createdomain
    unsigned valid_ports;        // ports below it have memory; grows only
    unsigned in_use;             // ports that are not free
    unsigned first_free;         // no port below it is free
    evtchn_port_t reset_next;    // where a reset that has stopped goes on, 0 = there is none
    evtchn_port_t close_next;    // the same for the death of the domain
    struct event_bucket *bucket; // by port / EVENT_BUCKET_PORTS: `first`, or EVENT_BUCKETS of them
    struct event_bucket first[EVENT_FIRST_BUCKETS];
    struct event_fifo *fifo; // NULL: two levels
};

struct event_vcpu {
    evtchn_port_t virq_port[NR_VIRQS]; // atomic; 0 = not bound
};

// --- life cycle
// `max_port` as in createdomain: the highest port allowed; negative or large: all that the ABI has.
enum refusal event_domain_init(struct domain *d, int max_port);
void event_vcpu_init(struct vcpu *v);
// Close every port of a dying domain, `budget` ports a call; REFUSE_CONTINUE until done.
enum refusal event_domain_close(struct domain *d, unsigned budget);
void event_domain_free(struct domain *d); // when no port is in use

// --- operations; `d` is the domain whose port is meant
enum refusal event_alloc_unbound(struct domain *d, domid_t remote_domid, evtchn_port_t *port);
enum refusal event_bind_interdomain(struct domain *d, struct domain *remote,
                                    evtchn_port_t remote_port, evtchn_port_t *port);
enum refusal event_bind_virq(struct domain *d, unsigned vcpu, unsigned virq, evtchn_port_t *port);
enum refusal event_bind_ipi(struct domain *d, unsigned vcpu, evtchn_port_t *port);
enum refusal event_bind_pirq(struct domain *d, unsigned pirq, evtchn_port_t *port);
enum refusal event_bind_vcpu(struct domain *d, evtchn_port_t port, unsigned vcpu);
enum refusal event_close(struct domain *d, evtchn_port_t port);
enum refusal event_send(struct domain *d, evtchn_port_t port);
enum refusal event_status(struct domain *d, struct evtchn_status *status);
enum refusal event_unmask(struct domain *d, evtchn_port_t port);
enum refusal event_set_priority(struct domain *d, evtchn_port_t port, unsigned priority);
// Close all ports and go back to two levels; one reset at a time (BUSY). REFUSE_CONTINUE when the budget
// of ports is used up: then call again with `resuming`.
enum refusal event_reset(struct domain *d, bool resuming, unsigned budget);

// --- queues: the FIFO ABI, a module (fifo.c). Without it a domain has two levels for ever.
struct event_queues {
    // The frames are own ones; they stay referenced and writable until the reset. The control block of a vcpu, at
    // `offset` in the frame; the first one turns to queues.
    enum refusal (*init_control)(struct domain *d, unsigned vcpu, mfn_t mfn, unsigned offset);
    // Words for the next 1024 ports.
    enum refusal (*expand_array)(struct domain *d, mfn_t mfn);
    // The rest is for event/, of a domain with queues. As event_port_*() of port.h; `is_linked`: the guest has not
    // yet taken the port off its queue.
    void (*set_pending)(struct domain *d, evtchn_port_t number, struct event_port *port);
    void (*clear_pending)(struct event_fifo *fifo, evtchn_port_t number);
    bool (*is_pending)(const struct event_fifo *fifo, evtchn_port_t number);
    bool (*is_linked)(const struct event_fifo *fifo, evtchn_port_t number);
    void (*unmask)(struct domain *d, evtchn_port_t number, struct event_port *port);
    // Give the guest's frames back; no port is in use, no lock is held.
    void (*free)(struct event_fifo *fifo);
};
MODULE_KIND(event_queues);

// NULL: there is no such module.
static inline const struct event_queues *event_queues(void)
{
    return module_only(event_queues);
}

// --- for the hypervisor; callable from interrupts, with no lock of LOCK_EVENT_PORT's rank or later held
void event_raise_virq(struct vcpu *v, unsigned virq);          // at this vcpu
void event_raise_global_virq(struct domain *d, unsigned virq); // where `d` has bound it
void event_raise_pirq(struct domain *d, evtchn_port_t port);
bool event_virq_is_global(unsigned virq);
// Set the vcpu's upcall flag and kick it: something is pending for it.
void event_mark_pending(struct vcpu *v);
// v->info has moved: make the guest look again at everything that was pending.
void event_notify_vcpu_info_moved(struct vcpu *v);
// True when the vcpu has an unmasked upcall to take.
bool event_pending(const struct vcpu *v);
// For polls: REFUSE_NONE and whether the port is pending, or EVENT_BAD_PORT.
enum refusal event_poll(struct domain *d, evtchn_port_t port, bool *is_pending);

// --- interrupts of devices: the code that owns them registers itself here
struct event_pirq_hooks {
    // Route `pirq` to `port` of `d`: from now on it may call event_raise_pirq(). Called without locks.
    // Refuses with BAD_PIRQ, NOT_PERMITTED, EVENT_PIRQ_BOUND.
    enum refusal (*bind)(struct domain *d, unsigned pirq, evtchn_port_t port);
    void (*unbind)(struct domain *d, unsigned pirq);
};
void event_set_pirq_hooks(const struct event_pirq_hooks *hooks);
