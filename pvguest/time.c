// SPDX-License-Identifier: MIT
/*
 * Timers: a list sorted by deadline and one hypervisor timer, programmed for the earliest. When a
 * timer is cancelled the hypervisor's stays: an early interrupt finds nothing due. All state
 * changes with upcalls masked.
 */
#include <stddef.h>
#include "pvguest/event.h"
#include "pvguest/init.h"
#include "pvguest/priv.h"
#include "pvguest/time.h"
#include "pvguest/trap.h"

#define NOT_PROGRAMMED UINT64_MAX

static struct timer *timers;                 /* earliest first */
static uint64_t programmed = NOT_PROGRAMMED; /* deadline given to the hypervisor */

uint64_t time_now(void)
{
    return priv_time_now();
}

uint64_t time_wall(void)
{
    return priv_time_wall();
}

static void timer_program(void)
{
    if (timers != NULL && timers->deadline < programmed) {
        programmed = timers->deadline;
        priv_timer_set(programmed);
    }
}

static void timer_remove(struct timer *timer)
{
    struct timer **link = &timers;
    while (*link != timer) {
        link = &(*link)->next;
    }
    *link = timer->next;
    timer->active = false;
}

void timer_set(struct timer *timer, uint64_t deadline_ns, void (*fn)(void *arg), void *arg)
{
    unsigned long saved = event_save();
    if (timer->active) {
        timer_remove(timer);
    }
    struct timer **link = &timers;
    while (*link != NULL && (*link)->deadline <= deadline_ns) {
        link = &(*link)->next;
    }
    *timer = (struct timer){deadline_ns, fn, arg, *link, true};
    *link = timer;
    timer_program();
    event_restore(saved);
}

bool timer_cancel(struct timer *timer)
{
    unsigned long saved = event_save();
    bool active = timer->active;
    if (active) {
        timer_remove(timer);
    }
    event_restore(saved);
    return active;
}

static void timer_interrupt(evtchn_port_t port, void *arg)
{
    (void)port;
    (void)arg;
    programmed = NOT_PROGRAMMED;
    while (timers != NULL && timers->deadline <= time_now()) {
        struct timer *timer = timers;
        timers = timer->next;
        timer->active = false;
        timer->fn(timer->arg);
    }
    timer_program();
}

void time_start(void)
{
    ASSERT(event_bind_virq(VIRQ_TIMER, timer_interrupt, NULL) > 0);
}
