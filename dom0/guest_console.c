// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>

#include "dom0/console_ring.h"
#include "dom0/domain.h"
#include "dom0/guest_console.h"
#include "dom0/last_words.h"
#include "pvguest/event_late.h"
#include "pvguest/grant.h"

#define LAST_WORDS_WITHIN 8192U /* of text: a stack and its registers are shorter */

struct guest_console {
    struct guest_console *next; /* newest first */
    domid_t domid;
    char *name;
    bool open, broken;
    struct event_late event;
    struct grant_mapping mapping;
    struct xencons_interface *ring;
    uint64_t written; /* bytes of text ever; the last GUEST_CONSOLE_HISTORY are there */
    struct wait_queue queue;
    char history[GUEST_CONSOLE_HISTORY];
};

static struct guest_console *consoles;
static struct wait_queue drain_queue;
static volatile bool drain_wanted;

static void console_event(evtchn_port_t port, void *arg)
{
    (void)port, (void)arg;
    drain_wanted = true;
    wake_up(&drain_queue);
}

static void history_add(struct guest_console *console, const char *text, size_t length)
{
    while (length > 0) {
        size_t at = console->written % GUEST_CONSOLE_HISTORY;
        size_t chunk = GUEST_CONSOLE_HISTORY - at;
        chunk = chunk > length ? length : chunk;
        memcpy(console->history + at, text, chunk);
        console->written += chunk;
        text += chunk;
        length -= chunk;
    }
}

/* At most one ring full of text. */
static void console_drain(struct guest_console *console)
{
    static const char broken[] = "\r\n(console ring broken by the guest)\r\n";
    static char text[sizeof(console->ring->out)];
    size_t length;

    if (console->broken) {
        return;
    }
    if (!console_ring_take(console->ring, text, &length)) {
        history_add(console, broken, sizeof(broken) - 1);
        console->broken = true;
        wake_up(&console->queue);
    } else if (length > 0) {
        history_add(console, text, length);
        event_send(console->event.port);
        wake_up(&console->queue);
    }
    if (!console->broken) {
        event_eoi(&console->event, length == 0);
    }
}

static void drain_thread(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event(&drain_queue, drain_wanted);
        drain_wanted = false;
        for (struct guest_console *console = consoles; console; console = console->next) {
            if (console->open) {
                console_drain(console);
            }
        }
        thread_yield(); /* a chatty guest gets no more than its turn */
    }
}

int guest_console_start(void)
{
    return thread_create("consoled", drain_thread, NULL) ? 0 : -XEN_ENOMEM;
}

int guest_console_open(domid_t domid, const char *name, uint32_t port)
{
    const grant_ref_t ref = GNTTAB_RESERVED_CONSOLE;
    struct guest_console *console = calloc(1, sizeof(*console) + strlen(name) + 1);
    int rc;

    if (!console) {
        return -XEN_ENOMEM;
    }
    console->name = strcpy((char *)(console + 1), name);
    rc = grant_map(domid, &ref, 1, false, &console->mapping);
    if (rc) {
        free(console);
        return rc;
    }
    rc = event_late_bind(&console->event, domid, port, console_event, console);
    if (rc < 0) {
        grant_unmap(&console->mapping, 1);
        free(console);
        return rc;
    }
    console->domid = domid;
    console->ring = console->mapping.address;
    console->open = true;
    console->next = consoles;
    consoles = console;
    return 0;
}

/* Forgets the oldest dead consoles that nobody is attached to. */
static void consoles_trim(void)
{
    unsigned int dead = 0;

    for (struct guest_console **slot = &consoles; *slot;) {
        struct guest_console *console = *slot;
        dead += !console->open;
        if (!console->open && dead > GUEST_CONSOLE_DEAD_MAX && !console->queue.first) {
            *slot = console->next;
            free(console);
        } else {
            slot = &console->next;
        }
    }
}

void guest_console_close(domid_t domid)
{
    for (struct guest_console *console = consoles; console; console = console->next) {
        if (console->open && console->domid == domid) {
            console_drain(console);
            event_late_unbind(&console->event);
            grant_unmap(&console->mapping, 1);
            console->open = false;
            wake_up(&console->queue);
            break;
        }
    }
    consoles_trim();
}

struct guest_console *guest_console_find(const char *name)
{
    struct guest_console *console = consoles;
    domid_t domid;
    bool numeric = domain_number(name, &domid);

    while (console && (numeric ? console->domid != domid : strcmp(console->name, name) != 0)) {
        console = console->next;
    }
    return console;
}

bool guest_console_is_open(const struct guest_console *console)
{
    return console->open;
}

size_t guest_console_read(struct guest_console *console, uint64_t *position, char *buffer,
                          size_t room)
{
    size_t length = 0;

    if (console->written - *position > GUEST_CONSOLE_HISTORY) {
        *position = console->written - GUEST_CONSOLE_HISTORY;
    }
    while (length < room && *position < console->written) {
        buffer[length++] = console->history[(*position)++ % GUEST_CONSOLE_HISTORY];
    }
    return length;
}

size_t guest_console_write(struct guest_console *console, const char *text, size_t length)
{
    size_t put;

    if (!console->open || console->broken || length == 0) {
        return 0;
    }
    put = console_ring_put(console->ring, text, length);
    event_send(console->event.port);
    return put;
}

bool guest_console_has_text(const struct guest_console *console, uint64_t position)
{
    return position < console->written;
}

struct wait_queue *guest_console_queue(struct guest_console *console)
{
    return &console->queue;
}

/* Everything that the guest has written is in the history then. */
static struct guest_console *drained_console_of(domid_t domid)
{
    struct guest_console *console = consoles;

    while (console && !(console->open && console->domid == domid)) {
        console = console->next;
    }
    if (console) {
        console_drain(console);
    }
    return console;
}

void guest_console_add_line(domid_t domid, const char *line)
{
    struct guest_console *console = drained_console_of(domid);

    if (console) {
        history_add(console, "\r\n", 2);
        history_add(console, line, strlen(line));
        history_add(console, "\r\n", 2);
        wake_up(&console->queue);
    }
}

void guest_console_last_words(domid_t domid, char *words, size_t size)
{
    static char text[LAST_WORDS_WITHIN];
    struct guest_console *console = drained_console_of(domid);
    uint64_t position;

    words[0] = '\0';
    if (!console) {
        return;
    }
    position = console->written < sizeof(text) ? 0 : console->written - sizeof(text);
    last_words(text, guest_console_read(console, &position, text, sizeof(text)), words, size);
}
