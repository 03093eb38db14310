// SPDX-License-Identifier: MIT
/*
 * xenbus: client of the xenstore, one for the whole domain.
 *
 * In a domU requests go over the ring of start_info; the first call connects. In dom0 the store's
 * server lives in the same program and registers a transport before anything else uses this file.
 * Requests may be made from several threads at once and block only their own thread; never from
 * event handlers or timers. All functions return 0 or -XEN_E*; -XEN_ENODEV: there is no store.
 *
 * Relative paths are below the domain's own path ("/local/domain/N", in dom0 too). Values that are
 * given back are allocated by malloc, end with a zero byte that is not counted, and are the
 * caller's to free.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>

/* Transactions ------------------------------------------------------------------------------- */
#define XENBUS_NO_TRANSACTION 0U

int xenbus_transaction_start(uint32_t *transaction);
/* -XEN_EAGAIN: somebody else changed what was used; nothing was done; start again. */
int xenbus_transaction_end(uint32_t transaction, bool abort);

/* Nodes: `tx` is a transaction or XENBUS_NO_TRANSACTION --------------------------------------- */
int xenbus_read(uint32_t tx, const char *path, char **value, size_t *length); /* length: or NULL */
int xenbus_write(uint32_t tx, const char *path, const void *value, size_t length);
int xenbus_mkdir(uint32_t tx, const char *path);
int xenbus_rm(uint32_t tx, const char *path); /* and all below */
/* Names of the children: an array of `count` pointers, one allocation, to be freed once. */
int xenbus_directory(uint32_t tx, const char *path, char ***names, size_t *count);

/* The same on the node `dir`/`node`; node may be NULL. */
int xenbus_printf(uint32_t tx, const char *dir, const char *node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Decimal, or hexadecimal after 0x. -XEN_EINVAL if the value is no number. */
int xenbus_read_number(uint32_t tx, const char *dir, const char *node, uint64_t *value);
/* `otherwise` if the node is absent or no number. */
uint64_t xenbus_read_number_or(const char *dir, const char *node, uint64_t otherwise);
/* Cut to `size` with its zero byte: -XEN_E2BIG. */
int xenbus_read_text(const char *dir, const char *node, char *text, size_t size);

/* The first entry names the owner and what all others may do. */
struct xenbus_permission {
    domid_t domid;
    unsigned int access; /* XENBUS_ACCESS_* */
};
#define XENBUS_ACCESS_NONE 0U
#define XENBUS_ACCESS_READ 1U
#define XENBUS_ACCESS_WRITE 2U
struct xenbus_permissions {
    size_t count;
    struct xenbus_permission entries[];
};
int xenbus_get_permissions(uint32_t tx, const char *path, struct xenbus_permissions **permissions);
int xenbus_set_permissions(uint32_t tx, const char *path,
                           const struct xenbus_permissions *permissions);

/* Watches ------------------------------------------------------------------------------------ */
/*
 * The struct is the caller's and stays put while registered. `fired` runs in the xenbus thread, one
 * watch at a time in the order of the events, once right after the registration; it may use every
 * function here. `path` is the node that changed, in the form in which the watch named its own.
 * Events that are equal to one that still waits are merged. Of others, XENBUS_WATCH_EVENTS may wait for one
 * watch; when there are more (or no memory), `fired` is called last with the watch's own path, in place
 * of all that found no room.
 */
#define XENBUS_WATCH_EVENTS 64U
struct xenbus_watch {
    const char *path;
    void (*fired)(struct xenbus_watch *watch, const char *path);
    void *context;       /* the caller's */
    uint32_t token;      /* private from here on */
    unsigned int events; /* that wait */
    bool missed;
    struct xenbus_watch *next, *next_missed;
};
int xenbus_watch(struct xenbus_watch *watch);
/* `fired` does not run any more after the return (unless this is called by `fired` itself). */
void xenbus_unwatch(struct xenbus_watch *watch);
/* Has `fired` called soon in the xenbus thread, as if watch->path had changed. From threads. */
void xenbus_watch_trigger(struct xenbus_watch *watch);

/* Any message (libxenstore, introductions): parts are sent one after the other as the payload. ---- */
struct xenbus_part {
    const void *data;
    size_t length;
};
struct xenbus_message {
    uint32_t type; /* XS_* */
    uint32_t transaction;
    unsigned int part_count;
    struct xenbus_part parts[3];
};
/* reply and length may be NULL. An XS_ERROR answer becomes -XEN_E*. */
int xenbus_request(const struct xenbus_message *message, char **reply, size_t *length);

/* Transports: for the store's server in the same program -------------------------------------- */
/*
 * `send` takes one whole message from a client thread (which it may block); 0 or -XEN_E*. Answers
 * (same req_id) and XS_WATCH_EVENT messages come back through xenbus_receive, within send or later,
 * from any thread. Payloads are copied.
 */
struct xenbus_transport {
    int (*send)(struct xenbus_transport *transport, const struct xsd_sockmsg *header,
                const void *payload);
    void *context;
};
/* Before the first other call. -XEN_EEXIST if there is a transport already. */
int xenbus_register_transport(struct xenbus_transport *transport);
void xenbus_receive(const struct xsd_sockmsg *header, const void *payload);
/* The connection has ended: requests fail with -XEN_EIO from now on, the waiting ones too. */
void xenbus_disconnected(void);
/* The ring of start_info (domU): used by the first call when nothing is registered. */
int xenbus_ring_connect(void);

/* Words and states --------------------------------------------------------------------------- */
/* XenbusStateUnknown if `dir`/state is absent or nonsense. */
XenbusState xenbus_read_state(const char *dir);
int xenbus_write_state(const char *dir, XenbusState state);
const char *xenbus_state_name(XenbusState state);
