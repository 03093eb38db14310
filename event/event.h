// SPDX-License-Identifier: MIT
// Event channels, the two-level ABI: ports, what they are bound to, and delivery.
//
// Owns: the ports of every domain and the virq tables of the vcpus.
// Invariants: an interdomain port and its peer name each other; a port that is not free belongs to
// one binding; port 0 is never given out; a freed port goes back to vcpu 0.
// Delivery order: pending bit, selector bit, upcall flag, then the vcpu is kicked; the guest clears
// them in the opposite order. The words in shared pages are written by the guest at any time: only
// atomic bit operations touch them, and nothing here depends on what they hold.
// Locks: LOCK_EVENT of a domain (interrupts off) guards its ports; both domains' locks, lower domain
// id first, to change an interdomain pair. A sender holds its own domain's lock only: as long as its
// port is interdomain, the peer can neither close nor die. The scheduler's locks nest inside.
#pragma once

#include "hypervisor/lock.h"
#include "hypervisor/refusal.h"
#include <xen/event_channel.h>

struct domain;
struct vcpu;

#define EVENT_MAX_PORTS 4096 // 2-level: 64 words of 64 bits
#define EVENT_BUCKET_PORTS 128
#define EVENT_BUCKETS (EVENT_MAX_PORTS / EVENT_BUCKET_PORTS)

enum event_state {
    EVENT_FREE,
    EVENT_UNBOUND, // waits for `remote_domid` to connect
    EVENT_INTERDOMAIN,
    EVENT_PIRQ,
    EVENT_VIRQ,
    EVENT_IPI,
};

struct event_port {
    uint8_t state;        // enum event_state
    bool is_changing;     // a pirq is being connected or disconnected outside the lock
    uint16_t vcpu;        // whom it notifies
    uint16_t virq, pirq;  // by state
    domid_t remote_domid; // by state: EVENT_UNBOUND
    evtchn_port_t remote_port;
    struct domain *remote; // by state: EVENT_INTERDOMAIN
};

struct event_domain {
    struct spinlock lock;
    unsigned max_ports; // ports below this number may be used; at most EVENT_MAX_PORTS
    unsigned in_use;
    unsigned first_free;                      // no port below it is free
    unsigned reset_cursor, kill_cursor;       // progress of event_reset and event_domain_close
    struct event_port *bucket[EVENT_BUCKETS]; // pages, allocated when first needed
};

struct event_vcpu {
    uint16_t virq_port[NR_VIRQS]; // 0 = not bound
};

// --- life cycle
// `max_port` as in createdomain: highest port allowed, negative or large = all of the ABI.
void event_domain_init(struct domain *d, int max_port);
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
enum refusal event_bind_pirq(struct domain *d, unsigned pirq, bool will_share, evtchn_port_t *port);
enum refusal event_bind_vcpu(struct domain *d, evtchn_port_t port, unsigned vcpu);
enum refusal event_close(struct domain *d, evtchn_port_t port);
enum refusal event_send(struct domain *d, evtchn_port_t port);
enum refusal event_status(struct domain *d, struct evtchn_status *status);
enum refusal event_unmask(struct domain *d, evtchn_port_t port);
enum refusal event_reset(struct domain *d, unsigned budget);

// --- for the hypervisor; callable from interrupts, with no lock of LOCK_EVENT's rank or later held
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
// Could the port be in use: false for port numbers that no operation would accept.
bool event_port_exists(const struct domain *d, evtchn_port_t port);
// The pending bit of a port, for polls.
bool event_port_is_pending(const struct domain *d, evtchn_port_t port);

// --- interrupts of devices: the code that owns them registers itself here
struct event_pirq_hooks {
    // Route `pirq` to `port` of `d`: from now on it may call event_raise_pirq(). Called without locks.
    // Refuses with EVENT_BAD_PIRQ, BAD_PIRQ, PIRQ_IN_USE.
    enum refusal (*bind)(struct domain *d, unsigned pirq, bool will_share, evtchn_port_t port);
    void (*unbind)(struct domain *d, unsigned pirq);
};
void event_set_pirq_hooks(const struct event_pirq_hooks *hooks);
