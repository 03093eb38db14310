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
    int error; /* of the transport */
    uint32_t type;
    char *payload;
    size_t length;
    struct wait_queue queue;
    struct pending *next;
};

struct watch_event {
    struct watch_event *next;
    uint32_t token;
    char path[];
};

static struct xenbus_transport *transport;
static bool disconnected;
static uint32_t last_id;
static struct pending *pendings;

static struct xenbus_watch *watches;
static uint32_t last_token;
static struct watch_event *events;
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
        pending->error = -XEN_ENOMEM;
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
    struct pending pending = {0};
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
    struct xenbus_watch *watch = watches;
    while (watch != NULL && watch->token != token) {
        watch = watch->next;
    }
    return watch;
}

/* Equal events that wait already are merged: so a peer that changes a node all the time costs no
 * more memory than one that does it once. */
static void watch_event_queue(uint32_t token, const char *path)
{
    struct watch_event **link = &events;
    while (*link != NULL) {
        if ((*link)->token == token && strcmp((*link)->path, path) == 0) {
            return;
        }
        link = &(*link)->next;
    }
    size_t length = strlen(path);
    struct watch_event *event = malloc(sizeof(*event) + length + 1);
    if (event == NULL) {
        console_printf("xenbus: out of memory, event of %s is lost\n", path);
        return;
    }
    event->next = NULL;
    event->token = token;
    memcpy(event->path, path, length + 1);
    *link = event;
    wake_up(&events_queue);
}

/* The payload is path and token, each with its zero byte. */
static void watch_event_receive(const char *payload, size_t length)
{
    size_t path_length = length != 0 ? strnlen(payload, length) : 0;
    if (path_length + 2 > length || payload[length - 1] != '\0') {
        return;
    }
    uint32_t token = (uint32_t)strtoul(payload + path_length + 1, NULL, 16);
    if (watch_find(token) != NULL) {
        watch_event_queue(token, payload);
    }
}

void xenbus_watch_trigger(struct xenbus_watch *watch)
{
    watch_event_queue(watch->token, watch->path);
}

static void watch_loop(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event(&events_queue, events != NULL);
        struct watch_event *event = events;
        events = event->next;
        firing = watch_find(event->token);
        if (firing != NULL) {
            firing->fired(firing, event->path);
        }
        firing = NULL;
        wake_up(&firing_queue);
        free(event);
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

static void watch_unlink(struct xenbus_watch *watch)
{
    struct xenbus_watch **link = &watches;
    while (*link != NULL && *link != watch) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = watch->next;
    }
    struct watch_event **event = &events;
    while (*event != NULL) {
        struct watch_event *gone = *event;
        if (gone->token == watch->token) {
            *event = gone->next;
            free(gone);
        } else {
            event = &gone->next;
        }
    }
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
    watch->next = watches;
    watches = watch;
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
