// SPDX-License-Identifier: MIT
/*
 * libxenstore's transport in a guest: pvguest's xenbus, which shares the domain's one ring among all
 * clients. Watches are xenbus watches; their events queue here until the program asks for them.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pvguest/errno.h"
#include "pvguest/thread.h"
#include "pvguest/xenbus.h"
#include "tools/libxenstore/xs_transport.h"

struct event {
    struct event *next;
    uint32_t length;
    char text[]; /* path and token, each with its zero byte */
};

struct watch {
    struct watch *next;
    struct xenbus_watch xenbus;
    char *token;
    char path[]; /* then the token */
};

struct guest_transport {
    struct xs_transport transport; /* first: the library's view */
    struct watch *watches;
    struct event *events, **events_tail;
    struct wait_queue queue;
};

static void event_queue(struct xenbus_watch *fired, const char *path)
{
    struct guest_transport *guest = fired->context;
    struct watch *watch = guest->watches;
    size_t path_size = strlen(path) + 1, token_size;
    struct event *event;

    while (watch && &watch->xenbus != fired) {
        watch = watch->next;
    }
    if (!watch) {
        return; /* is being removed */
    }
    token_size = strlen(watch->token) + 1;
    event = malloc(sizeof(*event) + path_size + token_size);
    if (!event) {
        return;
    }
    event->next = NULL;
    event->length = (uint32_t)(path_size + token_size);
    memcpy(event->text, path, path_size);
    memcpy(event->text + path_size, watch->token, token_size);
    *guest->events_tail = event;
    guest->events_tail = &event->next;
    wake_up(&guest->queue);
}

/* Path and token of a WATCH or UNWATCH payload; false if it is malformed. */
static bool watch_parse(const char *payload, uint32_t length, const char **token)
{
    const char *end = memchr(payload, '\0', length);

    if (!end || length == 0 || payload[length - 1] != '\0' || end == payload + length - 1) {
        return false;
    }
    *token = end + 1;
    return true;
}

static struct watch **watch_find(struct guest_transport *guest, const char *path, const char *token)
{
    struct watch **slot = &guest->watches;

    while (*slot && (strcmp((*slot)->path, path) != 0 || strcmp((*slot)->token, token) != 0)) {
        slot = &(*slot)->next;
    }
    return slot;
}

static int watch_add(struct guest_transport *guest, const char *path, const char *token)
{
    size_t path_size = strlen(path) + 1, token_size = strlen(token) + 1;
    struct watch *watch;
    int rc;

    if (*watch_find(guest, path, token)) {
        return EEXIST;
    }
    watch = calloc(1, sizeof(*watch) + path_size + token_size);
    if (!watch) {
        return ENOMEM;
    }
    memcpy(watch->path, path, path_size);
    watch->token = watch->path + path_size;
    memcpy(watch->token, token, token_size);
    watch->xenbus = (struct xenbus_watch){
        .path = watch->path, .fired = event_queue, .context = guest};
    watch->next = guest->watches;
    guest->watches = watch; /* before the first event can come */
    rc = xenbus_watch(&watch->xenbus);
    if (rc) {
        *watch_find(guest, path, token) = watch->next;
        free(watch);
    }
    return rc ? errno_from_xen(-rc) : 0;
}

static void watch_drop(struct watch **slot)
{
    struct watch *watch = *slot;

    *slot = watch->next;
    xenbus_unwatch(&watch->xenbus);
    free(watch);
}

static int guest_watch(struct guest_transport *guest, uint32_t type, const char *payload,
                       uint32_t length, char **reply, uint32_t *reply_length)
{
    const char *token;
    struct watch **slot;
    int rc = 0;

    if (!watch_parse(payload, length, &token)) {
        return EINVAL;
    }
    if (type == XS_WATCH) {
        rc = watch_add(guest, payload, token);
    } else {
        slot = watch_find(guest, payload, token);
        if (!*slot) {
            return ENOENT;
        }
        watch_drop(slot);
    }
    *reply = rc ? NULL : strdup("OK");
    *reply_length = 3;
    return rc ? rc : (*reply ? 0 : ENOMEM);
}

static int guest_talk(struct xs_transport *transport, uint32_t *type, uint32_t transaction,
                      const void *payload, uint32_t length, char **reply, uint32_t *reply_length)
{
    struct guest_transport *guest = (struct guest_transport *)transport;
    const struct xenbus_message message = {
        .type = *type, .transaction = transaction, .part_count = 1, .parts = {{payload, length}}};
    size_t size = 0;
    int rc;

    if (*type == XS_WATCH || *type == XS_UNWATCH) {
        return guest_watch(guest, *type, payload, length, reply, reply_length);
    }
    rc = xenbus_request(&message, reply, &size);
    *reply_length = (uint32_t)size;
    return rc ? errno_from_xen(-rc) : 0;
}

static int guest_event(struct xs_transport *transport, bool wait, char **text, uint32_t *length)
{
    struct guest_transport *guest = (struct guest_transport *)transport;
    struct event *event;

    if (!wait && !guest->events) {
        return EAGAIN;
    }
    wait_event(&guest->queue, guest->events != NULL);
    event = guest->events;
    guest->events = event->next;
    if (!guest->events) {
        guest->events_tail = &guest->events;
    }
    *text = malloc(event->length + 1);
    if (*text) {
        memcpy(*text, event->text, event->length);
        (*text)[event->length] = '\0';
        *length = event->length;
    }
    free(event);
    return *text ? 0 : ENOMEM;
}

static void guest_close(struct xs_transport *transport)
{
    struct guest_transport *guest = (struct guest_transport *)transport;

    while (guest->watches) {
        watch_drop(&guest->watches);
    }
    while (guest->events) {
        struct event *event = guest->events;
        guest->events = event->next;
        free(event);
    }
    free(guest);
}

struct xs_transport *xs_transport_open(void)
{
    struct guest_transport *guest = calloc(1, sizeof(*guest));

    if (!guest) {
        errno = ENOMEM;
        return NULL;
    }
    guest->transport = (struct xs_transport){
        .talk = guest_talk, .event = guest_event, .close = guest_close};
    guest->events_tail = &guest->events;
    return &guest->transport;
}
