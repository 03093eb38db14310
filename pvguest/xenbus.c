// SPDX-License-Identifier: MIT
/*
 * xenbus client: requests and watches over whatever transport there is. Source of the protocol:
 * xen/io/xs_wire.h and Xen's docs/misc/xenstore.txt.
 *
 * Threads are cooperative and nothing here runs in event handlers, so the lists need no lock: they
 * are never left half-changed across a blocking call. A request is on the pending list from before
 * it is sent until its thread has seen the answer. Watch events are queued by the transport and
 * dispatched by one thread of our own, so that a watch may itself make requests.
 */
#include "pvguest/xenbus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pvguest/console.h"
#include "pvguest/errno.h"
#include "pvguest/start.h"
#include "pvguest/thread.h"

struct pending {
    uint32_t id;
    bool done;
    bool reply; /* the caller wants the payload */
    int error;  /* of the transport */
    uint32_t type;
    char *payload;
    size_t length;
    struct wait_queue queue;
    struct pending *next;
};

/* Watches and events are found by hash: of the token, and of token and path. */
#define HASH 64U

struct watch_event {
    struct watch_event *next;
    struct watch_event *next_hash; /* same bucket, later */
    uint32_t token;
    uint32_t hash;
    char path[];
};

static struct xenbus_transport *transport;
static bool disconnected;
static uint32_t last_id;
static struct pending *pendings;

static struct xenbus_watch *watches[HASH];
static uint32_t last_token;
static struct watch_event *events, **events_tail = &events;
static struct watch_event *event_hash[HASH];
static struct xenbus_watch *missed; /* watches that have lost events, and are told so */
static struct thread *watch_thread;
static struct xenbus_watch *firing; /* whose `fired` runs now */
static struct wait_queue events_queue;
static struct wait_queue firing_queue;

/* Connection ----------------------------------------------------------------------------------- */
int xenbus_register_transport(struct xenbus_transport *t)
{
    if (transport != NULL) {
        return -XEN_EEXIST;
    }
    transport = t;
    return 0;
}

static int connect(void)
{
    if (transport != NULL) {
        return disconnected ? -XEN_EIO : 0;
    }
    return xenbus_ring_connect();
}

void xenbus_disconnected(void)
{
    disconnected = true;
    for (struct pending *pending = pendings; pending != NULL; pending = pending->next) {
        if (!pending->done) {
            pending->error = -XEN_EIO;
            pending->done = true;
            wake_up(&pending->queue);
        }
    }
}

static void watch_event_receive(const char *payload, size_t length);

void xenbus_receive(const struct xsd_sockmsg *header, const void *payload)
{
    if (header->type == XS_WATCH_EVENT) {
        watch_event_receive(payload, header->len);
        return;
    }
    struct pending *pending = pendings;
    while (pending != NULL && (pending->id != header->req_id || pending->done)) {
        pending = pending->next;
    }
    if (pending == NULL) {
        return;
    }
    pending->type = header->type;
    pending->length = header->len;
    pending->payload = malloc(header->len + 1U);
    if (pending->payload == NULL) {
        /* An acknowledgement is one without its text too. */
        pending->error = pending->reply || header->type == XS_ERROR ? -XEN_ENOMEM : 0;
    } else {
        memcpy(pending->payload, payload, header->len);
        pending->payload[header->len] = '\0';
    }
    pending->done = true;
    wake_up(&pending->queue);
}

/* Requests ------------------------------------------------------------------------------------- */
static int error_from_text(const char *text)
{
    static const struct {
        const char *text;
        int error;
    } errors[] = {
        {"EINVAL",    XEN_EINVAL   },
        {"EACCES",    XEN_EACCES   },
        {"EEXIST",    XEN_EEXIST   },
        {"EISDIR",    XEN_EISDIR   },
        {"ENOENT",    XEN_ENOENT   },
        {"ENOMEM",    XEN_ENOMEM   },
        {"ENOSPC",    XEN_ENOSPC   },
        {"EIO",       XEN_EIO      },
        {"ENOTEMPTY", XEN_ENOTEMPTY},
        {"ENOSYS",    XEN_ENOSYS   },
        {"EROFS",     XEN_EROFS    },
        {"EBUSY",     XEN_EBUSY    },
        {"EAGAIN",    XEN_EAGAIN   },
        {"EISCONN",   XEN_EISCONN  },
        {"E2BIG",     XEN_E2BIG    },
        {"EPERM",     XEN_EPERM    },
    };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strcmp(text, errors[i].text) == 0) {
            return -errors[i].error;
        }
    }
    return -XEN_EINVAL;
}

static void *parts_join(const struct xenbus_message *message, size_t length)
{
    char *payload = malloc(length + 1);
    if (payload != NULL) {
        size_t at = 0;
        for (unsigned int i = 0; i < message->part_count; i++) {
            memcpy(payload + at, message->parts[i].data, message->parts[i].length);
            at += message->parts[i].length;
        }
    }
    return payload;
}

/* Sends and waits; the answer is in `pending`. */
static int request_run(const struct xenbus_message *message, struct pending *pending)
{
    size_t length = 0;
    for (unsigned int i = 0; i < message->part_count; i++) {
        length += message->parts[i].length;
    }
    if (length > XENSTORE_PAYLOAD_MAX) {
        return -XEN_E2BIG;
    }
    void *payload = parts_join(message, length);
    if (payload == NULL) {
        return -XEN_ENOMEM;
    }
    struct xsd_sockmsg header = {.type = message->type,
                                 .req_id = ++last_id,
                                 .tx_id = message->transaction,
                                 .len = (uint32_t)length};
    pending->id = header.req_id;
    pending->next = pendings;
    pendings = pending;

    int error = transport->send(transport, &header, payload);
    if (error == 0) {
        wait_event(&pending->queue, pending->done);
        error = pending->error;
    }
    free(payload);
    struct pending **link = &pendings;
    while (*link != pending) {
        link = &(*link)->next;
    }
    *link = pending->next;
    return error;
}

int xenbus_request(const struct xenbus_message *message, char **reply, size_t *length)
{
    struct pending pending = {.reply = reply != NULL};
    int error = connect();
    if (error == 0) {
        error = request_run(message, &pending);
    }
    if (error == 0 && pending.type == XS_ERROR) {
        error = error_from_text(pending.payload);
    } else if (error == 0 && pending.type != message->type) {
        error = -XEN_EIO;
    }
    if (error != 0 || reply == NULL) {
        free(pending.payload);
    } else {
        *reply = pending.payload;
    }
    if (error == 0 && length != NULL) {
        *length = pending.length;
    }
    return error;
}

/* Watches -------------------------------------------------------------------------------------- */
static struct xenbus_watch *watch_find(uint32_t token)
{
    struct xenbus_watch *watch = watches[token % HASH];
    while (watch != NULL && watch->token != token) {
        watch = watch->next;
    }
    return watch;
}

/* One event in place of those for which there is no room: the watch's own path. Takes no memory. */
static void watch_miss(struct xenbus_watch *watch)
{
    if (!watch->missed) {
        struct xenbus_watch **last = &missed;
        while (*last != NULL) {
            last = &(*last)->next_missed;
        }
        watch->missed = true;
        watch->next_missed = NULL;
        *last = watch;
    }
    wake_up(&events_queue);
}

/* Equal events that wait already are merged, and of others no more than XENBUS_WATCH_EVENTS wait for
 * one watch: so a peer that changes nodes all the time costs no more memory than one that does it
 * once, and no more time than it has changes. */
static void watch_event_queue(struct xenbus_watch *watch, const char *path)
{
    uint32_t hash = watch->token;
    size_t length = 0;
    for (; path[length] != '\0'; length++) {
        hash = (hash ^ (uint8_t)path[length]) * 16777619U;
    }
    struct watch_event **slot = &event_hash[hash % HASH];
    while (*slot != NULL && ((*slot)->hash != hash || (*slot)->token != watch->token ||
                             strcmp((*slot)->path, path) != 0)) {
        slot = &(*slot)->next_hash;
    }
    if (*slot != NULL || watch->missed) {
        return;
    }
    struct watch_event *event = NULL;
    if (watch->events < XENBUS_WATCH_EVENTS) {
        event = malloc(sizeof(*event) + length + 1);
    }
    if (event == NULL) {
        watch_miss(watch);
        return;
    }
    watch->events++;
    event->next = event->next_hash = NULL;
    event->token = watch->token;
    event->hash = hash;
    memcpy(event->path, path, length + 1);
    *slot = event;
    *events_tail = event;
    events_tail = &event->next;
    wake_up(&events_queue);
}

/* The oldest of all is the oldest of its bucket too. */
static struct watch_event *watch_event_take(void)
{
    struct watch_event *event = events;
    if (event != NULL) {
        events = event->next;
        event_hash[event->hash % HASH] = event->next_hash;
        if (events == NULL) {
            events_tail = &events;
        }
    }
    return event;
}

/* The payload is path and token, each with its zero byte. */
static void watch_event_receive(const char *payload, size_t length)
{
    size_t path_length = length != 0 ? strnlen(payload, length) : 0;
    if (path_length + 2 > length || payload[length - 1] != '\0') {
        return;
    }
    uint32_t token = (uint32_t)strtoul(payload + path_length + 1, NULL, 16);
    struct xenbus_watch *watch = watch_find(token);
    if (watch != NULL) {
        watch_event_queue(watch, payload);
    }
}

void xenbus_watch_trigger(struct xenbus_watch *watch)
{
    if (watch_find(watch->token) == watch) { /* it may be on its way out */
        watch_event_queue(watch, watch->path);
    }
}

/* Runs a watch's function; it may unregister itself, or any other. */
static void watch_run(struct xenbus_watch *watch, const char *path)
{
    firing = watch;
    watch->fired(watch, path);
    firing = NULL;
    wake_up(&firing_queue);
}

static void watch_loop(void *arg)
{
    (void)arg;
    unsigned int served = 0; /* events since the last watch that has lost some */
    for (;;) {
        wait_event(&events_queue, events != NULL || missed != NULL);
        struct watch_event *event = NULL;
        if (missed == NULL || served < XENBUS_WATCH_EVENTS) {
            event = watch_event_take();
        }
        served = event != NULL ? served + 1 : 0;
        if (event != NULL) {
            struct xenbus_watch *watch = watch_find(event->token); /* NULL: unregistered since */
            if (watch != NULL) {
                watch->events--;
                watch_run(watch, event->path);
            }
            free(event);
        } else {
            struct xenbus_watch *watch = missed;
            missed = watch->next_missed;
            watch->missed = false;
            watch_run(watch, watch->path);
        }
    }
}

static int watch_request(uint32_t type, const struct xenbus_watch *watch)
{
    char token[16];
    int length = snprintf(token, sizeof(token), "%x", (unsigned int)watch->token);
    struct xenbus_message message = {
        .type = type,
        .part_count = 2,
        .parts = {{watch->path, strlen(watch->path) + 1}, {token, (size_t)length + 1}}
    };
    return xenbus_request(&message, NULL, NULL);
}

/* Its events stay in the queue: their token is nobody's. */
static void watch_unlink(struct xenbus_watch *watch)
{
    struct xenbus_watch **link = &watches[watch->token % HASH];
    while (*link != NULL && *link != watch) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = watch->next;
    }
    for (link = &missed; watch->missed && *link != NULL; link = &(*link)->next_missed) {
        if (*link == watch) {
            *link = watch->next_missed;
            break;
        }
    }
    watch->missed = false;
}

int xenbus_watch(struct xenbus_watch *watch)
{
    if (watch_thread == NULL) {
        watch_thread = thread_create("xenbus", watch_loop, NULL);
        if (watch_thread == NULL) {
            return -XEN_ENOMEM;
        }
    }
    watch->token = ++last_token;
    watch->events = 0;
    watch->missed = false;
    watch->next = watches[watch->token % HASH];
    watches[watch->token % HASH] = watch;
    int error = watch_request(XS_WATCH, watch);
    if (error != 0) {
        watch_unlink(watch);
    }
    return error;
}

void xenbus_unwatch(struct xenbus_watch *watch)
{
    watch_unlink(watch);
    (void)watch_request(XS_UNWATCH, watch);
    if (thread_current() != watch_thread) {
        wait_event(&firing_queue, firing != watch);
    }
}
