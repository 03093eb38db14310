// SPDX-License-Identifier: MIT
/*
 * Channels of peers that are not trusted: an event is answered when its work is done, not when it has
 * arrived. With its event the port is masked, and it stays so until the consumer says what it found:
 * something, and the port opens at once; nothing, and after the first time in a row it opens only
 * after a delay that doubles. So a peer that sends without end costs an upcall for each piece of work
 * that it brings, and without work about one every EVENT_LATE_DELAY_MAX_NS.
 *
 * No event is lost: what is sent meanwhile stays pending and is delivered when the port opens. The
 * handler has told the consumer of an event before the port can be answered for, so an answer that
 * comes a turn too early costs one more event or one delay and no more.
 *
 * The structure is the caller's, zeroed before its first use, and stays put while bound; one that is
 * not bound may be answered for and unbound. A consumer that stops serving does not answer any more: the
 * port then stays masked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pvguest/event.h"
#include "pvguest/time.h"

#define EVENT_LATE_DELAY_MIN_NS NSEC_PER_MSEC
#define EVENT_LATE_DELAY_MAX_NS (64 * NSEC_PER_MSEC)

/* Since the channel was bound. */
struct event_late_counts {
    domid_t remote;
    uint64_t events;   /* that have arrived */
    uint64_t spurious; /* for which nothing was found */
    uint64_t delayed;  /* of them, those with a delay */
};

struct event_late {
    evtchn_port_t port; /* 0: not bound */
    /* private */
    event_handler *handler;
    void *arg;
    bool held, delayed; /* masked until answered; until the timer */
    unsigned int spurious_in_row;
    struct timer timer;
    struct event_late_counts counts;
    struct event_late *next;
};

/* As event_bind_interdomain. */
int event_late_bind(struct event_late *late, domid_t remote, evtchn_port_t remote_port,
                    event_handler *handler, void *arg);
/* Masks and closes the port, in a delay too; no handler call after the return. Threads only. */
void event_late_unbind(struct event_late *late);
/* The answer of the consumer's thread after each turn; `spurious`: there was nothing to do. */
void event_eoi(struct event_late *late, bool spurious);

/* All channels of a remote domain together, in the order of ids: of the first above `after` (-1: of
 * all). False: there is none. */
bool event_late_counts_next(int after, struct event_late_counts *counts);
