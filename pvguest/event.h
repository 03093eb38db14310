// SPDX-License-Identifier: MIT
/*
 * Event channels (2-level ABI: ports 0..4095).
 *
 * A handler runs on vcpu 0 with upcalls masked, interrupting whatever thread ran: it must be short,
 * must not block, and typically calls wake_up(). The port has been cleared before the handler is
 * called, so an event that arrives meanwhile calls it again. Binding functions leave the port
 * masked until a handler is attached (event_attach unmasks); a port that is only polled needs none.
 * All return 0 or a port, or -XEN_E*.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/event_channel.h>

typedef void event_handler(evtchn_port_t port, void *arg);

/* New ports; the result is the port (> 0). */
int event_bind_virq(uint32_t virq, event_handler *handler, void *arg);
int event_bind_pirq(uint32_t pirq, bool shareable, event_handler *handler, void *arg);
/* A port of ours that `remote` may bind to. */
int event_alloc_unbound(domid_t remote, event_handler *handler, void *arg);
int event_bind_interdomain(domid_t remote, evtchn_port_t remote_port, event_handler *handler,
                           void *arg);
/* A port of this vcpu, raised by event_send. */
int event_bind_ipi(event_handler *handler, void *arg);

/* Toolstack: a port of domain `dom` for `remote` (both may be others); no handler. */
int event_alloc_unbound_for(domid_t dom, domid_t remote);

/* Sets or replaces the handler of a port that exists already (start_info's ports), and unmasks it.
 * handler == NULL masks it. */
int event_attach(evtchn_port_t port, event_handler *handler, void *arg);
/* Masks and closes the port; no handler call after the return. */
void event_unbind(evtchn_port_t port);

int event_send(evtchn_port_t port);
void event_mask(evtchn_port_t port);
/* Unmasks; if the port was pending its handler is called soon. */
void event_unmask(evtchn_port_t port);
bool event_is_pending(evtchn_port_t port);
void event_clear(evtchn_port_t port);
/* EVTCHNOP_status of any domain's port: EVTCHNSTAT_* or -XEN_E*. */
int event_status(domid_t dom, evtchn_port_t port);

/* Upcall mask of the running vcpu: event_save masks and gives the old state for event_restore. */
unsigned long event_save(void);
void event_restore(unsigned long saved);
bool event_upcalls_masked(void);

/* Called by the upcall entry (traps) only. */
void event_dispatch(void);
