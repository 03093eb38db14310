// SPDX-License-Identifier: MIT
/*
 * The requests of the wire protocol (xen/io/xs_wire.h; syntax: Xen's docs/misc/xenstore.txt).
 * One table row a request. A handler parses the payload, which is hostile, and either replies
 * itself or returns 0 (the row's `ack` then sends "OK") or an error, sent as its name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0/xenstore.h"

#define STRINGS_MAX 3U
#define REAP_MAX (4 * XENSTORE_TURN) /* steps of freeing for what one request has copied */

struct request {
    struct xenstore_connection *connection;
    struct xenstore_transaction *transaction; /* NULL: outside of one */
    const struct xsd_sockmsg *header;
    const char *payload;
    size_t length;
    char path[XENSTORE_ABS_PATH_MAX + 1]; /* resolved */
    uint32_t skip;                        /* characters of it that the client did not write */
};

static int reply(const struct request *r, const void *data, size_t length)
{
    return xenstore_reply(r->connection, r->header, data, length);
}

static int reply_string(const struct request *r, const char *text)
{
    return reply(r, text, strlen(text) + 1);
}

/* Splits the payload into terminated strings: their number, or 0 if the last has no end. At most
 * STRINGS_MAX are stored. */
static unsigned int strings_split(const struct request *r, const char *strings[STRINGS_MAX])
{
    unsigned int count = 0;

    if (r->length == 0 || r->payload[r->length - 1] != '\0') {
        return 0;
    }
    for (size_t at = 0; at < r->length; at += strlen(r->payload + at) + 1, count++) {
        if (count < STRINGS_MAX) {
            strings[count] = r->payload + at;
        }
    }
    return count;
}

/* Decimal number of a whole string. */
static bool parse_number(const char *text, uint64_t limit, uint64_t *value)
{
    uint64_t v = 0;

    if (!*text) {
        return false;
    }
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || v > (limit - (uint64_t)(*text - '0')) / 10) {
            return false;
        }
        v = v * 10 + (uint64_t)(*text - '0');
    }
    *value = v;
    return true;
}

static bool parse_domid(const char *text, uint16_t *domid)
{
    uint64_t value;

    if (!parse_number(text, 0x7fef, &value)) { /* below DOMID_FIRST_RESERVED */
        return false;
    }
    *domid = (uint16_t)value;
    return true;
}

static int path_resolve(struct request *r, const char *text)
{
    r->skip = 0;
    if (text[0] == '/') {
        if (strlen(text) > XENSTORE_ABS_PATH_MAX) {
            return -XEN_EINVAL;
        }
        strcpy(r->path, text);
    } else {
        if (strlen(text) > XENSTORE_REL_PATH_MAX) {
            return -XEN_EINVAL;
        }
        r->skip = (uint32_t)snprintf(r->path, sizeof(r->path), "/local/domain/%u/",
                                     r->connection->domid);
        strcpy(r->path + r->skip, text);
    }
    return xenstore_path_valid(r->path) ? 0 : -XEN_EINVAL;
}

/* For requests of exactly one string that is a path. */
static int path_only(struct request *r)
{
    const char *strings[STRINGS_MAX];

    return strings_split(r, strings) == 1 ? path_resolve(r, strings[0]) : -XEN_EINVAL;
}

static int node_of(struct request *r, const struct xenstore_node **node)
{
    int rc = path_only(r);
    return rc ? rc
              : xenstore_node_look(r->connection, r->transaction, r->path, XENSTORE_READ, node);
}

static int do_read(struct request *r)
{
    const struct xenstore_node *node;
    int rc = node_of(r, &node);

    return rc ? rc : reply(r, node->data ? node->data : (const uint8_t *)"", node->length);
}

/* Names of children from byte `offset` of the whole list, as far as they fit; the bytes written. */
static size_t children_copy(const struct request *r, const struct xenstore_node *node,
                            size_t offset, char *buffer, size_t room, bool *complete)
{
    size_t at = 0, used = 0;

    *complete = true;
    r->connection->store->books.work += node->child_count / 16;
    for (uint32_t i = 0; i < node->child_count; i++) {
        size_t size = strlen(node->children[i]->name) + 1;
        if (at >= offset) {
            if (used + size > room) {
                *complete = false;
                break;
            }
            memcpy(buffer + used, node->children[i]->name, size);
            used += size;
        }
        at += size;
    }
    return used;
}

static int do_directory(struct request *r)
{
    const struct xenstore_node *node;
    char buffer[XENSTORE_PAYLOAD_MAX];
    bool complete;
    int rc = node_of(r, &node);

    if (rc) {
        return rc;
    }
    size_t length = children_copy(r, node, 0, buffer, sizeof(buffer), &complete);
    if (!complete) {
        return -XEN_E2BIG;
    }
    return reply(r, buffer, length);
}

/* The end of the list is an empty string. */
static int do_directory_part(struct request *r)
{
    const char *strings[STRINGS_MAX];
    const struct xenstore_node *node;
    char buffer[XENSTORE_PAYLOAD_MAX];
    uint64_t offset;
    bool complete;
    size_t used;
    int rc;

    if (strings_split(r, strings) != 2 || !parse_number(strings[1], UINT32_MAX, &offset)) {
        return -XEN_EINVAL;
    }
    rc = path_resolve(r, strings[0]);
    rc = rc ? rc : xenstore_node_look(r->connection, r->transaction, r->path, XENSTORE_READ, &node);
    if (rc) {
        return rc;
    }
    used = (size_t)snprintf(buffer, sizeof(buffer), "%llu", (unsigned long long)node->generation) +
           1;
    used += children_copy(r, node, (size_t)offset, buffer + used, sizeof(buffer) - used - 1,
                          &complete);
    if (complete) {
        buffer[used++] = '\0';
    }
    return reply(r, buffer, used);
}

static int do_write(struct request *r)
{
    const char *end = memchr(r->payload, '\0', r->length);
    int rc;

    if (!end) {
        return -XEN_EINVAL;
    }
    rc = path_resolve(r, r->payload);
    return rc ? rc
              : xenstore_node_write(r->connection, r->transaction, r->path, end + 1,
                                    r->length - (size_t)(end + 1 - r->payload));
}

static int do_mkdir(struct request *r)
{
    int rc = path_only(r);
    return rc ? rc : xenstore_node_make(r->connection, r->transaction, r->path);
}

static int do_rm(struct request *r)
{
    int rc = path_only(r);
    return rc ? rc : xenstore_node_remove(r->connection, r->transaction, r->path);
}

static int do_get_perms(struct request *r)
{
    const struct xenstore_node *node;
    char buffer[XENSTORE_PAYLOAD_MAX];
    size_t used = 0;
    int rc = node_of(r, &node);

    for (uint32_t i = 0; rc == 0 && i < node->perm_count; i++) {
        if (used + 8 > sizeof(buffer)) {
            return -XEN_E2BIG;
        }
        used += (size_t)snprintf(buffer + used, sizeof(buffer) - used, "%c%u",
                                 "nrwb"[node->perms[i].rights & 3], node -> perms[i].domid) +
                1;
    }
    return rc ? rc : reply(r, buffer, used);
}

/* Parses "r5" and the like; -XEN_EINVAL. */
static int perm_parse(const char *text, struct xenstore_perm *perm)
{
    const char *found = text[0] ? strchr("nrwb", text[0]) : NULL;

    if (!found || !parse_domid(text + 1, &perm->domid)) {
        return -XEN_EINVAL;
    }
    perm->rights = (uint8_t)(found - "nrwb");
    return 0;
}

static int special_index(const char *name)
{
    return strcmp(name, "@introduceDomain") == 0 ? 0 : strcmp(name, "@releaseDomain") == 0 ? 1 : -1;
}

static int do_set_perms(struct request *r)
{
    struct xenstore_perm *perms;
    const char *strings[STRINGS_MAX];
    unsigned int count = strings_split(r, strings);
    size_t at;
    int rc = 0;

    if (count < 2) {
        return -XEN_EINVAL;
    }
    perms = calloc(count - 1, sizeof(*perms));
    if (!perms) {
        return -XEN_ENOMEM;
    }
    at = strlen(r->payload) + 1;
    for (unsigned int i = 0; i < count - 1 && rc == 0; i++) {
        rc = perm_parse(r->payload + at, &perms[i]);
        at += strlen(r->payload + at) + 1;
    }
    if (rc == 0 && r->payload[0] == '@') {
        int special = special_index(strings[0]);
        rc = special < 0 ? -XEN_ENOENT : r->connection->privileged ? 0 : -XEN_EACCES;
        if (rc == 0) {
            r->connection->store->special[special][1] = perms[count - 2];
        }
    } else if (rc == 0) {
        rc = path_resolve(r, strings[0]);
        rc = rc ? rc
                : xenstore_node_set_perms(r->connection, r->transaction, r->path, perms, count - 1);
    }
    free(perms);
    return rc;
}

/* A watch's path: a node, or one of the special names with an optional domain. */
static int watch_path(struct request *r, const char *text)
{
    if (text[0] != '@') {
        return path_resolve(r, text);
    }
    if (strlen(text) > XENSTORE_REL_PATH_MAX) {
        return -XEN_EINVAL;
    }
    strcpy(r->path, text);
    r->skip = 0;
    return 0;
}

/* The client gets the acknowledgement first and then one event at once. */
static int do_watch(struct request *r)
{
    const char *strings[STRINGS_MAX];
    unsigned int count = strings_split(r, strings);
    struct xenstore_watch *watch;
    uint64_t depth = 0;
    int rc;

    if (count < 2 || count > 3 || (count == 3 && !parse_number(strings[2], INT32_MAX, &depth))) {
        return -XEN_EINVAL;
    }
    rc = watch_path(r, strings[0]);
    rc = rc ? rc : xenstore_watch_add(r->connection, r->path, r->skip, strings[1], &watch);
    if (rc) {
        return rc;
    }
    watch->depth = count == 3 ? (int)depth : -1;
    if (!xenstore_event(watch, r->path)) {
        xenstore_watch_remove(r->connection, r->path, strings[1]);
        return -XEN_ENOMEM;
    }
    return 0;
}

static int do_unwatch(struct request *r)
{
    const char *strings[STRINGS_MAX];
    int rc;

    if (strings_split(r, strings) < 2) {
        return -XEN_EINVAL;
    }
    rc = watch_path(r, strings[0]);
    return rc ? rc : xenstore_watch_remove(r->connection, r->path, strings[1]);
}

static int do_reset_watches(struct request *r)
{
    xenstore_watch_reset(r->connection);
    xenstore_transaction_reset(r->connection);
    r->transaction = NULL;
    return 0;
}

static int do_transaction_start(struct request *r)
{
    char text[16];
    uint32_t id;
    int rc;

    if (r->transaction) {
        return -XEN_EBUSY;
    }
    rc = xenstore_transaction_start(r->connection, &id);
    if (rc == 0) {
        snprintf(text, sizeof(text), "%u", (unsigned int)id);
        rc = reply_string(r, text);
    }
    return rc;
}

static int do_transaction_end(struct request *r)
{
    const char *strings[STRINGS_MAX];

    if (strings_split(r, strings) != 1 ||
        (strcmp(strings[0], "T") != 0 && strcmp(strings[0], "F") != 0)) {
        return -XEN_EINVAL;
    }
    if (!r->transaction) {
        return -XEN_ENOENT;
    }
    return xenstore_transaction_end(r->transaction, strings[0][0] == 'T');
}

/* The domain that a request names first; -XEN_EINVAL. */
static int domain_of(struct request *r, unsigned int count, const char *strings[STRINGS_MAX],
                     uint16_t *domid)
{
    return strings_split(r, strings) >= count && parse_domid(strings[0], domid) ? 0 : -XEN_EINVAL;
}

static int do_introduce(struct request *r)
{
    const char *strings[STRINGS_MAX];
    struct xenstore *store = r->connection->store;
    uint64_t port, gfn;
    uint16_t domid;
    int rc = domain_of(r, 3, strings, &domid);

    if (rc || domid == 0 || !parse_number(strings[1], UINT64_MAX, &gfn) ||
        !parse_number(strings[2], UINT32_MAX, &port)) {
        return -XEN_EINVAL;
    }
    return store->introduce ? store->introduce(store, domid, gfn, (uint32_t)port) : -XEN_ENOSYS;
}

static int do_release(struct request *r)
{
    const char *strings[STRINGS_MAX];
    struct xenstore *store = r->connection->store;
    uint16_t domid;
    int rc = domain_of(r, 1, strings, &domid);

    if (rc == 0 && (domid == 0 || !xenstore_domain_introduced(store, domid))) {
        rc = domid == 0 ? -XEN_EINVAL : -XEN_ENOENT;
    }
    return rc ? rc : (store->release ? store->release(store, domid) : -XEN_ENOSYS);
}

/* A domain that was reported as shut down will be reported again: releases are not remembered
 * here, so there is nothing to forget. */
static int do_resume(struct request *r)
{
    const char *strings[STRINGS_MAX];
    uint16_t domid;
    int rc = domain_of(r, 1, strings, &domid);

    return rc ? rc : xenstore_domain_introduced(r->connection->store, domid) ? 0 : -XEN_ENOENT;
}

static int do_set_target(struct request *r)
{
    const char *strings[STRINGS_MAX];
    uint16_t domid, target;
    bool found = false;
    int rc = domain_of(r, 2, strings, &domid);

    if (rc || domid == 0 || !parse_domid(strings[1], &target)) {
        return -XEN_EINVAL;
    }
    for (struct xenstore_connection *c = r->connection->store->connections; c; c = c->next) {
        if (c->domid == domid) {
            c->target = target;
            found = true;
        }
    }
    return found ? 0 : -XEN_ENOENT;
}

static int do_get_domain_path(struct request *r)
{
    const char *strings[STRINGS_MAX];
    char path[32];
    uint16_t domid;
    int rc = domain_of(r, 1, strings, &domid);

    if (rc == 0) {
        snprintf(path, sizeof(path), "/local/domain/%u", domid);
        rc = reply_string(r, path);
    }
    return rc;
}

static int do_is_domain_introduced(struct request *r)
{
    const char *strings[STRINGS_MAX];
    uint16_t domid;
    int rc = domain_of(r, 1, strings, &domid);

    return rc ? rc
              : reply_string(r,
                             xenstore_domain_introduced(r->connection->store, domid) ? "T" : "F");
}

static int do_control(struct request *r)
{
    const char *strings[STRINGS_MAX];

    if (strings_split(r, strings) < 1) {
        return -XEN_EINVAL;
    }
    if (strcmp(strings[0], "help") == 0) {
        return reply_string(r, "Supported commands:\nhelp\n");
    }
    return -XEN_EINVAL;
}

static const struct row {
    int (*handler)(struct request *r);
    bool privileged; /* EACCES to others */
    bool ack;        /* success is answered with "OK" */
} rows[XS_TYPE_COUNT] = {
    [XS_CONTROL] = {do_control,              true,  false},
    [XS_DIRECTORY] = {do_directory,            false, false},
    [XS_READ] = {do_read,                 false, false},
    [XS_GET_PERMS] = {do_get_perms,            false, false},
    [XS_WATCH] = {do_watch,                false, true },
    [XS_UNWATCH] = {do_unwatch,              false, true },
    [XS_TRANSACTION_START] = {do_transaction_start,    false, false},
    [XS_TRANSACTION_END] = {do_transaction_end,      false, true },
    [XS_INTRODUCE] = {do_introduce,            true,  true },
    [XS_RELEASE] = {do_release,              true,  true },
    [XS_GET_DOMAIN_PATH] = {do_get_domain_path,      false, false},
    [XS_WRITE] = {do_write,                false, true },
    [XS_MKDIR] = {do_mkdir,                false, true },
    [XS_RM] = {do_rm,                   false, true },
    [XS_SET_PERMS] = {do_set_perms,            false, true },
    [XS_IS_DOMAIN_INTRODUCED] = {do_is_domain_introduced, false, false},
    [XS_RESUME] = {do_resume,               true,  true },
    [XS_SET_TARGET] = {do_set_target,           true,  true },
    [XS_RESET_WATCHES] = {do_reset_watches,        false, true },
    [XS_DIRECTORY_PART] = {do_directory_part,       false, false},
};

/* Looks the transaction up and calls the handler. */
static int request_handle(struct request *r)
{
    const struct xsd_sockmsg *header = r->header;
    const struct row *row = header->type < XS_TYPE_COUNT ? &rows[header->type] : NULL;
    int rc;

    if (!row || !row->handler) {
        return -XEN_ENOSYS;
    }
    if (row->privileged && !r->connection->privileged) {
        return -XEN_EACCES;
    }
    if (header->tx_id) {
        r->transaction = xenstore_transaction_find(r->connection, header->tx_id);
        if (!r->transaction) {
            return -XEN_ENOENT;
        }
    }
    rc = row->handler(r);
    return rc == 0 && row->ack ? reply_string(r, "OK") : rc;
}

/* What every answer needs is taken first: afterwards each outcome can be told. */
int xenstore_request(struct xenstore_connection *connection, const struct xsd_sockmsg *header,
                     const char *payload)
{
    struct xenstore *store = connection->store;
    struct xsd_sockmsg error = *header;
    struct request *r = calloc(1, sizeof(*r));
    const uint64_t start = store->books.work;
    int rc;

    if (!connection->spare) {
        connection->spare = malloc(sizeof(*connection->spare) + XENSTORE_SPARE);
    }
    if (!r || !connection->spare) {
        free(r);
        return -XEN_ENOMEM;
    }
    *r = (struct request){
        .connection = connection, .header = header, .payload = payload, .length = header->len};
    rc = request_handle(r);
    free(r);
    if (rc) {
        const char *name = xenstore_error_name(rc);
        error.type = XS_ERROR;
        xenstore_reply(connection, &error, name, strlen(name) + 1);
    }
    store->books.work += 1 + header->len / 128;
    uint64_t steps = store->books.work - start;
    xenstore_turn(store);
    xenstore_fire(connection);
    /* As much is freed as was copied, so that freeing keeps up; but for a large transaction, before which many small
     * requests have freed what there was. */
    if (steps > REAP_MAX) {
        steps = REAP_MAX;
    }
    xenstore_reap(store, store->limit + steps);
    xenstore_transactions_trim(store);
    xenstore_connections_shed(store);
    return 0;
}
