// SPDX-License-Identifier: MIT
/*
 * libxenstore: the calls of xenstore.h over a transport. A handle belongs to one thread at a time,
 * but one thread may wait in xs_read_watch while others make requests.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "tools/libxenstore/xs_transport.h"

struct xs_handle {
    struct xs_transport *transport;
};

struct xs_handle *xs_open(unsigned long flags)
{
    struct xs_handle *handle = calloc(1, sizeof(*handle));

    (void)flags; /* all deprecated */
    if (!handle) {
        errno = ENOMEM;
        return NULL;
    }
    handle->transport = xs_transport_open();
    if (!handle->transport) {
        free(handle);
        return NULL;
    }
    return handle;
}

void xs_close(struct xs_handle *handle)
{
    if (handle) {
        handle->transport->close(handle->transport);
        free(handle);
    }
}

struct xs_handle *xs_daemon_open(void)
{
    return xs_open(0);
}

struct xs_handle *xs_domain_open(void)
{
    return xs_open(0);
}

struct xs_handle *xs_daemon_open_readonly(void)
{
    return xs_open(0);
}

void xs_daemon_close(struct xs_handle *handle)
{
    xs_close(handle);
}

static int error_number(const char *name)
{
    for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++) {
        if (strcmp(xsd_errors[i].errstring, name) == 0) {
            return xsd_errors[i].errnum;
        }
    }
    return EINVAL;
}

/* The reply, to be freed, or NULL with errno set. */
static char *talk(struct xs_handle *h, uint32_t type, xs_transaction_t t, const void *payload,
                  size_t length, unsigned int *reply_length)
{
    uint32_t answer = type, size = 0;
    char *reply = NULL;
    int rc;

    if (length > XENSTORE_PAYLOAD_MAX) {
        errno = E2BIG;
        return NULL;
    }
    rc = h->transport->talk(h->transport, &answer, t, payload, (uint32_t)length, &reply, &size);
    if (rc == 0 && answer != type) {
        rc = answer == XS_ERROR ? error_number(reply) : EBADF;
        free(reply);
    }
    if (rc) {
        errno = rc;
        return NULL;
    }
    if (reply_length) {
        *reply_length = size;
    }
    return reply;
}

/* As talk with `count` terminated strings. */
static char *talk_strings(struct xs_handle *h, uint32_t type, xs_transaction_t t,
                          const char *const *strings, unsigned int count,
                          unsigned int *reply_length)
{
    size_t length = 0, at = 0;
    char *payload, *reply;

    for (unsigned int i = 0; i < count; i++) {
        length += strlen(strings[i]) + 1;
    }
    payload = malloc(length);
    if (!payload) {
        errno = ENOMEM;
        return NULL;
    }
    for (unsigned int i = 0; i < count; i++) {
        size_t size = strlen(strings[i]) + 1;
        memcpy(payload + at, strings[i], size);
        at += size;
    }
    reply = talk(h, type, t, payload, length, reply_length);
    free(payload);
    return reply;
}

static bool succeed(char *reply)
{
    free(reply);
    return reply != NULL;
}

/* A vector of pointers and the strings that they point to, in one allocation. */
static char **strings_vector(const char *strings, size_t length, unsigned int *count)
{
    unsigned int n = 0;
    char **vector, *text;

    for (size_t i = 0; i < length; i++) {
        n += strings[i] == '\0';
    }
    vector = malloc((n + 1) * sizeof(*vector) + length + 1);
    if (!vector) {
        errno = ENOMEM;
        return NULL;
    }
    text = (char *)&vector[n + 1];
    memcpy(text, strings, length);
    text[length] = '\0';
    for (unsigned int i = 0; i < n; i++) {
        vector[i] = text;
        text += strlen(text) + 1;
    }
    vector[n] = NULL;
    *count = n;
    return vector;
}

/* A list that is too long for one message, in parts; starts again when the node changes. */
static char **directory_parts(struct xs_handle *h, xs_transaction_t t, const char *path,
                              unsigned int *num)
{
    char generation[24] = "", *list = NULL, **vector;
    size_t used = 0;

    for (;;) {
        char offset[24];
        const char *strings[2] = {path, offset};
        unsigned int length;
        snprintf(offset, sizeof(offset), "%lu", (unsigned long)used);
        char *reply = talk_strings(h, XS_DIRECTORY_PART, t, strings, 2, &length);
        if (!reply) {
            free(list);
            return NULL;
        }
        size_t head = strlen(reply) + 1;
        if (used > 0 && strcmp(reply, generation) != 0) {
            used = 0; /* changed under our hands */
            free(reply);
            continue;
        }
        snprintf(generation, sizeof(generation), "%s", reply);
        bool last = length >= head + 1 && reply[length - 1] == '\0' &&
                    (length == head + 1 || reply[length - 2] == '\0');
        size_t size = length - head - (last ? 1 : 0);
        char *grown = realloc(list, used + size + 1);
        if (!grown) {
            free(list);
            free(reply);
            errno = ENOMEM;
            return NULL;
        }
        list = grown;
        memcpy(list + used, reply + head, size);
        used += size;
        free(reply);
        if (last) {
            break;
        }
    }
    vector = strings_vector(list, used, num);
    free(list);
    return vector;
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
    unsigned int length;
    char **vector;
    char *reply = talk_strings(h, XS_DIRECTORY, t, &path, 1, &length);

    if (!reply) {
        return errno == E2BIG ? directory_parts(h, t, path, num) : NULL;
    }
    vector = strings_vector(reply, length, num);
    free(reply);
    return vector;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
    return talk_strings(h, XS_READ, t, &path, 1, len);
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
              unsigned int len)
{
    size_t size = strlen(path) + 1;
    char *payload = malloc(size + len), *reply;

    if (!payload) {
        errno = ENOMEM;
        return false;
    }
    memcpy(payload, path, size);
    memcpy(payload + size, data, len);
    reply = talk(h, XS_WRITE, t, payload, size + len, NULL);
    free(payload);
    return succeed(reply);
}

bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    return succeed(talk_strings(h, XS_MKDIR, t, &path, 1, NULL));
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    return succeed(talk_strings(h, XS_RM, t, &path, 1, NULL));
}

bool xs_restrict(struct xs_handle *h, unsigned domid)
{
    (void)h, (void)domid;
    errno = ENOSYS;
    return false;
}

bool xs_strings_to_perms(struct xs_permissions *perms, unsigned int num, const char *strings)
{
    static const char letters[] = "nrwb"; /* the letter's place is the bit set */

    for (unsigned int i = 0; i < num; i++) {
        const char *letter = *strings ? strchr(letters, *strings) : NULL;
        char *end;
        if (!letter) {
            errno = EINVAL;
            return false;
        }
        perms[i].perms = (unsigned int)(letter - letters);
        perms[i].id = (unsigned int)strtoul(strings + 1, &end, 10);
        if (*end || end == strings + 1) {
            errno = EINVAL;
            return false;
        }
        strings = end + 1;
    }
    return true;
}

struct xs_permissions *xs_get_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
                                          unsigned int *num)
{
    unsigned int length, count = 0;
    struct xs_permissions *perms;
    char *reply = talk_strings(h, XS_GET_PERMS, t, &path, 1, &length);

    if (!reply) {
        return NULL;
    }
    for (unsigned int i = 0; i < length; i++) {
        count += reply[i] == '\0';
    }
    perms = calloc(count ? count : 1, sizeof(*perms));
    if (!perms || !xs_strings_to_perms(perms, count, reply)) {
        free(perms);
        perms = NULL;
    } else {
        *num = count;
    }
    free(reply);
    return perms;
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
                        struct xs_permissions *perms, unsigned int num_perms)
{
    size_t size = strlen(path) + 1, used = size;
    char *payload = malloc(size + (size_t)num_perms * 16), *reply;

    if (!payload) {
        errno = ENOMEM;
        return false;
    }
    memcpy(payload, path, size);
    for (unsigned int i = 0; i < num_perms; i++) {
        used += (size_t)snprintf(payload + used, 16, "%c%u", "nrwb"[perms[i].perms & 3],
                                 perms[i].id) +
                1;
    }
    reply = talk(h, XS_SET_PERMS, t, payload, used, NULL);
    free(payload);
    return succeed(reply);
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
    const char *strings[2] = {path, token};
    return succeed(talk_strings(h, XS_WATCH, XBT_NULL, strings, 2, NULL));
}

int xs_fileno(struct xs_handle *h)
{
    (void)h;
    errno = ENOSYS; /* there are no file descriptors to poll here */
    return -1;
}

static char **watch_event(struct xs_handle *h, bool wait, unsigned int *num)
{
    uint32_t length;
    char *event, **vector;
    int rc = h->transport->event(h->transport, wait, &event, &length);

    if (rc) {
        errno = rc;
        return NULL;
    }
    vector = strings_vector(event, length, num);
    free(event);
    return vector;
}

char **xs_check_watch(struct xs_handle *h)
{
    unsigned int num;
    return watch_event(h, false, &num);
}

char **xs_read_watch(struct xs_handle *h, unsigned int *num)
{
    return watch_event(h, true, num);
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
    const char *strings[2] = {path, token};
    return succeed(talk_strings(h, XS_UNWATCH, XBT_NULL, strings, 2, NULL));
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
    const char *empty = "";
    char *reply = talk_strings(h, XS_TRANSACTION_START, XBT_NULL, &empty, 1, NULL);
    xs_transaction_t id = XBT_NULL;

    if (reply) {
        id = (xs_transaction_t)strtoul(reply, NULL, 10);
        free(reply);
    }
    return id;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
    const char *word = abort ? "F" : "T";
    return succeed(talk_strings(h, XS_TRANSACTION_END, t, &word, 1, NULL));
}

/* As talk_strings with decimal numbers. */
static char *talk_numbers(struct xs_handle *h, uint32_t type, const unsigned long *numbers,
                          unsigned int count)
{
    char text[3][24];
    const char *strings[3];

    for (unsigned int i = 0; i < count; i++) {
        snprintf(text[i], sizeof(text[i]), "%lu", numbers[i]);
        strings[i] = text[i];
    }
    return talk_strings(h, type, XBT_NULL, strings, count, NULL);
}

bool xs_introduce_domain(struct xs_handle *h, unsigned int domid, unsigned long mfn,
                         unsigned int eventchn)
{
    const unsigned long numbers[3] = {domid, mfn, eventchn};
    return succeed(talk_numbers(h, XS_INTRODUCE, numbers, 3));
}

bool xs_set_target(struct xs_handle *h, unsigned int domid, unsigned int target)
{
    const unsigned long numbers[2] = {domid, target};
    return succeed(talk_numbers(h, XS_SET_TARGET, numbers, 2));
}

bool xs_resume_domain(struct xs_handle *h, unsigned int domid)
{
    const unsigned long number = domid;
    return succeed(talk_numbers(h, XS_RESUME, &number, 1));
}

bool xs_release_domain(struct xs_handle *h, unsigned int domid)
{
    const unsigned long number = domid;
    return succeed(talk_numbers(h, XS_RELEASE, &number, 1));
}

char *xs_get_domain_path(struct xs_handle *h, unsigned int domid)
{
    const unsigned long number = domid;
    return talk_numbers(h, XS_GET_DOMAIN_PATH, &number, 1);
}

bool xs_is_domain_introduced(struct xs_handle *h, unsigned int domid)
{
    const unsigned long number = domid;
    char *reply = talk_numbers(h, XS_IS_DOMAIN_INTRODUCED, &number, 1);
    bool introduced = reply && reply[0] == 'T';

    free(reply);
    return introduced;
}

bool xs_path_is_subpath(const char *parent, const char *child)
{
    size_t length = strlen(parent);

    length -= length > 0 && parent[length - 1] == '/';
    return strncmp(parent, child, length) == 0 && (child[length] == '/' || child[length] == '\0');
}

char *xs_control_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len)
{
    size_t size = strlen(cmd) + 1;
    char *payload = malloc(size + len), *reply;

    if (!payload) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(payload, cmd, size);
    memcpy(payload + size, data, len);
    reply = talk(h, XS_CONTROL, XBT_NULL, payload, size + len, NULL);
    free(payload);
    return reply;
}

char *xs_debug_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len)
{
    return xs_control_command(h, cmd, data, len);
}
