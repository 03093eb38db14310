// SPDX-License-Identifier: MIT
#include "pvguest/event_late.h"

#include <stddef.h>

static struct event_late *channels;

/* The first in a row is free: a peer may have sent for what was found before the event came. */
static uint64_t delay_for(unsigned int spurious_in_row)
{
    uint64_t delay = EVENT_LATE_DELAY_MIN_NS;

    if (spurious_in_row < 2) {
        return 0;
    }
    for (unsigned int i = 2; i < spurious_in_row && delay < EVENT_LATE_DELAY_MAX_NS; i++) {
        delay *= 2;
    }
    return delay;
}

/* Unmasking looks for what has become pending. */
static void port_open(struct event_late *late)
{
    late->held = late->delayed = false;
    event_unmask(late->port);
}

static void delay_over(void *arg)
{
    port_open(arg);
}

/* The port was cleared before: what comes between that and the mask is pending behind the mask. */
static void late_event(evtchn_port_t port, void *arg)
{
    struct event_late *late = arg;

    event_mask(port);
    late->held = true;
    late->counts.events++;
    late->handler(port, late->arg);
}

void event_eoi(struct event_late *late, bool spurious)
{
    unsigned long saved = event_save();

    if (!spurious) {
        late->spurious_in_row = 0;
        if (late->held) {
            timer_cancel(&late->timer);
            port_open(late);
        }
    } else if (late->held && !late->delayed) {
        late->spurious_in_row += late->spurious_in_row != UINT32_MAX;
        late->counts.spurious++;
        uint64_t delay = delay_for(late->spurious_in_row);
        if (delay == 0) {
            port_open(late);
        } else {
            late->delayed = true;
            late->counts.delayed++;
            timer_set(&late->timer, time_now() + delay, delay_over, late);
        }
    }
    event_restore(saved);
}

int event_late_bind(struct event_late *late, domid_t remote, evtchn_port_t remote_port,
                    event_handler *handler, void *arg)
{
    /* An event may come at once, and is to find all of it. */
    unsigned long saved = event_save();

    *late = (struct event_late){.handler = handler, .arg = arg, .counts.remote = remote};
    int port = event_bind_interdomain(remote, remote_port, late_event, late);
    if (port > 0) {
        late->port = (evtchn_port_t)port;
        late->next = channels;
        channels = late;
    }
    event_restore(saved);
    return port;
}

/* Only event_eoi sets the timer, so after the cancelling nothing opens the port again. */
void event_late_unbind(struct event_late *late)
{
    struct event_late **link = &channels;

    if (late->port == 0) {
        return;
    }
    timer_cancel(&late->timer);
    event_unbind(late->port);
    while (*link != late) {
        link = &(*link)->next;
    }
    *link = late->next;
    *late = (struct event_late){0};
}

bool event_late_counts_next(int after, struct event_late_counts *counts)
{
    int remote = -1;

    for (const struct event_late *late = channels; late != NULL; late = late->next) {
        if (late->counts.remote > after && (remote < 0 || late->counts.remote < remote)) {
            remote = late->counts.remote;
        }
    }
    *counts = (struct event_late_counts){.remote = (domid_t)remote};
    for (const struct event_late *late = channels; late != NULL; late = late->next) {
        if (late->counts.remote == remote) {
            counts->events += late->counts.events;
            counts->spurious += late->counts.spurious;
            counts->delayed += late->counts.delayed;
        }
    }
    return remote >= 0;
}
