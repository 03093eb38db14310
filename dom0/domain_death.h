// SPDX-License-Identifier: MIT
/*
 * How domains end. A thread follows VIRQ_DOM_EXC: a guest that has stopped is handled as on_poweroff or
 * another of on_* says, and what is left of one that was destroyed is put away.
 *
 * Destroying has two halves. The first is done at once: the domain runs no more, and its record, name,
 * console, store connection and nodes are gone. Its number and some of its memory may stay for as long
 * as others use its pages: back ends for a moment, a hostile partner for ever. Until the hypervisor says
 * that it is gone, what there was is kept as a "remnant". The thread never waits for one, and neither
 * does a restart, up to a number of remnants of the same name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <xen/xen.h>

#include "dom0/domain.h"

struct xs_handle;

/* Starts the thread. `print` gets a line of text (without its end) for each stop and restart. */
int domain_death_start(struct xs_handle *xs, void (*print)(const char *line));
/* The first half. The record must not be used afterwards. -XEN_EBUSY: somebody is at it already. */
int domain_destroy(struct domain *domain);
/* Returns when its memory is back, or with -XEN_EBUSY after some seconds, if somebody still holds some,
 * or with -XEN_EAGAIN after ^C: it is destroyed even so. */
int domain_destroy_wait(struct domain *domain);
/* All there are, and no restarts: with nobody left to hold their pages. As domain_destroy_wait. */
int domain_destroy_all(void);
/* The number was given again: nothing is left of its former owner. */
void domain_remnant_finish(domid_t domid);
/* First with NULL, then the one after. */
struct domain *domain_remnant_iterate(struct domain *previous);
/* Calls off the restart of a domain that is down for a moment; false if there is none. */
bool domain_restart_cancel(const char *name);
bool domain_restart_is_due(const char *name);
/* Woken whenever a domain stops, goes, or is not to be restarted any more. */
struct wait_queue *domain_queue(void);
/* How it has ended: "crash: PANIC in thread main: ...", "poweroff", "destroyed". */
void domain_ending(const struct domain *domain, char *text, size_t size);
