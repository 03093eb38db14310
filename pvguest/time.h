// SPDX-License-Identifier: MIT
/*
 * Time and timers. All times are 64-bit nanoseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NSEC_PER_USEC 1000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_SEC 1000000000ULL

/* Since the machine's start (Xen system time): monotonic. */
uint64_t time_now(void);
/* Since 1970-01-01 UTC. */
uint64_t time_wall(void);

/*
 * One-shot timers. fn runs in event-handler context (upcalls masked: be short) at or after the
 * deadline, never before; it may set its own timer again. The struct is the caller's, zeroed
 * before its first use, and stays put while set.
 */
struct timer {
    uint64_t deadline;
    void (*fn)(void *arg);
    void *arg;
    struct timer *next; /* private */
    bool active;        /* private */
};

/* Sets (or moves) the timer to an absolute time of time_now(). */
void timer_set(struct timer *timer, uint64_t deadline_ns, void (*fn)(void *arg), void *arg);
/* No call of fn after the return. True if it was still to come. */
bool timer_cancel(struct timer *timer);
