// SPDX-License-Identifier: MIT
/*
 * How libxenstore reaches a store: in the same process (dom0), over the ring (guests). A program
 * links exactly one definition of xs_transport_open.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Errors are positive numbers of errno.h. Buffers that come back are malloc'ed, with a zero byte
 * behind their last one. */
struct xs_transport {
    /* One request and its reply: *type is XS_*, then the reply's type (XS_ERROR among them). */
    int (*talk)(struct xs_transport *transport, uint32_t *type, uint32_t transaction,
                const void *payload, uint32_t length, char **reply, uint32_t *reply_length);
    /* The next watch event; EAGAIN if none waits and `wait` is false. */
    int (*event)(struct xs_transport *transport, bool wait, char **event, uint32_t *length);
    void (*close)(struct xs_transport *transport);
};

/* NULL, errno set, if there is no store. */
struct xs_transport *xs_transport_open(void);
