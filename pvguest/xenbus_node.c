// SPDX-License-Identifier: MIT
/*
 * xenbus: what can be done with nodes, permissions and transactions. Each function is one message
 * (xen/io/xs_wire.h); the answers are parsed here and nowhere else.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pvguest/errno.h"
#include "pvguest/xenbus.h"

/* A message with one string as its payload. */
static int request_text(uint32_t type, uint32_t tx, const char *text, char **reply, size_t *length)
{
    struct xenbus_message message = {
        .type = type, .transaction = tx, .part_count = 1, .parts = {{text, strlen(text) + 1}}};
    return xenbus_request(&message, reply, length);
}

int xenbus_transaction_start(uint32_t *transaction)
{
    char *reply;
    int error = request_text(XS_TRANSACTION_START, XENBUS_NO_TRANSACTION, "", &reply, NULL);
    if (error == 0) {
        *transaction = (uint32_t)strtoul(reply, NULL, 10);
        free(reply);
    }
    return error;
}

int xenbus_transaction_end(uint32_t transaction, bool abort_it)
{
    return request_text(XS_TRANSACTION_END, transaction, abort_it ? "F" : "T", NULL, NULL);
}

int xenbus_read(uint32_t tx, const char *path, char **value, size_t *length)
{
    return request_text(XS_READ, tx, path, value, length);
}

int xenbus_write(uint32_t tx, const char *path, const void *value, size_t length)
{
    struct xenbus_message message = {
        .type = XS_WRITE,
        .transaction = tx,
        .part_count = 2,
        .parts = {{path, strlen(path) + 1}, {value, length}}
    };
    return xenbus_request(&message, NULL, NULL);
}

int xenbus_mkdir(uint32_t tx, const char *path)
{
    return request_text(XS_MKDIR, tx, path, NULL, NULL);
}

int xenbus_rm(uint32_t tx, const char *path)
{
    return request_text(XS_RM, tx, path, NULL, NULL);
}

/* Directories ---------------------------------------------------------------------------------- */
/* A directory that does not fit into one message. */
struct long_directory {
    char *text;
    size_t used;
    uint64_t generation; /* changes when children come or go */
};

/* Reads the next part. The answer is the generation, then names; after all names comes an empty
 * one. 1: there is more. -XEN_EAGAIN: the directory has changed. */
static int directory_part(uint32_t tx, const char *path, struct long_directory *directory)
{
    char offset[24];
    int digits = snprintf(offset, sizeof(offset), "%zu", directory->used);
    struct xenbus_message message = {
        .type = XS_DIRECTORY_PART,
        .transaction = tx,
        .part_count = 2,
        .parts = {{path, strlen(path) + 1}, {offset, (size_t)digits + 1}}
    };
    char *reply;
    size_t length;
    int error = xenbus_request(&message, &reply, &length);
    if (error != 0) {
        return error;
    }
    uint64_t generation = strtoull(reply, NULL, 10);
    size_t skip = strlen(reply) + 1;
    size_t names = length > skip ? length - skip : 0;
    char *grown = realloc(directory->text, directory->used + names + 1);
    if (grown != NULL) {
        memcpy(grown + directory->used, reply + skip, names);
        directory->text = grown;
    }
    free(reply);
    if (grown == NULL) {
        return -XEN_ENOMEM;
    }
    if (directory->used != 0 && generation != directory->generation) {
        return -XEN_EAGAIN;
    }
    directory->generation = generation;
    directory->used += names;
    const char *end = grown + directory->used;
    bool last = names == 0 || (end[-1] == '\0' && (names == 1 || end[-2] == '\0'));
    return last ? 0 : 1;
}

static int directory_long(uint32_t tx, const char *path, char **text, size_t *length)
{
    struct long_directory directory = {0};
    int more;
    do {
        more = directory_part(tx, path, &directory);
        if (more == -XEN_EAGAIN) {
            directory.used = 0;
        }
    } while (more > 0 || more == -XEN_EAGAIN);
    if (more < 0) {
        free(directory.text);
        return more;
    }
    *text = directory.text;
    *length = directory.used != 0 ? directory.used - 1 : 0; /* without the empty name */
    return 0;
}

/* Turns names that end with zero bytes into an array with the names behind it. */
static int names_split(const char *text, size_t length, char ***names, size_t *count)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        n += text[i] == '\0';
    }
    *names = malloc(n * sizeof(char *) + length + 1);
    if (*names == NULL) {
        return -XEN_ENOMEM;
    }
    char *copy = (char *)(*names + n);
    memcpy(copy, text, length);
    for (size_t i = 0; i < n; i++) {
        (*names)[i] = copy;
        copy += strlen(copy) + 1;
    }
    *count = n;
    return 0;
}

int xenbus_directory(uint32_t tx, const char *path, char ***names, size_t *count)
{
    char *text;
    size_t length;
    int error = request_text(XS_DIRECTORY, tx, path, &text, &length);
    if (error == -XEN_E2BIG) {
        error = directory_long(tx, path, &text, &length);
    }
    if (error != 0) {
        return error;
    }
    error = names_split(text, length, names, count);
    free(text);
    return error;
}

/* Formatted values ----------------------------------------------------------------------------- */
static int path_join(char *path, const char *dir, const char *node)
{
    int length = node == NULL ? snprintf(path, XENSTORE_ABS_PATH_MAX, "%s", dir)
                              : snprintf(path, XENSTORE_ABS_PATH_MAX, "%s/%s", dir, node);
    return length < XENSTORE_ABS_PATH_MAX ? 0 : -XEN_EINVAL;
}

int xenbus_printf(uint32_t tx, const char *dir, const char *node, const char *format, ...)
{
    char path[XENSTORE_ABS_PATH_MAX];
    char value[256];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof(value)) {
        return -XEN_E2BIG;
    }
    int error = path_join(path, dir, node);
    return error != 0 ? error : xenbus_write(tx, path, value, (size_t)length);
}

int xenbus_read_number(uint32_t tx, const char *dir, const char *node, uint64_t *value)
{
    char path[XENSTORE_ABS_PATH_MAX];
    char *text;
    char *end;
    int error = path_join(path, dir, node);
    if (error == 0) {
        error = xenbus_read(tx, path, &text, NULL);
    }
    if (error != 0) {
        return error;
    }
    /* Not octal: a leading zero means nothing here. */
    bool hexadecimal = text[0] == '0' && text[1] == 'x';
    *value = strtoull(text, &end, hexadecimal ? 16 : 10);
    error = text[0] >= '0' && text[0] <= '9' && *end == '\0' ? 0 : -XEN_EINVAL;
    free(text);
    return error;
}

uint64_t xenbus_read_number_or(const char *dir, const char *node, uint64_t otherwise)
{
    uint64_t value;
    return xenbus_read_number(XENBUS_NO_TRANSACTION, dir, node, &value) == 0 ? value : otherwise;
}

int xenbus_read_text(const char *dir, const char *node, char *text, size_t size)
{
    char path[XENSTORE_ABS_PATH_MAX];
    char *value;
    size_t length;
    int error = path_join(path, dir, node);
    if (error == 0) {
        error = xenbus_read(XENBUS_NO_TRANSACTION, path, &value, &length);
    }
    if (error != 0) {
        return error;
    }
    if (length >= size) {
        error = -XEN_E2BIG;
        length = size - 1;
    }
    memcpy(text, value, length);
    text[length] = '\0';
    free(value);
    return error;
}

/* Permissions: a letter (n, r, w, b) and a domain number each ---------------------------------- */
static const char access_letters[] = {[XENBUS_ACCESS_NONE] = 'n',
                                      [XENBUS_ACCESS_READ] = 'r',
                                      [XENBUS_ACCESS_WRITE] = 'w',
                                      [XENBUS_ACCESS_READ | XENBUS_ACCESS_WRITE] = 'b'};

static int permission_parse(const char *text, struct xenbus_permission *permission)
{
    char *end;
    for (unsigned int access = 0; access < sizeof(access_letters); access++) {
        if (text[0] == access_letters[access]) {
            permission->access = access;
            permission->domid = (domid_t)strtoul(text + 1, &end, 10);
            return end != text + 1 && *end == '\0' ? 0 : -XEN_EIO;
        }
    }
    return -XEN_EIO;
}

int xenbus_get_permissions(uint32_t tx, const char *path, struct xenbus_permissions **permissions)
{
    char *text;
    size_t length;
    char **words;
    size_t count;
    int error = request_text(XS_GET_PERMS, tx, path, &text, &length);
    if (error != 0) {
        return error;
    }
    error = names_split(text, length, &words, &count);
    free(text);
    if (error != 0) {
        return error;
    }
    struct xenbus_permissions *result = malloc(sizeof(*result) +
                                               count * sizeof(result->entries[0]));
    error = result == NULL ? -XEN_ENOMEM : 0;
    for (size_t i = 0; error == 0 && i < count; i++) {
        error = permission_parse(words[i], &result->entries[i]);
    }
    free(words);
    if (error != 0) {
        free(result);
        return error;
    }
    result->count = count;
    *permissions = result;
    return 0;
}

int xenbus_set_permissions(uint32_t tx, const char *path,
                           const struct xenbus_permissions *permissions)
{
    char text[256];
    size_t used = 0;
    for (size_t i = 0; i < permissions->count; i++) {
        const struct xenbus_permission *entry = &permissions->entries[i];
        if (entry->access >= sizeof(access_letters)) {
            return -XEN_EINVAL;
        }
        if (used + 8 > sizeof(text)) {
            return -XEN_E2BIG;
        }
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%c%u",
                                 access_letters[entry->access], (unsigned int)entry->domid) +
                1;
    }
    struct xenbus_message message = {
        .type = XS_SET_PERMS,
        .transaction = tx,
        .part_count = 2,
        .parts = {{path, strlen(path) + 1}, {text, used}}
    };
    return xenbus_request(&message, NULL, NULL);
}

/* States --------------------------------------------------------------------------------------- */
XenbusState xenbus_read_state(const char *dir)
{
    uint64_t state = xenbus_read_number_or(dir, "state", XenbusStateUnknown);
    return state <= XenbusStateReconfigured ? (XenbusState)state : XenbusStateUnknown;
}

int xenbus_write_state(const char *dir, XenbusState state)
{
    return xenbus_printf(XENBUS_NO_TRANSACTION, dir, "state", "%u", (unsigned int)state);
}

const char *xenbus_state_name(XenbusState state)
{
    static const char *const names[] = {"Unknown",     "Initialising",  "InitWait",
                                        "Initialised", "Connected",     "Closing",
                                        "Closed",      "Reconfiguring", "Reconfigured"};
    return (unsigned int)state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}
